"""Find changes that let somebody do or reach more than before."""

from __future__ import annotations

from collections.abc import Iterator

from ...cfn import STACK_TYPE
from ...diff import Effect
from ..model import PlannedChange, RootPlan
from .attachments import describe_attachments
from .finding import FindingKind, GuardrailFinding, make_finding
from .permissions import describe_permissions
from .policies import describe_policies
from .resource import ChangedResource
from .security_groups import describe_rules
from .wording import join_texts


def find_openings(root: RootPlan, change: PlannedChange) -> Iterator[GuardrailFinding]:
    """Yield one finding with everything that the change of a resource opens."""
    resource = ChangedResource(root, change)
    if texts := [text for describe in _DESCRIBERS for text in describe(resource)]:
        yield make_finding(FindingKind.ACCESS, root, change, join_texts(texts))


def _describe_unknown_stack(resource: ChangedResource) -> Iterator[str]:
    """A nested stack of its own in the list is one whose resources nobody lists."""
    if resource.type == STACK_TYPE and resource.effect is Effect.ADD:
        yield "is a nested stack whose resources neither CloudFormation nor the prediction lists"


_DESCRIBERS = (
    _describe_unknown_stack,
    describe_rules,
    describe_permissions,
    describe_attachments,
    describe_policies,
)
"""Each yields what a resource of its types opens, as predicates of sentences."""
