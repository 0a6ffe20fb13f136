"""Both handlers on hostile JSON: every failure is one logged line and one error class, and no input
makes the autoscaler remove agents."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rabbitmq import BrokerError, Queue, Reading, read

from tests.functions.loopback import response, server

Logged = Callable[[], list[dict[str, Any]]]
VARIABLES = {"ECS_CLUSTER": "c", "ECS_SERVICE": "s", "METRIC_ENVIRONMENT": "prod"}
BAD_NUMBERS = st.sampled_from([-5.0, float("nan"), float("inf"), float("-inf"), 1e308, -0.5, 1e16])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**400, "running", "Object Not Found", "/"])
)
NAMES = st.sampled_from(
    [
        "name",
        "state",
        "messages_ready",
        "messages_unacknowledged",
        "consumers",
        "message_stats",
        "publish_details",
        "ack_details",
        "avg_rate",
        "cluster_state",
        "error",
        "reading",
        "queue",
        "environment",
        "timestamp",
        "ready",
        "unacknowledged",
        "ack_rate",
    ]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=12,
)
LOOSE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=5 * settings().max_examples,
)
"""5,000 inputs for each function with the full profile."""


def tick(module: ModuleType, event: Any, ready: list[float], desired: int) -> list[int]:
    """Run one tick with these values of the last minutes; returns the counts that it set."""
    last = time.time() // 60 * 60
    times = [datetime.fromtimestamp(last - 60 * minute, UTC) for minute in range(len(ready))]
    results = [
        {"Id": key, "Timestamps": times, "Values": values, "StatusCode": "Complete"}
        for key, values in (("ready", ready), ("unacknowledged", ready), ("ack_rate", ready))
    ]
    service = {"status": "ACTIVE", "desiredCount": desired, "runningCount": desired}
    ecs, counts = module.client("ecs"), []

    def record(params: dict[str, Any], **_: Any) -> None:
        counts.append(params["desiredCount"])

    ecs.meta.events.register("provide-client-params.ecs.UpdateService", record)
    with Stubber(module.client("cloudwatch")) as cloudwatch, Stubber(ecs) as stub:
        cloudwatch.add_response("get_metric_data", {"MetricDataResults": results})
        stub.add_response("describe_services", {"services": [service]})
        stub.add_response("update_service", {})
        try:
            module.lambda_handler(event, None)
        except Exception as error:
            if type(error).__name__ != "AutoscalerError":
                raise
        finally:
            ecs.meta.events.unregister("provide-client-params.ecs.UpdateService", record)
    return counts


@pytest.mark.parametrize("value", [-5.0, float("nan"), float("inf"), 1e308])
def test_invalid_measurements_are_dropped_and_logged(
    value: float, autoscaling: ModuleType, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    for name, text in VARIABLES.items():
        monkeypatch.setenv(name, text)
    counts = tick(autoscaling, {}, [value, *[8.0] * 14], 2)
    (line,) = logged()
    assert counts == [11]
    assert (line["history"]["dropped"], line["history"]["complete"]) == (3, False)
    assert line["faults"] == []


@LOOSE
@given(event=JSON, bad=st.lists(BAD_NUMBERS, min_size=1, max_size=15), good=st.integers(0, 14))
@example(event={"reading": {"timestamp": 10**400}}, bad=[float("nan")], good=14)
def test_autoscaler_never_scales_in_on_hostile_input(
    event: Any,
    bad: list[float],
    good: int,
    autoscaling: ModuleType,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, text in VARIABLES.items():
            patch.setenv(name, text)
        capsys.readouterr()
        counts = tick(autoscaling, event, [*bad, *[0.0] * good], 5)
    assert [count for count in counts if count < 5] == []
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["event"] == "autoscaling"


@LOOSE
@given(document=JSON)
@example(document={"messages_ready": 1, "message_stats": {"publish_details": []}})
@example(document=[{"name": "/", "cluster_state": None}])
def test_broker_with_hostile_json_is_an_error_or_a_valid_reading(document: Any) -> None:
    body = json.dumps(document).encode()

    def answer(connection: socket.socket, path: str) -> None:
        missing = response("404 Not Found", b'{"error": "Object Not Found"}')
        queue = not isinstance(document, list) and path != "/api/vhosts"
        good = response("200 OK", body)
        connection.sendall(good if queue or path == "/api/vhosts" else missing)

    with server(answer) as port:
        try:
            reading = read(Queue(f"http://x:{port}", "/", "q", 10), "127.0.0.1", "Basic eA==")
        except BrokerError:
            return
    assert isinstance(reading, Reading)
    assert min(reading.ready, reading.unacknowledged, reading.consumers) >= 0
    for rate in (reading.publish_rate, reading.ack_rate):
        assert rate is None or 0 <= rate < 1e16


def test_defect_in_a_tick_is_logged_and_raised_as_tick_error(
    autoscaling: ModuleType, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    """A reply of CloudWatch without what the API promises stands for any defect."""
    for name, text in VARIABLES.items():
        monkeypatch.setenv(name, text)
    with Stubber(autoscaling.client("cloudwatch")) as stub:
        stub.add_response("get_metric_data", {})
        with pytest.raises(Exception, match="KeyError") as raised:
            autoscaling.lambda_handler({}, None)
    assert type(raised.value).__name__ == "AutoscalerError"
    (line,) = logged()
    assert line["faults"] == ["KeyError: 'MetricDataResults'"]


def test_defect_of_the_metrics_function_is_logged_without_its_text(
    queue_metrics: ModuleType, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    variables = {
        "RABBITMQ_MANAGEMENT_URL": "http://127.0.0.1:1",
        "RABBITMQ_SECRET_ID": "s",
        "METRIC_ENVIRONMENT": "prod",
        "CLOUD_MAP_NAMESPACE": "n",
        "CLOUD_MAP_SERVICE": "m",
    }
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    place = r"KeyError at lambda_function\.py:\d+: a defect"
    with Stubber(queue_metrics.client("servicediscovery")) as stub:
        stub.add_response("discover_instances", {})
        with pytest.raises(Exception, match=place) as raised:
            queue_metrics.lambda_handler({}, None)
    assert type(raised.value).__name__ == "QueueMetricsError"
    (line,) = logged()
    assert line["ReadFailure"] == 1
