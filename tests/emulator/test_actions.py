"""Protection, tokens, drift, operations, imports and summaries, as boto3 sees them."""

import json

import pytest
from botocore.exceptions import ClientError

from stackwright.emulator.server.lifecycle import LifecycleError, RunningEmulator
from stackwright.emulator.server.server import Server
from tests.support.clients import Clients

TOPIC, GROUP, BUCKET = "AWS::SNS::Topic", "AWS::Logs::LogGroup", "AWS::S3::Bucket"
ALLOW = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


class Cloud(Clients):
    """One emulator, and short words for its CloudFormation."""

    def __init__(self, url):
        super().__init__(url)
        self.admin = RunningEmulator(0, url).admin

    def create(self, resources, name="s", sections=None, **options):
        body = json.dumps({"Resources": resources, **(sections or {})})
        return self("cloudformation").create_stack(StackName=name, TemplateBody=body, **options)[
            "StackId"
        ]

    def update(self, resources, name="s", **options):
        body = json.dumps({"Resources": resources})
        self("cloudformation").update_stack(StackName=name, TemplateBody=body, **options)
        return self.stack(name)["StackStatus"]

    def stack(self, name="s"):
        return self("cloudformation").describe_stacks(StackName=name)["Stacks"][0]

    def events(self, name="s"):
        return self("cloudformation").describe_stack_events(StackName=name)["StackEvents"]

    def reason(self, logical_id, status, name="s"):
        wanted = (logical_id, status)
        result = [
            e for e in self.events(name) if (e["LogicalResourceId"], e["ResourceStatus"]) == wanted
        ]
        return result[0].get("ResourceStatusReason")

    def statuses(self, name="s"):
        return [
            (event["LogicalResourceId"], event["ResourceStatus"])
            for event in reversed(self.events(name))
        ]


@pytest.fixture(scope="module")
def running():
    with Server() as server, Cloud(server.url) as cloud:
        yield cloud


@pytest.fixture
def cloud(running):
    running.admin("page", {"size": 100})
    running.admin("reset")
    return running


def topic(name, **properties):
    return {"Type": TOPIC, "Properties": {"TopicName": name, **properties}}


def group(name, **properties):
    return {"Type": GROUP, "Properties": {"LogGroupName": name, **properties}}


def refused(call, code="ValidationError"):
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


# --- stack policies and termination protection


def policy(*statements):
    return json.dumps({"Statement": list(statements)})


@pytest.mark.parametrize(
    ("denied", "after", "action"),
    [
        ("Update:Modify", {"A": topic("a", DisplayName="x"), "B": topic("b")}, "Update:Modify"),
        ("Update:Replace", {"A": topic("c"), "B": topic("b")}, "Update:Replace"),
        ("Update:Delete", {"B": topic("b")}, "Update:Delete"),
        ("Update:*", {"A": topic("c"), "B": topic("b")}, "Update:Replace"),
    ],
)
def test_denied_change_fails_and_rolls_back(cloud, denied, after, action):
    deny = {"Effect": "Deny", "Action": denied, "Principal": "*", "Resource": "LogicalResourceId/A"}
    cloud.create({"A": topic("a"), "B": topic("b")}, StackPolicyBody=policy(ALLOW, deny))
    before = cloud("sns").list_topics()["Topics"]
    assert cloud.update(after) == "UPDATE_ROLLBACK_COMPLETE"
    text = f"Action denied by stack policy: Statement [#1] does not allow [{action}] for resource [LogicalResourceId/A];"
    assert cloud.reason("A", "UPDATE_FAILED") == text
    assert cloud("sns").list_topics()["Topics"] == before
    resources = cloud("cloudformation").list_stack_resources(StackName="s")[
        "StackResourceSummaries"
    ]
    assert {resource["LogicalResourceId"] for resource in resources} == {"A", "B"}


