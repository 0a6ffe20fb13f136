"""The autoscaler's handler against botocore's Stubber: its requests, changes, logs and errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import ANY, Stubber

Logged = Callable[[], list[dict[str, Any]]]
SERVICE = {
    "ECS_CLUSTER": "euglena-cluster",
    "ECS_SERVICE": "euglena-agent",
    "METRIC_ENVIRONMENT": "prod",
}


class StubbedAnswers:
    """The answers of CloudWatch and ECS, in order; a call that is not expected fails the test."""

    def __init__(self, module: ModuleType, stack: ExitStack) -> None:
        self.now = time.time()
        self.cloudwatch = stack.enter_context(Stubber(module.client("cloudwatch")))
        self.ecs = stack.enter_context(Stubber(module.client("ecs")))

    def metrics(
        self, *demands: tuple[float, float], age: float = 60, code: str = "Complete", **more: Any
    ) -> None:
        """(ready, unacknowledged) for each minute; the last one `age` seconds old."""
        last = (self.now - age) // 60 * 60
        times = [datetime.fromtimestamp(last - 60 * i, UTC) for i in range(len(demands))][::-1]
        series = {
            "ready": [ready for ready, _ in demands],
            "unacknowledged": [in_work for _, in_work in demands],
            "ack_rate": [0.1] * len(demands),
        }
        results = [
            {"Id": key, "Timestamps": times, "Values": values, "StatusCode": code}
            for key, values in series.items()
        ]
        self.cloudwatch.add_response(
            "get_metric_data", {"MetricDataResults": results, **more}, ANY_METRICS
        )

    def service(
        self, desired: int, running: int | None = None, status: str = "ACTIVE", **more: Any
    ) -> None:
        description = {
            "status": status,
            "desiredCount": desired,
            "runningCount": desired if running is None else running,
        }
        description["deployments"] = [{"status": "PRIMARY", "rolloutState": "COMPLETED"}]
        self.ecs.add_response(
            "describe_services", {"services": [description | more]}, EXPECTED_SERVICE
        )

    def update(self, desired: int) -> None:
        self.ecs.add_response("update_service", {}, UPDATE | {"desiredCount": desired})

    def done(self) -> None:
        self.cloudwatch.assert_no_pending_responses()
        self.ecs.assert_no_pending_responses()


ANY_METRICS = {"StartTime": ANY, "EndTime": ANY, "MetricDataQueries": ANY}
EXPECTED_SERVICE = {"cluster": "euglena-cluster", "services": ["euglena-agent"]}
UPDATE = {"cluster": "euglena-cluster", "service": "euglena-agent"}
IDLE = [(0.0, 0.0)] * 15


@pytest.fixture
def answers(autoscaling: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedAnswers]:
    for name, value in SERVICE.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        answers = StubbedAnswers(autoscaling, stack)
        yield answers
        answers.done()


def reading(now: float, ready: int, in_work: int) -> dict[str, Any]:
    point = {"timestamp": now, "ready": ready, "unacknowledged": in_work, "ack_rate": 0.05}
    return {"reading": {"queue": "agent.mandates", "environment": "prod"} | point}


def test_tick_scales_out_and_logs_every_input(
    autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    answers.metrics(*IDLE[:-1], (8, 1))
    answers.service(1)
    answers.update(9)
    assert autoscaling.lambda_handler({}, None) == {"desired": 9, "reason": "scale out"}
    (line,) = logged()
    assert line["service"] == {"desired": 1, "running": 1, "deploying": False}
    assert line["history"]["points"][-1] | {"timestamp": 0} == {
        "timestamp": 0, "ready": 8, "unacknowledged": 1, "ack_rate": 0.1}  # fmt: skip
    assert line["config"]["max_workers"] == 11
    assert (line["Desired"], line["Need"], line["Held"], line["faults"]) == (9, 9, 0, [])


def test_log_line_is_an_embedded_metric(
    autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    answers.metrics(*IDLE)
    answers.service(1)
    autoscaling.lambda_handler({}, None)
    (line,) = logged()
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Euglena/Queue"
    assert [metric["Name"] for metric in directive["Metrics"]] == ["Desired", "Need", "Held"]
    assert [line[name] for name in directive["Dimensions"][0]] == ["agent.mandates", "prod"]
    assert abs(line["_aws"]["Timestamp"] - 1000 * time.time()) < 60_000, "milliseconds"


def test_unknown_metric_is_not_published(
    autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    answers.metrics()
    answers.service(8)
    autoscaling.lambda_handler({}, None)
    (line,) = logged()
    assert "Need" not in line
    assert [m["Name"] for m in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]] == [
        "Desired",
        "Held",
    ]
    assert line["Held"] == 1


def test_metrics_of_one_queue_and_environment_are_read(
    autoscaling: ModuleType, answers: StubbedAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRIC_NAMESPACE", "Other/Queue")
    monkeypatch.setenv("AGENT_INPUT_QUEUE", "other.queue")
    asked: list[dict[str, Any]] = []
    events = autoscaling.client("cloudwatch").meta.events
    events.register(
        "provide-client-params.cloudwatch.GetMetricData", lambda params, **_: asked.append(params)
    )
    answers.metrics(*IDLE)
    answers.service(1)
    autoscaling.lambda_handler({}, None)
    metrics = [query["MetricStat"]["Metric"] for query in asked[0]["MetricDataQueries"]]
    assert [m["MetricName"] for m in metrics] == [
        "MessagesReady",
        "MessagesUnacknowledged",
        "AckRate",
    ]
    names = [{"Name": "Queue", "Value": "other.queue"}, {"Name": "Environment", "Value": "prod"}]
    assert all(m["Namespace"] == "Other/Queue" and m["Dimensions"] == names for m in metrics)
    start, end = asked[0]["StartTime"], asked[0]["EndTime"]
    assert start.second == 0, "a start within a minute would leave that minute's point out"
    assert 840 <= answers.now - start.timestamp() <= 840 + 120
    assert 0 < end.timestamp() - answers.now <= 61


def test_simultaneous_ticks_change_the_count_once(
    autoscaling: ModuleType, answers: StubbedAnswers
) -> None:
    """The second sees the first's count; and an absolute count, set twice, is the same count."""
    answers.metrics(*IDLE[:-1], (8, 1))
    answers.service(1)
    answers.update(9)
    answers.metrics(*IDLE[:-1], (8, 1))
    answers.service(9, running=1)
    assert autoscaling.lambda_handler({}, None)["desired"] == 9
    assert autoscaling.lambda_handler({}, None) == {"desired": 9, "reason": "need met"}


