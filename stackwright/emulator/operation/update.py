"""Updating a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from msgspec.structs import replace

from ...cfn import (
    STACK_TYPE,
    Recreation,
    ValidationError,
    custom_name,
    custom_name_refusal,
    diff_values,
    find_dependencies,
    predict_recreation,
    template_to_text,
)
from ..world.provider import Refused
from ..world.state import DriftedStacks, ResourceState, StackDefinition, StackState
from .create import ResourceCreation
from .delete import ResourceDeletion
from .event_log import USER_INITIATED
from .nested import child_definition, find_drifted_children, is_changed
from .policy import find_refusal
from .rollback import UpdateRollback
from .schedule import Done
from .world import EmulatedWorld, RollbackRecord

_REPLACING = (
    "Requested update requires the creation of a new physical resource; hence creating one."
)


class Update(ResourceCreation, ResourceDeletion):
    """Updates a stack to a new definition; on failure everything returns to the state before.

    ``policy`` replaces the stack's own stack policy during the update. Resources in ``drifted``
    become again as the template describes them. The clean-up of a nested stack waits for its root,
    so that a failure elsewhere can still be rolled back.
    """

    def __init__(
        self,
        world: EmulatedWorld,
        stack: StackState,
        done: Done | None = None,
        policy: str | None = None,
        drifted: DriftedStacks | None = None,
    ) -> None:
        record = RollbackRecord(stack.definition, dict(stack.resources), stack.outputs)
        super().__init__(world, stack, done, record)
        self._policy, self._drifted = policy or stack.policy, drifted or {}

    def start(self, definition: StackDefinition) -> None:
        """Create, update and replace resources, then delete those that are not needed any more."""
        self.stack.definition, self.stack.updated = definition, self.world.clock.now
        reason = USER_INITIATED if self.stack.parent_id is None else None
        self.begin("UPDATE_STACK", "UPDATE_IN_PROGRESS", reason)
        needs = self.values.needs()
        if self._is_removal_denied(needs):
            self.world.clock.after(0, lambda: self._end(False))
            return
        self.run(needs, self._change, self._end)

    def _end(self, ok: bool) -> None:
        if not ok or not self.resolve_outputs():
            self._fail()
            return
        self.set_stack_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        if self.has_parent:
            self.report(True)
        else:
            self.clean_up(partial(self.report, True))

    def _fail(self) -> None:
        reason = self.record.describe_failures()
        if self.stack.disable_rollback or self.has_parent:
            # The record stays for a rollback by RollbackStack, or by the parent's operation.
            self.set_stack_status("UPDATE_FAILED", reason)
            self.report(False)
            return
        UpdateRollback(self.world, self.stack, self.done, self.record).start(reason)

    # --- stack policy

    def _is_removal_denied(self, kept: Iterable[str]) -> bool:
        """Whether the stack policy denies the removal of a resource, which then fails."""
        names = set(kept)
        for state in [state for name, state in self.stack.resources.items() if name not in names]:
            try:
                self._check_policy("Update:Delete", state)
            except Refused as error:
                self.record.touched.append(state.logical_id)
                self.fail(state, "UPDATE", str(error), lambda _ok: None)
        return bool(self.record.failures)

    def _check_policy(self, action: str, state: ResourceState) -> None:
        """Raise Refused where the stack policy denies the action."""
        refusal = find_refusal(self._policy, action, state.logical_id, state.type)
        if refusal:
            raise Refused(refusal)

    # --- one resource

    def _change(self, name: str, end: Done) -> None:
        """Create, update, replace or leave one resource."""
        old = self.stack.resources.get(name)
        drift = self._drifted.get(self.stack.id, {}).get(name)
        if old is not None and drift is not None and drift.status == "DELETED":
            self._release(old)
            old = None
        if old is None or old.status in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
            self.create_resource(name, end)
            return
        resource = self.values.definition.template.resources[name]
        try:
            state = self.values.resolve_resource(old, resource)
            if resource.type == STACK_TYPE:
                self._change_child(old, state, end)
                return
            differences = list(diff_values(old.resolved, state.resolved))
            if not differences and drift is None:
                self.stack.resources[name] = state
                end(True)
                return
            resource_type = self.world.find_type(state.type)
            paths = [item.path[1:] for item in differences if item.path[0] == "Properties"]
            sides = (old.resolved, state.resolved)
            replaces = any(
                predict_recreation(resource_type, path, *sides) is Recreation.ALWAYS
                for path in paths
            )
            self._check_policy("Update:Replace" if replaces else "Update:Modify", old)
            if replaces:
                self._check_name(old, state)
        except (Refused, ValidationError) as error:
            self.record.touched.append(name)
            self.fail(old, "UPDATE", str(error), end)
            return
        self.record.touched.append(name)
        if replaces:
            self._replace(old, state, end)
        else:
            self._update(state, end)

    def _check_name(self, old: ResourceState, new: ResourceState) -> None:
        """Raise Refused where a replacement keeps the name that the template gives."""
        known = self.world.find_type(new.type)
        name = custom_name(known, new.properties)
        if name is not None and name == custom_name(known, old.properties):
            raise Refused(custom_name_refusal(name))

    def _release(self, state: ResourceState) -> None:
        """Free the name of a resource that somebody deleted outside of the stack."""
        with suppress(Refused):
            self.world.backend.provider.delete(self.request(state))

    def _update(self, state: ResourceState, end: Done) -> None:
        self.set_status(state, "UPDATE_IN_PROGRESS")
        try:
            identity = self.provide("update", state)
        except Refused as error:
            self.fail(state, "UPDATE", str(error), end)
            return
        resources, name = self.stack.resources, state.logical_id
        resources[name] = replace(resources[name], attributes=identity.attributes)
        self.wait(resources[name], "update", "UPDATE", end)

    def _replace(self, old: ResourceState, state: ResourceState, end: Done) -> None:
        """Create the new physical resource; the old one is deleted in the clean-up."""
        self.set_status(state, "UPDATE_IN_PROGRESS", _REPLACING)
        try:
            identity = self.provide("create", state)
        except Refused as error:
            self.fail(state, "UPDATE", str(error), end)
            return
        policy = template_to_text(old.resolved.get("UpdateReplacePolicy", "Delete"))
        self.record.replaced.append(replace(old, deletion_policy=policy))
        state = replace(state, physical_id=identity.id, attributes=identity.attributes)
        self.set_status(state, "UPDATE_IN_PROGRESS", "Resource creation Initiated")
        self.wait(state, "create", "UPDATE", end)

    def _change_child(self, old: ResourceState, state: ResourceState, end: Done) -> None:
        child, name = self.world.store.stacks[old.physical_id], state.logical_id
        definition = child_definition(self.values.definition, state)
        if not self._child_changes(child, definition, old, state):
            end(True)
            return
        self._check_policy("Update:Modify", old)
        self.record.touched.append(name)
        self.record.children[name] = child
        self.set_status(state, "UPDATE_IN_PROGRESS")

        def ended(ok: bool) -> None:
            if ok:
                self.complete(name, "UPDATE_COMPLETE", end)
            elif self.stack.resources[name].status == "UPDATE_IN_PROGRESS":
                text = f"Embedded stack {child.id} was not successfully updated."
                reason = f"{text} Currently in {child.status} with reason: {child.reason}"
                self.fail(state, "UPDATE", reason, end)

        Update(self.world, child, ended, drifted=self._drifted).start(definition)

    def _child_changes(
        self,
        child: StackState,
        definition: StackDefinition,
        old: ResourceState,
        state: ResourceState,
    ) -> bool:
        before = child.definition
        if before is None or is_changed(before, definition):
            return True
        if any(True for _ in diff_values(old.resolved, state.resolved)):
            return True
        drifted = self._drifted
        return child.id in drifted or bool(find_drifted_children(child, self.world.store, drifted))

    # --- clean-up

    def clean_up(self, then: Callable[[], None]) -> None:
        """Delete replaced and removed resources here and in nested stacks; then call ``then``."""
        active = self.values.active_resources()
        removed = [s for name, s in self.stack.resources.items() if name not in active]
        replaced = [s for s in self.record.replaced if s.deletion_policy != "Retain"]
        states = {f"{s.logical_id} {s.physical_id}": s for s in [*replaced, *removed]}
        before = self.record.definition
        old_needs = find_dependencies(before.template) if before else {}
        needs = {
            key: {
                other
                for other, dependent in states.items()
                if state.logical_id in old_needs.get(dependent.logical_id, ())
            }
            for key, state in reversed(states.items())
        }

        def begin(key: str, end: Done) -> None:
            if states[key] in removed:
                self._delete_removed(states[key], end)
            else:
                self.delete_unlisted(states[key], end)

        def finish() -> None:
            self.set_stack_status("UPDATE_COMPLETE")
            self.world.running.pop(self.stack.id, None)
            then()

        self.run(needs, begin, lambda _ok: self._clean_up_children(finish), cancellable=False)

    def _delete_removed(self, state: ResourceState, end: Done) -> None:
        """Delete a resource that left the template; a failure does not fail the update."""
        if state.status in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
            end(True)
            return

        def ended(_ok: bool) -> None:
            self.stack.resources.pop(state.logical_id, None)
            end(True)

        self.delete_resource(state, state.deletion_policy == "Retain", ended)

    def _clean_up_children(self, then: Callable[[], None]) -> None:
        """Clean up the nested stacks that took part, one after the other."""
        waiting = list(self.record.children.values())

        def clean_up_next() -> None:
            if not waiting:
                then()
                return
            child = waiting.pop(0)
            update = self.world.running.get(child.id)
            if isinstance(update, Update) and child.status == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS":
                update.clean_up(clean_up_next)
            else:
                clean_up_next()

        clean_up_next()
