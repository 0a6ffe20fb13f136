"""Calls to ECS, load balancers, Cloud Map, Lambda, CloudWatch and its logs."""

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
        """Whether it has one deployment with all its tasks running: the condition of ``aws ecs wait
        services-stable``."""
        return len(self.deployments) == 1 and self.running == self.desired


class Container(Struct, frozen=True):
    """A container of a task; ``exit_code`` and ``reason`` are set once it has ended."""

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
    """Services, functions and metrics of the account; every method raises AwsError."""

    def services(self, cluster: str, names: Sequence[str]) -> list[Service]:
        """ECS DescribeServices, for any number of names or ARNs; services that do not exist are
        omitted."""

    def tasks(self, cluster: str, service: str, *, stopped: bool = False) -> list[Task]:
        """ECS ListTasks and DescribeTasks: tasks that run or start, or that stopped within about
        the last hour."""

    def task_definition(self, arn: str) -> Mapping[str, Any]:
        """ECS DescribeTaskDefinition: the ``taskDefinition`` of the answer."""

    def service_deployments(self, cluster: str, service: str) -> list[tuple[str, str]]:
        """ECS ListServiceDeployments, newest first: (ARN, status)."""

    def stop_service_deployment(self, arn: str) -> None:
        """ECS StopServiceDeployment with rollback."""

    def log_tail(self, group: str, stream: str, lines: int = 10) -> list[str]:
        """CloudWatch Logs GetLogEvents: the last lines; none where group or stream do not exist."""

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
        """Lambda Invoke, synchronously: (error type, empty for success; text of the answer)."""

    def latest_metric(
        self, namespace: str, name: str, dimensions: Mapping[str, str], seconds: int
    ) -> Metric | None:
        """CloudWatch GetMetricData: the newest value of the last ``seconds``; None without one."""

    def alarms(self, names: Sequence[str]) -> dict[str, str]:
        """CloudWatch DescribeAlarms: name -> OK, ALARM or INSUFFICIENT_DATA."""


