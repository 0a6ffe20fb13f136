"""Follows an operation of CloudFormation to its end, its rollback included, and finds what failed
first.

CloudFormation continues whether or not it is followed, so following may be interrupted and taken up
again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from ...aws import Aws, Polling, Stack
from ...core import AwsError, DeployError, command_line
from ...plan import Cause, Locate, Outcome
from .events import OperationEvents, find_beginning
from .progress import Notice, ProgressStep, Watcher, ignore_progress
from .rollouts import REPEAT_LIMIT, RolloutWatcher

PATIENCE = 900.0
"""Seconds without a response of CloudFormation after which following ends; each call has its own
retries."""

WATCH = command_line("watch --env ENV")
"""The command that follows an operation again, unless the caller gives one."""

_QUIET = 20.0
"""Seconds without an event after which the stack itself is read."""

NO_RESPONSE = frozenset(("SW406", "SW407"))
"""No response, or only that AWS is busy: the call may have been served."""


def locate_nothing(_stack: str, _logical_id: str) -> None:
    """The line of a resource where no template is known: None."""


class Follower(Struct, frozen=True):
    """How an operation is followed.

    ``locate`` finds a resource's line, ``known`` holds the paths of nested stacks, ``watch`` is the
    command that follows it again, ``repeat_limit`` the number of tasks of a service that may fail
    the same way, ``polling`` makes the rounds.
    """

    on_progress: Watcher = ignore_progress
    locate: Locate = locate_nothing
    known: Collection[str] = ()
    watch: str = WATCH
    repeat_limit: int = REPEAT_LIMIT
    polling: Callable[[], Polling] = Polling


def attach_to_operation(
    stack: Stack, aws: Aws, root: str, follower: Follower | None = None
) -> Outcome:
    """Follow the operation that a stack is in from its beginning, or read its last one.

    Raises AwsError as `follow_operation`; DeployError: SW826, the stack has had no operation.
    """
    beginning = find_beginning(stack.id, aws)
    if beginning is None:
        raise DeployError.of("SW826", f"{stack.name} has had no operation yet")
    return follow_operation(stack.id, aws, root, since=beginning[0], follower=follower)


def follow_operation(
    stack: str, aws: Aws, root: str, *, since: str | None = None, follower: Follower | None = None
) -> Outcome:
    """Follow the operation of a root stack after the event ``since`` to its end; returns how it
    ended.

    ``stack`` should be its id, which finds a deleted stack too; ``root`` is its name in ``stacks:``
    (``app``).

    Raises:
        AwsError: SW824, it can no longer be followed (expired credentials, no response for long);
        the operation continues.
    """
    follower = follower or Follower()
    operation = OperationEvents(stack, root, aws, since, follower.known)
    rollouts = RolloutWatcher(aws, follower.repeat_limit)
    polling = follower.polling()
    patience = _Patience(root, follower)
    for now in polling:
        steps = patience.read(operation, now)
        if not steps and patience.quiet(now):
            _read_stack(stack, operation, aws)
        polling.called(operation.take_calls())
        if steps:
            polling.changed()
        rollouts.observe(steps)
        for step in steps:
            follower.on_progress(step)
        for progress in rollouts.read():
            follower.on_progress(progress)
        if operation.ended:
            break
    outcome = _outcome(root, operation, rollouts, follower.locate)
    follower.on_progress(outcome)  # now: the caller may have more to do before it returns
    return outcome


class _Patience:
    """Reads an operation, and tolerates failures of calls for some time."""

    def __init__(self, root: str, follower: Follower) -> None:
        self._root, self._follower = root, follower
        self._answered = self._moved = 0.0
        self._reported = False

    def read(self, operation: OperationEvents, now: float) -> list[ProgressStep]:
        """New steps; none where AWS is busy or cannot be reached. Raises AwsError: SW824."""
        try:
            steps = operation.read()
        except AwsError as error:
            if error.problems[0].code not in NO_RESPONSE or now - self._answered > PATIENCE:
                raise self._lost(error) from None
            if not self._reported:
                self._reported = True
                self._follower.on_progress(
                    Notice(f"{error}; {self._root} continues in CloudFormation, asking again")
                )
            return []
        self._answered, self._reported = now, False
        self._moved = now if steps else self._moved
        return steps

    def quiet(self, now: float) -> bool:
        """Whether no event has come for so long that the stack should be read."""
        if now - self._moved < _QUIET or self._answered < now:
            return False
        self._moved = now
        return True

    def _lost(self, error: AwsError) -> AwsError:
        text = f"lost contact with {self._root}: {error}; the operation continues in CloudFormation"
        hint = "; ".join(
            filter(
                None,
                (
                    error.problems[0].hint.split(", then")[0],
                    f"then attach again: {self._follower.watch}",
                ),
            )
        )
        return AwsError.of("SW824", text, hint=hint)


def _read_stack(stack: str, operation: OperationEvents, aws: Aws) -> None:
    """Read the stack itself, where no last event comes: it may be deleted, or have ended without
    one."""
    try:
        live = aws.stack(stack)
    except AwsError:
        return
    if live is None or live.status == "DELETE_COMPLETE" or (operation.first and not live.busy):
        operation.settle(live)


def _outcome(
    root: str, operation: OperationEvents, rollouts: RolloutWatcher, locate: Locate
) -> Outcome:
    first, last = operation.first, operation.last
    now = datetime.now(UTC)
    status = last.status if last else "DELETE_COMPLETE"
    ok = status == operation.wanted
    return Outcome(
        root=root,
        stack=last.logical_id if last else root,
        status=status,
        ok=ok,
        began=first.time if first else now,
        ended=last.time if last else now,
        cause=None if ok else _cause(operation.steps, rollouts, locate) or _refusal(last),
        events=tuple(operation.events),
    )


# --- cause


def _cause(steps: Sequence[ProgressStep], rollouts: RolloutWatcher, locate: Locate) -> Cause | None:
    """Return the first failure, with the failures of the rollback as details; None without any.

    Failures are ordered by time: stacks are read one after the other, so a nested stack's later
    event may be read before an earlier one of its parent.
    """
    failures = list(_failures(sorted(steps, key=lambda step: step.time)))
    if not failures:
        return None
    first = next((step for step, undoing in failures if not undoing), failures[0][0])
    others = [step for step, undoing in failures if undoing and step.address != first.address]
    details = (
        *rollouts.details(first.address),
        *(f"then, in the rollback, {step.address}: {step.reason}" for step in others),
    )
    where = locate(first.stack, first.logical_id)
    return Cause(first.address, first.type, first.status, first.reason, where, details)


def _refusal(last: ProgressStep | None) -> Cause | None:
    """The reason of the stack itself where no resource failed: a deletion that CloudFormation
    refuses before it begins leaves the stack in the status that it had."""
    return Cause(last.stack, last.type, last.status, last.reason) if last and last.reason else None


def _failures(steps: Sequence[ProgressStep]) -> list[tuple[ProgressStep, bool]]:
    """(Failed step, whether its stack was being rolled back) in order: of resources, else of nested
    stacks, else of the root itself.

    Once a resource has failed, CloudFormation cancels those in progress, and each parent stack
    repeats the failure: neither counts.
    """
    rolled_back: set[str] = set()
    steps_with_reason: list[tuple[ProgressStep, bool]] = []
    for step in steps:
        if step.of_stack and "ROLLBACK" in step.status:
            rolled_back.add(step.stack)
        if step.reason and (step.failed or (step.of_stack and "ROLLBACK" in step.status)):
            steps_with_reason.append((step, step.stack in rolled_back))
    failed = [
        (step, undoing)
        for step, undoing in steps_with_reason
        if step.failed and "cancelled" not in step.reason
    ]
    own = [(step, undoing) for step, undoing in failed if not step.of_stack and not step.nested]
    nested = [(step, undoing) for step, undoing in failed if step.nested]
    return (
        own
        or nested
        or [
            (step, False)
            for step, _ in steps_with_reason
            if step.of_stack and "cancelled" not in step.reason
        ][:1]
    )
