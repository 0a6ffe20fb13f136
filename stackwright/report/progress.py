"""What is told while an operation runs: a live tree on a terminal, one line a step elsewhere; and
how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from ..cfn import STACK_TYPE, stack_status
from ..deploy import Notice, Progress, ProgressStep, RolloutProgress, Watcher
from ..plan import Cause, Outcome


@contextmanager
def show_progress(console: Any, title: str) -> Iterator[Watcher]:
    """Show an operation on rich's ``console`` while the block runs: as a live tree where that is a
    terminal, whose last state stays there; else line by line. ``title`` stands at its top (the
    stack's name). How it ended, and what is told after that, stands below."""
    plain = progress_lines(console.print)
    if not console.is_terminal or console.is_dumb_terminal:
        yield plain
        return
    from rich.live import Live

    board = ProgressBoard(title)
    with Live(board, console=console, refresh_per_second=8, vertical_overflow="ellipsis") as live:

        def watch(told: Progress) -> None:
            if isinstance(told, Outcome):
                live.stop()
            (board if live.is_started else plain)(told)

        yield watch


def progress_lines(write: Callable[[str], object]) -> Watcher:
    """One line for each thing that is told: time (UTC), address, status, reason; with Rich
    markup."""

    last: dict[str, str] = {}

    def watch(told: Progress) -> None:
        if isinstance(told, ProgressStep):
            if told.under_way and last.get(told.address) == told.status:
                return  # CloudFormation says it twice: begun, and initiated
            last[told.address] = told.status
        for line in _lines(told):
            write(line)

    return watch


def _lines(told: Progress) -> Iterator[str]:
    if isinstance(told, Notice):
        yield f"[yellow]{escape_text(told.text)}[/]"
    elif isinstance(told, Outcome):
        yield format_outcome(told)
    elif isinstance(told, RolloutProgress):
        yield f"          {escape_text(told.address)}  {rollout_counts(told)}"
        yield from (f"            {escape_text(text)}" for text in (*told.messages, *told.stops))
        yield from (f"            [dim]{escape_text(line)}[/]" for line in told.lines)
    elif not told.nested:  # a nested stack tells of itself
        reason = f"  {escape_text(told.reason)}" if told.reason else ""
        yield f"{told.time:%H:%M:%S}  {escape_text(told.address)}  [{status_style(told.status)}]{told.status}[/]{reason}"


def status_style(status: str) -> str:
    """The colour of a status."""
    if "FAILED" in status or "ROLLBACK" in status:
        return "red"
    return "yellow" if status.endswith("_IN_PROGRESS") else "green"


def rollout_counts(rollout: RolloutProgress) -> str:
    """``1 of 2 running, 1 starting, 3 failed``."""
    parts = [f"{rollout.running} of {rollout.desired} running"]
    parts += [f"{rollout.pending} starting"] if rollout.pending else []
    parts += [f"[red]{rollout.failed} failed[/]"] if rollout.failed else []
    return ", ".join(parts)


def format_seconds(began: datetime, ended: datetime) -> str:
    """``12 s``, ``3 min 04 s``, ``1 h 02 min``."""
    seconds = max(0, round((ended - began).total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def escape_text(text: str) -> str:
    """Text in which Rich finds no markup."""
    return text.replace("\\", "\\\\").replace("[", "\\[") if "[" in text else text


# --- the live tree
# ----------------------------------------------------------------------------------------------

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MESSAGES = 3


@dataclass
class _Item:
    """A stack or resource: its status, since when and until when it has what the status tells of,
    and why it failed, if ever it did."""

    type: str
    status: str
    began: datetime
    ended: datetime | None = None
    failure: str = ""


class ProgressBoard:
    """An operation as a tree that rich can print at any time: stacks, what is under way in them,
    and what failed.

    It is told by one thread and printed by another. ``clock`` gives the present in UTC.
    """

    def __init__(
        self, title: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._title, self._clock = title, clock
        self._lock = Lock()
        self._stacks: dict[str, _Item] = {}
        self._resources: dict[str, dict[str, _Item]] = {}
        self._rollouts: dict[str, RolloutProgress] = {}
        self._messages: dict[str, list[str]] = {}
        self._notices: list[str] = []

    def __call__(self, told: Progress) -> None:
        """Take in what is told."""
        with self._lock:
            if isinstance(told, Notice):
                self._notices.append(told.text)
            elif isinstance(told, RolloutProgress):
                self._rollouts[told.address] = told
                self._messages.setdefault(told.address, []).extend(
                    (*told.messages, *told.stops, *told.lines)
                )
            elif isinstance(told, ProgressStep) and not told.nested:
                items = (
                    self._stacks if told.of_stack else self._resources.setdefault(told.stack, {})
                )
                _advance(items, told.stack if told.of_stack else told.logical_id, told)

    def __rich__(self) -> Any:
        """The tree as it is now."""
        from rich.console import Group
        from rich.text import Text
        from rich.tree import Tree

        with self._lock:
            root = Tree(Text.from_markup(f"[bold]{escape_text(self._title)}[/]"), guide_style="dim")
            nodes: dict[str, Tree] = {}
            for path in sorted(
                dict.fromkeys((*self._stacks, *self._resources)), key=lambda path: path.count("/")
            ):
                above = nodes.get(path.rpartition("/")[0], root)
                label = Text.from_markup(self._stack(path))
                if "/" in path:
                    nodes[path] = above.add(label)
                else:
                    root.label, nodes[path] = label, root
                for line in self._inside(path):
                    nodes[path].add(Text.from_markup(line, overflow="ellipsis"))
            notices = [
                Text.from_markup(f"[yellow]{escape_text(text)}[/]")
                for text in self._notices[-_MESSAGES:]
            ]
        return Group(root, *notices)

    def _stack(self, path: str) -> str:
        item = self._stacks.get(path)
        name = f"[bold]{escape_text(path.rpartition('/')[2] if '/' in path else self._title)}[/]"
        found = list(self._resources.get(path, {}).values())
        if item is None:
            return name
        done = sum(each.ended is not None for each in found)
        count = (
            f"{done} of {len(found)} resources"
            if item.ended is None
            else _plural(len(found), "resource")
        )
        count = f"  [dim]{count}[/]" if found else ""
        return f"{self._mark(item)} {name}  [{status_style(item.status)}]{item.status}[/]{count}  {self._took(item)}"

    def _inside(self, path: str) -> Iterator[str]:
        """What of a stack's resources is worth a line: under way, or failed."""
        for name, item in self._resources.get(path, {}).items():
            address = f"{path}:{name}"
            if item.ended is None:
                text = f"{self._mark(item)} {escape_text(name)}  [dim]{item.type}[/]  {self._took(item)}"
                yield text + (
                    f"  {rollout_counts(self._rollouts[address])}"
                    if address in self._rollouts
                    else ""
                )
                yield from (
                    f"  [dim]{escape_text(text)}[/]"
                    for text in self._messages.get(address, [])[-_MESSAGES:]
                )
            if item.failure:
                yield f"[red]✗[/] {escape_text(name)}  [dim]{item.type}[/]  [red]{escape_text(item.failure)}[/]"

    def _mark(self, item: _Item) -> str:
        if item.ended is None:
            frame = _SPINNER[int(self._clock().timestamp() * 8) % len(_SPINNER)]
            return f"[{status_style(item.status)}]{frame}[/]"
        return "[red]✗[/]" if status_style(item.status) == "red" else "[green]✓[/]"

    def _took(self, item: _Item) -> str:
        return f"[dim]{format_seconds(item.began, item.ended or self._clock())}[/]"


def _advance(items: dict[str, _Item], key: str, step: ProgressStep) -> None:
    known = items.get(key)
    if known is None:
        known = items[key] = _Item(step.type, step.status, step.time)
    if known.ended is not None and step.under_way:
        known.began = step.time
    if step.failed and not step.of_stack and "cancelled" not in step.reason:
        known.failure = known.failure or step.reason
    known.status = step.status
    known.ended = None if step.under_way else step.time


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


# --- the end
# --------------------------------------------------------------------------------------------------


def format_outcome(found: Outcome) -> str:
    """How an operation ended; where it failed, the first cause and what is known of it."""
    took = format_seconds(found.began, found.ended)
    head = f"[{status_style(found.status) if found.ok else 'bold red'}]{escape_text(found.stack)}: {found.status}[/] after {took}"
    if found.ok:
        return head
    return "\n".join([head, *_cause(found.cause), *_next(found.status)])


def _next(status: str) -> Iterator[str]:
    """How to recover a stack that cannot be updated."""
    meaning = stack_status(status)
    if meaning.stuck:
        yield f"  next: {meaning.advice} (verb repair)"


_ADOPT = "what an earlier stack has left is adopted by the verb import, once imports: of the parameters names it"
_LEFT = "what an earlier stack has left of a nested one cannot be adopted: delete it, or take another name"


def _cause(cause: Cause | None) -> Iterator[str]:
    if cause is None:
        yield "  CloudFormation gives no reason; the verb events lists what happened"
        return
    if cause.reason == "User Initiated":  # what CloudFormation says of CancelUpdateStack
        yield f"  {escape_text(cause.address)} was cancelled on request"
        return
    if (
        cause.type == STACK_TYPE
        and cause.status.endswith("_COMPLETE")
        and "ROLLBACK" not in cause.status
    ):
        yield f"  CloudFormation did not do it: {escape_text(cause.reason)}"
        return
    where = f" at {cause.where}" if cause.where else ""
    yield f"  [bold]{escape_text(cause.address)}[/] ({cause.type}){escape_text(where)} was the first to fail ({cause.status}):"
    yield f"    {escape_text(cause.reason or 'without a reason')}"
    yield from (f"    [dim]{escape_text(detail)}[/]" for detail in cause.details)
    if cause.status == "CREATE_FAILED" and "already exists" in cause.reason:
        yield f"    {_LEFT if '/' in cause.address else _ADOPT}"
