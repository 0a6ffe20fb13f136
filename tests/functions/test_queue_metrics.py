"""The queue metrics function against a real RabbitMQ; the AWS services are moto's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.functions.conftest import Broker, wait_until

Logged = Callable[[], list[dict[str, Any]]]
QUEUE = "agent.mandates"


@dataclass
class CallRecorder:
    """The calls that the function made, by operation, and the metrics that it published."""

    secret: str
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def made(self, operation: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.calls if name == operation]

    def published(self, queue: str = QUEUE) -> dict[str, float]:
        now = datetime.now(UTC)
        dimensions = [{"Name": "Queue", "Value": queue}, {"Name": "Environment", "Value": "prod"}]
        client = boto3.client("cloudwatch")
        metrics = {}
        for name in (
            "MessagesReady",
            "MessagesUnacknowledged",
            "Consumers",
            "PublishRate",
            "AckRate",
        ):
            points = client.get_metric_statistics(
                Namespace="Euglena/Queue", MetricName=name, Dimensions=dimensions, Statistics=["Maximum"],
                StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=2), Period=60,
            )["Datapoints"]  # fmt: skip
            if points:
                metrics[name] = max(points, key=lambda point: point["Timestamp"])["Maximum"]
        return metrics


def record(module: ModuleType, recorder: CallRecorder) -> None:
    """Note the calls of every client that the function makes."""
    make = module.client.__wrapped__
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = make(service)
            clients[service].meta.events.register(
                "provide-client-params.*.*",
                lambda params, model, **_: recorder.calls.append((model.name, dict(params))),
            )
        return clients[service]

    module.client = client  # type: ignore[attr-defined]


@pytest.fixture
def recorder(
    queue_metrics: ModuleType, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CallRecorder]:
    """Calls of the function, configured to read the broker, in an account with its secret."""
    with mock_aws():
        text = json.dumps({"username": broker.user, "password": broker.password})
        secret = boto3.client("secretsmanager").create_secret(
            Name="euglena/rabbitmq", SecretString=text
        )
        settings = {
            "RABBITMQ_MANAGEMENT_URL": broker.url,
            "RABBITMQ_SECRET_ID": secret["ARN"],
            "METRIC_ENVIRONMENT": "prod",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        recorder = CallRecorder(secret["ARN"])
        record(queue_metrics, recorder)
        yield recorder


@pytest.fixture
def channel(broker: Broker) -> Iterator[Any]:
    with broker.channel() as channel:
        yield channel
        channel.queue_delete(QUEUE)


def settle(broker: Broker, vhost: str = "%2F", **expected: int) -> None:
    """Wait until the broker's statistics (once a second) show the counts."""

    def shown() -> bool:
        queue = broker.api("GET", f"/api/queues/{vhost}/{QUEUE}")
        return all(queue.get(key) == value for key, value in expected.items())

    wait_until(shown, f"statistics {expected}", 30)


def publish(channel: Any, count: int) -> None:
    channel.queue_declare(QUEUE, durable=True)
    for number in range(count):
        channel.basic_publish("", QUEUE, str(number).encode())


def test_missing_queue_counts_as_empty(queue_metrics: ModuleType, recorder: CallRecorder) -> None:
    queue_metrics.lambda_handler({}, None)
    assert recorder.published() == {
        "MessagesReady": 0, "MessagesUnacknowledged": 0, "Consumers": 0, "PublishRate": 0, "AckRate": 0
    }  # fmt: skip


