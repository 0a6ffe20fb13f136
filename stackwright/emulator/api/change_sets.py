"""Change sets: create, describe, list, delete and execute, with those of nested stacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from ...cfn import Prediction, import_names
from ..operation.create import Create
from ..operation.event_log import USER_INITIATED
from ..operation.imports import Identifiers, Import
from ..operation.nested import find_drifted_children
from ..operation.update import Update
from ..world.state import ChangeSetState, StackDefinition, StackState
from .actions import Action, ActionFamily, Arguments, Result
from .definitions import check_updatable, is_true, read_stack_name
from .drift import detect_drifted_stacks
from .early_validation import failure_reason, validate_early
from .errors import ApiError, invalid
from .imports import (
    adopt_existing,
    check_import,
    import_changes,
    mark_imports,
    read_identifiers,
)
from .predictions import make_side, predict, with_predicted_parameters
from .reverting import MODE, add_drift_changes
from .shapes import Shape, parameter_shapes, tag_shapes, to_datetime, without_none

_NO_CHANGES = (
    "The submitted information didn't contain changes. "
    "Submit different information to create a change set."
)


class ChangeSetActions(ActionFamily):
    """The actions on change sets."""

    def actions(self) -> Mapping[str, Action]:
        return {
            "CreateChangeSet": self.create_change_set,
            "DeleteChangeSet": self.delete_change_set,
            "DescribeChangeSet": self.describe_change_set,
            "ExecuteChangeSet": self.execute_change_set,
            "ListChangeSets": self.list_change_sets,
        }

    # --- creating

    def create_change_set(self, arguments: Arguments) -> Result:
        name, kind = read_stack_name(arguments), arguments.get("ChangeSetType", "UPDATE")
        stack = self.world.store.stack(name)
        _check_kind(stack, name, kind, arguments["ChangeSetName"])
        definition = self.definitions.read(arguments, stack)
        if is_true(arguments.get("ImportExistingResources")):
            definition = adopt_existing(definition)
        imports = self._read_imports(stack, definition, arguments) if kind == "IMPORT" else {}
        if stack is None:
            stack = self.world.new_stack(name, status="REVIEW_IN_PROGRESS")
            self.world.events.set_stack_status(stack, "REVIEW_IN_PROGRESS", USER_INITIATED)
        change_set = self._find_repeated(stack, arguments)
        if change_set is None:
            change_set = self._create(stack, definition, kind, arguments)
        change_set.imports = imports
        return {"Id": change_set.id, "StackId": stack.id}

    def _read_imports(
        self, stack: StackState | None, definition: StackDefinition, arguments: Arguments
    ) -> Identifiers:
        given = arguments.get("ResourcesToImport", ())
        identifiers = read_identifiers(given, definition, self.world.schemas)
        target = stack or StackState(arguments["StackName"], "", 0, "")
        check_import(identifiers, target, definition, predict(self.world, target, definition))
        return identifiers

    def _find_repeated(self, stack: StackState, arguments: Arguments) -> ChangeSetState | None:
        """The change set that the same request (by ``ClientToken``) created; raises ApiError where
        another request created one of this name."""
        name, token = arguments["ChangeSetName"], arguments.get("ClientToken")
        for change_set in self._change_sets_of(stack):
            if change_set.name != name:
                continue
            if token is not None and change_set.token == token:
                return change_set
            raise ApiError("AlreadyExistsException", f"ChangeSet {name} already exists")
        return None

    def _change_sets_of(self, stack: StackState) -> Iterator[ChangeSetState]:
        """The change sets of a stack that were not executed."""
        for change_set in self.world.store.change_sets.values():
            if change_set.stack_id == stack.id and change_set.execution != "EXECUTE_COMPLETE":
                yield change_set

    def _create(
        self, stack: StackState, definition: StackDefinition, kind: str, arguments: Arguments
    ) -> ChangeSetState:
        prediction = predict(self.world, stack, definition)
        reverts = arguments.get("DeploymentMode") == MODE and kind == "UPDATE"
        change_set = self._store(
            ChangeSetState(
                name=arguments["ChangeSetName"],
                id="",
                stack_id=stack.id,
                kind=kind,
                created=self.world.clock.now,
                definition=definition,
                prediction=prediction,
                drifted=detect_drifted_stacks(self.world, stack) if reverts else None,
            )
        )
        if prediction.empty and not change_set.drifted and kind != "CREATE":
            change_set.status, change_set.execution = "FAILED", "UNAVAILABLE"
            change_set.reason = _NO_CHANGES
        change_set.operation_id = self.world.identities.uuid()
        change_set.description = arguments.get("Description")
        change_set.token = arguments.get("ClientToken")
        missing = self._find_missing_exports(stack, definition)
        if missing:
            change_set.status, change_set.execution = "FAILED", "UNAVAILABLE"
            change_set.reason = f"No export named {missing[0]} found"
        change_set.include_nested = is_true(arguments.get("IncludeNestedStacks"))
        if kind != "IMPORT" and not is_true(arguments.get("DisableValidation")):
            self._validate(change_set, stack)
        change_set.on_stack_failure = arguments.get("OnStackFailure")
        if change_set.include_nested:
            self._create_children(change_set, stack, prediction)
        return change_set

    def _find_missing_exports(self, stack: StackState, definition: StackDefinition) -> list[str]:
        """The names that the template imports and no stack exports, as far as they are known."""
        side = make_side(self.world, stack, replace(definition, nested={}), definition.stored)
        return sorted(import_names(side, self.world.schemas) - self.world.store.exports().keys())

    def _validate(self, change_set: ChangeSetState, stack: StackState) -> None:
        """Fail a change set by what early validation finds."""
        prediction = change_set.prediction or Prediction(())
        findings = validate_early(self.world, stack, change_set.definition, prediction)
        change_set.findings = tuple(findings)
        if change_set.findings:
            change_set.status, change_set.execution = "FAILED", "UNAVAILABLE"
            change_set.reason = failure_reason(change_set.findings)

    def _store(self, change_set: ChangeSetState) -> ChangeSetState:
        """Give the change set an id, and keep it."""
        pseudo, mark = self.world.pseudo, self.world.identities.uuid()
        place = f"{pseudo.partition}:cloudformation:{pseudo.region}:{pseudo.account_id}"
        change_set.id = f"arn:{place}:changeSet/{change_set.name}/{mark}"
        self.world.store.change_sets[change_set.id] = change_set
        return change_set

    def _create_children(
        self, change_set: ChangeSetState, stack: StackState, prediction: Prediction
    ) -> None:
        """Create the change sets of the nested stacks that change or have drifted."""
        world = self.world
        for change in prediction.listed:
            name = change.logical_id
            inner = change_set.definition.nested.get(name)
            if change.nested is None or inner is None:
                continue
            state = stack.resources.get(name)
            child = world.store.stacks.get(state.physical_id) if state else None
            if child is None:
                child = world.new_child(stack, name, "REVIEW_IN_PROGRESS")
                world.events.set_stack_status(child, "REVIEW_IN_PROGRESS")
            definition = with_predicted_parameters(
                inner, change.after, change_set.definition.stored
            )
            child_set = self._child_change_set(
                change_set, child, name, str(change.action), definition
            )
            self._store_child(change_set, child_set, child, name, change.nested)
        drifted = find_drifted_children(stack, world.store, change_set.drifted or {})
        for name, child in drifted.items():
            if name not in change_set.children and child.definition is not None:
                child_set = self._child_change_set(
                    change_set, child, name, "Modify", child.definition
                )
                self._store_child(change_set, child_set, child, name, Prediction(()))

    def _child_change_set(
        self,
        parent: ChangeSetState,
        child: StackState,
        logical_id: str,
        kind: str,
        definition: StackDefinition,
    ) -> ChangeSetState:
        return ChangeSetState(
            name=f"{parent.name}-{logical_id}",
            id="",
            stack_id=child.id,
            kind=kind,
            created=self.world.clock.now,
            definition=definition,
            drifted=parent.drifted,
            include_nested=True,
            parent_id=parent.id,
            root_id=parent.root_id or parent.id,
        )

    def _store_child(
        self,
        parent: ChangeSetState,
        change_set: ChangeSetState,
        child: StackState,
        logical_id: str,
        prediction: Prediction,
    ) -> None:
        change_set.prediction = prediction
        self._store(change_set)
        parent.children[logical_id] = change_set.id
        if change_set.kind != "Remove":
            self._validate(change_set, child)
        self._create_children(change_set, child, prediction)
        if change_set.status == "FAILED" and parent.status != "FAILED":
            parent.status, parent.execution = "FAILED", "UNAVAILABLE"
            text = f"Nested change set {change_set.id} was not successfully created"
            parent.reason = f"{text}: Currently in FAILED."

    # --- describing

    def describe_change_set(self, arguments: Arguments) -> Result:
        change_set = self.find_change_set(arguments)
        stack = self.world.store.stacks[change_set.stack_id]
        changes = self._changes(change_set, stack, is_true(arguments.get("IncludePropertyValues")))
        definition = change_set.definition
        shape = self._summarize(change_set) | {
            "Parameters": parameter_shapes(definition),
            "NotificationARNs": list(definition.notification_arns),
            "RollbackConfiguration": {},
            "Capabilities": list(definition.capabilities),
            "Tags": tag_shapes(definition.tags),
            "StackName": stack.name,
        }
        if change_set.on_stack_failure:
            shape["OnStackFailure"] = change_set.on_stack_failure
        if change_set.drifted is not None:
            shape["DeploymentMode"] = MODE
            shape["StackDriftStatus"] = "DRIFTED" if stack.id in change_set.drifted else "IN_SYNC"
        return shape | self.pages.cut("Changes", changes, arguments)

    def _changes(
        self, change_set: ChangeSetState, stack: StackState, with_values: bool
    ) -> list[Shape]:
        changes: list[Shape] = []
        if change_set.imports:
            changes = import_changes(change_set.imports, change_set.definition)
        elif change_set.prediction and change_set.status != "FAILED":
            changes = change_set.prediction.to_api(with_values)
            mark_imports(self.world, stack, change_set.definition, change_set.prediction, changes)
        drifted = change_set.drifted
        if drifted is not None:
            nested = find_drifted_children(stack, self.world.store, drifted)
            changes = add_drift_changes(changes, stack, drifted, nested, self.world.schemas)
        for change in changes:
            child_id = change_set.children.get(change["ResourceChange"]["LogicalResourceId"])
            if child_id:
                change["ResourceChange"]["ChangeSetId"] = child_id
        return changes

    def _summarize(self, change_set: ChangeSetState) -> Result:
        return without_none(
            {
                "ChangeSetName": change_set.name,
                "ChangeSetId": change_set.id,
                "StackId": change_set.stack_id,
                "StackName": self.world.store.stacks[change_set.stack_id].name,
                "CreationTime": to_datetime(change_set.created),
                "ExecutionStatus": change_set.execution,
                "Status": change_set.status,
                "IncludeNestedStacks": change_set.include_nested,
                "StatusReason": change_set.reason,
                "Description": change_set.description,
                "ParentChangeSetId": change_set.parent_id,
                "RootChangeSetId": change_set.root_id,
            }
        )

    def list_change_sets(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments)
        summaries = [self._summarize(change_set) for change_set in self._change_sets_of(stack)]
        return self.pages.cut("Summaries", summaries, arguments)

    # --- deleting and executing

    def delete_change_set(self, arguments: Arguments) -> Result:
        change_set = self.find_change_set(arguments)
        if change_set.parent_id is not None:
            text = f"ChangeSet [{change_set.id}] belongs to a root change set"
            raise ApiError("InvalidChangeSetStatus", text)
        self._delete(change_set)
        return {}

    def _delete(self, change_set: ChangeSetState) -> None:
        """Delete a change set, those of nested stacks, and the nested stacks that exist only for
        the preview."""
        store = self.world.store
        for child_id in change_set.children.values():
            if child_id in store.change_sets:
                self._delete(store.change_sets[child_id])
        stack = store.stacks[change_set.stack_id]
        if change_set.parent_id is not None and stack.status == "REVIEW_IN_PROGRESS":
            self.world.events.set_stack_status(stack, "DELETE_COMPLETE")
        del store.change_sets[change_set.id]

    def execute_change_set(self, arguments: Arguments) -> Result:
        change_set = self.find_change_set(arguments)
        stack = self.world.store.stacks[change_set.stack_id]
        _check_executable(change_set, stack)
        stack.executed_change_set = change_set.id
        stack.disable_rollback = is_true(arguments.get("DisableRollback"))
        stack.retain_except_on_create = is_true(arguments.get("RetainExceptOnCreate"))
        if change_set.on_stack_failure:
            stack.on_failure = change_set.on_stack_failure
        self._adopt_previews(change_set, stack)
        change_set.execution = "EXECUTE_COMPLETE"
        self._delete_others(stack)
        stack.token = arguments.get("ClientRequestToken")
        definition = change_set.definition
        if change_set.imports:
            Import(self.world, stack).start(definition, change_set.imports)
        elif stack.status == "REVIEW_IN_PROGRESS":
            Create(self.world, stack).start(definition)
        else:
            Update(self.world, stack, drifted=change_set.drifted).start(definition)
        return {}

    def _adopt_previews(self, change_set: ChangeSetState, stack: StackState) -> None:
        """Let the operation use the nested stacks that exist since the preview."""
        for logical_id, child_id in change_set.children.items():
            child_change_set = self.world.store.change_sets.pop(child_id)
            child = self.world.store.stacks[child_change_set.stack_id]
            if child.status == "REVIEW_IN_PROGRESS":
                self.world.previewed[stack.id, logical_id] = child
            self._adopt_previews(child_change_set, child)
        change_set.children = {}

    def _delete_others(self, stack: StackState) -> None:
        """Delete the stack's other change sets. The executed one can still be described by its id.

        docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets-execute.html
        """
        for change_set in list(self._change_sets_of(stack)):
            if change_set.id in self.world.store.change_sets:
                self._delete(change_set)


def _check_kind(stack: StackState | None, name: str, kind: str, change_set: str) -> None:
    """Raise ApiError where the stack does not allow a change set of this kind (CREATE, UPDATE,
    IMPORT)."""
    is_new = stack is None or stack.status == "REVIEW_IN_PROGRESS"
    if kind == "CREATE":
        if stack is not None and not is_new:
            text = "already exists and cannot be created again with the changeSet"
            raise invalid(f"Stack [{stack.name}] {text} [{change_set}].")
    elif stack is None:
        if kind != "IMPORT":
            raise invalid(f"Stack [{name}] does not exist")
    elif kind != "IMPORT" or not is_new:
        check_updatable(stack)


def _check_executable(change_set: ChangeSetState, stack: StackState) -> None:
    """Raise ApiError where the change set cannot be executed now."""
    if change_set.execution != "AVAILABLE" or change_set.parent_id is not None:
        text = f"ChangeSet [{change_set.id}] cannot be executed in its current"
        state = f"status of [{change_set.status}]"
        if change_set.execution == "OBSOLETE":
            state = "execution status of [OBSOLETE]"
        raise ApiError("InvalidChangeSetStatus", f"{text} {state}")
    if stack.busy:
        raise invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
