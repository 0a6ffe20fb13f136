"""Select the values at the path of a row, before and after, with the items of lists paired."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, Final

from msgspec import Struct

from ....cfn import KNOWN_AFTER_APPLY, template_to_text
from ....core import HIDDEN
from ..wording import as_list
from .rows import RowCondition, RowStep


class Absent(Enum):
    """The type of :data:`ABSENT`."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
"""A property that is not set, or an item that a list does not have."""
_ANY = "*"
_NOTHING = "-"
_SAME_NAME = 100
"""Equal names outweigh any number of equal properties."""
_NAMES = ("Id", "Name", "Key", "DeviceName", "PolicyName", "RuleName")
_LABELS = ("Id", "Name", "PolicyName", "RuleName")
"""Names that mean nothing by themselves: an item that only gets another one has not changed."""


class ValuePair(Struct, frozen=True):
    """A value before and after a change.

    ``label`` is its path. ``fresh`` says that the item of the list that holds it is new; ``item``
    is that item as it will be, None where the path goes through no list.
    """

    label: str
    before: Any
    after: Any
    fresh: bool = False
    item: Any = None


def pair_values(pair: ValuePair, steps: Sequence[RowStep]) -> Iterator[ValuePair]:
    """Yield the pairs of values that the steps lead to from a pair of attributes or properties.

    An item that a list loses is a pair only where the path ends at the items.
    """
    if not steps:
        yield pair
        return
    step, rest = steps[0], steps[1:]
    if step.deep:
        yield from _pair_deep(pair, rest)
        return
    if step.key:
        label = pair.label if step.key == "Properties" else f"{pair.label}.{step.key}".lstrip(".")
        before, after = (_child(side, step.key) for side in (pair.before, pair.after))
        yield from pair_values(ValuePair(label, before, after, pair.fresh, pair.item), rest)
        return
    for member in _pair_members(pair, step):
        if member.after is not ABSENT or not rest or step.item is not None:
            yield from pair_values(member, rest)


def _pair_deep(pair: ValuePair, rest: Sequence[RowStep]) -> Iterator[ValuePair]:
    """Yield the pairs that the rest of a path leads to from here, and from all that is below."""
    sides = (pair.before, pair.after)
    if any(isinstance(side, list) for side in sides):
        members = [] if any(map(is_unknown, sides)) else _pair_members(pair, RowStep(identity=_ANY))
        for member in members:
            if member.after is not ABSENT and member.before != member.after:
                yield from _pair_deep(member, rest)
        return
    keys = dict.fromkeys(key for side in sides if isinstance(side, Mapping) for key in side)
    if rest[0].key in keys:
        yield from pair_values(pair, rest)
    for key in keys:
        before, after = (_child(side, key) for side in sides)
        if before != after:
            label = f"{pair.label}.{key}".lstrip(".")
            fresh = pair.fresh or before is ABSENT
            yield from _pair_deep(ValuePair(label, before, after, fresh, pair.item), rest)


def meets(condition: RowCondition, properties: Any, item: Any) -> bool:
    """Return whether a resource, or the item of a list, meets a condition.

    A value that is not known meets every one, but it is set.
    """
    values = [item if condition.inner else properties]
    for key in condition.path:
        values = [_child(inner, key) for value in values for inner in as_list(value)] or [ABSENT]
    if any(is_unknown(value) for value in values):
        only_set = condition.patterns == (_NOTHING,) and len(condition.path) == 1
        return condition.negated if only_set else True
    matched = any(_matches(value, condition.patterns) for value in values)
    return matched is not condition.negated


def is_unknown(value: Any) -> bool:
    """Return whether a value cannot be told: it is known after apply, kept elsewhere, or hidden."""
    return isinstance(value, str) and (
        value == HIDDEN or any(mark in value for mark in ("${", "{{resolve:", KNOWN_AFTER_APPLY))
    )


def scalar_text(value: Any) -> str:
    """Return a value as comparable text: ``true`` for the boolean, ``-`` for none, JSON for lists
    and maps."""
    if value is ABSENT or value is None:
        return "-"
    if isinstance(value, Mapping | list):
        return json.dumps(_as_text(value), sort_keys=True)
    text = template_to_text(value)
    return text.lower() if text.lower() in ("true", "false") else text


