"""Calls to what runs: ECS, load balancers, Cloud Map, Lambda, CloudWatch and its logs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from msgspec import Struct

from .session import Session


class Deployment(Struct, frozen=True):
    """One deployment of an ECS service; ``status`` is PRIMARY, ACTIVE or INACTIVE, ``rollout``
    IN_PROGRESS, COMPLETED or FAILED."""

    id: str
    status: str
    rollout: str
    reason: str
    task_definition: str
    desired: int
    pending: int
    running: int
    failed: int


class Service(Struct, frozen=True):
    """An ECS service; ``events`` are (id, time, message), newest first."""

    arn: str
    name: str
    cluster: str
    status: str
    desired: int
    pending: int
    running: int
    task_definition: str
    deployments: tuple[Deployment, ...]
    events: tuple[tuple[str, datetime, str], ...] = ()
    target_groups: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()

    @property
    def stable(self) -> bool:
        """Whether its one deployment is complete: what ``aws ecs wait services-stable`` waits
        for."""
        return len(self.deployments) == 1 and self.running == self.desired


class Container(Struct, frozen=True):
    """A container of a task, and why it ended, if it did."""

    name: str
    status: str
    exit_code: int | None = None
    reason: str = ""
    image: str = ""


class Task(Struct, frozen=True):
    """An ECS task. ``started_by`` is the id of the deployment that launched it."""

    arn: str
    status: str
    task_definition: str
    stopped_reason: str = ""
    stop_code: str = ""
    health: str = ""
    containers: tuple[Container, ...] = ()
    addresses: tuple[str, ...] = ()
    started_by: str = ""

    @property
    def id(self) -> str:
        """The last part of the ARN, which names log streams."""
        return self.arn.rpartition("/")[2]


class Target(Struct, frozen=True):
    """A target of a load balancer; ``state`` is healthy, unhealthy, initial, draining, unused or
    unavailable."""

    id: str
    port: int
    state: str
    reason: str = ""


class Instance(Struct, frozen=True):
    """An instance registered in Cloud Map, with its attributes (``AWS_INSTANCE_IPV4``)."""

    id: str
    attributes: Mapping[str, str]


class Metric(Struct, frozen=True):
    """The newest value of a metric."""

    time: datetime
    value: float


class Services(Protocol):
    """What runs in the account; every method raises AwsError."""

    def services(self, cluster: str, names: Sequence[str]) -> list[Service]:
        """ECS DescribeServices; names or ARNs, any number; those that do not exist are left out."""

    def tasks(self, cluster: str, service: str, *, stopped: bool = False) -> list[Task]:
        """ECS ListTasks and DescribeTasks: those that run or start, or those that stopped within
        about an hour."""

    def task_definition(self, arn: str) -> Mapping[str, Any]:
        """ECS DescribeTaskDefinition, as the API gives it."""

    def service_deployments(self, cluster: str, service: str) -> list[tuple[str, str]]:
        """ECS ListServiceDeployments, newest first: (ARN, status)."""

    def stop_service_deployment(self, arn: str) -> None:
        """ECS StopServiceDeployment with rollback."""

    def log_tail(self, group: str, stream: str, lines: int = 10) -> list[str]:
        """CloudWatch Logs GetLogEvents: the last lines; none where group or stream does not
        exist."""

    def target_health(self, target_group: str) -> list[Target]:
        """Elastic Load Balancing DescribeTargetHealth."""

    def instances(self, service_id: str) -> list[Instance]:
        """Cloud Map ListInstances of a service (``srv-…``)."""

    def reserved_concurrency(self, function: str) -> int | None:
        """Lambda GetFunctionConcurrency; None where nothing is reserved, or there is no such
        function."""

    def reserve_concurrency(self, function: str, value: int | None) -> None:
        """Lambda PutFunctionConcurrency, or DeleteFunctionConcurrency for None."""

    def invoke(self, function: str, payload: Mapping[str, Any]) -> tuple[str, str]:
        """Lambda Invoke and wait: (error type, empty where it ended well; the text of its
        answer)."""

    def latest_metric(
        self, namespace: str, name: str, dimensions: Mapping[str, str], seconds: int
    ) -> Metric | None:
        """CloudWatch GetMetricData: the newest value within so many seconds; None where there is
        none."""

    def alarms(self, names: Sequence[str]) -> dict[str, str]:
        """CloudWatch DescribeAlarms: name -> OK, ALARM or INSUFFICIENT_DATA."""


class ServiceCalls(Session):
    """`Services` by botocore."""

    def services(self, cluster: str, names: Sequence[str]) -> list[Service]:
        """See `Services`."""
        found: list[Service] = []
        for start in range(0, len(names), 10):  # the API takes ten
            some = list(names[start : start + 10])
            answer = self._call("ecs", "describe_services", cluster=cluster, services=some)
            found += [
                _service(each) for each in answer["services"] if each.get("status") != "INACTIVE"
            ]
        return found

    def tasks(self, cluster: str, service: str, *, stopped: bool = False) -> list[Task]:
        """See `Services`."""
        status = "STOPPED" if stopped else "RUNNING"
        arguments = {"cluster": cluster, "serviceName": service, "desiredStatus": status}
        arns = self._pages("ecs", "list_tasks", "taskArns", **arguments)
        found: list[Task] = []
        for start in range(0, len(arns), 100):  # the API takes a hundred
            answer = self._call(
                "ecs", "describe_tasks", cluster=cluster, tasks=arns[start : start + 100]
            )
            found += [_task(each) for each in answer["tasks"]]
        return found

    def task_definition(self, arn: str) -> Mapping[str, Any]:
        """See `Services`."""
        found: Mapping[str, Any] = self._call(
            "ecs", "describe_task_definition", taskDefinition=arn
        )["taskDefinition"]
        return found

    def service_deployments(self, cluster: str, service: str) -> list[tuple[str, str]]:
        """See `Services`."""
        arguments = {"cluster": cluster, "service": service}
        found = self._pages("ecs", "list_service_deployments", "serviceDeployments", **arguments)
        return [(each["serviceDeploymentArn"], each["status"]) for each in found]

    def stop_service_deployment(self, arn: str) -> None:
        """See `Services`."""
        self._call("ecs", "stop_service_deployment", serviceDeploymentArn=arn, stopType="ROLLBACK")

    def log_tail(self, group: str, stream: str, lines: int = 10) -> list[str]:
        """See `Services`."""
        arguments: dict[str, Any] = {
            "logGroupName": group,
            "logStreamName": stream,
            "limit": lines,
            "startFromHead": False,
        }
        answer = self._find("ResourceNotFoundException", "logs", "get_log_events", **arguments)
        return [each["message"].rstrip() for each in answer["events"]] if answer else []

    def target_health(self, target_group: str) -> list[Target]:
        """See `Services`."""
        answer = self._call("elbv2", "describe_target_health", TargetGroupArn=target_group)
        found = [
            (each["Target"], each["TargetHealth"]) for each in answer["TargetHealthDescriptions"]
        ]
        return [
            Target(t["Id"], int(t.get("Port", 0)), h["State"], h.get("Description", ""))
            for t, h in found
        ]

    def instances(self, service_id: str) -> list[Instance]:
        """See `Services`."""
        found = self._pages("servicediscovery", "list_instances", "Instances", ServiceId=service_id)
        return [Instance(each["Id"], each.get("Attributes") or {}) for each in found]

    def reserved_concurrency(self, function: str) -> int | None:
        """See `Services`."""
        found = self._find(
            "ResourceNotFoundException", "lambda", "get_function_concurrency", FunctionName=function
        )
        value = (found or {}).get("ReservedConcurrentExecutions")
        return None if value is None else int(value)

    def reserve_concurrency(self, function: str, value: int | None) -> None:
        """See `Services`."""
        if value is None:
            self._call("lambda", "delete_function_concurrency", FunctionName=function)
        else:
            arguments: dict[str, Any] = {
                "FunctionName": function,
                "ReservedConcurrentExecutions": value,
            }
            self._call("lambda", "put_function_concurrency", **arguments)

    def invoke(self, function: str, payload: Mapping[str, Any]) -> tuple[str, str]:
        """See `Services`."""
        answer = self._call(
            "lambda", "invoke", FunctionName=function, Payload=json.dumps(payload).encode()
        )
        return answer.get("FunctionError", ""), answer["Payload"].read().decode(errors="replace")

    def latest_metric(
        self, namespace: str, name: str, dimensions: Mapping[str, str], seconds: int
    ) -> Metric | None:
        """See `Services`."""
        given = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        metric: dict[str, Any] = {"Namespace": namespace, "MetricName": name, "Dimensions": given}
        query: dict[str, Any] = {
            "Id": "latest",
            "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"},
        }
        now = datetime.now(UTC)
        window: dict[str, Any] = {
            "StartTime": now - timedelta(seconds=seconds),
            "EndTime": now + timedelta(seconds=60),
        }
        results = self._pages(
            "cloudwatch",
            "get_metric_data",
            "MetricDataResults",
            MetricDataQueries=[query],
            **window,
        )
        points = [
            Metric(*pair)
            for each in results
            for pair in zip(each["Timestamps"], each["Values"], strict=True)
        ]
        return max(points, key=lambda point: point.time, default=None)

    def alarms(self, names: Sequence[str]) -> dict[str, str]:
        """See `Services`."""
        found: dict[str, str] = {}
        for start in range(0, len(names), 100):  # the API takes a hundred
            some = list(names[start : start + 100])
            answer = self._call("cloudwatch", "describe_alarms", AlarmNames=some)
            found |= {
                each["AlarmName"]: each["StateValue"] for each in answer.get("MetricAlarms") or ()
            }
        return found


def _service(data: Mapping[str, Any]) -> Service:
    return Service(
        arn=data["serviceArn"],
        name=data["serviceName"],
        cluster=data["clusterArn"],
        status=data["status"],
        desired=data["desiredCount"],
        pending=data["pendingCount"],
        running=data["runningCount"],
        task_definition=data.get("taskDefinition", ""),
        deployments=tuple(_deployment(each) for each in data.get("deployments") or ()),
        events=tuple((each["id"], each["createdAt"], each["message"]) for each in data.get("events") or ()),
        target_groups=tuple(
            each["targetGroupArn"] for each in data.get("loadBalancers") or () if "targetGroupArn" in each
        ),
        registries=tuple(each["registryArn"] for each in data.get("serviceRegistries") or ()),
    )  # fmt: skip


def _deployment(data: Mapping[str, Any]) -> Deployment:
    return Deployment(
        id=data["id"],
        status=data["status"],
        rollout=data.get("rolloutState", ""),
        reason=data.get("rolloutStateReason", ""),
        task_definition=data.get("taskDefinition", ""),
        desired=data.get("desiredCount", 0),
        pending=data.get("pendingCount", 0),
        running=data.get("runningCount", 0),
        failed=data.get("failedTasks", 0),
    )


def _task(data: Mapping[str, Any]) -> Task:
    details = [one for each in data.get("attachments") or () for one in each.get("details") or ()]
    return Task(
        arn=data["taskArn"],
        status=data.get("lastStatus", ""),
        task_definition=data.get("taskDefinitionArn", ""),
        stopped_reason=data.get("stoppedReason", ""),
        stop_code=data.get("stopCode", ""),
        health=data.get("healthStatus", ""),
        containers=tuple(
            Container(
                each["name"], each.get("lastStatus", ""), each.get("exitCode"), each.get("reason", ""),
                each.get("image", ""),
            )
            for each in data.get("containers") or ()
        ),
        addresses=tuple(one["value"] for one in details if one.get("name") == "privateIPv4Address"),
        started_by=data.get("startedBy", ""),
    )  # fmt: skip
