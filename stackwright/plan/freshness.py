"""Tell whether a stack can be updated now, and whether a plan still holds."""

from __future__ import annotations

from ..aws import Stack, Stacks
from ..cfn import stack_status
from ..core import AwsError
from .live_stack import LiveStack, stack_identity
from .model import RootPlan


def require_updatable(stack: Stack, aws: Stacks) -> None:
    """Refuse a stack on which no change set can be executed now.

    Raises:
        AwsError: SW801 the stack is stuck, with the way to recover it; SW802 another operation is
            running, with its owner and beginning.
    """
    status = stack_status(stack.status)
    if status.stuck:
        message = f"{stack.name} is in {stack.status}: {status.explanation}"
        raise AwsError.of("SW801", message, hint="run the verb repair, then this again")
    if stack.busy:
        since = stack.updated or stack.created
        at = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""
        message = f"{stack.name} is in {stack.status}{at}{_describe_owner(stack, aws)}"
        hint = "follow it with the verb watch, and run this again when it has ended"
        raise AwsError.of("SW802", message, hint=hint)


def _describe_owner(stack: Stack, aws: Stacks) -> str:
    """Return the description of the change set that is being executed, else the token of the
    request; empty where there is neither."""
    running = aws.change_set(stack.change_set, values=False) if stack.change_set else None
    if running is not None and running.description:
        return f", {running.description}"
    last = aws.last_event(stack.id)
    return f", by the request {last.token}" if last and last.token else ""


def find_stale_reason(plan: RootPlan, live: LiveStack | None, aws: Stacks) -> str | None:
    """Return why a plan does not hold any more, in one sentence; None where it does.

    Raises:
        AwsError: the change set cannot be read.
    """
    now, name = stack_identity(live), plan.desired.stack
    if plan.live and not now:
        return f"{name} does not exist any more"
    if now and not plan.live:
        return f"{name} was created meanwhile"
    moved = {key for key in now if now[key] != plan.live.get(key)}
    if "id" in moved:
        return f"{name} was deleted and created again"
    if "updated" in moved:
        return f"{name} was updated meanwhile ({now['updated']})"
    if "status" in moved:
        return f"{name} was {plan.live.get('status')} and is {now['status']}"
    if "parameters" in moved:
        return f"the parameters of {name} have changed"
    return _find_unusable_reason(plan.change_set, name, aws) if plan.change_set else None


def _find_unusable_reason(id_: str, name: str, aws: Stacks) -> str | None:
    """Return why a change set cannot be executed; None where it can."""
    change_set = aws.change_set(id_, values=False)
    if change_set is None:
        return f"the change set of {name} was deleted, by somebody or by another update"
    if change_set.execution != "AVAILABLE":
        return f"the change set of {name} cannot be executed any more: it is {change_set.execution}"
    return None
