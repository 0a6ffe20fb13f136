"""Rules for task definitions and their containers on Fargate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from ...config import FORBIDDEN
from ...core import Document
from .base import (
    Path,
    Properties,
    ResourceRule,
    RuleFinding,
    as_list,
    as_mapping,
    as_number,
    read_containers,
    read_properties,
)

_API = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/"


class _TaskDefinitionRule(ResourceRule):
    types = ("AWS::ECS::TaskDefinition",)


class HealthCheckBounds(_TaskDefinitionRule):
    """The numbers of a container health check are within ECS's bounds."""

    id = "SW301"
    title = "Container health check out of bounds"
    action = "Give a value within the bounds shown."
    reason = "RegisterTaskDefinition fails, after the stack has begun to change."
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
        """Yield each number out of bounds, of each container."""
        for path, container in read_containers(resource):
            check = as_mapping(container.get("HealthCheck"))
            for name, (low, high) in self.bounds.items():
                value = as_number(check.get(name))
                if value is not None and not low <= value <= high:
                    message = f"{name} of the health check is {value:g}; ECS allows {low} to {high}"
                    yield RuleFinding(document, (*at, *path, "HealthCheck", name), message)


class ContainerTimeouts(_TaskDefinitionRule):
    """StartTimeout and StopTimeout are at most Fargate's 120 seconds."""

    id = "SW302"
    title = "Container timeout above Fargate's maximum of 120 seconds"
    action = "Give 120 seconds or less."
    reason = "RegisterTaskDefinition fails."
    source = f"{_API}API_ContainerDefinition.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each timeout out of bounds, of each container."""
        for path, container in read_containers(resource):
            for name in ("StartTimeout", "StopTimeout"):
                value = as_number(container.get(name))
                if value is not None and not 0 <= value <= 120:
                    message = f"{name} is {value:g} seconds; Fargate allows 0 to 120"
                    yield RuleFinding(document, (*at, *path, name), message)


class AwsvpcOptions(_TaskDefinitionRule):
    """A container uses no option that the awsvpc network mode or Fargate lacks."""

    id = "SW303"
    title = "Container option not available with awsvpc or on Fargate"
    action = "Remove the option; containers of one task reach each other at localhost."
    reason = "RegisterTaskDefinition fails."
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
        """Yield each unavailable option of each container, where the network mode is awsvpc."""
        if read_properties(resource).get("NetworkMode") != "awsvpc":
            return
        for path, container in read_containers(resource):
            for name in self.options:
                if container.get(name):
                    message = f"{name} cannot be used with the network mode awsvpc"
                    yield RuleFinding(
                        document,
                        (*at, *path, name),
                        message,
                        "remove it; containers of one task reach each other at localhost",
                    )


class EnvironmentAndSecrets(_TaskDefinitionRule):
    """No name is in both Environment and Secrets of a container."""

    id = "SW304"
    title = "Name in both Environment and Secrets of a container"
    action = "Remove the variable, and keep the secret."
    reason = "RegisterTaskDefinition fails."
    source = f"{_API}API_ContainerDefinition.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each entry of Environment whose name is in Secrets, of each container."""
        for path, container in read_containers(resource):
            secrets = {str(as_mapping(s).get("Name")) for s in as_list(container.get("Secrets"))}
            for index, variable in enumerate(as_list(container.get("Environment"))):
                name = str(as_mapping(variable).get("Name"))
                if name in secrets:
                    owner = f"the container {container.get('Name')}"
                    message = f"{name} is in Environment and in Secrets of {owner}"
                    yield RuleFinding(
                        document, (*at, *path, "Environment", index), message, "keep the secret"
                    )


