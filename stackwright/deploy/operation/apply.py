"""RootPlan -> Outcome: protect the stack, pause functions, execute the change set, and follow the
operation to its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...aws import Aws
from ...core import AwsError, DeployError
from ...diff import Effect
from ...plan import Certainty, Outcome, RootAction, RootPlan
from .follow import NO_RESPONSE, Follower, follow_operation
from .pause import find_paused, pause_functions, resume_functions
from .progress import Notice, Watcher, ignore_progress
from .protection import UNGUARDED, guard_stack
from .rollouts import SERVICE

_NOT_EXECUTABLE = frozenset(("InvalidChangeSetStatus", "ChangeSetNotFound"))
_UNANSWERED = 120.0
"""Seconds for which executing a change set is retried without a response."""


def apply_plan(
    plan: RootPlan,
    aws: Aws,
    *,
    token: str,
    follower: Follower | None = None,
    allowed: Collection[str] = (),
    protect: bool = False,
    pause: bool = True,
) -> Outcome:
    """Execute the change set of a root, follow the operation to its end, and return its outcome.

    ``token`` is the ClientRequestToken: with one token a change set is executed once, however often
    this is called. ``protect`` sets stack policies and termination protection: neither this update
    nor a later one may replace or delete a resource that holds data, unless the plan says so or
    ``allowed`` names its logical ID. ``pause`` pauses functions marked ``hold: deploy`` while
    services change.

    Raises:
        DeployError: SW825, the change set cannot be executed any more. AwsError: AWS refuses
        something; SW824 where the operation goes on, but can no longer be followed.
    """
    if plan.change_set is None:
        raise ValueError(f"{plan.desired.root} has no change set: {plan.kind}")
    follower = follower or Follower(known=tuple(plan.desired.templates))
    stack = plan.stack_id or plan.desired.stack
    update = plan.kind is not RootAction.CREATE
    services_change = any(change.diff.type == SERVICE for change in plan.changes)
    paused = plan.desired.templates if pause and update and services_change else {}
    if protect and update:
        guard_stack(stack, aws, _find_exceptions(plan, allowed))
    with pause_functions(stack, paused, aws, follower.on_progress):
        before = aws.last_event(stack)
        since = before.id if before else None
        _execute(plan, stack, since, token, aws, follower)
        outcome = follow_operation(stack, aws, plan.desired.root, since=since, follower=follower)
    if protect and (outcome.ok or update):
        _guard_again(stack, aws, follower.on_progress)
    return outcome


def resume_paused(
    stack: str, templates: Mapping[str, str], aws: Aws, on_progress: Watcher = ignore_progress
) -> None:
    """Resume functions that a killed deployment left paused; not while an operation is in progress,
    whose deployment may have paused them.

    ``templates`` are those of the root ``stack`` and its nested stacks, by path
    (``app/autoscaler``): only functions that they mark are read. Raises AwsError.
    """
    functions = find_paused(stack, templates, aws)
    root = aws.stack(stack) if functions else None
    if root and not root.busy:
        resume_functions(functions, aws, on_progress)


def _find_exceptions(plan: RootPlan, allowed: Collection[str]) -> set[str]:
    """Resources that the stack policy must let the update replace or remove.

    Those of the plan are given by physical id, since nested stacks may share logical IDs. Names
    that the user allows and the plan does not know are added as they are: a plan does not see into
    a stack that is new in it.
    """
    destructive = (Effect.REPLACE, Effect.REMOVE)
    changes = [change for change in plan.changes if change.certainty is not Certainty.SPURIOUS]
    known = {
        name for change in plan.changes for name in (change.diff.logical_id, change.diff.address)
    }
    ids = {
        change.physical_id or change.diff.logical_id
        for change in changes
        if change.effect in destructive or change.diff.may_replace
    }
    return ids | (set(allowed) - known)


def _guard_again(stack: str, aws: Aws, on_progress: Watcher) -> None:
    try:
        guard_stack(stack, aws)
    except AwsError as error:
        on_progress(Notice(f"{UNGUARDED}: {error}"))


def _execute(
    plan: RootPlan, stack: str, since: str | None, token: str, aws: Aws, follower: Follower
) -> None:
    """Execute the change set once, although responses may be lost."""
    for waited in follower.polling():
        try:
            aws.execute_change_set(plan.change_set or "", token)
        except AwsError as error:
            if _has_begun(stack, since, token, aws):
                return
            if error.code in _NOT_EXECUTABLE:
                raise _not_executable(plan, error) from None
            if error.problems[0].code not in NO_RESPONSE or waited > _UNANSWERED:
                raise
        else:
            return


def _has_begun(stack: str, since: str | None, token: str, aws: Aws) -> bool:
    """Whether the operation of that token has begun; False without a response."""
    try:
        return any(event.token == token for event in aws.events(stack, since))
    except AwsError:
        return False


def _not_executable(plan: RootPlan, error: AwsError) -> DeployError:
    text = f"the change set of {plan.desired.root} cannot be executed any more: {error}"
    hint = "it was deleted, or the stack was changed; run the command again for a new plan"
    return DeployError.of("SW825", text, hint=hint)
