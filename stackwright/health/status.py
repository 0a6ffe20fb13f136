"""Read the status of an environment once: stacks, services, their targets and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..aws import PARALLEL, Service, Services, Stack
from ..cfn import stack_status
from ..core import AwsError
from ..plan import LiveStack, is_nested, walk_stacks
from .model import EnvironmentStatus, MissingResource, RootStatus, ServiceStatus
from .probes import (
    ALARM,
    SERVICE,
    ProbedResource,
    find_probed_resources,
    read_probed_services,
)


def read_status(
    lives: Mapping[str, tuple[str, LiveStack | None]],
    aws: Services,
    *,
    metrics: bool = True,
    orphaned: Mapping[str, Stack] | None = None,
) -> EnvironmentStatus:
    """Read services, targets and metrics of live stacks, and find missing resources. Raises
    AwsError.

    ``lives`` maps a root stack's name in ``stacks:`` to its name in CloudFormation and the live
    stack (None: not deployed). ``orphaned`` are deployed root stacks that ``stacks:`` does not name
    any more, by their former name there. ``metrics`` False reads no metrics, which the local
    CloudFormation does not have.
    """
    stacks = tuple(_describe_root(root, name, live) for root, (name, live) in lives.items())
    stacks_read = walk_stacks(live for _, live in lives.values() if live)
    resources = find_probed_resources(live for _, live in lives.values() if live)
    services = read_probed_services(resources, aws)
    wanted = [resource for resource in resources if resource.address in services]
    with ThreadPoolExecutor(PARALLEL) as pool:
        states = pool.map(
            lambda resource: _read_service(resource, services[resource.address], aws, metrics),
            wanted,
        )
        orphans = (_describe_orphan(root, stack) for root, stack in (orphaned or {}).items())
        missing = _find_missing(stacks_read, resources, services, aws)
        return EnvironmentStatus(stacks, tuple(states), tuple(orphans), tuple(missing))


def _find_missing(
    stacks: Sequence[LiveStack],
    resources: Sequence[ProbedResource],
    services: Mapping[str, Service],
    aws: Services,
) -> Iterator[MissingResource]:
    """Services, alarms and nested stacks that do not exist now, and any resource that the last
    drift detection did not find."""
    names = [resource.physical_id for resource in resources if resource.type == ALARM]
    alarms = aws.alarms(names) if names else {}
    present = {
        resource.address: resource.address in services or resource.physical_id in alarms
        for resource in resources
        if resource.type in (SERVICE, ALARM)
    }
    for stack in stacks:
        for name, resource in stack.resources.items():
            address = f"{stack.name}:{name}"
            gone = resource.drift == "DELETED" or (is_nested(resource) and name not in stack.nested)
            if not present.get(address, not gone):
                yield MissingResource(address, resource.type, resource.physical_id)


def _describe_orphan(root: str, stack: Stack) -> RootStatus:
    since = stack.updated or stack.created
    return RootStatus(
        root, stack.name, stack.status, since, drift=stack.drift, drift_checked=stack.drift_checked
    )


def _describe_root(root: str, name: str, live: LiveStack | None) -> RootStatus:
    if live is None:
        return RootStatus(root, name)
    nested = [stack for stack in live.walk() if stack is not live]
    drifted = any(child.stack.drift == "DRIFTED" for child in nested)
    stack = live.stack
    return RootStatus(
        root,
        name,
        stack.status,
        stack.updated or stack.created,
        len(nested),
        tuple(
            (child.name, child.stack.status)
            for child in nested
            if not stack_status(child.stack.status).good
        ),
        "DRIFTED" if drifted else stack.drift,
        stack.drift_checked,
    )


def _read_service(
    resource: ProbedResource, service: Service, aws: Services, metrics: bool
) -> ServiceStatus:
    healthy = list(_read_target_health(service, aws)) if service.target_groups else None
    source = resource.metric if metrics else None
    return ServiceStatus(
        address=resource.address,
        name=service.name,
        running=service.running,
        desired=service.desired,
        pending=service.pending,
        stable=service.stable,
        task_definition=service.task_definition.rpartition("/")[2],
        healthy=None if healthy is None else sum(healthy),
        targets=None if healthy is None else len(healthy),
        metric=source,
        metric_value=aws.latest_metric(
            source.namespace, source.name, source.dimensions, source.max_age
        )
        if source
        else None,
    )


def _read_target_health(service: Service, aws: Services) -> Iterator[bool]:
    """Whether each target that is not draining is healthy."""
    for group in service.target_groups:
        try:
            targets = aws.target_health(group)
        except AwsError as error:
            if error.code != "TargetGroupNotFound":
                raise
            targets = []
        for target in targets:
            if target.state != "draining":
                yield target.state == "healthy"
