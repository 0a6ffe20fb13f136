"""A stack that no deployment can change -> the way out of its state.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html (status codes) and
.../troubleshooting.html
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from .aws import Aws, Stack
from .deployment import Outcome
from .following import Following, follow
from .live import STACK, Live, read


class Way(StrEnum):
    """What leads out of a state."""

    NOTHING = "nothing"
    WATCH = "watch"
    DELETE = "delete"
    DISCARD = "discard"
    CONTINUE = "continue"
    ROLL_BACK = "roll back"
    RETRY = "retry"


_WAYS = {
    "ROLLBACK_COMPLETE": (Way.DELETE, "its first creation failed; it can only be deleted, then made anew"),
    "ROLLBACK_FAILED": (Way.DELETE, "its first creation failed and was not cleaned up; it can only be deleted"),
    "CREATE_FAILED": (Way.DELETE, "its first creation failed; it can only be deleted, then made anew"),
    "REVIEW_IN_PROGRESS": (Way.DISCARD, "it holds a change set that was never executed, and nothing else"),
    "UPDATE_ROLLBACK_FAILED": (Way.CONTINUE, "the rollback of an update failed; it can be continued"),
    "UPDATE_FAILED": (Way.ROLL_BACK, "an update failed and was not rolled back; it can be"),
    "DELETE_FAILED": (Way.RETRY, "its deletion failed; it can be tried again, leaving out what cannot be deleted"),
}


class Failed(Struct, frozen=True):
    """A resource that keeps a stack from moving: its address, type and reason, and how a call names it."""

    address: str
    type: str
    reason: str
    call: str


class State(Struct, frozen=True):
    """A stack, the way out of its state, why in words, and the resources that failed."""

    root: str
    stack: Stack
    way: Way
    text: str
    failed: tuple[Failed, ...] = ()


def look(root: str, stack: Stack, aws: Aws) -> State:
    """What state a root stack is in, and the way out of it. Raises AwsError."""
    way, text = _WAYS.get(stack.status, (Way.NOTHING, "it can be updated"))
    if stack.busy:
        way, text = Way.WATCH, "an operation is under way"
    live = read(stack.id, aws, root) if way in (Way.CONTINUE, Way.RETRY) else None
    return State(root, stack, way, text, tuple(_failed(live)) if live else ())


def _failed(live: Live) -> Sequence[Failed]:
    """Those that failed of themselves; in a nested stack a call names them by that stack's name.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html
    """
    found: list[Failed] = []
    for each in live.walk():
        prefix = f"{each.stack.name}." if each is not live else ""
        found += [
            Failed(f"{each.name}:{name}", resource.type, resource.reason, f"{prefix}{name}")
            for name, resource in each.resources.items()
            if resource.status.endswith("_FAILED") and not (resource.type == STACK and name in each.nested)
        ]
    return found


def continue_rollback(
    state: State, aws: Aws, *, token: str, skip: Sequence[str] = (), following: Following | None = None
) -> Outcome:
    """Bring a rollback to its end; ``skip`` holds addresses (``app/web:Service``), logical IDs, or names as the call
    takes them, of resources that stay as they are. Raises AwsError."""
    names = {each.address: each.call for each in state.failed}
    names |= {each.address.rpartition(":")[2]: each.call for each in state.failed}
    last = aws.last_event(state.stack.id)
    if state.way is Way.ROLL_BACK:
        aws.rollback(state.stack.id, token)
    else:
        aws.continue_rollback(state.stack.id, token, [names.get(each, each) for each in skip])
    return follow(state.stack.id, aws, state.root, since=last.id if last else None, following=following)
