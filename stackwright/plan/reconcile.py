"""A change set held against the prediction: one list of changes, of each who says so and how
certain it is.

Where the two differ the difference is shown. A replacement that CloudFormation lists only because
it does not look at values is a phantom if the prediction foresaw that it would be listed; what the
prediction cannot explain is taken as CloudFormation says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..cfn import (
    KNOWN_AFTER_APPLY,
    STACK_TYPE,
    Action,
    PropertyChange,
    ResourceChange,
    Schemas,
    find_unknowns,
    plain_data,
    print_value,
    template_to_text,
)
from ..diff import HIDDEN, DataLoss, Diff, Effect, PropertyDiff, ResourceDiff, mask
from .change_sets import DescribedChangeSet
from .model import Certainty, ListedChange, PlannedChange
from .prediction import Place, PredictedPlan

_Api = Mapping[str, Any]
_EFFECTS = {"Add": Effect.ADD, "Remove": Effect.REMOVE, "Import": Effect.ADD}
_REPLACES = {"Always": "yes", "Conditionally": "maybe"}


class Reconciliation(Struct, frozen=True):
    """What is shown (``diff``), all changes with phantoms, and sentences on what the two do not
    agree on."""

    diff: Diff = Diff()
    changes: tuple[PlannedChange, ...] = ()
    notes: tuple[str, ...] = ()


def reconcile(
    root: str,
    foresight: PredictedPlan,
    described: DescribedChangeSet | None,
    schemas: Schemas,
    *,
    blind: str = "",
    drift: bool = False,
) -> Reconciliation:
    """Merge prediction and change set; ``described`` None: there is only the prediction.

    ``blind`` is why CloudFormation does not look into nested stacks; ``drift``: the change set also
    takes back what was changed by hand, which nothing here can predict.
    """
    return _Merge(root, foresight, described, schemas, blind, drift).run()


class _Merge:
    def __init__(
        self,
        root: str,
        foresight: PredictedPlan,
        described: DescribedChangeSet | None,
        schemas: Schemas,
        blind: str,
        drift: bool,
    ) -> None:
        self._foresight, self._schemas, self._blind, self._drift = foresight, schemas, blind, drift
        self._described, self._root = described, root
        self._unopened: list[str] = []
        self._covered: set[str] = set()
        self._listed = dict(self._flat(root, described)) if described else {}
        self._notes: list[str] = []

    def run(self) -> Reconciliation:
        diffs = {(each.stack, each.logical_id): each for each in self._foresight.diff.resources}
        changes = [self._planned(place, diffs.get(place)) for place in self._order(diffs)]
        real = [change for change in changes if change.certainty is not Certainty.SPURIOUS]
        diff = replace(
            self._foresight.diff,
            resources=tuple(change.diff for change in real),
            losses=tuple(self._losses(real)),
        )
        return Reconciliation(
            diff, tuple(changes), tuple([*self._notes, *self._summaries(changes)])
        )

    def _flat(self, name: str, described: DescribedChangeSet) -> Iterator[tuple[Place, _Api]]:
        """Every change by its place; a nested stack stands for itself only where neither side looks
        into it."""
        for logical_id, change in described.changes.items():
            child = self._foresight.name(name, logical_id)
            if change.get("ResourceType") != STACK_TYPE:
                yield (name, logical_id), change
            elif logical_id in described.nested:
                yield from self._flat(child, described.nested[logical_id])
            elif change.get("Action") in ("Add", "Remove") and not self._foresight.problem:
                self._covered.add(child)
            elif (name, logical_id) not in self._foresight.changes:
                yield (name, logical_id), change
            else:
                self._unopened.append(child)

    def _order(self, diffs: Mapping[Place, ResourceDiff]) -> list[Place]:
        """Stack by stack as they are deployed, what leaves last; in each by logical ID."""
        coming = [self._root, *self._foresight.names.values()]
        stacks = list(dict.fromkeys([*coming, *(stack for stack, _ in [*diffs, *self._listed])]))
        return sorted({*diffs, *self._listed}, key=lambda place: (stacks.index(place[0]), place[1]))

    # --- one resource
    # -----------------------------------------------------------------------------------------

    def _planned(self, place: Place, diff: ResourceDiff | None) -> PlannedChange:
        api, foreseen = self._listed.get(place), self._foresight.changes.get(place)
        if api is None and diff is not None:
            return self._predicted(place, diff, foreseen)
        api = api or {}
        more = _unpredicted(api, foreseen) if foreseen else ()
        if diff is None:
            phantom = foreseen is not None and foreseen.listed and not foreseen.real and not more
            return self._only_listed(place, api, phantom=phantom)
        held, certainty = self._held(self._widened(diff, more), more, api, foreseen)
        return self._with(held, ListedChange.BOTH, certainty, api, foreseen)

    def _widened(self, diff: ResourceDiff, more: tuple[PropertyDiff, ...]) -> ResourceDiff:
        """The diff with the properties that only CloudFormation lists."""
        known = {each.path for each in diff.properties}
        added = tuple(each for each in more if each.path not in known)
        if not added:
            return diff
        if not self._drift:
            names = _names([each.path for each in added])
            self._notes.append(
                f"{diff.address}: CloudFormation also lists {names}, which nothing here predicts"
            )
        return replace(diff, properties=(*diff.properties, *added))

    def _predicted(
        self, place: Place, diff: ResourceDiff, foreseen: ResourceChange | None
    ) -> PlannedChange:
        """What the change set does not list. In a nested stack that goes or comes as a whole, it
        lists that stack."""
        implied = any(place[0] == each or place[0].startswith(f"{each}/") for each in self._covered)
        listed = ListedChange.BOTH if implied else ListedChange.PREDICTION
        return self._with(diff, listed, _certainty(diff), {}, foreseen)

    def _only_listed(self, place: Place, api: _Api, *, phantom: bool) -> PlannedChange:
        diff = _resource(place, api)
        certainty = Certainty.SPURIOUS if phantom else _certainty(diff)
        return self._with(diff, ListedChange.CLOUDFORMATION, certainty, api, None)

    def _with(
        self,
        diff: ResourceDiff,
        listed: ListedChange,
        certainty: Certainty,
        api: _Api,
        foreseen: ResourceChange | None,
    ) -> PlannedChange:
        known = self._schemas.get(diff.type)
        return PlannedChange(
            diff=diff,
            listed=listed,
            certainty=certainty,
            action=str(api.get("Action", "")),
            replacement=str(api.get("Replacement", "")),
            physical_id=str(
                api.get("PhysicalResourceId") or (foreseen.physical_id if foreseen else "") or ""
            ),
            policy_action=_policy(diff, api, foreseen),
            stateful=(known is not None and known.stateful) or diff.type == STACK_TYPE,
        )

    def _held(
        self,
        diff: ResourceDiff,
        more: Sequence[PropertyDiff],
        api: _Api,
        foreseen: ResourceChange | None,
    ) -> tuple[ResourceDiff, Certainty]:
        """The diff with what CloudFormation says of a replacement, where the prediction does not
        explain it: all of it, or one of the properties that it lists of its own (``more``)."""
        said = str(api.get("Replacement") or "False")
        if (
            api.get("Action") != "Modify"
            or foreseen is None
            or foreseen.action is not Action.MODIFY
        ):
            return diff, _certainty(diff)
        truth, expected = str(foreseen.replacement), str(foreseen.aws_replacement)
        unforeseen = {each.replaces for each in more} - {"no"} if said != "False" else set()
        explained = said in (truth, expected)
        if explained and not unforeseen:
            return diff, _certainty(diff)
        if not explained:
            self._notes.append(
                f"{diff.address}: CloudFormation lists Replacement {said}, the prediction says {truth}"
            )
        if said == "True" and (not explained or "yes" in unforeseen):
            diff = replace(diff, effect=Effect.REPLACE, may_replace=False)
        elif said != "False" and diff.effect is Effect.CHANGE:
            diff = replace(diff, may_replace=True)
        return diff, _certainty(diff)

    # --- all of them
    # ------------------------------------------------------------------------------------------

    def _losses(self, real: list[PlannedChange]) -> Iterator[DataLoss]:
        """Those of the prediction, and of what only CloudFormation says."""
        known = {loss.resource.address: loss for loss in self._foresight.diff.losses}
        for change in real:
            going = change.effect in (Effect.REMOVE, Effect.REPLACE) or change.diff.may_replace
            if change.diff.address in known:
                yield replace(known[change.diff.address], resource=change.diff)
            elif change.stateful and going:
                policy = change.policy_action.removeprefix("ReplaceAnd") or "Delete"
                yield DataLoss(
                    change.diff, policy, kept=policy != "Delete", physical_id=change.physical_id
                )

    def _summaries(self, changes: list[PlannedChange]) -> Iterator[str]:
        if self._foresight.problem:
            yield f"Nothing could be predicted, all is as CloudFormation lists it: {self._foresight.problem}"
        if self._described is None:
            return
        unexplained = [
            each.diff.address
            for each in changes
            if each.listed is ListedChange.CLOUDFORMATION
            and each.certainty is not Certainty.SPURIOUS
        ]
        if unexplained and not self._foresight.problem and not self._drift:
            yield f"CloudFormation lists what the prediction does not know: {_names(unexplained)}"
        if self._blind and self._foresight.problem:
            yield (
                "CloudFormation cannot look into the nested stacks, and nothing could be predicted: what changes in "
                f"them cannot be seen; it says: {self._blind}"
            )
        elif self._blind:
            yield f"CloudFormation cannot look into the nested stacks, so they are predicted; it says: {self._blind}"
        elif self._unopened:
            yield f"CloudFormation did not look into {_names(self._unopened)}: what changes there is predicted"


def _names(found: list[str], most: int = 5) -> str:
    rest = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + rest


def keeps_in_place(change: PlannedChange) -> bool:
    """Whether CloudFormation lists a replacement, possible or certain, of what is changed in
    place."""
    changed = change.effect is Effect.CHANGE and not change.diff.may_replace
    return (
        changed
        and change.certainty is not Certainty.SPURIOUS
        and change.replacement in ("True", "Conditional")
    )


def _certainty(diff: ResourceDiff) -> Certainty:
    return Certainty.CERTAIN if diff.certain and not diff.may_replace else Certainty.CONDITIONAL


def _policy(diff: ResourceDiff, api: _Api, foreseen: ResourceChange | None) -> str:
    """What happens to the old resource, by CloudFormation's word or the template's; nothing where
    it stays."""
    if diff.effect is Effect.ADD or (diff.effect is Effect.CHANGE and not diff.may_replace):
        return ""
    if api.get("PolicyAction"):
        return str(api["PolicyAction"])
    if foreseen is None or foreseen.policy_action:
        return str(foreseen.policy_action) if foreseen else ""
    return f"ReplaceAnd{template_to_text(plain_data(foreseen.after.get('UpdateReplacePolicy', 'Delete')))}"


# --- as CloudFormation says it
# ------------------------------------------------------------------------------------


def _unpredicted(api: _Api, foreseen: ResourceChange) -> tuple[PropertyDiff, ...]:
    """The properties of a modification that CloudFormation lists, and that nobody foresaw it
    would."""
    if api.get("Action") != "Modify" or foreseen.action is not Action.MODIFY:
        return ()
    moving = {
        "/" + "/".join(map(str, each.path))
        for each in foreseen.properties
        if not each.real and _moves(each)
    }
    known = [
        (each.attribute, each.name, each.path or "")
        for each in foreseen.details
        if each.path not in moving
    ]
    details = [
        each
        for each in api.get("Details") or ()
        if not _predicted_change(each.get("Target") or {}, known)
    ]
    return _properties({"Details": details})


def _moves(change: PropertyChange) -> bool:
    """Whether a value that is the same text on both sides comes from outside, where it may have
    moved meanwhile: an SSM parameter, or a NoEcho parameter that is given anew."""
    causes = {cause for each in find_unknowns(change.after) for cause in each.causes}
    text = json.dumps(print_value(change.after))
    return (
        any(cause.startswith(("SSM parameter ", "NoEcho parameter ")) for cause in causes)
        or "{{resolve:ssm" in text
    )


def _predicted_change(target: _Api, known: Sequence[tuple[str, str | None, str]]) -> bool:
    """Whether one of the foreseen targets is this one, lies in it, or holds it; without a path the
    name decides."""
    attribute, name, path = (
        target.get("Attribute"),
        target.get("Name"),
        str(target.get("Path") or ""),
    )
    same = [where for what, called, where in known if (what, called) == (attribute, name)]
    return any(
        not path or not where or _within(path, where) or _within(where, path) for where in same
    )


def _within(path: str, other: str) -> bool:
    return f"{path}/".startswith(f"{other}/")


def _resource(place: Place, api: _Api) -> ResourceDiff:
    """A change as people read it, from the ``ResourceChange`` alone."""
    action, replacement = str(api.get("Action", "")), str(api.get("Replacement", ""))
    modified = action not in _EFFECTS
    properties = _properties(api) if modified else ()
    effect = _EFFECTS.get(action, Effect.REPLACE if replacement == "True" else Effect.CHANGE)
    static = any(detail.get("Evaluation") == "Static" for detail in api.get("Details") or ())
    return ResourceDiff(
        stack=place[0],
        logical_id=place[1],
        type=str(api.get("ResourceType", "")),
        effect=effect,
        certain=not modified or (static and action != "Dynamic"),
        may_replace=modified and replacement == "Conditional",
        properties=properties,
    )


def _properties(api: _Api) -> tuple[PropertyDiff, ...]:
    """One of each target; the causes of all details that have it."""
    found: dict[str, PropertyDiff] = {}
    for detail in api.get("Details") or ():
        target = detail.get("Target") or {}
        path = _path(target)
        if not path:
            continue
        causes = {detail["CausingEntity"]} if detail.get("CausingEntity") else set()
        known = found.get(path)
        made = known or _property(path, target)
        found[path] = replace(made, causes=tuple(sorted({*made.causes, *causes})))
    return tuple(found[path] for path in sorted(found))


def _property(path: str, target: _Api) -> PropertyDiff:
    change = target.get("AttributeChangeType", "Modify")
    before, after = _value(target.get("BeforeValue")), _value(target.get("AfterValue"))
    return PropertyDiff(
        path=path,
        before=mask(path, before),
        after=mask(path, after),
        exists_before=change != "Add",
        exists_after=change != "Remove",
        replaces=_REPLACES.get(str(target.get("RequiresRecreation")), "no"),
        after_apply=after is None or KNOWN_AFTER_APPLY in json.dumps(after),
    )


def _path(target: _Api) -> str:
    """``ContainerDefinitions[0].Image`` for ``/Properties/ContainerDefinitions/0/Image``."""
    given = target.get("Path")
    if not given:
        attribute, name = target.get("Attribute"), target.get("Name")
        return str(name or ("" if attribute == "Properties" else attribute) or "")
    parts = [part for part in str(given).split("/") if part]
    parts = parts[1:] if parts[0] == "Properties" else parts
    text = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts)
    return text.removeprefix(".")


def _value(text: Any) -> Any:
    """JSON as what it says; what CloudFormation masks is hidden here as well."""
    if not isinstance(text, str):
        return text
    if text == "****":
        return HIDDEN
    if text[:1] in "[{":
        try:
            return json.loads(text.replace('"****"', json.dumps(HIDDEN)))
        except json.JSONDecodeError:
            return text
    return text