def test_policy_can_be_overridden_for_one_update(cloud):
    only_b = {
        "Effect": "Allow",
        "Action": ["Update:*"],
        "Principal": "*",
        "Resource": ["LogicalResourceId/B*"],
    }
    cloud.create({"A": topic("a"), "Bee": topic("b")}, StackPolicyBody=policy(only_b))
    assert cloud.update({"A": topic("a"), "Bee": topic("b", DisplayName="x")}) == "UPDATE_COMPLETE"
    changed = {"A": topic("a", DisplayName="x"), "Bee": topic("b", DisplayName="x")}
    assert cloud.update(changed) == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.reason("A", "UPDATE_FAILED") == "Action not allowed by stack policy"
    assert cloud.update(changed, StackPolicyDuringUpdateBody=policy(ALLOW)) == "UPDATE_COMPLETE"
    assert cloud("cloudformation").get_stack_policy(StackName="s")["StackPolicyBody"] == policy(
        only_b
    )


def test_policies_by_type_and_by_exception(cloud):
    by_type = {
        "Effect": "Deny",
        "NotAction": "Update:Modify",
        "Principal": "*",
        "Resource": "*",
        "Condition": {"StringLike": {"ResourceType": ["AWS::SNS::*"]}},
    }
    cloud.create({"A": topic("a"), "G": group("g")})
    cloud("cloudformation").set_stack_policy(StackName="s", StackPolicyBody=policy(ALLOW, by_type))
    assert cloud.update({"A": topic("a", DisplayName="x"), "G": group("g2")}) == "UPDATE_COMPLETE"
    assert cloud.update({"A": topic("a2"), "G": group("g2")}) == "UPDATE_ROLLBACK_COMPLETE"


@pytest.mark.parametrize(
    "text", ["no", "{}", '{"Statement": [{"Effect": "Maybe"}]}', '{"Statement": ["x"]}']
)
def test_invalid_policy_is_refused(cloud, text):
    call = {"StackName": "s", "TemplateBody": json.dumps({"Resources": {"A": topic("a")}})}
    message = refused(lambda: cloud("cloudformation").create_stack(StackPolicyBody=text, **call))
    assert message.startswith("Error validating stack policy")
    assert cloud("cloudformation").list_stacks()["StackSummaries"] == []


def test_termination_protection_covers_nested_stacks(cloud):
    cloud("s3").create_bucket(Bucket="templates")
    cloud("s3").put_object(
        Bucket="templates", Key="c", Body=json.dumps({"Resources": {"A": topic("a")}})
    )
    nested = {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"TemplateURL": f"{cloud.url}/templates/c"},
    }
    cloud.create({"N": nested}, EnableTerminationProtection=True)
    child = cloud("cloudformation").describe_stack_resource(StackName="s", LogicalResourceId="N")
    child = child["StackResourceDetail"]["PhysicalResourceId"]
    assert cloud.stack(child)["EnableTerminationProtection"] is True
    text = "cannot be deleted while TerminationProtection is enabled"
    assert (
        refused(lambda: cloud("cloudformation").delete_stack(StackName="s")) == f"Stack [s] {text}"
    )
    assert text in refused(lambda: cloud("cloudformation").delete_stack(StackName=child))
    switch = cloud("cloudformation").update_termination_protection
    assert "nested" in refused(lambda: switch(StackName=child, EnableTerminationProtection=False))
    switch(StackName="s", EnableTerminationProtection=False)
    cloud("cloudformation").delete_stack(StackName="s")
    assert cloud("cloudformation").describe_stacks()["Stacks"] == []


# --- tokens


def test_repeated_request_runs_once_and_its_events_carry_the_token(cloud):
    first = cloud.create({"A": topic("a")}, ClientRequestToken="one")
    assert cloud.create({"A": topic("a")}, ClientRequestToken="one") == first
    assert {event["ClientRequestToken"] for event in cloud.events()} == {"one"}
    message = refused(
        lambda: cloud.create({"A": topic("b")}, ClientRequestToken="one"),
        "TokenAlreadyExistsException",
    )
    assert message == "A client request token already exists."
    refused(
        lambda: cloud.create({"A": topic("a")}, ClientRequestToken="two"), "AlreadyExistsException"
    )
    cloud.update({"A": topic("a", DisplayName="x")}, ClientRequestToken="three")
    count = len(cloud.events())
    cloud.update({"A": topic("a", DisplayName="x")}, ClientRequestToken="three")
    assert len(cloud.events()) == count
    assert cloud.events()[0]["ClientRequestToken"] == "three"
    cloud.update({"A": topic("a", DisplayName="y")})
    assert "ClientRequestToken" not in cloud.events()[0]


