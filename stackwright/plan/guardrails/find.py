"""Run every check over every change of a plan."""

from __future__ import annotations

from msgspec.structs import replace

from ..model import Certainty, Plan, RootAction, RootPlan
from .access import find_openings
from .approval import approval_names
from .data import find_losses
from .finding import GuardrailFinding
from .replacement import find_replacements

_CHECKS = (find_losses, find_replacements, find_openings)


def find_dangerous_changes(plan: Plan) -> list[GuardrailFinding]:
    """Return what needs an approval, in the order of the plan's changes.

    A new stack endangers nothing: only what exists can be lost, or be opened wider than it was. A
    change that CloudFormation cannot carry out needs no approval: it does not happen.
    """
    blocked = {address for blocker in plan.blockers for address in blocker.addresses}
    findings = [
        finding
        for root in plan.roots
        if _exists(root)
        for change in root.changes
        if change.certainty is not Certainty.SPURIOUS and change.diff.address not in blocked
        for check in _CHECKS
        for finding in check(root, change)
    ]
    names = approval_names((finding.stack, finding.logical_id) for finding in findings)
    return [replace(finding, name=names[finding.stack, finding.logical_id]) for finding in findings]


def _exists(root: RootPlan) -> bool:
    """Whether the root stack exists already; one that is created now, or later, holds nothing."""
    return root.kind in (RootAction.UPDATE, RootAction.IMPORT) or (
        root.kind is RootAction.LATER and bool(root.stack_id or root.live)
    )
