"""Pieces of text that several results share: escaping, colours, times, tables and JSON."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec

from ..core import escape_text

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def escape_markup(text: str) -> str:
    """Return ``text`` so that Rich finds no markup in it, and no character that does not print."""
    text = escape_text(text)
    if "[" not in text and not text.endswith("\\"):
        return text  # without importing rich
    from rich.markup import escape

    return escape(text)


def styled(text: str, style: str) -> str:
    """Return ``text``, escaped, as Rich markup in a style; an empty style is none."""
    return f"[{style}]{escape_markup(text)}[/]" if style else escape_markup(text)


def status_style(status: str) -> str:
    """Return the colour of a status of a stack or resource."""
    if "FAILED" in status or "ROLLBACK" in status:
        return "red"
    return "yellow" if status.endswith("_IN_PROGRESS") else "green"


def format_age(then: datetime, now: datetime) -> str:
    """Return the time since ``then``, ``3 days ago``; below a minute ``just now``."""
    seconds = (now - then).total_seconds()
    for size, unit in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def format_duration(seconds: float) -> str:
    """Return ``12 s``, ``3 min 04 s`` or ``1 h 02 min``."""
    rounded = max(0, round(seconds))
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60:02} s"
    return f"{rounded // 3600} h {rounded % 3600 // 60:02} min"


def make_table(*headers: str) -> Any:
    """Return an empty table without lines, for a Rich console. Its last column may wrap, and text
    in its cells is escaped."""
    from rich.table import Table

    class EscapingTable(Table):
        def add_row(self, *cells: Any, **settings: Any) -> None:
            super().add_row(
                *(escape_text(cell) if isinstance(cell, str) else cell for cell in cells),
                **settings,
            )

    table = EscapingTable(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for header in headers[:-1]:
        table.add_column(header, no_wrap=True)
    table.add_column(headers[-1], overflow="fold")
    return table


def to_json(value: Any) -> str:
    """Return a frozen type, or a container of them, as JSON; times in RFC 3339."""
    return json.dumps(msgspec.to_builtins(value), indent=2)
