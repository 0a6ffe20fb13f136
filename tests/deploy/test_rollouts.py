"""Progress of services during an operation, and when a failing rollout is stopped early."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from stackwright.aws import Container, Deployment, Service, Task
from stackwright.core.errors import AwsError
from stackwright.deploy.operation.apply import apply_plan
from stackwright.deploy.operation.progress import Notice, ProgressStep, RolloutProgress
from stackwright.deploy.operation.rollouts import RolloutWatcher
from tests.support.aws import ACCOUNT, REGION
from tests.support.emulator import clocked_account, resources

ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/cluster/web"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DEFINITION = {
    "containerDefinitions": [
        {
            "name": "web",
            "logConfiguration": {"options": {"awslogs-group": "g", "awslogs-stream-prefix": "p"}},
        },
        {"name": "side"},
    ]
}


def step(status, *, of_stack=False, name="Web"):
    if of_stack:
        return ProgressStep(
            "app", "news-app", "AWS::CloudFormation::Stack", status, "", BEGAN, "arn", of_stack=True
        )
    return ProgressStep("app/web", name, "AWS::ECS::Service", status, "", BEGAN, ARN)


def stopped(number, exit_code=1, reason="Essential container in task exited", by="ecs-svc/2"):
    containers = (Container("web", "STOPPED", exit_code), Container("side", "STOPPED", 0))
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/cluster/{number:032x}"
    return Task(
        arn, "STOPPED", "definition:2", reason, "EssentialContainerExited", "", containers, (), by
    )


@dataclass
class Ecs:
    """ECS and logs, in memory; ``failure`` is raised by every call."""

    events: list[tuple[str, datetime, str]] = field(default_factory=list)
    ended: list[Task] = field(default_factory=list)
    running: int = 0
    lines: dict[str, list[str]] = field(default_factory=dict)
    deployments: list[tuple[str, str]] = field(
        default_factory=lambda: [("d2", "IN_PROGRESS"), ("d1", "SUCCESSFUL")]
    )
    stopped: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    failure: AwsError | None = None
    refuses_stop: AwsError | None = None

    def services(self, cluster, names):
        self.asked.append("services")
        if self.failure:
            raise self.failure
        failed = len(self.ended)
        new = Deployment(
            "ecs-svc/2", "PRIMARY", "IN_PROGRESS", "", "definition:2", 2, 1, self.running, failed
        )
        old = Deployment("ecs-svc/1", "ACTIVE", "COMPLETED", "", "definition:1", 2, 0, 2, 0)
        events = tuple(reversed(self.events))
        return [Service(ARN, "web", cluster, "ACTIVE", 2, 1, 2, "definition:2", (new, old), events)]

    def tasks(self, cluster, service, *, stopped=False):
        return self.ended

    def task_definition(self, arn):
        self.asked.append(arn)
        return DEFINITION

    def log_tail(self, group, stream, lines=10):
        return self.lines.get(f"{group}:{stream}", [])

    def service_deployments(self, cluster, service):
        return self.deployments

    def stop_service_deployment(self, arn):
        if self.refuses_stop:
            raise self.refuses_stop
        self.stopped.append(arn)

    def says(self, text, when=BEGAN):
        self.events.append((f"e{len(self.events)}", when, f"(service web) {text}"))


@pytest.fixture
def ecs():
    return Ecs()


@pytest.fixture
def rollouts(ecs):
    made = RolloutWatcher(ecs, repeat_limit=3)
    made.observe([step("UPDATE_IN_PROGRESS")])
    return made


def test_new_counts_and_messages_are_reported(ecs, rollouts):
    ecs.says("before it began", BEGAN - timedelta(seconds=1))
    ecs.says("has started 1 tasks: (task 1).")
    (first,) = rollouts.read()
    assert (first.address, first.desired, first.running, first.pending) == ("app/web:Web", 2, 0, 1)
    assert first.messages == ("has started 1 tasks: (task 1).",)
    assert rollouts.read() == []
    ecs.says("has reached a steady state.")
    (message,) = rollouts.read()  # with the counts of before
    assert (message.running, message.messages) == (0, ("has reached a steady state.",))
    ecs.running = 1
    (second,) = rollouts.read()
    assert (second.running, second.messages) == (1, ())
    rollouts.observe([step("UPDATE_COMPLETE")])
    ecs.running = 2
    assert [rollout.running for rollout in rollouts.read()] == [2]
    ecs.running = 3
    assert rollouts.read() == []


def test_stopped_tasks_are_reported_with_reason_and_last_log_lines(ecs, rollouts):
    one = stopped(0xABC123 << 104)
    ecs.ended = [
        one,
        stopped(2, by="ecs-svc/1"),
        stopped(3, reason="Scaling activity initiated by (deployment x)"),
    ]
    ecs.lines = {f"g:p/web/{one.id}": ["Traceback", "KeyError: 'REDIS_URL'"]}
    (rollout,) = rollouts.read()
    assert rollout.stops == (
        "task abc12300 stopped: Essential container in task exited (web: exit code 1)",
    )
    assert rollout.lines == ("web: Traceback", "web: KeyError: 'REDIS_URL'")
    assert rollouts.details("app/web:Web") == (
        rollout.stops[0], "log: web: Traceback", "log: web: KeyError: 'REDIS_URL'",
    )  # fmt: skip
    assert rollouts.details("app/web:Other") == ()


def test_log_of_the_same_failure_is_read_once(ecs, rollouts):
    ecs.ended = [stopped(1), stopped(2)]
    ecs.lines = {f"g:p/web/{task.id}": [task.id] for task in ecs.ended}
    (rollout,) = rollouts.read()
    assert len(rollout.stops) == 2
    assert rollout.lines == (f"web: {ecs.ended[0].id}",)
    assert ecs.asked.count("definition:2") == 1
    assert rollouts.details("app/web:Web") == (
        f"2 times: {rollout.stops[0]}",
        f"log: {rollout.lines[0]}",
    )


def test_details_omit_generic_and_repeated_lines(ecs, rollouts):
    ecs.says("has started 1 tasks: (task 1).")
    for task in ("6a201bf2a2e64f88abcfa352ca9c8168", "9b791e5806924cf9a6c67a66983f1ee6"):
        ecs.says(
            f"(task {task}) is unhealthy in (target-group x) due to (reason Health checks failed)."
        )
    ecs.says("(deployment ecs-svc/2) deployment failed: tasks failed to start.")
    ecs.says("rolling back to deployment ecs-svc/1.")
    ecs.says("(deployment ecs-svc/1) deployment completed.")
    ecs.says("has reached a steady state.")
    (rollout,) = rollouts.read()
    assert len(rollout.messages) == 7
    assert rollouts.details("app/web:Web") == (rollout.messages[2], rollout.messages[3])


def test_repeated_failure_stops_the_service_once(ecs, rollouts):
    ecs.ended = [stopped(1), stopped(2)]
    rollouts.read()
    assert ecs.stopped == []
    ecs.ended.append(stopped(3))
    notices = [notice for notice in rollouts.read() if isinstance(notice, Notice)]
    assert ecs.stopped == ["d2"]
    assert notices[0].text.startswith(
        "app/web:Web: 3 tasks failed the same way (Essential container in task exited"
    )
    ecs.ended.append(stopped(4))
    rollouts.read()
    assert ecs.stopped == ["d2"]


def test_different_failures_do_not_stop_the_service(ecs, rollouts):
    ecs.ended = [stopped(1, 1), stopped(2, 2), stopped(3, 3)]
    rollouts.read()
    assert ecs.stopped == []
    ecs.ended += [
        stopped(n, reason=f"Task failed ELB health checks in (target-group arn:…/{n:016x})")
        for n in (4, 5, 6)
    ]
    rollouts.read()
    assert ecs.stopped == ["d2"]


def test_rollback_stops_no_service(ecs, rollouts):
    rollouts.observe([step("UPDATE_ROLLBACK_IN_PROGRESS", of_stack=True)])
    ecs.ended = [stopped(1), stopped(2), stopped(3)]
    rollouts.read()
    assert ecs.stopped == []
    assert rollouts.details("app/web:Web") == ()


def test_rollout_that_cannot_be_stopped_is_reported(ecs, rollouts):
    ecs.refuses_stop = AwsError.of("SW403", "not allowed: ecs:StopServiceDeployment")
    ecs.ended = [stopped(1), stopped(2), stopped(3)]
    texts = [notice.text for notice in rollouts.read() if isinstance(notice, Notice)]
    assert len(texts) == 1
    assert "cannot be stopped: not allowed: ecs:StopServiceDeployment" in texts[0]


def test_denied_access_to_ecs_is_reported_once(ecs, rollouts):
    ecs.failure = AwsError.of("SW407", "busy")
    assert rollouts.read() == []
    ecs.failure = AwsError.of("SW403", "not allowed: ecs:DescribeServices")
    (notice,) = rollouts.read()
    assert "services cannot be shown: not allowed" in notice.text
    assert rollouts.read() == []


# --- on the emulator

HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


def service(image, breaker=True):
    task = {
        "Family": "web",
        "ContainerDefinitions": [{"Name": "web", "Image": image, "Memory": 128}],
    }
    deployment = {"DeploymentCircuitBreaker": {"Enable": breaker, "Rollback": breaker}}
    shown = {
        "ServiceName": "web",
        "Cluster": {"Ref": "Cluster"},
        "TaskDefinition": {"Ref": "Task"},
        "DesiredCount": 2,
    }
    declared = resources(
        Cluster={"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "cluster"}},
        Task={"Type": "AWS::ECS::TaskDefinition", "Properties": task},
        Service={
            "Type": "AWS::ECS::Service",
            "Properties": {**shown, "DeploymentConfiguration": deployment},
        },
    )
    return {"app": declared}


def test_successful_and_failed_rollouts_are_reported(monkeypatch):
    table = {("AWS::ECS::Task", "start"): 10.0, ("AWS::ECS::Task", "fail"): 5.0}
    with clocked_account(
        monkeypatch, mirror=True, latency=lambda *key: table.get(key, 2.0)
    ) as account:
        plan = account.plan(service("docker.io/library/web:1"))
        assert apply_plan(plan, account.aws, token="1", follower=account.follower).ok
        rollouts_seen = [
            notice for notice in account.notices if isinstance(notice, RolloutProgress)
        ]
        assert list(
            dict.fromkeys((rollout.running, rollout.pending) for rollout in rollouts_seen)
        ) == [
            (0, 2),
            (2, 0),
        ]

        account.notices.clear()
        plan = account.plan(service(f"{HOST}/web:nothing"))
        how = replace(account.follower, repeat_limit=100)
        outcome = apply_plan(plan, account.aws, token="2", follower=how)
        assert outcome.status == "UPDATE_ROLLBACK_COMPLETE"
        assert outcome.cause.address == "app:Service"
        details = "\n".join(outcome.cause.details)
        assert (
            "stopped: CannotPullContainerError: pull image manifest has been retried 1 time(s)"
            in details
        )
        assert "deployment failed: tasks failed to start." in details
        assert any(
            notice.failed for notice in account.notices if isinstance(notice, RolloutProgress)
        )


def test_failing_rollout_is_stopped_before_its_timeout(monkeypatch):
    table = {("AWS::ECS::Task", "start"): 10.0, ("AWS::ECS::Task", "fail"): 5.0}
    table["AWS::ECS::Service", "stabilize"] = 10_800.0
    with clocked_account(
        monkeypatch, mirror=True, latency=lambda *key: table.get(key, 2.0)
    ) as account:
        plan = account.plan(service("docker.io/library/web:1", breaker=False))
        assert apply_plan(plan, account.aws, token="1", follower=account.follower).ok
        began = account.time.now
        plan = account.plan(service(f"{HOST}/web:nothing", breaker=False))
        outcome = apply_plan(plan, account.aws, token="2", follower=account.follower)
        assert outcome.status == "UPDATE_ROLLBACK_COMPLETE"
        assert account.time.now - began < 600
        assert "stopped after 6 tasks had failed the same way" in outcome.cause.details