# --- drift


def detect(cloud, name="s"):
    started = cloud("cloudformation").detect_stack_drift(StackName=name)["StackDriftDetectionId"]
    return cloud("cloudformation").describe_stack_drift_detection_status(
        StackDriftDetectionId=started
    )


def drifts(cloud, *statuses):
    options = {"StackResourceDriftStatusFilters": list(statuses)} if statuses else {}
    answer = cloud("cloudformation").describe_stack_resource_drifts(StackName="s", **options)[
        "StackResourceDrifts"
    ]
    return {resource["LogicalResourceId"]: resource for resource in answer}


def difference(path, expected, actual, kind):
    return [
        {
            "PropertyPath": path,
            "ExpectedValue": expected,
            "ActualValue": actual,
            "DifferenceType": kind,
        }
    ]


def test_drift_compares_services_with_template(cloud):
    bucket = {
        "BucketName": "held",
        "VersioningConfiguration": {"Status": "Enabled"},
        "Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}],
    }
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}],
    }
    role = {"RoleName": "r", "AssumeRolePolicyDocument": trust, "ManagedPolicyArns": []}
    resources = {
        "B": {"Type": BUCKET, "Properties": bucket},
        "G": group("g", RetentionInDays="30"),
        "T": topic("t", DisplayName="d"),
        "U": topic("u"),
        "R": {"Type": "AWS::IAM::Role", "Properties": role},
        "W": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
    }
    cloud.create(resources, Capabilities=["CAPABILITY_NAMED_IAM"])
    assert cloud.stack()["DriftInformation"] == {"StackDriftStatus": "NOT_CHECKED"}
    assert (detect(cloud)["StackDriftStatus"], len(drifts(cloud, "IN_SYNC"))) == ("IN_SYNC", 5), (
        drifts(cloud, "MODIFIED")
    )

    cloud("s3").put_bucket_versioning(
        Bucket="held", VersioningConfiguration={"Status": "Suspended"}
    )
    cloud("logs").delete_retention_policy(logGroupName="g")
    cloud("sns").delete_topic(TopicArn="arn:aws:sns:us-east-1:123456789012:u")
    changed = {**trust, "Statement": [{**trust["Statement"][0], "Effect": "Deny"}]}
    cloud("iam").update_assume_role_policy(RoleName="r", PolicyDocument=json.dumps(changed))

    detection = detect(cloud)
    assert (detection["DetectionStatus"], detection["DriftedStackResourceCount"]) == (
        "DETECTION_COMPLETE",
        4,
    )
    modified = {
        name: drift["PropertyDifferences"] for name, drift in drifts(cloud, "MODIFIED").items()
    }
    assert modified == {
        "B": difference("/VersioningConfiguration/Status", "Enabled", "Suspended", "NOT_EQUAL"),
        "G": difference("/RetentionInDays", "30", "null", "REMOVE"),
        "R": difference(
            "/AssumeRolePolicyDocument/Statement/0/Effect", "Allow", "Deny", "NOT_EQUAL"
        ),
    }
    assert list(drifts(cloud, "DELETED")) == ["U"]
    assert json.loads(drifts(cloud)["B"]["ActualProperties"])["VersioningConfiguration"] == {
        "Status": "Suspended"
    }
    assert cloud.stack()["DriftInformation"]["StackDriftStatus"] == "DRIFTED"
    summaries = cloud("cloudformation").list_stack_resources(StackName="s")[
        "StackResourceSummaries"
    ]
    shown = {
        resource["LogicalResourceId"]: resource["DriftInformation"]["StackResourceDriftStatus"]
        for resource in summaries
    }
    assert (shown["B"], shown["T"], shown["W"]) == ("MODIFIED", "IN_SYNC", "NOT_CHECKED")


def test_unsupported_ec2_tags_are_no_drift(cloud):
    tags = [{"Key": "Name", "Value": "n"}]
    vpc = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16", "Tags": tags}}
    cloud.create({"V": vpc})
    assert (detect(cloud)["StackDriftStatus"], list(drifts(cloud, "IN_SYNC"))) == ("IN_SYNC", ["V"])


