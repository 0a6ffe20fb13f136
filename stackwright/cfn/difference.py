"""Differences of two resolved trees, leaf by leaf, in the way CloudFormation compares properties:
maps by key, lists by index, scalars as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from .declarations import Path
from .values import Traced, Unknown, ValueReference, canonical_value, find_traces, plain_data


class _Missing(Enum):
    MISSING = "missing"


MISSING: Final = _Missing.MISSING
"""Stands for the side on which a value does not exist."""


class LeafDifference(Struct, frozen=True):
    """One leaf that differs; ``before`` and ``after`` are resolved trees or :data:`MISSING`."""

    path: Path
    before: Any
    after: Any

    @property
    def references(self) -> frozenset[ValueReference]:
        """The references of the new value."""
        return frozenset(
            reference for node in find_traces(self.after) for reference in node.references
        )

    @property
    def real(self) -> bool:
        """Whether the values differ, or may: not only AWS's knowledge of them."""
        return bool(canonical_value(self.before) != canonical_value(self.after))

    @property
    def unseen(self) -> bool:
        """Whether a change set shows ``KNOWN_AFTER_APPLY`` because of what the value depends on."""
        return any(node.unseen for node in find_traces(self.after))

    @property
    def listed(self) -> bool:
        """Whether AWS's change sets tell of it."""
        return self.unseen or (
            self.real and not any(node.stale for node in find_traces(self.after))
        )

    @property
    def certain(self) -> bool:
        """Whether the value surely differs: both are known, or the new one cannot be the old
        one."""
        return self.real and not any(
            not unknown.certain and unknown.fresh for unknown in find_unknowns(self.after)
        )


def find_unknowns(value: Any) -> Iterator[Unknown]:
    """The values in a tree that are only known after apply."""
    value = plain_data(value)
    if isinstance(value, Unknown):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from find_unknowns(item)


def diff_values(before: Any, after: Any, path: Path = ()) -> Iterator[LeafDifference]:
    """The leaves that differ, sorted by path, including those that differ to AWS only."""
    before, after = _spread_trace(before), _spread_trace(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({**before, **after}):
            yield from diff_values(before.get(key, MISSING), after.get(key, MISSING), (*path, key))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else MISSING
            new = after[index] if index < len(after) else MISSING
            yield from diff_values(old, new, (*path, index))
    else:
        difference = LeafDifference(path, before, after)
        if difference.real or difference.unseen:
            yield difference


def value_at(tree: Any, path: Path) -> Any:
    """The value at ``path`` in a resolved tree, or :data:`MISSING`; it keeps the references of the
    functions around it."""
    for part in path:
        tree = _spread_trace(tree)
        if isinstance(tree, list) and isinstance(part, int):
            tree = tree[part] if part < len(tree) else MISSING
        else:
            tree = tree.get(part, MISSING) if isinstance(tree, Mapping) else MISSING
    return tree


def _spread_trace(value: Any) -> Any:
    """Return a traced container as one whose items hold its references, anything else as it is."""
    if not isinstance(value, Traced) or not isinstance(value.value, list | Mapping):
        return value
    if isinstance(value.value, list):
        return [replace(value, value=item) for item in value.value]
    return {key: replace(value, value=item) for key, item in value.value.items()}
