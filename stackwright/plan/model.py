"""The frozen types of a deployment, in the order in which they flow: desired stack, plan, outcome.

A new deployment, the restoration of a release and an import all begin with a desired stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from ..aws import StackEvent
from ..core import Location
from ..diff import Diff, Effect, ResourceDiff

RUN = "stackwright-"
"""Prefix of the names of our change sets."""


class DesiredStack(Struct, frozen=True):
    """The state that one root stack is to reach.

    ``root`` is its name in ``stacks:`` (``app``), ``stack`` its name in CloudFormation
    (``euglena-prod-app``). ``templates`` holds the text of it (``app``) and its nested stacks
    (``app/network``) as CloudFormation gets them, ``urls`` the address of each; ``inline`` says
    that the root's text goes into the request, where there is no bucket yet. ``parameters`` are all
    values that are known; ``missing`` names those that are not known yet, because an earlier root
    has to be deployed or an image be pushed first.
    """

    root: str
    stack: str
    templates: Mapping[str, str]
    urls: Mapping[str, str]
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    inline: bool = False
    missing: tuple[str, ...] = ()
    role: str | None = None
    """The service role that CloudFormation acts with (ARN); None: with the caller's own
    permissions."""
    import_existing: bool = False
    """Whether resources that exist already are imported by their names, not created."""

    @property
    def body(self) -> str:
        """The root's own text."""
        return self.templates[self.root]


class RootAction(StrEnum):
    """What is done to a root stack."""

    CREATE = "create"
    UPDATE = "update"
    IMPORT = "import"
    NOTHING = "nothing"
    LATER = "later"
    """Only predicted: its inputs from earlier roots are not known yet."""


class ListedChange(StrEnum):
    """Who lists a change of a resource."""

    BOTH = "both"
    CLOUDFORMATION = "CloudFormation only"
    PREDICTION = "prediction only"


class Certainty(StrEnum):
    """How certain a listed change or replacement is."""

    CERTAIN = "certain"
    CONDITIONAL = "conditional"
    """Depends on values that are known after apply."""
    SPURIOUS = "spurious"
    """CloudFormation lists it because the output of a sibling may change, but that output keeps its
    value: it will not happen."""


class PlannedChange(Struct, frozen=True):
    """The change of one resource of a root or nested stack.

    ``diff`` describes it for readers.

    ``action`` (Add, Modify, Remove, Import, Dynamic) and ``replacement`` (True, False, Conditional,
    or empty) are CloudFormation's words, empty where it does not list the change. ``policy_action``
    (Delete, Retain, Snapshot, ReplaceAndDelete …) says what happens to the old resource;
    ``stateful`` that it holds data.
    """

    diff: ResourceDiff
    listed: ListedChange
    certainty: Certainty
    action: str = ""
    replacement: str = ""
    physical_id: str = ""
    policy_action: str = ""
    stateful: bool = False

    @property
    def effect(self) -> Effect:
        """What happens to the resource."""
        return self.diff.effect


class RootPlan(Struct, frozen=True):
    """What happens to one root. ``change_set`` is its ARN; None where nothing changes or it is only
    predicted.

    ``live`` identifies the stack that it was made against (ID, status, last update, parameters): a
    plan is stale where one of these changed. ``made_stack`` says that the change set itself made
    the stack (REVIEW_IN_PROGRESS), which goes with it. ``diff`` holds what is shown, ``notes``
    sentences on what CloudFormation and the prediction do not agree on. ``after`` are the earlier
    roots that change inputs of this one, ``awaited`` those inputs whose values are known only when
    these roots are deployed.
    """

    desired: DesiredStack
    kind: RootAction
    diff: Diff
    changes: tuple[PlannedChange, ...] = ()
    change_set: str | None = None
    stack_id: str | None = None
    live: Mapping[str, str] = {}
    made_stack: bool = False
    notes: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ()

    @property
    def changes_anything(self) -> bool:
        """Whether there is something to execute, now or later."""
        return self.kind is not RootAction.NOTHING


class SecretChange(Struct, frozen=True):
    """A new version of a secret: the names of its keys, never values.

    ``version`` is the ID that it will have, ``before`` that of the current version.
    """

    name: str
    version: str
    before: str | None
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class BlockerKind(StrEnum):
    """Why CloudFormation cannot carry out a change."""

    SAME_NAME = "same-name"
    """A resource is created under a name that a live or another new one has."""
    CUSTOM_NAME = "custom-name"
    """A resource is replaced, and keeps its name."""
    EXPORT = "export"
    """An export goes or changes while other stacks import it."""
    NAME_TAKEN = "name-taken"
    """A resource is created under a name that exists outside of the stacks."""
    IMPORT = "import"
    """An export is imported that does not exist."""

    @property
    def code(self) -> str:
        """The code of its problem."""
        return _CODES[self]


_CODES = {
    BlockerKind.SAME_NAME: "SW807",
    BlockerKind.CUSTOM_NAME: "SW808",
    BlockerKind.EXPORT: "SW809",
    BlockerKind.NAME_TAKEN: "SW810",
    BlockerKind.IMPORT: "SW811",
}


class Blocker(Struct, frozen=True):
    """A change of a root (its name in ``stacks:``) that CloudFormation cannot carry out.

    ``addresses`` are the resources that it concerns (``app:Jobs``), those of the new template
    first. ``message`` is a sentence without a full stop, ``hint`` says what to do instead.
    """

    kind: BlockerKind
    root: str
    addresses: tuple[str, ...]
    message: str
    hint: str


class Plan(Struct, frozen=True):
    """What a deployment does: the roots in order, and the secret versions that are put before them.

    ``images`` are references by digest, by name; ``secrets`` version ids, by the key under
    ``secrets``; ``artifacts`` the names (content hashes) of templates and zips. ``account``,
    ``region`` and ``caller`` say where and for whom it was made, ``commit`` of which git revision
    (empty where there is none; ``-dirty`` at its end where files differ from it).
    """

    environment: str
    account: str
    region: str
    caller: str
    commit: str
    made: datetime
    roots: tuple[RootPlan, ...]
    images: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    secret_changes: tuple[SecretChange, ...] = ()
    artifacts: tuple[str, ...] = ()
    bucket: str | None = None
    blockers: tuple[Blocker, ...] = ()
    """The changes that CloudFormation cannot carry out: such a plan is shown, and not deployed."""
    notes: tuple[str, ...] = ()
    """What the reader should know before the changes, in words."""
    first: bool = False
    """Whether it repeats a first deployment that did not end well: none did before."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.secret_changes and not any(root.changes_anything for root in self.roots)


class Cause(Struct, frozen=True):
    """Why an operation failed: the first resource that failed by itself.

    ``address`` is ``app/gateway:Service``; ``where`` its line in the template; ``details`` what ECS
    and the log said (service events, stopped reasons, log lines), in order.
    """

    address: str
    type: str
    status: str
    reason: str
    where: Location | None = None
    details: tuple[str, ...] = ()


class Outcome(Struct, frozen=True):
    """How the operation on one root ended; ``ok`` only where it reached the desired state."""

    root: str
    stack: str
    status: str
    ok: bool
    began: datetime
    ended: datetime
    cause: Cause | None = None
    events: Sequence[StackEvent] = ()
