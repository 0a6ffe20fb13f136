"""Live stacks -> Status: what there is now, at one look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from ..aws import PARALLEL, Service, Services, Stack
from ..cfn import stack_status
from ..plan import LiveStack
from .model import EnvironmentStatus, RootStatus, ServiceStatus
from .probes import ProbedResource, find_probed_resources, probed_services


def read_status(
    lives: Mapping[str, tuple[str, LiveStack | None]],
    aws: Services,
    *,
    measured: bool = True,
    left: Mapping[str, Stack] | None = None,
) -> EnvironmentStatus:
    """The root stacks by their name in ``stacks:``: name in CloudFormation and what is live. Raises
    AwsError.

    ``left`` are stacks that are no root stacks of the environment any more, by what ``stacks:``
    called them. ``measured`` False leaves out metrics, which the local CloudFormation does not
    play.
    """
    stacks = tuple(_stack(root, name, live) for root, (name, live) in lives.items())
    resources = find_probed_resources(live for _, live in lives.values() if live)
    found = probed_services(resources, aws)
    wanted = [each for each in resources if each.address in found]
    with ThreadPoolExecutor(PARALLEL) as pool:
        states = pool.map(lambda each: _service(each, found[each.address], aws, measured), wanted)
        return EnvironmentStatus(
            stacks, tuple(states), tuple(_left(root, stack) for root, stack in (left or {}).items())
        )


def _left(root: str, stack: Stack) -> RootStatus:
    since = stack.updated or stack.created
    return RootStatus(
        root, stack.name, stack.status, since, drift=stack.drift, drift_checked=stack.drift_checked
    )


def _stack(root: str, name: str, live: LiveStack | None) -> RootStatus:
    if live is None:
        return RootStatus(root, name)
    below = [each for each in live.walk() if each is not live]
    drifted = any(each.stack.drift == "DRIFTED" for each in below)
    unwell = tuple(
        (each.name, each.stack.status) for each in below if not stack_status(each.stack.status).good
    )
    stack = live.stack
    since = stack.updated or stack.created
    return RootStatus(
        root, name, stack.status, since, len(below), unwell, "DRIFTED" if drifted else stack.drift, stack.drift_checked
    )  # fmt: skip


def _service(
    each: ProbedResource, service: Service, aws: Services, measured: bool
) -> ServiceStatus:
    healthy = list(_healthy(service, aws)) if service.target_groups else None
    source = each.metric if measured else None
    return ServiceStatus(
        address=each.address,
        name=service.name,
        running=service.running,
        desired=service.desired,
        pending=service.pending,
        stable=service.stable,
        task_definition=service.task_definition.rpartition("/")[2],
        healthy=None if healthy is None else sum(healthy),
        targets=None if healthy is None else len(healthy),
        work=source,
        value=aws.latest_metric(source.namespace, source.name, source.dimensions, source.max_age)
        if source
        else None,
    )


def _healthy(service: Service, aws: Services) -> Iterator[bool]:
    """Of each target that is not draining, whether it is healthy."""
    for group in service.target_groups:
        yield from (
            each.state == "healthy" for each in aws.target_health(group) if each.state != "draining"
        )
