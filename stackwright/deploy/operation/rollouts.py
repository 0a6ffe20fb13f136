"""Watches ECS services while CloudFormation changes them: their progress, and why tasks stop.

Stopped reasons and logs of tasks are deleted soon after a rollback, so they are read while the
tasks exist. The deployment of a service whose tasks repeatedly fail the same way is stopped, as
CloudFormation would wait for it for three hours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...aws import Container, Deployment, Service, Services, Task
from ...core import AwsError, mask_text
from .progress import Notice, Progress, ProgressStep, RolloutProgress

SERVICE = "AWS::ECS::Service"
REPEAT_LIMIT = 5
"""Tasks that fail the same way before the deployment of a service is stopped."""

_ROUTINE = re.compile(
    r"has (started|stopped|begun draining|reached|deregistered|registered)|rolling "
    r"back|.*deployment completed"
)
"""Events of services that explain no failure.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
"""

_LINES = 10
_KEPT = 20  # details of one service


@dataclass
class _FollowedService:
    """A service that changes.

    ``open`` while it is read, ``closing`` once it is read for the last time; ``shown`` are the task
    counts that were shown last, ``seen`` the ids of events and tasks that were read. ``failures``
    counts failed tasks of its newest deployment by reason. ``messages``, ``stops`` (by reason) and
    ``lines`` explain a failure.
    """

    address: str
    arn: str
    since: datetime
    open: bool = True
    closing: bool = False
    shown: tuple[int, ...] = ()
    seen: set[str] = field(default_factory=set)
    failures: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)
    stops: dict[str, list[str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def cluster(self) -> str:
        """``arn:…:service/cluster/name``."""
        return self.arn.split("/")[1]


class RolloutWatcher:
    """The services of an operation: `observe` its steps, then `read`, each round."""

    def __init__(self, aws: Services, repeat_limit: int = REPEAT_LIMIT) -> None:
        self._aws, self._limit = aws, repeat_limit
        self._followed: dict[str, _FollowedService] = {}
        self._definitions: dict[str, Mapping[str, Any]] = {}
        self._rolled_back: datetime | None = None
        self._silent = False

    def observe(self, steps: Sequence[ProgressStep]) -> None:
        """Learn from the steps which services change, and when the rollback begins."""
        for step in steps:
            if step.of_stack and "ROLLBACK" in step.status:
                self._rolled_back = self._rolled_back or step.time
            if step.type == SERVICE and step.physical_id.count("/") == 2:
                known = self._followed.setdefault(
                    step.address, _FollowedService(step.address, step.physical_id, step.time)
                )
                known.arn, known.closing = step.physical_id, not step.under_way
                known.open = not step.status.startswith("DELETE")

    def details(self, address: str) -> tuple[str, ...]:
        """Service events, stopped reasons and log lines of a service until it failed."""
        followed = self._followed.get(address)
        if followed is None:
            return ()
        stops = (
            reasons[0] if len(reasons) == 1 else f"{len(reasons)} times: {reasons[0]}"
            for reasons in followed.stops.values()
        )
        messages = {_signature(text): text for text in followed.messages[-_KEPT:]}.values()
        return (*messages, *stops, *(f"log: {line}" for line in followed.lines))

    def read(self) -> list[Progress]:
        """New progress of the services. Raises nothing: the operation continues even if ECS cannot
        be read."""
        progress: list[Progress] = []
        by_cluster: dict[str, list[_FollowedService]] = {}
        for followed in self._followed.values():
            if followed.open:  # a closing one is read once more
                followed.open = not followed.closing
                by_cluster.setdefault(followed.cluster, []).append(followed)
        try:
            for cluster, changing in by_cluster.items():
                arns = [followed.arn for followed in changing]
                services = {service.arn: service for service in self._aws.services(cluster, arns)}
                for followed in changing:
                    if followed.arn in services:
                        progress += self._news(followed, services[followed.arn])
        except AwsError as error:
            if not self._silent and error.problems[0].code != "SW407":
                self._silent = True
                progress.append(Notice(f"services cannot be shown: {error}"))
        return progress

    def _news(self, followed: _FollowedService, service: Service) -> Iterator[Progress]:
        primary = (item for item in service.deployments if item.status == "PRIMARY")
        newest = next(primary, None)
        new = [
            (event_id, time, text)
            for event_id, time, text in reversed(service.events)
            if event_id not in followed.seen and time >= followed.since
        ]
        followed.seen.update(event_id for event_id, _, _ in new)
        counts = (service.desired, 0, 0, 0)
        if newest:
            counts = (newest.desired, newest.running, newest.pending, newest.failed)
        if counts == followed.shown and not new:
            return
        followed.shown = counts
        ended = list(self._stops(followed, newest)) if newest and (new or newest.failed) else []
        stops, lines = [reason for reason, _ in ended], [line for _, log in ended for line in log]
        messages = tuple(_unprefixed(text) for _, _, text in new)
        early = [
            text
            for text, (_, time, _) in zip(messages, new, strict=True)
            if time <= (self._rolled_back or time)
        ]
        followed.messages += [text for text in early if not _ROUTINE.match(text)]
        if (
            not self._rolled_back or followed.closing
        ):  # a task that ends during a rollback did not cause it
            followed.lines += lines
            for reason in stops:
                signature = _signature(reason.partition(" stopped: ")[2])
                followed.stops.setdefault(signature, []).append(reason)
        yield RolloutProgress(
            followed.address, *counts, followed.since, messages, tuple(stops), tuple(lines)
        )
        yield from self._stop_failing(followed, newest)

    def _stops(
        self, followed: _FollowedService, newest: Deployment
    ) -> Iterator[tuple[str, list[str]]]:
        """(Reason, last log lines) of each task of the deployment that stopped since the last
        reading."""
        for task in self._aws.tasks(
            followed.cluster, followed.arn.rpartition("/")[2], stopped=True
        ):
            known = task.arn in followed.seen or task.started_by not in ("", newest.id)
            if known or task.stopped_reason.startswith("Scaling activity"):
                continue
            followed.seen.add(task.arn)
            reason = _stopped_reason(task)
            followed.failures[_signature(reason)] += 1
            first = followed.failures[_signature(reason)] == 1
            yield f"task {task.id[:8]} stopped: {reason}", self._log(task) if first else []

    def _log(self, task: Task) -> list[str]:
        """The last lines of the containers that failed, by awslogs."""
        definition = self._definitions.get(task.task_definition)
        if definition is None:
            definition = self._definitions[task.task_definition] = self._aws.task_definition(
                task.task_definition
            )
        options = {
            container["name"]: (container.get("logConfiguration") or {}).get("options") or {}
            for container in definition.get("containerDefinitions") or ()
        }
        log: list[str] = []
        for container in task.containers:
            given = options.get(container.name, {})
            group, prefix = given.get("awslogs-group"), given.get("awslogs-stream-prefix")
            if group and prefix and container.exit_code != 0:
                lines = self._aws.log_tail(group, f"{prefix}/{container.name}/{task.id}", _LINES)
                log += [f"{container.name}: {mask_text(line)}" for line in lines]
        return log

    def _stop_failing(
        self, followed: _FollowedService, newest: Deployment | None
    ) -> Iterator[Progress]:
        """Stop the deployment of a service whose tasks repeatedly fail the same way: ECS then fails
        it, and CloudFormation rolls back."""
        repeated = [
            (count, reason) for reason, count in followed.failures.items() if count >= self._limit
        ]
        if not repeated or followed.stopped or self._rolled_back or newest is None:
            return
        followed.stopped = True
        count, reason = repeated[0]
        name = followed.arn.rpartition("/")[2]
        try:
            deployments = self._aws.service_deployments(followed.cluster, name)
            running = [arn for arn, status in deployments if status in ("PENDING", "IN_PROGRESS")]
            if running:
                self._aws.stop_service_deployment(running[0])
                text = (
                    f"{followed.address}: {count} tasks failed the same way "
                    f"({reason}): its deployment is stopped"
                )
                followed.messages.append(f"stopped after {count} tasks had failed the same way")
                yield Notice(text)
        except AwsError as error:
            yield Notice(
                f"{followed.address}: {count} tasks failed the same way, but its "
                f"deployment cannot be stopped: {error}"
            )


def _unprefixed(message: str) -> str:
    """``has started 1 tasks: …`` of ``(service gateway) has started 1 tasks: …``."""
    return mask_text(re.sub(r"^\(service [^)]*\) ", "", message))


def _stopped_reason(task: Task) -> str:
    ended = "; ".join(filter(None, map(_container, task.containers)))
    reason = task.stopped_reason or task.stop_code or "no reason given"
    return mask_text(f"{reason} ({ended})" if ended else reason)


def _container(container: Container) -> str:
    reasons = [f"exit code {container.exit_code}"] if container.exit_code else []
    reasons += [container.reason] if container.reason else []
    return f"{container.name}: {', '.join(reasons)}" if reasons else ""


def _signature(reason: str) -> str:
    """A reason without the parts that differ from task to task: ids, addresses, ports, times."""
    return re.sub(r"\b(?=\w*\d)[0-9a-fA-F.:/-]{4,}\b", "…", reason)
