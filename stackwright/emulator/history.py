"""Operations on stacks and their events, as DescribeEvents groups them.

docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeEvents.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from .state import ChangeSetState, OperationState, StackState

Shown = dict[str, Any]


def last_operations(stack: StackState) -> list[Shown]:
    """``LastOperations`` of DescribeStacks: the latest operation, and the one that it rolls
    back."""
    found = (
        stack.operations[-2:]
        if stack.operations and "ROLLBACK" in stack.operations[-1].type
        else []
    )
    return [
        {"OperationType": each.type, "OperationId": each.id}
        for each in reversed(found or stack.operations[-1:])
    ]


def of_stack(stack: StackState) -> Iterator[Shown]:
    """The events of all operations on a stack, the latest first."""
    for operation in reversed(stack.operations):
        yield from _events(stack, operation)


def of_operation(stacks: Mapping[str, StackState], operation_id: str) -> list[Shown]:
    """The events of one operation; nothing where it is unknown."""
    for stack in stacks.values():
        for operation in stack.operations:
            if operation.id == operation_id:
                return list(_events(stack, operation))
    return []


def of_change_set(found: ChangeSetState) -> Shown:
    """The one event of the creation of a change set."""
    failed = found.status == "FAILED"
    operation = OperationState(found.operation_id, "CREATE_CHANGESET", found.created, found.token)
    operation.status, operation.end = "FAILED" if failed else "SUCCEEDED", found.created
    reason = {"ResourceStatusReason": found.reason} if found.reason else {}
    return {
        "EventId": found.operation_id,
        "StackId": found.stack_id,
        **_summary(operation),
        **reason,
    }


def _events(stack: StackState, operation: OperationState) -> Iterator[Shown]:
    yield {"EventId": operation.id, "StackId": stack.id, **_summary(operation)}
    for event in reversed(stack.events):
        if event.operation_id != operation.id:
            continue
        failed = event.status.endswith("_FAILED") and event.physical_id != stack.id
        shown: Shown = {
            "EventId": event.id,
            "StackId": stack.id,
            "OperationId": operation.id,
            "EventType": "PROVISIONING_ERROR" if failed else "PROGRESS_EVENT",
            "LogicalResourceId": event.logical_id,
            "PhysicalResourceId": event.physical_id,
            "ResourceType": event.type,
            "Timestamp": _time(event.timestamp),
            "ResourceStatus": event.status,
            "ResourceStatusReason": event.reason,
            "ResourceProperties": event.properties,
            "ClientRequestToken": event.token,
        }
        yield {key: value for key, value in shown.items() if value is not None}


def _summary(operation: OperationState) -> Shown:
    found: Shown = {
        "OperationId": operation.id,
        "OperationType": operation.type,
        "OperationStatus": operation.status,
        "EventType": "STACK_EVENT",
        "Timestamp": _time(operation.start if operation.end is None else operation.end),
        "StartTime": _time(operation.start),
        "EndTime": None if operation.end is None else _time(operation.end),
        "ClientRequestToken": operation.token,
    }
    return {key: value for key, value in found.items() if value is not None}


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
