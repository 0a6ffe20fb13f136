"""Rules for load balancers and target groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from ...core import Document
from .base import (
    Path,
    Properties,
    ResourceRule,
    RuleFinding,
    as_list,
    as_mapping,
    as_number,
    read_properties,
)


class TargetGroupTimes(ResourceRule):
    """A target group's health check is within bounds, its timeout below its interval."""

    id = "SW321"
    title = "Target group health check out of bounds, or its timeout not below its interval"
    action = "Give values within the bounds shown, with the timeout below the interval."
    reason = "CreateTargetGroup fails."
    source = "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html"
    types = ("AWS::ElasticLoadBalancingV2::TargetGroup",)
    bounds: ClassVar[Mapping[str, tuple[int, int]]] = {
        "HealthCheckIntervalSeconds": (5, 300),
        "HealthCheckTimeoutSeconds": (2, 120),
        "HealthyThresholdCount": (2, 10),
        "UnhealthyThresholdCount": (2, 10),
    }

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each number out of bounds, and a timeout that is not below the interval."""
        group = read_properties(resource)
        for name, (low, high) in self.bounds.items():
            value = as_number(group.get(name))
            if value is not None and not low <= value <= high:
                yield RuleFinding(
                    document,
                    (*at, "Properties", name),
                    f"{name} is {value:g}; allowed are {low} to {high}",
                )
        interval = as_number(group.get("HealthCheckIntervalSeconds"))
        timeout = as_number(group.get("HealthCheckTimeoutSeconds"))
        if interval is not None and timeout is not None and timeout >= interval:
            message = f"the timeout of {timeout:g} s must be below the interval of {interval:g} s"
            yield RuleFinding(document, (*at, "Properties", "HealthCheckTimeoutSeconds"), message)


class IdleTimeout(ResourceRule):
    """A load balancer's idle timeout is within bounds."""

    id = "SW322"
    title = "Load balancer idle timeout out of bounds"
    action = "Give 1 to 4000 seconds."
    reason = "ModifyLoadBalancerAttributes fails after the load balancer was created."
    source = "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html"
    types = ("AWS::ElasticLoadBalancingV2::LoadBalancer",)

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield the attribute idle_timeout.timeout_seconds where it is out of bounds."""
        for index, entry in enumerate(
            as_list(read_properties(resource).get("LoadBalancerAttributes"))
        ):
            value = as_number(as_mapping(entry).get("Value"))
            is_timeout = as_mapping(entry).get("Key") == "idle_timeout.timeout_seconds"
            if is_timeout and value is not None and not 1 <= value <= 4000:
                where = (*at, "Properties", "LoadBalancerAttributes", index)
                yield RuleFinding(
                    document, where, f"the idle timeout is {value:g} s; allowed are 1 to 4000"
                )


RULES = (
    TargetGroupTimes,
    IdleTimeout,
)