def test_depth_consumers_and_rates_are_published(
    queue_metrics: ModuleType, recorder: CallRecorder, broker: Broker, channel: Any
) -> None:
    channel.basic_qos(prefetch_count=1)
    publish(channel, 5)
    deliveries: list[int] = []
    channel.basic_consume(QUEUE, lambda _, method, *__: deliveries.append(method.delivery_tag))
    wait_until(
        lambda: channel.connection.process_data_events(0.1) or len(deliveries) == 1, "a delivery"
    )
    channel.basic_ack(deliveries[0])
    wait_until(
        lambda: channel.connection.process_data_events(0.1) or len(deliveries) == 2, "the next"
    )
    settle(broker, messages_ready=3, messages_unacknowledged=1, consumers=1)
    answer = queue_metrics.lambda_handler({}, None)
    assert (answer["ready"], answer["unacknowledged"], answer["consumers"]) == (3, 1, 1)
    assert recorder.published() == {
        "MessagesReady": 3,
        "MessagesUnacknowledged": 1,
        "Consumers": 1,
        "PublishRate": answer["publish_rate"],
        "AckRate": answer["ack_rate"],
    }
    assert len(recorder.made("PutMetricData")) == 1


def test_rates_are_averages_over_a_minute(
    queue_metrics: ModuleType, recorder: CallRecorder, broker: Broker, channel: Any
) -> None:
    publish(channel, 1)
    settle(broker, messages_ready=1)
    publish(channel, 30)
    settle(broker, messages_ready=31)

    def rate() -> float:
        return float(queue_metrics.lambda_handler({}, None)["publish_rate"])

    wait_until(lambda: rate() > 0.2, "a publish rate of about 30 a minute", 30)
    assert rate() < 2


def test_purged_queue_is_empty(
    queue_metrics: ModuleType, recorder: CallRecorder, broker: Broker, channel: Any
) -> None:
    publish(channel, 4)
    settle(broker, messages_ready=4)
    channel.queue_purge(QUEUE)
    settle(broker, messages_ready=0)
    assert queue_metrics.lambda_handler({}, None)["ready"] == 0


