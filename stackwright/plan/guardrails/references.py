"""Tell whether a property changes only because the resource that it names gets a new identifier."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ...cfn import LocatedStatement, template_to_text
from ...diff import PropertyDiff
from ..model import RootPlan

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[^}]*)?\}")
"""``${LogicalId}`` or ``${LogicalId.Attribute}`` in the text of a value known after apply."""


def follows_reference(leaf: PropertyDiff, root: RootPlan) -> bool:
    """Return whether a property names the same resource as before, which changes itself.

    Its text is the same on both sides, or was the identifier of the resource that it names now.
    """
    if not (leaf.after_apply and leaf.exists_before and leaf.exists_after):
        return False
    before, after = json.dumps(leaf.before), json.dumps(leaf.after)
    return before == after or re.fullmatch(_identifiers_pattern(after, root), before) is not None


def follow_references(
    after: Sequence[LocatedStatement], before: Sequence[LocatedStatement], root: RootPlan
) -> list[LocatedStatement]:
    """Return the later statements with each text that follows a resource's new identifier replaced
    by the earlier text, which names that resource."""
    known = {text for statement in before for text in _texts(statement.elements)}
    earlier = {}
    for text in {text for statement in after for text in _texts(statement.elements)} - known:
        if _REFERENCE.search(text):
            pattern = re.compile(_identifiers_pattern(text, root))
            if former := sorted(filter(pattern.fullmatch, known)):
                earlier[text] = former[0]
    return [
        replace(statement, elements=_substitute(statement.elements, earlier)) for statement in after
    ]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _substitute(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _substitute(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(item, texts) for item in value]
    return texts.get(value, value) if isinstance(value, str) else value


def _identifiers_pattern(text: str, root: RootPlan) -> str:
    """Return a regular expression for the text in which every ``${LogicalId}`` stands for the
    present identifier of that resource."""
    pattern, end = "", 0
    for match in _REFERENCE.finditer(text):
        identifiers = {
            change.physical_id
            for change in root.changes
            if change.diff.logical_id == match[1] and change.physical_id
        }
        choices = "|".join(map(re.escape, sorted(identifiers))) or "(?!)"
        pattern += re.escape(text[end : match.start()]) + f"(?:{choices})"
        end = match.end()
    return pattern + re.escape(text[end:])


def is_same_value(before: Any, after: Any, root: RootPlan) -> bool:
    """Return whether two values are equal, or name the same resources, whose identifiers change."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return before.keys() == after.keys() and all(
            is_same_value(before[key], after[key], root) for key in before
        )
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(
            is_same_value(old, new, root) for old, new in zip(before, after, strict=True)
        )
    texts = [template_to_text(side) if _is_scalar(side) else None for side in (before, after)]
    if texts[0] is None or texts[1] is None:
        return bool(before == after)
    named = _REFERENCE.search(texts[1]) is not None
    return texts[0] == texts[1] or (
        named and re.fullmatch(_identifiers_pattern(texts[1], root), texts[0]) is not None
    )


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)
