"""The base of all operations on a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from ...cfn import resolve_dynamic
from ..world.identity import Identity
from ..world.provider import ProviderRequest
from ..world.state import ResourceState, StackState
from .schedule import Done, Schedule
from .values import StackValues
from .world import EmulatedWorld, RollbackRecord

_NOUNS = {"CREATE": "creation", "UPDATE": "update"}


class StackOperation:
    """One operation on one stack.

    ``done`` is called when the operation ends, with whether it succeeded; nested stacks have one,
    with which they report to their parent. A rollback gets the ``record`` of the operation that it
    rolls back.
    """

    def __init__(
        self,
        world: EmulatedWorld,
        stack: StackState,
        done: Done | None = None,
        record: RollbackRecord | None = None,
    ) -> None:
        self.world, self.stack = world, stack
        self.values = StackValues(world, stack)
        self.record = RollbackRecord() if record is None else record
        self.schedule: Schedule | None = None
        self.done = done

    @property
    def has_parent(self) -> bool:
        """Whether the operation of a parent stack waits for this one."""
        return self.stack.parent_id is not None and self.done is not None

    # --- the operation as a whole

    def begin(self, type_: str, status: str, reason: str | None = None) -> None:
        """Become the stack's running operation, and log its first event."""
        self.world.running[self.stack.id] = self
        self.world.events.begin_operation(self.stack, type_)
        self.set_stack_status(status, reason)

    def run(
        self,
        needs: Mapping[str, Iterable[str]],
        begin: Callable[[str, Done], None],
        done: Done,
        cancellable: bool = True,
    ) -> None:
        """Start a schedule of steps; ``done`` is called at its end."""
        cancel = self.cancel_resource if cancellable else None
        self.schedule = Schedule(needs, begin, done, cancel)
        self.world.clock.after(0, self.schedule.start)

    def finish(self, ok: bool) -> None:
        """End the operation; it cannot be rolled back any more."""
        self.world.running.pop(self.stack.id, None)
        self.report(ok)

    def report(self, ok: bool) -> None:
        """Tell the waiting operation whether this one succeeded."""
        if self.done:
            self.done(ok)

    def cancel(self, reason: str | None = None) -> None:
        """Cancel the running steps; the operation ends as failed, with ``reason``."""
        if reason:
            self.record.failures["outputs"] = [reason]
        if self.schedule:
            self.schedule.stop()

    def set_stack_status(self, status: str, reason: str | None = None) -> None:
        """Give the stack a status, and log the event."""
        self.world.events.set_stack_status(self.stack, status, reason)

    # --- one resource

    def set_status(self, state: ResourceState, status: str, reason: str | None = None) -> None:
        """Give a resource of the stack a status, and log the event."""
        self.world.events.set_resource_status(self.stack, state, status, reason)

    def log(self, state: ResourceState, status: str, reason: str | None = None) -> None:
        """Log an event of a resource that is no longer the stack's."""
        self.world.events.log_resource(self.stack, state, status, reason)

    def complete(self, name: str, status: str, end: Done) -> None:
        """End a step well, unless its resource has another status by now."""
        state = self.stack.resources.get(name)
        if state is not None and state.status == status.replace("COMPLETE", "IN_PROGRESS"):
            self.set_status(state, status)
            end(True)

    def fail(self, state: ResourceState, verb: str, reason: str, end: Done) -> None:
        """End a step as failed: ``verb`` is CREATE, UPDATE or DELETE."""
        self.record.failures.setdefault(verb.lower(), []).append(state.logical_id)
        self.set_status(state, f"{verb}_FAILED", reason)
        end(False)

    def cancel_resource(self, name: str) -> None:
        """Mark a running step as cancelled; a nested stack's operation is cancelled with it."""
        state = self.stack.resources[name]
        verb = state.status.partition("_")[0]
        noun = _NOUNS.get(verb, "deletion")
        self.set_status(state, f"{verb}_FAILED", f"Resource {noun} cancelled")
        child = self.record.children.get(name)
        operation = self.world.running.get(child.id) if child else None
        if operation:
            operation.cancel()

    def provide(self, operation: str, state: ResourceState) -> Identity:
        """Create or update a resource in its service. Raises Refused."""
        self.world.strike(operation, state)
        backend, properties = self.world.backend, state.properties
        if backend.resolve_dynamic:
            properties = resolve_dynamic(properties, backend.resolve_dynamic)
        request = replace(self.request(state), properties=properties)
        if operation == "create":
            return backend.provider.create(replace(request, identity=None))
        return backend.provider.update(request)

    def request(self, state: ResourceState) -> ProviderRequest:
        """A request to the provider about a resource. Raises Refused: its type is unknown."""
        resource_type = self.world.find_type(state.type)
        identity = Identity(state.physical_id, state.attributes) if state.physical_id else None
        return ProviderRequest(
            resource_type, state.logical_id, state.properties, self.values.pseudo, identity
        )

    def wait(self, state: ResourceState, operation: str, verb: str, end: Done) -> None:
        """End a step when its resource is stable, unless the resource changes meanwhile."""
        name, waiter = state.logical_id, self.world.backend.waiters.get(state.type)
        status = f"{verb}_COMPLETE"
        if waiter is None:
            self.wait_latency(state, operation, lambda: self.complete(name, status, end))
            return
        planned = self.stack.resources.get(name)

        def stabilized(reason: str | None) -> None:
            if planned is None or self.stack.resources.get(name) is not planned:
                return
            if reason is None:
                self.complete(name, status, end)
            else:
                self.fail(planned, verb, reason, end)

        waiter(operation, state.physical_id, state.properties, stabilized)

    def wait_latency(self, state: ResourceState, operation: str, then: Callable[[], None]) -> None:
        """Call ``then`` after the operation's latency, unless the resource changes meanwhile."""
        planned = self.stack.resources.get(state.logical_id)

        def call_if_unchanged() -> None:
            if self.stack.resources.get(state.logical_id) is planned:
                then()

        self.world.clock.after(self.world.latency(state.type, operation), call_if_unchanged)
