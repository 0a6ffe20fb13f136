"""Stacks through the emulator's API: statuses, events and texts as AWS's, and nothing lost on
failure."""

import json

import pytest

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator.api.cloudformation import LocalCloudFormation
from stackwright.emulator.api.errors import ApiError
from stackwright.emulator.world.faults import Fault
from stackwright.emulator.world.settings import EmulatorSettings
from tests.support.clock import Clock

TOPIC, PARAMETER = "AWS::SNS::Topic", "AWS::SSM::Parameter"


class Cloud:
    """An engine with files for its nested templates, and the calls as short words."""

    def __init__(self, latency=0.0, page=100):
        self.time, self.files = Clock(), {}
        self.engine = LocalCloudFormation(
            EmulatorSettings(
                Pseudo(region="us-east-2"),
                fetch=self._fetch,
                source=self.time,
                page=page,
                latency=lambda _type, _operation: latency,
            )
        )

    def _fetch(self, url):
        name = url.rpartition("/")[2]
        if name not in self.files:
            raise FileNotFoundError("Access Denied")
        return json.dumps(self.files[name])

    def call(self, action, **arguments):
        return self.engine.call(action, arguments)

    def create(self, resources, name="s", options=None, **sections):
        body = json.dumps({"Resources": resources, **sections})
        self.call("CreateStack", StackName=name, TemplateBody=body, **(options or {}))
        return self.status(name)

    def update(self, resources, name="s", options=None, **sections):
        body = json.dumps({"Resources": resources, **sections})
        self.call("UpdateStack", StackName=name, TemplateBody=body, **(options or {}))
        return self.status(name)

    def stack(self, name="s"):
        return self.call("DescribeStacks", StackName=name)["Stacks"][0]

    def status(self, name="s"):
        return self.stack(name)["StackStatus"]

    def events(self, name="s"):
        answer = self.call("DescribeStackEvents", StackName=name)["StackEvents"]
        return [(event["LogicalResourceId"], event["ResourceStatus"]) for event in reversed(answer)]

    def reason(self, logical_id, status, name="s"):
        events = self.call("DescribeStackEvents", StackName=name)["StackEvents"]
        return next(
            event.get("ResourceStatusReason")
            for event in events
            if (event["LogicalResourceId"], event["ResourceStatus"]) == (logical_id, status)
        )

    def resources(self, name="s"):
        answer = self.call("ListStackResources", StackName=name)["StackResourceSummaries"]
        return {resource["LogicalResourceId"]: resource for resource in answer}

    def everything(self):
        """Every stack with what it is made of."""
        return {
            stack.name: (
                {
                    k: (r.physical_id, r.properties, r.attributes)
                    for k, r in stack.resources.items()
                },
                stack.outputs,
                stack.definition.text if stack.definition else None,
            )
            for stack in self.engine.store.stacks.values()
            if stack.alive
        }


@pytest.fixture
def cloud():
    return Cloud()


def topic(name=None, **more):
    attributes = {
        key: more.pop(key)
        for key in list(more)
        if key.endswith("Policy") or key in ("DependsOn", "Condition")
    }
    return {"Type": TOPIC, "Properties": ({"TopicName": name} if name else {}) | more, **attributes}


def refused(call, code, message):
    with pytest.raises(ApiError) as caught:
        call()
    assert (caught.value.code, caught.value.message) == (code, message)


# --- creating and deleting


def test_dependents_are_created_last_and_deleted_first(cloud):
    resources = {
        "B": topic("b", DisplayName={"Ref": "A"}),
        "A": topic("a"),
        "C": topic("c", DependsOn="B"),
    }
    assert cloud.create(resources) == "CREATE_COMPLETE"
    assert [name for name, status in cloud.events() if status == "CREATE_COMPLETE"] == [
        "A",
        "B",
        "C",
        "s",
    ]
    stack_id = cloud.stack()["StackId"]
    cloud.call("DeleteStack", StackName="s")
    assert cloud.status(stack_id) == "DELETE_COMPLETE"
    assert [name for name, status in cloud.events(stack_id) if status == "DELETE_COMPLETE"] == [
        "C",
        "B",
        "A",
        "s",
    ]
    refused(lambda: cloud.stack(), "ValidationError", "Stack with id s does not exist")


def test_attributes_and_outputs(cloud):
    sections = {
        "Outputs": {
            "Arn": {
                "Value": {"Fn::GetAtt": ["A", "TopicArn"]},
                "Description": "d",
                "Export": {"Name": "e"},
            },
            "Name": {"Value": {"Fn::Sub": "${A.TopicName}-${AWS::StackName}"}},
        }
    }
    cloud.create({"A": topic("a")}, **sections)
    arn = "arn:aws:sns:us-east-2:123456789012:a"
    assert cloud.stack()["Outputs"] == [
        {"OutputKey": "Arn", "OutputValue": arn, "Description": "d", "ExportName": "e"},
        {"OutputKey": "Name", "OutputValue": "a-s"},
    ]
    assert cloud.call("ListExports")["Exports"][0]["Value"] == arn
    assert cloud.resources()["A"]["PhysicalResourceId"] == arn


