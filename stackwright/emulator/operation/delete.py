"""Deleting resources, and whole stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...cfn import STACK_TYPE, find_dependencies
from ..world.provider import Refused
from ..world.state import ResourceState
from .event_log import USER_INITIATED
from .operation import StackOperation
from .schedule import Done


class ResourceDeletion(StackOperation):
    """An operation that deletes resources."""

    def delete_resources(
        self, states: Iterable[ResourceState], retains: Callable[[ResourceState], bool], done: Done
    ) -> None:
        """Delete resources, dependents first."""
        left = {state.logical_id: state for state in states if state.status != "DELETE_COMPLETE"}
        needs = find_dependencies(self.values.definition.template)
        dependents = {name: {o for o in left if name in needs.get(o, ())} for name in left}
        ordered = {name: dependents[name] for name in reversed(list(left))}

        def begin(name: str, end: Done) -> None:
            self.delete_resource(left[name], retains(left[name]), end)

        self.run(ordered, begin, done)

    def delete_resource(self, state: ResourceState, retain: bool, end: Done) -> None:
        """Delete one resource of the stack; one without physical id was never created."""
        if not state.physical_id:
            self.set_status(state, "DELETE_COMPLETE")
            end(True)
            return
        if retain:
            self.set_status(state, "DELETE_SKIPPED")
            end(True)
            return
        self.set_status(state, "DELETE_IN_PROGRESS")

        def deleted(reason: str | None) -> None:
            if reason is None:
                self.complete(state.logical_id, "DELETE_COMPLETE", end)
            else:
                self.fail(state, "DELETE", reason, end)

        self.delete_physical(state, deleted)

    def delete_physical(self, state: ResourceState, then: Callable[[str | None], None]) -> None:
        """Delete the physical resource or nested stack; ``then`` gets None, or why it failed."""
        try:
            self.world.strike("delete", state)
            if state.type == STACK_TYPE:
                self._delete_child(state, then)
                return
            self.world.backend.provider.delete(self.request(state))
        except Refused as error:
            then(str(error))
            return
        waiter = self.world.backend.waiters.get(state.type)
        if waiter is None:
            self.wait_latency(state, "delete", lambda: then(None))
        else:
            waiter("delete", state.physical_id, state.properties, then)

    def _delete_child(self, state: ResourceState, then: Callable[[str | None], None]) -> None:
        child = self.world.store.stacks[state.physical_id]
        text = f"Embedded stack {child.id} was not successfully deleted"
        Delete(self.world, child, lambda ok: then(None if ok else text)).start(reason=None)

    def delete_unlisted(self, state: ResourceState, end: Done) -> None:
        """Delete a physical resource that the stack no longer lists; a failure is only logged."""

        def deleted(reason: str | None) -> None:
            self.log(state, "DELETE_FAILED" if reason else "DELETE_COMPLETE", reason)
            end(True)

        self.log(state, "DELETE_IN_PROGRESS")
        self.delete_physical(state, deleted)

    def retains_on_rollback(self, state: ResourceState) -> bool:
        """Whether a resource outlives the rollback of the operation that created it."""
        if state.imported:
            return True
        transient = (
            self.world.root_of(self.stack).retain_except_on_create
            or state.resolved.get("DeletionPolicy") == "RetainExceptOnCreate"
        )
        return state.deletion_policy == "Retain" and not transient


class Delete(ResourceDeletion):
    """Deletes a stack."""

    def start(self, retain: Iterable[str] = (), reason: str | None = USER_INITIATED) -> None:
        """Delete all resources but those to ``retain``; a creation under way is cancelled."""
        running = self.world.running.get(self.stack.id)
        if running and running.schedule and self.stack.status == "CREATE_IN_PROGRESS":
            running.schedule.abandon()
        self.begin("DELETE_STACK", "DELETE_IN_PROGRESS", reason)
        names = set(retain)
        self.delete_resources(
            self.stack.resources.values(),
            lambda state: state.logical_id in names or state.deletion_policy == "Retain",
            self._end,
        )

    def _end(self, ok: bool) -> None:
        if ok:
            self.stack.deleted, self.stack.outputs = self.world.clock.now, ()
            self.set_stack_status("DELETE_COMPLETE")
        else:
            self.set_stack_status("DELETE_FAILED", self.record.describe_failures())
        self.finish(ok)
