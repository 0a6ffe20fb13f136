"""Find changes that delete data: removed and replaced resources that hold some."""

from __future__ import annotations

from collections.abc import Iterator

from ...cfn import STACK_TYPE
from ...diff import Effect
from ..model import ListedChange, PlannedChange, RootPlan
from .finding import FindingKind, GuardrailFinding, make_finding

_KEEPING = ("Retain", "Snapshot")
"""Deletion policies that keep data. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html"""


def find_losses(root: RootPlan, change: PlannedChange) -> Iterator[GuardrailFinding]:
    """Yield a finding where the change deletes data, may delete some, or leaves it to nobody."""
    if _is_opaque(change):
        yield make_finding(
            FindingKind.DATA,
            root,
            change,
            "changes in a way that cannot be predicted: resources in it that hold data may be "
            "replaced or removed",
        )
    fate = _fate(change)
    if not change.stateful or not fate:
        return
    policy = _kept_by(root, change)
    if not policy:
        yield make_finding(FindingKind.DATA, root, change, f"{fate}, and its data is deleted")
    elif change.effect is Effect.REMOVE:
        description = f"is removed from the stack; its data is kept ({policy}), but unused"
        yield make_finding(FindingKind.REMOVAL, root, change, description)


def _fate(change: PlannedChange) -> str:
    if change.effect is Effect.REMOVE:
        return "is removed"
    if change.diff.may_replace:
        return "may be replaced"
    return "is replaced" if change.effect is Effect.REPLACE else ""


def _is_opaque(change: PlannedChange) -> bool:
    """Whether it is a nested stack that CloudFormation lists as changed, and whose changes neither
    the change set nor the prediction shows."""
    nested = change.diff.type == STACK_TYPE and change.effect is Effect.CHANGE
    return nested and change.listed is ListedChange.CLOUDFORMATION and not change.diff.may_replace


def _kept_by(root: RootPlan, change: PlannedChange) -> str:
    """``Retain`` or ``Snapshot`` where the old resource's data survives, else nothing."""
    policy = change.policy_action
    if not policy:
        losses = {loss.resource.address: loss.policy for loss in root.diff.losses if loss.kept}
        policy = losses.get(change.diff.address, "")
    return next((word for word in _KEEPING if word in policy), "")
