"""Events of stacks, singly and by operation.

docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeEvents.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..world.state import ChangeSetState, OperationState, StackState
from .actions import Action, ActionFamily, Arguments, Result
from .definitions import is_true
from .errors import invalid
from .shapes import event_shape, to_datetime, without_none

_ERRORS = ("PROVISIONING_ERROR", "VALIDATION_ERROR")


class EventActions(ActionFamily):
    """The actions that describe events."""

    def actions(self) -> Mapping[str, Action]:
        return {
            "DescribeEvents": self.describe_events,
            "DescribeStackEvents": self.describe_stack_events,
        }

    def describe_stack_events(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments, "Stack [{}] does not exist")
        shapes = [event_shape(event) for event in reversed(stack.events)]
        return self.pages.cut("StackEvents", shapes, arguments)

    def describe_events(self, arguments: Arguments) -> Result:
        if "OperationId" in arguments:
            events = self._operation_events(arguments["OperationId"])
        elif "ChangeSetName" in arguments:
            change_set = self.find_change_set(arguments)
            events = [_change_set_event(change_set), *_findings(change_set)]
        elif "StackName" in arguments:
            stack = self.find_stack(arguments)
            events = [
                e for operation in reversed(stack.operations) for e in _events(stack, operation)
            ]
        else:
            raise invalid("One of ChangeSetName, OperationId or StackName must be specified.")
        if is_true(arguments.get("Filters", {}).get("FailedEvents")):
            events = [event for event in events if event["EventType"] in _ERRORS]
        return self.pages.cut("OperationEvents", events, arguments)

    def _operation_events(self, operation_id: str) -> list[Result]:
        """The events of one operation; empty where it is unknown."""
        for stack in self.world.store.stacks.values():
            for operation in stack.operations:
                if operation.id == operation_id:
                    return list(_events(stack, operation))
        return []


def last_operations(stack: StackState) -> list[Result]:
    """``LastOperations`` of a stack: the latest operation, and before it the one that it rolls
    back."""
    rolls_back = bool(stack.operations) and "ROLLBACK" in stack.operations[-1].type
    operations = stack.operations[-2:] if rolls_back else stack.operations[-1:]
    return [
        {"OperationType": operation.type, "OperationId": operation.id}
        for operation in reversed(operations)
    ]


def _change_set_event(change_set: ChangeSetState) -> Result:
    """The one event of the creation of a change set."""
    id_, created = change_set.operation_id, change_set.created
    operation = OperationState(id_, "CREATE_CHANGESET", created, change_set.token)
    operation.status = "FAILED" if change_set.status == "FAILED" else "SUCCEEDED"
    operation.end = created
    reason = {"ResourceStatusReason": change_set.reason} if change_set.reason else {}
    stack_id = change_set.stack_id
    return {"EventId": id_, "StackId": stack_id, **_operation_shape(operation), **reason}


def _findings(change_set: ChangeSetState) -> Iterator[Result]:
    """An event for each finding of early validation."""
    for number, finding in enumerate(change_set.findings):
        yield {
            "EventId": f"{change_set.operation_id}-{number}",
            "StackId": change_set.stack_id,
            "OperationId": change_set.operation_id,
            "OperationType": "CREATE_CHANGESET",
            "EventType": "VALIDATION_ERROR",
            "LogicalResourceId": finding.logical_id,
            "ResourceType": finding.type,
            "Timestamp": to_datetime(change_set.created),
            "ValidationName": finding.name,
            "ValidationFailureMode": "FAIL",
            "ValidationStatus": "FAILED",
            "ValidationStatusReason": finding.reason,
            "ValidationPath": finding.path,
        }


def _events(stack: StackState, operation: OperationState) -> Iterator[Result]:
    """The events of an operation, the latest first, after one for the operation itself."""
    yield {"EventId": operation.id, "StackId": stack.id, **_operation_shape(operation)}
    for event in reversed(stack.events):
        if event.operation_id != operation.id:
            continue
        failed = event.status.endswith("_FAILED") and event.physical_id != stack.id
        shape = event_shape(event)
        del shape["StackName"]
        yield {**shape, "EventType": "PROVISIONING_ERROR" if failed else "PROGRESS_EVENT"}


def _operation_shape(operation: OperationState) -> Result:
    end = operation.end
    return without_none(
        {
            "OperationId": operation.id,
            "OperationType": operation.type,
            "OperationStatus": operation.status,
            "EventType": "STACK_EVENT",
            "Timestamp": to_datetime(operation.start if end is None else end),
            "StartTime": to_datetime(operation.start),
            "EndTime": None if end is None else to_datetime(end),
            "ClientRequestToken": operation.token,
        }
    )
