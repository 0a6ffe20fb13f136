"""The tasks of one ECS service, as moto's own objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .context import EcsContext

SCHEDULER = "ServiceSchedulerInitiated"


class ServiceTasks:
    """Starts and stops the tasks of one service."""

    def __init__(self, context: EcsContext, service: Any) -> None:
        self._context, self._service = context, service

    def create(self, deployment: Mapping[str, Any]) -> Any:
        """A new task of a deployment, in PROVISIONING. moto neither moves it by itself nor makes a
        network interface that nobody deletes."""
        from moto.ecs.models import Task

        context, service, backend = self._context, self._service, self._context.backend
        definition = backend.describe_task_definition(deployment["taskDefinition"])
        cluster = backend.clusters[service.cluster_name]
        mode, definition.network_mode = definition.network_mode, None
        try:
            task: Any = Task(
                cluster,
                definition,
                None,
                None,
                backend,
                f"service:{service.name}",
                service.launch_type,
                started_by=deployment["id"],
                platform_version=service.platform_version,
            )
        finally:
            definition.network_mode = mode
        task.id, task._transitions = context.token().replace("-", ""), []
        task.last_status, task.created_at = "PROVISIONING", context.now()
        task.containers = [
            _make_container(task, definition, given) for given in definition.container_definitions
        ]
        context.network.attach(task, service, len(backend.tasks.get(cluster.name, ())))
        backend.tasks.setdefault(cluster.name, {})[task.task_arn] = task
        return task

    def mark_running(self, tasks: list[Any]) -> None:
        """Let tasks run, and connect them."""
        for task in tasks:
            task.last_status, task.health_status = "RUNNING", "UNKNOWN"
            task.started_at = self._context.now()
            for container in task.containers:
                container.last_status = "RUNNING"
            self._context.network.connect(task, self._service)

    def mark_health(self, tasks: list[Any], healthy: bool) -> None:
        """Set the outcome of health checks."""
        for task in tasks:
            self._context.network.set_health(task, self._service, healthy)
            task.health_status = "HEALTHY" if healthy else "UNHEALTHY"

    def stop(self, tasks: list[Any], reason: str, code: str = SCHEDULER) -> None:
        """Stop tasks, and disconnect them."""
        for task in tasks:
            ran = task.last_status == "RUNNING"
            task.last_status = task.desired_status = "STOPPED"
            task.stopped_reason, task.stop_code = reason, code
            task.stopped_at = self._context.now()
            for container in task.containers:
                container.last_status = "STOPPED"
                container.exitCode = 0 if ran else None
                container.reason = None if ran else reason
            self._context.network.disconnect(task, self._service)

    def find_running(self, deployment: Mapping[str, Any]) -> list[Any]:
        """The running tasks of a deployment."""
        tasks = self._context.backend.tasks.get(self._service.cluster_name, {}).values()
        return [
            task
            for task in tasks
            if task.started_by == deployment["id"] and task.last_status == "RUNNING"
        ]

    def count(self) -> None:
        """Set the counts of the service and its cluster from their deployments."""
        service, backend = self._service, self._context.backend
        service.running_count = sum(int(d["runningCount"]) for d in service.deployments)
        service.pending_count = sum(int(d["pendingCount"]) for d in service.deployments)
        cluster = backend.clusters.get(service.cluster_name)
        if cluster is not None:
            services = [s for s in backend.services.values() if s.cluster_name == cluster.name]
            cluster.running_tasks_count = sum(s.running_count for s in services)
            cluster.pending_tasks_count = sum(s.pending_count for s in services)

    def target_group_arns(self) -> list[str]:
        """The ARNs of the service's target groups."""
        return [group.arn for group, _ in self._context.network.target_groups(self._service)]


def _make_container(task: Any, definition: Any, given: Mapping[str, Any]) -> Any:
    """A container of a task: moto makes the first one only, and lets it end before it begins."""
    from moto.ecs import models

    container_class: Any = models.Container
    container = container_class(definition)
    container.name, container.image = given.get("name"), given.get("image")
    container.cpu, container.memory = str(given.get("cpu", 0)), given.get("memory")
    container.task_arn, container.exitCode = task.task_arn, None
    prefix = task.task_arn.replace(":task/", ":container/")
    container.container_arn = f"{prefix}/{container.container_arn.rpartition('/')[2]}"
    container.health_status, container.reason = "UNKNOWN", None
    return container
