"""List what a first deployment exposes to the public, and what its roles may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from ..model import Plan, RootPlan
from .find import environment_exists
from .grants import (
    IDENTITY,
    TRUST,
    Grant,
    Side,
    SideResource,
    build_sides,
    read_grants,
    read_memberships,
    read_rules,
)
from .wording import as_list, describe_rule, describe_statement, join_texts, shorten


class ExposureKind(StrEnum):
    """Why something is listed."""

    EXPOSED = "exposed"
    """Whoever knows its address may reach it."""
    GRANTED = "granted"
    """A role, user or group may do it."""


class Exposure(Struct, frozen=True):
    """What a new resource exposes or grants. ``description`` is the predicate of a sentence."""

    kind: ExposureKind
    stack: str
    logical_id: str
    type: str
    description: str

    @property
    def address(self) -> str:
        """``app/gateway:Role``."""
        return f"{self.stack}:{self.logical_id}"


def list_exposures(plan: Plan) -> list[Exposure]:
    """Return what a first deployment exposes and grants, public endpoints first.

    In an environment that exists the list is empty: there, each grant is a finding of its own.
    """
    if environment_exists(plan):
        return []
    exposures = [exposure for root in plan.roots for exposure in _list_root(root)]
    return sorted(exposures, key=lambda exposure: exposure.kind is ExposureKind.GRANTED)


def _list_root(root: RootPlan) -> Iterator[Exposure]:
    _, side = build_sides(root)
    grants = list(read_grants(side))
    for resource in side:
        exposed = [*_list_public(resource, side), *_list_open_policies(resource, grants)]
        yield from _make(ExposureKind.EXPOSED, resource, exposed)
        yield from _make(ExposureKind.GRANTED, resource, _list_granted(resource, side, grants))


def _make(kind: ExposureKind, resource: SideResource, texts: list[str]) -> Iterator[Exposure]:
    if texts:
        text = join_texts(texts)
        yield Exposure(kind, resource.stack, resource.logical_id, resource.type, text)


def _list_granted(resource: SideResource, side: Side, grants: list[Grant]) -> list[str]:
    texts = [
        describe_statement(grant.statement.elements, "may")
        for grant in grants
        if (grant.pool.kind, grant.pool.subject) == (IDENTITY, resource.address)
        and grant.statement.elements.get("Effect") != "Deny"
    ]
    texts += [
        membership.text
        for membership in read_memberships(side)
        if membership.place == resource.place and membership.text
    ]
    texts += [
        f"may be assumed by {shorten(outside)}"
        for grant in grants
        if (grant.pool.kind, grant.pool.subject) == (TRUST, resource.address)
        and (outside := _find_outsiders(grant.statement.elements.get("Principal")))
    ]
    return texts


def _find_outsiders(principal: Any) -> list[Any]:
    """Return the principals that are no services of AWS."""
    if not isinstance(principal, Mapping):
        return as_list(principal)
    kinds = (value for kind, value in principal.items() if kind != "Service")
    return [name for value in kinds for name in as_list(value)]


# --- public endpoints


def _list_public(resource: SideResource, side: Side) -> Iterator[str]:
    for rule in read_rules(side):
        everybody = rule.network is not None and rule.network.prefixlen == 0
        if rule.place == resource.place and everybody and not rule.outbound:
            yield describe_rule(rule.declared)
    endpoint = _ENDPOINTS.get(resource.type)
    if endpoint and endpoint[0](resource.properties):
        yield endpoint[1]


def _list_open_policies(resource: SideResource, grants: list[Grant]) -> Iterator[str]:
    for grant in grants:
        elements = grant.statement.elements
        public = "*" in _find_outsiders(elements.get("Principal")) and not grant.assumed
        if public and grant.places[0] == resource.place and elements.get("Effect") == "Allow":
            condition = elements.get("Condition")
            limit = f" if {shorten(condition)}" if condition else ""
            yield describe_statement(elements) + limit


def _is_not_private(properties: Mapping[str, Any]) -> bool:
    types = as_list((properties.get("EndpointConfiguration") or {}).get("Types"))
    return "PRIVATE" not in types


def _always(_properties: Mapping[str, Any]) -> bool:
    return True


_ENDPOINTS: Mapping[str, tuple[Callable[[Mapping[str, Any]], bool], str]] = {
    "AWS::ApiGateway::RestApi": (_is_not_private, "is a public API"),
    "AWS::ApiGatewayV2::Api": (_always, "is a public API"),
    "AWS::AppSync::GraphQLApi": (
        lambda properties: properties.get("Visibility") != "PRIVATE",
        "is a public API",
    ),
    "AWS::AppRunner::Service": (_always, "is a public service"),
    "AWS::CloudFront::Distribution": (_always, "is a public distribution"),
    "AWS::EC2::EIP": (_always, "is a public address"),
    "AWS::EC2::Subnet": (
        lambda properties: str(properties.get("MapPublicIpOnLaunch")).lower() == "true",
        "gives what starts in it public addresses",
    ),
    "AWS::ElasticLoadBalancing::LoadBalancer": (
        lambda properties: properties.get("Scheme") != "internal",
        "is an internet-facing load balancer",
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        lambda properties: properties.get("Scheme") != "internal",
        "is an internet-facing load balancer",
    ),
    "AWS::Lambda::Url": (
        lambda properties: properties.get("AuthType") == "NONE",
        "is a function URL without authorization",
    ),
    "AWS::RDS::DBInstance": (
        lambda properties: str(properties.get("PubliclyAccessible")).lower() == "true",
        "has a public address",
    ),
    "AWS::Redshift::Cluster": (
        lambda properties: str(properties.get("PubliclyAccessible")).lower() == "true",
        "has a public address",
    ),
}
"""Types with a public endpoint: whether a resource has one, and its words. The scheme of a load
balancer is internet-facing unless it is said to be internal. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticloadbalancingv2-loadbalancer.html
"""
