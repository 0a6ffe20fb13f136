"""List what a first deployment exposes to the public, and what its roles may do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from ..model import Plan, RootPlan
from .find import environment_exists, is_deployed
from .grants import (
    IDENTITY,
    TRUST,
    Place,
    Side,
    build_sides,
    read_grants,
    read_memberships,
    read_rules,
)
from .references import References
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
    exposures = [
        exposure for root in plan.roots if not is_deployed(root) for exposure in _list_root(root)
    ]
    return sorted(exposures, key=lambda exposure: exposure.kind is ExposureKind.GRANTED)


def _list_root(root: RootPlan) -> Iterator[Exposure]:
    _, side = build_sides(root, References(root))
    exposed, granted = _list_public(side), _list_granted(side)
    for place, resource in side.resources.items():
        for kind, texts in ((ExposureKind.EXPOSED, exposed), (ExposureKind.GRANTED, granted)):
            if place in texts:
                text = join_texts(texts[place])
                yield Exposure(kind, resource.stack, resource.logical_id, resource.type, text)


def _list_granted(side: Side) -> Mapping[Place, list[str]]:
    """Return what the roles, users and groups may do, and who else may assume a role."""
    texts: dict[Place, list[str]] = defaultdict(list)
    for grant in read_grants(side):
        stack, _, logical_id = grant.pool.subject.rpartition(":")
        elements = grant.statement.elements
        outsiders = _find_outsiders(elements.get("Principal"))
        if grant.pool.kind == IDENTITY and elements.get("Effect") != "Deny":
            texts[stack, logical_id].append(describe_statement(elements, "may"))
        elif grant.pool.kind == TRUST and outsiders:
            texts[stack, logical_id].append(f"may be assumed by {shorten(outsiders)}")
    for membership in read_memberships(side):
        if membership.text:
            texts[membership.place].append(membership.text)
    return texts


def _find_outsiders(principal: Any) -> list[Any]:
    """Return the principals that are no services of AWS."""
    if not isinstance(principal, Mapping):
        return as_list(principal)
    kinds = (value for kind, value in principal.items() if kind != "Service")
    return [name for value in kinds for name in as_list(value)]


# --- public endpoints


def _list_public(side: Side) -> Mapping[Place, list[str]]:
    """Return what can be reached by everybody: ports, resources with open policies, endpoints."""
    texts: dict[Place, list[str]] = defaultdict(list)
    for rule in read_rules(side):
        everybody = rule.network is not None and rule.network.prefixlen == 0
        if everybody and not rule.outbound:
            texts[rule.place].append(describe_rule(rule.declared))
    for grant in read_grants(side):
        elements = grant.statement.elements
        public = "*" in _find_outsiders(elements.get("Principal")) and not grant.assumed
        if public and grant.pool.kind != TRUST and elements.get("Effect") == "Allow":
            condition = elements.get("Condition")
            limit = f" if {shorten(condition)}" if condition else ""
            texts[grant.places[0]].append(describe_statement(elements) + limit)
    for resource in side:
        endpoint = _ENDPOINTS.get(resource.type)
        if endpoint and endpoint[0](resource.properties):
            texts[resource.place].append(endpoint[1])
    return texts


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
