"""Rollouts of ECS services in moto: tasks start and stop, counts and ``rolloutState`` move,
deployments fail.

docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html (minimum and maximum
percent) and .../deployment-circuit-breaker.html (thresholds); the events as
.../service-event-messages-list.html has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any

from ...cfn import Pseudo, template_to_text
from ..world.clock import Clock
from .moto_services import MotoServices
from .network import Network
from .tasks import obstacle

SERVICE, TASK = "AWS::ECS::Service", "AWS::ECS::Task"
SCALABLE = "AWS::ApplicationAutoScaling::ScalableTarget"
_ATTEMPTS = 10  # failed tasks, at least, before CloudFormation gives up on a service without a circuit breaker
_BREAKER, _ALARMS, _HALTED = (
    "ECS Deployment Circuit Breaker",
    "ECS Deployment Alarm",
    "ECS Deployment Stop",
)
_PAUSE = 5.0  # seconds between launches once that many failed, so that waiting ends even where tasks take no time
ENDED = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL")
Over = Callable[[str | None], None]


def _true(value: Any) -> bool:
    return template_to_text(value or False) == "true"


def _told(by: str) -> str:
    """As ECS writes it within a sentence."""
    return by[:4] + by[4:].lower()


def _container(task: Any, definition: Any, given: Mapping[str, Any]) -> Any:
    """moto makes a task's first container only, and lets it end before it begins."""
    from moto.ecs import models

    kind: Any = models.Container
    made = kind(definition)
    made.name, made.image, made.cpu = (
        given.get("name"),
        given.get("image"),
        str(given.get("cpu", 0)),
    )
    made.memory, made.task_arn, made.exitCode = given.get("memory"), task.task_arn, None
    made.container_arn = (
        f"{task.task_arn.replace(':task/', ':container/')}/{made.container_arn.rpartition('/')[2]}"
    )
    made.health_status, made.reason = "UNKNOWN", None
    return made


def handler_error(message: str, token: str, code: str) -> str:
    """A status reason as CloudFormation's resource handlers give it."""
    return f'Resource handler returned message: "{message}" (RequestToken: {token}, HandlerErrorCode: {code})'