def test_wrong_property_fails_the_creation_and_rolls_back(cloud):
    resources = {
        "A": topic("a"),
        "B": {"Type": PARAMETER, "Properties": {"Type": "Text", "Value": {"Ref": "A"}}},
    }
    assert cloud.create(resources) == "ROLLBACK_COMPLETE"
    assert cloud.reason("B", "CREATE_FAILED") == (
        "Properties validation failed for resource B with message:\n[#/Type: Text is not a valid enum value]"
    )
    text = "The following resource(s) failed to create: [B]. Rollback requested by user."
    assert cloud.reason("s", "ROLLBACK_IN_PROGRESS") == text
    assert cloud.events()[-4:] == [
        ("B", "DELETE_COMPLETE"),
        ("A", "DELETE_IN_PROGRESS"),
        ("A", "DELETE_COMPLETE"),
        ("s", "ROLLBACK_COMPLETE"),
    ]
    stack_id = cloud.stack()["StackId"]
    body = json.dumps({"Resources": {"A": topic("x")}})
    refused(
        lambda: cloud.call("UpdateStack", StackName="s", TemplateBody=body),
        "ValidationError",
        f"Stack:{stack_id} is in ROLLBACK_COMPLETE state and can not be updated.",
    )


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED"),
        ({"DisableRollback": True}, "CREATE_FAILED"),
        ({"OnFailure": "DELETE"}, "DELETE_COMPLETE"),
        ({}, "ROLLBACK_COMPLETE"),
    ],
)
def test_on_failure_of_creation(cloud, options, status):
    cloud.engine.fault(Fault("no", operation="create", logical_id="B"))
    body = json.dumps({"Resources": {"A": topic("a"), "B": topic("b", DependsOn="A")}})
    stack_id = cloud.call("CreateStack", StackName="s", TemplateBody=body, **options)["StackId"]
    assert cloud.status(stack_id) == status
    kept = cloud.resources(stack_id)["A"]["ResourceStatus"]
    assert kept == ("CREATE_COMPLETE" if status == "CREATE_FAILED" else "DELETE_COMPLETE")


def test_failure_cancels_running_resources():
    cloud = Cloud(latency=10)
    cloud.engine.fault(Fault("no", operation="create", logical_id="B"))
    cloud.create({"A": topic("a"), "B": topic("b")})
    cloud.time.now += 100
    assert cloud.status() == "ROLLBACK_COMPLETE"
    assert cloud.reason("A", "CREATE_FAILED") == "Resource creation cancelled"


def test_retained_resources_stay(cloud):
    cloud.create({"A": topic("a", DeletionPolicy="Retain"), "B": topic("b")})
    stack_id = cloud.stack()["StackId"]
    cloud.call("DeleteStack", StackName="s")
    assert ("A", "DELETE_SKIPPED") in cloud.events(stack_id)
    assert cloud.create({"A": topic("a")}, name="again") == "ROLLBACK_COMPLETE"
    reason = cloud.reason("A", "CREATE_FAILED", "again")
    assert reason == (
        "Resource of type 'AWS::SNS::Topic' with identifier 'arn:aws:sns:us-east-2:123456789012:a' already exists."
    )
    assert cloud.create({"B": topic("b")}, name="free") == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("policy", "options", "kept"),
    [
        ("Retain", {}, True),
        ("Retain", {"RetainExceptOnCreate": True}, False),
        ("RetainExceptOnCreate", {}, False),
        ("Delete", {}, False),
    ],
)
def test_rollback_retains_resources_by_policy(cloud, policy, options, kept):
    """docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html"""
    new = {"A": topic("a", DeletionPolicy=policy), "B": topic("b", DependsOn="A")}
    end = ("A", "DELETE_SKIPPED" if kept else "DELETE_COMPLETE")
    cloud.engine.fault(Fault("no", operation="create", logical_id="B"))
    assert cloud.create(new, options=options) == "ROLLBACK_COMPLETE"
    assert end in cloud.events()
    cloud.create({"C": topic("c", DeletionPolicy=policy)}, name="t")
    cloud.engine.fault(Fault("no", operation="create", logical_id="B"))
    more = new | {
        "A": topic("other", DeletionPolicy=policy),
        "C": topic("c", DeletionPolicy=policy),
    }
    assert cloud.update(more, "t", options) == "UPDATE_ROLLBACK_COMPLETE"
    assert end in cloud.events("t")
    assert set(cloud.resources("t")) == {"C"}


def test_deletion_that_fails_can_be_repeated_or_skipped(cloud):
    cloud.create({"A": topic("a"), "B": topic("b")})
    stack_id = cloud.stack()["StackId"]
    cloud.engine.fault(Fault("in use", operation="delete", logical_id="A"))
    cloud.call("DeleteStack", StackName="s")
    assert cloud.status() == "DELETE_FAILED"
    assert cloud.reason("s", "DELETE_FAILED") == "The following resource(s) failed to delete: [A]."
    cloud.call("DeleteStack", StackName="s", RetainResources=["A"])
    assert cloud.status(stack_id) == "DELETE_COMPLETE"


def test_time_passes_by_latency():
    cloud = Cloud(latency=10)
    assert (
        cloud.create({"A": topic("a"), "B": topic("b"), "C": topic("c", DependsOn="A")})
        == "CREATE_IN_PROGRESS"
    )
    cloud.time.now += 10
    assert cloud.resources()["B"]["ResourceStatus"] == "CREATE_COMPLETE"
    assert cloud.status() == "CREATE_IN_PROGRESS"
    text = (
        f"Stack:{cloud.stack()['StackId']} is in CREATE_IN_PROGRESS state and can not be updated."
    )
    refused(lambda: cloud.update({"A": topic("x")}), "ValidationError", text)
    cloud.time.now += 10
    assert cloud.status() == "CREATE_COMPLETE"
    seconds = [
        e["Timestamp"].timestamp()
        for e in cloud.call("DescribeStackEvents", StackName="s")["StackEvents"]
    ]
    assert seconds == sorted(seconds, reverse=True)
    assert seconds[0] - seconds[-1] == 20


