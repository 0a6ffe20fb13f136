"""Stacks, resources, events and change sets as they are now."""

from __future__ import annotations

from collections.abc import Mapping
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
    """One operation on a stack.

    ``type`` and ``status`` are as in DescribeEvents, ``start`` and ``end`` in seconds since the
    epoch; ``token`` is the client's token of the request that began it.
    """

    id: str
    type: str
    start: float
    token: str | None = None
    status: str = "IN_PROGRESS"
    end: float | None = None


class ResourceState(Struct, frozen=True):
    """One resource of a stack as it is now. ``properties`` are resolved; so is ``resolved``, with
    all attributes of the declaration (``Properties``, ``Metadata`` …), for comparison."""

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
    imported: bool = False
    """Whether it existed before the stack adopted it."""


class StackDefinition(Struct, frozen=True):
    """The template, parameters and tags of a stack.

    ``nested``: logical id -> the definition of that nested stack. ``stored``: what is read from
    Parameter Store for it, by name. ``adopts``: resources that exist already are imported, not
    created (ImportExistingResources).
    """

    text: str
    template: Template
    parameters: Mapping[str, Any] = {}
    tags: Mapping[str, str] = {}
    nested: Mapping[str, StackDefinition] = {}
    capabilities: tuple[str, ...] = ()
    notification_arns: tuple[str, ...] = ()
    role_arn: str | None = None
    stored: Mapping[str, str] = {}
    adopts: bool = False


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
    """The result of a drift detection, by logical id; ``ready`` is the time at which it ends."""

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
        """The number of resources that differ."""
        return sum(drift.status != "IN_SYNC" for drift in self.resources.values())


@dataclass
class StackState:
    """One stack; nested ones have a ``parent_id`` and a ``root_id``."""

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
        """Whether the stack exists; otherwise its name is free."""
        return self.status != "DELETE_COMPLETE"

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return not stack_status(self.status).final


class EarlyFinding(Struct, frozen=True):
    """A finding of early validation: the ``name`` of the validation, a reason, and a JSON pointer
    into the template."""

    name: str
    logical_id: str
    type: str
    reason: str
    path: str


@dataclass
class ChangeSetState:
    """One change set. ``kind`` is CREATE, UPDATE or IMPORT; for a nested stack the action of its
    resource. ``children`` are the ids of the change sets of nested stacks, by logical id."""

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
    findings: tuple[EarlyFinding, ...] = ()


@dataclass
class EmulatorState:
    """All stacks, change sets and drift detections by id; deleted stacks stay, as in AWS."""

    stacks: dict[str, StackState] = field(default_factory=dict)
    change_sets: dict[str, ChangeSetState] = field(default_factory=dict)
    drifts: dict[str, StackDriftState] = field(default_factory=dict)

    def stack(self, name: str) -> StackState | None:
        """The stack with this id, even a deleted one, or the existing stack with this name."""
        if name in self.stacks:
            return self.stacks[name]
        return next(
            (stack for stack in self.stacks.values() if stack.name == name and stack.alive), None
        )

    def exports(self) -> dict[str, tuple[str, StackState]]:
        """Name of an export -> value and the stack that exports it."""
        return {
            output.export: (output.value, stack)
            for stack in self.stacks.values()
            if stack.alive
            for output in stack.outputs
            if output.export
        }
