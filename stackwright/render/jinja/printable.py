"""Values that cannot be printed, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from jinja2.runtime import Macro

from ...core import dotted, has_too_many_digits
from ..emit import INTRINSIC_HINT, REFERENCE, REFERENCE_HINT, is_intrinsic
from ..provenance import LiveText, ParameterText
from ..text import RESERVED


def find_objection(value: Any) -> tuple[str, str, str] | None:
    """Return code, message and hint where ``value`` cannot be printed, else None."""
    if isinstance(value, str):
        return _object_to_text(value)
    if isinstance(value, dict | list | tuple):
        items = (
            (*dict.keys(value), *dict.values(value)) if isinstance(value, dict) else tuple(value)
        )
        return next(filter(None, map(_object_to_item, items)), None)
    if isinstance(value, float) and not math.isfinite(value):
        return "SW108", f"{value} cannot be printed", "only finite numbers can"
    if isinstance(value, Macro):
        return "SW108", f"the macro {value.name} is printed, not called", f"write {value.name}(...)"
    if isinstance(value, int) and has_too_many_digits(value):
        return "SW112", "a number with too many digits", ""
    if value is None or isinstance(value, bool | int | float):
        return None
    hint = (
        "end the filters with | list"
        if isinstance(value, Iterator)
        else "print text, numbers, lists or maps"
    )
    return "SW108", f"a {type(value).__name__} cannot be printed", hint


def _object_to_text(value: str) -> tuple[str, str, str] | None:
    if not RESERVED.search(value):
        return None
    if isinstance(value, ParameterText):
        return (
            "SW108",
            f"{dotted(value.path)} holds one of U+E000 to U+E002, which the renderer uses itself",
            "remove it",
        )
    return (
        "SW108",
        "a filter changed the result of a macro",
        "print the macro without the filter; it is indented by itself",
    )


def _object_to_item(item: Any) -> tuple[str, str, str] | None:
    """Object to an item of a list or map; for a text printed by itself, ``emit`` does that."""
    if isinstance(item, str) and not isinstance(item, LiveText):
        name = dotted(item.path) if isinstance(item, ParameterText) else "the printed value"
        if REFERENCE in item:
            message = f"{name} contains '{REFERENCE}', "
            message += "which CloudFormation would replace when it deploys"
            return "SW107", message, REFERENCE_HINT
        if isinstance(item, ParameterText) and item.path[-1] == item and is_intrinsic(item):
            return "SW107", f"{name} is an intrinsic function in a value", INTRINSIC_HINT
    return find_objection(item)