def test_stack_can_be_deleted_during_creation():
    cloud = Cloud(latency=10)
    cloud.create({"A": topic("a"), "B": topic("b", DependsOn="A")})
    id_ = cloud.stack()["StackId"]
    cloud.time.now += 15
    cloud.call("DeleteStack", StackName="s")
    assert cloud.status(id_) == "DELETE_IN_PROGRESS"
    assert cloud.reason("B", "CREATE_FAILED", id_) == "Resource creation cancelled"
    cloud.time.now += 30
    assert cloud.status(id_) == "DELETE_COMPLETE"
    assert [name for name, status in cloud.events(id_) if status == "DELETE_COMPLETE"] == [
        "B",
        "A",
        "s",
    ]


def test_stack_cannot_be_deleted_during_update():
    cloud = Cloud(latency=10)
    cloud.create({"A": topic("a")})
    cloud.time.now += 10
    assert cloud.update({"A": topic("a", DisplayName="x")}) == "UPDATE_IN_PROGRESS"
    refused(lambda: cloud.call("DeleteStack", StackName="s"), "ValidationError",
            "Stack [s] cannot be deleted while in status UPDATE_IN_PROGRESS")  # fmt: skip


# --- updating


def test_update_touches_only_changed_resources(cloud):
    cloud.create(
        {
            "A": topic("a"),
            "B": topic("b"),
            "C": topic("c", DisplayName={"Fn::GetAtt": ["A", "DisplayName"]}),
        }
        | {"A": topic("a", DisplayName="1")}
    )
    before = len(cloud.events())
    resources = {
        "A": topic("a", DisplayName="2"),
        "B": topic("b"),
        "C": topic("c", DisplayName={"Fn::GetAtt": ["A", "DisplayName"]}),
    }
    assert cloud.update(resources) == "UPDATE_COMPLETE"
    assert cloud.events()[before:] == [
        ("s", "UPDATE_IN_PROGRESS"),
        ("A", "UPDATE_IN_PROGRESS"),
        ("A", "UPDATE_COMPLETE"),
        ("C", "UPDATE_IN_PROGRESS"),
        ("C", "UPDATE_COMPLETE"),
        ("s", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("s", "UPDATE_COMPLETE"),
    ]


def test_clean_up_deletes_replaced_and_removed_resources(cloud):
    cloud.create(
        {
            "A": topic("a"),
            "B": topic("b", DisplayName={"Ref": "A"}),
            "C": topic("c"),
            "R": topic("r", DeletionPolicy="Retain"),
        }
    )
    before = len(cloud.events())
    cloud.update({"A": topic("x"), "B": topic("b", DisplayName={"Ref": "A"})})
    events = cloud.events()[before:]
    clean = events.index(("s", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"))
    assert events[:clean].count(("A", "UPDATE_IN_PROGRESS")) == 2
    assert set(events[clean + 1 : -1]) == {
        ("A", "DELETE_IN_PROGRESS"),
        ("A", "DELETE_COMPLETE"),
        ("C", "DELETE_IN_PROGRESS"),
        ("C", "DELETE_COMPLETE"),
        ("R", "DELETE_SKIPPED"),
    }
    assert set(cloud.resources()) == {"A", "B"}
    assert cloud.create({"A": topic("a")}, name="free") == "CREATE_COMPLETE"


def test_failed_update_restores_everything(cloud):
    old = {
        "A": topic("a", DisplayName="1"),
        "B": topic("b"),
        "C": topic("c", DependsOn=["A", "B", "N"]),
        "N": topic(),
    }
    cloud.create(old, Outputs={"O": {"Value": "1"}})
    state = cloud.everything()
    cloud.engine.fault(Fault("no", operation="update", logical_id="C"))
    new = old | {
        "A": topic("a", DisplayName="2"),
        "B": topic("x"),
        "C": topic("c", DisplayName="2", DependsOn=["A", "B", "M"]),
        "M": topic("m"),
    }
    assert cloud.update(new, Outputs={"O": {"Value": "2"}}) == "UPDATE_ROLLBACK_COMPLETE"
    assert (
        cloud.reason("s", "UPDATE_ROLLBACK_IN_PROGRESS")
        == "The following resource(s) failed to update: [C]."
    )
    assert cloud.everything() == state
    assert cloud.events()[-1] == ("s", "UPDATE_ROLLBACK_COMPLETE")
    assert cloud.update(new) == "UPDATE_COMPLETE"


def test_update_with_disabled_rollback_stays_failed(cloud):
    cloud.create({"A": topic("a")})
    cloud.engine.fault(Fault("no", operation="update"))
    assert (
        cloud.update({"A": topic("a", DisplayName="x")}, options={"DisableRollback": True})
        == "UPDATE_FAILED"
    )
    assert cloud.update({"A": topic("a", DisplayName="y")}) == "UPDATE_COMPLETE"


def test_rollback_can_fail(cloud):
    cloud.create({"A": topic("a"), "B": topic("b", DependsOn="A")})
    cloud.engine.fault(Fault("no", operation="update", logical_id="B"))
    cloud.engine.fault(Fault("never", operation="update", logical_id="A", nth=2))
    new = {"A": topic("a", DisplayName="x"), "B": topic("b", DisplayName="x", DependsOn="A")}
    assert cloud.update(new) == "UPDATE_ROLLBACK_FAILED"
    assert cloud.stack()["StackStatusReason"] == "The following resource(s) failed to update: [A]."


@pytest.mark.parametrize("skip", [[], ["A"]])
def test_failed_rollback_can_be_continued(cloud, skip):
    cloud.create({"A": topic("a"), "B": topic("b", DependsOn="A")})
    state = cloud.everything()
    cloud.engine.fault(Fault("no", operation="update", logical_id="B"))
    cloud.engine.fault(Fault("never", operation="update", logical_id="A", nth=2))
    new = {
        "A": topic("a", DisplayName="x"),
        "B": topic("b", DisplayName="x", DependsOn="A"),
        "C": topic("c"),
    }
    assert cloud.update(new) == "UPDATE_ROLLBACK_FAILED"
    before = len(cloud.events())
    with pytest.raises(ApiError, match="only resources in a FAILED state can be skipped"):
        cloud.call("ContinueUpdateRollback", StackName="s", ResourcesToSkip=["X"])
    cloud.call("ContinueUpdateRollback", StackName="s", ResourcesToSkip=skip)
    assert cloud.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert (("A", "UPDATE_COMPLETE") in cloud.events()[before:]) == (not skip)
    assert cloud.everything() == state
    with pytest.raises(ApiError, match="can not continue rolling back an update"):
        cloud.call("ContinueUpdateRollback", StackName="s")


def test_continued_rollback_keeps_the_resource_that_was_to_be_replaced(cloud):
    cloud.create({"A": topic("a"), "B": topic("b"), "C": topic("c", DependsOn=["A", "B"])})
    cloud.engine.fault(Fault("no", operation="update", logical_id="C"))
    cloud.engine.fault(Fault("never", operation="update", logical_id="B", nth=2))
    new = {
        "A": topic("z"),
        "B": topic("b", DisplayName="x"),
        "C": topic("c", DisplayName="x", DependsOn=["A", "B"]),
    }
    assert cloud.update(new) == "UPDATE_ROLLBACK_FAILED"
    cloud.call("ContinueUpdateRollback", StackName="s")
    assert cloud.status() == "UPDATE_ROLLBACK_COMPLETE"
    events = cloud.call("DescribeStackEvents", StackName="s")["StackEvents"]
    deleted = {
        event["PhysicalResourceId"].rpartition(":")[2]
        for event in events
        if event["ResourceStatus"] == "DELETE_COMPLETE"
    }
    assert deleted == {"z"}


def test_failed_stack_can_be_rolled_back_later(cloud):
    cloud.create({"A": topic("a")})
    state = cloud.everything()
    cloud.engine.fault(Fault("no", operation="create", logical_id="B"))
    new = {"A": topic("a", DisplayName="x"), "B": topic("b", DependsOn="A")}
    assert cloud.update(new, options={"DisableRollback": True}) == "UPDATE_FAILED"
    cloud.call("RollbackStack", StackName="s")
    assert cloud.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.everything() == state
    with pytest.raises(ApiError, match="can not be rolled back"):
        cloud.call("RollbackStack", StackName="s")
    cloud.engine.fault(Fault("no", operation="create", logical_id="B"))
    other = {"A": topic("z"), "B": topic("y", DependsOn="A")}
    assert cloud.create(other, name="t", options={"DisableRollback": True}) == "CREATE_FAILED"
    cloud.call("RollbackStack", StackName="t")
    assert cloud.status("t") == "ROLLBACK_COMPLETE"


def test_cancelling_rolls_back():
    cloud = Cloud(latency=10)
    cloud.create({"A": topic("a")})
    cloud.time.now += 10
    state = cloud.everything()
    cloud.update({"A": topic("a", DisplayName="x")})
    cloud.call("CancelUpdateStack", StackName="s")
    cloud.time.now += 10
    assert cloud.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.reason("A", "UPDATE_FAILED") == "Resource update cancelled"
    assert cloud.everything() == state
    with pytest.raises(
        ApiError, match="CancelUpdateStack cannot be called from current stack status"
    ):
        cloud.call("CancelUpdateStack", StackName="s")


def test_update_without_changes_is_refused(cloud):
    cloud.create({"A": topic("a")})
    refused(
        lambda: cloud.update({"A": topic("a")}),
        "ValidationError",
        "No updates are to be performed.",
    )


def test_previous_template_and_values(cloud):
    declared = {"P": {"Type": "String"}, "Q": {"Type": "String", "Default": "q"}}
    given = [{"ParameterKey": "P", "ParameterValue": "1"}]
    resources = {"A": topic("a", DisplayName={"Fn::Sub": "${P}${Q}"})}
    cloud.create(
        resources,
        options={"Parameters": given, "Tags": [{"Key": "k", "Value": "v"}]},
        Parameters=declared,
    )
    previous = [
        {"ParameterKey": "P", "UsePreviousValue": True},
        {"ParameterKey": "Q", "ParameterValue": "z"},
    ]
    cloud.call("UpdateStack", StackName="s", UsePreviousTemplate=True, Parameters=previous)
    shown = cloud.stack()
    assert shown["Parameters"] == [
        {"ParameterKey": "P", "ParameterValue": "1"},
        {"ParameterKey": "Q", "ParameterValue": "z"},
    ]
    assert shown["Tags"] == [{"Key": "k", "Value": "v"}]
    wrong = [{"ParameterKey": "X", "UsePreviousValue": True}]
    with pytest.raises(
        ApiError,
        match="Cannot specify usePreviousValue as true for a parameter key not in the prev",
    ):
        cloud.call("UpdateStack", StackName="s", UsePreviousTemplate=True, Parameters=wrong)


# --- nested stacks


def nested(file, **parameters):
    given = {"Parameters": parameters} if parameters else {}
    return {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"TemplateURL": f"https://b/{file}", **given},
    }


def child(name, **more):
    return {
        "Parameters": {"P": {"Type": "String", "Default": "d"}},
        "Resources": {"T": topic(name, DisplayName={"Ref": "P"}, **more)},
        "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["T", "TopicName"]}}},
    }


ROOT = {
    "One": nested("one"),
    "Two": nested("two", P={"Fn::GetAtt": ["One", "Outputs.Name"]}),
    "K": topic("keep"),
}


def test_nested_stacks_are_created(cloud):
    cloud.files = {"one": child("a"), "two": child("b")}
    assert cloud.create(ROOT) == "CREATE_COMPLETE"
    inner = cloud.stack(cloud.resources()["Two"]["PhysicalResourceId"])
    assert inner["StackName"].startswith("s-Two-")
    assert inner["ParentId"] == inner["RootId"] == cloud.stack()["StackId"]
    assert inner["Parameters"] == [{"ParameterKey": "P", "ParameterValue": "a"}]
    cloud.call("DeleteStack", StackName="s")
    assert cloud.status(inner["StackId"]) == "DELETE_COMPLETE"


def test_change_reaches_the_sibling_through_its_output(cloud):
    cloud.files = {"one": child("a"), "two": child("b")}
    cloud.create(ROOT)
    ids = {name: resource["PhysicalResourceId"] for name, resource in cloud.resources().items()}
    counts = {name: len(cloud.events(id_)) for name, id_ in ids.items() if name != "K"}
    cloud.files = {"one": child("x"), "two": child("b")}
    assert cloud.update(ROOT) == "UPDATE_COMPLETE"
    assert [status for name, status in cloud.events(ids["One"])[counts["One"] :] if name == "T"][
        -1
    ] == "DELETE_COMPLETE"
    assert cloud.events(ids["Two"])[counts["Two"] + 1] == ("T", "UPDATE_IN_PROGRESS")
    assert cloud.status(ids["One"]) == cloud.status(ids["Two"]) == "UPDATE_COMPLETE"
    assert ("K", "UPDATE_IN_PROGRESS") not in cloud.events()


def test_failing_nested_stack_fails_parent(cloud):
    cloud.files = {"one": child("a"), "two": child("b")}
    cloud.engine.fault(Fault("no", operation="create", type=TOPIC, nth=2))
    assert cloud.create({"One": ROOT["One"], "Two": ROOT["Two"]}) == "ROLLBACK_COMPLETE"
    id_ = cloud.resources()["Two"]["PhysicalResourceId"]
    reason = "The following resource(s) failed to create: [T]."
    assert (
        cloud.reason("Two", "CREATE_FAILED")
        == f"Embedded stack {id_} was not successfully created: {reason}"
    )
    assert cloud.status(id_) == "DELETE_COMPLETE"


def test_failing_child_update_restores_its_siblings(cloud):
    cloud.files = {"one": child("a"), "two": child("b")}
    cloud.create(ROOT)
    state = cloud.everything()
    cloud.files = {"one": child("x"), "two": child("b")}
    cloud.engine.fault(Fault("no", operation="update", logical_id="T"))
    assert cloud.update(ROOT) == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.everything() == state
    for name in ("One", "Two"):
        assert (
            cloud.status(cloud.resources()[name]["PhysicalResourceId"])
            == "UPDATE_ROLLBACK_COMPLETE"
        )
    assert "was not successfully updated. Currently in UPDATE_FAILED" in cloud.reason(
        "Two", "UPDATE_FAILED"
    )


def test_nested_change_sets_create_the_nested_stacks(cloud):
    cloud.files = {"one": child("a"), "two": child("b")}
    made = cloud.call(
        "CreateChangeSet",
        StackName="s",
        ChangeSetName="c",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": ROOT}),
        IncludeNestedStacks=True,
    )
    changes = cloud.call("DescribeChangeSet", ChangeSetName=made["Id"])["Changes"]
    inner = {
        c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"].get("ChangeSetId")
        for c in changes
    }
    assert inner["K"] is None
    shown = cloud.call("DescribeChangeSet", ChangeSetName=inner["One"])
    assert (shown["ParentChangeSetId"], shown["RootChangeSetId"]) == (made["Id"], made["Id"])
    assert [c["ResourceChange"]["LogicalResourceId"] for c in shown["Changes"]] == ["T"]
    assert cloud.status(shown["StackId"]) == "REVIEW_IN_PROGRESS"
    with pytest.raises(ApiError, match="cannot be executed"):
        cloud.call("ExecuteChangeSet", ChangeSetName=inner["One"])
    cloud.call("ExecuteChangeSet", ChangeSetName=made["Id"])
    assert cloud.status() == "CREATE_COMPLETE"
    assert cloud.resources()["One"]["PhysicalResourceId"] == shown["StackId"]
    names = [s["StackName"] for s in cloud.call("ListStacks")["StackSummaries"]]
    assert len(names) == 3


def test_deleted_change_set_leaves_no_nested_stack(cloud):
    cloud.files = {"one": child("a"), "two": child("b")}
    body = json.dumps({"Resources": ROOT})
    arguments = {
        "StackName": "s",
        "ChangeSetName": "c",
        "TemplateBody": body,
        "IncludeNestedStacks": True,
    }
    made = cloud.call("CreateChangeSet", ChangeSetType="CREATE", **arguments)
    cloud.call("DeleteChangeSet", ChangeSetName=made["Id"])
    alive = {s["StackName"] for s in cloud.call("DescribeStacks")["Stacks"]}
    assert alive == {"s"}
    cloud.call("DeleteStack", StackName="s")
    assert cloud.call("DescribeStacks")["Stacks"] == []


def test_missing_nested_template_is_refused(cloud):
    with pytest.raises(ApiError, match="S3 error: Access Denied"):
        cloud.create(ROOT)
    with pytest.raises(ApiError, match="TemplateURL must be a supported URL"):
        cloud.create(
            {"N": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "./one"}}}
        )


