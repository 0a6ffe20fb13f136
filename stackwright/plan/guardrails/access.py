"""Find changes that let somebody do or reach more than before."""

from __future__ import annotations

from collections.abc import Iterator

from ...cfn import STACK_TYPE
from ...diff import Effect
from ..model import Certainty, PlannedChange, RootPlan
from .finding import FindingKind, GuardrailFinding, make_finding
from .grants import compare_grants
from .references import References
from .wording import join_texts


def find_openings(
    root: RootPlan, account: str, references: References
) -> Iterator[GuardrailFinding]:
    """Yield one finding for each resource whose change opens something, with everything that it
    opens. ``account`` is the ID of the account."""
    openings = compare_grants(root, account, references)
    for change in root.changes:
        if change.certainty is Certainty.SPURIOUS:
            continue
        texts = list(openings.get((change.diff.stack, change.diff.logical_id), ()))
        if _is_unlisted_stack(change):
            texts.append(
                "is a nested stack whose resources neither CloudFormation nor the prediction lists"
            )
        if texts:
            yield make_finding(FindingKind.ACCESS, root, change, join_texts(texts))


def _is_unlisted_stack(change: PlannedChange) -> bool:
    """A nested stack of its own in the list is one whose resources nobody lists."""
    return change.diff.type == STACK_TYPE and change.effect is Effect.ADD
