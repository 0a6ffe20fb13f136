"""ECS services while CloudFormation changes them: how far they are, why their tasks stop, and
giving up early.

Stopped reasons and logs of tasks are gone soon after a rollback, so they are read while the tasks
exist. A service whose tasks fail the same way again and again is stopped rather than waited for:
CloudFormation waits three hours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...aws import Container, Deployment, Service, Services, Task
from ...core import AwsError
from .progress import Notice, Progress, ProgressStep, RolloutProgress

SERVICE = "AWS::ECS::Service"
REPEAT_LIMIT = 5
"""Tasks that fail the same way before a service is given up."""

_ROUTINE = re.compile(
    r"has (started|stopped|begun draining|reached|deregistered|registered)|rolling back|.*deployment completed"
)
"""Events of services that explain no failure.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
"""

_LINES = 10
_KEPT = 20  # details of one service


@dataclass
class WatchedService:
    """A service under way; ``failures`` counts how tasks of its newest deployment ended, by what
    they said."""

    address: str
    arn: str
    since: datetime
    open: bool = True
    closing: bool = False
    shown: tuple[int, ...] = ()
    seen: set[str] = field(default_factory=set)
    failures: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    stops: dict[str, list[str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def cluster(self) -> str:
        """``arn:…:service/cluster/name``."""
        return self.arn.split("/")[1]


class RolloutWatcher:
    """The services of an operation; `observe` its steps, then `look`, each round."""

    def __init__(self, aws: Services, repeat_limit: int = REPEAT_LIMIT) -> None:
        self._aws, self._limit = aws, repeat_limit
        self._watched: dict[str, WatchedService] = {}
        self._definitions: dict[str, Mapping[str, Any]] = {}
        self._undone: datetime | None = None
        self._silent = False

    def observe(self, steps: Sequence[ProgressStep]) -> None:
        """Learn from the events which services change, and when the operation is undone."""
        for step in steps:
            if step.of_stack and "ROLLBACK" in step.status:
                self._undone = self._undone or step.time
            if step.type == SERVICE and step.physical_id.count("/") == 2:
                known = self._watched.setdefault(
                    step.address, WatchedService(step.address, step.physical_id, step.time)
                )
                known.arn, known.closing = step.physical_id, not step.under_way
                known.open = not step.status.startswith("DELETE")

    def details(self, address: str) -> tuple[str, ...]:
        """What ECS and the logs said of a service until it failed."""
        found = self._watched.get(address)
        if found is None:
            return ()
        stops = (
            each[0] if len(each) == 1 else f"{len(each)} times: {each[0]}"
            for each in found.stops.values()
        )
        told = {_signature(text): text for text in found.told[-_KEPT:]}.values()
        return (*told, *stops, *(f"log: {line}" for line in found.lines))

    def look(self) -> list[Progress]:
        """What is new. Nothing here fails: the operation goes on whether or not ECS may be read."""
        found: list[Progress] = []
        by_cluster: dict[str, list[WatchedService]] = {}
        for watched in self._watched.values():
            if watched.open:  # one that is done by now is looked at once more
                watched.open = not watched.closing
                by_cluster.setdefault(watched.cluster, []).append(watched)
        try:
            for cluster, some in by_cluster.items():
                services = {
                    each.arn: each
                    for each in self._aws.services(cluster, [each.arn for each in some])
                }
                for watched in some:
                    if watched.arn in services:
                        found += self._news(watched, services[watched.arn])
        except AwsError as error:
            if not self._silent and error.problems[0].code != "SW407":
                self._silent = True
                found.append(Notice(f"services cannot be shown: {error}"))
        return found

    def _news(self, watched: WatchedService, service: Service) -> Iterator[Progress]:
        newest = next((each for each in service.deployments if each.status == "PRIMARY"), None)
        new = [
            each
            for each in reversed(service.events)
            if each[0] not in watched.seen and each[1] >= watched.since
        ]
        watched.seen.update(event_id for event_id, _, _ in new)
        counts = (service.desired, 0, 0, 0)
        if newest:
            counts = (newest.desired, newest.running, newest.pending, newest.failed)
        if counts == watched.shown and not new:
            return
        watched.shown = counts
        found = list(self._stops(watched, newest)) if newest and (new or newest.failed) else []
        stops, lines = [why for why, _ in found], [line for _, log in found for line in log]
        messages = tuple(_unprefixed(text) for _, _, text in new)
        early = [
            text
            for text, (_, time, _) in zip(messages, new, strict=True)
            if time <= (self._undone or time)
        ]
        watched.told += [text for text in early if not _ROUTINE.match(text)]
        if not self._undone or watched.closing:  # what ends during a rollback is no cause of it
            watched.lines += lines
            for why in stops:
                watched.stops.setdefault(_signature(why.partition(" stopped: ")[2]), []).append(why)
        yield RolloutProgress(
            watched.address, *counts, watched.since, messages, tuple(stops), tuple(lines)
        )
        yield from self._given_up(watched, newest)

    def _stops(
        self, watched: WatchedService, newest: Deployment
    ) -> Iterator[tuple[str, list[str]]]:
        """(Why, the end of the log) of each task of the deployment that ended since the last
        look."""
        for task in self._aws.tasks(watched.cluster, watched.arn.rpartition("/")[2], stopped=True):
            known = task.arn in watched.seen or task.started_by not in ("", newest.id)
            if known or task.stopped_reason.startswith("Scaling activity"):
                continue
            watched.seen.add(task.arn)
            why = _why(task)
            watched.failures[_signature(why)] += 1
            first = watched.failures[_signature(why)] == 1
            yield f"task {task.id[:8]} stopped: {why}", self._log(task) if first else []

    def _log(self, task: Task) -> list[str]:
        """The last lines of the containers that failed, by awslogs."""
        definition = self._definitions.get(task.task_definition)
        if definition is None:
            definition = self._definitions[task.task_definition] = self._aws.task_definition(
                task.task_definition
            )
        options = {
            each["name"]: (each.get("logConfiguration") or {}).get("options") or {}
            for each in definition.get("containerDefinitions") or ()
        }
        found: list[str] = []
        for container in task.containers:
            given = options.get(container.name, {})
            group, prefix = given.get("awslogs-group"), given.get("awslogs-stream-prefix")
            if group and prefix and container.exit_code != 0:
                lines = self._aws.log_tail(group, f"{prefix}/{container.name}/{task.id}", _LINES)
                found += [f"{container.name}: {line}" for line in lines]
        return found

    def _given_up(self, watched: WatchedService, newest: Deployment | None) -> Iterator[Progress]:
        """Stop a deployment whose tasks all fail alike; ECS then fails it, and CloudFormation rolls
        back."""
        often = [(count, why) for why, count in watched.failures.items() if count >= self._limit]
        if not often or watched.stopped or self._undone or newest is None:
            return
        watched.stopped = True
        count, why = often[0]
        name = watched.arn.rpartition("/")[2]
        try:
            found = self._aws.service_deployments(watched.cluster, name)
            running = [arn for arn, status in found if status in ("PENDING", "IN_PROGRESS")]
            if running:
                self._aws.stop_service_deployment(running[0])
                text = f"{watched.address}: {count} tasks failed the same way ({why}): its deployment is stopped"
                watched.told.append(f"stopped after {count} tasks had failed the same way")
                yield Notice(text)
        except AwsError as error:
            yield Notice(
                f"{watched.address}: {count} tasks failed the same way, but it cannot be stopped: {error}"
            )


def _unprefixed(message: str) -> str:
    """``has started 1 tasks: …`` of ``(service gateway) has started 1 tasks: …``."""
    return re.sub(r"^\(service [^)]*\) ", "", message)


def _why(task: Task) -> str:
    ended = "; ".join(filter(None, map(_container, task.containers)))
    return f"{task.stopped_reason or task.stop_code or 'no reason given'}" + (
        f" ({ended})" if ended else ""
    )


def _container(container: Container) -> str:
    said = [f"exit code {container.exit_code}"] if container.exit_code else []
    said += [container.reason] if container.reason else []
    return f"{container.name}: {', '.join(said)}" if said else ""


def _signature(why: str) -> str:
    """A reason without what differs from task to task: ids, addresses, ports, times."""
    return re.sub(r"\b(?=\w*\d)[0-9a-fA-F.:/-]{4,}\b", "…", why)
