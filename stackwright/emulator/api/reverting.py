"""Change sets that revert drift: they compare the template also with the resources as they are, and
not only with the last deployment.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...cfn import Schemas
from ..world.state import (
    DriftedProperty,
    DriftedResource,
    DriftedStacks,
    ResourceState,
    StackState,
)
from .shapes import Shape, to_datetime

MODE = "REVERT_DRIFT"
_REVERSALS = {"REMOVE": "Add", "ADD": "Remove", "NOT_EQUAL": "Modify"}
"""The change that undoes each kind of difference."""


def add_drift_changes(
    changes: Iterable[Shape],
    stack: StackState,
    drifted: DriftedStacks,
    nested: Iterable[str],
    schemas: Schemas,
) -> list[Shape]:
    """``Changes`` of DescribeChangeSet: the predicted ones, and those that revert drift, here and
    in the ``nested`` stacks."""
    by_name = {change["ResourceChange"]["LogicalResourceId"]: change for change in changes}
    for name, drift in drifted.get(stack.id, {}).items():
        state = stack.resources[name]
        change = by_name.setdefault(name, _change(state, drift.status == "DELETED"))
        resource_change = change["ResourceChange"]
        resource_change["ResourceDriftStatus"] = drift.status
        resource_change["Details"] += [
            _detail(state, drift, difference, schemas) for difference in drift.differences
        ]
    for name in nested:
        by_name.setdefault(name, _change(stack.resources[name], is_deleted=False))
    return [by_name[name] for name in sorted(by_name)]


def _change(state: ResourceState, is_deleted: bool) -> Shape:
    kind: Shape = {"Action": "Modify", "Replacement": "False", "Scope": ["Properties"]}
    if is_deleted:
        kind = {"Action": "Add"}
    return {
        "Type": "Resource",
        "ResourceChange": {
            "LogicalResourceId": state.logical_id,
            "PhysicalResourceId": state.physical_id,
            **kind,
            "ResourceType": state.type,
            "Details": [],
        },
    }


def _detail(
    state: ResourceState, drift: DriftedResource, difference: DriftedProperty, schemas: Schemas
) -> dict[str, Any]:
    parts = tuple(part for part in difference.path.split("/") if part)
    resource_type = schemas.get(state.type)
    target = {
        "Attribute": "Properties",
        "Name": parts[0],
        "Path": f"/Properties{difference.path}",
        "RequiresRecreation": str(resource_type.recreation(parts)) if resource_type else "Never",
        "BeforeValue": difference.actual,
        "AfterValue": difference.expected,
        "BeforeValueFrom": "ACTUAL_STATE",
        "AfterValueFrom": "TEMPLATE",
        "AttributeChangeType": _REVERSALS[difference.kind],
        "Drift": {
            "PreviousValue": difference.expected,
            "ActualValue": difference.actual,
            "DriftDetectionTimestamp": to_datetime(drift.timestamp),
        },
    }
    return {"Target": target, "Evaluation": "Static", "ChangeSource": "NoModification"}
