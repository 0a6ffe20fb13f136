"""Recognize a root without changes from its live stack, without a change set: by one call at most.

Only certainty counts. A value that CloudFormation resolves itself may have changed although its
text is the same, and one that cannot be compared may differ: such a root needs a change set.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from ..aws import Stack
from ..cfn import Template, ValidationError, parse_template
from ..diff import Diff
from .live_stack import LiveStack, stack_identity
from .model import DesiredStack, RootAction, RootPlan
from .stored_values import StoredValues

_AT_REST = frozenset(("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"))
"""Statuses in which a stack equals its template; after a rollback resources may have been
skipped."""

_RESOLVED = re.compile(
    r"(?:Fn::|!)GetAZs"
    r"|^Transform\b|\"Transform\"|(?:Fn::|!)Transform"  # macros see more than the template
    r"|\{\{resolve:ssm(?:-secure)?:(?![^}]*:\d+\}\})",
    re.MULTILINE,
)
"""Parts of a template that may resolve to another value although their text stays. Dynamic
references to secrets are not fetched again as long as the text that holds them stays
(https://repost.aws/knowledge-center/cloudformation-stack-update-secrets), nor are those to a
version of an SSM parameter."""
_MAY_RESOLVE = ("GetAZs", "Transform", "resolve:ssm")
"""Every text that `_RESOLVED` matches has one of these; searching for plain text first takes a
tenth of the time."""
_STORED = "AWS::SSM::Parameter::"
"""Begins the type of a Parameter whose value CloudFormation reads in each update."""

_NESTED = re.compile(r"TemplateURL[\"']?\s*:\s*[\"']?([^\s\"',}]+)")


def plan_noop(
    desired: DesiredStack, live: LiveStack | None, store: StoredValues | None = None
) -> RootPlan | None:
    """Return the plan of a root that certainly has no changes; None where it needs a change set.

    ``store`` reads Parameter Store; without it a root that takes a value from there needs a change
    set.

    Raises:
        AwsError: the live template, or a parameter, cannot be read.
    """
    if live is None or not _is_unchanged(desired, live, store):
        return None
    return RootPlan(
        desired, RootAction.NOTHING, Diff(), stack_id=live.stack.id, live=stack_identity(live)
    )


def _is_unchanged(desired: DesiredStack, live: LiveStack, store: StoredValues | None) -> bool:
    """Whether template, parameters and tags certainly equal those of the live stack, and nothing in
    them is resolved by CloudFormation."""
    stack = live.stack
    if desired.missing or stack.status not in _AT_REST or desired.role not in (None, stack.role):
        return False
    if dict(desired.tags) != dict(stack.tags) or not _is_self_contained(desired):
        return False
    try:
        template = parse_template(desired.body)
        equal = _same_parameters(template, desired.parameters, stack.parameters)
    except ValidationError:
        return False
    equal = equal and _same_template(desired.body, live.template)
    return equal and _same_stored_values(template, stack, store)


def _is_self_contained(desired: DesiredStack) -> bool:
    """Whether the root's text decides everything: nested templates are named by the hash of their
    text, and no value is looked up."""
    hashes = {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in desired.templates.items()
    }
    named = {url for name, url in desired.urls.items() if hashes[name] in url}
    return all(
        not _resolves(text) and set(_NESTED.findall(text)) <= named
        for text in desired.templates.values()
    ) and not any(
        _STORED in text for name, text in desired.templates.items() if name != desired.root
    )


def _resolves(text: str) -> bool:
    return any(word in text for word in _MAY_RESOLVE) and _RESOLVED.search(text) is not None


def _same_parameters(
    template: Template, wanted: Mapping[str, str], live: Mapping[str, str]
) -> bool:
    """Whether the parameters certainly keep their values. A NoEcho value cannot be compared; one
    that is not given stays."""
    for name, parameter in template.parameters.items():
        if name not in live or (parameter.no_echo and name in wanted):
            return False
        value = wanted.get(name, parameter.default)
        if not parameter.no_echo and value is not None and value != live[name]:
            return False
    return live.keys() == template.parameters.keys()


def _same_stored_values(template: Template, stack: Stack, store: StoredValues | None) -> bool:
    """Whether Parameters of an SSM type still have the values in Parameter Store that they had in
    the last update."""
    stored = [name for name, parameter in template.parameters.items() if parameter.ssm_type]
    if store is None:
        return not stored
    return all(
        name in stack.resolved and store.read(stack.parameters[name]) == stack.resolved[name]
        for name in stored
    )


def _same_template(one: str, other: str) -> bool:
    """Whether two templates are the same text, or the same JSON: botocore parses JSON templates."""
    if one == other:
        return True
    try:  # true and 1 are equal in Python, and not to CloudFormation
        return json.dumps(json.loads(one), sort_keys=True) == json.dumps(
            json.loads(other), sort_keys=True
        )
    except ValueError:
        return False
