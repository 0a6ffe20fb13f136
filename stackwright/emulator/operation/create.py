"""Creating resources, and whole stacks."""

from __future__ import annotations

from msgspec.structs import replace

from ...cfn import STACK_TYPE, Resource, ValidationError, parameter_values
from ..world.provider import Refused
from ..world.state import ResourceState, StackDefinition, StackState
from .delete import Delete
from .event_log import USER_INITIATED
from .exports import check_exports_kept
from .imports import find_adoptable
from .nested import child_definition
from .operation import StackOperation
from .rollback import CreateRollback
from .schedule import Done


class ResourceCreation(StackOperation):
    """An operation that creates resources and resolves outputs."""

    def create_resource(self, name: str, end: Done) -> None:
        """Create one resource or nested stack."""
        resource = self.values.definition.template.resources[name]
        now = self.world.clock.now
        state = ResourceState(name, resource.type, "", "CREATE_IN_PROGRESS", now)
        self.record.touched.append(name)
        try:
            state = self.values.resolve_resource(state, resource)
            self.set_status(state, "CREATE_IN_PROGRESS")
            if resource.type == STACK_TYPE:
                self._create_child(state, end)
                return
            if self._adopt(state, resource):
                end(True)
                return
            identity = self.provide("create", state)
        except (Refused, ValidationError) as error:
            self.fail(state, "CREATE", str(error), end)
            return
        state = replace(state, physical_id=identity.id, attributes=identity.attributes)
        self.set_status(state, "CREATE_IN_PROGRESS", "Resource creation Initiated")
        self.wait(state, "create", "CREATE", end)

    def _adopt(self, state: ResourceState, resource: Resource) -> bool:
        """Import a resource that exists already; False where it has to be created."""
        values, world = self.values, self.world
        identity = find_adoptable(
            world, values.definition, resource, state.properties, values.pseudo
        )
        if identity is None:
            return False
        state = replace(
            state, physical_id=identity.id, attributes=identity.attributes, imported=True
        )
        world.backend.provider.adopt(self.request(state))
        self.set_status(state, "IMPORT_IN_PROGRESS", "Resource import started.")
        self.set_status(state, "IMPORT_COMPLETE", "Resource import completed.")
        return True

    def _create_child(self, state: ResourceState, end: Done) -> None:
        name, stack = state.logical_id, self.stack
        definition = child_definition(self.values.definition, state)
        self.world.strike("create", state)
        parameter_values(definition.template, definition.parameters)
        previewed = self.world.previewed.pop((stack.id, name), None)
        child = previewed or self.world.new_child(stack, name)
        self.record.children[name] = child
        state = replace(state, physical_id=child.id)
        self.set_status(state, "CREATE_IN_PROGRESS", "Resource creation Initiated")

        def ended(ok: bool) -> None:
            if ok:
                self.complete(name, "CREATE_COMPLETE", end)
            elif stack.resources[name].status == "CREATE_IN_PROGRESS":
                reason = f"Embedded stack {child.id} was not successfully created: {child.reason}"
                self.fail(state, "CREATE", reason, end)

        Create(self.world, child, ended).start(definition)

    def resolve_outputs(self) -> bool:
        """Give the stack its outputs; False, and a failure, where one cannot be resolved."""
        try:
            outputs = tuple(self.values.outputs())
            check_exports_kept(self.world, self.stack.outputs, outputs)
        except ValidationError as error:
            self.record.failures["outputs"] = [error.message]
            return False
        self.stack.outputs = outputs
        return True


class Create(ResourceCreation):
    """Creates a stack."""

    def start(self, definition: StackDefinition) -> None:
        """Create all resources; on failure do what the stack's ``on_failure`` says."""
        self.stack.definition = definition
        reason = USER_INITIATED if self.stack.parent_id is None else None
        self.begin("CREATE_STACK", "CREATE_IN_PROGRESS", reason)
        self.run(self.values.needs(), self.create_resource, self._end)

    def _end(self, ok: bool) -> None:
        if ok and self.resolve_outputs():
            self.set_stack_status("CREATE_COMPLETE")
            self.finish(True)
        else:
            self._fail()

    def _fail(self) -> None:
        stack, reason = self.stack, self.record.describe_failures()
        self._delete_previewed(stack)
        keep = stack.disable_rollback or stack.on_failure == "DO_NOTHING"
        if keep or stack.parent_id is not None:
            self.set_stack_status("CREATE_FAILED", reason)
            self.finish(False)
        elif stack.on_failure == "DELETE":
            Delete(self.world, stack, self.done).start(reason=reason)
        else:
            rollback = CreateRollback(self.world, stack, self.done, self.record)
            rollback.start(f"{reason.rstrip('.')}. Rollback requested by user.")

    def _delete_previewed(self, stack: StackState) -> None:
        """Delete the nested stacks that were previewed and never started."""
        previewed = self.world.previewed
        for key in [key for key in previewed if key[0] == stack.id]:
            child = previewed.pop(key)
            self._delete_previewed(child)
            self.world.events.set_stack_status(child, "DELETE_COMPLETE")
