"""Find the waivers in the templates of a plan, and the one that covers a finding."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from msgspec import Struct

from ...core import GuardrailWaiver, read_guardrail_waivers, waiver_entries
from ..model import Plan, RootPlan
from .declared import read_declared
from .finding import GuardrailFinding


class PlannedWaiver(Struct, frozen=True):
    """A waiver of a resource in a plan. ``new`` says that this plan adds or changes it: whoever
    reads the plan is the first to see it in force."""

    stack: str
    logical_id: str
    waiver: GuardrailWaiver
    new: bool = False

    @property
    def address(self) -> str:
        """``app/gateway:Service``."""
        return f"{self.stack}:{self.logical_id}"

    def covers(self, finding: GuardrailFinding) -> bool:
        """Return whether a finding needs no approval because of it."""
        same = (self.address, self.waiver.kind) == (finding.address, str(finding.kind))
        return same and not self.waiver.problem


def find_waivers(plan: Plan) -> list[PlannedWaiver]:
    """Return the waivers in the new templates of a plan, as they count on the day of the plan."""
    today = plan.made.date()
    return [waiver for root in plan.roots for waiver in _find_in_root(root, today)]


def _find_in_root(root: RootPlan, today: date) -> Iterator[PlannedWaiver]:
    changed = {change.diff.address: change.diff for change in root.changes}
    for stack, resource in read_declared(root):
        entries = waiver_entries(resource.metadata)
        diff = changed.get(f"{stack}:{resource.logical_id}")
        known = waiver_entries(diff.before.get("Metadata")) if diff else entries
        former = list(read_guardrail_waivers(known, today))
        for waiver in read_guardrail_waivers(entries, today):
            yield PlannedWaiver(stack, resource.logical_id, waiver, new=waiver not in former)
