"""Read the policies of one side as statements, each with whom or what it holds for.

Statements that apply together are in one pool, wherever they stand: the inline policies of a role
and the policies attached to it; the policy of a bucket, whatever the resource that declares it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ....cfn import LocatedStatement, locate_statements
from ..wording import as_list
from .policy_types import (
    FULL_BY_DEFAULT,
    HOLDERS,
    IDENTITY_POLICIES,
    OWN,
    PRINCIPALS,
    RESOURCE_POLICIES,
)
from .side import Place, Side, SideResource

IDENTITY, TRUST, MANAGED = "identity", "trust", "managed policy"
"""Kinds of pools: what a role, user or group may do; who may assume a role; a policy that holders
outside of the template may have. Any other kind is the service of a resource policy, such as
``AWS::S3``."""
_VERSION = "2012-10-17"
_EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}


class Pool(Struct, frozen=True):
    """What a set of statements holds for: a kind, and the address or text of a subject."""

    kind: str
    subject: str


class Grant(Struct, frozen=True):
    """A statement in its pool.

    ``places`` are the resource that declares it, and one that attaches it, if another one does.
    ``assumed`` says that it is no statement of the template, but the default of AWS.
    """

    pool: Pool
    statement: LocatedStatement
    places: tuple[Place, ...]
    assumed: bool = False


def read_grants(side: Side) -> Iterator[Grant]:
    """Yield every statement of every policy, once for each subject that it holds for."""
    for resource in side:
        if resource.type in PRINCIPALS:
            yield from _read_principal(resource, side)
        elif resource.type in IDENTITY_POLICIES:
            yield from _read_attached(resource, side)
        elif resource.type in _PERMISSIONS:
            yield from _read_permission(resource, side)
        else:
            yield from _read_resource_policies(resource, side)


def read_policy(properties: Mapping[str, Any], name: str) -> Iterator[LocatedStatement]:
    """Yield the statements of a property, which may be JSON in text; a policy that cannot be read
    is one statement without an effect."""
    value = properties.get(name)
    if not value:
        return
    statements = list(locate_statements({name: value}))
    if not statements and (isinstance(value, str) or _is_unresolved(value)):
        yield LocatedStatement((name,), _VERSION, {"Action": value})
    yield from statements


def _is_unresolved(value: Any) -> bool:
    return isinstance(value, Mapping) and any(key.startswith(("Ref", "Fn::")) for key in value)


def _read_principal(resource: SideResource, side: Side) -> Iterator[Grant]:
    properties, place = resource.properties, resource.place
    pool = Pool(IDENTITY, resource.address)
    for statement in read_policy(properties, PRINCIPALS[resource.type]):
        yield Grant(pool, statement, (place,))
    for statement in read_policy(properties, "AssumeRolePolicyDocument"):
        yield Grant(Pool(TRUST, resource.address), statement, (place,))
    for policy in attached_policies(resource, side):
        for statement in read_policy(policy.properties, IDENTITY_POLICIES[policy.type]):
            yield Grant(pool, statement, (policy.place, place))


def attached_policies(resource: SideResource, side: Side) -> Iterator[SideResource]:
    """Yield the managed policies of the template that a role, user or group attaches."""
    by_address = {other.address: other for other in side}
    for arn in as_list(resource.properties.get("ManagedPolicyArns")):
        policy = by_address.get(side.identify(resource.stack, arn))
        if policy is not None and policy.type in IDENTITY_POLICIES:
            yield policy


def list_holders(resource: SideResource, side: Side) -> Iterator[str]:
    """Yield the subjects that a policy names as its holders."""
    for name in HOLDERS:
        for holder in as_list(resource.properties.get(name)):
            yield side.identify(resource.stack, holder)


def _read_attached(resource: SideResource, side: Side) -> Iterator[Grant]:
    pools = [Pool(IDENTITY, holder) for holder in list_holders(resource, side)]
    if resource.type == "AWS::IAM::ManagedPolicy" or not pools:
        pools.append(Pool(MANAGED, resource.address))
    for statement in read_policy(resource.properties, IDENTITY_POLICIES[resource.type]):
        for pool in pools:
            yield Grant(pool, statement, (resource.place,))


def find_held_policies(side: Side) -> set[str]:
    """Return the addresses of the policies that name a holder, or that one attaches."""
    attached = {
        policy.address
        for resource in side
        if resource.type in PRINCIPALS
        for policy in attached_policies(resource, side)
    }
    naming = (resource for resource in side if resource.type in IDENTITY_POLICIES)
    return attached | {policy.address for policy in naming if any(list_holders(policy, side))}


def _read_resource_policies(resource: SideResource, side: Side) -> Iterator[Grant]:
    properties, place = resource.properties, resource.place
    name, target = RESOURCE_POLICIES.get(resource.type, ("", OWN))
    service = resource.type.rpartition("::")[0]
    subjects = _list_subjects(resource, side, target)
    for statement in read_policy(properties, name):
        for subject in subjects:
            yield Grant(Pool(service, subject), statement, (place,))
    if resource.type in FULL_BY_DEFAULT and not properties.get(name):
        statement = LocatedStatement((name,), _VERSION, _EVERYTHING)
        yield Grant(Pool(service, resource.address), statement, (place,), assumed=True)
    for other in properties:  # of a type that no table names, or a second policy
        if other != name:
            for statement in locate_statements({other: properties[other]}):
                for subject in subjects:
                    pool = Pool(f"{resource.type}.{other}", subject)
                    yield Grant(pool, statement, (place,))


def _list_subjects(resource: SideResource, side: Side, target: str) -> Sequence[str]:
    """Return what a resource policy holds for; words with a blank name it themselves."""
    if target == OWN:
        return (resource.address,)
    if " " in target:
        return (target,)
    targets = as_list(resource.properties.get(target)) or ["default"]
    return tuple(side.identify(resource.stack, text) for text in targets)


# --- permissions: resources that are one statement of a policy

_PERMISSIONS = {
    "AWS::Lambda::Permission": "FunctionName",
    "AWS::Lambda::LayerVersionPermission": "LayerVersionArn",
    "AWS::Events::EventBusPolicy": "EventBusName",
}
_CONDITIONS = {
    "SourceArn": ("ArnLike", "aws:SourceArn"),
    "SourceAccount": ("StringEquals", "aws:SourceAccount"),
    "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
    "OrganizationId": ("StringEquals", "aws:PrincipalOrgID"),
    "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
    "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
    "InvokedViaFunctionUrl": ("Bool", "lambda:InvokedViaFunctionUrl"),
}
"""Properties that narrow a permission, as conditions of its statement. Source:
https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html"""


def _read_permission(resource: SideResource, side: Side) -> Iterator[Grant]:
    properties = resource.properties
    target = properties.get(_PERMISSIONS[resource.type], "default")
    subject = side.identify(resource.stack, target)
    pool = Pool(resource.type.rpartition("::")[0], subject)
    if properties.get("Statement"):
        statements = list(read_policy(properties, "Statement"))
    else:
        elements = _as_statement(properties, target)
        statements = [LocatedStatement((), _VERSION, elements)]
    for statement in statements:
        yield Grant(pool, statement, (resource.place,))


def _as_statement(properties: Mapping[str, Any], target: Any) -> Mapping[str, Any]:
    """Return a permission as a statement of the policy of its function, layer or event bus."""
    condition: dict[str, dict[str, Any]] = {}
    for name, (operator, key) in _CONDITIONS.items():
        if name in properties:
            condition.setdefault(operator, {})[key] = properties[name]
    given = properties.get("Condition")
    if isinstance(given, Mapping):  # of an event bus: {Type: StringEquals, Key: …, Value: …}
        operator = str(given.get("Type"))
        condition.setdefault(operator, {})[str(given.get("Key"))] = given.get("Value")
    principal = properties.get("Principal")
    kind = "Service" if str(principal).endswith((".amazonaws.com", ".amazonaws.com.cn")) else "AWS"
    statement = {
        "Effect": "Allow",
        "Action": properties.get("Action"),
        "Resource": target,
        "Principal": "*" if principal == "*" else {kind: principal},
    }
    return {**statement, "Condition": condition} if condition else statement
