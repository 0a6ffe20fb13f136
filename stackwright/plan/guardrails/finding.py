"""The types of findings: which kinds of danger there are, and which flag approves each."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from ...core import GuardrailWaiver
from ..model import PlannedChange, RootPlan


class ApprovalFlag(StrEnum):
    """The option that approves every danger of a kind.

    ``APPROVE`` has to name the resource: a kind without a broad option.
    """

    REPLACE = "--allow-replace"
    DATA_LOSS = "--allow-data-loss"
    ACCESS = "--allow-broader-access"
    APPROVE = "--approve"


class FindingKind(StrEnum):
    """Why a change is dangerous."""

    DATA = "data"
    """Data is deleted, or may be."""
    REPLACEMENT = "replacement"
    """Another resource takes the place of this one: its identifiers, addresses or contents go."""
    REMOVAL = "removal"
    """The resource leaves the stack, which no longer manages the data that is kept."""
    ACCESS = "access"
    """Somebody may do or reach more than before."""
    ENCRYPTION = "encryption"
    """Data at rest or in transit is encrypted less, or with a weaker key or protocol."""
    LOGGING = "logging"
    """Less is recorded: access logs, audit trails, flow logs, detection."""
    AVAILABILITY = "availability"
    """What runs is less protected from outages, or from being switched off by mistake."""

    @property
    def flag(self) -> ApprovalFlag:
        """The option that approves all findings of this kind."""
        return _FLAGS[self]


_FLAGS = {
    FindingKind.DATA: ApprovalFlag.DATA_LOSS,
    FindingKind.REPLACEMENT: ApprovalFlag.REPLACE,
    FindingKind.REMOVAL: ApprovalFlag.REPLACE,
    FindingKind.ACCESS: ApprovalFlag.ACCESS,
    FindingKind.ENCRYPTION: ApprovalFlag.ACCESS,
    FindingKind.LOGGING: ApprovalFlag.ACCESS,
    FindingKind.AVAILABILITY: ApprovalFlag.APPROVE,
}
"""Without encryption more people can read data, and without logs nobody sees who does: both are
weaker protection, and share the option of broader access. Less availability neither loses data nor
opens access; one option for all of it would only be copied from pipeline to pipeline."""


class GuardrailFinding(Struct, frozen=True):
    """A change of one resource that needs an approval.

    ``root`` is the name of the root stack in CloudFormation, which a user may type to approve;
    ``stack`` the path of the stack that holds the resource (``app/gateway``). ``description`` is
    the predicate of a sentence: ``opens tcp/80 to 10.0.0.0/8``. ``name`` is the resource in
    ``--approve``: its logical ID, or its address where several resources have that ID.
    ``source`` is the reference of the rule that found it, a URL or the name of a published control;
    empty where the check needs none. ``waiver`` is that of its template; None where it needs an
    approval.
    """

    kind: FindingKind
    root: str
    stack: str
    logical_id: str
    type: str
    description: str
    name: str
    source: str = ""
    waiver: GuardrailWaiver | None = None

    @property
    def flag(self) -> ApprovalFlag:
        """The option that approves it."""
        return self.kind.flag

    @property
    def address(self) -> str:
        """``app/gateway:Service``."""
        return f"{self.stack}:{self.logical_id}"

    @property
    def option(self) -> str:
        """The option that approves this finding alone: ``--approve Service:access``."""
        return f"{ApprovalFlag.APPROVE} {self.name}:{self.kind}"

    @property
    def broad_option(self) -> str:
        """The option that approves the kind wherever it occurs, or every replacement of the
        resource; empty where there is none."""
        if self.flag is ApprovalFlag.APPROVE:
            return ""
        return f"{self.flag} {self.name}" if self.flag is ApprovalFlag.REPLACE else str(self.flag)

    @property
    def text(self) -> str:
        """A sentence without a full stop: ``AlbSecurityGroup opens tcp/80 to 10.0.0.0/8``."""
        return f"{self.name} {self.description}"


def make_finding(
    kind: FindingKind, root: RootPlan, change: PlannedChange, description: str, source: str = ""
) -> GuardrailFinding:
    """Return a finding about one change of a root; ``name`` is the logical ID."""
    diff = change.diff
    return GuardrailFinding(
        kind=kind,
        root=root.desired.stack,
        stack=diff.stack,
        logical_id=diff.logical_id,
        type=diff.type,
        description=description,
        name=diff.logical_id,
        source=source,
    )
