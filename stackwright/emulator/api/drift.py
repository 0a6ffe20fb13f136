"""Drift detection.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ...cfn import STACK_TYPE, canonical_value
from ..operation.nested import find_children
from ..operation.world import EmulatedWorld
from ..world.state import (
    DriftedProperty,
    DriftedResource,
    DriftedStacks,
    ResourceState,
    StackDriftState,
    StackState,
)
from .actions import Action, ActionFamily, Arguments, Result
from .errors import invalid
from .shapes import sort_resources, to_datetime


class DriftActions(ActionFamily):
    """The actions on drift."""

    def actions(self) -> Mapping[str, Action]:
        return {
            "DescribeStackDriftDetectionStatus": self.describe_stack_drift_detection_status,
            "DescribeStackResourceDrifts": self.describe_stack_resource_drifts,
            "DetectStackDrift": self.detect_stack_drift,
            "DetectStackResourceDrift": self.detect_stack_resource_drift,
        }

    def detect_stack_drift(self, arguments: Arguments) -> Result:
        stack, world = self.find_stack(arguments), self.world
        if not stack.status.endswith("_COMPLETE") or stack.status == "DELETE_COMPLETE":
            text = f"Drift cannot be detected on stack [{stack.name}] in status {stack.status}."
            raise invalid(text)
        asked = set(arguments.get("LogicalResourceIds", ()))
        unknown = sorted(asked - set(stack.resources))
        if unknown:
            raise invalid(f"Resources [{', '.join(unknown)}] do not exist for stack {stack.name}")
        drifts = dict(stack.drift.resources) if stack.drift and asked else {}
        for state in sort_resources(stack):
            drift = detect_drift(world, state) if not asked or state.logical_id in asked else None
            if drift:
                drifts[state.logical_id] = drift
        ready = world.clock.now + world.latency(STACK_TYPE, "drift")
        stack.drift = StackDriftState(world.identities.uuid(), stack.id, ready, drifts)
        world.store.drifts[stack.drift.id] = stack.drift
        return {"StackDriftDetectionId": stack.drift.id}

    def describe_stack_drift_detection_status(self, arguments: Arguments) -> Result:
        id_ = arguments["StackDriftDetectionId"]
        detection = self.world.store.drifts.get(id_)
        if detection is None:
            raise invalid(f"StackDriftDetectionId [{id_}] does not exist")
        shape: Result = {
            "StackId": detection.stack_id,
            "StackDriftDetectionId": detection.id,
            "Timestamp": to_datetime(detection.ready),
        }
        if self.world.clock.now < detection.ready:
            return {**shape, "DetectionStatus": "DETECTION_IN_PROGRESS"}
        return {
            **shape,
            "StackDriftStatus": detection.status,
            "DriftedStackResourceCount": detection.drifted,
            "DetectionStatus": "DETECTION_COMPLETE",
        }

    def describe_stack_resource_drifts(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments)
        statuses = arguments.get("StackResourceDriftStatusFilters")
        drifts = stack.drift.resources.values() if stack.drift else ()
        shapes = [
            _drift_shape(stack, drift)
            for drift in drifts
            if drift.logical_id in stack.resources and (not statuses or drift.status in statuses)
        ]
        return self.pages.cut("StackResourceDrifts", shapes, arguments)

    def detect_stack_resource_drift(self, arguments: Arguments) -> Result:
        name = arguments["LogicalResourceId"]
        self.detect_stack_drift({"StackName": arguments["StackName"], "LogicalResourceIds": [name]})
        stack = self.find_stack(arguments)
        drift = stack.drift.resources.get(name) if stack.drift else None
        if drift is None:
            text = f"Drift of resource {name} cannot be detected: its type does not support it."
            raise invalid(text)
        return {"StackResourceDrift": _drift_shape(stack, drift)}


def detect_drift(world: EmulatedWorld, state: ResourceState) -> DriftedResource | None:
    """The drift of one resource; None where its type cannot be read."""
    reader = world.backend.drift_reader
    if reader is None or not state.physical_id:
        return None
    try:
        return reader.compare(
            state.logical_id, state.type, state.physical_id, state.properties, world.clock.now
        )
    except KeyError:
        return None


def detect_drifted_stacks(world: EmulatedWorld, stack: StackState) -> DriftedStacks:
    """The drift of a stack and of those nested in it, as far as it can be read."""
    states = [state for state in stack.resources.values() if state.type != STACK_TYPE]
    drifts = [detect_drift(world, state) for state in states]
    own = {drift.logical_id: drift for drift in drifts if drift and drift.status != "IN_SYNC"}
    stacks: dict[str, Mapping[str, DriftedResource]] = {stack.id: own} if own else {}
    for child in find_children(stack, world.store).values():
        stacks |= detect_drifted_stacks(world, child)
    return stacks


def _drift_shape(stack: StackState, drift: DriftedResource) -> Result:
    state = stack.resources[drift.logical_id]
    shape: Result = {
        "StackId": stack.id,
        "LogicalResourceId": drift.logical_id,
        "PhysicalResourceId": state.physical_id,
        "ResourceType": state.type,
        "ExpectedProperties": json.dumps(canonical_value(drift.expected), sort_keys=True),
        "StackResourceDriftStatus": drift.status,
        "Timestamp": to_datetime(drift.timestamp),
        "PropertyDifferences": [_difference_shape(item) for item in drift.differences],
    }
    if drift.status != "DELETED":
        shape["ActualProperties"] = json.dumps(drift.actual, sort_keys=True, default=str)
    return shape


def _difference_shape(difference: DriftedProperty) -> Result:
    return {
        "PropertyPath": difference.path,
        "ExpectedValue": difference.expected,
        "ActualValue": difference.actual,
        "DifferenceType": difference.kind,
    }
