"""Merge a change set with our own prediction into one list of changes.

Each change says who lists it, and how certain it is; where the two differ, a note says so. A
replacement that CloudFormation lists only because it does not compare values is spurious if the
prediction expected it to be listed. What the prediction cannot explain is taken from
CloudFormation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..cfn import (
    STACK_TYPE,
    Action,
    ResourceChange,
    holds_data,
    plain_data,
    template_to_text,
)
from ..diff import DataLoss, Diff, Effect, PropertyDiff, ResourceDiff
from .change_sets import DescribedChangeSet
from .listed_changes import ListedResource, read_resource
from .model import Certainty, ListedChange, PlannedChange
from .prediction import Place, PredictedPlan
from .unpredicted import find_unpredicted

_SHOWN = 5
"""Names that a note writes out."""


class Reconciliation(Struct, frozen=True):
    """The merged changes.

    ``diff`` holds what is shown, ``changes`` also the spurious ones, ``notes`` sentences on what
    the change set and the prediction do not agree on.
    """

    diff: Diff = Diff()
    changes: tuple[PlannedChange, ...] = ()
    notes: tuple[str, ...] = ()


def reconcile(
    root: str,
    prediction: PredictedPlan,
    described: DescribedChangeSet | None,
    *,
    blind: str = "",
    drift: bool = False,
) -> Reconciliation:
    """Merge the prediction and the change set of one root; without a change set (``described`` is
    None), only the prediction counts.

    ``blind`` is the reason why CloudFormation does not look into nested stacks. ``drift`` says that
    the change set also reverts changes made by hand, which nothing here can predict.
    """
    return _Reconciler(root, prediction, described, blind, drift).reconcile()


def keeps_in_place(change: PlannedChange) -> bool:
    """Return whether CloudFormation lists a certain or possible replacement of a resource that is
    changed in place."""
    in_place = change.effect is Effect.CHANGE and not change.diff.may_replace
    listed = change.replacement in ("True", "Conditional")
    return in_place and listed and change.certainty is not Certainty.SPURIOUS


class _Reconciler:
    def __init__(
        self,
        root: str,
        prediction: PredictedPlan,
        described: DescribedChangeSet | None,
        blind: str,
        drift: bool,
    ) -> None:
        self._root, self._prediction, self._described = root, prediction, described
        self._blind, self._drift = blind, drift
        self._unopened: list[str] = []
        """Changed nested stacks that the change set does not look into."""
        self._whole: set[str] = set()
        """Nested stacks that the change set adds or removes as a whole."""
        self._notes: list[str] = []
        self._listed = dict(self._list_resources(root, described)) if described else {}

    def reconcile(self) -> Reconciliation:
        diffs = {(diff.stack, diff.logical_id): diff for diff in self._prediction.diff.resources}
        changes = [self._merge(place, diffs.get(place)) for place in self._order(diffs)]
        real = [change for change in changes if change.certainty is not Certainty.SPURIOUS]
        diff = replace(
            self._prediction.diff,
            resources=tuple(change.diff for change in real),
            losses=tuple(self._find_losses(real)),
        )
        notes = (*self._prediction.diff.notes, *self._notes, *self._summarize(changes))
        return Reconciliation(diff, tuple(changes), notes)

    def _list_resources(
        self, stack: str, described: DescribedChangeSet
    ) -> Iterator[tuple[Place, ListedResource]]:
        """Yield every listed change by its place.

        A nested stack is a change itself only where neither side looks into it.
        """
        for logical_id, listed in described.changes.items():
            child = self._prediction.name(stack, logical_id)
            if listed.get("ResourceType") != STACK_TYPE:
                yield (stack, logical_id), listed
            elif logical_id in described.nested:
                yield from self._list_resources(child, described.nested[logical_id])
            elif listed.get("Action") in ("Add", "Remove") and not self._prediction.problem:
                self._whole.add(child)
            elif (stack, logical_id) not in self._prediction.changes:
                yield (stack, logical_id), listed
            else:
                self._unopened.append(child)

    def _order(self, diffs: Mapping[Place, ResourceDiff]) -> list[Place]:
        """Return all places: stacks as they are deployed, removed ones last; then logical IDs."""
        deployed = [self._root, *self._prediction.names.values()]
        stacks = list(dict.fromkeys([*deployed, *(stack for stack, _ in [*diffs, *self._listed])]))
        return sorted({*diffs, *self._listed}, key=lambda place: (stacks.index(place[0]), place[1]))

    # --- one resource

    def _merge(self, place: Place, diff: ResourceDiff | None) -> PlannedChange:
        listed, predicted = self._listed.get(place), self._prediction.changes.get(place)
        if listed is None and diff is not None:
            return self._plan_unlisted(diff, predicted)
        listed = listed or {}
        unpredicted = find_unpredicted(listed, predicted) if predicted else ()
        if diff is not None:
            merged = self._add_unpredicted(diff, unpredicted)
            merged = self._believe_replacement(merged, unpredicted, listed, predicted)
            return self._plan(merged, ListedChange.BOTH, _certainty(merged), listed, predicted)
        diff = read_resource(place, listed)
        expected = predicted is not None and predicted.listed and not predicted.real
        spurious = expected and not unpredicted
        certainty = Certainty.SPURIOUS if spurious else _certainty(diff)
        return self._plan(diff, ListedChange.CLOUDFORMATION, certainty, listed, None)

    def _plan_unlisted(self, diff: ResourceDiff, predicted: ResourceChange | None) -> PlannedChange:
        """Plan a change that only the prediction has.

        Of a nested stack that is added or removed as a whole, the change set lists just the stack.
        """
        implied = any(f"{diff.stack}/".startswith(f"{stack}/") for stack in self._whole)
        by = ListedChange.BOTH if implied else ListedChange.PREDICTION
        return self._plan(diff, by, _certainty(diff), {}, predicted)

    def _add_unpredicted(
        self, diff: ResourceDiff, unpredicted: Sequence[PropertyDiff]
    ) -> ResourceDiff:
        known = {leaf.path for leaf in diff.properties}
        added = tuple(leaf for leaf in unpredicted if leaf.path not in known)
        if not added:
            return diff
        if not self._drift:
            names = _join_names([leaf.path for leaf in added])
            self._notes.append(f"{diff.address}: CloudFormation lists {names}, not predicted")
        return replace(diff, properties=(*diff.properties, *added))

    def _believe_replacement(
        self,
        diff: ResourceDiff,
        unpredicted: Sequence[PropertyDiff],
        listed: ListedResource,
        predicted: ResourceChange | None,
    ) -> ResourceDiff:
        """Return the diff with the replacement that CloudFormation lists, where the prediction does
        not explain it: as a whole, or that of one of the unpredicted properties."""
        modified = predicted is not None and predicted.action is Action.MODIFY
        if predicted is None or listed.get("Action") != "Modify" or not modified:
            return diff
        replacement = str(listed.get("Replacement") or "False")
        explained = replacement in (str(predicted.replacement), str(predicted.aws_replacement))
        causes = {leaf.replaces for leaf in unpredicted} - {"no"}
        if not explained:
            self._notes.append(
                f"{diff.address}: CloudFormation lists Replacement {replacement}, "
                f"the prediction says {predicted.replacement}"
            )
        elif not causes:
            return diff
        if replacement == "True" and (not explained or "yes" in causes):
            return replace(diff, effect=Effect.REPLACE, may_replace=False)
        if replacement != "False" and diff.effect is Effect.CHANGE:
            return replace(diff, may_replace=True)
        return diff

    def _plan(
        self,
        diff: ResourceDiff,
        by: ListedChange,
        certainty: Certainty,
        listed: ListedResource,
        predicted: ResourceChange | None,
    ) -> PlannedChange:
        holding = holds_data(diff.type, diff.before.get("Properties", {}))
        physical_id = listed.get("PhysicalResourceId") or (predicted and predicted.physical_id)
        return PlannedChange(
            diff=diff,
            listed=by,
            certainty=certainty,
            action=str(listed.get("Action", "")),
            replacement=str(listed.get("Replacement", "")),
            physical_id=str(physical_id or ""),
            policy_action=_policy_action(diff, listed, predicted),
            stateful=holding or diff.type == STACK_TYPE,
        )

    # --- all of them

    def _find_losses(self, real: Sequence[PlannedChange]) -> Iterator[DataLoss]:
        """Yield the losses of data that are predicted, and those that only CloudFormation lists."""
        predicted = {loss.resource.address: loss for loss in self._prediction.diff.losses}
        for change in real:
            destructive = (
                change.effect in (Effect.REMOVE, Effect.REPLACE) or change.diff.may_replace
            )
            if change.diff.address in predicted:
                yield replace(predicted[change.diff.address], resource=change.diff)
            elif change.stateful and destructive:
                policy = change.policy_action.removeprefix("ReplaceAnd") or "Delete"
                yield DataLoss(
                    change.diff, policy, kept=policy != "Delete", physical_id=change.physical_id
                )

    def _summarize(self, changes: Sequence[PlannedChange]) -> Iterator[str]:
        problem = self._prediction.problem
        if problem:
            yield f"No prediction, the changes are as CloudFormation lists them: {problem}"
        if self._described is None:
            return
        unexplained = [
            change.diff.address
            for change in changes
            if change.listed is ListedChange.CLOUDFORMATION
            and change.certainty is not Certainty.SPURIOUS
        ]
        if unexplained and not problem and not self._drift:
            yield f"CloudFormation lists changes that are not predicted: {_join_names(unexplained)}"
        if self._blind and problem:
            yield (
                "CloudFormation does not look into the nested stacks, and there is no prediction: "
                f"their changes cannot be shown; CloudFormation's reason: {self._blind}"
            )
        elif self._blind:
            yield (
                "CloudFormation does not look into the nested stacks, so their changes are only "
                f"predicted; its reason: {self._blind}"
            )
        elif self._unopened:
            stacks = _join_names(self._unopened)
            yield f"CloudFormation did not look into {stacks}: their changes are only predicted"


def _join_names(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


def _certainty(diff: ResourceDiff) -> Certainty:
    return Certainty.CERTAIN if diff.certain and not diff.may_replace else Certainty.CONDITIONAL


def _policy_action(
    diff: ResourceDiff, listed: ListedResource, predicted: ResourceChange | None
) -> str:
    """Return what happens to the old resource, by the change set or else the template; empty where
    it stays."""
    if diff.effect is Effect.ADD or (diff.effect is Effect.CHANGE and not diff.may_replace):
        return ""
    if listed.get("PolicyAction"):
        return str(listed["PolicyAction"])
    if predicted is None or predicted.policy_action:
        return str(predicted.policy_action) if predicted else ""
    policy = plain_data(predicted.after.get("UpdateReplacePolicy", "Delete"))
    return f"ReplaceAnd{template_to_text(policy)}"
