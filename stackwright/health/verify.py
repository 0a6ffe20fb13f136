"""Live stacks -> [Check]: whether what was deployed does its work, looked at until all is well or
time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

from msgspec import Struct

from ..aws import PARALLEL, Polling, Service, Services
from ..core import AwsError
from ..plan import LiveStack
from .model import CheckState, HealthCheck, Subject
from .probes import (
    ALARM,
    SERVICE,
    MetricSource,
    ProbedResource,
    find_probed_resources,
    probed_services,
)

DEADLINE = 600.0
"""Seconds. A first reading of a metric, or a target's first checks, take minutes; an alarm five of
them to recover."""
_FATAL = frozenset(("SW401", "SW402"))
"""Without credentials nothing more can be found out."""


class _Probe(Struct, frozen=True):
    """A check that can be made again; ``part`` tells several of one subject and address apart."""

    subject: Subject
    address: str
    look: Callable[[], tuple[CheckState, str]]
    part: str = ""

    @property
    def key(self) -> tuple[Subject, str, str]:
        """By which its last result is known."""
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
    """Look at services, their targets and names, functions, metrics and alarms of the root stacks
    and those nested.

    What is not well is looked at again until ``deadline`` seconds are over; what was well once is
    not. ``on_progress`` gets all checks after each round; ``skip`` names what does not exist where
    this runs. Raises AwsError where there are no valid credentials; any other failure of a call
    fails the check that needed it.
    """
    resources = find_probed_resources(lives)
    found: list[HealthCheck] = []
    well: dict[tuple[Subject, str, str], HealthCheck] = {}
    polling = Polling(first=1, longest=10, deadline=deadline, clock=clock, sleep=sleep)
    for _ in polling:
        probes = list(_probes(resources, aws))
        open_ = [each for each in probes if each.key not in well]
        polling.called(len(open_))
        with ThreadPoolExecutor(PARALLEL) as pool:
            checks = dict(
                zip(
                    (e.key for e in open_),
                    pool.map(partial(_checked, skip=skip), open_),
                    strict=True,
                )
            )
        well |= {key: check for key, check in checks.items() if check.state is CheckState.OK}
        found = [checks.get(each.key) or well[each.key] for each in probes]
        on_progress(found)
        if all(each.state is not CheckState.FAIL for each in found):
            break
    return found


def _checked(probe: _Probe, skip: Collection[Subject]) -> HealthCheck:
    if probe.subject in skip:
        return HealthCheck(
            probe.subject,
            probe.address,
            CheckState.SKIP,
            "the local CloudFormation does not play it",
        )
    try:
        return HealthCheck(probe.subject, probe.address, *probe.look())
    except AwsError as error:
        if error.problems[0].code in _FATAL:
            raise
        return HealthCheck(probe.subject, probe.address, CheckState.FAIL, error.problems[0].message)


def _probes(resources: Sequence[ProbedResource], aws: Services) -> Iterator[_Probe]:
    """Everything that can be looked at, in the order of the stacks; services and alarms are read
    together."""
    try:
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(
                aws.alarms, [each.physical_id for each in resources if each.type == ALARM]
            )
            found = probed_services(resources, aws)
            alarms = asking.result()
    except AwsError as error:
        yield _Probe(Subject.SERVICE, "all", partial(_raise, error))
        return
    looks = _Looks(aws)
    for each in resources:
        if each.wrong:
            yield _Probe(Subject.METRIC, each.address, partial(_failed, each.wrong), "metadata")
        if each.type == SERVICE:
            yield from looks.at_service(each, found.get(each.address))
        elif each.type == ALARM:
            yield _Probe(Subject.ALARM, each.address, partial(_alarm, alarms.get(each.physical_id)))
        yield from looks.as_told(each)


def _raise(error: AwsError) -> tuple[CheckState, str]:
    raise error


class _Looks:
    """The probes that make calls of their own."""

    def __init__(self, aws: Services) -> None:
        self._aws = aws

    def at_service(self, each: ProbedResource, service: Service | None) -> Iterator[_Probe]:
        """An ECS service, the targets of its tasks, and the names that resolve to them."""
        yield _Probe(Subject.SERVICE, each.address, partial(_service, service))
        if service is None:
            return
        for group in service.target_groups:
            yield _Probe(
                Subject.TARGETS, each.address, partial(self._targets, group, service), group
            )
        for registry in service.registries:
            yield _Probe(
                Subject.NAME, each.address, partial(self._name, registry, service), registry
            )

    def as_told(self, each: ProbedResource) -> Iterator[_Probe]:
        """What the template's metadata asks for."""
        if each.invoke is not None:
            yield _Probe(Subject.FUNCTION, each.address, partial(self._invoked, each))
        if each.metric is not None:
            yield _Probe(Subject.METRIC, each.address, partial(self._fresh, each.metric))

    def _targets(self, group: str, service: Service) -> tuple[CheckState, str]:
        targets = [each for each in self._aws.target_health(group) if each.state != "draining"]
        healthy = sum(each.state == "healthy" for each in targets)
        detail = f"{healthy} of {len(targets)} targets healthy"
        if healthy == len(targets) and healthy >= min(service.desired, 1):
            return CheckState.OK, detail
        ill = next((each for each in targets if each.state != "healthy"), None)
        why = (
            f": {ill.id}:{ill.port} is {ill.state}" + (f", {ill.reason}" if ill.reason else "")
            if ill
            else ""
        )
        return CheckState.FAIL, detail + why

    def _name(self, registry: str, service: Service) -> tuple[CheckState, str]:
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(self._aws.instances, registry.rpartition("/")[2])
            tasks = self._aws.tasks(service.cluster, service.name)
            instances = asking.result()
        known = {each.attributes.get("AWS_INSTANCE_IPV4", each.id) for each in instances}
        running = {
            address for each in tasks if each.status == "RUNNING" for address in each.addresses
        }
        if known == running:
            return (
                CheckState.OK,
                f"resolves to {len(running)} running {'task' if len(running) == 1 else 'tasks'}",
            )
        stale, absent = sorted(known - running), sorted(running - known)
        why = [f"{', '.join(stale)} runs no task"] if stale else []
        why += [f"{', '.join(absent)} is not registered"] if absent else []
        return CheckState.FAIL, "; ".join(why)

    def _invoked(self, each: ProbedResource) -> tuple[CheckState, str]:
        error, answer = self._aws.invoke(each.physical_id, each.invoke or {})
        return (
            (CheckState.FAIL, f"{error}: {answer[:300]}")
            if error
            else (CheckState.OK, "ran without error")
        )

    def _fresh(self, metric: MetricSource) -> tuple[CheckState, str]:
        newest = self._aws.latest_metric(
            metric.namespace, metric.name, metric.dimensions, metric.max_age
        )
        if newest is None:
            return (
                CheckState.FAIL,
                f"{metric.namespace} {metric.name}: no value in the last {metric.max_age} s",
            )
        age = max(0, (datetime.now(UTC) - newest.time).total_seconds())
        return CheckState.OK, f"{metric.namespace} {metric.name}: {newest.value:g}, {age:.0f} s ago"


def _failed(why: str) -> tuple[CheckState, str]:
    return CheckState.FAIL, why


def _service(service: Service | None) -> tuple[CheckState, str]:
    if service is None:
        return CheckState.FAIL, "the service does not exist"
    counted = f"{service.running} of {service.desired} tasks run"
    if service.stable:
        return CheckState.OK, counted
    rollouts = [each for each in service.deployments if each.rollout != "COMPLETED"]
    why = next((f": {each.reason}" for each in rollouts if each.reason), "")
    return (
        CheckState.FAIL,
        f"{counted}{why or (', a deployment is under way' if len(service.deployments) > 1 else '')}",
    )


def _alarm(state: str | None) -> tuple[CheckState, str]:
    if state is None:
        return CheckState.FAIL, "the alarm does not exist"
    if state == "ALARM":
        return CheckState.FAIL, "in alarm"
    return (CheckState.OK, "not in alarm") if state == "OK" else (CheckState.SKIP, "no data yet")
