"""Judge whether a value moves in the direction that weakens a protection."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Any

from ..wording import as_list
from .rows import Direction, Protection
from .select import ABSENT, ValuePair, is_unknown, read_structure, scalar_text

Same = Callable[[Any, Any], bool]
"""Whether a value after a change names the same thing as one before."""
_NEVER = "never"
_NOTHING = "-"
_EVERYTHING = "*"
"""The item of a list of origins, principals and the like that stands for all."""
_STRONGEST = {Direction.ON: (("true",), ("*",)), Direction.OFF: (("*",), ("true",))}
"""Whether something is on or off is an order of two values."""


class Verdict(Enum):
    """Whether a change weakens a protection."""

    NO = "no"
    MAYBE = "maybe"
    """The new value is not known, and the old one protected."""
    YES = "yes"


def judge(row: Protection, pair: ValuePair, same: Same) -> Verdict:
    """Return whether the change of a value weakens the protection that a row describes.

    A new resource, or item of a list, is compared with the default, or else, where the row counts
    for new resources, with the strongest value.
    """
    unchanged = not pair.fresh and same(*map(read_structure, (pair.before, pair.after)))
    if unchanged or (pair.fresh and row.kept_items):
        return Verdict.NO
    if pair.fresh and row.deep and not row.new:
        return Verdict.NO  # a part that is new, of a name that says no more than that
    return _JUDGES[row.direction](row, pair, same)


def _judge_order(row: Protection, pair: ValuePair, _: Same) -> Verdict:
    ranks = row.ranks or _STRONGEST[row.direction]
    weakest = len(ranks) - 1
    before, after = (_fill(side, row) for side in (pair.before, pair.after))
    old = _rank(before, ranks)
    if pair.fresh and (row.new or row.default is None):
        old = 0 if row.new else weakest
    elif is_unknown(before):
        return Verdict.MAYBE if (_rank(after, ranks) or 0) > 0 else Verdict.NO
    if old is None or old == weakest:
        return Verdict.NO
    if is_unknown(after):
        return Verdict.MAYBE
    new = _rank(after, ranks)
    if pair.fresh and after is ABSENT and new != weakest:
        return Verdict.NO  # what a new resource leaves out is only open where nothing is weaker
    return _verdict(new is not None and new > old)


def _rank(value: Any, ranks: Sequence[Sequence[str]]) -> int | None:
    """Return the place of a value, an exact one before one that a pattern matches."""
    text = scalar_text(value)
    exact = (index for index, rank in enumerate(ranks) if text in rank)
    matching = (
        index
        for index, rank in enumerate(ranks)
        if any(fnmatchcase(text, pattern) for pattern in rank)
    )
    return next(exact, next(matching, None))


def _judge_number(row: Protection, pair: ValuePair, _: Same) -> Verdict:
    before, after = (_fill(side, row) for side in (pair.before, pair.after))
    if any(map(is_unknown, (*_scalars(before), *_scalars(after)))):
        return Verdict.MAYBE
    old, new = _number(before, row), _number(after, row)
    if old is None or new is None:
        return Verdict.NO
    return _verdict(new < old if row.direction is Direction.SHORTER else new > old)


def _scalars(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else [value]


def _number(value: Any, row: Protection) -> float | None:
    try:
        if row.measure and isinstance(value, Mapping):
            total = row.measure.total(value)
            if total is not None:
                return total
            value = row.default
        text = scalar_text(value)
        return math.inf if text in (_NEVER, row.endless) else float(text)
    except ValueError:
        return None


def _judge_list(row: Protection, pair: ValuePair, same: Same) -> Verdict:
    """An item that is not known may be one of those that are missing on its side."""
    sides = [_fill(side, row) for side in (pair.before, pair.after)]
    if any(is_unknown(side) for side in sides):
        return _verdict_unless_empty(row, *sides)
    before, after = (_list(side) for side in sides)
    if row.direction is Direction.MORE and _EVERYTHING in before:
        return Verdict.NO
    lost, gained = find_lost(before, after, same), find_gained(before, after, same)
    if row.direction is Direction.FEWER:
        known = sum(map(is_unknown, gained)) < len(lost)
        return Verdict.NO if not lost else Verdict.YES if known else Verdict.MAYBE
    known = not all(map(is_unknown, gained)) or len(gained) > len(lost)
    return Verdict.NO if not gained else Verdict.YES if known else Verdict.MAYBE


def find_lost(before: Sequence[Any], after: Sequence[Any], same: Same) -> list[Any]:
    """Return the items of a list that it no longer has."""
    return [item for item in before if not any(same(item, other) for other in after)]


def find_gained(before: Sequence[Any], after: Sequence[Any], same: Same) -> list[Any]:
    """Return the items of a list that it did not have."""
    return [item for item in after if not any(same(other, item) for other in before)]


def _verdict_unless_empty(row: Protection, before: Any, after: Any) -> Verdict:
    end = before if row.direction is Direction.FEWER else after
    return Verdict.NO if _is_empty(end) else Verdict.MAYBE


def _judge_removed(_: Protection, pair: ValuePair, __: Same) -> Verdict:
    return _verdict(not _is_empty(pair.before) and _is_empty(pair.after))


def _judge_added(_: Protection, pair: ValuePair, __: Same) -> Verdict:
    return _verdict(_is_empty(pair.before) and not _is_empty(pair.after))


def _judge_changed(row: Protection, pair: ValuePair, same: Same) -> Verdict:
    before, after = (_fill(side, row) for side in (pair.before, pair.after))
    if _is_empty(after):
        return Verdict.NO
    if isinstance(before, list) and isinstance(after, list):
        return _verdict(bool(find_lost(before, after, same) or find_gained(before, after, same)))
    return Verdict.MAYBE if is_unknown(after) and is_unknown(before) else Verdict.YES


def _judge_range(row: Protection, pair: ValuePair, same: Same) -> Verdict:
    before, after = (_list(_fill(side, row)) for side in (pair.before, pair.after))
    outside = [
        item for item in after if not any(same(old, item) or _covers(old, item) for old in before)
    ]
    if not outside:
        return Verdict.NO
    return Verdict.MAYBE if all(map(is_unknown, outside)) else Verdict.YES


def _judge_prefix(row: Protection, pair: ValuePair, _: Same) -> Verdict:
    sides = [_fill(side, row) for side in (pair.before, pair.after)]
    if any(map(is_unknown, sides)):
        return Verdict.MAYBE
    before, after = map(scalar_text, sides)
    if row.direction is Direction.BROADER:
        return _verdict(not after.startswith(before))
    return _verdict(not before.startswith(after))


def _covers(outer: Any, inner: Any) -> bool:
    try:
        large, small = ip_network(str(outer)), ip_network(str(inner))
    except ValueError:
        return False
    return large.version == small.version and small.subnet_of(large)  # type: ignore[arg-type]


def _fill(value: Any, row: Protection) -> Any:
    """Return a value, or the default of a property that is not set."""
    return row.default if value is ABSENT and row.default is not None else value


def _list(value: Any) -> list[Any]:
    return [] if _is_empty(value) else as_list(value)


def _is_empty(value: Any) -> bool:
    """Whether a value says nothing; an empty map does, as in ``DefaultAction: {Block: {}}``."""
    return value is ABSENT or value in (None, "", [])


def _verdict(weaker: bool) -> Verdict:
    return Verdict.YES if weaker else Verdict.NO


_JUDGES = {
    Direction.ON: _judge_order,
    Direction.OFF: _judge_order,
    Direction.ORDER: _judge_order,
    Direction.SHORTER: _judge_number,
    Direction.LONGER: _judge_number,
    Direction.FEWER: _judge_list,
    Direction.MORE: _judge_list,
    Direction.REMOVED: _judge_removed,
    Direction.ADDED: _judge_added,
    Direction.CHANGED: _judge_changed,
    Direction.WIDER: _judge_range,
    Direction.BROADER: _judge_prefix,
    Direction.NARROWER: _judge_prefix,
}
