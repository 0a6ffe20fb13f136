"""What of the live stacks can be looked at while it runs: services, target groups, functions,
alarms, metrics.

Templates add what only they know, in ``Metadata: {stackwright: {verify: {invoke: {…}, metric:
{…}}}}``; its values may be references.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import Struct

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
    """One live resource: its address (``app/agent:Service``), and what its template asks to be
    verified.

    ``invoke`` is the payload with which a function is tried, None where it is not; ``wrong`` says
    what is wrong with the metadata.
    """

    address: str
    type: str
    physical_id: str
    invoke: Mapping[str, Any] | None = None
    metric: MetricSource | None = None
    wrong: str = ""


class _Physical(UnknownWorld, Struct, frozen=True):
    """The world of a live stack as far as metadata can refer to it: physical ids."""

    ids: Mapping[str, str] = {}

    def reference(self, logical_id: str) -> Traced:
        return Traced(self.ids.get(logical_id, ""))


def find_probed_resources(lives: Iterable[LiveStack]) -> list[ProbedResource]:
    """The resources of these root stacks and their nested stacks that can be looked at. Raises
    AwsError."""
    return [found for live in walk_stacks(lives) for found in _of(live)]


def _of(live: LiveStack) -> Iterator[ProbedResource]:
    template = declared_keys(live.template)
    ids = {name: each.physical_id for name, each in live.resources.items()}
    resolver = Resolver(
        template, live.stack.parameters, pseudo_parameters(live.stack), _Physical(ids)
    )
    for name, resource in live.resources.items():
        settings = _settings(template, name)
        if resource.physical_id and (settings or resource.type in TYPES):
            yield _watched(
                f"{live.name}:{name}", resource.type, resource.physical_id, settings, resolver
            )


def _settings(template: Template, logical_id: str) -> Any:
    found = template.resources.get(logical_id)
    metadata = found.metadata if found else None
    ours = metadata.get("stackwright") if isinstance(metadata, Mapping) else None
    return ours.get("verify") if isinstance(ours, Mapping) else None


def _watched(
    address: str, type_: str, physical_id: str, settings: Any, resolver: Resolver
) -> ProbedResource:
    made = ProbedResource(address, type_, physical_id)
    if settings is None:
        return made
    try:
        given = _plain(resolver.resolve(settings))
        metric = given.get("metric")
        source = MetricSource(**metric) if metric else None
        return ProbedResource(address, type_, physical_id, given.get("invoke"), source)
    except (ValidationError, TypeError, AttributeError) as error:
        return ProbedResource(
            address, type_, physical_id, wrong=f"its verify metadata cannot be read: {error}"
        )


def _plain(value: Any) -> Any:
    """Without the traces of where values come from."""
    held = plain_data(value)
    if isinstance(held, Mapping):
        return {key: _plain(item) for key, item in held.items()}
    return [_plain(item) for item in held] if isinstance(held, list) else held


def cluster_of(service_arn: str) -> str:
    """The cluster of a service by its ARN, ``arn:…:service/<cluster>/<name>``; ``default`` in the
    old short form.

    Source:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html#ecs-resource-ids
    """
    parts = service_arn.rpartition(":")[2].split("/")
    return parts[1] if len(parts) == 3 else "default"


def probed_services(found: Sequence[ProbedResource], aws: Services) -> dict[str, Service]:
    """The ECS services among these, by address; those that are gone are left out. Raises
    AwsError."""
    wanted = [each for each in found if each.type == SERVICE]
    clusters: dict[str, list[str]] = {}
    for each in wanted:
        clusters.setdefault(cluster_of(each.physical_id), []).append(each.physical_id)
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = pool.map(lambda pair: aws.services(*pair), clusters.items())
        by_arn = {service.arn: service for answer in answers for service in answer}
    return {each.address: by_arn[each.physical_id] for each in wanted if each.physical_id in by_arn}
