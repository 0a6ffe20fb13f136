"""Stacks, resources, events and change sets as they are now. The one place in the emulator that
changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from ...cfn import Prediction, Template, stack_status


class Event(Struct, frozen=True):
    """One stack event; ``timestamp`` in seconds since the epoch, ``properties`` as JSON."""

    id: str
    stack_id: str
    stack_name: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    timestamp: float
    reason: str | None = None
    properties: str | None = None
    operation_id: str | None = None
    token: str | None = None


@dataclass
class OperationState:
    """One operation on a stack, ``type`` and ``status`` as DescribeEvents has them; times in
    seconds since the epoch, ``token`` the client's of the request that began it."""

    id: str
    type: str
    start: float
    token: str | None = None
    status: str = "IN_PROGRESS"
    end: float | None = None


class ResourceState(Struct, frozen=True):
    """One resource of a stack as it is. ``properties`` are resolved; ``resolved`` holds all
    attributes of it (``Properties``, ``Metadata`` …) as text, for comparison."""

    logical_id: str
    type: str
    physical_id: str
    status: str
    timestamp: float
    properties: Mapping[str, Any] = {}
    attributes: Mapping[str, Any] = {}
    resolved: Mapping[str, Any] = {}
    reason: str | None = None
    deletion_policy: str = "Delete"


class StackDefinition(Struct, frozen=True):
    """What a stack is asked to be. ``nested``: logical id -> the definition of that nested stack's
    template."""

    text: str
    template: Template
    parameters: Mapping[str, Any] = {}
    tags: Mapping[str, str] = {}
    nested: Mapping[str, StackDefinition] = {}
    capabilities: tuple[str, ...] = ()
    notification_arns: tuple[str, ...] = ()
    role_arn: str | None = None


class OutputState(Struct, frozen=True):
    """One output of a stack, resolved."""

    key: str
    value: str
    description: str | None = None
    export: str | None = None


class DriftedProperty(Struct, frozen=True):
    """One property that differs: ``kind`` is ADD, REMOVE or NOT_EQUAL; values are text, JSON for
    structures."""

    path: str
    expected: str
    actual: str
    kind: str


class DriftedResource(Struct, frozen=True):
    """The drift of one resource; ``status`` as in the API (IN_SYNC, MODIFIED, DELETED)."""

    logical_id: str
    status: str
    timestamp: float
    expected: Mapping[str, Any]
    actual: Mapping[str, Any]
    differences: tuple[DriftedProperty, ...] = ()


DriftedStacks = Mapping[str, Mapping[str, DriftedResource]]
"""The drifted resources, by stack id and logical id."""


class StackDriftState(Struct, frozen=True):
    """What a drift detection found, by logical id; ``ready`` is when it ends."""

    id: str
    stack_id: str
    ready: float
    resources: Mapping[str, DriftedResource]

    @property
    def status(self) -> str:
        """``DRIFTED`` or ``IN_SYNC``."""
        return "DRIFTED" if self.drifted else "IN_SYNC"

    @property
    def drifted(self) -> int:
        """How many resources differ."""
        return sum(each.status != "IN_SYNC" for each in self.resources.values())


@dataclass
class StackState:
    """One stack. ``undo`` is what an update in progress returns to if it fails."""

    name: str
    id: str
    created: float
    status: str
    definition: StackDefinition | None = None
    reason: str | None = None
    updated: float | None = None
    deleted: float | None = None
    resources: dict[str, ResourceState] = field(default_factory=dict)
    outputs: tuple[OutputState, ...] = ()
    events: list[Event] = field(default_factory=list)
    parent_id: str | None = None
    root_id: str | None = None
    disable_rollback: bool = False
    retain_except_on_create: bool = False
    on_failure: str = "ROLLBACK"
    termination_protection: bool = False
    policy: str | None = None
    executed_change_set: str | None = None
    token: str | None = None
    operations: list[OperationState] = field(default_factory=list)
    drift: StackDriftState | None = None

    @property
    def alive(self) -> bool:
        """Whether the name is taken."""
        return self.status != "DELETE_COMPLETE"

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return not stack_status(self.status).final


@dataclass
class ChangeSetState:
    """One change set; ``children`` are the ids of the change sets of nested stacks by logical
    id."""

    name: str
    id: str
    stack_id: str
    kind: str
    created: float
    definition: StackDefinition
    status: str = "CREATE_COMPLETE"
    execution: str = "AVAILABLE"
    reason: str | None = None
    description: str | None = None
    prediction: Prediction | None = None
    include_nested: bool = False
    parent_id: str | None = None
    root_id: str | None = None
    children: dict[str, str] = field(default_factory=dict)
    on_stack_failure: str | None = None
    token: str | None = None
    operation_id: str = ""
    imports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    drifted: DriftedStacks | None = None
    """The drift that the change set reverts; None where it reverts none."""


@dataclass
class EmulatorState:
    """Everything the emulator knows, stacks and change sets by id (deleted ones stay, as in
    AWS)."""

    stacks: dict[str, StackState] = field(default_factory=dict)
    change_sets: dict[str, ChangeSetState] = field(default_factory=dict)
    drifts: dict[str, StackDriftState] = field(default_factory=dict)

    def stack(self, name: str) -> StackState | None:
        """The stack with this id (also a deleted one), or the living one with this name."""
        if name in self.stacks:
            return self.stacks[name]
        return next(
            (stack for stack in self.stacks.values() if stack.name == name and stack.alive), None
        )

    def children(self, stack: StackState) -> Iterator[StackState]:
        """The nested stacks directly below."""
        return (each for each in self.stacks.values() if each.parent_id == stack.id and each.alive)

    def exports(self) -> dict[str, tuple[str, StackState]]:
        """Name of an export -> value and the stack that exports it."""
        return {
            output.export: (output.value, stack)
            for stack in self.stacks.values()
            if stack.alive
            for output in stack.outputs
            if output.export
        }
