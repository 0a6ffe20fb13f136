"""Count the changes of a diff: by effect, with new revisions and tags counted apart."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from ...diff import Diff, Effect, ResourceDiff
from ...plan import REVISIONS
from .tags import is_only_tagged


class Count(StrEnum):
    """What a change counts as; the values are the keys of ``summary`` in JSON."""

    ADD = "add"
    CHANGE = "change"
    REVISION = "new_revision"
    """An immutable revision is followed by another; nothing is lost with the old one."""
    TAG = "tag"
    """Only tags change."""
    REPLACE = "replace"
    REMOVE = "remove"


_ALWAYS = (Count.ADD, Count.CHANGE, Count.REPLACE, Count.REMOVE)
"""The counts that a summary names even where they are zero."""


def is_revision(resource: ResourceDiff) -> bool:
    """Return whether the change only makes, or may make, a new revision of an immutable type."""
    replaced = resource.effect is Effect.REPLACE or resource.may_replace
    return replaced and resource.type in REVISIONS


def count_changes(resources: Iterable[ResourceDiff]) -> dict[Count, int]:
    """Return how many resources count as what, zeros included."""
    kinds = [_classify(resource) for resource in resources]
    return {count: kinds.count(count) for count in Count}


def _classify(resource: ResourceDiff) -> Count:
    if resource.effect is Effect.REPLACE and is_revision(resource):
        return Count.REVISION
    return Count.TAG if is_only_tagged(resource) else Count(str(resource.effect))


def describe_counts(resources: Iterable[ResourceDiff], *, zeros: bool = False) -> str:
    """Return ``1 to add, 2 to change, 1 new revision``; with ``zeros`` also ``0 to replace``."""
    counts = count_changes(resources)
    return ", ".join(
        _describe(count, number)
        for count, number in counts.items()
        if number or (zeros and count in _ALWAYS)
    )


def _describe(count: Count, number: int) -> str:
    if count is Count.REVISION:
        return f"{number} new revision{'s' * (number > 1)}"
    return f"{number} to {count}"


def summarize_diff(diff: Diff) -> str:
    """Return the counts, ``Plan: 1 to add, 2 to change, 3 to replace, 4 to remove.``, and those of
    uncertain changes."""
    if diff.empty:
        return "No changes."
    unsure = [resource for resource in diff.resources if not is_revision(resource)]
    maybe = sum(resource.may_replace for resource in unsure)
    uncertain = sum(not resource.certain for resource in diff.resources) - sum(
        not resource.certain and resource.may_replace for resource in unsure
    )
    notes = [f"{maybe} of the changes may replace"] if maybe else []
    notes += [f"{uncertain} known only after apply"] if uncertain else []
    if diff.outputs:
        one = len(diff.outputs) == 1
        notes.append("1 output differs" if one else f"{len(diff.outputs)} outputs differ")
    rest = f" ({'; '.join(notes)})" if notes else ""
    return f"Plan: {describe_counts(diff.resources, zeros=True)}.{rest}"
