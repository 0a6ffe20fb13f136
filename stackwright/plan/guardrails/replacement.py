"""Find replacements that a change of the resource itself causes."""

from __future__ import annotations

from collections.abc import Iterator

from ...diff import Effect
from ..model import Certainty, PlannedChange, RootPlan
from .finding import FindingKind, GuardrailFinding, make_finding
from .references import follows_reference

REVISIONS = frozenset(
    ("AWS::ECS::TaskDefinition", "AWS::Lambda::Version", "AWS::Lambda::LayerVersion")
)
"""Types whose resources are immutable revisions: every change makes a new one, and nothing is lost
with the old one."""


def find_replacements(root: RootPlan, change: PlannedChange) -> Iterator[GuardrailFinding]:
    """Yield a finding where the change replaces the resource.

    A resource that is only replaced because another one is needs no approval of its own, unless it
    holds data.
    """
    diff = change.diff
    if diff.type in REVISIONS:
        return
    if diff.effect is Effect.REPLACE and (change.stateful or _causes_itself(root, change)):
        causes = ", ".join(leaf.path for leaf in diff.properties if leaf.replaces == "yes")
        reason = f": {causes} cannot change in place" if causes else ""
        yield make_finding(FindingKind.REPLACEMENT, root, change, f"is replaced{reason}")
    elif diff.effect is Effect.CHANGE and diff.may_replace and change.stateful:
        description = "may be replaced by an empty one"
        yield make_finding(FindingKind.REPLACEMENT, root, change, description)


def _causes_itself(root: RootPlan, change: PlannedChange) -> bool:
    """Whether a change of its own replaces the resource, not one that only follows another
    resource."""
    causes = [leaf for leaf in change.diff.properties if leaf.replaces != "no"]
    if not causes:  # only CloudFormation says that it is replaced, and not why
        return change.replacement == "True" and change.certainty is Certainty.CERTAIN
    return any(leaf.replaces == "yes" and not follows_reference(leaf, root) for leaf in causes)
