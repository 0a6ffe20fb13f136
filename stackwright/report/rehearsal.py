"""What a rehearsal showed, for people (rich's markup) and machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from ..cfn import STACK_TYPE

if TYPE_CHECKING:  # the emulator's packages are an extra
    from ..emulator import Phase, Rehearsal, RehearsalStep, Rollback

_STYLE = {"+": "green", "~": "yellow", "-/+": "magenta", "-": "red", "!": "bold red"}


def rehearsal_as_text(found: Rehearsal) -> str:
    """Each root's steps over time and its critical path, then the rollback."""
    blocks = [
        block for phase in found.phases for block in (_phase(phase), _critical_path(phase)) if block
    ]
    if not found.phases:
        blocks.append("Nothing would be changed.")
    if found.rollback:
        blocks.append(_rollback(found.rollback))
    return "\n\n".join(blocks)


def _phase(phase: Phase) -> str:
    style = "green" if phase.ok else "bold red"
    head = (
        f"[bold]{_escaped(phase.root)}[/]: [{style}]{phase.status}[/] after {_time(phase.seconds)}"
    )
    if phase.reason and not phase.ok:
        head += f"\n  {_escaped(phase.reason)}"
    steps = [step for step in phase.steps if step.type != STACK_TYPE]
    return "\n".join([head, "     at  takes", *_lines(steps)])


def _lines(steps: Sequence[RehearsalStep]) -> Iterable[str]:
    width = max((len(step.address) for step in steps), default=0)
    for step in steps:
        sign = _sign(step)
        times = f"{_time(step.began):>7}{_time(step.ended - step.began):>7}"
        yield f"{times}  [{_STYLE[sign]}]{sign:>3}[/] {step.address.ljust(width)}  [dim]{step.type}[/]{_why(step)}"


def _why(step: RehearsalStep) -> str:
    return (
        f"\n                   [red]{_escaped(step.reason or step.status)}[/]"
        if _sign(step) == "!"
        else ""
    )


def _sign(step: RehearsalStep) -> str:
    if step.status.endswith("FAILED"):
        return "!"
    if step.operation == "create":
        return "-/+" if step.status.startswith("UPDATE") else "+"
    return "-" if step.operation == "delete" else "~"


def _critical_path(phase: Phase) -> str:
    """The five longest steps that the end waited for; the rest of the path takes no time worth
    saving."""
    path = [step for step in phase.critical_path if step.ended > step.began]
    if not path or not phase.ok:
        return ""
    total = sum(step.ended - step.began for step in path)
    longest = sorted(path, key=lambda step: step.began - step.ended)[:5]
    rows = []
    for step in sorted(longest, key=lambda step: step.began):
        taken = step.ended - step.began
        rows.append(
            f"{taken / total:>7.0%}{_time(taken):>7}  {_sign(step):>3} {_escaped(step.address)}"
        )
    rest = len(path) - len(longest)
    more = [f"[dim]{'':20}and {rest} shorter[/]"] if rest else []
    return "\n".join(
        [f"Critical path of [bold]{_escaped(phase.root)}[/]: {_time(total)}", *rows, *more]
    )


def _rollback(found: Rollback) -> str:
    failed, phase = found.failed, found.phase
    style = "green" if found.ok else "bold red"
    lines = [
        f"If [bold]{_escaped(failed.address)}[/] failed, the slowest that changes:",
        f"  [{style}]{phase.status}[/] after {_time(phase.seconds)}",
    ]
    if found.differences:
        lines += [f"  [bold red]not as before:[/] {_escaped(each)}" for each in found.differences]
    else:
        lines.append(f"  all {found.resources} resources and stacks are exactly as before")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[") if "[" in text else text


def rehearsal_as_data(found: Rehearsal) -> dict[str, Any]:
    """``{"ok": …, "phases": […], "rollback": …}``; times in seconds."""
    phases = [
        {**to_builtins(each), "critical_path": [s.address for s in each.critical_path]}
        for each in found.phases
    ]
    rollback = {**to_builtins(found.rollback), "ok": found.rollback.ok} if found.rollback else None
    data: dict[str, Any] = json.loads(
        json.dumps({"ok": found.ok, "phases": phases, "rollback": rollback})
    )
    return data
