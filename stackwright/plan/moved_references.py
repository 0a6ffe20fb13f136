"""Find dynamic references whose values have changed since their resource was deployed.

CloudFormation does not follow a secure value: it resolves ``{{resolve:secretsmanager:…}}`` and
``{{resolve:ssm-secure:…}}`` only where the resource itself changes, and shows their values in no
change set. Source: https://repost.aws/knowledge-center/cloudformation-stack-update-secrets

``{{resolve:ssm:…}}`` is different: recorded change sets of AWS list a value that moved as a
modification. Only where a change set does not list its resource, it is reported here, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from ..aws import ParameterStore, Storage
from ..cfn import SecretReference, ValidationError, declared_keys, dynamic_references
from ..core import AwsError
from .live_stack import LiveStack
from .model import RootAction, RootPlan

_MARKS = ("resolve:secretsmanager:", "resolve:ssm-secure:", "resolve:ssm:")
_PINNED = re.compile(r":\d+$")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class SecureValues(Storage, ParameterStore, Protocol):
    """The calls that tell when a secure value changed; no value is read."""


class _Reference(Struct, frozen=True):
    """A reference of a resource (``app/web:Service``) that was deployed at a time."""

    address: str
    service: str
    arguments: str
    deployed: datetime


def find_moved_references(plan: RootPlan, live: LiveStack, aws: SecureValues) -> Iterator[str]:
    """Yield a sentence for each reference of a live stack whose value has changed since.

    Resources that the plan changes are left out: CloudFormation resolves theirs anew. So are
    references that name a version. Where a call is not allowed, nothing is known. Raises AwsError.
    """
    texts = plan.desired.templates.values()
    if not any(mark in text for text in texts for mark in _MARKS):
        return
    changed = {change.diff.address for change in plan.changes}
    for reference in _list_references(live):
        unlisted = reference.service != "ssm" or plan.kind is not RootAction.LATER
        if reference.address in changed or not unlisted:
            continue
        try:
            yield from _describe_move(reference, aws)
        except AwsError as error:
            if error.problems[0].code != "SW403":
                raise


def _list_references(live: LiveStack) -> Iterator[_Reference]:
    for stack in live.walk():
        try:
            template = declared_keys(stack.template)
        except ValidationError:
            continue
        for logical_id, resource in template.resources.items():
            deployed = stack.resources.get(logical_id)
            if deployed is None or deployed.changed is None:
                continue
            address = f"{stack.name}:{logical_id}"
            properties = dict(resource.properties)
            for service, written in dict.fromkeys(dynamic_references(properties)):
                arguments = _VARIABLE.sub(lambda match: _physical_id(stack, match), written)  # noqa: B023 - called at once
                if "${" not in arguments:
                    yield _Reference(address, service, arguments, deployed.changed)


def _physical_id(stack: LiveStack, variable: re.Match[str]) -> str:
    """Return what ``${LogicalId}`` stands for; the variable itself where that is not a resource."""
    resource = stack.resources.get(variable[1])
    return resource.physical_id if resource else variable[0]


def _describe_move(reference: _Reference, aws: SecureValues) -> Iterator[str]:
    if reference.service != "secretsmanager":
        name = reference.arguments
        parameter = None if _PINNED.search(name) else aws.stored_parameters([name]).get(name)
        if parameter and parameter.changed and parameter.changed > reference.deployed:
            pinned = f"{{{{resolve:{reference.service}:{name}:VERSION}}}}"
            yield _sentence(reference, name, parameter.changed, pinned)
        return
    parts = SecretReference.of(reference.arguments)
    secret = None if parts.version else aws.secret(parts.id)
    if secret and secret.changed and secret.changed > reference.deployed:
        current = secret.current or "VERSION"
        pinned = f"{{{{resolve:secretsmanager:{parts.id}:SecretString:{parts.key}::{current}}}}}"
        yield _sentence(reference, secret.name, secret.changed, pinned)


def _sentence(reference: _Reference, name: str, changed: datetime, pinned: str) -> str:
    return (
        f"{reference.address} keeps its value of {name}, which was changed on "
        f"{changed:%Y-%m-%d %H:%M}: CloudFormation does not follow it; to use the new value, name "
        f"its version: {pinned}"
    )
