"""Differences as a change set describes them: details, contexts and replacements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from ..declarations import Path
from ..difference import MISSING, LeafDifference
from ..recreation import predict_recreation
from ..schema import Recreation, ResourceType
from ..values import (
    KNOWN_AFTER_APPLY,
    Traced,
    canonical_value,
    find_traces,
    plain_data,
    print_value,
    value_text,
)
from .model import Detail, Prediction, PropertyChange, Replacement


def _recreation(path: Path, known: ResourceType | None) -> Recreation:
    if path[0] != "Properties" or known is None:
        return Recreation.NEVER
    return known.recreation(path[1:])


def property_change(
    item: LeafDifference,
    known: ResourceType | None,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> PropertyChange:
    """The change of one leaf; ``before`` and ``after`` are the resource's resolved attributes."""
    recreation = Recreation.NEVER
    if item.path[0] == "Properties" and known is not None:
        recreation = predict_recreation(known, item.path[1:], before, after)
    return PropertyChange(
        path=item.path,
        before=MISSING if item.before is MISSING else plain_data(item.before),
        after=MISSING if item.after is MISSING else plain_data(item.after),
        recreation=recreation,
        causes=tuple(sorted(reference.entity for reference in item.references)),
        real=item.real,
        certain=item.certain,
        listed=item.listed,
        secret=any(node.secret for side in (item.before, item.after) for node in find_traces(side)),
    )


def describe_difference(item: LeafDifference, known: ResourceType | None) -> Detail:
    attribute, name = str(item.path[0]), str(item.path[1]) if len(item.path) > 1 else None
    if attribute != "Properties":
        name = None
    elif known is not None and name == known.tags_property:
        attribute, name = "Tags", None
    change = "Add" if item.before is MISSING else "Remove" if item.after is MISSING else "Modify"
    return Detail(
        attribute=attribute,
        source="DirectModification",
        evaluation="Static",
        recreation=_recreation(item.path, known),
        name=name,
        path="/" + "/".join(str(part) for part in item.path),
        change=change,
        before=None if item.before is MISSING else value_text(print_value(item.before)),
        after=None
        if item.after is MISSING
        else value_text(print_value(item.after, attributes=False)),
    )


def describe_document(item: LeafDifference, known: ResourceType | None) -> Iterator[Detail]:
    """Recorded for policies (github.com/aws/aws-cdk, cloudformation-diff's recorded change sets,
    and change sets of nested stacks): one static detail without causes; a key whose value holds
    something unknown is left out of it and listed as an addition, even where it was there
    before."""
    whole = describe_difference(item, known)
    shown = print_value(item.after, attributes=False) if isinstance(item.after, Mapping) else {}
    unknown = [key for key in sorted(shown) if KNOWN_AFTER_APPLY in value_text(shown[key])]
    if item.before is MISSING or not unknown:
        yield whole
        return
    yield replace(
        whole, after=value_text({key: value for key, value in shown.items() if key not in unknown})
    )
    for key in unknown:
        yield replace(
            whole,
            path=f"{whole.path}/{key}",
            change="Add",
            before=None,
            after=value_text(shown[key]),
        )


def describe_nested_stack(details: list[Detail], nested: Prediction | None) -> list[Detail]:
    """A nested stack is listed where its own template or properties change, or where that cannot be
    known."""
    direct = [detail for detail in details if detail.after != KNOWN_AFTER_APPLY]
    if not direct and nested is not None and not nested.listed and not nested.outputs:
        return []
    return [*direct, Detail("Properties", "Automatic", "Dynamic", Recreation.NEVER)]


def aws_replacement(details: tuple[Detail, ...]) -> Replacement:
    if any(d.recreation is Recreation.ALWAYS and d.evaluation == "Static" for d in details):
        return Replacement.TRUE
    if any(d.recreation is not Recreation.NEVER for d in details):
        return Replacement.CONDITIONAL
    return Replacement.FALSE


def real_replacement(properties: tuple[PropertyChange, ...]) -> Replacement:
    real = [item for item in properties if item.real]
    if any(item.recreation is Recreation.ALWAYS and item.certain for item in real):
        return Replacement.TRUE
    if any(item.recreation is not Recreation.NEVER for item in real):
        return Replacement.CONDITIONAL
    return Replacement.FALSE


def context_after(before: Any, after: Any) -> Any:
    """The tree after the update as AWS prints it; values that AWS does not see change keep their
    old text."""
    if isinstance(after, Traced):
        if after.unseen:
            return print_value(after)
        if before is not MISSING and (
            after.stale or canonical_value(before) == canonical_value(after)
        ):
            return print_value(before)
        return print_value(after, attributes=False)
    if isinstance(after, Mapping):
        old = before if isinstance(before, Mapping) else {}
        return {key: context_after(old.get(key, MISSING), item) for key, item in after.items()}
    if isinstance(after, list):
        items = before if isinstance(before, list) else []
        return [
            context_after(items[i] if i < len(items) else MISSING, item)
            for i, item in enumerate(after)
        ]
    return print_value(after)
