"""Read the subnets that the parameters give, and find the resources that are placed in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING

from msgspec import Struct

from ..cfn import RenderedResource, StaticReferences

if TYPE_CHECKING:
    from ..aws import Account, Subnet


class RouteNeed(Enum):
    """The default route that a resource needs in its subnets."""

    INTERNET_GATEWAY = auto()
    """The resource has public addresses."""
    OUTBOUND = auto()
    """The resource has private addresses and calls AWS: NAT, or VPC endpoints instead."""
    ANY = auto()


class Placement(Struct, frozen=True):
    """A resource (``app/web:Service``) and its subnets, by their ids.

    ``file_system`` names the file system of a mount target, and is empty for other resources.
    """

    address: str
    subnets: tuple[str, ...]
    route: RouteNeed
    file_system: str = ""


class GivenNetwork(Struct, frozen=True):
    """The given subnets as EC2 describes them.

    ``missing`` are ids that do not exist; ``vpcs`` are the VPCs that the templates name; ``routes``
    maps a VPC to the target of the default route by subnet, as `Account.default_routes` returns it.
    """

    placements: tuple[Placement, ...]
    subnets: Mapping[str, Subnet]
    missing: tuple[str, ...]
    vpcs: frozenset[str]
    routes: Mapping[str, Mapping[str, str]]

    def of(self, placement: Placement) -> list[Subnet]:
        """The existing subnets of a resource."""
        return [self.subnets[id_] for id_ in placement.subnets if id_ in self.subnets]

    def default_route(self, subnet: Subnet) -> str:
        """The target of a subnet's default route (``igw-…``, ``nat-…``); empty for none."""
        table = self.routes[subnet.vpc]
        return table.get(subnet.id, table.get("", ""))


def read_given_network(references: StaticReferences, aws: Account) -> GivenNetwork | None:
    """Read the subnets whose ids the templates know; None where they know none. Raises AwsError."""
    placements = tuple(_placements(references))
    wanted = sorted({id_ for placement in placements for id_ in placement.subnets})
    if not wanted:
        return None
    subnets = {subnet.id: subnet for subnet in aws.subnets(wanted)}
    return GivenNetwork(
        placements,
        subnets,
        tuple(id_ for id_ in wanted if id_ not in subnets),
        frozenset(_vpcs(references)),
        {vpc: aws.default_routes(vpc) for vpc in {subnet.vpc for subnet in subnets.values()}},
    )


def _placements(references: StaticReferences) -> Iterator[Placement]:
    for resource, subnets, route in _resources_with_subnets(references):
        given = references.texts(resource.document, subnets) if subnets is not None else []
        if given and all(text.startswith("subnet-") for text in given):
            yield Placement(resource.address, tuple(given), route, _file_system(resource))


def _resources_with_subnets(
    references: StaticReferences,
) -> Iterator[tuple[RenderedResource, object, RouteNeed]]:
    """Each resource that is placed in subnets, its subnets as the template has them, and the
    default route that it needs."""
    for resource in references.of("AWS::ElasticLoadBalancingV2::LoadBalancer"):
        scheme = references.text(resource.document, resource.properties.get("Scheme"))
        route = RouteNeed.ANY if scheme == "internal" else RouteNeed.INTERNET_GATEWAY
        yield resource, resource.properties.get("Subnets"), route
    for resource in references.of("AWS::ECS::Service"):
        configuration = resource.properties.get("NetworkConfiguration") or {}
        network = configuration.get("AwsvpcConfiguration") or {}
        public = network.get("AssignPublicIp") == "ENABLED"
        route = RouteNeed.INTERNET_GATEWAY if public else RouteNeed.OUTBOUND
        yield resource, network.get("Subnets"), route
    for resource in references.of("AWS::Lambda::Function"):
        network = resource.properties.get("VpcConfig") or {}
        yield resource, network.get("SubnetIds"), RouteNeed.OUTBOUND
    for resource in references.of("AWS::EFS::MountTarget"):
        yield resource, resource.properties.get("SubnetId"), RouteNeed.ANY


def _file_system(resource: RenderedResource) -> str:
    if resource.type != "AWS::EFS::MountTarget":
        return ""
    return f"{resource.document.name} {resource.properties.get('FileSystemId')}"


def _vpcs(references: StaticReferences) -> Iterator[str]:
    for resource in references.resources:
        for key in ("VpcId", "Vpc"):
            for text in references.texts(resource.document, resource.properties.get(key)):
                if text.startswith("vpc-"):
                    yield text
