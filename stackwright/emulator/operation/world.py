"""The world in which operations act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ...cfn import Pseudo, ResourceType, Schemas
from ..world.backend import Backend
from ..world.clock import Clock
from ..world.faults import FaultPlan
from ..world.identity import Identities
from ..world.provider import Refused
from ..world.state import (
    EmulatorState,
    OutputState,
    ResourceState,
    StackDefinition,
    StackState,
)
from .event_log import EventLog
from .schedule import Schedule


@dataclass
class RollbackRecord:
    """The state to which a rollback returns, and the work that it has to undo.

    ``definition``, ``resources`` and ``outputs`` are those before the operation. ``replaced`` are
    the old resources of replacements, ``replacements`` the new ones, as the first rollback finds
    them; ``touched`` are the logical ids that the operation began to change, ``children`` the
    nested stacks that took part. ``failures`` are the logical ids that failed, by verb
    (``outputs``: reasons), ``restored`` those that were rolled back already.
    """

    definition: StackDefinition | None = None
    resources: dict[str, ResourceState] = field(default_factory=dict)
    outputs: tuple[OutputState, ...] = ()
    replaced: list[ResourceState] = field(default_factory=list)
    replacements: dict[str, ResourceState] = field(default_factory=dict)
    touched: list[str] = field(default_factory=list)
    children: dict[str, StackState] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)
    restored: set[str] = field(default_factory=set)

    def describe_failures(self) -> str:
        """``The following resource(s) failed to create: [A, B].``"""
        parts = [
            f"The following resource(s) failed to {verb}: [{', '.join(names)}]."
            for verb, names in self.failures.items()
            if verb != "outputs"
        ]
        reasons = self.failures.get("outputs", ())
        return " ".join([*parts, *reasons]) or "Resource operation cancelled"


class RunningOperation(Protocol):
    """An operation that other operations and requests find in the world."""

    record: RollbackRecord
    schedule: Schedule | None

    def cancel(self, reason: str | None = None) -> None:
        """Cancel the running steps; the operation ends as failed."""


@dataclass
class EmulatedWorld:
    """Stacks, time, services and faults of one account and Region.

    ``latency`` gives the seconds that an operation on a type takes; ``die`` ends the server where a
    fault asks for it. ``running`` has the operations by stack id: those under way, and failed ones
    that can still be rolled back. ``previewed`` are nested stacks that exist since a change set
    previewed them, by the parent's id and the logical id.
    """

    clock: Clock
    store: EmulatorState
    identities: Identities
    schemas: Schemas
    pseudo: Pseudo
    backend: Backend
    latency: Callable[[str, str], float]
    faults: FaultPlan
    die: Callable[[], None]
    running: dict[str, RunningOperation] = field(default_factory=dict)
    previewed: dict[tuple[str, str], StackState] = field(default_factory=dict)
    events: EventLog = field(init=False)

    def __post_init__(self) -> None:
        self.events = EventLog(
            self.clock,
            self.store,
            self.identities,
            lambda event: self.die() if self.faults.is_killed_by(event) else None,
        )

    def find_type(self, name: str) -> ResourceType:
        """The resource type of this name. Raises Refused where the registry has none."""
        resource_type = self.schemas.get(name)
        if resource_type is None:
            raise Refused(f"Template format error: Unrecognized resource types: [{name}]")
        return resource_type

    def strike(self, operation: str, resource: ResourceState) -> None:
        """Raise Refused where a fault lets this operation fail."""
        for fault in self.faults.resources:
            if fault.strikes(operation, resource.type, resource.logical_id):
                raise Refused(fault.reason)

    def new_stack(
        self, name: str, parent: StackState | None = None, status: str = "CREATE_IN_PROGRESS"
    ) -> StackState:
        """A new stack without resources."""
        pseudo = self.pseudo
        place = f"{pseudo.partition}:cloudformation:{pseudo.region}:{pseudo.account_id}"
        id_ = f"arn:{place}:stack/{name}/{self.identities.uuid()}"
        stack = StackState(name, id_, self.clock.now, status)
        if parent:
            stack.parent_id, stack.root_id = parent.id, parent.root_id or parent.id
        self.store.stacks[id_] = stack
        return stack

    def new_child(
        self, parent: StackState, logical_id: str, status: str = "CREATE_IN_PROGRESS"
    ) -> StackState:
        """A new nested stack, named as AWS names them."""
        mark = self.identities.characters("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 12)
        return self.new_stack(f"{parent.name}-{logical_id}-{mark}", parent, status)

    def root_of(self, stack: StackState) -> StackState:
        """The root stack above a nested stack; a root stack itself."""
        return self.store.stacks.get(stack.root_id or "", stack)
