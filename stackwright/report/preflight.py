"""Show the results of `preflight` as text and as data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import to_builtins

from ..health import CheckState
from ..preflight import PreflightCheck

_COLOURS = {CheckState.OK: "green", CheckState.FAIL: "red", CheckState.SKIP: "yellow"}


def preflight_as_text(checks: Sequence[PreflightCheck]) -> str:
    """One line for each result, with its hint below, in rich's markup; empty without results."""
    width = max((len(check.name) for check in checks), default=0)
    return "\n".join(line for check in checks for line in _lines(check, width))


def _lines(check: PreflightCheck, width: int) -> list[str]:
    from rich.markup import escape

    colour = _COLOURS[check.state]
    mark = f"\\[[{colour}]{check.state}[/{colour}]]{' ' * (5 - len(check.state))}"
    first = f"{mark}{escape(check.name.ljust(width))}  {escape(check.detail)}"
    return [first, *([f"{' ' * 7}[dim]-> {escape(check.hint)}[/dim]"] if check.hint else [])]


def preflight_as_data(checks: Sequence[PreflightCheck]) -> list[dict[str, Any]]:
    """Data for JSON: ``name``, ``state``, ``detail`` and ``hint`` of each result."""
    return [to_builtins(check) for check in checks]


def summarize_preflight(checks: Sequence[PreflightCheck]) -> str:
    """``12 ok, 1 fail, 2 skip``."""
    states = [check.state for check in checks]
    return ", ".join(f"{states.count(state)} {state}" for state in CheckState)