class LogStreamPrefix(_TaskDefinitionRule):
    """Every container has a log configuration, with a stream prefix for awslogs."""

    id = "SW306"
    title = "Container without a log configuration, or awslogs without a stream prefix"
    action = "Set LogConfiguration with awslogs-stream-prefix for every container."
    reason = (
        "Fargate refuses awslogs without awslogs-stream-prefix; "
        "a failure without logs cannot be explained."
    )
    source = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each container whose log configuration is missing or incomplete."""
        for path, container in read_containers(resource):
            log = as_mapping(container.get("LogConfiguration"))
            if not log:
                yield RuleFinding(
                    document,
                    (*at, *path),
                    f"the container {container.get('Name')} has no LogConfiguration",
                )
            elif log.get("LogDriver") == "awslogs" and "awslogs-stream-prefix" not in as_mapping(
                log.get("Options")
            ):
                where = (*at, *path, "LogConfiguration")
                yield RuleFinding(
                    document, where, "awslogs on Fargate needs the option awslogs-stream-prefix"
                )


class MutableImage(_TaskDefinitionRule):
    """An image is named by a fixed tag, a digest or a Parameter."""

    id = "SW308"
    title = "Image with the tag latest or without a tag"
    action = (
        "Name a version, or take the image from a Parameter that a deployment binds to a digest."
    )
    reason = (
        "CloudFormation sees no change when the image changes, and a rollback restores nothing."
    )
    source = "https://docs.aws.amazon.com/AmazonECS/latest/bestpracticesguide/container-considerations.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each literal image without a fixed tag; a deploy binds a Parameter to a digest."""
        for path, container in read_containers(resource):
            image = container.get("Image")
            image = as_mapping(image).get("Fn::Sub", image)
            if not isinstance(image, str) or "@" in image or image.endswith("}"):
                continue
            tag = re.search(r":([^:/]+)$", image)
            if tag is None or tag.group(1) == "latest":
                hint = "name a version, or take the image from a Parameter bound to a digest"
                yield RuleFinding(
                    document, (*at, *path, "Image"), f"{image} is not a fixed version", hint
                )


class ContainerOrder(_TaskDefinitionRule):
    """A container depends only on containers of its task that can fulfil the condition."""

    id = "SW310"
    title = "Container depends on a container that is missing or has no health check"
    action = (
        "Name a container of the same task, and give it a HealthCheck for the condition HEALTHY."
    )
    reason = "The task never starts."
    source = f"{_API}API_ContainerDependency.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each dependency that cannot be fulfilled, of each container."""
        by_name = {
            str(container.get("Name")): container for _, container in read_containers(resource)
        }
        for path, container in read_containers(resource):
            for index, entry in enumerate(as_list(container.get("DependsOn"))):
                dependency = as_mapping(entry)
                where = (*at, *path, "DependsOn", index)
                target = by_name.get(str(dependency.get("ContainerName")))
                if target is None:
                    yield RuleFinding(
                        document,
                        where,
                        f"there is no container {dependency.get('ContainerName')} in this task",
                    )
                elif dependency.get("Condition") == "HEALTHY" and "HealthCheck" not in target:
                    yield RuleFinding(
                        document,
                        where,
                        f"{target.get('Name')} has no HealthCheck, so it never becomes HEALTHY",
                    )


class CredentialVariables(_TaskDefinitionRule):
    """No variable overrides the task role's credentials."""

    id = "SW312"
    title = "Environment variable would override the role's credentials"
    action = "Remove the variable; the task gets credentials from its role."
    reason = (
        "The SDKs prefer these variables to the task's role, so the role's least privilege is lost."
    )
    source = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each such entry of Environment and Secrets, of each container."""
        for path, container in read_containers(resource):
            for kind in ("Environment", "Secrets"):
                for index, variable in enumerate(as_list(container.get(kind))):
                    name = str(as_mapping(variable).get("Name"))
                    if any(fnmatchcase(name, pattern) for pattern in FORBIDDEN):
                        yield RuleFinding(
                            document, (*at, *path, kind, index), f"{name} must not be set in a task"
                        )


RULES = (
    HealthCheckBounds,
    ContainerTimeouts,
    AwsvpcOptions,
    EnvironmentAndSecrets,
    LogStreamPrefix,
    MutableImage,
    ContainerOrder,
    CredentialVariables,
)
