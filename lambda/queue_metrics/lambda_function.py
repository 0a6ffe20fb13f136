"""Publish the depth of a RabbitMQ queue to CloudWatch, and hand it to the autoscaler.

Every minute, inside the VPC: read the queue from one broker, or from all that Cloud Map knows, and
publish the sum in one call. Either all of it is known or nothing is published: a broker that cannot
be read, or a reply that lacks a count, is a failure and never a zero. Every run logs one JSON line
with the embedded metric ReadFailure (0 or 1); a failure is raised after that, so that AWS/Lambda
Errors counts it. Settings, metrics, faults and permissions are described in docs/autoscaling.md.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError
from rabbitmq import BrokerError, Queue, Reading, Unauthorized, read, total

REQUIRED = ("RABBITMQ_MANAGEMENT_URL", "RABBITMQ_SECRET_ID", "METRIC_ENVIRONMENT")
DEFAULTS = {
    "AGENT_INPUT_QUEUE": "agent.mandates",
    "METRIC_NAMESPACE": "Euglena/Queue",
    "RABBITMQ_VHOST": "/",
    "RABBITMQ_TIMEOUT_SECONDS": "5",
}
METRICS = {
    "ready": ("MessagesReady", "Count"),
    "unacknowledged": ("MessagesUnacknowledged", "Count"),
    "consumers": ("Consumers", "Count"),
    "publish_rate": ("PublishRate", "Count/Second"),
    "ack_rate": ("AckRate", "Count/Second"),
}


class QueueMetricsError(Exception):
    """What could not be read or told, in words for the operator; never holds a credential."""


FAULTS = (QueueMetricsError, BrokerError, BotoCoreError, ClientError)


@cache
def client(service: Any) -> Any:
    """One client a service and container, made when first used: a cold start loads only what it
    needs."""
    config = ClientConfig(
        retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=2, read_timeout=5
    )
    return boto3.client(service, config=config)


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables with their defaults. Raises QueueMetricsError that names all that are wrong."""
    values = DEFAULTS | {name: value for name, value in environment.items() if value.strip()}
    wrong = [f"{name} is not set" for name in REQUIRED if name not in values]
    if not usable(values.get("RABBITMQ_MANAGEMENT_URL", "http://unset")):
        wrong.append(
            "RABBITMQ_MANAGEMENT_URL must be http(s)://host:port, without a path or credentials"
        )
    timeout = values["RABBITMQ_TIMEOUT_SECONDS"]
    if not timeout.isdecimal() or not 1 <= int(timeout) <= 20:
        wrong.append(f"RABBITMQ_TIMEOUT_SECONDS={timeout!r}: give a whole number, 1 to 20")
    if ("CLOUD_MAP_NAMESPACE" in values) != ("CLOUD_MAP_SERVICE" in values):
        wrong.append("CLOUD_MAP_NAMESPACE and CLOUD_MAP_SERVICE go together")
    if wrong:
        raise QueueMetricsError("configuration: " + "; ".join(wrong))
    return values


def usable(address: str) -> bool:
    try:
        url = urlsplit(address)
        bare = (
            not (url.username or url.password or url.query or url.path.strip("/")) and url.port != 0
        )
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname) and bare


@cache
def authorization(secret_id: str) -> str:
    """The HTTP Basic header from the secret's username and password, cached for the life of the
    container."""
    text = client("secretsmanager").get_secret_value(SecretId=secret_id).get("SecretString", "")
    try:
        secret = json.loads(text)
        pair = f"{secret['username']}:{secret['password']}"
    except (KeyError, TypeError, ValueError):  # "from None": the cause may hold the secret's text
        raise QueueMetricsError(
            f"secret {secret_id} is not JSON with username and password"
        ) from None
    return "Basic " + base64.b64encode(pair.encode()).decode()


def brokers(values: Mapping[str, str]) -> list[str]:
    """The addresses to read: the URL's host, or every instance, healthy or not, of the Cloud Map
    service.

    A broker whose task is unhealthy may still hold messages: without it the sum would be too small.
    """
    if "CLOUD_MAP_SERVICE" not in values:
        return [str(urlsplit(values["RABBITMQ_MANAGEMENT_URL"]).hostname)]
    names = {
        "NamespaceName": values["CLOUD_MAP_NAMESPACE"],
        "ServiceName": values["CLOUD_MAP_SERVICE"],
    }
    reply = client("servicediscovery").discover_instances(
        **names, HealthStatus="ALL", MaxResults=1000
    )
    addresses = {instance["Attributes"].get("AWS_INSTANCE_IPV4") for instance in reply["Instances"]}
    if not addresses or None in addresses:
        raise QueueMetricsError(f"Cloud Map {names}: no instance, or one without AWS_INSTANCE_IPV4")
    return sorted(addresses)


