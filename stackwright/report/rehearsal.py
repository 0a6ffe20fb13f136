"""The result of a rehearsal: as text in Rich markup, and as data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from ..cfn import STACK_TYPE
from ..plan import REVISIONS
from .markup import escape_markup, styled

if TYPE_CHECKING:  # the emulator's packages are an extra
    from ..emulator import Phase, Rehearsal, RehearsalStep, Rollback

_STYLE = {"+": "green", "~": "yellow", "-/+": "magenta", "-": "red", "!": "bold red"}


def rehearsal_as_text(rehearsal: Rehearsal) -> str:
    """Return each root's steps over time and its critical path, then the rollback."""
    blocks = [
        block
        for phase in rehearsal.phases
        for block in (_phase(phase), _critical_path(phase))
        if block
    ]
    if not rehearsal.phases:
        blocks.append("Nothing to rehearse.")
    if rehearsal.rollback:
        blocks.append(_rollback(rehearsal.rollback))
    return "\n\n".join(blocks)


def _phase(phase: Phase) -> str:
    style = "green" if phase.ok else "bold red"
    status = f"[{style}]{phase.status}[/] after {_clock(phase.seconds)}"
    head = f"{styled(phase.root, 'bold')}: {status}"
    if phase.reason and not phase.ok:
        head += f"\n  {escape_markup(phase.reason)}"
    steps = [step for step in phase.steps if step.type != STACK_TYPE]
    return "\n".join([head, "     at  takes", *_lines(steps)])


def _lines(steps: Sequence[RehearsalStep]) -> Iterable[str]:
    width = max((len(step.address) for step in steps), default=0)
    for step in steps:
        sign = _sign(step)
        times = f"{_clock(step.began):>7}{_clock(step.ended - step.began):>7}"
        address = step.address.ljust(width)
        yield f"{times}  [{_STYLE[sign]}]{sign:>3}[/] {address}  [dim]{step.type}[/]"
        if sign == "!":
            yield f"{'':19}{styled(step.reason or step.status, 'red')}"


def _sign(step: RehearsalStep) -> str:
    if step.status.endswith("FAILED"):
        return "!"
    if step.operation == "create" and step.status.startswith("UPDATE"):
        return "~" if step.type in REVISIONS else "-/+"
    if step.operation == "create":
        return "+"
    return "-" if step.operation == "delete" else "~"


def _critical_path(phase: Phase) -> str:
    """Return the five longest steps of the critical path, by time."""
    path = [step for step in phase.critical_path if step.ended > step.began]
    if not path or not phase.ok:
        return ""
    total = sum(step.ended - step.began for step in path)
    longest = sorted(path, key=lambda step: step.began - step.ended)[:5]
    rows = []
    for step in sorted(longest, key=lambda step: step.began):
        seconds = step.ended - step.began
        times = f"{seconds / total:>7.0%}{_clock(seconds):>7}"
        rows.append(f"{times}  {_sign(step):>3} {escape_markup(step.address)}")
    rest = len(path) - len(longest)
    more = [f"[dim]{'':20}and {rest} shorter[/]"] if rest else []
    head = f"Critical path of {styled(phase.root, 'bold')}: {_clock(total)}"
    return "\n".join([head, *rows, *more])


def _rollback(rollback: Rollback) -> str:
    failed, phase = rollback.failed, rollback.phase
    style = "green" if rollback.ok else "bold red"
    lines = [
        f"If {styled(failed.address, 'bold')}, the slowest change, failed:",
        f"  [{style}]{phase.status}[/] after {_clock(phase.seconds)}",
    ]
    if rollback.differences:
        differences = map(escape_markup, rollback.differences)
        lines += [f"  [bold red]not as before:[/] {difference}" for difference in differences]
    else:
        lines.append(f"  all {rollback.resources} resources and stacks are exactly as before")
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    """Return ``3:07`` for 187 seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def rehearsal_as_data(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return ``{"ok": …, "phases": […], "rollback": …}``; times in seconds."""
    phases = [
        {**to_builtins(phase), "critical_path": [step.address for step in phase.critical_path]}
        for phase in rehearsal.phases
    ]
    rollback = rehearsal.rollback
    rollback_data = {**to_builtins(rollback), "ok": rollback.ok} if rollback else None
    data: dict[str, Any] = json.loads(
        json.dumps({"ok": rehearsal.ok, "phases": phases, "rollback": rollback_data})
    )
    return data
