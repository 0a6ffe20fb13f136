"""A desired against the live stack -> what will happen to it: a change set where all is known, a
prediction elsewhere.

A change set is asked for, waited for, read twice, and held against our own prediction
(`agreement`); it stays in CloudFormation for `apply` until `discard` removes it and what it made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from ..aws import ChangeSetRequest, Stack, Stacks
from ..cfn import Schemas, stack_status
from ..core import AwsError
from ..diff import Diff
from . import change_sets
from .live_stack import LiveStack, stack_identity
from .model import DesiredStack, RootAction, RootPlan
from .prediction import PredictedPlan, kept_parameters, predict_stack
from .reconcile import reconcile

_REVIEW = "REVIEW_IN_PROGRESS"
_REPAIR = "run the verb repair, then this again"


def preview_root(
    desired: DesiredStack,
    live: LiveStack | None,
    aws: Stacks,
    *,
    run: str,
    description: str,
    revert_drift: bool = False,
    imports: Sequence[Mapping[str, Any]] = (),
    progress: Callable[[str], None] | None = None,
) -> RootPlan:
    """The plan of one root by a change set, which stays in CloudFormation until it is executed or
    discarded.

    ``run`` begins the change set's name, ``description`` says in it who asks for what.
    ``revert_drift`` makes what was changed by hand as the template says; ``imports``
    (ResourcesToImport) adopts what exists. Raises AwsError, and leaves nothing behind: SW801 the
    stack is in a state that is not updated, SW802 another operation is under way, SW803 and SW804
    as `change_sets.make`.
    """
    if live is not None:
        require_updatable(live.stack, aws)
    foreseen = PredictedRoot(desired, live)
    request = _request(desired, live, run, description, revert_drift, imports)
    left = RootPlan(desired, RootAction.CREATE, Diff(), made_stack=live is None)
    try:
        made = _made(request, foreseen, aws, progress)
        left = replace(left, change_set=made.id, stack_id=made.stack_id)
        if not made.empty:
            return _planned(
                desired,
                live,
                foreseen.value,
                change_sets.describe_change_set(made.id, aws),
                made,
                request,
            )
    except BaseException as error:
        _clean_up(left, aws, error)
        raise
    discard_change_sets(left, aws)
    return RootPlan(
        desired, RootAction.NOTHING, Diff(), stack_id=made.stack_id, live=stack_identity(live)
    )


def _clean_up(left: RootPlan, aws: Stacks, error: BaseException) -> None:
    """Discard what a preview that failed has made; where that fails too, it is told after what
    failed first."""
    try:
        discard_change_sets(left, aws)
    except AwsError as second:
        if isinstance(error, AwsError) and error.problems != second.problems:
            raise AwsError([*error.problems, *second.problems]) from None


def _made(
    request: ChangeSetRequest,
    foreseen: PredictedRoot,
    aws: Stacks,
    progress: Callable[[str], None] | None,
) -> change_sets.CreatedChangeSet:
    try:
        return change_sets.create_change_set(request, aws, foreseen.anything, progress)
    except AwsError as error:
        stack = aws.stack(request.stack) if error.code == "ValidationError" else None
        if stack is not None:  # another operation may have begun since the stack was read
            require_updatable(stack, aws)
        raise


def _request(
    desired: DesiredStack,
    live: LiveStack | None,
    run: str,
    description: str,
    revert_drift: bool,
    imports: Sequence[Mapping[str, Any]],
) -> ChangeSetRequest:
    return ChangeSetRequest(
        stack=desired.stack if live is None else live.stack.id,
        name=run,
        kind="IMPORT" if imports else "CREATE" if live is None else "UPDATE",
        token=change_sets.client_token(),
        body=desired.body if desired.inline else None,
        url=None if desired.inline else desired.urls[desired.root],
        parameters=desired.parameters,
        kept=kept_parameters(desired, live) if live else (),
        tags=desired.tags,
        description=description,
        nested=not imports,  # "IncludeNestedStacks is not supported for import"
        imports=tuple(imports),
        revert_drift=revert_drift,
        role=desired.role,
    )


def _planned(
    desired: DesiredStack,
    live: LiveStack | None,
    foresight: PredictedPlan,
    described: change_sets.DescribedChangeSet,
    made: change_sets.CreatedChangeSet,
    request: ChangeSetRequest,
) -> RootPlan:
    schemas = Schemas(_region(made.stack_id))
    agreed = reconcile(
        desired.root, foresight, described, schemas, blind=made.blind, drift=request.revert_drift
    )
    kinds = {"CREATE": RootAction.CREATE, "UPDATE": RootAction.UPDATE, "IMPORT": RootAction.IMPORT}
    return RootPlan(
        desired=desired,
        kind=kinds[request.kind],
        diff=agreed.diff,
        changes=agreed.changes,
        change_set=made.id,
        stack_id=made.stack_id,
        live=stack_identity(live),
        made_stack=live is None,
        notes=agreed.notes,
    )


class PredictedRoot:
    """The prediction, made when it is first needed: where nothing changes it is not, nor is the
    live tree read."""

    def __init__(self, desired: DesiredStack, live: LiveStack | None) -> None:
        self._target, self._live = desired, live

    @cached_property
    def value(self) -> PredictedPlan:
        return predict_stack(self._target, self._live)

    def anything(self) -> bool:
        return bool(self.value.problem) or not self.value.diff.empty


def predict_root(desired: DesiredStack, live: LiveStack | None) -> RootPlan:
    """The plan of a root whose inputs are not all known yet, without a change set; nothing in AWS
    changes.

    Raises AwsError where the live stack cannot be read.
    """
    foresight = predict_stack(desired, live)
    agreed = reconcile(
        desired.root, foresight, None, Schemas(_region(live.stack.id) if live else "us-east-1")
    )
    return RootPlan(
        desired=desired,
        kind=RootAction.LATER,
        diff=agreed.diff,
        changes=agreed.changes,
        stack_id=live.stack.id if live else None,
        live=stack_identity(live),
        notes=agreed.notes,
    )


def _region(arn: str) -> str:
    return arn.split(":")[3]


def discard_change_sets(plan: RootPlan, aws: Stacks) -> None:
    """Remove the change set of a plan that is not executed, and the stack under review that it
    made; may be repeated.

    A change set that is executed stays, and so does such a stack as long as it holds change sets of
    others. Raises AwsError: SW806, the stack under review cannot be deleted.
    """
    if plan.change_set and not change_sets.delete_change_set(plan.change_set, aws):
        return
    if not plan.made_stack or (
        plan.change_set and not change_sets.wait_until_deleted(plan.change_set, aws)
    ):
        return
    stack = aws.stack(plan.stack_id or plan.desired.stack)
    if stack is None or stack.status != _REVIEW:
        return
    if all(arn == plan.change_set for arn, _ in aws.change_sets(stack.id)):
        try:
            aws.delete_stack(stack.id, change_sets.client_token())
        except AwsError as error:
            message = f"{stack.name}, which holds nothing, stays in REVIEW_IN_PROGRESS: {error}"
            raise AwsError.of(
                "SW806", message, hint="it is in nobody's way; the verb repair removes it"
            ) from None


# --- the state of the stack
# ---------------------------------------------------------------------------------------


def require_updatable(stack: Stack, aws: Stacks) -> None:
    """Refuse a stack that no change set can be executed on now.

    Raises AwsError: SW801 with the way to recover it, SW802 with who runs the other operation and since when.
    """
    status = stack_status(stack.status)
    if status.stuck:
        message = f"{stack.name} is in {stack.status}: {status.explanation}"
        raise AwsError.of("SW801", message, hint=_REPAIR)
    if stack.busy:
        since = stack.updated or stack.created
        at = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""
        message = f"{stack.name} is in {stack.status}{at}{_who(stack, aws)}"
        raise AwsError.of(
            "SW802",
            message,
            hint="follow it with the verb watch, and run this again when it has ended",
        )


def _who(stack: Stack, aws: Stacks) -> str:
    """What the change set says that is being executed, else the token of the request."""
    running = aws.change_set(stack.change_set, values=False) if stack.change_set else None
    if running is not None and running.description:
        return f", {running.description}"
    last = aws.last_event(stack.id)
    return f", by the request {last.token}" if last and last.token else ""


def find_stale_reasons(plan: RootPlan, live: LiveStack | None, aws: Stacks) -> str | None:
    """Why a plan does not hold any more, in one sentence; None where it does. Raises AwsError."""
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
        return f"the parameters of {name} are not what they were"
    return _unusable(plan, aws) if plan.change_set else None


def _unusable(plan: RootPlan, aws: Stacks) -> str | None:
    """Why the change set cannot be executed."""
    found = aws.change_set(str(plan.change_set), values=False)
    if found is None:
        return (
            f"the change set of {plan.desired.stack} was deleted, by somebody or by another update"
        )
    if found.execution != "AVAILABLE":
        return f"the change set of {plan.desired.stack} cannot be executed any more: it is {found.execution}"
    return None
