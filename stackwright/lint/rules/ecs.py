"""Task definitions and services on Fargate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from ...config import FORBIDDEN
from ...core import Document, Level
from .base import (
    Path,
    Properties,
    ResourceRule,
    RuleFinding,
    containers,
    listed,
    mapping,
    number,
    properties,
)

_API = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/"


class _TaskDefinitionRule(ResourceRule):
    types = ("AWS::ECS::TaskDefinition",)


class _ServiceRule(ResourceRule):
    types = ("AWS::ECS::Service",)


class HealthCheckBounds(_TaskDefinitionRule):
    """Numbers of a container's health check."""

    id = "SW301"
    title = "Container health check out of bounds"
    reason = "RegisterTaskDefinition refuses it, after the stack has begun to change."
    source = f"{_API}API_HealthCheck.html"
    bounds: Mapping[str, tuple[int, int]] = {
        "Interval": (5, 300),
        "Timeout": (2, 60),
        "Retries": (1, 10),
        "StartPeriod": (0, 300),
    }

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Each number of each container."""
        for path, container in containers(resource):
            check = mapping(container.get("HealthCheck"))
            for name, (low, high) in self.bounds.items():
                value = number(check.get(name))
                if value is not None and not low <= value <= high:
                    message = f"{name} of the health check is {value:g}; ECS allows {low} to {high}"
                    yield RuleFinding(document, (*at, *path, "HealthCheck", name), message)


class ContainerTimeouts(_TaskDefinitionRule):
    """StartTimeout and StopTimeout on Fargate."""

    id = "SW302"
    title = "Container timeout above Fargate's 120 seconds"
    reason = "Fargate refuses a StopTimeout or StartTimeout above 120 seconds."
    source = f"{_API}API_ContainerDefinition.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Both timeouts of each container."""
        for path, container in containers(resource):
            for name in ("StartTimeout", "StopTimeout"):
                value = number(container.get(name))
                if value is not None and not 0 <= value <= 120:
                    message = f"{name} is {value:g} seconds; Fargate allows 0 to 120"
                    yield RuleFinding(document, (*at, *path, name), message)


class AwsvpcOptions(_TaskDefinitionRule):
    """Container options that the awsvpc network mode does not have."""

    id = "SW303"
    title = "Container option not available with awsvpc or Fargate"
    reason = "RegisterTaskDefinition refuses it; containers of one task share localhost instead."
    source = (
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html"
    )
    options = (
        "Links",
        "Hostname",
        "ExtraHosts",
        "DnsServers",
        "DnsSearchDomains",
        "DockerSecurityOptions",
        "Privileged",
    )

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Each option of each container, where the mode is awsvpc."""
        if properties(resource).get("NetworkMode") != "awsvpc":
            return
        for path, container in containers(resource):
            for name in self.options:
                if container.get(name):
                    message = f"{name} cannot be used with the network mode awsvpc"
                    yield RuleFinding(
                        document,
                        (*at, *path, name),
                        message,
                        "containers of a task reach one another at localhost",
                    )


class EnvironmentAndSecrets(_TaskDefinitionRule):
    """A name in Environment and in Secrets."""

    id = "SW304"
    title = "The same name in environment and secrets"
    reason = "RegisterTaskDefinition refuses it."
    source = f"{_API}API_ContainerDefinition.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """The names of each container, and names that would replace the role's credentials."""
        for path, container in containers(resource):
            secrets = {str(mapping(each).get("Name")) for each in listed(container.get("Secrets"))}
            for index, each in enumerate(listed(container.get("Environment"))):
                name = str(mapping(each).get("Name"))
                if name in secrets:
                    message = f"{name} is in Environment and in Secrets of the container {container.get('Name')}"
                    yield RuleFinding(
                        document, (*at, *path, "Environment", index), message, "keep the secret"
                    )


class CredentialVariables(_TaskDefinitionRule):
    """Variables that replace the task role's credentials."""

    id = "SW312"
    title = "Environment variable that replaces the credentials of a role"
    reason = (
        "The SDKs prefer these variables to the task's role, so the role's least privilege is lost."
    )
    source = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Environment and Secrets of each container."""
        for path, container in containers(resource):
            for kind in ("Environment", "Secrets"):
                for index, each in enumerate(listed(container.get(kind))):
                    name = str(mapping(each).get("Name"))
                    if any(fnmatchcase(name, pattern) for pattern in FORBIDDEN):
                        yield RuleFinding(
                            document, (*at, *path, kind, index), f"{name} must not be set in a task"
                        )


class LogStreamPrefix(_TaskDefinitionRule):
    """awslogs on Fargate needs a stream prefix."""

    id = "SW306"
    title = "Log configuration without a stream prefix, or no log configuration"
    reason = "Fargate refuses awslogs without awslogs-stream-prefix; without logs a failure cannot be explained."
    source = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """The log configuration of each container."""
        for path, container in containers(resource):
            log = mapping(container.get("LogConfiguration"))
            if not log:
                yield RuleFinding(
                    document,
                    (*at, *path),
                    f"the container {container.get('Name')} has no LogConfiguration",
                )
            elif log.get("LogDriver") == "awslogs" and "awslogs-stream-prefix" not in mapping(
                log.get("Options")
            ):
                where = (*at, *path, "LogConfiguration")
                yield RuleFinding(
                    document, where, "awslogs on Fargate needs the option awslogs-stream-prefix"
                )


class ContainerOrder(_TaskDefinitionRule):
    """DependsOn between containers."""

    id = "SW310"
    title = "Container depends on one that is missing or has no health check"
    reason = "The task never starts."
    source = f"{_API}API_ContainerDependency.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Each dependency of each container."""
        named = {str(each.get("Name")): each for _, each in containers(resource)}
        for path, container in containers(resource):
            for index, each in enumerate(listed(container.get("DependsOn"))):
                wanted = mapping(each)
                where = (*at, *path, "DependsOn", index)
                target = named.get(str(wanted.get("ContainerName")))
                if target is None:
                    yield RuleFinding(
                        document,
                        where,
                        f"there is no container {wanted.get('ContainerName')} in this task",
                    )
                elif wanted.get("Condition") == "HEALTHY" and "HealthCheck" not in target:
                    yield RuleFinding(
                        document,
                        where,
                        f"{target.get('Name')} has no HealthCheck, so it never becomes HEALTHY",
                    )