# --- change sets


def change_set(cloud, resources, name="c", kind="UPDATE", **more):
    body = json.dumps({"Resources": resources})
    return cloud.call(
        "CreateChangeSet",
        StackName="s",
        ChangeSetName=name,
        ChangeSetType=kind,
        TemplateBody=body,
        **more,
    )["Id"]


def test_change_sets_wait_in_review(cloud):
    id_ = change_set(
        cloud, {"A": topic("a")}, kind="CREATE", Description="d", OnStackFailure="DELETE"
    )
    assert cloud.status() == "REVIEW_IN_PROGRESS"
    shown = cloud.call("DescribeChangeSet", ChangeSetName="c", StackName="s")
    assert (shown["ChangeSetId"], shown["Status"], shown["ExecutionStatus"]) == (
        id_,
        "CREATE_COMPLETE",
        "AVAILABLE",
    )
    assert (shown["Description"], shown["OnStackFailure"]) == ("d", "DELETE")
    assert [
        change_set["ChangeSetName"]
        for change_set in cloud.call("ListChangeSets", StackName="s")["Summaries"]
    ] == ["c"]
    cloud.call("ExecuteChangeSet", ChangeSetName="c", StackName="s")
    assert cloud.status() == "CREATE_COMPLETE"
    assert cloud.stack()["ChangeSetId"] == id_