def test_drift_of_one_resource(cloud):
    cloud.create(
        {
            "G": group("g", RetentionInDays=30),
            "W": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        }
    )
    cloud("logs").put_retention_policy(logGroupName="g", retentionInDays=7)
    one = cloud("cloudformation").detect_stack_resource_drift
    drift = one(StackName="s", LogicalResourceId="G")["StackResourceDrift"]
    assert (drift["StackResourceDriftStatus"], drift["PropertyDifferences"][0]["ActualValue"]) == (
        "MODIFIED",
        "7",
    )
    assert "does not support" in refused(lambda: one(StackName="s", LogicalResourceId="W"))
    assert "do not exist" in refused(lambda: one(StackName="s", LogicalResourceId="X"))
    status = cloud("cloudformation").describe_stack_drift_detection_status
    assert "does not exist" in refused(lambda: status(StackDriftDetectionId="x"))


# --- operations


def operations(cloud, **arguments):
    events = cloud("cloudformation").describe_events(**arguments)["OperationEvents"]
    return events, [
        (e["OperationType"], e["OperationStatus"])
        for e in events
        if e["EventType"] == "STACK_EVENT"
    ]


def test_events_are_grouped_by_operation(cloud):
    cloud.create({"A": topic("a")})
    cloud.admin("fault", {"reason": "no", "operation": "update", "logical_id": "A"})
    cloud.update({"A": topic("a", DisplayName="x")})
    answer, summary = operations(cloud, StackName="s")
    assert summary == [
        ("ROLLBACK", "SUCCEEDED"),
        ("UPDATE_STACK", "FAILED"),
        ("CREATE_STACK", "SUCCEEDED"),
    ]
    last = cloud.stack()["LastOperations"]
    assert [operation["OperationType"] for operation in last] == ["ROLLBACK", "UPDATE_STACK"]
    update, _ = operations(cloud, OperationId=last[1]["OperationId"])
    shown = [
        (e["LogicalResourceId"], e["ResourceStatus"])
        for e in update
        if e["EventType"] != "STACK_EVENT"
    ]
    assert shown == [
        ("A", "UPDATE_FAILED"),
        ("A", "UPDATE_IN_PROGRESS"),
        ("s", "UPDATE_IN_PROGRESS"),
    ]
    failed, _ = operations(cloud, StackName="s", Filters={"FailedEvents": True})
    assert [(e["EventType"], e["ResourceStatusReason"]) for e in failed] == [
        ("PROVISIONING_ERROR", "no")
    ]
    assert {event["OperationId"] for event in cloud.events()} == {e["OperationId"] for e in answer}


def test_creation_of_a_change_set_is_an_operation(cloud):
    cloud.create({"A": topic("a")})
    same = {"StackName": "s", "ChangeSetName": "c", "UsePreviousTemplate": True}
    made = cloud("cloudformation").create_change_set(**same)["Id"]
    events, summary = operations(cloud, ChangeSetName=made)
    assert summary == [("CREATE_CHANGESET", "FAILED")]
    assert "didn't contain changes" in events[0]["ResourceStatusReason"]
    assert "One of" in refused(lambda: cloud("cloudformation").describe_events())


# --- imports


def existing(name="g", type_=GROUP, key="LogGroupName", policy="Retain"):
    resource = {
        "Type": type_,
        "Properties": {key: name, "RetentionInDays": 30},
        "DeletionPolicy": policy,
    }
    return {k: v for k, v in resource.items() if v}


def take(cloud, resources, imported=("G",), name="s", **sections):
    wanted = [
        {
            "ResourceType": GROUP,
            "LogicalResourceId": logical_id,
            "ResourceIdentifier": {"LogGroupName": "g"},
        }
        for logical_id in imported
    ]
    return cloud("cloudformation").create_change_set(
        StackName=name,
        ChangeSetName="c",
        ChangeSetType="IMPORT",
        ResourcesToImport=wanted,
        TemplateBody=json.dumps({"Resources": resources, **sections}),
    )["Id"]


