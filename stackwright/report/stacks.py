"""Events, and what a deletion takes along, as text and JSON. Pure: strings out, text with Rich
markup."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap

from ..deploy import Fate, ProgressStep
from .progress import escape_text, status_style

_WIDTH = 100


def format_fates(found: Sequence[Fate]) -> str:
    """Losses of data one by one, what stays one by one, and the rest as counts by type."""
    return "\n".join(_fates(found))


def _fates(found: Sequence[Fate]) -> Iterator[str]:
    lost = [each for each in found if each.lost]
    kept = [each for each in found if each.kept]
    rest = Counter(each.type for each in found if not each.lost and not each.kept)
    if lost:
        yield "[bold red]Data that is lost[/]"
        yield from (f"  [red]- {escape_text(_named(each))}[/]" for each in lost)
    if kept:
        yield "[bold green]Stays, outside of any stack[/]"
        yield from (f"  {escape_text(_named(each))}: {each.kept}" for each in kept)
    if rest:
        yield "[bold]Removed[/]"
        counted = ", ".join(f"{count} {type_}" for type_, count in sorted(rest.items()))
        yield from (f"  {line}" for line in wrap(counted, _WIDTH, break_long_words=False))


def _named(each: Fate) -> str:
    return f"{each.address} ({each.type}) {each.physical_id}"


def format_events(steps: Sequence[ProgressStep], form: str = "text") -> str:
    """One line a step, with the day; or JSON: a list of objects."""
    if form == "json":
        return json.dumps([_data(step) for step in steps], indent=2)
    return "\n".join(
        f"{step.time:%Y-%m-%d %H:%M:%S}  {escape_text(step.address)}  [{status_style(step.status)}]{step.status}[/]"
        + (f"  {escape_text(step.reason)}" if step.reason else "")
        for step in steps
    )


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
