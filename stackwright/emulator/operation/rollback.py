"""Rolling back what an operation changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from msgspec.structs import replace

from ...cfn import STACK_TYPE
from ..world.provider import Refused
from ..world.state import ResourceState, StackState
from .delete import ResourceDeletion
from .schedule import Done


class CreateRollback(ResourceDeletion):
    """Deletes the resources of a stack whose creation failed."""

    def start(self, reason: str | None = None) -> None:
        """Delete all resources but those that are retained."""
        self.begin("ROLLBACK", "ROLLBACK_IN_PROGRESS", reason)
        self.delete_resources(self.stack.resources.values(), self.retains_on_rollback, self._end)

    def _end(self, ok: bool) -> None:
        reason = None if ok else self.record.describe_failures()
        self.set_stack_status("ROLLBACK_COMPLETE" if ok else "ROLLBACK_FAILED", reason)
        self.stack.outputs = ()
        self.finish(False)


class UpdateRollback(ResourceDeletion):
    """Returns a stack to the state before a failed update.

    It gets the record of the update; a rollback that failed is continued by another one with the
    same record.
    """

    def start(self, reason: str | None = None, skip: Iterable[str] = ()) -> None:
        """Restore resources, nested stacks, outputs and definition.

        Resources to ``skip`` count as restored; those of nested stacks are named
        ``NestedStackName.LogicalId``.
        """
        self._nested_skip = [name for name in skip if "." in name]
        self._skip(skip)
        stack, record = self.stack, self.record
        failed_before = stack.status == "UPDATE_ROLLBACK_FAILED"
        type_ = "CONTINUE_ROLLBACK" if failed_before else "ROLLBACK"
        self.begin(type_, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
        touched = list(dict.fromkeys(record.touched))
        changed = [name for name in touched if name in record.resources]
        created = [stack.resources[name] for name in touched if name not in record.resources]
        for state in record.replaced:  # a rollback that is continued has restored some of them
            name = state.logical_id
            record.replacements.setdefault(name, stack.resources[name])
        if record.definition is not None:
            stack.definition = record.definition
        record.failures.clear()

        def end(ok: bool) -> None:
            if ok:
                self._delete_created([*created, *record.replacements.values()])
                return
            self.set_stack_status("UPDATE_ROLLBACK_FAILED", record.describe_failures())
            self.report(False)

        all_needs = self.values.needs()
        needs = {name: all_needs.get(name, frozenset()) & set(changed) for name in changed}
        self.run(needs, self._begin_restore, end, cancellable=False)

    def _skip(self, names: Iterable[str]) -> None:
        for path in names:
            owner, _, name = path.rpartition(".")
            if owner in ("", self.stack.name) and name in self.record.resources:
                self.record.restored.add(name)
                restored = replace(self.record.resources[name], status="UPDATE_COMPLETE")
                self.stack.resources[name] = restored

    def _begin_restore(self, name: str, end: Done) -> None:
        def restored(ok: bool) -> None:
            if ok:
                self.record.restored.add(name)
            end(ok)

        if name in self.record.restored:
            end(True)
        elif self.record.resources[name].type == STACK_TYPE:
            self._restore_child(name, restored)
        else:
            self._restore(name, restored)

    def _restore(self, name: str, end: Done) -> None:
        before = self.record.resources[name]
        self.set_status(before, "UPDATE_IN_PROGRESS")
        try:
            self.provide("update", before)
        except Refused as error:
            self.fail(before, "UPDATE", str(error), end)
            return
        self.wait(before, "update", "UPDATE", end)

    def _restore_child(self, name: str, end: Done) -> None:
        child = self.record.children.get(name)
        update = self.world.running.get(child.id) if child else None
        self.set_status(self.record.resources[name], "UPDATE_IN_PROGRESS")
        if child is None or update is None:
            self.complete(name, "UPDATE_COMPLETE", end)
            return
        reason = child.reason if child.status == "UPDATE_FAILED" else None
        ended = partial(self._child_ended, name, child, end)
        rollback = UpdateRollback(self.world, child, ended, update.record)
        rollback.start(reason, self._nested_skip)

    def _child_ended(self, name: str, child: StackState, end: Done, _ok: bool) -> None:
        if child.status == "UPDATE_ROLLBACK_COMPLETE":
            self.complete(name, "UPDATE_COMPLETE", end)
        else:
            reason = f"Embedded stack {child.id} was not successfully rolled back: {child.reason}"
            self.fail(self.stack.resources[name], "UPDATE", reason, end)

    def _delete_created(self, created: Iterable[ResourceState]) -> None:
        """Delete the resources that the update created, the latest first."""
        self.set_stack_status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self.stack.outputs = self.record.outputs
        states = {f"{s.logical_id} {s.physical_id}": s for s in reversed(list(created))}

        def end(_ok: bool) -> None:
            self.set_stack_status("UPDATE_ROLLBACK_COMPLETE")
            self.finish(False)

        self.run(
            {key: () for key in states},
            lambda key, ended: self._delete_one(states[key], ended),
            end,
            cancellable=False,
        )

    def _delete_one(self, state: ResourceState, end: Done) -> None:
        is_new = state.logical_id not in self.record.resources
        if is_new:
            self.stack.resources.pop(state.logical_id, None)
        retained = is_new and state.physical_id and self.retains_on_rollback(state)
        if retained or not state.physical_id:
            self.log(state, "DELETE_SKIPPED" if retained else "DELETE_COMPLETE")
            end(True)
            return
        self.delete_unlisted(state, end)
