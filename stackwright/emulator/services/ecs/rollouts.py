"""The rollouts under way: one for every ECS service that is changing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....cfn import template_to_text
from .context import EcsContext
from .rollout import SERVICE, TASK, ServiceRollout, Stabilized

SCALABLE_TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"


class ServiceRollouts:
    """Begins a rollout whenever a stack or a client changes a service."""

    def __init__(self, context: EcsContext) -> None:
        self.context = context
        self.current: dict[str, ServiceRollout] = {}
        """The rollouts under way, by the service's ARN."""
        self._configurations: dict[str, Mapping[str, Any]] = {}

    def wait_for_service(
        self, operation: str, arn: str, properties: Mapping[str, Any], stabilized: Stabilized
    ) -> None:
        """Roll out a service that a stack created, updated or deleted."""
        context = self.context
        seconds = context.latency(SERVICE, operation)
        if operation != "delete":  # the latency of a service includes that of its tasks
            seconds = max(0.0, seconds - context.latency(TASK, "start"))
        service = next((s for s in context.backend.services.values() if s.arn == arn), None)
        if service is None:
            context.clock.after(seconds, lambda: stabilized(None))
            return
        configuration = properties.get("DeploymentConfiguration") or {}
        rollout = self._create(service, configuration, stabilized)
        if operation == "create":
            service.deployments, service.events = [], []
        if operation == "delete":
            context.clock.after(seconds, rollout.drain)
            return
        rollout.tasks.count()
        context.clock.after(seconds, rollout.begin)

    def _create(
        self, service: Any, configuration: Mapping[str, Any], stabilized: Stabilized
    ) -> ServiceRollout:
        self._configurations[service.arn] = configuration
        rollout = ServiceRollout(self.context, service, configuration, self.current, stabilized)
        self.current[service.arn] = rollout
        return rollout

    def begin_by_client(
        self,
        service: Any,
        configuration: Mapping[str, Any] | None,
        is_new: bool,
        force: bool = False,
    ) -> None:
        """Roll out a service that a client created or changed through ECS. An operation that waits
        for the service then waits for this rollout.

        ``configuration`` is the deployment configuration as in a template; None keeps the present
        one.
        """
        waiting = self.current.get(service.arn)
        if is_new:
            service.deployments, service.events = [], []
        if configuration is None:
            configuration = self._configurations.get(service.arn, {})
        stabilized = waiting.stabilized if waiting else _ignore
        rollout = self._create(service, configuration, stabilized)
        rollout.tasks.count()
        self.context.clock.after(0, lambda: rollout.begin(force))

    def wait_for_scaling(
        self, operation: str, _id: str, properties: Mapping[str, Any], stabilized: Stabilized
    ) -> None:
        """Scale a service into the bounds of its scalable target, once the target exists."""
        context = self.context
        parts = str(properties.get("ResourceId", "")).split("/")
        service = context.backend.services.get(":".join(parts[1:])) if len(parts) == 3 else None
        scales = properties.get("ScalableDimension") == "ecs:service:DesiredCount"
        active = service is not None and service.status == "ACTIVE"
        if service is not None and active and scales and operation != "delete":
            least, most = (
                int(template_to_text(properties[name])) for name in ("MinCapacity", "MaxCapacity")
            )
            count = min(max(int(service.desired_count), least), most)
            if count != service.desired_count:
                service.desired_count = count
                self.begin_by_client(service, None, is_new=False)
        context.clock.after(context.latency(SCALABLE_TARGET, operation), lambda: stabilized(None))

    def drain_by_client(self, service: Any) -> None:
        """Stop the tasks of a service that a client deleted."""
        self._create(service, {}, _ignore).drain()


def _ignore(_reason: str | None) -> None:
    """Nobody waits for the service."""