@pytest.mark.parametrize("new", [False, True])
def test_import_adds_existing_resource(cloud, new):
    cloud("logs").create_log_group(logGroupName="g")
    present = {} if new else {"A": topic("a")}
    if present:
        cloud.create(present)
    made = take(cloud, {**present, "G": existing()})
    shown = cloud("cloudformation").describe_change_set(ChangeSetName=made)
    change = shown["Changes"][0]["ResourceChange"]
    assert (change["Action"], change["PhysicalResourceId"], len(shown["Changes"])) == (
        "Import",
        "g",
        1,
    )
    cloud("cloudformation").execute_change_set(ChangeSetName=made)
    assert cloud.stack()["StackStatus"] == "IMPORT_COMPLETE"
    assert [status for name, status in cloud.statuses() if name == "G"] == [
        "IMPORT_IN_PROGRESS",
        "IMPORT_COMPLETE",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE",
    ]
    assert cloud.reason("G", "IMPORT_COMPLETE") == "Resource import completed."
    arn = {"Fn::GetAtt": ["G", "Arn"]}
    body = {"Resources": {**present, "G": existing()}, "Outputs": {"Arn": {"Value": arn}}}
    cloud("cloudformation").update_stack(StackName="s", TemplateBody=json.dumps(body))
    assert cloud.stack()["Outputs"][0]["OutputValue"].endswith(":log-group:g:*")
    cloud("cloudformation").delete_stack(StackName="s")
    assert [
        group["logGroupName"] for group in cloud("logs").describe_log_groups()["logGroups"]
    ] == ["g"]


def test_import_of_missing_resource_fails(cloud):
    stack = cloud.create({"A": topic("a")})
    cloud("cloudformation").execute_change_set(
        ChangeSetName=take(cloud, {"A": topic("a"), "G": existing()})
    )
    assert cloud.stack()["StackStatus"] == "IMPORT_ROLLBACK_COMPLETE"
    assert "was not found" in cloud.reason("G", "IMPORT_FAILED")
    text = "The following resource(s) failed to import: [G]."
    assert cloud.reason("s", "IMPORT_ROLLBACK_IN_PROGRESS") == text
    left = cloud("cloudformation").list_stack_resources(StackName=stack)["StackResourceSummaries"]
    assert [resource["LogicalResourceId"] for resource in left] == ["A"]


@pytest.mark.parametrize(
    ("resources", "imported", "sections", "text"),
    [
        ({"A": topic("a"), "G": existing()}, (), {}, "ResourcesToImport must be specified"),
        ({"A": topic("a")}, ("G",), {}, "Resources to import [G] do not match the resources in the template"),
        ({"A": topic("a"), "G": existing(policy=None)}, ("G",), {},
         "The following resources to import [G] must have DeletionPolicy attribute specified in the template."),
        ({"A": topic("a"), "G": existing(), "N": topic("n")}, ("G",), {},
         "Resources [N] is missing from ResourceToImport list"),
        ({"A": topic("a", DisplayName="x"), "G": existing()}, ("G",), {},
         "You have modified resources [A] in your template that are not being imported. Update, create or delete "
         "operations cannot be executed during import operations."),
        ({"A": topic("a"), "G": existing()}, ("G",), {"Outputs": {"O": {"Value": "x"}}},
         "As part of the import operation, you cannot modify or add [Outputs]"),
    ],
)  # fmt: skip
def test_import_refuses_other_changes(cloud, resources, imported, sections, text):
    cloud.create({"A": topic("a")})
    assert text in refused(lambda: take(cloud, resources, imported, **sections))
    assert cloud("cloudformation").list_change_sets(StackName="s")["Summaries"] == []


def test_import_needs_identifier(cloud):
    body = json.dumps({"Resources": {"G": existing()}})
    wanted = [
        {"ResourceType": GROUP, "LogicalResourceId": "G", "ResourceIdentifier": {"Name": "g"}}
    ]
    call = {"StackName": "s", "ChangeSetName": "c", "ChangeSetType": "IMPORT", "TemplateBody": body}
    create = cloud("cloudformation").create_change_set
    assert "expected [LogGroupName], found [Name]" in refused(
        lambda: create(ResourcesToImport=wanted, **call)
    )
    assert cloud("cloudformation").list_stacks()["StackSummaries"] == []


