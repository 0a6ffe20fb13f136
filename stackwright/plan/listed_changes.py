"""Read what a change set lists of a resource, without the prediction, as a `ResourceDiff`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..cfn import KNOWN_AFTER_APPLY
from ..core import HIDDEN, mask
from ..diff import Effect, PropertyDiff, ResourceDiff, mask_all
from .prediction import Place

ListedResource = Mapping[str, Any]
"""A ``ResourceChange`` of DescribeChangeSet. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html"""

_EFFECTS = {"Add": Effect.ADD, "Remove": Effect.REMOVE, "Import": Effect.ADD}
_REPLACES = {"Always": "yes", "Conditionally": "maybe"}
_MASKED = "****"
"""CloudFormation shows this in place of the value of a NoEcho parameter."""


def read_resource(place: Place, listed: ListedResource) -> ResourceDiff:
    """Return what a change set lists of one resource."""
    action, replacement = str(listed.get("Action", "")), str(listed.get("Replacement", ""))
    listed_details = listed.get("Details") or ()
    details = [detail for detail in listed_details if not _is_stack_tag(detail)]
    retagged = len(details) < len(listed_details)
    modified = action not in _EFFECTS
    static = retagged or any(detail.get("Evaluation") == "Static" for detail in details)
    before, after = _read_contexts(listed)
    return ResourceDiff(
        stack=place[0],
        logical_id=place[1],
        type=str(listed.get("ResourceType", "")),
        effect=_EFFECTS.get(action, Effect.REPLACE if replacement == "True" else Effect.CHANGE),
        certain=not modified or (static and action != "Dynamic"),
        may_replace=modified and replacement == "Conditional",
        properties=read_properties(listed, details) if modified else (),
        before=before,
        after=after,
        physical_id=str(listed.get("PhysicalResourceId") or ""),
        retagged=retagged,
    )


def _is_stack_tag(detail: Mapping[str, Any]) -> bool:
    """Whether a detail is about the tags that a resource gets from its stack: it has no path."""
    target = detail.get("Target") or {}
    return target.get("Attribute") == "Tags" and not target.get("Path")


def _read_contexts(listed: ListedResource) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return _read_context(listed.get("BeforeContext")), _read_context(listed.get("AfterContext"))


def _read_context(text: Any) -> Mapping[str, Any]:
    """Return the attributes of one side of a resource, which the API gives as JSON in text."""
    context = mask_all(_value(text))
    return context if isinstance(context, Mapping) else {}


def read_properties(listed: ListedResource, details: Any) -> tuple[PropertyDiff, ...]:
    """Return one diff for each property of some ``Details`` of a resource, with the causes of all
    that name it."""
    before, after = _read_contexts(listed)
    properties: dict[str, PropertyDiff] = {}
    for detail in details:
        target = detail.get("Target") or {}
        path = _path(target)
        if not path:
            continue
        causes = {detail["CausingEntity"]} if detail.get("CausingEntity") else set()
        leaf = properties.get(path) or _read_property(path, target, before, after)
        properties[path] = replace(leaf, causes=tuple(sorted({*leaf.causes, *causes})))
    return tuple(properties[path] for path in sorted(properties))


def _read_property(
    path: str, target: Mapping[str, Any], context_before: Any, context_after: Any
) -> PropertyDiff:
    change = target.get("AttributeChangeType", "Modify")
    before, after = _value(target.get("BeforeValue")), _value(target.get("AfterValue"))
    steps = [step for step in str(target.get("Path") or "").split("/") if step]
    return PropertyDiff(
        path=path,
        before=mask(before, path, secret=_is_hidden(context_before, steps)),
        after=mask(after, path, secret=_is_hidden(context_after, steps)),
        exists_before=change != "Add",
        exists_after=change != "Remove",
        replaces=_REPLACES.get(str(target.get("RequiresRecreation")), "no"),
        after_apply=after is None or KNOWN_AFTER_APPLY in json.dumps(after),
    )


def _is_hidden(context: Any, steps: Sequence[str]) -> bool:
    """Whether the value at a path is hidden in the whole resource, where a name beside it may be
    that of a secret."""
    value = context
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return False
    return bool(value == HIDDEN)


def _path(target: Mapping[str, Any]) -> str:
    """Return ``ContainerDefinitions[0].Image`` for ``/Properties/ContainerDefinitions/0/Image``.

    Without a path it is the name of the property, or the attribute (``Tags``); empty for all
    properties.
    """
    given = target.get("Path")
    if not given:
        attribute, name = target.get("Attribute"), target.get("Name")
        return str(name or ("" if attribute == "Properties" else attribute) or "")
    steps = [step for step in str(given).split("/") if step]
    steps = steps[1:] if steps[0] == "Properties" else steps
    text = "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in steps)
    return text.removeprefix(".")


def _value(text: Any) -> Any:
    """Return JSON text as the value it holds, other text as it is; masked values as `HIDDEN`."""
    if not isinstance(text, str):
        return text
    if text == _MASKED:
        return HIDDEN
    if text[:1] in "[{":
        try:
            return json.loads(text.replace(json.dumps(_MASKED), json.dumps(HIDDEN)))
        except json.JSONDecodeError:
            return text
    return text