class ServiceRollouts:
    """The deployments under way. ``latency`` gives the seconds that a task takes to ``start``, to
    ``fail`` and that CloudFormation waits for a service (``stabilize``; three hours in AWS).
    Without ``pulls`` every task starts."""

    def __init__(
        self,
        clock: Clock,
        services: MotoServices,
        pseudo: Pseudo,
        latency: Callable[[str, str], float],
        token: Callable[[], str],
        pulls: bool = True,
        unhealthy: Callable[[str, list[str]], bool] = lambda _service, _images: False,
    ) -> None:
        self.clock, self.services, self.pseudo, self.latency, self.token = (
            clock,
            services,
            pseudo,
            latency,
            token,
        )
        self._pulls, self._unhealthy = pulls, unhealthy
        self.network = Network(pseudo)
        self.current: dict[str, ServiceRollout] = {}
        self.history: dict[str, list[dict[str, Any]]] = {}
        """Service deployments by the service's ARN, newest first, as DescribeServiceDeployments
        shows them."""
        self._configured: dict[str, Mapping[str, Any]] = {}

    @property
    def backend(self) -> Any:
        """moto's ECS of this account and Region."""
        from moto.ecs.models import ecs_backends

        return ecs_backends[self.pseudo.account_id][self.pseudo.region]

    def settle(self, operation: str, arn: str, properties: Mapping[str, Any], over: Over) -> None:
        """Call ``over`` once the service is stable (None), or with the reason why it does not
        become so."""
        found = [each for each in self.backend.services.values() if each.arn == arn]
        later = self.latency(SERVICE, operation)
        if (
            operation != "delete"
        ):  # what the table gives for a service includes that its tasks start
            later = max(0.0, later - self.latency(TASK, "start"))
        if not found:
            self.clock.after(later, lambda: over(None))
            return
        configured = properties.get("DeploymentConfiguration") or {}
        rollout = self._rollout(found[0], configured, over)
        if operation == "create":
            found[0].deployments, found[0].events = [], []
        if operation == "delete":
            self.clock.after(later, rollout.drain)
            return
        rollout.sync()
        self.clock.after(later, rollout.begin)

    def _rollout(self, service: Any, configured: Mapping[str, Any], over: Over) -> ServiceRollout:
        self._configured[service.arn] = configured
        made = self.current[service.arn] = ServiceRollout(self, service, configured, over)
        return made

    def asked(
        self, service: Any, configured: Mapping[str, Any] | None, new: bool, force: bool = False
    ) -> None:
        """A client made a service or changed it through ECS itself. Whoever waits for it, waits for
        the outcome.

        ``configured`` is its deployment configuration as in a template, where that was given.
        """
        waiting = self.current.get(service.arn)
        if new:
            service.deployments, service.events = [], []
        given = self._configured.get(service.arn, {}) if configured is None else configured
        rollout = self._rollout(service, given, waiting.over if waiting else lambda _reason: None)
        rollout.sync()
        self.clock.after(0, lambda: rollout.begin(force))

    def bounded(self, operation: str, _id: str, properties: Mapping[str, Any], over: Over) -> None:
        """Application Auto Scaling brings a service between the bounds of its scalable target once
        that is there."""
        parts = str(properties.get("ResourceId", "")).split("/")
        service = self.backend.services.get(":".join(parts[1:])) if len(parts) == 3 else None
        wanted = (
            properties.get("ScalableDimension") == "ecs:service:DesiredCount"
            and operation != "delete"
        )
        if service is not None and service.status == "ACTIVE" and wanted:
            least, most = (
                int(template_to_text(properties[name])) for name in ("MinCapacity", "MaxCapacity")
            )
            count = min(max(int(service.desired_count), least), most)
            if count != service.desired_count:
                service.desired_count = count
                self.asked(service, None, new=False)
        self.clock.after(self.latency(SCALABLE, operation), lambda: over(None))

    def drained(self, service: Any) -> None:
        """A client deleted a service."""
        self._rollout(service, {}, lambda _reason: None).drain()

    def healthy(self, service: Any, task_definition: str) -> bool:
        """Whether tasks of this definition pass their health checks."""
        found = self.backend.describe_task_definition(task_definition)
        images = [str(each.get("image", "")) for each in found.container_definitions]
        return not self._unhealthy(service.name, images)

    def alarmed(self, names: list[str]) -> bool:
        """Whether one of the alarms is in the state ALARM."""
        if not names:
            return False
        answer = self.services.call("cloudwatch", "describe_alarms", {"AlarmNames": names})
        return any(each["StateValue"] == "ALARM" for each in answer.get("MetricAlarms", ()))

    def obstacle(self, task_definition: str) -> str | None:
        """Why a task of this definition does not start."""
        if not self._pulls:
            return None
        found = self.backend.describe_task_definition(task_definition)
        return obstacle(self.services, self.pseudo, found.container_definitions)


