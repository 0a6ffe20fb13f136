"""The parts of the emulator that the rollouts of ECS services share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ....cfn import Pseudo
from ...world.clock import Clock
from ..moto_services import MotoServices
from .network import TaskNetwork
from .obstacles import find_obstacle


@dataclass(frozen=True)
class EcsContext:
    """ECS of one account and Region.

    ``latency`` gives the seconds that a task takes to ``start``, to become ``healthy`` and to
    ``fail``, and that CloudFormation waits for a service to ``stabilize`` (three hours in AWS).
    ``token`` makes ids. Without ``pulls`` every task starts. ``unhealthy`` tells whether tasks of a
    service with these images fail their health checks. ``deployments`` are the service deployments
    by the service's ARN, newest first, as DescribeServiceDeployments shows them.
    """

    clock: Clock
    services: MotoServices
    pseudo: Pseudo
    latency: Callable[[str, str], float]
    token: Callable[[], str]
    pulls: bool
    unhealthy: Callable[[str, list[str]], bool]
    deployments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def backend(self) -> Any:
        """moto's ECS of the account and Region."""
        from moto.ecs.models import ecs_backends

        return ecs_backends[self.pseudo.account_id][self.pseudo.region]

    @property
    def network(self) -> TaskNetwork:
        """The connections of tasks."""
        return TaskNetwork(self.pseudo)

    def now(self) -> datetime:
        """The present."""
        return datetime.fromtimestamp(self.clock.now, UTC)

    def is_healthy(self, service: Any, task_definition: str) -> bool:
        """Whether tasks of this definition pass their health checks."""
        definition = self.backend.describe_task_definition(task_definition)
        images = [str(given.get("image", "")) for given in definition.container_definitions]
        return not self.unhealthy(service.name, images)

    def is_alarmed(self, alarm_names: list[str]) -> bool:
        """Whether one of the alarms is in the state ALARM."""
        if not alarm_names:
            return False
        answer = self.services.call("cloudwatch", "describe_alarms", {"AlarmNames": alarm_names})
        return any(alarm["StateValue"] == "ALARM" for alarm in answer.get("MetricAlarms", ()))

    def find_obstacle(self, task_definition: str) -> str | None:
        """The reason why a task of this definition does not start; None where it starts."""
        if not self.pulls:
            return None
        definition = self.backend.describe_task_definition(task_definition)
        return find_obstacle(self.services, self.pseudo, definition.container_definitions)