def test_empty_change_set_fails_with_the_wording_of_aws(cloud):
    cloud.create({"A": topic("a")})
    id_ = change_set(cloud, {"A": topic("a")})
    shown = cloud.call("DescribeChangeSet", ChangeSetName=id_)
    assert (shown["Status"], shown["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert shown["StatusReason"].startswith("The submitted information didn't contain changes.")
    with pytest.raises(ApiError, match=r"cannot be executed in its current status of \[FAILED\]"):
        cloud.call("ExecuteChangeSet", ChangeSetName=id_)


def test_execution_deletes_other_change_sets(cloud):
    cloud.create({"A": topic("a")})
    one, two = (
        change_set(cloud, {"A": topic("b")}, "one"),
        change_set(cloud, {"A": topic("c")}, "two"),
    )
    cloud.call("ExecuteChangeSet", ChangeSetName=one)
    with pytest.raises(ApiError) as caught:
        cloud.call("DescribeChangeSet", ChangeSetName="two", StackName="s")
    assert (caught.value.code, caught.value.status) == ("ChangeSetNotFound", 404)
    with pytest.raises(ApiError) as caught:
        cloud.call("DescribeChangeSet", ChangeSetName=two)
    assert (caught.value.code, str(caught.value)) == (
        "ChangeSetNotFound",
        f"ChangeSet [{two}] does not exist",
    )


def test_executed_change_set_can_be_described_by_id(cloud):
    cloud.create({"A": topic("a")})
    id_ = change_set(cloud, {"A": topic("b")})
    cloud.call("ExecuteChangeSet", ChangeSetName=id_)
    assert (
        cloud.call("DescribeChangeSet", ChangeSetName=id_)["ExecutionStatus"] == "EXECUTE_COMPLETE"
    )
    assert cloud.call("ListChangeSets", StackName="s")["Summaries"] == []
    with pytest.raises(ApiError, match="cannot be executed"):
        cloud.call("ExecuteChangeSet", ChangeSetName=id_)
    assert change_set(cloud, {"A": topic("c")}) != id_


def test_update_makes_change_sets_obsolete(cloud):
    cloud.create({"A": topic("a")})
    id_ = change_set(cloud, {"A": topic("b")})
    cloud.update({"A": topic("c")})
    assert cloud.call("DescribeChangeSet", ChangeSetName=id_)["ExecutionStatus"] == "OBSOLETE"
    with pytest.raises(ApiError, match=r"current execution status of \[OBSOLETE\]"):
        cloud.call("ExecuteChangeSet", ChangeSetName=id_)


def test_names_of_change_sets_and_tokens(cloud):
    cloud.create({"A": topic("a")})
    id_ = change_set(cloud, {"A": topic("b")}, ClientToken="t")
    assert change_set(cloud, {"A": topic("b")}, ClientToken="t") == id_
    refused(
        lambda: change_set(cloud, {"A": topic("b")}),
        "AlreadyExistsException",
        "ChangeSet c already exists",
    )
    with pytest.raises(ApiError, match=r"Stack \[s\] already exists and cannot be created again"):
        change_set(cloud, {"A": topic("b")}, "d", kind="CREATE")
    with pytest.raises(ApiError, match="ResourcesToImport must be specified"):
        change_set(cloud, {"A": topic("b")}, "d", kind="IMPORT")
    refused(
        lambda: cloud.call("CreateChangeSet", StackName="no", ChangeSetName="c", TemplateBody="{}"),
        "ValidationError",
        "Stack [no] does not exist",
    )


# --- requests


def test_capabilities(cloud):
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}
    named = {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {}, "RoleName": "r"},
    }
    code = "InsufficientCapabilitiesException"
    refused(lambda: cloud.create({"R": role}), code, "Requires capabilities : [CAPABILITY_IAM]")
    iam = {"Capabilities": ["CAPABILITY_IAM"]}
    refused(
        lambda: cloud.create({"R": named}, options=iam),
        code,
        "Requires capabilities : [CAPABILITY_NAMED_IAM]",
    )
    assert cloud.create({"R": role}, options=iam) == "CREATE_COMPLETE"
    summary = cloud.call("ValidateTemplate", TemplateBody=json.dumps({"Resources": {"R": named}}))
    assert summary["Capabilities"] == ["CAPABILITY_NAMED_IAM"]
    assert (
        summary["CapabilitiesReason"]
        == "The following resource(s) require capabilities: [AWS::IAM::Role]"
    )


