"""Find resources that are replaced, and removed ones whose address cannot be had again."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...diff import Effect
from ..model import Certainty, PlannedChange, RootPlan
from .finding import FindingKind, GuardrailFinding, make_finding
from .references import References


def _read_table(name: str) -> Mapping[str, str]:
    """Return the first two columns of a table beside this module: a resource type and a text. The
    third column is the source."""
    file = Path(__file__).with_name(name)
    with file.open(encoding="utf-8", newline="") as rows:
        return {row[0]: row[1] for row in list(csv.reader(rows, delimiter="\t"))[1:]}


REVISIONS = frozenset(_read_table("revisions.tsv"))
"""Types whose resources are immutable revisions: every change makes a new one, and nothing is lost
with the old one."""
ADDRESSES = _read_table("addresses.tsv")
"""Type -> what AWS gave the resource and gives nobody again, such as ``public IP address``."""
_GRANTS = frozenset(
    (
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::Lambda::LayerVersionPermission",
        "AWS::Lambda::Permission",
    )
)
"""Types whose resources are one grant: the new one exists before the old one goes, and what it
allows more needs an approval for access."""


def find_replacements(
    root: RootPlan, change: PlannedChange, references: References
) -> Iterator[GuardrailFinding]:
    """Yield a finding where the change replaces the resource.

    A resource that is only replaced because another one is needs no approval of its own, unless it
    holds data or an address.
    """
    diff = change.diff
    if diff.type in REVISIONS or diff.type in _GRANTS:
        return
    own = change.stateful or diff.type in ADDRESSES or _causes_itself(change, references)
    if diff.effect is Effect.REPLACE and own:
        causes = ", ".join(leaf.path for leaf in diff.properties if leaf.replaces == "yes")
        reason = f": {causes} cannot change in place" if causes else ""
        yield make_finding(FindingKind.REPLACEMENT, root, change, f"is replaced{reason}")
    elif diff.effect is Effect.CHANGE and diff.may_replace and change.stateful:
        description = "may be replaced by an empty one"
        yield make_finding(FindingKind.REPLACEMENT, root, change, description)


def find_lost_addresses(root: RootPlan, change: PlannedChange) -> Iterator[GuardrailFinding]:
    """Yield a finding where a resource is deleted that has an address which nobody gets again.

    ``find_losses`` tells of those that hold data.
    """
    lost = ADDRESSES.get(change.diff.type)
    deleted = change.effect is Effect.REMOVE and "Retain" not in change.policy_action
    if lost and deleted and not change.stateful:
        yield make_finding(FindingKind.REMOVAL, root, change, f"is removed, and loses its {lost}")


def _causes_itself(change: PlannedChange, references: References) -> bool:
    """Whether a change of its own replaces the resource, not one that only follows another
    resource."""
    causes = [leaf for leaf in change.diff.properties if leaf.replaces != "no"]
    if not causes:  # only CloudFormation says that it is replaced, and not why
        return change.replacement == "True" and change.certainty is Certainty.CERTAIN
    return any(leaf.replaces == "yes" and not references.follows(leaf) for leaf in causes)
