"""The types of findings: which kinds of danger there are, and which flag approves each."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from ..model import PlannedChange, RootPlan


class ApprovalFlag(StrEnum):
    """The option that approves a danger."""

    REPLACE = "--allow-replace"
    DATA_LOSS = "--allow-data-loss"
    ACCESS = "--allow-broader-access"


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

    @property
    def flag(self) -> ApprovalFlag:
        """The option that approves this kind."""
        return _FLAGS[self]


_FLAGS = {
    FindingKind.DATA: ApprovalFlag.DATA_LOSS,
    FindingKind.REPLACEMENT: ApprovalFlag.REPLACE,
    FindingKind.REMOVAL: ApprovalFlag.REPLACE,
    FindingKind.ACCESS: ApprovalFlag.ACCESS,
}


class GuardrailFinding(Struct, frozen=True):
    """A change of one resource that needs an approval.

    ``root`` is the name of the root stack in CloudFormation, which a user may type to approve;
    ``stack`` the path of the stack that holds the resource (``app/gateway``). ``description`` is
    the predicate of a sentence: ``opens tcp/80 to 10.0.0.0/8``. ``name`` is the resource in
    ``--allow-replace``: its logical ID, or its address where several resources have that ID.
    """

    kind: FindingKind
    root: str
    stack: str
    logical_id: str
    type: str
    description: str
    name: str

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
        """The option as it is typed, with its value: ``--allow-replace Service``."""
        return f"{self.flag} {self.name}" if self.flag is ApprovalFlag.REPLACE else str(self.flag)

    @property
    def text(self) -> str:
        """A sentence without a full stop: ``AlbSecurityGroup opens tcp/80 to 10.0.0.0/8``."""
        return f"{self.name} {self.description}"


def make_finding(
    kind: FindingKind, root: RootPlan, change: PlannedChange, description: str
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
    )
