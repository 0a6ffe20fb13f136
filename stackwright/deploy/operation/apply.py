"""Plan -> Outcome: execute a change set, guarded, with functions held, and follow the operation to
its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...aws import Aws
from ...core import AwsError, DeployError
from ...diff import Effect
from ...plan import Certainty, Locate, Outcome, RootAction, RootPlan
from . import pause, protection
from .follow import NO_RESPONSE, Follower, follow_operation, locate_nothing
from .progress import Notice, Watcher, ignore_progress
from .rollouts import SERVICE

_GONE = frozenset(("InvalidChangeSetStatus", "ChangeSetNotFound"))
_UNANSWERED = 120.0
"""Seconds for which a change set is tried to be executed while nobody answers."""


def apply_plan(
    plan: RootPlan,
    aws: Aws,
    *,
    token: str,
    following: Follower | None = None,
    on_progress: Watcher = ignore_progress,
    locate: Locate = locate_nothing,
    allowed: Collection[str] = (),
    protect: bool = False,
    hold: bool = True,
) -> Outcome:
    """Execute the change set of a plan that has one, and follow the operation to its end.

    ``token`` is the ClientRequestToken: applied twice with the same one, the change set is executed
    once. With ``protect`` a stack policy forbids that this update replaces or deletes anything that
    holds data, unless the plan says so or ``allowed`` names its logical ID, and that a later one
    does; and the stack gets termination protection. With ``hold`` functions marked ``hold: deploy``
    do not run while services change. ``on_progress`` and ``locate`` go into ``following``, where
    that is not given.

    Raises:
        DeployError: SW825, the change set cannot be executed any more. AwsError: AWS refuses
        something; SW824 where the operation goes on, but can no longer be followed.
    """
    if plan.change_set is None:
        raise ValueError(f"{plan.desired.root} has no change set: {plan.kind}")
    how = following or Follower(on_progress, locate, tuple(plan.desired.templates))
    stack = plan.stack_id or plan.desired.stack
    update = plan.kind is not RootAction.CREATE
    moving = hold and update and any(change.diff.type == SERVICE for change in plan.changes)
    if protect and update:
        protection.guard_stack(stack, aws, _let_through(plan, allowed))
    with pause.pause_functions(
        stack, plan.desired.templates if moving else {}, aws, how.on_progress
    ):
        before = aws.last_event(stack)
        since = before.id if before else None
        _execute(plan, stack, since, token, aws, how)
        outcome = follow_operation(stack, aws, plan.desired.root, since=since, following=how)
    if protect and (outcome.ok or update):
        _guard_again(stack, aws, how.on_progress)
    return outcome


def resume_paused(
    stack: str, templates: Mapping[str, str], aws: Aws, on_progress: Watcher = ignore_progress
) -> None:
    """Let functions run again that a deployment held and, killed, could not release; not while an
    operation is under way, whose deployment may hold them.

    ``templates`` are those of the root ``stack`` and its nested stacks, by path
    (``app/autoscaler``): only functions that they mark are looked at. Raises AwsError.
    """
    found = pause.find_paused(stack, templates, aws)
    root = aws.stack(stack) if found else None
    if root and not root.busy:
        pause.resume_functions(found, aws, on_progress)


def _let_through(plan: RootPlan, allowed: Collection[str]) -> set[str]:
    """What the plan says is replaced or removed, as the plan was allowed, by physical ids: nested
    stacks may share logical IDs. Of the names that the user allows, those that the plan does not
    know: where nobody looks inside."""
    gone = (Effect.REPLACE, Effect.REMOVE)
    real = (each for each in plan.changes if each.certainty is not Certainty.SPURIOUS)
    known = {name for each in plan.changes for name in (each.diff.logical_id, each.diff.address)}
    going = (each for each in real if each.effect in gone or each.diff.may_replace)
    return {each.physical_id or each.diff.logical_id for each in going} | (set(allowed) - known)


def _guard_again(stack: str, aws: Aws, on_progress: Watcher) -> None:
    try:
        protection.guard_stack(stack, aws)
    except AwsError as error:
        on_progress(Notice(f"{protection.UNGUARDED}: {error}"))


def _execute(
    plan: RootPlan, stack: str, since: str | None, token: str, aws: Aws, how: Follower
) -> None:
    """Execute it once, although answers may be lost on the way."""
    for waited in how.polling():
        try:
            aws.execute_change_set(plan.change_set or "", token)
        except AwsError as error:
            if _begun(stack, since, token, aws):
                return
            if error.code in _GONE:
                raise _outdated(plan, error) from None
            if error.problems[0].code not in NO_RESPONSE or waited > _UNANSWERED:
                raise
        else:
            return


def _begun(stack: str, since: str | None, token: str, aws: Aws) -> bool:
    """Whether the operation of that token is under way, as far as anybody answers."""
    try:
        return any(event.token == token for event in aws.events(stack, since))
    except AwsError:
        return False


def _outdated(plan: RootPlan, error: AwsError) -> DeployError:
    text = f"the change set of {plan.desired.root} cannot be executed any more: {error}"
    hint = "somebody deleted it or changed the stack meanwhile; run the same command again for a new plan"
    return DeployError.of("SW825", text, hint=hint)