class ServiceCalls(Session):
    """`Services` by botocore."""

    def services(self, cluster: str, names: Sequence[str]) -> list[Service]:
        """Call DescribeServices for ten at a time, and drop INACTIVE ones."""
        services: list[Service] = []
        for start in range(0, len(names), 10):  # the API takes ten
            batch = list(names[start : start + 10])
            answer = self._call("ecs", "describe_services", cluster=cluster, services=batch)
            services += [
                _parse_service(service)
                for service in answer["services"]
                if service.get("status") != "INACTIVE"
            ]
        return services

    def tasks(self, cluster: str, service: str, *, stopped: bool = False) -> list[Task]:
        """Call ListTasks for all pages, and DescribeTasks for a hundred at a time."""
        status = "STOPPED" if stopped else "RUNNING"
        arguments = {"cluster": cluster, "serviceName": service, "desiredStatus": status}
        arns = self._pages("ecs", "list_tasks", "taskArns", **arguments)
        tasks: list[Task] = []
        for start in range(0, len(arns), 100):  # the API takes a hundred
            answer = self._call(
                "ecs", "describe_tasks", cluster=cluster, tasks=arns[start : start + 100]
            )
            tasks += [_parse_task(task) for task in answer["tasks"]]
        return tasks

    def task_definition(self, arn: str) -> Mapping[str, Any]:
        """Call DescribeTaskDefinition."""
        definition: Mapping[str, Any] = self._call(
            "ecs", "describe_task_definition", taskDefinition=arn
        )["taskDefinition"]
        return definition

    def service_deployments(self, cluster: str, service: str) -> list[tuple[str, str]]:
        """Call ListServiceDeployments for all pages."""
        arguments = {"cluster": cluster, "service": service}
        deployments = self._pages(
            "ecs", "list_service_deployments", "serviceDeployments", **arguments
        )
        return [
            (deployment["serviceDeploymentArn"], deployment["status"]) for deployment in deployments
        ]

    def stop_service_deployment(self, arn: str) -> None:
        """Call StopServiceDeployment with stopType ROLLBACK."""
        self._call("ecs", "stop_service_deployment", serviceDeploymentArn=arn, stopType="ROLLBACK")

    def log_tail(self, group: str, stream: str, lines: int = 10) -> list[str]:
        """Call GetLogEvents from the end of the stream; ResourceNotFoundException gives no
        lines."""
        arguments: dict[str, Any] = {
            "logGroupName": group,
            "logStreamName": stream,
            "limit": lines,
            "startFromHead": False,
        }
        answer = self._find("ResourceNotFoundException", "logs", "get_log_events", **arguments)
        return [event["message"].rstrip() for event in answer["events"]] if answer else []

    def target_health(self, target_group: str) -> list[Target]:
        """Call DescribeTargetHealth for all targets of the group."""
        answer = self._call("elbv2", "describe_target_health", TargetGroupArn=target_group)
        targets = [
            (description["Target"], description["TargetHealth"])
            for description in answer["TargetHealthDescriptions"]
        ]
        return [
            Target(
                target["Id"],
                int(target.get("Port", 0)),
                health["State"],
                health.get("Description", ""),
            )
            for target, health in targets
        ]

    def instances(self, service_id: str) -> list[Instance]:
        """Call ListInstances for all pages."""
        instances = self._pages(
            "servicediscovery", "list_instances", "Instances", ServiceId=service_id
        )
        return [
            Instance(instance["Id"], instance.get("Attributes") or {}) for instance in instances
        ]

    def reserved_concurrency(self, function: str) -> int | None:
        """Call GetFunctionConcurrency; ResourceNotFoundException gives None."""
        answer = self._find(
            "ResourceNotFoundException", "lambda", "get_function_concurrency", FunctionName=function
        )
        value = (answer or {}).get("ReservedConcurrentExecutions")
        return None if value is None else int(value)

    def reserve_concurrency(self, function: str, value: int | None) -> None:
        """Call PutFunctionConcurrency, or DeleteFunctionConcurrency for None."""
        if value is None:
            self._call("lambda", "delete_function_concurrency", FunctionName=function)
        else:
            arguments: dict[str, Any] = {
                "FunctionName": function,
                "ReservedConcurrentExecutions": value,
            }
            self._call("lambda", "put_function_concurrency", **arguments)

    def invoke(self, function: str, payload: Mapping[str, Any]) -> tuple[str, str]:
        """Call Invoke synchronously, and read the payload of the answer."""
        answer = self._call(
            "lambda", "invoke", FunctionName=function, Payload=json.dumps(payload).encode()
        )
        return answer.get("FunctionError", ""), answer["Payload"].read().decode(errors="replace")

    def latest_metric(
        self, namespace: str, name: str, dimensions: Mapping[str, str], seconds: int
    ) -> Metric | None:
        """Call GetMetricData for the maximum of each minute, and take the newest."""
        given_dimensions = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        metric: dict[str, Any] = {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": given_dimensions,
        }
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
            for result in results
            for pair in zip(result["Timestamps"], result["Values"], strict=True)
        ]
        return max(points, key=lambda point: point.time, default=None)

    def alarms(self, names: Sequence[str]) -> dict[str, str]:
        """Call DescribeAlarms for a hundred names at a time."""
        states: dict[str, str] = {}
        for start in range(0, len(names), 100):  # the API takes a hundred
            batch = list(names[start : start + 100])
            answer = self._call("cloudwatch", "describe_alarms", AlarmNames=batch)
            states |= {
                alarm["AlarmName"]: alarm["StateValue"]
                for alarm in answer.get("MetricAlarms") or ()
            }
        return states


def _parse_service(data: Mapping[str, Any]) -> Service:
    return Service(
        arn=data["serviceArn"],
        name=data["serviceName"],
        cluster=data["clusterArn"],
        status=data["status"],
        desired=data["desiredCount"],
        pending=data["pendingCount"],
        running=data["runningCount"],
        task_definition=data.get("taskDefinition", ""),
        deployments=tuple(
            _parse_deployment(deployment) for deployment in data.get("deployments") or ()
        ),
        events=tuple(
            (event["id"], event["createdAt"], event["message"])
            for event in data.get("events") or ()
        ),
        target_groups=tuple(
            balancer["targetGroupArn"]
            for balancer in data.get("loadBalancers") or ()
            if "targetGroupArn" in balancer
        ),
        registries=tuple(
            registry["registryArn"] for registry in data.get("serviceRegistries") or ()
        ),
    )


def _parse_deployment(data: Mapping[str, Any]) -> Deployment:
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


def _parse_task(data: Mapping[str, Any]) -> Task:
    details = [
        detail
        for attachment in data.get("attachments") or ()
        for detail in attachment.get("details") or ()
    ]
    addresses = (
        detail["value"] for detail in details if detail.get("name") == "privateIPv4Address"
    )
    return Task(
        arn=data["taskArn"],
        status=data.get("lastStatus", ""),
        task_definition=data.get("taskDefinitionArn", ""),
        stopped_reason=data.get("stoppedReason", ""),
        stop_code=data.get("stopCode", ""),
        health=data.get("healthStatus", ""),
        containers=tuple(_parse_container(container) for container in data.get("containers") or ()),
        addresses=tuple(addresses),
        started_by=data.get("startedBy", ""),
    )


def _parse_container(data: Mapping[str, Any]) -> Container:
    return Container(
        data["name"],
        data.get("lastStatus", ""),
        data.get("exitCode"),
        data.get("reason", ""),
        data.get("image", ""),
    )
