"""A plan that was saved to a file: whether it still holds, and what it allows.

A saved plan holds as long as its inputs are what they were and its stacks have not changed since.
Roots that were only predicted get their change sets during the deployment, and may not change more
than the plan says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from ..core import DeployError, Location, OutputError, Problem, write_file
from ..diff import Effect
from ..plan import (
    REVISIONS,
    Certainty,
    DesiredStack,
    GuardrailFinding,
    LiveStack,
    Plan,
    PlannedChange,
    RootAction,
    RootPlan,
    SecretChange,
    find_dangerous_changes,
    find_stale_reason,
    read_plan,
    save_plan,
)
from .planner import Planner

_HINT = "make a new plan"


def write_saved_plan(path: Path, plan: Plan) -> None:
    """Save a plan to a file, whole or not at all. Raises OutputError: SW885."""
    try:
        write_file(path, save_plan(plan))
    except OSError as error:
        raise OutputError.of(
            "SW885", f"cannot be written: {error.strerror}", Location(path.as_posix())
        ) from error


def without_change_sets(plan: Plan) -> Plan:
    """The plan as it is once its change sets are deleted."""
    return replace(
        plan,
        roots=tuple(replace(root, change_set=None, made_stack=False) for root in plan.roots),
    )


def read_saved_plan(path: Path, planner: Planner) -> tuple[Plan, list[RootPlan]]:
    """The plan of a file, if it still holds, and the roots that got a new change set now.

    A root without a change set of its own (the plan was made without --keep) gets one, which must
    change the same. Raises DeployError: SW888, with every reason why the plan does not hold.
    """
    plan = _read_file(path)
    _require_same_place(plan, planner, path)
    lives = planner.environment.read_roots()
    desired = planner.desired_stacks(lives, plan.images, plan.secrets)
    roots = [root.desired.root for root in plan.roots]
    if roots != list(desired):
        message = (
            f"the plan is stale: its root stacks are {', '.join(roots)}, those of "
            f"the parameters {', '.join(desired)}"
        )
        raise DeployError.of("SW888", message, hint=_HINT)
    plan = replace(
        plan, roots=tuple(_with_hidden(root, desired[root.desired.root]) for root in plan.roots)
    )
    if reasons := list(_find_changes(plan, planner, lives, desired)):
        raise DeployError(
            Problem("SW888", f"the plan is stale: {reason}", (), _HINT) for reason in reasons
        )
    replanned: list[RootPlan] = []
    with planner.discarding(replanned):
        planned = tuple(_plan_again(root, planner, replanned) for root in plan.roots)
    return replace(plan, roots=planned), replanned


def _read_file(path: Path) -> Plan:
    try:
        return read_plan(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError.of(
            "SW888", f"the plan cannot be read: {error}", Location(path.as_posix())
        ) from None


def _require_same_place(plan: Plan, planner: Planner, path: Path) -> None:
    """The environment, account and Region of the plan must be those of this run."""
    environment = planner.environment
    here = (environment.name, environment.caller.account, environment.config.region)
    if here != (plan.environment, plan.account, plan.region):
        message = f"the plan is for {plan.environment} in account {plan.account}, {plan.region}"
        raise DeployError.of(
            "SW888", f"{message}, not for {', '.join(here)}", Location(path.as_posix())
        )


def _with_hidden(root: RootPlan, desired: DesiredStack) -> RootPlan:
    """The root with the values that no file holds, as they are now: of parameters that may be
    NoEcho."""
    from ..cfn import ValidationError, declared_keys

    try:
        declared = declared_keys(root.desired.body).parameters
    except ValidationError:
        return root
    known = {name for name, parameter in declared.items() if not parameter.no_echo}
    hidden = {name: value for name, value in desired.parameters.items() if name not in known}
    parameters = {**hidden, **root.desired.parameters}
    return replace(root, desired=replace(root.desired, parameters=parameters))


def _find_changes(
    plan: Plan,
    planner: Planner,
    lives: Mapping[str, LiveStack | None],
    desired: Mapping[str, DesiredStack],
) -> Iterator[str]:
    """What is no longer as it was when the plan was made."""
    secrets = planner.supplies.secrets.read()
    if set(map(_content, secrets.changes)) != set(map(_content, plan.secret_changes)):
        yield "keys.env or the secrets changed"
    for root in plan.roots:
        name = root.desired.root
        if not is_same_state(root.desired, desired[name]):
            yield f"the templates or parameters of {name} changed"
        elif reason := find_stale_reason(root, lives[name], planner.environment.aws):
            yield reason


def _content(change: SecretChange) -> SecretChange:
    """A change of a secret without the id of its version, which is made anew each time."""
    return replace(change, version="")


def _plan_again(root: RootPlan, planner: Planner, replanned: list[RootPlan]) -> RootPlan:
    """The root with a change set; it is added to ``replanned`` where it had none."""
    if root.change_set is not None or root.kind not in (RootAction.CREATE, RootAction.UPDATE):
        return root
    again = planner.plan_root(root.desired, planner.environment.read_root(root.desired.root))
    replanned.append(again)
    if again.changes != root.changes:
        message = f"the plan is stale: {root.desired.stack} would change differently now"
        raise DeployError.of("SW888", message, hint=_HINT)
    return again


def is_same_state(one: DesiredStack, other: DesiredStack) -> bool:
    """Whether both ask CloudFormation for the same templates, parameters and tags."""
    return (one.templates, one.parameters, one.tags) == (
        other.templates,
        other.parameters,
        other.tags,
    )


def require_within_plan(plan: Plan, saved: RootPlan, now: RootPlan) -> None:
    """Refuse changes and dangers of a root that its saved plan does not have; the plan could not
    know values that exist only now. Raises DeployError: SW888."""
    if saved.kind is not RootAction.LATER:
        message = (
            f"the plan is stale: the parameters of {now.desired.stack} changed "
            "during the deployment"
        )
        raise DeployError.of("SW888", message, hint=_HINT)
    known = {change.diff.address: change for change in saved.changes}
    beyond = [
        change for change in now.changes if _is_beyond(change, known.get(change.diff.address))
    ]
    if beyond:
        listed = ", ".join(f"{change.diff.address} ({change.effect})" for change in beyond)
        raise DeployError.of(
            "SW888",
            f"the plan does not have these changes of {now.desired.stack}: {listed}",
            hint=f"{_HINT}: the values that this one lacked exist now",
        )
    if dangers := _find_new_dangers(plan, saved, now):
        listed = "; ".join(finding.text for finding in dangers)
        raise DeployError.of(
            "SW888",
            f"{now.desired.stack} was not changed: the plan that was approved does not say that "
            f"{listed}",
            hint=f"{_HINT}: the values that this one lacked exist now",
        )


def _find_new_dangers(plan: Plan, saved: RootPlan, now: RootPlan) -> list[GuardrailFinding]:
    """The dangers of a root that its saved plan does not have.

    A danger of the plan that rests on a value known after apply covers each of its kind at that
    resource; another one covers only itself.
    """
    open_ended = {
        change.diff.address
        for change in saved.changes
        if any(leaf.after_apply for leaf in change.diff.properties)
    }
    before, after = (find_dangerous_changes(replace(plan, roots=(root,))) for root in (saved, now))
    covered = {(finding.address, finding.kind, finding.description) for finding in before}
    covered |= {
        (finding.address, finding.kind, "") for finding in before if finding.address in open_ended
    }
    return [
        finding
        for finding in after
        if (finding.address, finding.kind, finding.description) not in covered
        and (finding.address, finding.kind, "") not in covered
    ]


def _is_beyond(change: PlannedChange, known: PlannedChange | None) -> bool:
    """Whether a change is more than the saved plan says of its resource. A resource whose every
    change is a new revision may always be replaced."""
    if change.certainty is Certainty.SPURIOUS:
        return False
    if known is None:
        return True
    destructive = (
        change.effect in (Effect.REPLACE, Effect.REMOVE) and change.diff.type not in REVISIONS
    )
    return destructive and not (known.effect is change.effect or known.diff.may_replace)
