"""Find the resources of live stacks that can be checked while they run: services, target groups,
functions, alarms, metrics.

A template declares further checks in ``Metadata: {stackwright: {verify: {invoke: {…}, metric:
{…}}}}`` of a resource; values in it may be references.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..aws import PARALLEL, Service, Services
from ..cfn import (
    Resolver,
    Template,
    Traced,
    UnknownWorld,
    ValidationError,
    declared_keys,
    plain_data,
)
from ..core import AwsError
from ..plan import LiveStack, pseudo_parameters, walk_stacks

SERVICE = "AWS::ECS::Service"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
FUNCTION = "AWS::Lambda::Function"
ALARM = "AWS::CloudWatch::Alarm"
TYPES = frozenset((SERVICE, TARGET_GROUP, FUNCTION, ALARM))


class MetricSource(Struct, frozen=True):
    """A metric that a template names; it is fresh while its newest value is at most ``max_age``
    seconds old."""

    namespace: str
    name: str
    dimensions: Mapping[str, str] = {}
    max_age: int = 300


class ProbedResource(Struct, frozen=True):
    """A live resource: its address (``app/agent:Service``), and the checks that its template
    declares.

    ``invoke`` is the payload with which a function is invoked, None where it is not; ``problem``
    says why the metadata cannot be read, and is empty otherwise.
    """

    address: str
    type: str
    physical_id: str
    invoke: Mapping[str, Any] | None = None
    metric: MetricSource | None = None
    problem: str = ""


class _PhysicalIds(UnknownWorld, Struct, frozen=True):
    """Resolves references of metadata to the physical ids of a live stack."""

    ids: Mapping[str, str] = {}

    def reference(self, logical_id: str) -> Traced:
        return Traced(self.ids.get(logical_id, ""))


def find_probed_resources(lives: Iterable[LiveStack]) -> list[ProbedResource]:
    """The resources that can be checked, in these root stacks and their nested stacks. Raises
    AwsError."""
    return [resource for live in walk_stacks(lives) for resource in _find_in_stack(live)]


def _find_in_stack(live: LiveStack) -> Iterator[ProbedResource]:
    template = declared_keys(live.template)
    ids = {name: resource.physical_id for name, resource in live.resources.items()}
    resolver = Resolver(
        template, live.stack.parameters, pseudo_parameters(live.stack), _PhysicalIds(ids)
    )
    for name, resource in live.resources.items():
        settings = _read_settings(template, name)
        if resource.physical_id and (settings or resource.type in TYPES):
            bare = ProbedResource(f"{live.name}:{name}", resource.type, resource.physical_id)
            yield bare if settings is None else _apply_settings(bare, settings, resolver)


def _read_settings(template: Template, logical_id: str) -> Any:
    """The ``verify`` metadata of a resource; None without any."""
    resource = template.resources.get(logical_id)
    metadata = resource.metadata if resource else None
    ours = metadata.get("stackwright") if isinstance(metadata, Mapping) else None
    return ours.get("verify") if isinstance(ours, Mapping) else None


def _apply_settings(bare: ProbedResource, settings: Any, resolver: Resolver) -> ProbedResource:
    try:
        given = _untraced(resolver.resolve(settings))
        metric = given.get("metric")
        source = MetricSource(**metric) if metric else None
        return replace(bare, invoke=given.get("invoke"), metric=source)
    except (ValidationError, TypeError, AttributeError) as error:
        return replace(bare, problem=f"its verify metadata cannot be read: {error}")


def _untraced(value: Any) -> Any:
    """Remove the origins that a resolved value carries."""
    data = plain_data(value)
    if isinstance(data, Mapping):
        return {key: _untraced(item) for key, item in data.items()}
    return [_untraced(item) for item in data] if isinstance(data, list) else data


def cluster_of(service_arn: str) -> str:
    """The cluster in a service's ARN, ``arn:…:service/<cluster>/<name>``; ``default`` for the old
    short form.

    Source:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html#ecs-resource-ids
    """
    parts = service_arn.rpartition(":")[2].split("/")
    return parts[1] if len(parts) == 3 else "default"


def _read_cluster(cluster: str, arns: Sequence[str], aws: Services) -> list[Service]:
    try:
        return aws.services(cluster, arns)
    except AwsError as error:
        if error.code == "ClusterNotFoundException":
            return []
        raise


def read_probed_services(resources: Sequence[ProbedResource], aws: Services) -> dict[str, Service]:
    """Read the ECS services among the resources; by address, without services that do not exist
    any more, nor does their cluster. Raises AwsError."""
    wanted = [resource for resource in resources if resource.type == SERVICE]
    clusters: dict[str, list[str]] = {}
    for resource in wanted:
        clusters.setdefault(cluster_of(resource.physical_id), []).append(resource.physical_id)
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = pool.map(lambda pair: _read_cluster(pair[0], pair[1], aws), clusters.items())
        by_arn = {service.arn: service for answer in answers for service in answer}
    return {
        resource.address: by_arn[resource.physical_id]
        for resource in wanted
        if resource.physical_id in by_arn
    }
