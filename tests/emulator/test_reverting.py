"""Drift that a change set with DeploymentMode REVERT_DRIFT takes back, in a stack and below it."""

import json

import pytest

from stackwright.emulator.server.server import Server
from tests.support.clients import Clients

LOGS = {
    "Type": "AWS::Logs::LogGroup",
    "Properties": {"LogGroupName": "/kept", "RetentionInDays": 7},
}
GROUP = {
    "Type": "AWS::Logs::LogGroup",
    "Properties": {"LogGroupName": "/gone", "RetentionInDays": 7},
}
BUCKET = {
    "Type": "AWS::S3::Bucket",
    "Properties": {"BucketName": "versions", "VersioningConfiguration": {"Status": "Enabled"}},
}


class Cloud(Clients):
    """Clients, and a root with a nested stack that holds a bucket."""

    def template(self, **more):
        child = {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {"TemplateURL": f"{self.url}/templates/child"},
        }
        return json.dumps({"Resources": {"Child": child, "Logs": LOGS, "Group": GROUP, **more}})

    def create(self):
        self("s3").create_bucket(Bucket="templates")
        self("s3").put_object(
            Bucket="templates", Key="child", Body=json.dumps({"Resources": {"Bucket": BUCKET}})
        )
        self("cloudformation").create_stack(StackName="s", TemplateBody=self.template())
        assert self.status() == "CREATE_COMPLETE"

    def status(self):
        return self("cloudformation").describe_stacks(StackName="s")["Stacks"][0]["StackStatus"]

    def change_set(self, mode="REVERT_DRIFT", **options):
        given = {"TemplateBody": self.template(), "IncludeNestedStacks": True, **options}
        mode = {"DeploymentMode": mode} if mode else {}
        self("cloudformation").create_change_set(StackName="s", ChangeSetName="c", **given, **mode)
        return self("cloudformation").describe_change_set(StackName="s", ChangeSetName="c")

    def drift(self):
        self("logs").put_retention_policy(logGroupName="/kept", retentionInDays=30)
        self("s3").put_bucket_versioning(
            Bucket="versions", VersioningConfiguration={"Status": "Suspended"}
        )


@pytest.fixture
def cloud():
    with Server() as server, Cloud(server.url) as cloud:
        cloud.create()
        yield cloud


def test_revert_drift_in_nested_stacks(cloud):
    cloud.drift()
    answer = cloud.change_set()
    assert (answer["Status"], answer["DeploymentMode"], answer["StackDriftStatus"]) == (
        "CREATE_COMPLETE", "REVERT_DRIFT", "DRIFTED",
    )  # fmt: skip
    changes = {
        change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"]
        for change in answer["Changes"]
    }
    assert list(changes) == ["Child", "Logs"]
    assert (changes["Logs"]["Action"], changes["Logs"]["ResourceDriftStatus"]) == (
        "Modify",
        "MODIFIED",
    )
    target = changes["Logs"]["Details"][0]["Target"]
    assert (target["Path"], target["BeforeValue"], target["AfterValue"]) == (
        "/Properties/RetentionInDays",
        "30",
        "7",
    )
    assert (target["BeforeValueFrom"], target["Drift"]["ActualValue"]) == ("ACTUAL_STATE", "30")
    inner = cloud("cloudformation").describe_change_set(
        ChangeSetName=changes["Child"]["ChangeSetId"]
    )
    assert [change["ResourceChange"]["LogicalResourceId"] for change in inner["Changes"]] == [
        "Bucket"
    ]

    cloud("cloudformation").execute_change_set(StackName="s", ChangeSetName="c")
    assert cloud.status() == "UPDATE_COMPLETE"
    assert (
        cloud("logs").describe_log_groups(logGroupNamePrefix="/kept")["logGroups"][0][
            "retentionInDays"
        ]
        == 7
    )
    assert cloud("s3").get_bucket_versioning(Bucket="versions")["Status"] == "Enabled"
    events = cloud("cloudformation").describe_stack_events(StackName="s")["StackEvents"]
    assert {event["LogicalResourceId"] for event in events if event["ResourceStatus"].startswith("UPDATE")} == {
        "s", "Logs", "Child",
    }  # fmt: skip


def test_revert_drift_recreates_deleted_resources(cloud):
    cloud("logs").delete_log_group(logGroupName="/gone")
    (change,) = cloud.change_set()["Changes"]
    assert (
        change["ResourceChange"]["Action"],
        change["ResourceChange"]["ResourceDriftStatus"],
    ) == ("Add", "DELETED")
    cloud("cloudformation").execute_change_set(StackName="s", ChangeSetName="c")
    assert cloud.status() == "UPDATE_COMPLETE"
    assert cloud("logs").describe_log_groups(logGroupNamePrefix="/gone")["logGroups"] != []


def test_revert_drift_without_drift_is_empty(cloud):
    answer = cloud.change_set()
    assert answer["Status"] == "FAILED"
    assert answer["StatusReason"].startswith("The submitted information didn't contain changes.")


def test_standard_change_set_ignores_drift(cloud):
    cloud.drift()
    assert cloud.change_set(mode=None)["Status"] == "FAILED"
    cloud("cloudformation").delete_change_set(StackName="s", ChangeSetName="c")
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    answer = cloud.change_set(TemplateBody=cloud.template(**topic))
    names = [change["ResourceChange"]["LogicalResourceId"] for change in answer["Changes"]]
    assert names == ["Child", "Logs", "Topic"]
    cloud("cloudformation").delete_change_set(StackName="s", ChangeSetName="c")
    cloud.change_set(mode=None, TemplateBody=cloud.template(**topic))
    cloud("cloudformation").execute_change_set(StackName="s", ChangeSetName="c")
    assert (
        cloud("logs").describe_log_groups(logGroupNamePrefix="/kept")["logGroups"][0][
            "retentionInDays"
        ]
        == 30
    )
