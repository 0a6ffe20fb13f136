"""Verification of a deployed system: each check, its failures, and how long it is repeated."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from stackwright.aws import (
    Deployment,
    Instance,
    Metric,
    Service,
    Stack,
    StackResource,
    Target,
    Task,
)
from stackwright.core.errors import AwsError
from stackwright.health.model import (
    SIMULATED,
    CheckState,
    EnvironmentStatus,
    HealthCheck,
    MissingResource,
    RootStatus,
    Subject,
)
from stackwright.health.status import read_status
from stackwright.health.verify import verify_environment
from stackwright.plan.live_stack import LiveStack
from stackwright.report import next_steps

ARN = "arn:aws:ecs:us-east-2:123456789012:service/news/web"
GROUP = "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/web/0123"
REGISTRY = "arn:aws:servicediscovery:us-east-2:123456789012:service/srv-1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
STACK_ID = "arn:aws:cloudformation:us-east-2:123456789012:stack/news-app/0123"
TEMPLATE = """\
Parameters:
  Queue:
    Type: String
Resources:
  Service:
    Type: AWS::ECS::Service
    Metadata:
      stackwright:
        verify:
          metric: {namespace: News, name: Waiting, dimensions: {Queue: !Ref Queue}, max_age: 120}
  Function:
    Type: AWS::Lambda::Function
    Metadata:
      stackwright:
        verify:
          invoke: {bucket: !Ref Bucket}
  Silent:
    Type: AWS::Lambda::Function
  Bucket:
    Type: AWS::S3::Bucket
  Alarm:
    Type: AWS::CloudWatch::Alarm
  Absent:
    Type: AWS::CloudWatch::Alarm
    Condition: Never
Conditions:
  Never: !Equals [a, b]
