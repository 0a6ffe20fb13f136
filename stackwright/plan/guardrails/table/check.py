"""Find the rows of the table that a change violates, and word the findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ....core import HIDDEN
from ....diff import Effect, ResourceDiff
from ...model import PlannedChange, RootPlan
from ..finding import GuardrailFinding, make_finding
from ..references import References
from ..wording import as_list, shorten
from .directions import Same, Verdict, find_gained, find_lost, judge
from .rows import Direction, Protection, drop_items, find_rows, list_own_paths
from .select import ABSENT, ValuePair, meets, pair_values

_KEPT = "Retain"


def find_weakened(
    root: RootPlan, change: PlannedChange, references: References
) -> Iterator[GuardrailFinding]:
    """Yield a finding for each protection of the table that the change weakens, or may."""
    if (change.diff.stack, change.diff.logical_id) in references.renamed:
        return
    findings: dict[tuple[str, str], GuardrailFinding] = {}
    for row in find_rows(change.diff.type):
        for text in _describe(row, root, change, references):
            finding = make_finding(row.kind, root, change, text, row.source)
            findings.setdefault((row.kind, text), finding)
    yield from findings.values()


def _describe(
    row: Protection, root: RootPlan, change: PlannedChange, references: References
) -> Iterator[str]:
    diff = change.diff
    if row.whole:
        if _is_whole_change(row, root, change, references) and _meets_all(row, diff, None):
            yield row.says
        return
    if diff.effect is Effect.REMOVE or (diff.effect is Effect.ADD and not row.new):
        return
    start = ValuePair("", diff.before, diff.after, fresh=diff.effect is Effect.ADD)
    same = references.same
    for pair in pair_values(start, row.steps):
        if row.deep and drop_items(pair.label) in list_own_paths(diff.type):
            continue
        verdict = judge(row, _reveal(row, pair, diff), same)
        if verdict is not Verdict.NO and _meets_all(row, diff, pair.item):
            yield _word(row, pair, verdict, same)


def _is_whole_change(
    row: Protection, root: RootPlan, change: PlannedChange, references: References
) -> bool:
    """Whether the resource itself is removed or added, and not merely moved to another logical
    ID."""
    effect = change.effect
    if row.direction is Direction.ADDED:
        return effect is Effect.ADD and not _has_moved(root, change.diff, Effect.REMOVE, references)
    removed = effect is Effect.REMOVE and not change.policy_action.startswith(_KEPT)
    return removed and not _has_moved(root, change.diff, Effect.ADD, references)


def _has_moved(root: RootPlan, diff: ResourceDiff, effect: Effect, references: References) -> bool:
    """Whether another resource has these properties and comes as this one goes, or the reverse."""
    own = (diff.before or diff.after).get("Properties", {})
    for other in root.changes:
        if other.effect is effect and other.diff.type == diff.type:
            there = (other.diff.before or other.diff.after).get("Properties", {})
            before, after = (there, own) if effect is Effect.REMOVE else (own, there)
            if references.same(before, after):
                return True
    return False


def _meets_all(row: Protection, diff: ResourceDiff, item: Any) -> bool:
    side = diff.before if diff.effect is Effect.REMOVE else diff.after
    properties = side.get("Properties", {})
    return all(meets(condition, properties, item) for condition in row.conditions)


def _reveal(row: Protection, pair: ValuePair, diff: ResourceDiff) -> ValuePair:
    """Return the pair, with another new value where a secret in it changes: both sides of a secret
    are hidden, and look equal."""
    if row.direction is not Direction.CHANGED or pair.fresh:
        return pair
    secrets = (leaf.path for leaf in diff.properties if leaf.before == leaf.after == HIDDEN)
    if any(path.startswith(pair.label) for path in secrets):
        return ValuePair(pair.label, pair.before, HIDDEN, item=pair.item)
    return pair


def _word(row: Protection, pair: ValuePair, verdict: Verdict, same: Same) -> str:
    """``no longer keeps old versions (Versioning.Status: Enabled → Suspended)``."""
    values = _word_values(row, pair, same)
    text = f"{row.says} ({f'{pair.label}: ' if pair.label else ''}{values})"
    return text if verdict is Verdict.YES else f"may change so that it {text}"


def _word_values(row: Protection, pair: ValuePair, same: Same) -> str:
    if row.direction in (Direction.FEWER, Direction.MORE) and isinstance(pair.after, list):
        old, new = _items(pair.before), _items(pair.after)
        if row.direction is Direction.FEWER:
            return f"removes {shorten(find_lost(old, new, same))}"
        return f"adds {shorten(find_gained(old, new, same))}"
    before, after = (_show(side, row) for side in (pair.before, pair.after))
    return after if pair.fresh else f"{before} → {after}"


def _items(side: Any) -> list[Any]:
    return [] if side is ABSENT else as_list(side)


def _show(value: Any, row: Protection) -> str:
    if value is ABSENT:
        return f"not set, which is {row.default}" if row.default else "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if value == {}:
        return "set"
    if value in ("", []) or value is None:
        return "empty"
    if isinstance(value, Mapping) and len(value) > 2:
        return "other settings"
    return shorten(value)
