"""Stacks: create, update, delete, roll back, describe and list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...cfn import ValidationError
from ..operation.create import Create
from ..operation.delete import Delete
from ..operation.exports import check_exports_unused
from ..operation.rollback import CreateRollback, UpdateRollback
from ..operation.update import Update
from ..world.state import StackState
from .actions import Action, ActionFamily, Arguments, Result
from .definitions import check_transforms_approved, check_updatable, is_true, read_stack_name
from .errors import ApiError, invalid
from .events import last_operations
from .predictions import check_resolvable, predict
from .shapes import (
    output_shape,
    parameter_shapes,
    stack_drift_shape,
    tag_shapes,
    to_datetime,
    without_none,
)

_NO_UPDATES = "No updates are to be performed."
_SUMMARY = (
    "StackId", "StackName", "CreationTime", "LastUpdatedTime", "DeletionTime", "StackStatus",
    "StackStatusReason", "ParentId", "RootId", "DriftInformation",
)  # fmt: skip


class StackActions(ActionFamily):
    """The actions on whole stacks."""

    def actions(self) -> Mapping[str, Action]:
        return {
            "CancelUpdateStack": self.cancel_update_stack,
            "ContinueUpdateRollback": self.continue_update_rollback,
            "CreateStack": self.create_stack,
            "DeleteStack": self.delete_stack,
            "DescribeStacks": self.describe_stacks,
            "ListStacks": self.list_stacks,
            "RollbackStack": self.rollback_stack,
            "UpdateStack": self.update_stack,
        }

    def create_stack(self, arguments: Arguments) -> Result:
        name = read_stack_name(arguments)
        if self.world.store.stack(name) is not None:
            raise ApiError("AlreadyExistsException", f"Stack [{name}] already exists")
        if is_true(arguments.get("DisableRollback")) and "OnFailure" in arguments:
            raise invalid("Either DisableRollback or OnFailure can be specified, not both.")
        definition = self.definitions.read(arguments, None)
        policy = self.definitions.read_policy(arguments, "StackPolicy")
        check_transforms_approved(definition)
        check_resolvable(self.world, name, definition)
        stack = self.world.new_stack(name)
        stack.on_failure = arguments.get("OnFailure", "ROLLBACK")
        stack.disable_rollback = is_true(arguments.get("DisableRollback"))
        stack.retain_except_on_create = is_true(arguments.get("RetainExceptOnCreate"))
        stack.termination_protection = is_true(arguments.get("EnableTerminationProtection"))
        stack.policy, stack.token = policy, arguments.get("ClientRequestToken")
        Create(self.world, stack).start(definition)
        return {"StackId": stack.id}

    def update_stack(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments)
        check_updatable(stack)
        definition = self.definitions.read(arguments, stack)
        check_transforms_approved(definition)
        prediction = predict(self.world, stack, definition)
        changed = any(change.real or change.listed for change in prediction.changes)
        if not changed and not prediction.outputs:
            raise invalid(_NO_UPDATES)
        stack.disable_rollback = is_true(arguments.get("DisableRollback"))
        stack.retain_except_on_create = is_true(arguments.get("RetainExceptOnCreate"))
        for change_set in self.world.store.change_sets.values():
            if change_set.stack_id == stack.id and change_set.execution == "AVAILABLE":
                change_set.execution = "OBSOLETE"
        stack.policy = self.definitions.read_policy(arguments, "StackPolicy") or stack.policy
        stack.token = arguments.get("ClientRequestToken")
        policy = self.definitions.read_policy(arguments, "StackPolicyDuringUpdate")
        Update(self.world, stack, policy=policy).start(definition)
        return {"StackId": stack.id}

    def delete_stack(self, arguments: Arguments) -> Result:
        stack = self.world.store.stack(arguments["StackName"])
        if stack is None or not stack.alive:
            return {}
        _check_deletable(stack, self.world.root_of(stack))
        events = self.world.events
        if stack.status == "REVIEW_IN_PROGRESS":
            stack.deleted = self.world.clock.now
            events.set_stack_status(stack, "DELETE_COMPLETE")
            return {}
        try:
            check_exports_unused(self.world, stack)
        except ValidationError as error:
            events.set_stack_status(stack, stack.status, error.message)
            return {}
        if stack.status != "DELETE_IN_PROGRESS":
            stack.token = arguments.get("ClientRequestToken")
            Delete(self.world, stack).start(arguments.get("RetainResources", ()))
        return {}

    def cancel_update_stack(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments)
        update = self.world.running.get(stack.id)
        if stack.status != "UPDATE_IN_PROGRESS" or update is None or update.schedule is None:
            raise invalid("CancelUpdateStack cannot be called from current stack status")
        update.cancel("User Initiated")
        return {}

    def continue_update_rollback(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments)
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            text = "state and can not continue rolling back an update."
            raise invalid(f"Stack:{stack.id} is in {stack.status} {text}")
        skip = arguments.get("ResourcesToSkip", ())
        failed = set(self._failed_resources(stack))
        wrong = [name for name in skip if name not in failed]
        if wrong:
            text = "is not possible: only resources in a FAILED state can be skipped."
            raise invalid(f"Skipping resources [{', '.join(wrong)}] {text}")
        stack.token = arguments.get("ClientRequestToken")
        self._roll_back_update(stack, skip)
        return {}

    def _failed_resources(self, stack: StackState, prefix: str = "") -> Iterator[str]:
        """Yield the names of failed resources as ResourcesToSkip has them: in a nested stack
        ``NestedStackName.LogicalId``. Source:
        https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html
        """
        for name, resource in stack.resources.items():
            if resource.status.endswith("_FAILED"):
                yield f"{prefix}{name}"
            if child := self.world.store.stacks.get(resource.physical_id or ""):
                yield from self._failed_resources(child, f"{child.name}.")

    def rollback_stack(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments)
        if stack.status not in ("CREATE_FAILED", "UPDATE_FAILED"):
            raise invalid(
                f"Stack:{stack.id} is in {stack.status} state and can not be rolled back."
            )
        stack.token = arguments.get("ClientRequestToken")
        stack.retain_except_on_create = is_true(arguments.get("RetainExceptOnCreate"))
        if stack.status == "UPDATE_FAILED":
            self._roll_back_update(stack)
        else:
            CreateRollback(self.world, stack).start()
        return {"StackId": stack.id}

    def _roll_back_update(self, stack: StackState, skip: Iterable[str] = ()) -> None:
        failed = self.world.running.get(stack.id)
        record = failed.record if failed else None
        UpdateRollback(self.world, stack, record=record).start(skip=skip)

    def describe_stacks(self, arguments: Arguments) -> Result:
        if "StackName" in arguments:
            return {"Stacks": [self._describe(self.find_stack(arguments))]}
        alive = [stack for stack in self.world.store.stacks.values() if stack.alive]
        shapes = [self._describe(stack) for stack in reversed(alive)]
        return self.pages.cut("Stacks", shapes, arguments)

    def list_stacks(self, arguments: Arguments) -> Result:
        statuses = arguments.get("StackStatusFilter")
        shapes = [
            self._describe(stack)
            for stack in reversed(self.world.store.stacks.values())
            if not statuses or stack.status in statuses
        ]
        summaries = [{key: shape[key] for key in _SUMMARY if key in shape} for shape in shapes]
        return self.pages.cut("StackSummaries", summaries, arguments)

    def _describe(self, stack: StackState) -> Result:
        shape: Result = {
            "StackId": stack.id,
            "StackName": stack.name,
            "CreationTime": to_datetime(stack.created),
            "StackStatus": stack.status,
            "DisableRollback": stack.disable_rollback,
            "EnableTerminationProtection": self.world.root_of(stack).termination_protection,
            "RollbackConfiguration": {},
            "DriftInformation": stack_drift_shape(stack),
            "LastOperations": last_operations(stack),
            "Outputs": [output_shape(output) for output in stack.outputs],
            "StackStatusReason": stack.reason,
            "ParentId": stack.parent_id,
            "RootId": stack.root_id,
            "ChangeSetId": stack.executed_change_set,
            "LastUpdatedTime": None if stack.updated is None else to_datetime(stack.updated),
            "DeletionTime": None if stack.deleted is None else to_datetime(stack.deleted),
        }
        return without_none(shape | _describe_definition(stack))


def _describe_definition(stack: StackState) -> Result:
    definition = stack.definition
    if definition is None:
        return {"NotificationARNs": [], "Tags": []}
    return {
        "NotificationARNs": list(definition.notification_arns),
        "Tags": tag_shapes(definition.tags),
        "Parameters": parameter_shapes(definition),
        "Capabilities": list(definition.capabilities),
        "Description": definition.template.description or None,
        "RoleARN": definition.role_arn or None,
    }


def _check_deletable(stack: StackState, root: StackState) -> None:
    """Raise ApiError where the stack is protected or busy."""
    if root.termination_protection:
        text = f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
        raise invalid(text)
    if stack.busy and stack.status not in ("CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS"):
        raise invalid(f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