def test_transforms_need_their_capability(cloud):
    body = json.dumps({"Transform": "AWS::LanguageExtensions", "Resources": {"A": topic("a")}})
    text = "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"
    refused(lambda: cloud.call("CreateStack", StackName="s", TemplateBody=body),
            "InsufficientCapabilitiesException", text)  # fmt: skip
    cloud.call(
        "CreateChangeSet",
        StackName="t",
        ChangeSetName="c",
        ChangeSetType="CREATE",
        TemplateBody=body,
    )
    cloud.call(
        "CreateStack", StackName="s", TemplateBody=body, Capabilities=["CAPABILITY_AUTO_EXPAND"]
    )
    refused(lambda: cloud.call("UpdateStack", StackName="s", TemplateBody=body),
            "InsufficientCapabilitiesException", text)  # fmt: skip


def test_unresolvable_template_creates_no_stack(cloud):
    body = json.dumps({"Resources": {"A": topic("a", DisplayName={"Fn::Select": [3, ["a"]]})}})
    refused(lambda: cloud.call("CreateStack", StackName="s", TemplateBody=body), "ValidationError",
            "Template error: Fn::Select  cannot select nonexistent value at index 3")  # fmt: skip
    refused(
        lambda: cloud.call("DescribeStacks", StackName="s"),
        "ValidationError",
        "Stack with id s does not exist",
    )


