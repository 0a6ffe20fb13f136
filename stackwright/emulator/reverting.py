"""Change sets that revert drift: the template is compared with what is, too, and not only with what
was deployed.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..cfn import Schemas
from .drift import DriftedProperty, DriftedResource
from .state import STACK_TYPE, EmulatorState, ResourceState, StackState

MODE = "REVERT_DRIFT"
Drifted = Mapping[str, Mapping[str, DriftedResource]]
"""What has drifted, by the id of the stack and the logical id."""
Compared = Callable[[ResourceState], DriftedResource | None]
_KINDS = {"REMOVE": "Add", "ADD": "Remove", "NOT_EQUAL": "Modify"}
"""What undoes a difference."""


def drifted(stack: StackState, store: EmulatorState, compared: Compared) -> Drifted:
    """What has drifted in a stack and in those nested in it, as far as it can be read."""
    found: dict[str, Mapping[str, DriftedResource]] = {}
    drifts = [compared(state) for state in stack.resources.values() if state.type != STACK_TYPE]
    mine = {each.logical_id: each for each in drifts if each and each.status != "IN_SYNC"}
    if mine:
        found[stack.id] = mine
    for child in _children(stack, store).values():
        found |= drifted(child, store, compared)
    return found


def affected(stack: StackState, store: EmulatorState, found: Drifted) -> dict[str, StackState]:
    """The nested stacks of a stack, by logical id, in which something drifted, or below which."""
    return {
        name: child
        for name, child in _children(stack, store).items()
        if child.id in found or affected(child, store, found)
    }


def _children(stack: StackState, store: EmulatorState) -> dict[str, StackState]:
    named = {
        name: state.physical_id
        for name, state in stack.resources.items()
        if state.type == STACK_TYPE
    }
    return {name: store.stacks[id_] for name, id_ in named.items() if id_ in store.stacks}


def with_drift(
    changes: Iterable[dict[str, Any]],
    stack: StackState,
    found: Drifted,
    nested: Iterable[str],
    schemas: Schemas,
) -> list[dict[str, Any]]:
    """``Changes`` of DescribeChangeSet: the predicted ones, and what reverts drift."""
    listed = {each["ResourceChange"]["LogicalResourceId"]: each for each in changes}
    for name, drift in found.get(stack.id, {}).items():
        change = listed.setdefault(name, _change(stack.resources[name], drift.status == "DELETED"))[
            "ResourceChange"
        ]
        change["ResourceDriftStatus"] = drift.status
        change["Details"] += [
            _detail(stack.resources[name], drift, each, schemas) for each in drift.differences
        ]
    for name in nested:
        listed.setdefault(name, _change(stack.resources[name], gone=False))
    return [listed[name] for name in sorted(listed)]


def _change(state: ResourceState, gone: bool) -> dict[str, Any]:
    place = {"LogicalResourceId": state.logical_id, "PhysicalResourceId": state.physical_id}
    kind = (
        {"Action": "Add"}
        if gone
        else {"Action": "Modify", "Replacement": "False", "Scope": ["Properties"]}
    )
    return {
        "Type": "Resource",
        "ResourceChange": {**place, **kind, "ResourceType": state.type, "Details": []},
    }


def _detail(
    state: ResourceState, drift: DriftedResource, each: DriftedProperty, schemas: Schemas
) -> dict[str, Any]:
    parts = tuple(part for part in each.path.split("/") if part)
    known = schemas.get(state.type)
    target = {
        "Attribute": "Properties",
        "Name": parts[0],
        "Path": f"/Properties{each.path}",
        "RequiresRecreation": str(known.recreation(parts)) if known else "Never",
        "BeforeValue": each.actual,
        "AfterValue": each.expected,
        "BeforeValueFrom": "ACTUAL_STATE",
        "AfterValueFrom": "TEMPLATE",
        "AttributeChangeType": _KINDS[each.kind],
        "Drift": {
            "PreviousValue": each.expected,
            "ActualValue": each.actual,
            "DriftDetectionTimestamp": datetime.fromtimestamp(drift.timestamp, UTC),
        },
    }
    return {"Target": target, "Evaluation": "Static", "ChangeSource": "NoModification"}