def _as_text(value: Any) -> Any:
    """CloudFormation compares ``5`` and ``"5"`` as equal."""
    if isinstance(value, Mapping):
        return {key: _as_text(item) for key, item in value.items()}
    return [_as_text(item) for item in value] if isinstance(value, list) else scalar_text(value)


def _matches(value: Any, patterns: Sequence[str]) -> bool:
    text = scalar_text(value)
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def read_structure(value: Any) -> Any:
    """Return the lists and maps of a text in JSON; any other value as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _child(value: Any, key: str) -> Any:
    value = read_structure(value)
    if isinstance(value, Mapping):
        return value.get(key, ABSENT)
    return value if is_unknown(value) else ABSENT  # a part of an unknown value is unknown


def _pair_members(pair: ValuePair, step: RowStep) -> Iterator[ValuePair]:
    if is_unknown(pair.before) or is_unknown(pair.after):
        yield ValuePair(f"{pair.label}[*]", pair.before, pair.after, pair.fresh)
        return
    before, after = (_items(side, step.identity) for side in (pair.before, pair.after))
    if step.item is not None:
        old, new = (
            next((item for item in items if _name(item, step.identity) == step.item), ABSENT)
            for items in (before, after)
        )
        yield ValuePair(f'{pair.label}["{step.item}"]', old, new, pair.fresh, new)
        return
    for old, new in _pair_items(before, after, step.identity):
        label = f"{pair.label}{_item_label(old if new is ABSENT else new, step.identity)}"
        fresh = pair.fresh or old is ABSENT
        yield ValuePair(label, old, new, fresh, new)


def _items(side: Any, identity: str) -> list[Any]:
    """Return the items of a list, also in JSON; lines of text as ``{identity: key, Value: …}``."""
    side = read_structure(side)
    if isinstance(side, str):
        lines = (line.partition("=") for line in side.splitlines() if "=" in line)
        return [{identity: key.strip(), "Value": value.strip()} for key, _, value in lines]
    return [] if side is ABSENT else as_list(side)


def _item_label(item: Any, identity: str) -> str:
    keys = _NAMES if identity == _ANY else (identity,)
    name = next((name for key in keys if (name := _name(item, key)) is not None), None)
    return "[*]" if name is None else f'["{name}"]'


def _name(item: Any, key: str) -> str | None:
    value = item.get(key) if isinstance(item, Mapping) else None
    return None if value is None else scalar_text(value)


def _pair_items(
    before: Sequence[Any], after: Sequence[Any], identity: str
) -> Iterator[tuple[Any, Any]]:
    """Yield the items of two lists in pairs: those that are equal, then those with one name, then
    those that are most alike; what is left over has no partner."""
    rest, unpaired = list(after), []
    texts = [scalar_text(item) for item in rest]
    for item in before:
        text = scalar_text(item)
        if text in texts:
            index = texts.index(text)
            texts.pop(index)
            yield item, rest.pop(index)
        else:
            unpaired.append(item)
    for item in unpaired:
        partner = _find_partner(item, rest, identity)
        if partner is not ABSENT:
            rest.remove(partner)
        yield item, partner
    yield from ((ABSENT, item) for item in rest)


def _find_partner(item: Any, others: Sequence[Any], identity: str) -> Any:
    scores = [_likeness(item, other, identity) for other in others]
    best = max(scores, default=0)
    return others[scores.index(best)] if best > 0 else ABSENT


def _likeness(old: Any, new: Any, identity: str) -> int:
    """Return how alike two items are; 0 or less: one is not the other changed."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return int(not isinstance(old, Mapping | list) and scalar_text(old) == scalar_text(new))
    keys = _NAMES if identity == _ANY else (identity,)
    names = [(_name(old, key), _name(new, key)) for key in keys]
    if any(name == other for name, other in names if name is not None):
        return _SAME_NAME
    if any(None not in pair for pair in names):  # two items with names of their own
        return int(_is_renamed(old, new))
    return sum(scalar_text(old[key]) == scalar_text(new.get(key, ABSENT)) for key in old) + 1


def _is_renamed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    sides = ({key: item for key, item in side.items() if key not in _LABELS} for side in (old, new))
    before, after = map(scalar_text, sides)
    return before == after != "{}"
