"""The progress of an operation: a live tree on a terminal, one line for each step elsewhere; and
its outcome."""

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
from .markup import escape_markup, format_duration, status_style, styled


@contextmanager
def show_progress(console: Any, title: str) -> Iterator[Watcher]:
    """Show an operation on a Rich ``console`` while the block runs; yields the function that takes
    its progress.

    A terminal gets a live tree with ``title`` (the stack's name) at its top; its last state stays,
    and the outcome and later progress follow as lines. Elsewhere everything is lines.
    """
    plain = progress_lines(console.print)
    if not console.is_terminal or console.is_dumb_terminal:
        yield plain
        return
    from rich.live import Live

    board = ProgressBoard(title)
    with Live(board, console=console, refresh_per_second=8, vertical_overflow="ellipsis") as live:

        def watch(progress: Progress) -> None:
            if isinstance(progress, Outcome):
                live.stop()
            (board if live.is_started else plain)(progress)

        yield watch


def progress_lines(write: Callable[[str], object]) -> Watcher:
    """Return a function that writes progress as lines in Rich markup: time (UTC), address, status
    and reason of each step."""
    last: dict[str, str] = {}

    def watch(progress: Progress) -> None:
        if isinstance(progress, ProgressStep):
            if progress.under_way and last.get(progress.address) == progress.status:
                return  # CloudFormation has two such events: begun, and creation initiated
            last[progress.address] = progress.status
        for line in _lines(progress):
            write(line)

    return watch


def _lines(progress: Progress) -> Iterator[str]:
    if isinstance(progress, Notice):
        yield f"[yellow]{escape_markup(progress.text)}[/]"
    elif isinstance(progress, Outcome):
        yield format_outcome(progress)
    elif isinstance(progress, RolloutProgress):
        yield f"          {escape_markup(progress.address)}  {rollout_counts(progress)}"
        texts = (*progress.messages, *progress.stops)
        yield from (f"            {escape_markup(text)}" for text in texts)
        yield from (f"            [dim]{escape_markup(line)}[/]" for line in progress.lines)
    elif not progress.nested:  # a nested stack has steps of its own
        status = f"[{status_style(progress.status)}]{progress.status}[/]"
        reason = f"  {escape_markup(progress.reason)}" if progress.reason else ""
        yield f"{progress.time:%H:%M:%S}  {escape_markup(progress.address)}  {status}{reason}"


def rollout_counts(rollout: RolloutProgress) -> str:
    """Return the counts of tasks, ``1 of 2 running, 1 starting, 3 failed``, in Rich markup."""
    parts = [f"{rollout.running} of {rollout.desired} running"]
    parts += [f"{rollout.pending} starting"] if rollout.pending else []
    parts += [f"[red]{rollout.failed} failed[/]"] if rollout.failed else []
    return ", ".join(parts)


# --- the live tree

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MESSAGES = 3


@dataclass
class _BoardItem:
    """A stack or resource: its status, the time of its operation (``ended`` is None while it runs),
    and the reason of its first failure."""

    type: str
    status: str
    began: datetime
    ended: datetime | None = None
    failure: str = ""


