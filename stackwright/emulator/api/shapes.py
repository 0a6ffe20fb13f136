"""Stacks and resources in the shapes of the API's answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...cfn import replace_non_ascii, template_to_text
from ..world.state import Event, OutputState, ResourceState, StackDefinition, StackState

Shape = dict[str, Any]


def to_datetime(seconds: float) -> datetime:
    """The time of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def without_none(shape: Shape) -> Shape:
    """The shape without members that have no value."""
    return {key: value for key, value in shape.items() if value is not None}


def tag_shapes(tags: Mapping[str, Any]) -> list[Shape]:
    """Tags as a list of keys and values."""
    return [{"Key": key, "Value": template_to_text(value)} for key, value in tags.items()]


def parameter_shapes(definition: StackDefinition) -> list[Shape]:
    """The parameters of a stack or change set: the given value or the default, and the value from
    Parameter Store that it names; secrets masked."""
    shapes = []
    for name, declared in definition.template.parameters.items():
        value = definition.parameters.get(name, declared.default)
        items = (
            map(template_to_text, value) if isinstance(value, list) else [template_to_text(value)]
        )
        text = "****" if declared.no_echo else ",".join(items)
        shape = {"ParameterKey": name, "ParameterValue": text}
        if declared.ssm_type and text in definition.stored:
            hidden = declared.no_echo
            shape["ResolvedValue"] = "****" if hidden else definition.stored[text]
        shapes.append(shape)
    return shapes


def event_shape(event: Event) -> Shape:
    """A stack event."""
    return without_none(
        {
            "StackId": event.stack_id,
            "EventId": event.id,
            "StackName": event.stack_name,
            "LogicalResourceId": event.logical_id,
            "PhysicalResourceId": event.physical_id,
            "ResourceType": event.type,
            "Timestamp": to_datetime(event.timestamp),
            "ResourceStatus": event.status,
            "ResourceStatusReason": event.reason,
            "ResourceProperties": event.properties,
            "ClientRequestToken": event.token,
            "OperationId": event.operation_id,
        }
    )


def output_shape(output: OutputState) -> Shape:
    """An output of a stack."""
    return without_none(
        {
            "OutputKey": output.key,
            "OutputValue": replace_non_ascii(output.value),
            "Description": output.description,
            "ExportName": output.export,
        }
    )


def sort_resources(stack: StackState) -> list[ResourceState]:
    """The resources of a stack by logical id."""
    return [stack.resources[name] for name in sorted(stack.resources)]


def stack_drift_shape(stack: StackState) -> Shape:
    """``DriftInformation`` of a stack."""
    if stack.drift is None:
        return {"StackDriftStatus": "NOT_CHECKED"}
    checked = to_datetime(stack.drift.ready)
    return {"StackDriftStatus": stack.drift.status, "LastCheckTimestamp": checked}


def _resource_drift_shape(stack: StackState, logical_id: str) -> Shape:
    drift = stack.drift.resources.get(logical_id) if stack.drift else None
    if drift is None:
        return {"StackResourceDriftStatus": "NOT_CHECKED"}
    checked = to_datetime(drift.timestamp)
    return {"StackResourceDriftStatus": drift.status, "LastCheckTimestamp": checked}


def resource_summary_shape(stack: StackState, state: ResourceState) -> Shape:
    """A resource, as ListStackResources shows it."""
    shape: Shape = {
        "LogicalResourceId": state.logical_id,
        "PhysicalResourceId": state.physical_id,
        "ResourceType": state.type,
        "LastUpdatedTimestamp": to_datetime(state.timestamp),
        "ResourceStatus": state.status,
        "DriftInformation": _resource_drift_shape(stack, state.logical_id),
    }
    return shape | ({"ResourceStatusReason": state.reason} if state.reason else {})


def resource_shape(stack: StackState, state: ResourceState) -> Shape:
    """A resource, as DescribeStackResources shows it."""
    shape = resource_summary_shape(stack, state)
    shape["Timestamp"] = shape.pop("LastUpdatedTimestamp")
    return {"StackName": stack.name, "StackId": stack.id, **shape}