def test_disable_rollback_excludes_on_failure(cloud):
    refused(lambda: cloud.create({"A": topic("a")}, options={"OnFailure": "DELETE", "DisableRollback": True}),
            "ValidationError", "Either DisableRollback or OnFailure can be specified, not both.")  # fmt: skip


def test_do_nothing_creation_cannot_be_updated(cloud):
    cloud.engine.fault(Fault("no", logical_id="A"))
    assert cloud.create({"A": topic("a")}, options={"OnFailure": "DO_NOTHING"}) == "CREATE_FAILED"
    text = "This stack cannot be updated from [CREATE_FAILED] state because it contains [on-failure: DO_NOTHING]. "
    refused(lambda: cloud.update({"A": topic("b")}), "ValidationError",
            f"{text}Please use disable-rollback option instead during stack creation.")  # fmt: skip


def test_get_template_returns_original(cloud):
    declared = {"P": {"Type": "String", "Default": "x", "AllowedValues": ["x"]}}
    body = json.dumps({"Description": "d", "Parameters": declared, "Resources": {"A": topic("a")}})
    cloud.call("CreateStack", StackName="s", TemplateBody=body)
    assert cloud.call("GetTemplate", StackName="s")["TemplateBody"] == body
    summary = cloud.call("GetTemplateSummary", StackName="s")
    assert (summary["ResourceTypes"], summary["Description"]) == ([TOPIC], "d")
    assert summary["Parameters"][0]["ParameterConstraints"] == {"AllowedValues": ["x"]}
    assert cloud.stack()["Description"] == "d"


def test_imported_exports_cannot_change(cloud):
    cloud.create({"A": topic("a")}, Outputs={"O": {"Value": "v", "Export": {"Name": "e"}}})
    user = {"B": topic("b", DisplayName={"Fn::ImportValue": "e"})}
    cloud.create(user, name="user")
    assert cloud.call("ListImports", ExportName="e")["Imports"] == ["user"]
    gone = "Delete canceled. Cannot delete export e as it is in use by user."
    other = "Export e cannot be updated as it is in use by user"
    for outputs, text in (({}, gone), ({"O": {"Value": "w", "Export": {"Name": "e"}}}, other)):
        assert cloud.update({"A": topic("a")}, Outputs=outputs) == "UPDATE_ROLLBACK_COMPLETE"
        assert cloud.reason("s", "UPDATE_ROLLBACK_IN_PROGRESS") == text
    cloud.call("DeleteStack", StackName="s")
    assert cloud.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.stack()["StackStatusReason"] == gone
    assert cloud.create(
        {"A": topic("x")}, name="two", Outputs={"O": {"Value": "v", "Export": {"Name": "e"}}}
    ) == ("ROLLBACK_COMPLETE")
    reason = cloud.reason("two", "ROLLBACK_IN_PROGRESS", "two")
    assert (
        reason == "Export with name e is already exported by stack s. Rollback requested by user."
    )
    refused(
        lambda: cloud.call("ListImports", ExportName="x"),
        "ValidationError",
        "Export 'x' is not imported by any stack.",
    )
    assert (
        cloud.create({"B": topic("c", DisplayName={"Fn::ImportValue": "no"})}, name="bad")
        == "ROLLBACK_COMPLETE"
    )
    assert cloud.reason("B", "CREATE_FAILED", "bad") == "No export named no found"


def test_protection_and_policy(cloud):
    cloud.create({"A": topic("a")})
    cloud.call("UpdateTerminationProtection", StackName="s", EnableTerminationProtection=True)
    refused(
        lambda: cloud.call("DeleteStack", StackName="s"),
        "ValidationError",
        "Stack [s] cannot be deleted while TerminationProtection is enabled",
    )
    assert cloud.call("GetStackPolicy", StackName="s") == {}
    policy = '{"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}'
    cloud.call("SetStackPolicy", StackName="s", StackPolicyBody=policy)
    assert cloud.call("GetStackPolicy", StackName="s") == {"StackPolicyBody": policy}
    assert cloud.call("DeleteStack", StackName="nothing") == {}


