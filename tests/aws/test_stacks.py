"""Calls to CloudFormation against botocore's own model: what is sent, which pages are read, what
comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from stackwright.aws import Boto, ChangeSetRequest
from stackwright.core.errors import AwsError
from tests.support.aws import REGION
from tests.support.planning import ARN, STACK, arn

THEN = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
DESCRIBED = {
    "StackId": ARN,
    "StackName": STACK,
    "CreationTime": THEN,
    "StackStatus": "CREATE_COMPLETE",
}


class StubbedBoto(Boto):
    """`Boto` whose client of CloudFormation answers what a test says."""

    def __init__(self) -> None:
        super().__init__(REGION)
        self.stub = Stubber(self._client("cloudformation"))


@pytest.fixture
def stubbed() -> Iterator[StubbedBoto]:
    made = StubbedBoto()
    with made.stub:
        yield made
        made.stub.assert_no_pending_responses()


def api(name: str, **values: Any) -> dict[str, Any]:
    resource = {
        "LogicalResourceId": name,
        "ResourceType": "AWS::SNS::Topic",
        "Action": "Add",
        **values,
    }
    return {"Type": "Resource", "ResourceChange": resource}


def page(*names: str, token: str | None = None) -> dict[str, Any]:
    answer = {
        "ChangeSetName": "one", "ChangeSetId": arn("one"), "StackId": ARN, "StackName": STACK,
        "Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE", "Changes": [api(name) for name in names],
    }  # fmt: skip
    return answer | ({"NextToken": token} if token else {})


def test_all_pages_of_a_change_set_are_read_with_equal_arguments(stubbed: StubbedBoto) -> None:
    asked = {"ChangeSetName": arn("one"), "IncludePropertyValues": True}
    stubbed.stub.add_response("describe_change_set", page("A", "B", token="t1"), asked)
    stubbed.stub.add_response("describe_change_set", page(token="t2"), {**asked, "NextToken": "t1"})
    stubbed.stub.add_response("describe_change_set", page("C"), {**asked, "NextToken": "t2"})
    change_set = stubbed.change_set(arn("one"), values=True)
    assert change_set is not None
    assert [change["LogicalResourceId"] for change in change_set.changes] == ["A", "B", "C"]
    assert (change_set.status, change_set.execution, change_set.stack_name) == (
        "CREATE_COMPLETE",
        "AVAILABLE",
        STACK,
    )


def test_hook_changes_are_ignored(stubbed: StubbedBoto) -> None:
    answer = page("A") | {"Changes": [{"Type": "Resource"}, api("A")]}
    stubbed.stub.add_response(
        "describe_change_set", answer, {"ChangeSetName": ANY, "IncludePropertyValues": False}
    )
    change_set = stubbed.change_set(arn("one"), values=False)
    assert change_set is not None
    assert len(change_set.changes) == 1


def test_deleted_change_set_is_none_and_no_error_to_delete(stubbed: StubbedBoto) -> None:
    for operation in ("describe_change_set", "delete_change_set"):
        stubbed.stub.add_client_error(
            operation, "ChangeSetNotFound", "ChangeSet [one] does not exist", 404
        )
    assert stubbed.change_set(arn("one"), values=False) is None
    stubbed.delete_change_set(arn("one"))


def test_create_change_set_sends_only_given_arguments(stubbed: StubbedBoto) -> None:
    sent = {
        "StackName": STACK,
        "ChangeSetName": "run-1",
        "ChangeSetType": "UPDATE",
        "ClientToken": "token",
        "Parameters": [
            {"ParameterKey": "A", "ParameterValue": "1"},
            {"ParameterKey": "B", "UsePreviousValue": True},
        ],
        "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
        "IncludeNestedStacks": True,
        "TemplateURL": "https://bucket/template",
        "Description": "d" * 1024,
        "RoleARN": "arn:aws:iam::1:role/deploy",
        "DeploymentMode": "REVERT_DRIFT",
    }
    stubbed.stub.add_response("create_change_set", {"Id": arn("run-1"), "StackId": ARN}, sent)
    request = ChangeSetRequest(
        STACK, "run-1", "UPDATE", "token",
        url="https://bucket/template", parameters={"A": "1"}, kept=("B",), tags={"b": "2", "a": "1"},
        description="d" * 2000, revert_drift=True, role="arn:aws:iam::1:role/deploy",
    )  # fmt: skip
    assert stubbed.create_change_set(request) == arn("run-1")


def test_change_sets_resources_and_stacks_are_read_by_pages(stubbed: StubbedBoto) -> None:
    summary = {"ChangeSetId": arn("a"), "ChangeSetName": "a"}
    stubbed.stub.add_response(
        "list_change_sets", {"Summaries": [summary], "NextToken": "t"}, {"StackName": STACK}
    )
    stubbed.stub.add_response(
        "list_change_sets", {"Summaries": []}, {"StackName": STACK, "NextToken": "t"}
    )
    assert stubbed.change_sets(STACK) == [(arn("a"), "a")]
    summary = {
        "ResourceType": "AWS::SNS::Topic",
        "LastUpdatedTimestamp": THEN,
        "ResourceStatus": "CREATE_COMPLETE",
    }
    answers = [
        {
            "StackResourceSummaries": [
                {**summary, "LogicalResourceId": "A", "PhysicalResourceId": "a"}
            ],
            "NextToken": "t",
        },
        {"StackResourceSummaries": [{**summary, "LogicalResourceId": "B"}]},
    ]
    stubbed.stub.add_response("list_stack_resources", answers[0], {"StackName": STACK})
    stubbed.stub.add_response(
        "list_stack_resources", answers[1], {"StackName": STACK, "NextToken": "t"}
    )
    assert [(item.logical_id, item.physical_id) for item in stubbed.resources(STACK)] == [
        ("A", "a"),
        ("B", ""),
    ]
    stubbed.stub.add_response("describe_stacks", {"Stacks": [DESCRIBED], "NextToken": "t"}, {})
    stubbed.stub.add_response(
        "describe_stacks", {"Stacks": [DESCRIBED | {"StackName": "other"}]}, {"NextToken": "t"}
    )
    assert [item.name for item in stubbed.stacks()] == [STACK, "other"]


def test_stack_has_every_field_of_the_answer(stubbed: StubbedBoto) -> None:
    more = {
        "Parameters": [{"ParameterKey": "A", "ParameterValue": "****"}],
        "Outputs": [{"OutputKey": "O", "OutputValue": "o"}],
        "Tags": [{"Key": "t", "Value": "v"}],
        "LastUpdatedTime": THEN,
        "EnableTerminationProtection": True,
        "ChangeSetId": arn("last"),
        "ParentId": ARN,
        "RootId": ARN,
        "RoleARN": "arn:aws:iam::1:role/deploy-role",
    }
    stubbed.stub.add_response(
        "describe_stacks", {"Stacks": [DESCRIBED | more]}, {"StackName": STACK}
    )
    stack = stubbed.stack(STACK)
    assert stack is not None
    assert (stack.parameters, stack.outputs, stack.tags) == ({"A": "****"}, {"O": "o"}, {"t": "v"})
    assert (stack.updated, stack.protected, stack.change_set) == (THEN, True, arn("last"))
    assert (stack.parent_id, stack.role) == (ARN, "arn:aws:iam::1:role/deploy-role")


def test_only_a_missing_stack_is_none(stubbed: StubbedBoto) -> None:
    stubbed.stub.add_client_error(
        "describe_stacks", "ValidationError", f"Stack with id {STACK} does not exist"
    )
    assert stubbed.stack(STACK) is None
    stubbed.stub.add_client_error(
        "describe_stacks", "ValidationError", "1 validation error detected"
    )
    with pytest.raises(AwsError, match="1 validation error"):
        stubbed.stack(STACK)
    stubbed.stub.add_client_error("describe_stacks", "AccessDenied", "not authorized")
    with pytest.raises(AwsError, match="not allowed: cloudformation:DescribeStacks"):
        stubbed.stack(STACK)


def event(name: str, minute: int) -> dict[str, Any]:
    return {
        "EventId": name, "StackId": ARN, "StackName": STACK, "Timestamp": THEN.replace(minute=minute),
        "LogicalResourceId": name, "ResourceStatus": "CREATE_COMPLETE",
    }  # fmt: skip


def test_events_are_read_back_to_the_given_one(stubbed: StubbedBoto) -> None:
    first = {"StackEvents": [event("e4", 34), event("e3", 33)], "NextToken": "t"}
    second = {"StackEvents": [event("e2", 32), event("e1", 31)]}
    for since, expected in (
        ("e3", ["e4"]),
        (THEN.replace(minute=33), ["e3", "e4"]),
        (None, ["e1", "e2", "e3", "e4"]),
    ):
        stubbed.stub.add_response("describe_stack_events", first, {"StackName": STACK})
        if since != "e3":
            stubbed.stub.add_response(
                "describe_stack_events", second, {"StackName": STACK, "NextToken": "t"}
            )
        assert [event.id for event in stubbed.events(STACK, since)] == expected
    stubbed.stub.add_response("describe_stack_events", first, {"StackName": STACK})
    newest = stubbed.last_event(STACK)
    assert newest is not None
    assert newest.id == "e4"


def test_validation_errors_are_sentences(stubbed: StubbedBoto) -> None:
    asked = {"ChangeSetName": arn("one")}
    failed = {
        "EventId": "1", "EventType": "VALIDATION_ERROR", "LogicalResourceId": "Bucket",
        "ResourceType": "AWS::S3::Bucket", "ValidationStatusReason": "It exists already.",
    }  # fmt: skip
    other = {"EventId": "2", "EventType": "STACK_EVENT"}
    stubbed.stub.add_response(
        "describe_events", {"OperationEvents": [other, failed], "NextToken": "t"}, asked
    )
    more = failed | {"ValidationPath": "/Resources/Bucket/Properties"}
    stubbed.stub.add_response(
        "describe_events", {"OperationEvents": [more]}, asked | {"NextToken": "t"}
    )
    assert list(map(str, stubbed.validations(arn("one")) or ())) == [
        "Bucket (AWS::S3::Bucket): It exists already",
        "Bucket (AWS::S3::Bucket): It exists already, at /Resources/Bucket/Properties",
    ]


def test_validation_errors_are_none_without_permission(stubbed: StubbedBoto) -> None:
    stubbed.stub.add_client_error(
        "describe_events",
        "AccessDenied",
        "not authorized to perform: cloudformation:DescribeEvents",
    )
    assert stubbed.validations(arn("one")) is None
    stubbed.stub.add_client_error("describe_events", "ExpiredToken", "expired")
    with pytest.raises(AwsError, match="expired"):
        stubbed.validations(arn("one"))


def test_json_template_is_returned_as_text(stubbed: StubbedBoto) -> None:
    asked = {"StackName": STACK, "TemplateStage": "Original"}
    stubbed.stub.add_response("get_template", {"TemplateBody": "Resources: {}"}, asked)
    assert stubbed.template(STACK) == "Resources: {}"
    stubbed.stub.add_response("get_template", {"TemplateBody": '{"Resources": {}}'}, asked)
    assert stubbed.template(STACK) == '{"Resources": {}}'


@pytest.mark.parametrize(
    ("call", "operation", "sent"),
    [
        (lambda stubbed: stubbed.execute_change_set(arn("a"), "t"), "execute_change_set",
         {"ChangeSetName": arn("a"), "ClientRequestToken": "t", "RetainExceptOnCreate": True}),
        (lambda stubbed: stubbed.execute_change_set(arn("a"), "t", keep_failed=True), "execute_change_set",
         {"ChangeSetName": arn("a"), "ClientRequestToken": "t", "DisableRollback": True}),
        (lambda stubbed: stubbed.delete_stack(STACK, "t", ["A"]), "delete_stack",
         {"StackName": STACK, "ClientRequestToken": "t", "RetainResources": ["A"]}),
        (lambda stubbed: stubbed.cancel_update(STACK, "t"), "cancel_update_stack",
         {"StackName": STACK, "ClientRequestToken": "t"}),
        (lambda stubbed: stubbed.continue_rollback(STACK, "t", ["Child.A"]), "continue_update_rollback",
         {"StackName": STACK, "ClientRequestToken": "t", "ResourcesToSkip": ["Child.A"]}),
        (lambda stubbed: stubbed.set_stack_policy(STACK, "{}"), "set_stack_policy",
         {"StackName": STACK, "StackPolicyBody": "{}"}),
        (lambda stubbed: stubbed.set_termination_protection(STACK, enabled=False), "update_termination_protection",
         {"StackName": STACK, "EnableTerminationProtection": False}),
    ],
    ids=["execute", "execute and keep", "delete", "cancel", "continue", "policy", "protection"],
)  # fmt: skip
def test_calls_that_change_a_stack_send_their_token(
    stubbed: StubbedBoto, call: Any, operation: str, sent: Any
) -> None:
    stubbed.stub.add_response(operation, {}, sent)
    call(stubbed)


@pytest.mark.parametrize(("answer", "policy"), [({"StackPolicyBody": "{}"}, "{}"), ({}, None)])
def test_stack_policy_is_read(stubbed: StubbedBoto, answer: Any, policy: str | None) -> None:
    stubbed.stub.add_response("get_stack_policy", answer, {"StackName": STACK})
    assert stubbed.stack_policy(STACK) == policy


def test_drift_lists_each_property(stubbed: StubbedBoto) -> None:
    stubbed.stub.add_response(
        "detect_stack_drift", {"StackDriftDetectionId": "d"}, {"StackName": STACK}
    )
    assert stubbed.detect_drift(STACK) == "d"
    status = {
        "StackId": ARN, "StackDriftDetectionId": "d", "DetectionStatus": "DETECTION_FAILED",
        "DetectionStatusReason": "why", "Timestamp": THEN,
    }  # fmt: skip
    stubbed.stub.add_response(
        "describe_stack_drift_detection_status", status, {"StackDriftDetectionId": "d"}
    )
    assert stubbed.drift_detection("d") == ("DETECTION_FAILED", "why")
    difference = {
        "PropertyPath": "/P",
        "ExpectedValue": "a",
        "ActualValue": "b",
        "DifferenceType": "NOT_EQUAL",
    }
    drift = {
        "StackId": ARN, "LogicalResourceId": "A", "ResourceType": "AWS::SNS::Topic", "Timestamp": THEN,
        "StackResourceDriftStatus": "MODIFIED", "PropertyDifferences": [difference],
    }  # fmt: skip
    answers: list[Any] = [
        {"StackResourceDrifts": [drift], "NextToken": "t"},
        {"StackResourceDrifts": []},
    ]
    stubbed.stub.add_response("describe_stack_resource_drifts", answers[0], {"StackName": STACK})
    stubbed.stub.add_response(
        "describe_stack_resource_drifts", answers[1], {"StackName": STACK, "NextToken": "t"}
    )
    (drift,) = stubbed.drifts(STACK)
    assert (drift.status, drift.differences) == ("MODIFIED", (("/P", "a", "b", "NOT_EQUAL"),))
