"""Reads the events of one operation, of a root stack and the stacks nested in it, each once, in
order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ...aws import Stack, StackEvent, Stacks
from ...cfn import STACK_TYPE
from ...core import AwsError
from .progress import ProgressStep, nested_path

_AT_ONCE = 5
"""Stacks read in one round, the root always among them; with `polling.CALLS_A_SECOND` that is a
round a second."""

_LAST_ROUNDS = 5

_WANTED = {
    "CREATE_IN_PROGRESS": "CREATE_COMPLETE",
    "UPDATE_IN_PROGRESS": "UPDATE_COMPLETE",
    "IMPORT_IN_PROGRESS": "IMPORT_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_COMPLETE",
}
"""The status with which an operation begins -> the one in which it was asked to end. The last two
are those of ContinueUpdateRollback and RollbackStack, not of a failure, which does not begin an
operation."""


@dataclass
class _Tail:
    """How far one stack is read: up to an event id, or from a time on.

    ``open`` while more events may come, ``closing`` once the parent stack says that it is done.
    ``pending`` steps were read, and are not returned yet.
    """

    id: str
    path: str
    read: str | datetime | None
    open: bool = True
    closing: bool = False
    round: int = 0
    pending: list[ProgressStep] = field(default_factory=list)


class OperationEvents:
    """The events of a root stack from now on, or since the event ``since``.

    ``path`` is the root's name in ``stacks:`` (``app``), ``known`` the paths of nested stacks
    (``app/network``).
    """

    def __init__(
        self,
        stack_id: str,
        path: str,
        aws: Stacks,
        since: str | None = None,
        known: Iterable[str] = (),
    ) -> None:
        self._aws, self._known = aws, tuple(known)
        self._root = _Tail(stack_id, path, since)
        self._nested: dict[str, _Tail] = {}
        self._round, self._cleaned = 0, False
        self.calls = 0
        self.steps: list[ProgressStep] = []
        self.events: list[StackEvent] = []
        self.first: ProgressStep | None = None
        self.last: ProgressStep | None = None

    @property
    def wanted(self) -> str:
        """The status in which the operation succeeds; empty while it has not begun."""
        return _WANTED.get(self.first.status, "") if self.first else ""

    @property
    def ended(self) -> bool:
        """Whether the root has reached its final status."""
        return self.last is not None and not self.last.under_way

    def take_calls(self) -> int:
        """The number of calls since this was asked last."""
        calls, self.calls = self.calls, 0
        return calls

    def settle(self, stack: Stack | None) -> None:
        """End with the status of the stack itself, where its last event does not come."""
        status = stack.status if stack else "DELETE_COMPLETE"
        name = stack.name if stack else self._root.path
        reason = stack.reason if stack else ""
        time = (stack and (stack.updated or stack.created)) or datetime.now(UTC)
        self.last = ProgressStep(
            self._root.path, name, STACK_TYPE, status, reason, time, self._root.id, of_stack=True
        )
        self.steps.append(self.last)

    def read(self) -> list[ProgressStep]:
        """New steps, oldest first. A stack that cannot be read now is read later.

        Raises:
            AwsError: none of the stacks can be read.
        """
        self._round += 1
        self._read([self._root, *self._due()])
        if self.ended:
            self._read_rest()
        else:
            self._read_discovered()
        steps = list(self._merged())
        self.steps += steps
        return steps

    def _due(self) -> list[_Tail]:
        waiting = sorted(
            (tail for tail in self._nested.values() if tail.open), key=lambda tail: tail.round
        )
        return waiting[: _AT_ONCE - 1]

    def _read_discovered(self) -> None:
        """Read nested stacks at once when they are discovered: they may be far already."""
        with suppress(AwsError):
            while new := [tail for tail in self._nested.values() if tail.open and not tail.round]:
                self._read(new)

    def _read_rest(self) -> None:
        """Read nested stacks to their end once the root has ended; all of them, where the clean-up
        followed."""
        for _ in range(_LAST_ROUNDS):
            rest = [tail for tail in self._nested.values() if tail.open or self._cleaned]
            self._cleaned = False
            if not rest:
                return
            with suppress(AwsError):
                self._read(rest)

    def _read(self, tails: Sequence[_Tail]) -> None:
        closing = [tail for tail in tails if tail.closing]
        with ThreadPoolExecutor(len(tails)) as pool:
            answers = list(pool.map(self._read_events, tails))
        self.calls += len(tails)
        refused = [answer for answer in answers if isinstance(answer, AwsError)]
        if len(refused) == len(tails):
            raise refused[0]
        for tail, events in zip(tails, answers, strict=True):
            tail.round = self._round
            if isinstance(events, AwsError):
                continue
            tail.read = events[-1].id if events else tail.read
            tail.open = tail.open and tail not in closing
            tail.pending += [self._step(tail, event) for event in events]

    def _merged(self) -> Iterator[ProgressStep]:
        """The pending steps by time; at the same time, those of a nested stack before its parent's
        step."""
        tails = {tail.id: tail for tail in (self._root, *self._nested.values())}
        steps: list[ProgressStep] = []

        def take(tail: _Tail, until: datetime | None = None) -> None:
            while tail.pending and (until is None or tail.pending[0].time <= until):
                step = tail.pending.pop(0)
                if step.nested and not step.under_way and step.physical_id in tails:
                    take(tails[step.physical_id], step.time)
                steps.append(step)

        for tail in tails.values():
            take(tail)
        return iter(sorted(steps, key=lambda step: step.time))

    def _read_events(self, tail: _Tail) -> list[StackEvent] | AwsError:
        try:
            return self._aws.events(tail.id, tail.read)
        except AwsError as error:
            return error

    def _step(self, tail: _Tail, event: StackEvent) -> ProgressStep:
        self.events.append(event)
        step = ProgressStep(
            tail.path,
            event.logical_id,
            event.type,
            event.status,
            event.reason,
            event.time,
            event.physical_id,
            event.of_stack,
        )
        if tail is self._root and step.of_stack:
            self.first = self.first or step
            self.last = step
            self._cleaned = self._cleaned or "CLEANUP" in step.status
        elif step.nested and event.physical_id.startswith("arn:"):
            self._nest(tail, step)
        return step

    def _nest(self, parent: _Tail, step: ProgressStep) -> None:
        """Read a nested stack while its parent has it in progress, and once more after that."""
        began = self.first.time if self.first else step.time
        path = nested_path(parent.path, step.logical_id, self._known)
        tail = self._nested.setdefault(step.physical_id, _Tail(step.physical_id, path, began))
        tail.closing = not step.under_way
        tail.open = tail.open or step.under_way


def find_beginning(stack_id: str, aws: Stacks) -> tuple[str | None, StackEvent] | None:
    """(Id of the event before, first event) of the operation that a stack is in, or was in last;
    None without one.

    An operation begins with the first status of the stack itself after a final one. Raises
    AwsError.
    """
    before: StackEvent | None = None
    beginning: tuple[str | None, StackEvent] | None = None
    at_rest = True
    for event in aws.events(stack_id):
        if event.of_stack and event.type == STACK_TYPE:
            moving = event.status.endswith("_IN_PROGRESS") and event.status != "REVIEW_IN_PROGRESS"
            if moving and at_rest:
                beginning = (before.id if before else None, event)
            at_rest = not moving
        before = event
    return beginning


def read_steps(stack_id: str, path: str, aws: Stacks) -> list[ProgressStep]:
    """The steps of the operation that a stack is in, or was in last, nested stacks included. Raises
    AwsError."""
    beginning = find_beginning(stack_id, aws)
    return OperationEvents(stack_id, path, aws, beginning[0]).read() if beginning else []