class MutableImage(_TaskDefinitionRule):
    """Images by :latest or without a tag."""

    id = "SW308"
    title = "Image by :latest or without a tag"
    reason = (
        "CloudFormation sees no change when the image changes, and a rollback restores nothing."
    )
    source = "https://docs.aws.amazon.com/AmazonECS/latest/bestpracticesguide/container-considerations.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """The literal image of each container; a Parameter is bound to a digest when deploying."""
        for path, container in containers(resource):
            image = container.get("Image")
            image = mapping(image).get("Fn::Sub", image)
            if not isinstance(image, str) or "@" in image or image.endswith("}"):
                continue
            tag = re.search(r":([^:/]+)$", image)
            if tag is None or tag.group(1) == "latest":
                hint = "name a version, or take the image from a Parameter that the deploy binds to a digest"
                yield RuleFinding(
                    document, (*at, *path, "Image"), f"{image} is not a fixed version", hint
                )


class DesiredCount(_ServiceRule):
    """DesiredCount resets what scaling has set."""

    id = "SW307"
    title = "DesiredCount on a service that may be scaled"
    reason = "Every stack update sets the number of tasks back, in the middle of a load peak too."
    source = "https://github.com/aws/containers-roadmap/issues/493"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """A singleton, which stops its task before it starts the next, is never scaled."""
        found = properties(resource)
        most = number(mapping(found.get("DeploymentConfiguration")).get("MaximumPercent"))
        if "DesiredCount" in found and (most is None or most > 100):
            hint = (
                "remove it: a new service starts with one task, and updates leave the number alone"
            )
            yield RuleFinding(
                document,
                (*at, "Properties", "DesiredCount"),
                "DesiredCount resets the scaled count",
                hint,
            )


class SingletonRebalancing(_ServiceRule):
    """Availability Zone rebalancing needs room for an extra task."""

    id = "SW309"
    title = "Singleton without AvailabilityZoneRebalancing: DISABLED"
    reason = (
        "The default is ENABLED, which CreateService refuses where MaximumPercent is 100 or less."
    )
    source = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """A service that may never have two tasks."""
        found = properties(resource)
        most = number(mapping(found.get("DeploymentConfiguration")).get("MaximumPercent"))
        if (
            most is not None
            and most <= 100
            and found.get("AvailabilityZoneRebalancing") != "DISABLED"
        ):
            message = "MaximumPercent is 100, so AvailabilityZoneRebalancing must be DISABLED"
            yield RuleFinding(document, (*at, "Properties"), message)


class LoadBalancedContainer(_ServiceRule):
    """The container and port that a load balancer sends to."""

    id = "SW305"
    title = "Load-balanced container that the task definition lacks"
    reason = "CreateService fails: the container, or its port, does not exist."
    source = f"{_API}API_LoadBalancer.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Each load balancer of a service whose task definition is in the same template."""
        found = properties(resource)
        task = document.resources().get(str(mapping(found.get("TaskDefinition")).get("Ref")))
        if task is None:
            return
        ports = {
            str(each.get("Name")): [
                mapping(p).get("ContainerPort") for p in listed(each.get("PortMappings"))
            ]
            for _, each in containers(task)
        }
        for index, each in enumerate(listed(found.get("LoadBalancers"))):
            name, port = str(mapping(each).get("ContainerName")), mapping(each).get("ContainerPort")
            where = (*at, "Properties", "LoadBalancers", index)
            if name not in ports:
                message = f"the task definition has no container {name}; it has {', '.join(ports)}"
                yield RuleFinding(document, where, message)
            elif str(port) not in {str(p) for p in ports[name]}:
                yield RuleFinding(
                    document, where, f"the container {name} does not expose the port {port}"
                )


class GracePeriod(_ServiceRule):
    """HealthCheckGracePeriodSeconds behind a load balancer."""

    id = "SW311"
    title = "Load-balanced service without a health check grace period"
    reason = "The default is 0: a slow starter is killed before it answers, again and again."
    source = f"{_API}API_CreateService.html"
    level = Level.WARNING

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """A service with load balancers."""
        found = properties(resource)
        if found.get("LoadBalancers") and "HealthCheckGracePeriodSeconds" not in found:
            yield RuleFinding(
                document,
                (*at, "Properties"),
                "HealthCheckGracePeriodSeconds is not set; the default is 0",
            )


RULES = (
    HealthCheckBounds,
    ContainerTimeouts,
    AwsvpcOptions,
    EnvironmentAndSecrets,
    LoadBalancedContainer,
    LogStreamPrefix,
    DesiredCount,
    MutableImage,
    SingletonRebalancing,
    ContainerOrder,
    GracePeriod,
    CredentialVariables,
)
