"""Paths of properties, such as ``Policies["p"].PolicyDocument.Statement[0].Action``, as steps."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Item(Struct, frozen=True):
    """A step into a list, by place (``[0]``) or by the item's name (``["p"]``)."""

    label: int | str


Step = str | Item
"""A step into a mapping, by its key, or into a list."""

_STEP = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\.?([^.\[\]]+)')
_ORDER = "[order]"


class PropertyPath(Struct, frozen=True):
    """The steps to a property. ``order`` says that only the order of its items differs."""

    steps: tuple[Step, ...]
    order: bool = False

    @property
    def name(self) -> str:
        """The last key: ``Action`` of ``Statement[0].Action[1]``."""
        return next((step for step in reversed(self.steps) if isinstance(step, str)), "")

    def split_at(self, key: str) -> tuple[tuple[Step, ...], tuple[Step, ...]] | None:
        """Return the steps up to a key with the item after it, and the steps below that item; None
        where the path does not have the key."""
        if key not in self.steps:
            return None
        end = self.steps.index(key) + 1
        if end < len(self.steps) and isinstance(self.steps[end], Item):
            end += 1
        return self.steps[:end], self.steps[end:]


def parse_path(text: str) -> PropertyPath:
    """Return the steps of a path as a `PropertyDiff` has it."""
    bare = text.removesuffix(_ORDER)
    return PropertyPath(tuple(map(_step, _STEP.finditer(bare))), order=bare != text)


def _step(match: re.Match[str]) -> Step:
    name, place, key = match.groups()
    if name is not None:
        return Item(json.loads(f'"{name}"'))
    return key if place is None else Item(int(place))


def value_at(properties: Any, steps: tuple[Step, ...]) -> Any:
    """Return the value at a path of declared properties; None where it cannot be told.

    An intrinsic function in a list may drop, choose or make items, so no item of it has a known
    place.
    """
    value = properties
    for step in steps:
        if isinstance(step, Item):
            value = _item(value, step.label) if isinstance(value, list) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _item(items: list[Any], label: int | str) -> Any:
    if any(map(is_intrinsic, items)):
        return None
    if isinstance(label, int):
        return items[label] if label < len(items) else None
    named = [item for item in items if isinstance(item, Mapping) and label in item.values()]
    return named[0] if len(named) == 1 else None


def is_intrinsic(value: Any) -> bool:
    """Return whether a declared value is a call of an intrinsic function."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    return str(next(iter(value))).startswith(("Ref", "Fn::"))
