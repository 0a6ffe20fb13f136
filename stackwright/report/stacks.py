"""Events of stacks, and the resources that a deletion removes or keeps, as text and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap

from ..deploy import Fate, ProgressStep
from .markup import escape_markup, status_style, styled

_WIDTH = 100


def format_fates(fates: Sequence[Fate]) -> str:
    """Return the resources of a deletion in Rich markup: lost data and kept resources one by one,
    the others as counts by type."""
    return "\n".join(_fates(fates))


def _fates(fates: Sequence[Fate]) -> Iterator[str]:
    lost = [fate for fate in fates if fate.lost]
    kept = [fate for fate in fates if fate.kept]
    rest = Counter(fate.type for fate in fates if not fate.lost and not fate.kept)
    if lost:
        yield "[bold red]Lost data[/]"
        yield from (f"  {styled(f'- {_label(fate)}', 'red')}" for fate in lost)
    if kept:
        yield "[bold green]Kept outside of any stack[/]"
        yield from (f"  {escape_markup(_label(fate))}: {fate.kept}" for fate in kept)
    if rest:
        yield "[bold]Removed[/]"
        counts = ", ".join(f"{count} {type_}" for type_, count in sorted(rest.items()))
        yield from (f"  {line}" for line in wrap(counts, _WIDTH, break_long_words=False))


def _label(fate: Fate) -> str:
    return f"{fate.address} ({fate.type}) {fate.physical_id}"


def format_events(steps: Sequence[ProgressStep], style: str = "text") -> str:
    """Return one line for each step, with the day, in Rich markup; or a JSON list of objects."""
    if style == "json":
        return json.dumps([_data(step) for step in steps], indent=2)
    return "\n".join(map(_line, steps))


def _line(step: ProgressStep) -> str:
    status = f"[{status_style(step.status)}]{step.status}[/]"
    reason = f"  {escape_markup(step.reason)}" if step.reason else ""
    return f"{step.time:%Y-%m-%d %H:%M:%S}  {escape_markup(step.address)}  {status}{reason}"


def _data(step: ProgressStep) -> dict[str, str]:
    return {
        "time": step.time.isoformat(),
        "address": step.address,
        "stack": step.stack,
        "logical_id": step.logical_id,
        "physical_id": step.physical_id,
        "type": step.type,
        "status": step.status,
        "reason": step.reason,
    }
