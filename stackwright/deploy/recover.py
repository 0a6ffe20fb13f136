"""A stack that no deployment can change -> the way out of its state.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
(status codes) and .../troubleshooting.html
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from ..aws import Aws, Stack
from ..plan import STACK, LiveStack, Outcome, read_stack
from .follow import Follower, follow_operation


class Recovery(StrEnum):
    """What leads out of a state."""

    NOTHING = "nothing"
    WATCH = "watch"
    DELETE = "delete"
    DISCARD = "discard"
    CONTINUE = "continue"
    ROLL_BACK = "roll back"
    RETRY = "retry"


_WAYS = {
    "ROLLBACK_COMPLETE": (
        Recovery.DELETE,
        "its first creation failed; it can only be deleted, then made anew",
    ),
    "ROLLBACK_FAILED": (
        Recovery.DELETE,
        "its first creation failed and was not cleaned up; it can only be deleted",
    ),
    "CREATE_FAILED": (
        Recovery.DELETE,
        "its first creation failed; it can only be deleted, then made anew",
    ),
    "REVIEW_IN_PROGRESS": (
        Recovery.DISCARD,
        "it holds a change set that was never executed, and nothing else",
    ),
    "UPDATE_ROLLBACK_FAILED": (
        Recovery.CONTINUE,
        "the rollback of an update failed; it can be continued",
    ),
    "UPDATE_FAILED": (Recovery.ROLL_BACK, "an update failed and was not rolled back; it can be"),
    "DELETE_FAILED": (
        Recovery.RETRY,
        "its deletion failed; it can be tried again, leaving out what cannot be deleted",
    ),
}


class FailedResource(Struct, frozen=True):
    """A resource that keeps a stack from moving: its address, type and reason, and how a call names
    it."""

    address: str
    type: str
    reason: str
    call: str


class StuckStack(Struct, frozen=True):
    """A stack, the way out of its state, why in words, and the resources that failed."""

    root: str
    stack: Stack
    way: Recovery
    text: str
    failed: tuple[FailedResource, ...] = ()


def find_recovery(root: str, stack: Stack, aws: Aws) -> StuckStack:
    """What state a root stack is in, and the way out of it. Raises AwsError."""
    way, text = _WAYS.get(stack.status, (Recovery.NOTHING, "it can be updated"))
    if stack.busy:
        way, text = Recovery.WATCH, "an operation is under way"
    live = read_stack(stack.id, aws, root) if way in (Recovery.CONTINUE, Recovery.RETRY) else None
    return StuckStack(root, stack, way, text, tuple(_failed(live)) if live else ())


def _failed(live: LiveStack) -> Sequence[FailedResource]:
    """Those that failed of themselves; in a nested stack a call names them by that stack's name.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html
    """
    found: list[FailedResource] = []
    for each in live.walk():
        prefix = f"{each.stack.name}." if each is not live else ""
        found += [
            FailedResource(f"{each.name}:{name}", resource.type, resource.reason, f"{prefix}{name}")
            for name, resource in each.resources.items()
            if resource.status.endswith("_FAILED")
            and not (resource.type == STACK and name in each.nested)
        ]
    return found


def continue_rollback(
    state: StuckStack,
    aws: Aws,
    *,
    token: str,
    skip: Sequence[str] = (),
    following: Follower | None = None,
) -> Outcome:
    """Bring a rollback to its end; ``skip`` holds addresses (``app/web:Service``), logical IDs, or
    names as the call takes them, of resources that stay as they are. Raises AwsError."""
    names = {each.address: each.call for each in state.failed}
    names |= {each.address.rpartition(":")[2]: each.call for each in state.failed}
    last = aws.last_event(state.stack.id)
    if state.way is Recovery.ROLL_BACK:
        aws.rollback(state.stack.id, token)
    else:
        aws.continue_rollback(state.stack.id, token, [names.get(each, each) for each in skip])
    return follow_operation(
        state.stack.id, aws, state.root, since=last.id if last else None, following=following
    )
