"""One deployment of an ECS service: its tasks start and stop, its counts and ``rolloutState`` move.

docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html (minimum and maximum
percent) and .../deployment-circuit-breaker.html (thresholds); the events as
.../service-event-messages-list.html has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from ....cfn import template_to_text
from .context import EcsContext
from .tasks import SCHEDULER, ServiceTasks

SERVICE, TASK = "AWS::ECS::Service", "AWS::ECS::Task"
ENDED = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL")
Stabilized = Callable[[str | None], None]
"""Called once a service is stable (None), or with the reason why it does not become stable."""
_ATTEMPTS = 10
"""Failed tasks, at least, before CloudFormation gives up on a service without circuit breaker."""
_PAUSE = 5.0
"""Seconds between launches after that many failures, so that a wait ends even where tasks take no
time."""
_BREAKER = "ECS Deployment Circuit Breaker"
_ALARMS = "ECS Deployment Alarm"
_STOPPED = "ECS Deployment Stop"
_INCONSISTENT = (
    "is unable to consistently start tasks successfully. For more information, see the "
    "Troubleshooting section of the Amazon ECS Developer Guide."
)


class DeploymentSettings:
    """The deployment configuration of a service, as in a template."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        breaker, alarms = given.get("DeploymentCircuitBreaker") or {}, given.get("Alarms") or {}
        self.breaker = _is_true(breaker.get("Enable"))
        self.breaker_rolls_back = _is_true(breaker.get("Rollback"))
        names = alarms.get("AlarmNames", ()) if _is_true(alarms.get("Enable")) else ()
        self.alarm_names = [str(name) for name in names]
        self.alarms_roll_back = _is_true(alarms.get("Rollback"))
        self.minimum_percent = int(template_to_text(given.get("MinimumHealthyPercent", 100)))
        self.maximum_percent = int(template_to_text(given.get("MaximumPercent", 200)))


def _is_true(value: Any) -> bool:
    return template_to_text(value or False) == "true"


