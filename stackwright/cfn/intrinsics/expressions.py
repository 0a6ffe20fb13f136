"""Unresolved intrinsic functions as short text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..declarations import template_to_text


def show_expression(value: Any) -> str:
    """Return an unresolved value as text: ``FindInMap(Accounts, ${AWS::AccountId}, Role)``."""
    if isinstance(value, Mapping) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref" and isinstance(argument, str):
            return f"${{{argument}}}"
        if name == "Fn::GetAtt" and isinstance(argument, str | list):
            parts = argument if isinstance(argument, list) else [argument]
            return f"${{{'.'.join(map(show_expression, parts))}}}"
        if str(name).startswith("Fn::"):
            arguments = argument if isinstance(argument, list) else [argument]
            shown = ", ".join(map(show_expression, arguments))
            return f"{name.removeprefix('Fn::')}({shown})"
    if isinstance(value, list | Mapping):
        return json.dumps(value, separators=(",", ":"), default=str)
    return template_to_text(value)
