"""Find the properties that a change set lists and that the prediction did not expect to be listed.

CloudFormation also lists properties whose values stay, since it does not compare values that it
does not know yet; the prediction says which ones it expects. What is listed beyond them is
believed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..cfn import Action, PropertyChange, ResourceChange, find_unknowns, print_value
from ..diff import PropertyDiff
from .listed_changes import ListedResource, read_properties

_Target = tuple[str, str | None, str]
"""Attribute, name and path (empty if there is none) of what a detail is about."""


def find_unpredicted(listed: ListedResource, predicted: ResourceChange) -> tuple[PropertyDiff, ...]:
    """Return the properties of a modification that are listed, and were not expected to be."""
    if listed.get("Action") != "Modify" or predicted.action is not Action.MODIFY:
        return ()
    movable = {
        "/" + "/".join(map(str, leaf.path))
        for leaf in predicted.properties
        if not leaf.real and _may_have_moved(leaf)
    }
    expected = [
        (detail.attribute, detail.name, detail.path or "")
        for detail in predicted.details
        if detail.path not in movable
    ]
    details = listed.get("Details") or ()
    unexpected = [
        detail for detail in details if not _is_expected(detail.get("Target") or {}, expected)
    ]
    return read_properties(listed, unexpected)


def _may_have_moved(leaf: PropertyChange) -> bool:
    """Whether a value whose text is the same on both sides comes from outside, where it may have
    changed meanwhile: an SSM parameter, or a NoEcho parameter that is given anew."""
    causes = {cause for unknown in find_unknowns(leaf.after) for cause in unknown.causes}
    outside = any(cause.startswith(("SSM parameter ", "NoEcho parameter ")) for cause in causes)
    return outside or "{{resolve:ssm" in json.dumps(print_value(leaf.after))


def _is_expected(target: Mapping[str, Any], expected: Sequence[_Target]) -> bool:
    """Whether one of the expected targets is this one, lies in it, or holds it.

    Where one of the two has no path, the name decides.
    """
    key, path = (target.get("Attribute"), target.get("Name")), str(target.get("Path") or "")
    paths = [other for attribute, name, other in expected if (attribute, name) == key]
    return any(
        not path or not other or _is_within(path, other) or _is_within(other, path)
        for other in paths
    )


def _is_within(path: str, other: str) -> bool:
    return f"{path}/".startswith(f"{other}/")