class ServiceRollout:
    """One deployment of one service, until it is stable or has failed."""

    def __init__(
        self, all_: ServiceRollouts, service: Any, given: Mapping[str, Any], over: Over
    ) -> None:
        self._all, self._service, self.over = all_, service, over
        breaker, alarms = given.get("DeploymentCircuitBreaker") or {}, given.get("Alarms") or {}
        self._breaker, self._undo = _true(breaker.get("Enable")), _true(breaker.get("Rollback"))
        self._alarms = (
            [str(each) for each in alarms.get("AlarmNames", ())]
            if _true(alarms.get("Enable"))
            else []
        )
        self._undo_alarmed = _true(alarms.get("Rollback"))
        self._minimum = int(template_to_text(given.get("MinimumHealthyPercent", 100)))
        self._maximum = int(template_to_text(given.get("MaximumPercent", 200)))
        self._began, self._failure, self._told = all_.clock.now, "", ""
        self._deployment: dict[str, Any] = {}

    # --- the deployment
    # -----------------------------------------------------------------------------------------

    def begin(self, force: bool = False) -> None:
        """Make a new deployment where the task definition is another one; scale the present one
        otherwise."""
        service = self._service
        present = service.deployments[0] if service.deployments else None
        same = (
            present
            and present["taskDefinition"] == service.task_definition
            and present["rolloutState"] != "FAILED"
        )
        if present and same and not force:
            self._deployment = present
        else:
            for other in service.deployments:
                other["status"] = "ACTIVE"
            self._record("STOPPED")
            self._deployment = self._new()
            service.deployments.insert(0, self._deployment)
            self._remember()
        self._deployment["desiredCount"] = service.desired_count
        self._step()

    def _remember(self) -> None:
        """The new deployment as a service deployment, which ECS keeps."""
        arn, serial = self._service.arn, self._deployment["id"].partition("/")[2]
        revision = f"{arn.replace(':service/', ':service-revision/')}/{serial}"
        found = {
            "serviceDeploymentArn": f"{arn.replace(':service/', ':service-deployment/')}/{serial}",
            "serviceArn": arn,
            "clusterArn": self._service.cluster_arn,
            "createdAt": self._all.clock.now,
            "startedAt": self._all.clock.now,
            "status": "IN_PROGRESS",
            "targetServiceRevision": {"arn": revision},
        }
        self._all.history.setdefault(arn, []).insert(0, found)

    def _record(self, status: str, reason: str = "") -> None:
        """The state of the newest service deployment, unless it has ended."""
        for latest in self._all.history.get(self._service.arn, [])[:1]:
            if "finishedAt" in latest:
                return
            if status == "SUCCESSFUL" and latest["status"].startswith("ROLLBACK"):
                status = "ROLLBACK_SUCCESSFUL"
            latest["status"] = status
            if reason:
                latest["statusReason"] = reason
            if status in ENDED:
                latest["finishedAt"] = self._all.clock.now

    def _new(self) -> dict[str, Any]:
        service, id_ = (
            self._service,
            f"ecs-svc/{int(self._all.token().replace('-', ''), 16) % 10**19:019}",
        )
        now = self._now()
        found = {
            "id": id_,
            "status": "PRIMARY",
            "taskDefinition": service.task_definition,
            "createdAt": now,
        }
        counts = {
            "desiredCount": 0,
            "pendingCount": 0,
            "runningCount": 0,
            "failedTasks": 0,
            "updatedAt": now,
        }
        rollout = {
            "rolloutState": "IN_PROGRESS",
            "rolloutStateReason": f"ECS deployment {id_} in progress.",
        }
        shared = {"launchType": service.launch_type, "platformVersion": service.platform_version}
        return {
            **found,
            **counts,
            **rollout,
            **shared,
            "networkConfiguration": service.network_configuration,
        }

    def _step(self) -> None:
        """Launch as many tasks as the percentages allow, or end."""
        if not self._live() or self._alarm():
            return
        mine, desired = self._deployment, int(self._service.desired_count)
        missing = desired - mine["runningCount"]
        if missing <= 0:
            self._complete(desired)
            return
        room = desired * self._maximum // 100 - self._running()
        if room <= 0:
            surplus = self._running() - ceil(desired * self._minimum / 100)
            self._stop_old(max(1, surplus))
            room = max(1, desired * self._maximum // 100 - self._running())
        self._launch(min(missing, room))

    def _live(self) -> bool:
        arn = self._service.arn
        return self._all.current.get(arn) is self and self._service.status == "ACTIVE"

    def _complete(self, desired: int) -> None:
        mine = self._deployment
        self._stop(mine, mine["runningCount"] - desired)
        self._stop_old(self._running())
        self._service.deployments = [mine]
        if mine["rolloutState"] != "COMPLETED":
            self._state("COMPLETED", f"ECS deployment {mine['id']} completed.")
            self._event(f"(deployment {mine['id']}) deployment completed.")
        self._record("SUCCESSFUL")
        self.sync()
        self._event("has reached a steady state.")
        self._end(self._failure or None)

    def _end(self, reason: str | None) -> None:
        self._all.current.pop(self._service.arn, None)
        self.over(reason)

    # --- tasks
    # --------------------------------------------------------------------------------------------------

    def _launch(self, count: int) -> None:
        tasks = [self._task() for _ in range(count)]
        self._deployment["pendingCount"] = count
        self.sync()
        ids = " ".join(f"(task {task.id})" for task in tasks)
        self._event(f"has started {count} tasks: {ids}.")
        self._all.clock.after(self._all.latency(TASK, "start"), lambda: self._started(tasks))

    def _task(self) -> Any:
        """A task in moto, which neither moves by itself nor makes a network interface that nobody
        deletes."""
        from moto.ecs.models import Task

        backend, service = self._all.backend, self._service
        definition = backend.describe_task_definition(self._deployment["taskDefinition"])
        cluster = backend.clusters[service.cluster_name]
        mode, definition.network_mode = definition.network_mode, None
        try:
            task: Any = Task(cluster, definition, None, None, backend, f"service:{service.name}", service.launch_type,
                        started_by=self._deployment["id"], platform_version=service.platform_version)  # fmt: skip
        finally:
            definition.network_mode = mode
        task.id, task._transitions = self._all.token().replace("-", ""), []
        task.last_status, task.created_at = "PROVISIONING", self._now()
        task.containers = [
            _container(task, definition, each) for each in definition.container_definitions
        ]
        self._all.network.attach(task, service, len(backend.tasks.get(cluster.name, ())))
        backend.tasks.setdefault(cluster.name, {})[task.task_arn] = task
        return task

    def _started(self, tasks: list[Any]) -> None:
        mine = self._deployment
        mine["pendingCount"] = 0
        if not self._live():
            self._stopped(tasks, f"Scaling activity initiated by (deployment {self._id()})")
            return
        reason = self._all.obstacle(mine["taskDefinition"])
        if reason is not None:
            self._all.clock.after(
                self._all.latency(TASK, "fail"), lambda: self._failed(tasks, reason)
            )
            return
        for task in tasks:
            task.last_status, task.started_at, task.health_status = (
                "RUNNING",
                self._now(),
                "UNKNOWN",
            )
            for container in task.containers:
                container.last_status = "RUNNING"
            self._all.network.connect(task, self._service)
        mine["runningCount"] += len(tasks)
        self.sync()
        seconds = self._all.latency(TASK, "healthy")
        if seconds:
            self._all.clock.after(seconds, lambda: self._checked(tasks))
        else:
            self._checked(tasks)

    def _checked(self, tasks: list[Any]) -> None:
        """Only healthy tasks count: the old ones go for them, and unhealthy ones are replaced."""
        mine = self._deployment
        if not self._live():
            mine["runningCount"] -= len(tasks)
            self._stopped(tasks, f"Scaling activity initiated by (deployment {self._id()})")
            self.sync()
            return
        healthy = self._all.healthy(self._service, mine["taskDefinition"])
        for task in tasks:
            self._all.network.judge(task, self._service, healthy)
            task.health_status = "HEALTHY" if healthy else "UNHEALTHY"
        if not healthy:
            self._all.clock.after(self._all.latency(TASK, "fail"), lambda: self._unfit(tasks))
            return
        self._stop_old(self._running() - int(self._service.desired_count))
        self.sync()
        self._step()

    def _unfit(self, tasks: list[Any]) -> None:
        """Tasks failed their health checks."""
        self._deployment["runningCount"] -= len(tasks)
        groups = [group.arn for group, _ in self._all.network.target_groups(self._service)]
        checks = (
            f"ELB health checks in (target-group {groups[0]})"
            if groups
            else "container health checks"
        )
        self._lost(tasks, f"Task failed {checks}", "ServiceSchedulerInitiated")
        where = (
            f" in (target-group {groups[0]}) due to (reason Health checks failed)" if groups else ""
        )
        self._tell(f"(task {tasks[0].id}) is unhealthy{where}.", checks)
        self._again()

    def _failed(self, tasks: list[Any], reason: str) -> None:
        """Tasks did not start."""
        self._lost(tasks, reason, "TaskFailedToStart")
        self._tell(f"was unable to place a task. Reason: {reason}.", reason)
        self._again()

    def _lost(self, tasks: list[Any], reason: str, code: str) -> None:
        self._stopped(tasks, reason, code)
        self._deployment["failedTasks"] += len(tasks)
        self.sync()

    def _tell(self, text: str, subject: str) -> None:
        if subject != self._told:  # ECS leaves out messages that it has just given
            self._event(text)
            self._told = subject

    def _again(self) -> None:
        """Try again, unless the circuit breaker fires or CloudFormation has waited enough."""
        mine = self._deployment
        if not self._live() or self._alarm():
            return
        # docs: at least 3 and at most 200 failures, else half of the desired count
        if self._breaker and mine["failedTasks"] >= max(
            3, min(200, ceil(int(self._service.desired_count) / 2))
        ):
            self._trip("tasks failed to start", _BREAKER, self._undo)
            return
        exhausted = mine["failedTasks"] >= _ATTEMPTS
        if exhausted and self._all.clock.now - self._began >= self._all.latency(
            SERVICE, "stabilize"
        ):
            self._give_up()
            return
        self._all.clock.after(_PAUSE if exhausted else 0.0, self._step)

    def _give_up(self) -> None:
        text = "is unable to consistently start tasks successfully. For more information, see the Troubleshooting"
        self._event(f"{text} section of the Amazon ECS Developer Guide.")
        self._end(
            self._failure
            or handler_error("Exceeded attempts to wait", self._all.token(), "NotStabilized")
        )

    # --- what ends a deployment
    # ---------------------------------------------------------------------------------

    def _alarm(self) -> bool:
        """Fail a deployment, but no rollback, where one of its alarms says so."""
        mine = self._deployment
        if (
            self._failure
            or mine["rolloutState"] != "IN_PROGRESS"
            or not self._all.alarmed(self._alarms)
        ):
            return False
        self._trip("alarm detected", _ALARMS, self._undo_alarmed)
        return True

    def halt(self, undo: bool) -> None:
        """A client stops the deployment; with ``undo`` the service returns to the last one that was
        completed."""
        self._record("ROLLBACK_REQUESTED" if undo else "STOP_REQUESTED")
        self._trip("stopped on request", _HALTED, undo)

    def _trip(self, why: str, by: str, undo: bool) -> None:
        mine, service = self._deployment, self._service
        self._event(f"(deployment {mine['id']}) deployment failed: {why}.")
        self._state("FAILED", f"{_told(by)}: {why}.")
        text = f"Error occurred during operation '{by} was triggered'."
        again = bool(self._failure)
        self._failure = self._failure or handler_error(
            text, self._all.token(), "GeneralServiceException"
        )
        good = [each for each in service.deployments[1:] if each["rolloutState"] == "COMPLETED"]
        if not (undo and good) or again:
            self._record("STOPPED", f"{_told(by)}: {why}.")
            self._end(self._failure)
            return
        self._record("ROLLBACK_IN_PROGRESS", f"{_told(by)}: {why}.")
        self._return_to(good[0], by)

    def _return_to(self, good: dict[str, Any], by: str) -> None:
        """Roll back to an earlier deployment, which is the primary one again."""
        failed, service = self._deployment, self._service
        self._event(f"rolling back to deployment {good['id']}.")
        failed["status"], failed["desiredCount"] = "ACTIVE", 0
        good["status"], good["desiredCount"] = "PRIMARY", service.desired_count
        rest = [each for each in service.deployments if each is not good]
        service.deployments, service.task_definition = [good, *rest], good["taskDefinition"]
        self._deployment = good
        self._state("IN_PROGRESS", f"{_told(by)}: rolling back to deploymentId {good['id']}.")
        self._all.clock.after(0, self._step)

    # --- what is seen
    # -------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """The service is deleted: its tasks stop."""
        for deployment in self._service.deployments:
            self._stop(deployment, deployment["runningCount"])
        self._service.deployments = []
        self.sync()
        self._end(None)

    def _running(self) -> int:
        return sum(int(each["runningCount"]) for each in self._service.deployments)

    def _stop_old(self, count: int) -> None:
        for other in self._service.deployments:
            if other is not self._deployment and count > 0:
                stopped = min(count, other["runningCount"])
                self._stop(other, stopped)
                count -= stopped

    def _stop(self, deployment: dict[str, Any], count: int) -> None:
        if count <= 0:
            return
        deployment["runningCount"] -= count
        tasks = self._all.backend.tasks.get(self._service.cluster_name, {}).values()
        mine = [
            task
            for task in tasks
            if task.started_by == deployment["id"] and task.last_status == "RUNNING"
        ]
        self._stopped(
            mine[:count],
            f"Scaling activity initiated by (deployment {self._id()})",
            "ServiceSchedulerInitiated",
        )
        ids = " ".join(f"(task {task.id})" for task in mine[:count])
        self._event(f"has stopped {count} running tasks: {ids}.")

    def _id(self) -> str:
        return str(self._deployment.get("id", self._service.name))

    def _stopped(
        self, tasks: list[Any], reason: str, code: str = "ServiceSchedulerInitiated"
    ) -> None:
        for task in tasks:
            ran = task.last_status == "RUNNING"
            task.last_status = task.desired_status = "STOPPED"
            task.stopped_reason, task.stop_code, task.stopped_at = reason, code, self._now()
            for container in task.containers:
                container.last_status = "STOPPED"
                container.exitCode = 0 if ran else None
                container.reason = None if ran else reason
            self._all.network.disconnect(task, self._service)

    def _state(self, state: str, reason: str) -> None:
        self._deployment |= {
            "rolloutState": state,
            "rolloutStateReason": reason,
            "updatedAt": self._now(),
        }

    def sync(self) -> None:
        """Service and cluster count what their deployments have."""
        service, backend = self._service, self._all.backend
        service.running_count = self._running()
        service.pending_count = sum(int(each["pendingCount"]) for each in service.deployments)
        cluster = backend.clusters.get(service.cluster_name)
        if cluster is not None:
            mine = [each for each in backend.services.values() if each.cluster_name == cluster.name]
            cluster.running_tasks_count = sum(each.running_count for each in mine)
            cluster.pending_tasks_count = sum(each.pending_count for each in mine)

    def _event(self, text: str) -> None:
        message = f"(service {self._service.name}) {text}"
        event = {"id": self._all.token(), "createdAt": self._now(), "message": message}
        self._service.events.insert(0, event)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._all.clock.now, UTC)
