"""The results of ``verify`` and ``preflight``: one line for each check, and counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import to_builtins

from ..health import CheckState, HealthCheck
from ..preflight import PreflightCheck
from .markup import escape_markup, make_table

_STYLES = {CheckState.OK: "green", CheckState.FAIL: "bold red", CheckState.SKIP: "yellow"}


def format_checks(checks: Iterable[HealthCheck]) -> Any:
    """Return the checks of a verification as a table."""
    table = make_table("", "", "", "")
    table.show_header = False
    for check in checks:
        state = f"[{_STYLES[check.state]}]\\[{check.state}][/]"
        address, detail = escape_markup(check.address), escape_markup(check.detail)
        table.add_row(state, check.subject, address, detail)
    return table


def summarize_checks(checks: Sequence[HealthCheck]) -> str:
    """Return the counts, ``verify: 12 ok, 1 fail, 3 skip``."""
    counts = {state: sum(check.state == state for check in checks) for state in CheckState}
    parts = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"verify: {parts or 'nothing to check'}"


def preflight_as_text(checks: Sequence[PreflightCheck]) -> str:
    """Return a line for each check, its hint below, in Rich markup; empty for none."""
    width = max((len(check.name) for check in checks), default=0)
    return "\n".join(line for check in checks for line in _lines(check, width))


def _lines(check: PreflightCheck, width: int) -> list[str]:
    style = _STYLES[check.state]
    mark = f"\\[[{style}]{check.state}[/]]{' ' * (5 - len(check.state))}"
    first = f"{mark}{escape_markup(check.name.ljust(width))}  {escape_markup(check.detail)}"
    hint = f"{' ' * 7}[dim]-> {escape_markup(check.hint)}[/]"
    return [first, hint] if check.hint else [first]


def preflight_as_data(checks: Sequence[PreflightCheck]) -> list[dict[str, Any]]:
    """Return ``name``, ``state``, ``detail`` and ``hint`` of each check, for JSON."""
    return [to_builtins(check) for check in checks]


def summarize_preflight(checks: Sequence[PreflightCheck]) -> str:
    """Return the counts, ``12 ok, 1 fail, 2 skip``."""
    states = [check.state for check in checks]
    return ", ".join(f"{states.count(state)} {state}" for state in CheckState)