# --- summaries and pages


def test_template_summary(cloud):
    template = {
        "Description": "d",
        "Metadata": {"k": [1]},
        "Parameters": {
            "P": {
                "Type": "String",
                "AllowedValues": ["a", "b"],
                "Default": "a",
                "Description": "p",
            },
            "Q": {"Type": "Number", "NoEcho": True},
        },
        "Resources": {"A": topic("a"), "B": topic("b"), "G": group("g")},
    }
    summary = cloud("cloudformation").get_template_summary(TemplateBody=json.dumps(template))
    constraints = {"AllowedValues": ["a", "b"]}
    assert summary["Parameters"][0] == {
        "ParameterKey": "P", "DefaultValue": "a", "ParameterType": "String", "NoEcho": False, "Description": "p",
        "ParameterConstraints": constraints,
    }  # fmt: skip
    assert summary["Parameters"][1]["NoEcho"] is True
    assert (json.loads(summary["Metadata"]), summary["ResourceTypes"]) == (
        {"k": [1]},
        [TOPIC, GROUP],
    )
    assert summary["ResourceIdentifierSummaries"] == [
        {
            "ResourceType": TOPIC,
            "LogicalResourceIds": ["A", "B"],
            "ResourceIdentifiers": ["TopicArn"],
        },
        {
            "ResourceType": GROUP,
            "LogicalResourceIds": ["G"],
            "ResourceIdentifiers": ["LogGroupName"],
        },
    ]


def test_page_size_can_be_set(cloud):
    cloud.create({f"T{i}": topic(f"t{i}") for i in range(5)})
    detect(cloud)
    cloud.admin("page", {"size": 2})
    sizes = {
        "list_stack_resources": ("StackResourceSummaries", [2, 2, 1]),
        "describe_stack_events": ("StackEvents", [2] * 8 + [1]),
        "describe_events": ("OperationEvents", [2] * 9),
    }
    for operation, (key, wanted) in sizes.items():
        pages = cloud("cloudformation").get_paginator(operation).paginate(StackName="s")
        assert [len(page[key]) for page in pages] == wanted, operation
    drifts_of = cloud("cloudformation").describe_stack_resource_drifts
    first = drifts_of(StackName="s", MaxResults=1)
    assert len(first["StackResourceDrifts"]) == 1
    assert len(drifts_of(StackName="s", NextToken=first["NextToken"])["StackResourceDrifts"]) == 2
    with pytest.raises(LifecycleError, match="at least 1"):
        cloud.admin("page", {"size": 0})


def test_nested_change_set_shows_known_parameters(cloud):
    child = {
        "Parameters": {
            "P": {"Type": "String"},
            "Q": {"Type": "Number"},
            "D": {"Type": "String", "Default": "d"},
        },
        "Resources": {"A": topic("a", DisplayName={"Ref": "P"})},
    }
    cloud("s3").create_bucket(Bucket="templates")
    cloud("s3").put_object(Bucket="templates", Key="c", Body=json.dumps(child))
    given = {"P": {"Fn::GetAtt": ["T", "TopicArn"]}, "Q": 5}
    properties = {"TemplateURL": f"{cloud.url}/templates/c", "Parameters": given}
    resources = {
        "T": topic("t"),
        "N": {"Type": "AWS::CloudFormation::Stack", "Properties": properties},
    }
    body = json.dumps({"Resources": resources})
    call = {
        "StackName": "s",
        "ChangeSetName": "c",
        "ChangeSetType": "CREATE",
        "IncludeNestedStacks": True,
    }
    cloud("cloudformation").create_change_set(TemplateBody=body, **call)
    changes = cloud("cloudformation").describe_change_set(StackName="s", ChangeSetName="c")[
        "Changes"
    ]
    inner = next(
        c["ResourceChange"] for c in changes if c["ResourceChange"]["LogicalResourceId"] == "N"
    )["ChangeSetId"]
    shown = cloud("cloudformation").describe_change_set(ChangeSetName=inner)["Parameters"]
    assert {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in shown} == {
        "P": "{{changeSet:KNOWN_AFTER_APPLY}}",
        "Q": "5",
        "D": "d",
    }
