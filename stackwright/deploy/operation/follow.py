"""Follow an operation of CloudFormation to its end, its rollback included, and say what failed
first.

CloudFormation carries on whether or not anyone follows, so following may be interrupted and taken
up again.
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
"""Seconds without an answer of CloudFormation after which following is given up; each call has its
own retries."""

WATCH = command_line("watch --env ENV")
"""What follows an operation again, where the caller has not said it better."""

_QUIET = 20.0
"""Seconds without an event after which the stack itself is asked whether it still moves."""

NO_RESPONSE = frozenset(("SW406", "SW407"))
"""No answer, or no better one than that AWS is busy: the call may have been served all the same."""


def locate_nothing(_stack: str, _logical_id: str) -> None:
    """No template is at hand."""


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
    stack: Stack, aws: Aws, root: str, following: Follower | None = None
) -> Outcome:
    """Follow the operation that a stack is in from its beginning, or tell of its last one.

    Raises AwsError as `follow`; DeployError (SW826) where nothing has ever happened to the stack.
    """
    found = find_beginning(stack.id, aws)
    if found is None:
        raise DeployError.of("SW826", f"nothing has happened to {stack.name} yet")
    return follow_operation(stack.id, aws, root, since=found[0], following=following)


def follow_operation(
    stack: str, aws: Aws, root: str, *, since: str | None = None, following: Follower | None = None
) -> Outcome:
    """Follow what happens to a root stack after the event ``since`` to the end of the operation.

    ``stack`` is best its id, by which it is found after a deletion too; ``root`` is how it is
    called (``app``).

    Raises:
        AwsError: SW824, it can no longer be followed (credentials expired, no answer for long); it
        goes on.
    """
    how = following or Follower()
    operation = OperationEvents(stack, root, aws, since, how.known)
    rollouts = RolloutWatcher(aws, how.repeat_limit)
    polling = how.polling()
    patience = _Patience(root, how)
    for now in polling:
        steps = patience.read(operation, now)
        if not steps and patience.quiet(now):
            _ask(stack, operation, aws)
        polling.called(operation.take_calls())
        if steps:
            polling.changed()
        rollouts.observe(steps)
        for step in steps:
            how.on_progress(step)
        for told in rollouts.look():
            how.on_progress(told)
        if operation.ended:
            break
    outcome = _outcome(root, operation, rollouts, how.locate)
    how.on_progress(outcome)  # at once: the caller may have more to do before it returns
    return outcome


class _Patience:
    """Reads an operation, and stands being refused for some time."""

    def __init__(self, root: str, how: Follower) -> None:
        self._root, self._how = root, how
        self._answered = self._moved = 0.0
        self._told = False

    def read(self, operation: OperationEvents, now: float) -> list[ProgressStep]:
        """What is new; nothing where AWS is busy or cannot be reached."""
        try:
            steps = operation.read()
        except AwsError as error:
            if error.problems[0].code not in NO_RESPONSE or now - self._answered > PATIENCE:
                raise self._lost(error) from None
            if not self._told:
                self._told = True
                self._how.on_progress(
                    Notice(f"{error}; {self._root} continues in CloudFormation, asking again")
                )
            return []
        self._answered, self._told = now, False
        self._moved = now if steps else self._moved
        return steps

    def quiet(self, now: float) -> bool:
        """Whether nothing has moved for so long that the stack should be asked."""
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
                    f"then attach again: {self._how.watch}",
                ),
            )
        )
        return AwsError.of("SW824", text, hint=hint)


def _ask(stack: str, operation: OperationEvents, aws: Aws) -> None:
    """Ask the stack itself, where its last event is not to be had: it may be deleted, or not have
    begun."""
    try:
        found = aws.stack(stack)
    except AwsError:
        return
    if found is None or found.status == "DELETE_COMPLETE" or (operation.first and not found.busy):
        operation.settle(found)


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
# ----------------------------------------------------------------------------------------------------


def _cause(steps: Sequence[ProgressStep], rollouts: RolloutWatcher, locate: Locate) -> Cause | None:
    """The first resource that failed of itself, and what of the rollback failed besides."""
    failures = list(_failures(steps))
    if not failures:
        return None
    first, _ = failures[0]
    besides = [step for step, undoing in failures[1:] if undoing and step.address != first.address]
    details = (
        *rollouts.details(first.address),
        *(f"then, while it was undone, {each.address}: {each.reason}" for each in besides),
    )
    where = locate(first.stack, first.logical_id)
    return Cause(first.address, first.type, first.status, first.reason, where, details)


def _refusal(last: ProgressStep | None) -> Cause | None:
    """What the stack itself says where no resource failed: a deletion that CloudFormation gives up
    before it begins leaves the stack in the status that it had."""
    return Cause(last.stack, last.type, last.status, last.reason) if last and last.reason else None


def _failures(steps: Sequence[ProgressStep]) -> list[tuple[ProgressStep, bool]]:
    """Failures in order, and whether each happened while its stack was rolled back: of resources,
    else of nested stacks, else of the root itself.

    CloudFormation cancels what is under way once something has failed, and each stack says again
    what failed in it.
    """
    undone: set[str] = set()
    found: list[tuple[ProgressStep, bool]] = []
    for step in steps:
        if step.of_stack and "ROLLBACK" in step.status:
            undone.add(step.stack)
        if step.reason and (step.failed or (step.of_stack and "ROLLBACK" in step.status)):
            found.append((step, step.stack in undone))
    failed = [
        (step, undoing) for step, undoing in found if step.failed and "cancelled" not in step.reason
    ]
    own = [(step, undoing) for step, undoing in failed if not step.of_stack and not step.nested]
    nested = [(step, undoing) for step, undoing in failed if step.nested]
    return (
        own
        or nested
        or [(step, False) for step, _ in found if step.of_stack and "cancelled" not in step.reason][
            :1
        ]
    )