def test_reading_is_the_newest_point(
    autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    answers.metrics(*IDLE, age=120)
    answers.service(1)
    answers.update(6)
    autoscaling.lambda_handler(reading(answers.now, 5, 1), None)
    assert logged()[0]["history"]["points"][-1]["ready"] == 5


def test_late_reading_does_not_hide_a_newer_point(
    autoscaling: ModuleType, answers: StubbedAnswers
) -> None:
    answers.metrics(*IDLE[:-1], (8, 1), age=0)
    answers.service(9)
    assert autoscaling.lambda_handler(reading(answers.now - 200, 0, 0), None)["desired"] == 9


def test_reading_replaces_the_point_of_its_minute(
    autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    answers.metrics(*IDLE, age=0)
    answers.service(1)
    answers.update(5)
    autoscaling.lambda_handler(reading(answers.now, 4, 1), None)
    assert len(logged()[0]["history"]["points"]) == len(IDLE)


BAD_READINGS = {
    "another queue": {"queue": "other"},
    "another environment": {"environment": "dev"},
    "a clock ahead by an hour": {"timestamp": time.time() + 3600},
    "negative": {"ready": -1},
    "a negative rate": {"ack_rate": -0.1},
    "text": {"ready": "5"},
    "a truth value": {"ready": True},
    "not a number": {"unacknowledged": float("nan")},
    "an unknown field": {"colour": 1},
    "missing": {"ready": None},
}


@pytest.mark.parametrize("case", BAD_READINGS)
def test_invalid_reading_falls_back_to_cloudwatch(
    case: str, autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    answers.metrics(*IDLE[:-1], (3, 1))
    answers.service(1)
    answers.update(4)
    bad = {"reading": reading(answers.now, 50, 0)["reading"] | BAD_READINGS[case]}
    with pytest.raises(Exception, match="reading refused"):
        autoscaling.lambda_handler(bad, None)
    (line,) = logged()
    assert (line["Desired"], line["reading"]) == (4, False)


@pytest.mark.parametrize(
    "event", [None, [], "text", {}, {"source": "aws.events"}, {"reading": None}, {"reading": 5}]
)
def test_event_without_a_reading_uses_cloudwatch(
    event: Any, autoscaling: ModuleType, answers: StubbedAnswers
) -> None:
    answers.metrics(*IDLE)
    answers.service(1)
    if isinstance(event, dict) and "reading" in event:
        with pytest.raises(Exception, match="reading refused"):
            autoscaling.lambda_handler(event, None)
    else:
        assert autoscaling.lambda_handler(event, None)["desired"] == 1


def test_incomplete_point_is_ignored(
    autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    """A minute with a ready count and no unacknowledged count must not read as "nothing in
    work"."""
    times = [datetime.fromtimestamp((answers.now - 60 * i) // 60 * 60, UTC) for i in range(1, 12)]
    results = [{"Id": "ready", "Timestamps": times, "Values": [0.0] * 11, "StatusCode": "Complete"}]
    results += [
        {"Id": key, "Timestamps": [], "Values": [], "StatusCode": "Complete"}
        for key in ("unacknowledged",)
    ]
    answers.cloudwatch.add_response("get_metric_data", {"MetricDataResults": results}, ANY_METRICS)
    answers.service(8)
    assert autoscaling.lambda_handler({}, None) == {"desired": 8, "reason": "metric stale"}
    assert logged()[0]["history"]["points"] == []


@pytest.mark.parametrize("code", ["PartialData", "InternalError", "Forbidden"])
def test_partial_answer_never_scales_in(
    code: str, autoscaling: ModuleType, answers: StubbedAnswers
) -> None:
    answers.metrics(*IDLE, code=code)
    answers.service(8)
    answer = autoscaling.lambda_handler({}, None)
    assert answer == {"desired": 8, "reason": "CloudWatch's answer is incomplete"}


def test_second_page_is_read_and_a_third_makes_it_incomplete(
    autoscaling: ModuleType, answers: StubbedAnswers
) -> None:
    """At most four calls in a tick: two pages, DescribeServices, UpdateService."""
    answers.metrics(*IDLE, NextToken="2")
    expected = ANY_METRICS | {"NextToken": "2"}
    answers.cloudwatch.add_response(
        "get_metric_data", {"MetricDataResults": [], "NextToken": "3"}, expected
    )
    answers.service(8)
    assert autoscaling.lambda_handler({}, None)["reason"] == "CloudWatch's answer is incomplete"


ROLLOUTS = {
    "two deployments": [{"status": "PRIMARY"}, {"status": "ACTIVE"}],
    "one in progress": [{"status": "PRIMARY", "rolloutState": "IN_PROGRESS"}],
}


@pytest.mark.parametrize("case", ROLLOUTS)
def test_rollout_prevents_scaling_in(
    case: str, autoscaling: ModuleType, answers: StubbedAnswers
) -> None:
    answers.metrics(*IDLE)
    answers.service(8, deployments=ROLLOUTS[case])
    assert autoscaling.lambda_handler({}, None) == {
        "desired": 8,
        "reason": "deployment in progress",
    }


def test_count_changed_by_hand_is_corrected(
    autoscaling: ModuleType, answers: StubbedAnswers
) -> None:
    answers.metrics(*IDLE)
    answers.service(40)
    answers.update(1)
    assert autoscaling.lambda_handler({}, None)["reason"] == "scale in"


@pytest.mark.parametrize("status", ["INACTIVE", "DRAINING"])
def test_inactive_service_is_an_error(
    status: str, autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    answers.metrics(*IDLE)
    answers.service(3, status=status)
    with pytest.raises(Exception, match=f"euglena-agent in cluster euglena-cluster is {status}"):
        autoscaling.lambda_handler({}, None)
    (line,) = logged()
    assert line["reason"] == "failed: see faults"
    assert "check ECS_CLUSTER, ECS_SERVICE and the region" in line["faults"][0]


def test_missing_service_is_an_error(autoscaling: ModuleType, answers: StubbedAnswers) -> None:
    answers.metrics(*IDLE)
    missing = [{"arn": "arn:aws:ecs:us-east-2:123456789012:service/x", "reason": "MISSING"}]
    answers.ecs.add_response(
        "describe_services", {"services": [], "failures": missing}, EXPECTED_SERVICE
    )
    with pytest.raises(Exception, match="is MISSING"):
        autoscaling.lambda_handler({}, None)


AWS_ERRORS = [
    "ThrottlingException",
    "AccessDeniedException",
    "ClusterNotFoundException",
    "ServerException",
]


@pytest.mark.parametrize("call", ["get_metric_data", "describe_services", "update_service"])
@pytest.mark.parametrize("code", AWS_ERRORS)
def test_aws_error_at_any_call_is_logged_and_raised(
    call: str, code: str, autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    """The Stubber answers in place of the transport, below which botocore would have retried."""
    if call != "get_metric_data":
        answers.metrics(*IDLE[:-1], (8, 1))
    if call == "update_service":
        answers.service(1)
    stubber = answers.cloudwatch if call == "get_metric_data" else answers.ecs
    stubber.add_client_error(call, code, "no", http_status_code=400)
    with pytest.raises(Exception, match=code):
        autoscaling.lambda_handler({}, None)
    (line,) = logged()
    assert line["reason"] == "failed: see faults"
    assert code in line["faults"][0]
    assert "Desired" not in line
    if call == "update_service":
        assert line["decision"]["desired"] == 9


def test_without_cloudwatch_a_fresh_reading_still_scales_out(
    autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    answers.cloudwatch.add_client_error("get_metric_data", "ThrottlingException")
    answers.service(1)
    answers.update(11)
    with pytest.raises(Exception, match="ThrottlingException"):
        autoscaling.lambda_handler(reading(answers.now, 50, 1), None)
    assert logged()[0]["reason"] == "scale out"


def test_without_cloudwatch_a_fresh_reading_of_zero_never_scales_in(
    autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    answers.cloudwatch.add_client_error("get_metric_data", "ThrottlingException")
    answers.service(8)
    with pytest.raises(Exception, match="ThrottlingException"):
        autoscaling.lambda_handler(reading(answers.now, 0, 0), None)
    assert logged()[0]["Desired"] == 8


def test_timeout_is_logged_as_a_fault(
    autoscaling: ModuleType, answers: StubbedAnswers, logged: Logged
) -> None:
    def fail(**_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url="https://monitoring")

    autoscaling.client("cloudwatch").meta.events.register(
        "provide-client-params.cloudwatch.*", fail
    )
    with pytest.raises(Exception, match="ConnectTimeoutError"):
        autoscaling.lambda_handler({}, None)
    assert "ConnectTimeoutError" in logged()[0]["faults"][0]


def test_clients_are_created_once_and_not_at_import(
    autoscaling: ModuleType, answers: StubbedAnswers
) -> None:
    assert autoscaling.client("ecs") is autoscaling.client("ecs")
    assert autoscaling.client.cache_info().currsize == 2


BAD_SETTINGS = {
    "a missing name": ({"ECS_CLUSTER": " "}, "ECS_CLUSTER is not set"),
    "not a number": ({"MAX_WORKERS": "ten"}, "MAX_WORKERS='ten': give a whole number, 1 to 1000"),
    "a fraction of a worker": ({"MIN_WORKERS": "1.5"}, "MIN_WORKERS='1.5'"),
    "below": ({"HEADROOM": "-1"}, "HEADROOM='-1': give a number, 0 to 5"),
    "above": ({"SCALE_WINDOW_SECONDS": "86400"}, "SCALE_WINDOW_SECONDS='86400'"),
    "infinite": ({"MESSAGES_PER_WORKER": "inf"}, "MESSAGES_PER_WORKER='inf'"),
    "nan": ({"MESSAGES_PER_WORKER": "nan"}, "MESSAGES_PER_WORKER='nan'"),
    "minimum over maximum": ({"MIN_WORKERS": "12"}, "MIN_WORKERS=12 is above MAX_WORKERS=11"),
    "fallback over maximum": (
        {"FALLBACK_WORKERS": "12"},
        "FALLBACK_WORKERS=12 is above MAX_WORKERS=11",
    ),
    "several at once": (
        {"HEADROOM": "x", "ECS_SERVICE": ""},
        "ECS_SERVICE is not set; HEADROOM='x'",
    ),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_bad_settings_stop_the_tick_before_any_call(
    case: str,
    autoscaling: ModuleType,
    answers: StubbedAnswers,
    logged: Logged,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed, text = BAD_SETTINGS[case]
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Exception, match="configuration") as raised:
        autoscaling.lambda_handler({}, None)
    assert text in str(raised.value)
    assert text in logged()[0]["faults"][0]


BOUNDS = {
    "MIN_WORKERS": (0, 11),
    "MAX_WORKERS": (1, 1000),
    "MESSAGES_PER_WORKER": (0.001, 1000),
    "TARGET_WAIT_SECONDS": (0, 3600),
    "SCALE_WINDOW_SECONDS": (120, 3600),
    "HEADROOM": (0, 5),
    "SCALE_IN_MIN_STEP": (1, 100),
    "SCALE_IN_MAX_BUSY": (0, 1),
    "SCALE_IN_MAX_AGE_SECONDS": (30, 3600),
    "MAX_METRIC_AGE_SECONDS": (60, 3600),
    "FALLBACK_WORKERS": (0, 11),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_of_settings_are_inclusive(name: str, autoscaling: ModuleType) -> None:
    low, high = BOUNDS[name]
    for value in (low, high):
        settings = SERVICE | {"MIN_WORKERS": "0", name: str(value)}
        assert getattr(autoscaling.configure(settings), name.lower()) == value
    beyond = 1 if isinstance(low, int) else 0.0005
    for value in (low - beyond, high + 1):
        with pytest.raises(Exception, match=name):
            autoscaling.configure(SERVICE | {"MIN_WORKERS": "0", name: str(value)})


def test_every_numeric_setting_has_tested_bounds(autoscaling: ModuleType) -> None:
    from configuration import NUMBERS

    assert NUMBERS.keys() == BOUNDS.keys()


def test_defaults_derive_from_other_settings(autoscaling: ModuleType) -> None:
    config = autoscaling.configure(SERVICE | {"MAX_WORKERS": "9", "MAX_METRIC_AGE_SECONDS": "120"})
    assert (config.fallback_workers, config.scale_in_max_age_seconds) == (5, 120)


def test_environment_overrides_dot_env_which_overrides_aws_env(
    autoscaling: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "aws.env").write_text("ECS_CLUSTER=from-aws-env\nMIN_WORKERS=1\nMAX_WORKERS=1\n")
    (tmp_path / ".env").write_text(
        "MIN_WORKERS=2\nMAX_WORKERS=2\nMODEL_NAME=gpt-4o\nEMPTY=\nODD=${HOME}\n"
    )
    values = autoscaling.settings({"MAX_WORKERS": "3", "MIN_WORKERS": ""}, tmp_path)
    assert [values[name] for name in ("ECS_CLUSTER", "MIN_WORKERS", "MAX_WORKERS")] == [
        "from-aws-env",
        "2",
        "3",
    ]
    assert values["ODD"] == "${HOME}"
    assert "EMPTY" not in values


def test_missing_files_of_settings_are_allowed(autoscaling: ModuleType, tmp_path: Path) -> None:
    values = autoscaling.settings(SERVICE, tmp_path)
    assert autoscaling.configure(values).max_workers == 11
    assert values["AGENT_INPUT_QUEUE"] == "agent.mandates"
