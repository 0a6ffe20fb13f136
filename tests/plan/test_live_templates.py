"""Templates that AWS has accepted are predicted, also where not every value is known here."""

from __future__ import annotations

import pytest

from stackwright.aws import StackResource
from stackwright.cfn import parse_unexpanded
from stackwright.plan import DesiredStack
from stackwright.plan.live_stack import LiveStack
from stackwright.plan.prediction import PredictedPlan, Surroundings, predict_stack
from tests.support.planning import stack

TOPIC = "Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: %s}}"
RESOURCES = {
    "Topic": StackResource("Topic", "arn:topic", "AWS::SNS::Topic", "UPDATE_COMPLETE"),
    "Other": StackResource("Other", "other-1", "AWS::SQS::Queue", "UPDATE_COMPLETE"),
}


def template(name: str, other: str) -> str:
    return f"Resources:\n  {TOPIC % name}\n  {other}\n"


def sides(other: str) -> tuple[DesiredStack, LiveStack]:
    live = LiveStack.of("app", stack(), template("old", other), RESOURCES)
    body = template("new", other)
    return DesiredStack("app", "news-dev-app", {"app": body}, {}, {}, {}), live


def predict(other: str) -> PredictedPlan:
    return predict_stack(*sides(other))


@pytest.mark.parametrize(
    "other",
    [
        'Other: {Type: AWS::SQS::Queue, Properties: {QueueName: !Select [9, !GetAZs ""]}}',
        "Other: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetStackOutput [net, Name]}}",
        "Other: {Type: Custom::Queue, Version: '1.0', Properties: {ServiceToken: t}}",
        "Other: {Type: Acme::Billing::Plan, Properties: {Name: a}}",
    ],
    ids=["zone", "function", "version", "type"],
)
def test_value_that_is_not_known_keeps_nothing_from_being_predicted(other: str) -> None:
    predicted = predict(other)
    assert predicted.problem == ""
    assert [resource.logical_id for resource in predicted.diff.resources] == ["Topic"]


def test_duplicate_key_of_a_live_template_is_noted() -> None:
    predicted = predict("Other: {Type: AWS::SQS::Queue, Type: AWS::SQS::Queue}")
    assert predicted.problem == ""
    assert predicted.diff.notes == (
        "app:3 gives the key 'Type' twice: CloudFormation takes the last value",
        "app:3 gives the key 'Type' twice before the change: CloudFormation takes the last value",
    )


def test_macro_keeps_a_plan_from_being_predicted_but_not_a_diff() -> None:
    desired, live = sides("Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}")
    assert "only AWS can run a macro" in predict_stack(desired, live).problem
    diff = predict_stack(desired, live, Surroundings(parse=parse_unexpanded)).diff
    assert [resource.logical_id for resource in diff.resources] == ["Topic"]
    assert "app uses AWS::Include, which only AWS can run" in diff.notes[0]