def test_queue_in_another_vhost_is_read(
    queue_metrics: ModuleType,
    recorder: CallRecorder,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker.api("PUT", "/api/vhosts/tenant%2F1", {})
    try:
        with broker.channel("tenant/1") as channel:
            publish(channel, 2)
            settle(broker, "tenant%2F1", messages_ready=2)
        monkeypatch.setenv("RABBITMQ_VHOST", "tenant/1")
        assert queue_metrics.lambda_handler({}, None)["ready"] == 2
    finally:
        broker.api("DELETE", "/api/vhosts/tenant%2F1")


def test_missing_vhost_is_an_error(
    queue_metrics: ModuleType, recorder: CallRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RABBITMQ_VHOST", "nowhere")
    with pytest.raises(Exception, match="vhost 'nowhere' is missing"):
        queue_metrics.lambda_handler({}, None)
    assert recorder.published() == {}


def test_memory_alarm_does_not_hide_the_depth(
    queue_metrics: ModuleType, recorder: CallRecorder, broker: Broker, channel: Any
) -> None:
    publish(channel, 3)
    settle(broker, messages_ready=3)
    broker.ctl("set_vm_memory_high_watermark", "absolute", "1")
    try:
        alarms = broker.api("GET", "/api/nodes")[0]
        wait_until(
            lambda: broker.api("GET", "/api/nodes")[0]["mem_alarm"],
            f"an alarm, not {alarms['mem_used']}",
        )
        assert queue_metrics.lambda_handler({}, None)["ready"] == 3
    finally:
        broker.ctl("set_vm_memory_high_watermark", "0.4")
        wait_until(lambda: not broker.api("GET", "/api/nodes")[0]["mem_alarm"], "the alarm gone")


def test_wrong_credentials_are_fetched_again_before_the_error(
    queue_metrics: ModuleType, recorder: CallRecorder, logged: Logged
) -> None:
    wrong = json.dumps({"username": "euglena", "password": "hunter2-secret"})
    boto3.client("secretsmanager").put_secret_value(SecretId=recorder.secret, SecretString=wrong)
    with pytest.raises(Exception, match="401") as raised:
        queue_metrics.lambda_handler({}, None)
    (line,) = logged()
    assert line["ReadFailure"] == 1
    assert len(recorder.made("GetSecretValue")) == 2
    assert recorder.made("PutMetricData") == []
    assert "hunter2" not in json.dumps(line) + str(raised.value)


def test_rotated_credentials_are_fetched_again(
    queue_metrics: ModuleType,
    recorder: CallRecorder,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cache holds the old password; the 401 makes the function read the secret once, then it
    works."""
    queue_metrics.lambda_handler({}, None)
    queue_metrics.lambda_handler({}, None)
    assert len(recorder.made("GetSecretValue")) == 1
    user = {"password": "rotated", "tags": "management"}
    broker.api("PUT", "/api/users/rotating", user)
    broker.api("PUT", "/api/permissions/%2F/rotating", {"configure": "", "write": "", "read": ""})
    try:
        text = json.dumps({"username": "rotating", "password": "rotated"})
        boto3.client("secretsmanager").put_secret_value(SecretId=recorder.secret, SecretString=text)
        broker.api(
            "PUT", f"/api/users/{broker.user}", {"password": "changed", "tags": "administrator"}
        )
        assert queue_metrics.lambda_handler({}, None)["ready"] == 0
        assert len(recorder.made("GetSecretValue")) == 2
    finally:
        broker.ctl("change_password", broker.user, broker.password)
        broker.api("DELETE", "/api/users/rotating")


BAD_SECRETS = ["not json", "[]", '"text"', '{"username": "only"}', "null"]


@pytest.mark.parametrize("text", BAD_SECRETS)
def test_malformed_secret_is_not_shown(
    text: str, queue_metrics: ModuleType, recorder: CallRecorder, logged: Logged
) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=recorder.secret, SecretString=text)
    with pytest.raises(Exception, match="is not JSON with username and password") as raised:
        queue_metrics.lambda_handler({}, None)
    assert raised.value.__cause__
    assert raised.value.__cause__.__suppress_context__
    assert text not in logged()[0]["faults"][0].replace(recorder.secret, "")


def test_reading_is_sent_to_the_autoscaler(
    queue_metrics: ModuleType,
    recorder: CallRecorder,
    monkeypatch: pytest.MonkeyPatch,
    logged: Logged,
) -> None:
    """moto has no such function and refuses the call, which is reported; the call itself is what
    counts."""
    monkeypatch.setenv("AUTOSCALER_FUNCTION", "euglena-autoscaling")
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        queue_metrics.lambda_handler({}, None)
    (call,) = recorder.made("Invoke")
    assert (call["FunctionName"], call["InvocationType"]) == ("euglena-autoscaling", "Event")
    point = json.loads(call["Payload"])["reading"]
    assert abs(point.pop("timestamp") - time.time()) < 60
    assert point == {
        "queue": QUEUE, "environment": "prod", "ready": 0, "unacknowledged": 0, "ack_rate": 0.0
    }  # fmt: skip
    assert recorder.published()["MessagesReady"] == 0
    assert logged()[0]["ReadFailure"] == 0


def test_autoscaler_accepts_the_reading(
    queue_metrics: ModuleType,
    autoscaling: ModuleType,
    recorder: CallRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUTOSCALER_FUNCTION", "euglena-autoscaling")
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        queue_metrics.lambda_handler({}, None)
    event = json.loads(recorder.made("Invoke")[0]["Payload"])
    values = {"AGENT_INPUT_QUEUE": QUEUE, "METRIC_ENVIRONMENT": "prod"}
    assert autoscaling.reading_of(event, values, time.time()).ready == 0


def test_failed_publishing_still_sends_the_reading(
    queue_metrics: ModuleType, recorder: CallRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutMetricData")

    queue_metrics.client("cloudwatch").meta.events.register(
        "before-call.cloudwatch.PutMetricData", deny
    )
    monkeypatch.setenv("AUTOSCALER_FUNCTION", "euglena-autoscaling")
    with pytest.raises(Exception, match="AccessDenied"):
        queue_metrics.lambda_handler({}, None)
    assert len(recorder.made("Invoke")) == 1


def gateways(addresses: list[str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A Cloud Map service with an instance for each address."""
    client = boto3.client("servicediscovery")
    client.create_private_dns_namespace(Name="euglena.local", Vpc="vpc-1")
    (namespace,) = client.list_namespaces()["Namespaces"]
    records = {"DnsRecords": [{"Type": "A", "TTL": 10}]}
    service = client.create_service(
        Name="euglena-gateway", NamespaceId=namespace["Id"], DnsConfig=records
    )
    for number, address in enumerate(addresses):
        attributes = {"AWS_INSTANCE_IPV4": address} if address else {"AWS_INSTANCE_PORT": "8080"}
        identity = {"ServiceId": service["Service"]["Id"], "InstanceId": f"task-{number}"}
        client.register_instance(**identity, Attributes=attributes)
    monkeypatch.setenv("CLOUD_MAP_NAMESPACE", "euglena.local")
    monkeypatch.setenv("CLOUD_MAP_SERVICE", "euglena-gateway")


def test_sidecar_brokers_from_cloud_map_are_summed(
    queue_metrics: ModuleType,
    recorder: CallRecorder,
    monkeypatch: pytest.MonkeyPatch,
    broker: Broker,
    channel: Any,
) -> None:
    publish(channel, 2)
    settle(broker, messages_ready=2)
    gateways(["127.0.0.1", "127.0.0.1"], monkeypatch)
    assert queue_metrics.lambda_handler({}, None)["ready"] == 2, "one address counts once"
    (call,) = recorder.made("DiscoverInstances")
    assert call["HealthStatus"] == "ALL"


def test_unreachable_broker_prevents_publishing(
    queue_metrics: ModuleType,
    recorder: CallRecorder,
    monkeypatch: pytest.MonkeyPatch,
    logged: Logged,
) -> None:
    """127.0.0.2 is loopback too, and the broker does not listen there."""
    gateways(["127.0.0.1", "127.0.0.2"], monkeypatch)
    monkeypatch.setenv("AUTOSCALER_FUNCTION", "euglena-autoscaling")
    with pytest.raises(Exception, match=r"broker 127\.0\.0\.2: ConnectionRefusedError"):
        queue_metrics.lambda_handler({}, None)
    assert recorder.published() == {}
    assert recorder.made("Invoke") == []
    assert logged()[0]["ReadFailure"] == 1


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1", None]])
def test_no_instance_or_one_without_an_address_is_an_error(
    addresses: list[str | None],
    queue_metrics: ModuleType,
    recorder: CallRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateways(addresses, monkeypatch)
    with pytest.raises(Exception, match="no instance, or one without AWS_INSTANCE_IPV4"):
        queue_metrics.lambda_handler({}, None)
    assert recorder.published() == {}


BAD_SETTINGS = {
    "nothing set": ({"METRIC_ENVIRONMENT": ""}, "METRIC_ENVIRONMENT is not set"),
    "another scheme": (
        {"RABBITMQ_MANAGEMENT_URL": "amqp://h:5672"},
        "RABBITMQ_MANAGEMENT_URL must be",
    ),
    "credentials in the URL": (
        {"RABBITMQ_MANAGEMENT_URL": "http://u:topsecret@h:15672"},
        "RABBITMQ_MANAGEMENT_URL must be",
    ),
    "a bad port": (
        {"RABBITMQ_MANAGEMENT_URL": "http://h:99999"},
        "RABBITMQ_MANAGEMENT_URL must be",
    ),
    "a timeout of a minute": ({"RABBITMQ_TIMEOUT_SECONDS": "60"}, "give a whole number, 1 to 20"),
    "half of Cloud Map": (
        {"CLOUD_MAP_SERVICE": "x"},
        "CLOUD_MAP_NAMESPACE and CLOUD_MAP_SERVICE go together",
    ),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_invalid_settings_are_refused(
    case: str,
    queue_metrics: ModuleType,
    recorder: CallRecorder,
    monkeypatch: pytest.MonkeyPatch,
    logged: Logged,
) -> None:
    changed, text = BAD_SETTINGS[case]
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Exception, match="configuration") as raised:
        queue_metrics.lambda_handler({}, None)
    assert text in str(raised.value)
    assert "topsecret" not in str(raised.value) + json.dumps(logged())
    assert recorder.calls == []
