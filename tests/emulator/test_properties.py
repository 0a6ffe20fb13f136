"""For random stacks and changes: what was predicted happens, and the way to a state does not
matter."""

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from stackwright.cfn.changes import Replacement
from stackwright.emulator.api.cloudformation import LocalCloudFormation
from stackwright.emulator.world.faults import Fault
from stackwright.emulator.world.settings import EmulatorSettings
from tests.cfn.test_properties import stacks


def arguments(stack):
    given_values = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()
    ]
    return {
        "StackName": "s",
        "TemplateBody": json.dumps(stack.template.data),
        "Parameters": given_values,
    }


def created(stack):
    engine = LocalCloudFormation(EmulatorSettings(source=lambda: 0.0))
    engine.call("CreateStack", arguments(stack))
    assume(status(engine) == "CREATE_COMPLETE")
    return engine


def status(engine):
    return engine.call("DescribeStacks", {"StackName": "s"})["Stacks"][0]["StackStatus"]


def state(engine):
    """Logical id -> physical id and properties."""
    answer = engine.store.stack("s").resources
    return {name: (resource.physical_id, resource.properties) for name, resource in answer.items()}


def change_set(engine, stack):
    made = engine.call("CreateChangeSet", {**arguments(stack), "ChangeSetName": "c"})
    return engine.store.change_sets[made["Id"]]


@given(stacks(), stacks())
def test_update_and_creation_reach_equal_state(before, after):
    engine, fresh = created(before), created(after)
    planned = change_set(engine, after)
    assume(planned.status == "CREATE_COMPLETE")
    old = state(engine)
    engine.call("ExecuteChangeSet", {"ChangeSetName": planned.id})
    assume(status(engine) == "UPDATE_COMPLETE")
    new = state(engine)
    assert new == state(fresh)

    predicted = {change.logical_id: change for change in planned.prediction.changes}
    for name in old.keys() & new.keys():
        change = predicted.get(name)
        assert (change is not None and change.real) == (old[name] != new[name])
        replacement = change.replacement if change else Replacement.FALSE
        if replacement is not Replacement.CONDITIONAL:
            assert (replacement is Replacement.TRUE) == (old[name][0] != new[name][0])
    assert {n for n, c in predicted.items() if c.action == "Add"} == new.keys() - old.keys()
    assert {n for n, c in predicted.items() if c.action == "Remove"} == old.keys() - new.keys()


def steps(planned):
    """The operations that an update will make, each as (operation, which of its kind)."""
    made = [
        change
        for change in planned.prediction.changes
        if change.action == "Add" or change.replacement is Replacement.TRUE
    ]
    changed = [
        change
        for change in planned.prediction.changes
        if change.action == "Modify" and change not in made
    ]
    kinds = {"create": len(made), "update": len(changed)}
    return [(operation, nth) for operation, count in kinds.items() for nth in range(1, count + 1)]


@given(stacks(), stacks(), st.integers(0, 7))
def test_failed_update_restores_resources(before, after, pick):
    engine = created(before)
    planned = change_set(engine, after)
    assume(planned.status == "CREATE_COMPLETE")
    possible = steps(planned)
    assume(possible)
    operation, nth = possible[pick % len(possible)]
    old = state(engine)
    engine.fault(Fault("no", operation=operation, nth=nth))
    engine.call("ExecuteChangeSet", {"ChangeSetName": planned.id})
    failures = [
        e.reason
        for e in engine.store.stack("s").events
        if e.status in ("CREATE_FAILED", "UPDATE_FAILED")
    ]
    assume(
        failures and failures[0] == "no"
    )  # a name that is taken fails too, and the fault then strikes later
    assert status(engine) == "UPDATE_ROLLBACK_COMPLETE"
    assert state(engine) == old


@given(stacks(), st.integers(0, 3))
def test_failed_creation_deletes_everything(stack, pick):
    engine = LocalCloudFormation(EmulatorSettings(source=lambda: 0.0))
    engine.fault(Fault("no", operation="create", nth=1 + pick % len(stack.template.resources)))
    engine.call("CreateStack", arguments(stack))
    assume(status(engine) != "CREATE_COMPLETE")
    assert status(engine) == "ROLLBACK_COMPLETE"
    assert {resource.status for resource in engine.store.stack("s").resources.values()} <= {
        "DELETE_COMPLETE"
    }
    engine.call("DeleteStack", {"StackName": "s"})
    assert engine.store.stack("s") is None
    again = created(stack)
    assert state(again)