def test_pages():
    cloud = Cloud(page=2)
    cloud.create({f"T{i}": topic(f"t{i}") for i in range(5)})
    seen, token = [], {}
    while True:
        answer = cloud.call("ListStackResources", StackName="s", **token)
        assert len(answer["StackResourceSummaries"]) <= 2
        seen += [resource["LogicalResourceId"] for resource in answer["StackResourceSummaries"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert seen == [f"T{i}" for i in range(5)]
    with pytest.raises(ApiError, match="The nextToken is invalid"):
        cloud.call("ListStacks", NextToken="x")


def test_resources_by_id(cloud):
    cloud.create({"A": topic("a"), "B": topic("b")})
    id_ = cloud.resources()["B"]["PhysicalResourceId"]
    answer = cloud.call("DescribeStackResources", PhysicalResourceId=id_)["StackResources"]
    assert [resource["LogicalResourceId"] for resource in answer] == ["A", "B"]
    only = cloud.call("DescribeStackResources", StackName="s", LogicalResourceId="B")[
        "StackResources"
    ]
    assert [resource["PhysicalResourceId"] for resource in only] == [id_]
    detail = cloud.call("DescribeStackResource", StackName="s", LogicalResourceId="B")[
        "StackResourceDetail"
    ]
    assert (detail["PhysicalResourceId"], detail["ResourceStatus"]) == (id_, "CREATE_COMPLETE")
    with pytest.raises(ApiError, match="Resource X does not exist for stack s"):
        cloud.call("DescribeStackResource", StackName="s", LogicalResourceId="X")
    with pytest.raises(ApiError, match="Stack for x does not exist"):
        cloud.call("DescribeStackResources", PhysicalResourceId="x")


@pytest.mark.parametrize(
    ("action", "arguments", "code", "message"),
    [
        ("Fly", {}, "InvalidAction", "Could not find operation Fly for version 2010-05-15"),
        ("DescribeStackEvents", {"StackName": "x"}, "ValidationError", "Stack [x] does not exist"),
        ("DescribeStackResource", {"StackName": "x", "LogicalResourceId": "A"}, "ValidationError",
         "Stack 'x' does not exist"),
        ("CreateStack", {"StackName": "s"}, "ValidationError",
         "Either Template URL or Template Body must be specified."),
        ("CreateStack", {"StackName": "s", "TemplateBody": "a: ["}, "ValidationError",
         "Template format error: YAML not well-formed. (line 2, column 1)"),
        ("CreateStack", {"StackName": "s", "TemplateBody": " " * 51201}, "ValidationError",
         "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length"
         " less than or equal to 51200"),
        ("CreateStack", {"StackName": "s", "TemplateBody": '{"Resources": {"A": {"Type": "AWS::X::Y"}}}'},
         "ValidationError", "Template format error: Unrecognized resource types: [AWS::X::Y]"),
        ("CreateStack", {"StackName": "1", "TemplateBody": "x"}, "ValidationError",
         "1 validation error detected: Value '1' at 'stackName' failed to satisfy constraint: Member must satisfy"
         " regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"),
    ],
)  # fmt: skip
def test_invalid_requests_are_refused(cloud, action, arguments, code, message):
    refused(lambda: cloud.call(action, **arguments), code, message)


def test_resource_names_are_unique(cloud):
    cloud.create({"A": topic("a")})
    refused(
        lambda: cloud.create({"A": topic("a")}),
        "AlreadyExistsException",
        "Stack [s] already exists",
    )


def test_cancelled_child_is_rolled_back_with_its_parent():
    cloud = Cloud(latency=10)
    cloud.files = {"one": child("a"), "two": child("b")}
    cloud.create(ROOT)
    cloud.time.now += 100
    assert cloud.status() == "CREATE_COMPLETE"
    state = cloud.everything()
    cloud.files["one"] = child("a", Tags=[{"Key": "k", "Value": "v"}])
    cloud.engine.fault(Fault("no", operation="update", logical_id="K"))
    assert (
        cloud.update(ROOT | {"K": topic("keep", DisplayName="x")}) == "UPDATE_ROLLBACK_IN_PROGRESS"
    )
    assert cloud.reason("One", "UPDATE_FAILED") == "Resource update cancelled"
    cloud.time.now += 100
    assert cloud.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.everything() == state


def test_every_status_of_every_type_of_this_world(cloud):
    """Types without a shape of their own get an id from their schema."""
    resources = {
        "Policy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": {}}},
        "Custom": {"Type": "Custom::Thing", "Properties": {"ServiceToken": "arn", "x": 1}},
        "Api": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {"Name": "n", "ProtocolType": "HTTP"},
        },
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "Layer": {
            "Type": "AWS::Lambda::LayerVersion",
            "Properties": {"Content": {"S3Bucket": "bbb", "S3Key": "k"}},
        },
        "Address": {"Type": "AWS::EC2::EIP", "Properties": {}},
    }
    iam = {"Capabilities": ["CAPABILITY_IAM"]}
    outputs = {
        "O": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}},
        "P": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}},
    }
    assert cloud.create(resources, options=iam, Outputs=outputs) == "CREATE_COMPLETE"
    ids = {name: resource["PhysicalResourceId"] for name, resource in cloud.resources().items()}
    assert ids["Policy"].startswith("arn:aws:iam::123456789012:policy/s-Policy-")
    assert ids["Queue"].startswith("https://sqs.us-east-2.amazonaws.com/123456789012/s-Queue-")
    assert ids["Layer"].startswith("arn:aws:lambda:us-east-2:123456789012:")
    assert ids["Address"].startswith("203.0.113.")
    assert len(set(ids.values())) == len(ids)
    assert cloud.stack()["Outputs"][1]["OutputValue"].startswith(
        "arn:aws:sqs:us-east-2:123456789012:s-Queue-"
    )
