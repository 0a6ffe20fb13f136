"""Plan one root stack: by a change set where its inputs are known, by prediction elsewhere.

A change set is created, waited for, read twice, and compared with our own prediction. It stays in
CloudFormation until ``deploy`` executes it or `discard_change_sets` removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..aws import ChangeSetRequest, Stacks
from ..core import AwsError
from ..diff import Diff
from . import change_sets
from .early_validation import FindingLines, LocatePath, describe_warning
from .freshness import require_updatable
from .live_stack import LiveStack, call_once, stack_identity
from .model import DesiredStack, RootAction, RootPlan
from .prediction import PredictedPlan, kept_parameters, predict_stack
from .reconcile import reconcile

_REVIEW = "REVIEW_IN_PROGRESS"
_ACTIONS = {"CREATE": RootAction.CREATE, "UPDATE": RootAction.UPDATE, "IMPORT": RootAction.IMPORT}
"""ChangeSetType of a request -> what is done to the root."""


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
    predict: Callable[[], PredictedPlan] | None = None,
    locate: LocatePath | None = None,
) -> RootPlan:
    """Create a change set for one root, and return the plan that it makes with the prediction.

    ``run`` begins the change set's name; its ``description`` says who asks for it. ``predict``
    returns the prediction, and is called only where there are changes. ``revert_drift`` also
    reverts changes made by hand; ``imports`` (ResourcesToImport) adopts existing resources.
    ``locate`` gives template lines. An error leaves nothing behind.

    Raises:
        AwsError: SW801 the stack is stuck; SW802 another operation is running; SW803 CloudFormation
            refuses the change; SW804 somebody deleted the change set.
    """
    if live is not None:
        require_updatable(live.stack, aws)
    predict = predict or call_once(lambda: predict_stack(desired, live))
    request = _build_request(desired, live, run, description, revert_drift, imports)
    unfinished = RootPlan(desired, RootAction.CREATE, Diff(), made_stack=live is None)
    try:
        find_line = FindingLines(desired, predict, locate).find if locate else None
        made = _create(request, predict, aws, progress, find_line)
        unfinished = replace(unfinished, change_set=made.id, stack_id=made.stack_id)
        if not made.empty:
            described = change_sets.describe_change_set(made.id, aws)
            plan = _plan(desired, live, predict(), described, made, request)
            warnings = (describe_warning(w, desired.stack, find_line) for w in made.warnings)
            return replace(plan, notes=(*plan.notes, *warnings))
    except BaseException as error:
        _clean_up(unfinished, aws, error)
        raise
    discard_change_sets(unfinished, aws)
    identity = stack_identity(live)
    return RootPlan(desired, RootAction.NOTHING, Diff(), stack_id=made.stack_id, live=identity)


def predict_root(
    desired: DesiredStack,
    live: LiveStack | None,
    prediction: PredictedPlan | None = None,
    *,
    after: tuple[str, ...] = (),
    awaited: tuple[str, ...] = (),
) -> RootPlan:
    """Return the plan of a root whose inputs are not all final yet; nothing in AWS changes.

    ``after`` and ``awaited`` are as in `RootPlan`.

    Raises:
        AwsError: the live stack cannot be read.
    """
    prediction = prediction or predict_stack(desired, live)
    merged = reconcile(desired.root, prediction, None)
    return RootPlan(
        desired=desired,
        kind=RootAction.LATER,
        diff=merged.diff,
        changes=merged.changes,
        stack_id=live.stack.id if live else None,
        live=stack_identity(live),
        notes=merged.notes,
        after=after,
        awaited=awaited,
    )


def discard_change_sets(plan: RootPlan, aws: Stacks) -> None:
    """Delete the change set of a plan that is not executed, and the empty stack
    (REVIEW_IN_PROGRESS) that it made; calling it again does no harm.

    A change set that is being executed stays, and so does a stack that holds change sets of others.

    Raises:
        AwsError: SW806 the empty stack cannot be deleted.
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
            hint = "it blocks nothing; the verb repair deletes it"
            raise AwsError.of("SW806", message, hint=hint) from None


def _has_changes(prediction: PredictedPlan) -> bool:
    """Whether changes are predicted, or may happen because nothing can be predicted."""
    return bool(prediction.problem) or not prediction.diff.empty


def _build_request(
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
        import_existing=desired.import_existing,
        revert_drift=revert_drift,
        role=desired.role,
    )


def _create(
    request: ChangeSetRequest,
    predict: Callable[[], PredictedPlan],
    aws: Stacks,
    progress: Callable[[str], None] | None,
    locate: change_sets.LocateFinding | None,
) -> change_sets.CreatedChangeSet:
    try:
        return change_sets.create_change_set(
            request, aws, lambda: _has_changes(predict()), progress, locate
        )
    except AwsError as error:
        stack = aws.stack(request.stack) if error.code == "ValidationError" else None
        if stack is not None:  # another operation may have begun since the stack was read
            require_updatable(stack, aws)
        raise


def _plan(
    desired: DesiredStack,
    live: LiveStack | None,
    prediction: PredictedPlan,
    described: change_sets.DescribedChangeSet,
    made: change_sets.CreatedChangeSet,
    request: ChangeSetRequest,
) -> RootPlan:
    merged = reconcile(
        desired.root,
        prediction,
        described,
        blind=made.blind,
        drift=request.revert_drift,
    )
    return RootPlan(
        desired=desired,
        kind=_ACTIONS[request.kind],
        diff=merged.diff,
        changes=merged.changes,
        change_set=made.id,
        stack_id=made.stack_id,
        live=stack_identity(live),
        made_stack=live is None,
        notes=merged.notes,
    )


def _clean_up(unfinished: RootPlan, aws: Stacks, error: BaseException) -> None:
    """Discard what a failed preview made; where that fails too, report it after the first error."""
    try:
        discard_change_sets(unfinished, aws)
    except AwsError as second:
        if isinstance(error, AwsError) and error.problems != second.problems:
            raise AwsError([*error.problems, *second.problems]) from None
