"""Rules for ECS services and their scaling."""

from __future__ import annotations

from collections.abc import Iterator

from ...core import Document, Level
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


class _ServiceRule(ResourceRule):
    types = ("AWS::ECS::Service",)


class LoadBalancedContainer(_ServiceRule):
    """A load balancer sends to a container and port that the task definition declares."""

    id = "SW305"
    title = "Load balancer targets a container or port that the task definition lacks"
    action = "Name a container and port that the task definition declares."
    reason = "CreateService fails: the container, or its port, does not exist."
    source = f"{_API}API_LoadBalancer.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each wrong load balancer, where the task definition is in the same template."""
        service = read_properties(resource)
        task = document.resources().get(str(as_mapping(service.get("TaskDefinition")).get("Ref")))
        if task is None:
            return
        ports = {
            str(container.get("Name")): [
                as_mapping(port).get("ContainerPort")
                for port in as_list(container.get("PortMappings"))
            ]
            for _, container in read_containers(task)
        }
        for index, entry in enumerate(as_list(service.get("LoadBalancers"))):
            target = as_mapping(entry)
            name, port = str(target.get("ContainerName")), target.get("ContainerPort")
            where = (*at, "Properties", "LoadBalancers", index)
            if name not in ports:
                message = f"the task definition has no container {name}; it has {', '.join(ports)}"
                yield RuleFinding(document, where, message)
            elif str(port) not in {str(exposed) for exposed in ports[name]}:
                yield RuleFinding(
                    document, where, f"the container {name} does not expose the port {port}"
                )


class DesiredCount(_ServiceRule):
    """A service that may be scaled does not set DesiredCount."""

    id = "SW307"
    title = "DesiredCount on a service that may be scaled"
    action = (
        "Remove DesiredCount: a new service starts one task, and updates keep the scaled number."
    )
    reason = "Every stack update resets the number of tasks, even during a load peak."
    source = "https://github.com/aws/containers-roadmap/issues/493"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield DesiredCount; a service with MaximumPercent 100 or less runs one task and is
        never scaled."""
        service = read_properties(resource)
        most = as_number(as_mapping(service.get("DeploymentConfiguration")).get("MaximumPercent"))
        if "DesiredCount" in service and (most is None or most > 100):
            # The default is 1 for a new service, and the running number for an existing one:
            # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-service.html
            hint = "remove it: a new service starts one task, and updates keep the scaled number"
            yield RuleFinding(
                document,
                (*at, "Properties", "DesiredCount"),
                "DesiredCount resets the scaled count",
                hint,
            )


class SingletonRebalancing(_ServiceRule):
    """A service that may never run an extra task switches zone rebalancing off."""

    id = "SW309"
    title = "Singleton without AvailabilityZoneRebalancing: DISABLED"
    action = "Set AvailabilityZoneRebalancing to DISABLED."
    reason = (
        "The default is ENABLED, which CreateService refuses where MaximumPercent is 100 or less."
    )
    source = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html"

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield a service with MaximumPercent 100 or less and rebalancing not disabled."""
        service = read_properties(resource)
        most = as_number(as_mapping(service.get("DeploymentConfiguration")).get("MaximumPercent"))
        if (
            most is not None
            and most <= 100
            and service.get("AvailabilityZoneRebalancing") != "DISABLED"
        ):
            message = f"MaximumPercent is {most:g}, so AvailabilityZoneRebalancing must be DISABLED"
            yield RuleFinding(document, (*at, "Properties"), message)


class GracePeriod(_ServiceRule):
    """A service behind a load balancer sets HealthCheckGracePeriodSeconds."""

    id = "SW311"
    title = "Load-balanced service without a health check grace period"
    action = "Set HealthCheckGracePeriodSeconds to the time that the slowest start takes."
    reason = "The default is 0: a task that starts slowly is stopped before it answers, repeatedly."
    source = f"{_API}API_CreateService.html"
    level = Level.WARNING

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield a service with load balancers and without a grace period."""
        service = read_properties(resource)
        if service.get("LoadBalancers") and "HealthCheckGracePeriodSeconds" not in service:
            yield RuleFinding(
                document,
                (*at, "Properties"),
                "HealthCheckGracePeriodSeconds is not set; the default is 0",
            )


class ScalingBounds(ResourceRule):
    """A scalable target's minimum is not above its maximum."""

    id = "SW323"
    title = "Scalable target with a minimum above its maximum"
    action = "Lower MinCapacity or raise MaxCapacity."
    reason = "RegisterScalableTarget fails."
    source = "https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html"
    types = ("AWS::ApplicationAutoScaling::ScalableTarget",)

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield a minimum above the maximum."""
        low = as_number(read_properties(resource).get("MinCapacity"))
        high = as_number(read_properties(resource).get("MaxCapacity"))
        if low is not None and high is not None and low > high:
            message = f"MinCapacity {low:g} is above MaxCapacity {high:g}"
            yield RuleFinding(document, (*at, "Properties", "MinCapacity"), message)


RULES = (
    LoadBalancedContainer,
    DesiredCount,
    SingletonRebalancing,
    GracePeriod,
    ScalingBounds,
)
