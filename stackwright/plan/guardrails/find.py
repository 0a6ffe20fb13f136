"""Run every check over every change of a plan."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from ...cfn import ValidationError, declared_keys
from ..model import Certainty, Plan, RootAction, RootPlan
from .access import find_openings
from .approval import approval_names
from .data import find_losses
from .finding import FindingKind, GuardrailFinding
from .grants import GRANT_TYPES
from .references import References
from .replacement import find_lost_addresses, find_replacements
from .table import find_weakened
from .waivers import find_waivers

_BUCKETS = frozenset(("AWS::S3::Bucket", "AWS::S3::BucketPolicy"))


def find_dangerous_changes(plan: Plan) -> list[GuardrailFinding]:
    """Return what needs an approval or has a waiver, in the order of the plan's changes.

    A new root has nothing to lose, and what it grants counts only in an environment that exists:
    of a first deployment, `list_exposures` tells what is exposed and granted. A change that
    CloudFormation cannot carry out needs no approval: it does not happen.
    """
    exists = environment_exists(plan)
    blocked = {address for blocker in plan.blockers for address in blocker.addresses}
    findings = [
        finding
        for root in plan.roots
        if exists or is_deployed(root)
        for finding in dict.fromkeys(_check_alternatives(root, plan.account))
        if finding.address not in blocked
    ]
    names = approval_names((finding.stack, finding.logical_id) for finding in findings)
    waivers = find_waivers(plan)
    return [
        replace(
            finding,
            name=names[finding.stack, finding.logical_id],
            waiver=next((given.waiver for given in waivers if given.covers(finding)), None),
        )
        for finding in findings
    ]


def environment_exists(plan: Plan) -> bool:
    """Return whether a root is deployed already, but for one that only holds buckets: the bucket of
    the artifacts comes before the first deployment. A first deployment that failed, or was
    interrupted, makes no environment."""
    if plan.first:
        return False
    deployed = (root for root in plan.roots if is_deployed(root) or root.kind is RootAction.NOTHING)
    return any(not _holds_only_buckets(root) for root in deployed)


def _check_alternatives(root: RootPlan, account: str) -> Iterator[GuardrailFinding]:
    """Yield the findings of a root; where conditions cannot be decided, those of either answer."""
    yield from _check_root(root, account)
    changes = tuple(
        replace(change, diff=change.diff.alternative) if change.diff.alternative else change
        for change in root.changes
    )
    if changes != root.changes:
        yield from _check_root(replace(root, changes=changes), account)


def _check_root(root: RootPlan, account: str) -> Iterator[GuardrailFinding]:
    references = References(root)
    openings = {finding.address: finding for finding in find_openings(root, account, references)}
    for change in root.changes:
        if change.certainty is Certainty.SPURIOUS:
            continue
        if is_deployed(root):
            yield from find_losses(root, change)
            yield from find_replacements(root, change, references)
            yield from find_lost_addresses(root, change)
        opening = openings.get(change.diff.address)
        told = opening is not None and change.diff.type in GRANT_TYPES
        for finding in find_weakened(root, change, references):
            if not told or finding.kind is not FindingKind.ACCESS:
                yield finding
        if opening:
            yield opening


def is_deployed(root: RootPlan) -> bool:
    """Return whether the root stack is deployed; one that is created now, or later, is not."""
    return root.kind in (RootAction.UPDATE, RootAction.IMPORT) or (
        root.kind is RootAction.LATER and bool(root.stack_id or root.live)
    )


def _holds_only_buckets(root: RootPlan) -> bool:
    try:
        resources = declared_keys(root.desired.body).resources
    except ValidationError:
        return False
    return {resource.type for resource in resources.values()} <= _BUCKETS
