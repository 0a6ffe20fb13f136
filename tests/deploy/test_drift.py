"""Drift of root and nested stacks by property, and the change set that reverts it."""

from __future__ import annotations

import pytest

from stackwright.aws import Boto, Drift, Stack, StackResource
from stackwright.core.errors import AwsError
from stackwright.deploy.drift import build_reverted_stack, detect_drift
from stackwright.plan import live_stack
from tests.support.aws import client, create_bucket
from tests.support.releasing import BUCKET

CHILD = """\
Parameters:
  Password:
    Type: String
    NoEcho: true
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Environment:
        Variables:
          PASSWORD: !Sub "${Password}!"
          MODE: fast
          ALL: {A: !Ref Password}
"""
STACK_ID = "arn:aws:cloudformation:us-east-2:123456789012:stack/news-app/0123"


TOPIC = "Resources: {Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: %s}}}"
ROOT = """\
Resources:
  Logs:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: news, RetentionInDays: 7}
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: https://news-artifacts.s3.us-east-2.amazonaws.com/child.yaml}
"""


@pytest.fixture
def app(aws: Boto) -> live_stack.LiveStack:
    create_bucket(BUCKET)
    client("s3").put_object(Bucket=BUCKET, Key="child.yaml", Body=(TOPIC % "news").encode())
    client("cloudformation").create_stack(StackName="news-app", TemplateBody=ROOT)
    drift = live_stack.read_stack("news-app", aws, "app")
    assert drift is not None
    return drift


def test_stacks_without_drift_are_fully_compared(aws: Boto, app: live_stack.LiveStack) -> None:
    seen: list[str] = []
    drifts = detect_drift([app], aws, on_progress=seen.append)
    assert [(drift.stack, drift.resources, drift.failed) for drift in drifts] == [
        ("app", (), ""),
        ("app/inner", (), ""),
    ]
    assert [(drift.compared, drift.skipped) for drift in drifts] == [(1, 1), (1, 0)]
    assert sorted(seen) == ["app", "app/inner"]


def test_manual_changes_and_deletions_are_detected(aws: Boto, app: live_stack.LiveStack) -> None:
    client("logs").put_retention_policy(logGroupName="news", retentionInDays=30)
    topic = app.nested["Inner"].resources["Topic"].physical_id
    client("sns").delete_topic(TopicArn=topic)
    outer, inner = detect_drift([app], aws)
    (logs,) = outer.resources
    assert (logs.logical_id, logs.status, logs.differences) == (
        "Logs", "MODIFIED", (("/RetentionInDays", "7", "30", "NOT_EQUAL"),),
    )  # fmt: skip
    assert [(resource.logical_id, resource.status) for resource in inner.resources] == [
        ("Topic", "DELETED")
    ]


class DriftingStacks:
    """`Stacks` that finds one drift, after some rounds; ``state`` is how the detection ends."""

    def __init__(
        self, *drifts: Drift, rounds: int = 0, state: str = "DETECTION_COMPLETE", reason: str = ""
    ) -> None:
        self._drifts, self._rounds, self._state, self._reason = drifts, rounds, state, reason

    def detect_drift(self, stack: str) -> str:
        return "d-1"

    def drift_detection(self, detection: str) -> tuple[str, str]:
        self._rounds -= 1
        return ("DETECTION_IN_PROGRESS", "") if self._rounds >= 0 else (self._state, self._reason)

    def drifts(self, stack: str) -> list[Drift]:
        return list(self._drifts)


def function() -> live_stack.LiveStack:
    stack = Stack(
        STACK_ID, "news-app", "UPDATE_COMPLETE", parameters={"Password": "****"}, tags={"a": "b"}
    )
    resources = {
        "Function": StackResource("Function", "f", "AWS::Lambda::Function", "CREATE_COMPLETE")
    }
    return live_stack.LiveStack.of("app", stack, CHILD, resources)


def modified(*paths: str) -> Drift:
    differences = tuple((path, "old", "new", "NOT_EQUAL") for path in paths)
    return Drift(STACK_ID, "Function", "f", "AWS::Lambda::Function", "MODIFIED", differences)


def test_values_of_noecho_parameters_are_hidden() -> None:
    inside = "/Environment/Variables/"
    paths = (
        f"{inside}PASSWORD",
        f"{inside}MODE",
        f"{inside}ALL/A",
        f"{inside}OTHER",
        "/Timeout",
        "/Environment",
    )
    (drift,) = detect_drift([function()], DriftingStacks(modified(*paths)))  # type: ignore[arg-type]
    shown = {
        path: (expected, actual) for path, expected, actual, _ in drift.resources[0].differences
    }
    secret, plain = ("(hidden)", "(hidden)"), ("old", "new")
    assert shown == dict(zip(paths, (secret, plain, secret, plain, plain, secret), strict=True))


def test_drift_detection_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    aws = DriftingStacks(modified("/Timeout"), rounds=20)
    (drift,) = detect_drift([function()], aws, clock=lambda: now[0], sleep=sleep)  # type: ignore[arg-type]
    assert len(drift.resources) == 1
    assert 0 < now[0] < 60
    with pytest.raises(AwsError, match="the drift detection of news-app does not end"):
        detect_drift([function()], DriftingStacks(rounds=10**6), clock=lambda: now[0], sleep=sleep)  # type: ignore[arg-type]


def test_failed_detection_shows_its_reason_and_the_rest() -> None:
    aws = DriftingStacks(
        modified("/Timeout"), state="DETECTION_FAILED", reason="Failed to detect drift on [Topic]"
    )
    (drift,) = detect_drift([function()], aws)  # type: ignore[arg-type]
    assert (drift.failed, len(drift.resources)) == ("Failed to detect drift on [Topic]", 1)


def test_revert_requests_the_deployed_template_and_parameters(
    aws: Boto, app: live_stack.LiveStack
) -> None:
    target = build_reverted_stack(app, None)
    assert (target.root, target.stack, target.body, target.inline) == (
        "app",
        "news-app",
        ROOT,
        True,
    )
    assert list(target.templates) == ["app", "app/inner"]


def test_revert_keeps_noecho_parameters() -> None:
    target = build_reverted_stack(function(), None)
    assert (target.parameters, target.tags) == ({}, {"a": "b"})


def test_revert_of_a_large_template_needs_its_url() -> None:
    large = live_stack.LiveStack.of("app", function().stack, CHILD + "#" * 60_000)
    with pytest.raises(AwsError, match="larger than 51,200 bytes"):
        build_reverted_stack(large, None)
    target = build_reverted_stack(large, "https://bucket/x")
    assert (target.inline, target.urls) == (False, {"app": "https://bucket/x"})