class ServiceRollout:
    """One deployment of one service, until it is stable or has failed.

    ``current`` are the rollouts under way, by the service's ARN; a later one replaces this one
    there. ``stabilized`` is called at the end.
    """

    def __init__(
        self,
        context: EcsContext,
        service: Any,
        given: Mapping[str, Any],
        current: dict[str, ServiceRollout],
        stabilized: Stabilized,
    ) -> None:
        self._context, self._service = context, service
        self._settings = DeploymentSettings(given)
        self._current, self.stabilized = current, stabilized
        self.tasks = ServiceTasks(context, service)
        self._began, self._failure, self._last_subject = context.clock.now, "", ""
        self._deployment: dict[str, Any] = {}

    # --- the deployment

    def begin(self, force: bool = False) -> None:
        """Begin a new deployment where the task definition is another one, or else scale the
        present deployment."""
        service = self._service
        present = service.deployments[0] if service.deployments else None
        usable = (
            present
            and present["taskDefinition"] == service.task_definition
            and present["rolloutState"] != "FAILED"
        )
        if present and usable and not force:
            self._deployment = present
        else:
            for other in service.deployments:
                other["status"] = "ACTIVE"
            self._record("STOPPED")
            self._deployment = self._create_deployment()
            service.deployments.insert(0, self._deployment)
            self._create_record()
        self._deployment["desiredCount"] = service.desired_count
        self._step()

    def _create_deployment(self) -> dict[str, Any]:
        service, now = self._service, self._context.now()
        id_ = f"ecs-svc/{int(self._context.token().replace('-', ''), 16) % 10**19:019}"
        return {
            "id": id_,
            "status": "PRIMARY",
            "taskDefinition": service.task_definition,
            "createdAt": now,
            "desiredCount": 0,
            "pendingCount": 0,
            "runningCount": 0,
            "failedTasks": 0,
            "updatedAt": now,
            "rolloutState": "IN_PROGRESS",
            "rolloutStateReason": f"ECS deployment {id_} in progress.",
            "launchType": service.launch_type,
            "platformVersion": service.platform_version,
            "networkConfiguration": service.network_configuration,
        }

    def _create_record(self) -> None:
        """Record the deployment as a service deployment, which ECS keeps."""
        arn, serial = self._service.arn, self._deployment["id"].partition("/")[2]
        revision = f"{arn.replace(':service/', ':service-revision/')}/{serial}"
        record = {
            "serviceDeploymentArn": f"{arn.replace(':service/', ':service-deployment/')}/{serial}",
            "serviceArn": arn,
            "clusterArn": self._service.cluster_arn,
            "createdAt": self._context.clock.now,
            "startedAt": self._context.clock.now,
            "status": "IN_PROGRESS",
            "targetServiceRevision": {"arn": revision},
        }
        self._context.deployments.setdefault(arn, []).insert(0, record)

    def _record(self, status: str, reason: str = "") -> None:
        """Set the status of the newest service deployment, unless it has ended."""
        records = self._context.deployments.get(self._service.arn)
        if not records or "finishedAt" in records[0]:
            return
        record = records[0]
        if status == "SUCCESSFUL" and record["status"].startswith("ROLLBACK"):
            status = "ROLLBACK_SUCCESSFUL"
        record["status"] = status
        if reason:
            record["statusReason"] = reason
        if status in ENDED:
            record["finishedAt"] = self._context.clock.now

    def _step(self) -> None:
        """Launch as many tasks as the percentages allow, or end."""
        if not self._is_live() or self._check_alarms():
            return
        desired = int(self._service.desired_count)
        missing = desired - self._deployment["runningCount"]
        if missing <= 0:
            self._complete(desired)
            return
        maximum = desired * self._settings.maximum_percent // 100
        room = maximum - self._count_running()
        if room <= 0:
            minimum = ceil(desired * self._settings.minimum_percent / 100)
            self._stop_old(max(1, self._count_running() - minimum))
            room = max(1, maximum - self._count_running())
        self._launch(min(missing, room))

    def _is_live(self) -> bool:
        is_current = self._current.get(self._service.arn) is self
        return is_current and self._service.status == "ACTIVE"

    def _complete(self, desired: int) -> None:
        deployment = self._deployment
        self._stop(deployment, deployment["runningCount"] - desired)
        self._stop_old(self._count_running())
        self._service.deployments = [deployment]
        if deployment["rolloutState"] != "COMPLETED":
            self._set_state("COMPLETED", f"ECS deployment {deployment['id']} completed.")
            self._log(f"(deployment {deployment['id']}) deployment completed.")
        self._record("SUCCESSFUL")
        self.tasks.count()
        self._log("has reached a steady state.")
        self._end(self._failure or None)

    def _end(self, reason: str | None) -> None:
        self._current.pop(self._service.arn, None)
        self.stabilized(reason)

    # --- tasks

    def _launch(self, count: int) -> None:
        tasks = [self.tasks.create(self._deployment) for _ in range(count)]
        self._deployment["pendingCount"] = count
        self.tasks.count()
        self._log(f"has started {count} tasks: {_task_ids(tasks)}.")
        self._after(TASK, "start", lambda: self._start(tasks))

    def _after(self, type_: str, operation: str, callback: Callable[[], None]) -> None:
        self._context.clock.after(self._context.latency(type_, operation), callback)

    def _start(self, tasks: list[Any]) -> None:
        self._deployment["pendingCount"] = 0
        if not self._is_live():
            self._scale_in(tasks)
            return
        reason = self._context.find_obstacle(self._deployment["taskDefinition"])
        if reason is not None:
            self._after(TASK, "fail", lambda: self._fail_start(tasks, reason))
            return
        self.tasks.mark_running(tasks)
        self._deployment["runningCount"] += len(tasks)
        self.tasks.count()
        if self._context.latency(TASK, "healthy"):
            self._after(TASK, "healthy", lambda: self._check_health(tasks))
        else:
            self._check_health(tasks)

    def _scale_in(self, tasks: list[Any]) -> None:
        self.tasks.stop(tasks, f"Scaling activity initiated by (deployment {self._id()})")

    def _check_health(self, tasks: list[Any]) -> None:
        """Stop old tasks for healthy ones; replace unhealthy ones."""
        deployment = self._deployment
        if not self._is_live():
            deployment["runningCount"] -= len(tasks)
            self._scale_in(tasks)
            self.tasks.count()
            return
        healthy = self._context.is_healthy(self._service, deployment["taskDefinition"])
        self.tasks.mark_health(tasks, healthy)
        if not healthy:
            self._after(TASK, "fail", lambda: self._fail_health(tasks))
            return
        self._stop_old(self._count_running() - int(self._service.desired_count))
        self.tasks.count()
        self._step()

    def _fail_health(self, tasks: list[Any]) -> None:
        """Replace tasks that failed their health checks."""
        self._deployment["runningCount"] -= len(tasks)
        checks, where = "container health checks", ""
        groups = self.tasks.target_group_arns()
        if groups:
            checks = f"ELB health checks in (target-group {groups[0]})"
            where = f" in (target-group {groups[0]}) due to (reason Health checks failed)"
        self._stop_failed(tasks, f"Task failed {checks}", SCHEDULER)
        self._log_once(f"(task {tasks[0].id}) is unhealthy{where}.", checks)
        self._retry()

    def _fail_start(self, tasks: list[Any], reason: str) -> None:
        """Replace tasks that did not start."""
        self._stop_failed(tasks, reason, "TaskFailedToStart")
        self._log_once(f"was unable to place a task. Reason: {reason}.", reason)
        self._retry()

    def _stop_failed(self, tasks: list[Any], reason: str, code: str) -> None:
        self.tasks.stop(tasks, reason, code)
        self._deployment["failedTasks"] += len(tasks)
        self.tasks.count()

    def _retry(self) -> None:
        """Launch again, unless the circuit breaker fires or CloudFormation has waited enough."""
        failed = self._deployment["failedTasks"]
        if not self._is_live() or self._check_alarms():
            return
        # The threshold is half of the desired count, at least 3 and at most 200 failures.
        threshold = max(3, min(200, ceil(int(self._service.desired_count) / 2)))
        if self._settings.breaker and failed >= threshold:
            self._trip("tasks failed to start", _BREAKER, self._settings.breaker_rolls_back)
            return
        exhausted = failed >= _ATTEMPTS
        waited = self._context.clock.now - self._began
        if exhausted and waited >= self._context.latency(SERVICE, "stabilize"):
            self._log(_INCONSISTENT)
            self._end(self._failure or self._describe_wait())
            return
        self._context.clock.after(_PAUSE if exhausted else 0.0, self._step)

    def _describe_wait(self) -> str:
        token = self._context.token()
        return handler_error("Exceeded attempts to wait", token, "NotStabilized")

    # --- failing

    def _check_alarms(self) -> bool:
        """Fail the deployment where one of its alarms fires; a rollback is not failed again."""
        in_progress = self._deployment["rolloutState"] == "IN_PROGRESS"
        if self._failure or not in_progress:
            return False
        if not self._context.is_alarmed(self._settings.alarm_names):
            return False
        self._trip("alarm detected", _ALARMS, self._settings.alarms_roll_back)
        return True

    def stop(self, roll_back: bool) -> None:
        """Stop the deployment as a client asks; with ``roll_back`` the service returns to its last
        completed deployment."""
        self._record("ROLLBACK_REQUESTED" if roll_back else "STOP_REQUESTED")
        self._trip("stopped on request", _STOPPED, roll_back)

    def _trip(self, cause: str, trigger: str, roll_back: bool) -> None:
        """Fail the deployment, and return to the last completed one where it is to roll back."""
        deployment, service = self._deployment, self._service
        reason = f"{_within_sentence(trigger)}: {cause}."
        self._log(f"(deployment {deployment['id']}) deployment failed: {cause}.")
        self._set_state("FAILED", reason)
        failed_before = bool(self._failure)
        if not failed_before:
            token = self._context.token()
            text = f"Error occurred during operation '{trigger} was triggered'."
            self._failure = handler_error(text, token, "GeneralServiceException")
        completed = [d for d in service.deployments[1:] if d["rolloutState"] == "COMPLETED"]
        if not roll_back or not completed or failed_before:
            self._record("STOPPED", reason)
            self._end(self._failure)
            return
        self._record("ROLLBACK_IN_PROGRESS", reason)
        self._return_to(completed[0], trigger)

    def _return_to(self, completed: dict[str, Any], trigger: str) -> None:
        """Roll back to an earlier deployment, which becomes the primary one again."""
        service, id_ = self._service, completed["id"]
        self._log(f"rolling back to deployment {id_}.")
        self._deployment["status"], self._deployment["desiredCount"] = "ACTIVE", 0
        completed["status"], completed["desiredCount"] = "PRIMARY", service.desired_count
        others = [deployment for deployment in service.deployments if deployment is not completed]
        service.deployments = [completed, *others]
        service.task_definition = completed["taskDefinition"]
        self._deployment = completed
        reason = f"{_within_sentence(trigger)}: rolling back to deploymentId {id_}."
        self._set_state("IN_PROGRESS", reason)
        self._context.clock.after(0, self._step)

    # --- stopping tasks, and the record of it all

    def drain(self) -> None:
        """Stop all tasks: the service is deleted."""
        for deployment in self._service.deployments:
            self._stop(deployment, deployment["runningCount"])
        self._service.deployments = []
        self.tasks.count()
        self._end(None)

    def _count_running(self) -> int:
        return sum(int(deployment["runningCount"]) for deployment in self._service.deployments)

    def _stop_old(self, count: int) -> None:
        """Stop up to ``count`` tasks of other deployments."""
        for deployment in self._service.deployments:
            if deployment is not self._deployment and count > 0:
                stopped = min(count, deployment["runningCount"])
                self._stop(deployment, stopped)
                count -= stopped

    def _stop(self, deployment: dict[str, Any], count: int) -> None:
        if count <= 0:
            return
        deployment["runningCount"] -= count
        tasks = self.tasks.find_running(deployment)[:count]
        self._scale_in(tasks)
        self._log(f"has stopped {count} running tasks: {_task_ids(tasks)}.")

    def _id(self) -> str:
        return str(self._deployment.get("id", self._service.name))

    def _set_state(self, state: str, reason: str) -> None:
        now = self._context.now()
        self._deployment |= {"rolloutState": state, "rolloutStateReason": reason, "updatedAt": now}

    def _log(self, text: str) -> None:
        """Add an event to the service."""
        message = f"(service {self._service.name}) {text}"
        now, id_ = self._context.now(), self._context.token()
        self._service.events.insert(0, {"id": id_, "createdAt": now, "message": message})

    def _log_once(self, text: str, subject: str) -> None:
        """Add an event, unless the last one of this kind had the same subject; ECS omits those."""
        if subject != self._last_subject:
            self._log(text)
            self._last_subject = subject


def handler_error(message: str, token: str, code: str) -> str:
    """A status reason as CloudFormation's resource handlers give it."""
    details = f"(RequestToken: {token}, HandlerErrorCode: {code})"
    return f'Resource handler returned message: "{message}" {details}'


def _within_sentence(trigger: str) -> str:
    """``ECS deployment circuit breaker``: as ECS writes it within a sentence."""
    return trigger[:4] + trigger[4:].lower()


def _task_ids(tasks: list[Any]) -> str:
    return " ".join(f"(task {task.id})" for task in tasks)
