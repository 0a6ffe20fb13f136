"""What is told while an operation runs: a live tree on a terminal, one line a step elsewhere; and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from .deployment import Cause, Outcome
from .progress import Notice, Progress, Rollout, Watcher


@contextmanager
def shown(console: Any, title: str) -> Iterator[Watcher]:
    """Show an operation on rich's ``console`` while the block runs, live where it is a terminal."""
    del title
    yield lines(console.print)


def lines(write: Callable[[str], object]) -> Watcher:
    """One line for each thing that is told: time (UTC), address, status, reason; with Rich markup."""

    def watch(told: Progress) -> None:
        for line in _lines(told):
            write(line)

    return watch


def _lines(told: Progress) -> Iterator[str]:
    if isinstance(told, Notice):
        yield f"[yellow]{escaped(told.text)}[/]"
    elif isinstance(told, Rollout):
        yield f"          {escaped(told.address)}  {counts(told)}"
        yield from (f"            {escaped(text)}" for text in (*told.messages, *told.stops))
        yield from (f"            [dim]{escaped(line)}[/]" for line in told.lines)
    elif not told.nested:  # a nested stack tells of itself
        reason = f"  {escaped(told.reason)}" if told.reason else ""
        yield f"{told.time:%H:%M:%S}  {escaped(told.address)}  [{style(told.status)}]{told.status}[/]{reason}"


def style(status: str) -> str:
    """The colour of a status."""
    if "FAILED" in status or "ROLLBACK" in status:
        return "red"
    return "yellow" if status.endswith("_IN_PROGRESS") else "green"


def counts(rollout: Rollout) -> str:
    """``1 of 2 running, 1 starting, 3 failed``."""
    parts = [f"{rollout.running} of {rollout.desired} running"]
    parts += [f"{rollout.pending} starting"] if rollout.pending else []
    parts += [f"[red]{rollout.failed} failed[/]"] if rollout.failed else []
    return ", ".join(parts)


def duration(began: datetime, ended: datetime) -> str:
    """``12 s``, ``3 min 04 s``, ``1 h 02 min``."""
    seconds = max(0, round((ended - began).total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def escaped(text: str) -> str:
    """Text in which Rich finds no markup."""
    return text.replace("\\", "\\\\").replace("[", "\\[") if "[" in text else text


# --- the end --------------------------------------------------------------------------------------------------


def outcome(found: Outcome) -> str:
    """How an operation ended; where it failed, the first cause and what is known of it."""
    took = duration(found.began, found.ended)
    head = f"[{style(found.status) if found.ok else 'bold red'}]{escaped(found.stack)}: {found.status}[/] after {took}"
    if found.ok:
        return head
    return "\n".join([head, *_cause(found.cause)])


def _cause(cause: Cause | None) -> Iterator[str]:
    if cause is None:
        yield "  CloudFormation gives no reason; its events: python render.py events"
        return
    where = f" at {cause.where}" if cause.where else ""
    yield f"  [bold]{escaped(cause.address)}[/] ({cause.type}){escaped(where)} was the first to fail ({cause.status}):"
    yield f"    {escaped(cause.reason or 'without a reason')}"
    yield from (f"    [dim]{escaped(detail)}[/]" for detail in cause.details)
