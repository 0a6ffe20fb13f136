"""Recover a stack that no deployment can change: how, and what failed in it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ..aws import Aws, Stack
from ..cfn import STACK_TYPE, Recovery, stack_status
from ..plan import LiveStack, Outcome, read_stack
from .follow import Follower, follow_operation


class FailedResource(Struct, frozen=True):
    """A resource that keeps a stack from moving: its address, type and reason, and how a call names
    it."""

    address: str
    type: str
    reason: str
    call: str


class StuckStack(Struct, frozen=True):
    """A root stack, how to recover it, why in words, and the resources that failed."""

    root: str
    stack: Stack
    recovery: Recovery
    explanation: str
    failed: tuple[FailedResource, ...] = ()


_READS_FAILURES = (Recovery.CONTINUE, Recovery.DELETE_AGAIN, Recovery.SUPPORT)


def find_recovery(root: str, stack: Stack, aws: Aws) -> StuckStack:
    """How to recover a root stack, and what failed in it. Raises AwsError."""
    status = stack_status(stack.status)
    live = read_stack(stack.id, aws, root) if status.recovery in _READS_FAILURES else None
    failed = tuple(_failed(live)) if live else ()
    return StuckStack(root, stack, status.recovery, status.explanation, failed)


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
            and not (resource.type == STACK_TYPE and name in each.nested)
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
    if state.recovery is Recovery.ROLL_BACK:
        aws.rollback(state.stack.id, token)
    else:
        aws.continue_rollback(state.stack.id, token, [names.get(each, each) for each in skip])
    return follow_operation(
        state.stack.id, aws, state.root, since=last.id if last else None, following=following
    )
