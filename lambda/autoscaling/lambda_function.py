"""Set the number of ECS agents by the depth of their RabbitMQ queue.

A tick reads the queue's recent history from CloudWatch and the service from ECS, decides
(policy.py), and changes the service's desired count where the decision differs from it. Nothing is
kept between ticks, so that ticks may be lost, doubled or late. The queue-metrics function may hand
over its fresh reading in the event (`{"reading": {...}}`), which spares CloudWatch's lag; any other
event is the schedule. Every tick logs one JSON line with its inputs, its reason and, as CloudWatch
embedded metrics, Desired, Need and Held. Settings, metrics, faults and permissions are described in
docs/autoscaling.md.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError
from configuration import TEXTS, AutoscalerError, configure, dimensions, settings
from policy import PERIOD, Config, Decision, History, Point, Service, decide

METRICS = {
    "ready": "MessagesReady",
    "unacknowledged": "MessagesUnacknowledged",
    "ack_rate": "AckRate",
}


@cache
def client(service: Any) -> Any:
    """One client a service and container, made when first used: a cold start loads only what it
    needs."""
    config = ClientConfig(
        retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=2, read_timeout=5
    )
    return boto3.client(service, config=config)


VALUE_LIMIT = 2**53  # a larger count or rate is no measurement: it is not exact as a double


def is_measurement(value: Any) -> bool:
    """Whether it is a number that a queue can have: finite, not negative, not absurdly large."""
    return type(value) in (int, float) and 0 <= value <= VALUE_LIMIT


def read_history(values: Mapping[str, str], config: Config, now: float) -> History:
    """The points of the last window; a minute without both of ready and unacknowledged is no point.

    A value that is no measurement is dropped and counted; the history is incomplete then, so that
    it never scales in.
    """
    names = [{"Name": name, "Value": value} for name, value in dimensions(values).items()]
    start = now - max(config.scale_window_seconds, config.max_metric_age_seconds) - PERIOD
    request = {
        "StartTime": datetime.fromtimestamp(start // PERIOD * PERIOD, UTC),
        "EndTime": datetime.fromtimestamp(now + PERIOD, UTC),
        "MetricDataQueries": [
            {
                "Id": key,
                "MetricStat": {
                    "Stat": "Maximum",
                    "Period": PERIOD,
                    "Metric": {
                        "Namespace": values["METRIC_NAMESPACE"],
                        "MetricName": metric,
                        "Dimensions": names,
                    },
                },
            }
            for key, metric in METRICS.items()
        ],
    }
    series: dict[str, dict[float, float]] = {key: {} for key in METRICS}
    dropped = 0
    status: dict[str, str] = {}
    for _ in range(
        2
    ):  # three short series fit into one page; the bound keeps a tick within four calls
        reply = client("cloudwatch").get_metric_data(**request)
        for result in reply["MetricDataResults"]:
            pairs = zip(result["Timestamps"], result["Values"], strict=True)
            usable = {stamp.timestamp(): value for stamp, value in pairs if is_measurement(value)}
            series[result["Id"]].update(usable)
            dropped += len(result["Values"]) - len(usable)
            status[result["Id"]] = result["StatusCode"]
        if not (token := reply.get("NextToken")):
            break
        request["NextToken"] = token
    complete = not token and not dropped
    complete &= all(status.get(key) == "Complete" for key in ("ready", "unacknowledged"))
    ready, in_work, rates = series["ready"], series["unacknowledged"], series["ack_rate"]
    times = sorted(ready.keys() & in_work.keys())
    points = (Point(at, ready[at], in_work[at], rates.get(at)) for at in times)
    return History(now, tuple(points), complete, dropped)


def reading_of(event: Any, values: Mapping[str, str], now: float) -> Point | None:
    """The reading in the event, None where there is none. AutoscalerError where it is not
    usable."""
    if not isinstance(event, dict) or "reading" not in event:
        return None
    try:
        given = dict(event["reading"])
        if {"Queue": given.pop("queue"), "Environment": given.pop("environment")} != dimensions(
            values
        ):
            raise ValueError("it is about another queue or environment")
        point = Point(**given)
        numbers = [point.timestamp, point.ready, point.unacknowledged]
        numbers += [] if point.ack_rate is None else [point.ack_rate]
        if not all(map(is_measurement, numbers)):
            raise ValueError("numbers must be finite, not negative and at most 2**53")
        if point.timestamp > now + PERIOD:
            raise ValueError(f"it is {point.timestamp - now:.0f} s in the future: a clock is wrong")
    except (KeyError, TypeError, ValueError) as error:
        raise AutoscalerError(f"reading refused: {repr(error)[:200]}") from error
    return point


def append(history: History, reading: Point) -> History:
    """Put the reading into its place in time, instead of CloudWatch's point of the same minute."""
    others = [p for p in history.points if p.timestamp // PERIOD != reading.timestamp // PERIOD]
    return replace(history, points=tuple(sorted([*others, reading], key=attrgetter("timestamp"))))


def read_service(values: Mapping[str, str]) -> Service:
    """The service's counts. Raises AutoscalerError where it does not exist or is not active."""
    name, cluster = values["ECS_SERVICE"], values["ECS_CLUSTER"]
    services = client("ecs").describe_services(cluster=cluster, services=[name])["services"]
    status = services[0]["status"] if services else "MISSING"
    if status != "ACTIVE":
        text = f"service {name} in cluster {cluster} is {status}"
        raise AutoscalerError(f"{text}: check ECS_CLUSTER, ECS_SERVICE and the region")
    service = services[0]
    rollouts = service.get("deployments", [])
    deploying = len(rollouts) > 1 or any(r.get("rolloutState") == "IN_PROGRESS" for r in rollouts)
    return Service(service["desiredCount"], service["runningCount"], deploying)


def act(decision: Decision, service: Service, values: Mapping[str, str]) -> None:
    """Set the desired count; an absolute number, so that doing it twice is doing it once."""
    if decision.desired != service.desired:
        client("ecs").update_service(
            cluster=values["ECS_CLUSTER"],
            service=values["ECS_SERVICE"],
            desiredCount=decision.desired,
        )


def tick(
    event: object,
    values: Mapping[str, str],
    now: float,
    log: dict[str, Any],
    faults: list[Exception],
) -> None:
    """Read, decide, act. CloudWatch and a reading stand in for each other; both failing ends the
    tick."""
    config = configure(values)
    reading, history = None, History(now, (), complete=False)
    try:
        reading = reading_of(event, values, now)
    except AutoscalerError as error:
        faults.append(error)
    try:
        history = read_history(values, config, now)
    except (BotoCoreError, ClientError) as error:
        if reading is None:
            raise
        faults.append(error)
    if reading:
        history = append(history, reading)
    service = read_service(values)
    decision = decide(history, service, config)
    log |= {"config": asdict(config), "service": asdict(service), "history": asdict(history)}
    log |= {"reading": reading is not None, "decision": asdict(decision)}
    act(decision, service, values)
    log |= dimensions(values) | {"Desired": decision.desired, "Held": int(decision.held)}
    log |= {"reason": decision.reason} | ({} if decision.need is None else {"Need": decision.need})


def embedded_metrics(
    values: Mapping[str, str], log: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """The CloudWatch embedded metric format's header for those of the metrics that the log line
    has.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = [
        {"Name": name, "Unit": "Count"} for name in ("Desired", "Need", "Held") if name in log
    ]
    if not metrics:
        return {}
    directive = {"Namespace": values["METRIC_NAMESPACE"], "Dimensions": [["Queue", "Environment"]]}
    return {
        "_aws": {
            "Timestamp": int(now * 1000),
            "CloudWatchMetrics": [directive | {"Metrics": metrics}],
        }
    }


def lambda_handler(event: object, context: object) -> dict[str, Any]:  # noqa: ARG001 - the signature is Lambda's
    """One tick. Every fault is logged, then raised as AutoscalerError so that AWS/Lambda Errors
    counts it."""
    now = time.time()
    values: dict[str, str] = dict(TEXTS)
    log: dict[str, Any] = {"event": "autoscaling", "time": now}
    faults: list[Exception] = []
    try:
        values = settings(os.environ, Path(__file__).parent)
        tick(event, values, now, log, faults)
    except Exception as error:  # whatever it is: a tick that fails logs its line, too
        faults.append(error)
    log["faults"] = [f"{type(fault).__name__}: {fault}" for fault in faults]
    log.setdefault("reason", "failed: see faults")
    sys.stdout.write(json.dumps(log | embedded_metrics(values, log, now), default=str) + "\n")
    if faults:
        raise AutoscalerError("; ".join(log["faults"])) from faults[0]
    return {"desired": log["Desired"], "reason": log["reason"]}