class ProgressBoard:
    """An operation as a tree that Rich can print at any time: stacks, with their running and failed
    resources.

    One thread updates it, another prints it. ``clock`` returns the present in UTC.
    """

    def __init__(
        self, title: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._title, self._clock = title, clock
        self._lock = Lock()
        self._stacks: dict[str, _BoardItem] = {}
        self._resources: dict[str, dict[str, _BoardItem]] = {}
        self._rollouts: dict[str, RolloutProgress] = {}
        self._messages: dict[str, list[str]] = {}
        self._notices: list[str] = []

    def __call__(self, progress: Progress) -> None:
        """Add one piece of progress."""
        with self._lock:
            if isinstance(progress, Notice):
                self._notices.append(progress.text)
            elif isinstance(progress, RolloutProgress):
                self._rollouts[progress.address] = progress
                self._messages.setdefault(progress.address, []).extend(
                    (*progress.messages, *progress.stops, *progress.lines)
                )
            elif isinstance(progress, ProgressStep) and progress.of_stack and not progress.nested:
                _advance(self._stacks, progress.stack, progress)
            elif isinstance(progress, ProgressStep) and not progress.nested:
                resources = self._resources.setdefault(progress.stack, {})
                _advance(resources, progress.logical_id, progress)

    def __rich__(self) -> Any:
        """Return the tree at this moment."""
        from rich.console import Group
        from rich.text import Text
        from rich.tree import Tree

        with self._lock:
            root = Tree(Text.from_markup(styled(self._title, "bold")), guide_style="dim")
            nodes: dict[str, Tree] = {}
            paths = dict.fromkeys((*self._stacks, *self._resources))
            for path in sorted(paths, key=lambda path: path.count("/")):
                above = nodes.get(path.rpartition("/")[0], root)
                label = Text.from_markup(self._stack_line(path))
                if "/" in path:
                    nodes[path] = above.add(label)
                else:
                    root.label, nodes[path] = label, root
                for line in self._resource_lines(path):
                    nodes[path].add(Text.from_markup(line, overflow="ellipsis"))
            notices = [
                Text.from_markup(styled(text, "yellow")) for text in self._notices[-_MESSAGES:]
            ]
        return Group(root, *notices)

    def _stack_line(self, path: str) -> str:
        item = self._stacks.get(path)
        name = styled(path.rpartition("/")[2] if "/" in path else self._title, "bold")
        if item is None:
            return name
        resources = list(self._resources.get(path, {}).values())
        count = _plural(len(resources), "resource")
        if item.ended is None:
            done = sum(resource.ended is not None for resource in resources)
            count = f"{done} of {len(resources)} resources"
        count = f"  [dim]{count}[/]" if resources else ""
        status = f"[{status_style(item.status)}]{item.status}[/]"
        return f"{self._mark(item)} {name}  {status}{count}  {self._duration(item)}"

    def _resource_lines(self, path: str) -> Iterator[str]:
        """Yield the lines of a stack's running and failed resources."""
        for name, item in self._resources.get(path, {}).items():
            address = f"{path}:{name}"
            label = f"{escape_markup(name)}  [dim]{item.type}[/]"
            if item.ended is None:
                rollout = self._rollouts.get(address)
                counts = f"  {rollout_counts(rollout)}" if rollout else ""
                yield f"{self._mark(item)} {label}  {self._duration(item)}{counts}"
                messages = self._messages.get(address, [])[-_MESSAGES:]
                yield from (f"  {styled(message, 'dim')}" for message in messages)
            if item.failure:
                yield f"[red]✗[/] {label}  {styled(item.failure, 'red')}"

    def _mark(self, item: _BoardItem) -> str:
        if item.ended is None:
            frame = _SPINNER[int(self._clock().timestamp() * 8) % len(_SPINNER)]
            return f"[{status_style(item.status)}]{frame}[/]"
        if "ROLLBACK" in item.status and "FAILED" not in item.status:
            return "[yellow]↩[/]"
        return "[red]✗[/]" if status_style(item.status) == "red" else "[green]✓[/]"

    def _duration(self, item: _BoardItem) -> str:
        seconds = ((item.ended or self._clock()) - item.began).total_seconds()
        return f"[dim]{format_duration(seconds)}[/]"


def _advance(items: dict[str, _BoardItem], key: str, step: ProgressStep) -> None:
    """Update the item of a step, or add it."""
    known = items.get(key)
    if known is None:
        known = items[key] = _BoardItem(step.type, step.status, step.time)
    if known.ended is not None and step.under_way:
        known.began = step.time
    if step.failed and not step.of_stack and "cancelled" not in step.reason:
        known.failure = known.failure or step.reason
    known.status = step.status
    known.ended = None if step.under_way else step.time


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


# --- the end


def format_outcome(outcome: Outcome) -> str:
    """Return how an operation ended; after a failure, its first cause and the next step."""
    took = format_duration((outcome.ended - outcome.began).total_seconds())
    style = status_style(outcome.status) if outcome.ok else "bold red"
    head = f"{styled(f'{outcome.stack}: {outcome.status}', style)} after {took}"
    if outcome.ok:
        return head
    return "\n".join([head, *_cause(outcome.cause), *_next_step(outcome.status)])


def _next_step(status: str) -> Iterator[str]:
    """Yield how to recover a stack that cannot be updated."""
    meaning = stack_status(status)
    if meaning.stuck:
        yield f"  next: {meaning.advice} (verb repair)"


_ADOPT = (
    "if no stack has it, import it with --import-existing, or by imports: in the parameters and "
    "the verb import; else use another name"
)
_ADOPT_NESTED = (
    "if no stack has it, --import-existing imports it where its name is plain text and it has "
    "DeletionPolicy: Retain; else use another name"
)


def _cause(cause: Cause | None) -> Iterator[str]:
    if cause is None:
        yield "  CloudFormation gives no reason; the verb events lists what happened"
        return
    if cause.reason == "User Initiated":  # the reason after CancelUpdateStack
        yield f"  {escape_markup(cause.address)} was cancelled on request"
        return
    if (
        cause.type == STACK_TYPE
        and cause.status.endswith("_COMPLETE")
        and "ROLLBACK" not in cause.status
    ):
        yield f"  CloudFormation did not do it: {escape_markup(cause.reason)}"
        return
    where = escape_markup(f" at {cause.where}") if cause.where else ""
    resource = f"{styled(cause.address, 'bold')} ({cause.type}){where}"
    yield f"  {resource} was the first to fail ({cause.status}):"
    yield f"    {escape_markup(cause.reason or 'without a reason')}"
    yield from (f"    {styled(detail, 'dim')}" for detail in cause.details)
    if cause.status == "CREATE_FAILED" and "already exists" in cause.reason:
        yield f"    {_ADOPT_NESTED if '/' in cause.address else _ADOPT}"
