"""Verify a deployment: check services, targets, names, functions, metrics and alarms until all are
healthy or the deadline has passed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

from msgspec import Struct

from ..aws import NO_CREDENTIALS, PARALLEL, Polling, Service, Services
from ..core import AwsError
from ..plan import LiveStack
from .model import CheckState, HealthCheck, Subject
from .probes import (
    ALARM,
    SERVICE,
    MetricSource,
    ProbedResource,
    find_probed_resources,
    read_probed_services,
)

DEADLINE = 600.0
"""Seconds. The first value of a metric and the first checks of a target take minutes; an alarm
takes five minutes to recover."""

Result = tuple[CheckState, str] | tuple[CheckState, str, bool]
"""State and facts of one check, and whether the resource is gone."""


class _Probe(Struct, frozen=True):
    """A check that can be repeated; ``part`` distinguishes checks of one subject and address."""

    subject: Subject
    address: str
    check: Callable[[], Result]
    part: str = ""

    @property
    def key(self) -> tuple[Subject, str, str]:
        """The identity of the check, equal in all rounds."""
        return self.subject, self.address, self.part


def verify_environment(
    lives: Iterable[LiveStack],
    aws: Services,
    *,
    deadline: float = DEADLINE,
    skip: Collection[Subject] = (),
    on_progress: Callable[[Sequence[HealthCheck]], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> list[HealthCheck]:
    """Check the root stacks and their nested stacks; the last result of each check.

    A failed check is repeated until ``deadline`` seconds have passed, or a resource was gone in two
    rounds; a check that was ok once is not. ``on_progress`` gets all results after each round.
    ``skip`` names subjects that do not exist where this runs. Raises AwsError without valid
    credentials (SW401, SW402); any other failed call fails the check that needed it.
    """
    resources = find_probed_resources(lives)
    results: list[HealthCheck] = []
    done: dict[tuple[Subject, str, str], HealthCheck] = {}
    gone: set[str] = set()
    polling = Polling(first=1, longest=10, deadline=deadline, clock=clock, sleep=sleep)
    for _ in polling:
        probes = list(_find_probes(resources, aws))
        pending = [probe for probe in probes if probe.key not in done]
        polling.called(len(pending))
        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = pool.map(partial(_run, skip=skip), pending)
            checks = {probe.key: check for probe, check in zip(pending, answers, strict=True)}
        done |= {key: check for key, check in checks.items() if check.state is CheckState.OK}
        results = [checks.get(probe.key) or done[probe.key] for probe in probes]
        on_progress(results)
        before, gone = gone, {check.address for check in results if check.gone}
        if before & gone or all(check.state is not CheckState.FAIL for check in results):
            break
    return results


def _run(probe: _Probe, skip: Collection[Subject]) -> HealthCheck:
    if probe.subject in skip:
        detail = "not simulated by the local CloudFormation"
        return HealthCheck(probe.subject, probe.address, CheckState.SKIP, detail)
    try:
        return HealthCheck(probe.subject, probe.address, *probe.check())
    except AwsError as error:
        if error.problems[0].code in NO_CREDENTIALS:
            raise
        return HealthCheck(probe.subject, probe.address, CheckState.FAIL, error.problems[0].message)


def _find_probes(resources: Sequence[ProbedResource], aws: Services) -> Iterator[_Probe]:
    """All checks in the order of the stacks; services and alarms are read in advance, together."""
    names = [resource.physical_id for resource in resources if resource.type == ALARM]
    try:
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(aws.alarms, names)
            services = read_probed_services(resources, aws)
            alarms = asking.result()
    except AwsError as error:
        yield _Probe(Subject.SERVICE, "all", partial(_raise, error))
        return
    probes = _Probes(aws)
    for resource in resources:
        address = resource.address
        if resource.problem:
            check = partial(_fail, resource.problem)
            yield _Probe(Subject.METRIC, address, check, "metadata")
        if resource.type == SERVICE:
            yield from probes.of_service(address, services.get(address))
        elif resource.type == ALARM:
            check = partial(_check_alarm, alarms.get(resource.physical_id))
            yield _Probe(Subject.ALARM, address, check)
        yield from probes.of_metadata(resource)


def _raise(error: AwsError) -> Result:
    raise error


class _Probes:
    """The checks that make calls of their own."""

    def __init__(self, aws: Services) -> None:
        self._aws = aws

    def of_service(self, address: str, service: Service | None) -> Iterator[_Probe]:
        """An ECS service, the targets of its tasks, and the names that resolve to them."""
        yield _Probe(Subject.SERVICE, address, partial(_check_service, service))
        if service is None:
            return
        for group in service.target_groups:
            check = partial(self._check_targets, group, service)
            yield _Probe(Subject.TARGETS, address, check, group)
        for registry in service.registries:
            check = partial(self._check_name, registry, service)
            yield _Probe(Subject.NAME, address, check, registry)

    def of_metadata(self, resource: ProbedResource) -> Iterator[_Probe]:
        """The checks that the template's metadata declares."""
        if resource.invoke is not None:
            check = partial(self._check_function, resource)
            yield _Probe(Subject.FUNCTION, resource.address, check)
        if resource.metric is not None:
            check = partial(self._check_metric, resource.metric)
            yield _Probe(Subject.METRIC, resource.address, check)

    def _check_targets(self, group: str, service: Service) -> Result:
        health = self._aws.target_health(group)
        targets = [target for target in health if target.state != "draining"]
        unhealthy = [target for target in targets if target.state != "healthy"]
        healthy = len(targets) - len(unhealthy)
        detail = f"{healthy} of {len(targets)} targets healthy"
        if not unhealthy and healthy >= min(service.desired, 1):
            return CheckState.OK, detail
        if unhealthy:
            first = unhealthy[0]
            reason = f", {first.reason}" if first.reason else ""
            detail += f": {first.id}:{first.port} is {first.state}{reason}"
        return CheckState.FAIL, detail

    def _check_name(self, registry: str, service: Service) -> Result:
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(self._aws.instances, registry.rpartition("/")[2])
            tasks = self._aws.tasks(service.cluster, service.name)
            instances = asking.result()
        registered = {i.attributes.get("AWS_INSTANCE_IPV4", i.id) for i in instances}
        running = {
            address for task in tasks if task.status == "RUNNING" for address in task.addresses
        }
        if registered == running:
            noun = "task" if len(running) == 1 else "tasks"
            return CheckState.OK, f"resolves to {len(running)} running {noun}"
        stale, absent = sorted(registered - running), sorted(running - registered)
        faults = [f"{', '.join(stale)} runs no task"] if stale else []
        faults += [f"{', '.join(absent)} is not registered"] if absent else []
        return CheckState.FAIL, "; ".join(faults)

    def _check_function(self, resource: ProbedResource) -> Result:
        error, answer = self._aws.invoke(resource.physical_id, resource.invoke or {})
        if error:
            return CheckState.FAIL, f"{error}: {answer[:300]}"
        return CheckState.OK, "ran without error"

    def _check_metric(self, metric: MetricSource) -> Result:
        name = f"{metric.namespace} {metric.name}"
        newest = self._aws.latest_metric(
            metric.namespace, metric.name, metric.dimensions, metric.max_age
        )
        if newest is None:
            return CheckState.FAIL, f"{name}: no value in the last {metric.max_age} s"
        age = max(0, (datetime.now(UTC) - newest.time).total_seconds())
        return CheckState.OK, f"{name}: {newest.value:g}, {age:.0f} s ago"


def _fail(reason: str) -> Result:
    return CheckState.FAIL, reason


def _check_service(service: Service | None) -> Result:
    if service is None:
        return CheckState.FAIL, "the service does not exist", True
    count = f"{service.running} of {service.desired} tasks run"
    if service.stable:
        return CheckState.OK, count
    rollouts = [rollout for rollout in service.deployments if rollout.rollout != "COMPLETED"]
    reason = next((rollout.reason for rollout in rollouts if rollout.reason), "")
    if reason:
        return CheckState.FAIL, f"{count}: {reason}"
    moving = ", a deployment is in progress" if len(service.deployments) > 1 else ""
    return CheckState.FAIL, count + moving


def _check_alarm(state: str | None) -> Result:
    if state is None:
        return CheckState.FAIL, "the alarm does not exist", True
    if state == "ALARM":
        return CheckState.FAIL, "in alarm"
    return (CheckState.OK, "not in alarm") if state == "OK" else (CheckState.SKIP, "no data yet")