"""
RESOURCES = {
    "Service": (ARN, "AWS::ECS::Service"),
    "Function": ("news-function", "AWS::Lambda::Function"),
    "Silent": ("news-silent", "AWS::Lambda::Function"),
    "Bucket": ("news-bucket", "AWS::S3::Bucket"),
    "Alarm": ("news-alarm", "AWS::CloudWatch::Alarm"),
}
COMPLETED = Deployment("ecs-svc/1", "PRIMARY", "COMPLETED", "", "web:1", 2, 0, 2, 0)
SERVICE = Service(
    ARN,
    "web",
    "news",
    "ACTIVE",
    2,
    0,
    2,
    "web:1",
    (COMPLETED,),
    target_groups=(GROUP,),
    registries=(REGISTRY,),
)


def live(
    template: str = TEMPLATE,
    resources: Mapping[str, tuple[str, str]] = RESOURCES,
    name: str = "app",
) -> LiveStack:
    stack = Stack(STACK_ID, "news-app", "UPDATE_COMPLETE", parameters={"Queue": "jobs"})
    made = {
        n: StackResource(n, id_, type_, "CREATE_COMPLETE") for n, (id_, type_) in resources.items()
    }
    return LiveStack.of(name, stack, template, made)


@dataclass
class FakeServices:
    """`Services` in memory, healthy unless changed; ``calls`` lists the calls."""

    service: Service | None = SERVICE
    targets: list[Target] = field(default_factory=lambda: [Target("10.0.0.1", 80, "healthy")])
    names: list[str] = field(default_factory=lambda: ["10.0.0.1"])
    running: list[Task] = field(
        default_factory=lambda: [Task("t/1", "RUNNING", "web:1", addresses=("10.0.0.1",))]
    )
    answer: tuple[str, str] = ("", "{}")
    metric: Metric | None = field(
        default_factory=lambda: Metric(datetime.now(UTC) - timedelta(seconds=30), 3)
    )
    alarm: dict[str, str] = field(default_factory=lambda: {"news-alarm": "OK"})
    refused: dict[str, AwsError] = field(default_factory=dict)
    calls: list[Any] = field(default_factory=list)

    def _call(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if name in self.refused:
            raise self.refused[name]

    def services(self, cluster: str, names: Sequence[str]) -> list[Service]:
        self._call("services", cluster, tuple(names))
        return [self.service] if self.service else []

    def target_health(self, target_group: str) -> list[Target]:
        self._call("target_health", target_group)
        return self.targets

    def instances(self, service_id: str) -> list[Instance]:
        self._call("instances", service_id)
        return [Instance(f"i-{address}", {"AWS_INSTANCE_IPV4": address}) for address in self.names]

    def tasks(self, cluster: str, service: str, *, stopped: bool = False) -> list[Task]:
        self._call("tasks", cluster, service)
        return self.running

    def invoke(self, function: str, payload: Mapping[str, Any]) -> tuple[str, str]:
        self._call("invoke", function, dict(payload))
        return self.answer

    def latest_metric(
        self, namespace: str, name: str, dimensions: Mapping[str, str], seconds: int
    ) -> Metric | None:
        self._call("latest_metric", namespace, name, dict(dimensions), seconds)
        return self.metric

    def alarms(self, names: Sequence[str]) -> dict[str, str]:
        self._call("alarms", tuple(names))
        return self.alarm


class Clock:
    """A clock that sleeping moves; ``then`` is called before each new round."""

    def __init__(self, then: Callable[[int], None] = lambda _: None) -> None:
        self.now, self.rounds, self.then = 0.0, 0, then

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.rounds += 1
        self.then(self.rounds)


def run(
    aws: Any, roots: Sequence[LiveStack] | None = None, clock: Clock | None = None, **options: Any
) -> list[HealthCheck]:
    clock = clock or Clock()
    return verify_environment(
        roots or [live()],
        aws,
        clock=lambda: clock.now,
        sleep=clock.sleep,
        **{"deadline": 60, **options},
    )


def one(aws: Any, subject: Subject, **options: Any) -> tuple[CheckState, str]:
    (check,) = [check for check in run(aws, **options) if check.subject is subject]
    return check.state, check.detail


def test_healthy_system_passes_every_check_in_one_round() -> None:
    aws, clock = FakeServices(), Clock()
    assert [
        (c.subject, c.address, c.state, c.detail.partition(", 3")[0]) for c in run(aws, clock=clock)
    ] == [
        ("service", "app:Service", "ok", "2 of 2 tasks run"),
        ("targets", "app:Service", "ok", "1 of 1 targets healthy"),
        ("name", "app:Service", "ok", "resolves to 1 running task"),
        ("metric", "app:Service", "ok", "News Waiting: 3"),
        ("function", "app:Function", "ok", "ran without error"),
        ("alarm", "app:Alarm", "ok", "not in alarm"),
    ]
    assert clock.now == 0
    assert ("services", "news", (ARN,)) in aws.calls
    assert ("invoke", "news-function", {"bucket": "news-bucket"}) in aws.calls
    assert ("latest_metric", "News", "Waiting", {"Queue": "jobs"}, 120) in aws.calls
    assert ("instances", "srv-1") in aws.calls
    assert ("alarms", ("news-alarm",)) in aws.calls


def service(**changes: Any) -> FakeServices:
    return FakeServices(replace(SERVICE, **changes))


ROLLING = replace(
    COMPLETED, rollout="IN_PROGRESS", running=1, reason="ECS deployment ecs-svc/2 in progress."
)


@pytest.mark.parametrize(
    ("aws", "subject", "state", "detail"),
    [
        (service(running=1), Subject.SERVICE, "fail", "1 of 2 tasks run"),
        (service(deployments=(ROLLING, COMPLETED)), Subject.SERVICE, "fail", "2 of 2 tasks run: ECS deployment"),
        (FakeServices(None), Subject.SERVICE, "fail", "the service does not exist"),
        (service(desired=0, running=0), Subject.SERVICE, "ok", "0 of 0 tasks run"),
        (
            FakeServices(targets=[Target("10.0.0.1", 80, "healthy"), Target("10.0.0.2", 80, "unhealthy", "code 500")]),
            Subject.TARGETS, "fail", "1 of 2 targets healthy: 10.0.0.2:80 is unhealthy, code 500",
        ),
        (FakeServices(targets=[]), Subject.TARGETS, "fail", "0 of 0 targets healthy"),
        (
            FakeServices(targets=[Target("10.0.0.1", 80, "healthy"), Target("10.0.0.2", 80, "draining")]),
            Subject.TARGETS, "ok", "1 of 1 targets healthy",
        ),
        (FakeServices(names=["10.0.0.9"]), Subject.NAME, "fail", "10.0.0.9 runs no task; 10.0.0.1 is not registered"),
        (FakeServices(names=[], running=[]), Subject.NAME, "ok", "resolves to 0 running tasks"),
        (
            FakeServices(running=[Task("t/1", "PENDING", "web:1", addresses=("10.0.0.1",))]),
            Subject.NAME, "fail", "10.0.0.1 runs no task",
        ),
        (FakeServices(answer=("Unhandled", '{"errorMessage": "no"}')), Subject.FUNCTION, "fail", "Unhandled: "),
        (FakeServices(metric=None), Subject.METRIC, "fail", "News Waiting: no value in the last 120 s"),
        (FakeServices(alarm={"news-alarm": "ALARM"}), Subject.ALARM, "fail", "in alarm"),
        (FakeServices(alarm={"news-alarm": "INSUFFICIENT_DATA"}), Subject.ALARM, "skip", "no data yet"),
        (FakeServices(alarm={}), Subject.ALARM, "fail", "the alarm does not exist"),
    ],
)  # fmt: skip
def test_each_fault_has_its_detail(
    aws: FakeServices, subject: Subject, state: str, detail: str
) -> None:
    actual, text = one(aws, subject)
    assert actual == state
    assert text.startswith(detail)


def test_service_without_tasks_needs_no_targets() -> None:
    aws = service(desired=0, running=0)
    aws.targets = []
    assert one(aws, Subject.TARGETS) == (CheckState.OK, "0 of 0 targets healthy")


def test_failed_check_is_repeated_and_passed_check_is_not() -> None:
    aws = FakeServices(alarm={"news-alarm": "ALARM"})

    def then(rounds: int) -> None:
        aws.alarm = {"news-alarm": "OK" if rounds == 3 else "ALARM"}

    clock, seen = Clock(then), []
    checks = run(
        aws, clock=clock, on_progress=lambda round_: seen.append([check.state for check in round_])
    )
    assert {check.state for check in checks} == {CheckState.OK}
    assert [states[-1] for states in seen] == ["fail", "fail", "fail", "ok"]
    assert [name for name, *_ in aws.calls].count("invoke") == 1
    assert [name for name, *_ in aws.calls].count("alarms") == 4


def test_deadline_ends_the_verification() -> None:
    clock = Clock()
    checks = run(service(running=1), clock=clock, deadline=45)
    assert CheckState.FAIL in {check.state for check in checks}
    assert clock.now == 45


def test_denied_call_fails_its_check_only() -> None:
    refused = AwsError.of("SW403", "not allowed: lambda:Invoke")
    checks = run(FakeServices(refused={"invoke": refused}))
    failed = [(check.subject, check.detail) for check in checks if check.state is CheckState.FAIL]
    assert failed == [(Subject.FUNCTION, "not allowed: lambda:Invoke")]


def test_failed_reading_is_repeated() -> None:
    busy = AwsError.of("SW407", "AWS is busy")
    aws = FakeServices(refused={"services": busy})
    clock = Clock(lambda rounds: aws.refused.clear() if rounds == 2 else None)
    checks = run(aws, clock=clock)
    assert {check.state for check in checks} == {CheckState.OK}
    assert len(checks) == 6


def test_expired_credentials_end_the_verification() -> None:
    expired = AwsError.of("SW402", "the credentials have expired")
    with pytest.raises(AwsError, match="have expired"):
        run(FakeServices(refused={"alarms": expired}))


def test_subjects_that_are_not_simulated_are_skipped() -> None:
    checks = run(FakeServices(answer=("Unhandled", ""), metric=None), skip=SIMULATED)
    assert [(check.subject, check.state) for check in checks] == [
        ("service", "ok"), ("targets", "ok"), ("name", "ok"), ("metric", "skip"), ("function", "skip"), ("alarm", "ok"),
    ]  # fmt: skip


def test_unreadable_metadata_fails() -> None:
    text = TEMPLATE.replace("namespace: News, ", "")
    state, detail = one(FakeServices(), Subject.METRIC, roots=[live(text)])
    assert state is CheckState.FAIL
    assert "its verify metadata cannot be read" in detail
    assert "namespace" in detail
    unknown = TEMPLATE.replace("!Ref Queue", "!Ref Nothing")
    assert "Nothing" in one(FakeServices(), Subject.METRIC, roots=[live(unknown)])[1]


def test_nested_stacks_are_checked() -> None:
    stack = Stack(STACK_ID, "news", "UPDATE_COMPLETE")
    inner = {"Inner": ("arn:inner", "AWS::CloudFormation::Stack")}
    body = json.dumps(
        {"Resources": {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {}}}}
    )
    resources = {
        n: StackResource(n, id_, type_, "CREATE_COMPLETE") for n, (id_, type_) in inner.items()
    }
    root = LiveStack.of("app", stack, body, resources, {"Inner": live(name="app/inner")})
    assert {check.address for check in run(FakeServices(), [root])} == {
        "app/inner:Service", "app/inner:Function", "app/inner:Alarm",
    }  # fmt: skip


def test_drift_of_a_nested_stack_is_drift_of_its_root() -> None:
    root = Stack(STACK_ID, "news", "UPDATE_COMPLETE", drift="IN_SYNC", drift_checked=NOW)
    for inner, expected in (("IN_SYNC", "IN_SYNC"), ("DRIFTED", "DRIFTED")):
        child = LiveStack.of(
            "app/inner", replace(root, drift=inner), "Resources: {T: {Type: AWS::SNS::Topic}}"
        )
        parent = LiveStack.of("app", root, child.template, {}, {"Inner": child})
        (state,) = read_status({"app": ("news", parent)}, FakeServices()).stacks
        assert (state.drift, state.drift_checked) == (expected, NOW)


def test_absent_service_ends_the_verification_at_once() -> None:
    clock = Clock()
    checks = run(FakeServices(None), clock=clock, deadline=600)
    assert clock.now < 5
    assert [check.address for check in checks if check.gone] == ["app:Service"]


def test_service_that_appears_late_is_waited_for() -> None:
    aws = FakeServices(None)
    clock = Clock(lambda _: setattr(aws, "service", SERVICE))
    assert all(check.state is CheckState.OK for check in run(aws, clock=clock))


def test_status_names_missing_services_and_alarms() -> None:
    status = read_status({"app": ("news", live())}, FakeServices(None, alarm={}))
    assert [resource.address for resource in status.missing] == ["app:Service", "app:Alarm"]
    assert (status.services, status.healthy) == ((), False)


def test_status_names_resources_that_the_last_drift_detection_missed() -> None:
    bucket = StackResource("Bucket", "news-bucket", "AWS::S3::Bucket", "", drift="DELETED")
    stack = LiveStack.of("app", live().stack, TEMPLATE, {"Bucket": bucket})
    assert read_status({"app": ("news", stack)}, FakeServices()).missing == (
        MissingResource("app:Bucket", "AWS::S3::Bucket", "news-bucket"),
    )


@pytest.mark.parametrize(
    ("status", "said", "command"),
    [
        ("ROLLBACK_COMPLETE", "its first creation failed; delete the stack", "repair --env dev"),
        ("UPDATE_ROLLBACK_FAILED", "continue the rollback", "repair --env dev"),
        ("UPDATE_IN_PROGRESS", "news is being updated", "watch --env dev"),
        ("UPDATE_ROLLBACK_COMPLETE", "failed and was rolled back", "events --env dev --failed"),
    ],
)
def test_status_names_the_next_step_of_a_stack(status: str, said: str, command: str) -> None:
    root = RootStatus("app", "news", status)
    text = "\n".join(next_steps(EnvironmentStatus((root,), ()), "dev"))
    assert said in text
    assert text.endswith(command)
