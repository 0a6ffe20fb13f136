"""Describe what new and changed policy documents allow, wherever a type holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from ...cfn import read_statements
from ...diff import Effect, PropertyDiff
from .attachments import ATTACHED_POLICIES, RESOURCE_POLICIES, is_attachment
from .iam import find_widenings, is_covered
from .paths import PropertyPath, Step, parse_path, value_at
from .resource import ChangedResource
from .wording import as_list, describe_change, describe_statement, join_texts, shorten

_DENYING = ATTACHED_POLICIES | RESOURCE_POLICIES
"""Types that deny others something: what they denied is allowed once they are removed."""
_GRANTING = ("Action", "Resource", "Principal")


_OPEN_BY_DEFAULT = {
    ("AWS::EC2::VPCEndpoint", "PolicyDocument"): "everybody full access to the service",
    ("AWS::EFS::FileSystem", "FileSystemPolicy"): "every client full access",
    ("AWS::KMS::Key", "KeyPolicy"): "the account full access to the key",
}
"""The grants of the default policies that apply where a resource has none of its own. Sources:
https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""


def describe_policies(resource: ChangedResource) -> Iterator[str]:
    """Yield what policies allow that they did not, and what they no longer deny.

    A statement that may be an ``Allow`` or a ``Deny`` is taken for both.
    """
    if resource.effect is Effect.ADD:
        yield from _describe_allowed(resource.properties)
        for arn in as_list(resource.properties.get("ManagedPolicyArns")):
            yield f"attaches {shorten(arn)}"
    elif resource.effect is Effect.REMOVE:
        yield from _describe_removed(resource)
    else:
        yield from _describe_statements(resource)
    compared = resource.diff.policies.paths if resource.diff.policies else ()
    for leaf in resource.changed:
        if leaf.path not in compared and not is_attachment(resource.type, leaf):
            yield from _describe_changed(leaf, resource.properties)


def _describe_statements(resource: ChangedResource) -> Iterator[str]:
    """Describe how the statements of each policy differ, as sets of requests."""
    for path, (before, after) in resource.policies.items():
        default = _OPEN_BY_DEFAULT.get((resource.type, path[0]))
        if default and not after:
            yield f"loses its {path[0]}; the default policy gives {default}"
        for widening in find_widenings(before, after):
            text = describe_statement(widening.elements, widening.verb)
            conditions = _describe_conditions(resource, path) if widening.by_condition else ""
            yield f"{text}{conditions}"


def _describe_conditions(resource: ChangedResource, path: tuple[str, ...]) -> str:
    """`` (Statement[0].Condition: removes …)``: how the conditions in a policy differ."""
    changes = [
        describe_change(leaf)
        for leaf in resource.changed
        if "Condition" in (steps := parse_path(leaf.path).steps) and steps[0] == path[0]
    ]
    return f" ({join_texts(changes)})" if changes else " under other conditions"


def _describe_removed(resource: ChangedResource) -> Iterator[str]:
    denies = resource.diff.denies
    if resource.type in _DENYING and denies is not False:
        yield "no longer denies anything" if denies else "may no longer deny anything"


def _describe_changed(leaf: PropertyDiff, properties: Mapping[str, Any]) -> Iterator[str]:
    path = parse_path(leaf.path)
    if path.order:
        return
    statement = path.split_at("Statement")
    if path.steps[:1] == ("ManagedPolicyArns",):
        if leaf.exists_after:
            yield f"attaches {shorten(leaf.after)}"
    elif path.steps == ("PermissionsBoundary",):
        yield from _describe_boundary(leaf)
    elif statement is None or not statement[1]:
        yield from _describe_whole(leaf, path)
    else:
        declared = value_at(properties, statement[0])
        yield from _describe_element(leaf, statement[1], declared)


def _describe_boundary(leaf: PropertyDiff) -> Iterator[str]:
    if leaf.exists_before and leaf.exists_after:
        change = f"from {shorten(leaf.before)} to {shorten(leaf.after)}"
        yield f"changes its permissions boundary {change}"
    elif leaf.exists_before:
        yield f"removes its permissions boundary {shorten(leaf.before)}"


def _describe_whole(leaf: PropertyDiff, path: PropertyPath) -> Iterator[str]:
    """Describe a statement, a document or more that comes or goes as a whole."""
    if leaf.exists_after:
        yield from _describe_allowed({path.name: leaf.after})
    if leaf.exists_before:
        for statement in read_statements({path.name: leaf.before}, "Deny"):
            yield describe_statement(statement, "no longer denies")


def _describe_allowed(properties: Mapping[str, Any]) -> Iterator[str]:
    for statement in read_statements(properties, "Allow"):
        certain = statement.get("Effect", "Allow") == "Allow"
        yield describe_statement(statement, "allows" if certain else "may allow")


# --- one element of a statement, where only CloudFormation lists the change


def _describe_element(
    leaf: PropertyDiff, element: tuple[Step, ...], declared: Any
) -> Iterator[str]:
    """Describe a changed element; ``declared`` is its statement, where the template tells it."""
    if element == ("Effect",):
        if leaf.after != "Deny":
            yield _describe_in_statement(leaf, element, declared, "allows")
        return
    if leaf.statement != "Deny" and _is_wider(leaf, element):
        verb = "allows" if leaf.statement else "may allow"
        yield _describe_in_statement(leaf, element, declared, verb)
    elif leaf.statement != "Allow" and _is_wider(_reverse(leaf), element):
        verb = "no longer denies" if leaf.statement else "may no longer deny"
        yield _describe_in_statement(_reverse(leaf), element, declared, verb)


def _describe_in_statement(
    leaf: PropertyDiff, element: tuple[Step, ...], declared: Any, verb: str
) -> str:
    """Describe the statement with the changed element alone: what is allowed that was not."""
    name = str(element[0])
    if not isinstance(declared, Mapping):
        return f"{verb} more: {describe_change(leaf)}"
    if name in _GRANTING and leaf.exists_after:
        return describe_statement({**declared, name: leaf.after}, verb)
    return f"{describe_statement(declared, verb)} ({describe_change(leaf)})"


def _reverse(leaf: PropertyDiff) -> PropertyDiff:
    """The change from the new value to the old: what a Deny loses is what this one gains."""
    return replace(
        leaf,
        before=leaf.after,
        after=leaf.before,
        exists_before=leaf.exists_after,
        exists_after=leaf.exists_before,
    )


def _is_wider(leaf: PropertyDiff, element: tuple[Step, ...]) -> bool:
    """Return whether a changed element may widen its statement, supposed that the statement
    allows."""
    name = element[0]
    if name in ("Sid", "Version") or (element == ("Condition",) and not leaf.exists_before):
        return False
    if name not in _GRANTING:
        return True
    covered = leaf.exists_before and is_covered(leaf.after, leaf.before, fold_case=name == "Action")
    return leaf.exists_after and not covered