def read_all(values: Mapping[str, str]) -> Reading:
    """The sum over all brokers. The first that cannot be read ends it: a part is never given as the
    whole."""
    ca_file = values.get("RABBITMQ_CA_FILE")
    queue = Queue(
        url=values["RABBITMQ_MANAGEMENT_URL"],
        vhost=values["RABBITMQ_VHOST"],
        name=values["AGENT_INPUT_QUEUE"],
        timeout=int(values["RABBITMQ_TIMEOUT_SECONDS"]),
        ca_file=str(Path(__file__).parent / ca_file) if ca_file else None,
    )
    addresses, secret_id = brokers(values), values["RABBITMQ_SECRET_ID"]
    try:
        return total([read(queue, address, authorization(secret_id)) for address in addresses])
    except Unauthorized:
        authorization.cache_clear()
        return total([read(queue, address, authorization(secret_id)) for address in addresses])


def publish(reading: Reading, values: Mapping[str, str], now: float) -> None:
    names = [{"Name": name, "Value": value} for name, value in dimensions(values).items()]
    data = [
        {"MetricName": metric, "Dimensions": names, "Timestamp": now, "Unit": unit, "Value": value}
        for key, (metric, unit) in METRICS.items()
        if (value := getattr(reading, key)) is not None
    ]
    client("cloudwatch").put_metric_data(Namespace=values["METRIC_NAMESPACE"], MetricData=data)


def hand_over(reading: Reading, values: Mapping[str, str], now: float) -> None:
    """Invoke the autoscaler with the reading and do not wait for it."""
    point = {key: getattr(reading, key) for key in ("ready", "unacknowledged", "ack_rate")}
    names = {"queue": values["AGENT_INPUT_QUEUE"], "environment": values["METRIC_ENVIRONMENT"]}
    event = json.dumps({"reading": names | {"timestamp": now} | point})
    client("lambda").invoke(
        FunctionName=values["AUTOSCALER_FUNCTION"], InvocationType="Event", Payload=event.encode()
    )


def dimensions(values: Mapping[str, str]) -> dict[str, str]:
    return {"Queue": values["AGENT_INPUT_QUEUE"], "Environment": values["METRIC_ENVIRONMENT"]}


def describe(fault: Exception) -> str:
    """The fault in words; of an unexpected one only type and place, since its text may hold
    anything."""
    name = type(fault).__name__
    if isinstance(fault, FAULTS):
        return f"{name}: {fault}"
    place = traceback.extract_tb(fault.__traceback__)[-1]
    return f"{name} at {Path(place.filename).name}:{place.lineno}: a defect of this function"


def report(
    values: Mapping[str, str], reading: Reading | None, faults: list[Exception], now: float
) -> None:
    """One JSON line, with ReadFailure in the embedded metric format where the dimensions are
    known."""
    log: dict[str, Any] = {
        "event": "queue metrics",
        "reading": asdict(reading) if reading else None,
    }
    log["faults"] = [describe(fault) for fault in faults]
    if "METRIC_ENVIRONMENT" in values:
        metric = {
            "Namespace": values["METRIC_NAMESPACE"],
            "Dimensions": [["Queue", "Environment"]],
            "Metrics": [{"Name": "ReadFailure", "Unit": "Count"}],
        }
        log |= dimensions(values) | {"ReadFailure": int(reading is None)}
        log["_aws"] = {"Timestamp": int(now * 1000), "CloudWatchMetrics": [metric]}
    sys.stdout.write(json.dumps(log) + "\n")


def lambda_handler(event: object, context: object) -> dict[str, Any]:  # noqa: ARG001 - the signature is Lambda's
    """Read, publish, hand over. A failure to publish does not keep the reading from the
    autoscaler."""
    values: dict[str, str] = DEFAULTS | dict(os.environ)
    reading: Reading | None = None
    faults: list[Exception] = []
    try:
        values = settings(os.environ)
        reading = read_all(values)
    except Exception as fault:  # whatever it is: a run that fails logs its line, too
        faults.append(fault)
    now = time.time()
    for step in (publish, hand_over) if values.get("AUTOSCALER_FUNCTION") else (publish,):
        try:
            if reading:
                step(reading, values, now)
        except Exception as fault:
            faults.append(fault)
    report(values, reading, faults, now)
    if faults:
        cause = faults[0] if isinstance(faults[0], FAULTS) else None
        raise QueueMetricsError("; ".join(map(describe, faults))) from cause
    return asdict(reading) if reading else {}
