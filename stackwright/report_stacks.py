"""Events, and what a deletion takes along, as text and JSON. Pure: strings out, text with Rich markup."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap

from .progress import Fate, Step
from .report_progress import escaped, style

_WIDTH = 100


def fates(found: Sequence[Fate]) -> str:
    """Losses of data one by one, what stays one by one, and the rest as counts by type."""
    return "\n".join(_fates(found))


def _fates(found: Sequence[Fate]) -> Iterator[str]:
    lost = [each for each in found if each.lost]
    kept = [each for each in found if each.kept]
    rest = Counter(each.type for each in found if not each.lost and not each.kept)
    if lost:
        yield "[bold red]Data that is lost[/]"
        yield from (f"  [red]- {escaped(_named(each))}[/]" for each in lost)
    if kept:
        yield "[bold green]Stays, outside of any stack[/]"
        yield from (f"  {escaped(_named(each))}: {each.kept}" for each in kept)
    if rest:
        yield "[bold]Removed[/]"
        counted = ", ".join(f"{count} {type_}" for type_, count in sorted(rest.items()))
        yield from (f"  {line}" for line in wrap(counted, _WIDTH, break_long_words=False))


def _named(each: Fate) -> str:
    return f"{each.address} ({each.type}) {each.physical_id}"


def events(steps: Sequence[Step], form: str = "text") -> str:
    """One line a step, with the day; or JSON: a list of objects."""
    if form == "json":
        return json.dumps([_data(step) for step in steps], indent=2)
    return "\n".join(
        f"{step.time:%Y-%m-%d %H:%M:%S}  {escaped(step.address)}  [{style(step.status)}]{step.status}[/]"
        + (f"  {escaped(step.reason)}" if step.reason else "")
        for step in steps
    )


def _data(step: Step) -> dict[str, str]:
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
