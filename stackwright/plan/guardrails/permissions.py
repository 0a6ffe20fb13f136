"""Describe whom permissions of Lambda functions let call a function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...diff import Effect, PropertyDiff
from .iam import is_covered
from .resource import ChangedResource
from .wording import describe_change, describe_statement

_PERMISSION = "AWS::Lambda::Permission"
_GRANTING = ("Principal", "Action", "FunctionName")
_RESTRICTING = ("SourceArn", "SourceAccount", "PrincipalOrgID", "FunctionUrlAuthType")


def describe_permissions(resource: ChangedResource) -> Iterator[str]:
    """Yield what a new or changed permission allows."""
    if resource.type != _PERMISSION:
        return
    grant = _as_statement(resource.properties)
    if resource.effect is Effect.ADD:
        yield describe_statement(grant)
    for leaf in resource.changed:
        if _is_wider(leaf):
            yield f"{describe_statement(grant)} ({describe_change(leaf)})"


def _as_statement(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """A permission is a statement of the function's resource policy. Source:
    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html"""
    names = {"Action": "Action", "FunctionName": "Resource", "Principal": "Principal"}
    return {element: properties[name] for name, element in names.items() if name in properties}


def _is_wider(leaf: PropertyDiff) -> bool:
    if leaf.path not in (*_GRANTING, *_RESTRICTING):
        return False
    if leaf.exists_before and leaf.exists_after:
        return not is_covered(leaf.after, leaf.before, fold_case=leaf.path == "Action")
    return leaf.path in _RESTRICTING and leaf.exists_before
