"""The statuses of stacks and resources, and the events that report them."""

from __future__ import annotations

import json
from collections.abc import Callable

from msgspec.structs import replace

from ...cfn import STACK_TYPE, canonical_value
from ..world.clock import Clock
from ..world.identity import Identities
from ..world.state import EmulatorState, Event, OperationState, ResourceState, StackState

USER_INITIATED = "User Initiated"


class EventLog:
    """Changes statuses, and appends an event to the stack for each change.

    ``listener`` is called with every event.
    """

    def __init__(
        self,
        clock: Clock,
        store: EmulatorState,
        identities: Identities,
        listener: Callable[[Event], None],
    ) -> None:
        self._clock, self._store, self._identities = clock, store, identities
        self._listener = listener

    def begin_operation(self, stack: StackState, type_: str) -> None:
        """Begin an operation, to which all later events of the stack belong; one that has not ended
        has failed."""
        self._end_operation(stack, "FAILED")
        token = self._store.stacks.get(stack.root_id or "", stack).token
        stack.operations.append(
            OperationState(self._identities.uuid(), type_, self._clock.now, token)
        )

    def _end_operation(self, stack: StackState, status: str) -> None:
        if stack.operations and stack.operations[-1].end is None:
            stack.operations[-1].status, stack.operations[-1].end = status, self._clock.now

    def set_stack_status(self, stack: StackState, status: str, reason: str | None = None) -> None:
        """Give the stack a status, and log the event."""
        stack.status, stack.reason = status, reason
        itself = ResourceState(stack.name, STACK_TYPE, stack.id, status, self._clock.now)
        self._append(stack, itself, status, reason, None)
        if not status.endswith("_IN_PROGRESS"):
            self._end_operation(stack, "FAILED" if status.endswith("_FAILED") else "SUCCEEDED")

    def set_resource_status(
        self, stack: StackState, resource: ResourceState, status: str, reason: str | None = None
    ) -> None:
        """Make the resource the stack's, with a status, and log the event."""
        resource = replace(resource, status=status, reason=reason, timestamp=self._clock.now)
        stack.resources[resource.logical_id] = resource
        self.log_resource(stack, resource, status, reason)

    def log_resource(
        self, stack: StackState, resource: ResourceState, status: str, reason: str | None = None
    ) -> None:
        """Log an event of a resource that the stack need not have. Deletions show no properties."""
        properties = None
        if not status.startswith("DELETE"):
            properties = json.dumps(canonical_value(resource.properties), sort_keys=True)
        self._append(stack, resource, status, reason, properties)

    def _append(
        self,
        stack: StackState,
        resource: ResourceState,
        status: str,
        reason: str | None,
        properties: str | None,
    ) -> None:
        operation = stack.operations[-1] if stack.operations else None
        mark = self._identities.uuid()
        is_stack = resource.physical_id == stack.id
        event = Event(
            id=mark if is_stack else f"{resource.logical_id}-{status}-{mark}",
            stack_id=stack.id,
            stack_name=stack.name,
            logical_id=resource.logical_id,
            physical_id=resource.physical_id,
            type=resource.type,
            status=status,
            timestamp=self._clock.now,
            reason=reason,
            properties=properties,
            operation_id=operation.id if operation else None,
            token=operation.token if operation else None,
        )
        stack.events.append(event)
        self._listener(event)
