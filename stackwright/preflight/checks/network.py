"""Availability zones of new resources, and subnets that the parameters give: existence, zones,
routes, free addresses."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..given_network import GivenNetwork, Placement, RouteNeed
from ..model import PreflightCheck
from .base import Check

if TYPE_CHECKING:
    from ...aws import Subnet

FREE_ADDRESSES = 8
"""Free addresses that each subnet of a load balancer must have. Tasks and mount targets need some
as well, so every subnet is checked. Source:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html"""
_LOAD_BALANCERS = (
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/"
    "application-load-balancers.html"
)


class ZonesExist(Check):
    """Compares the availability zones that the templates name with those of the account."""

    id = "availability zones"
    title = "Availability zones that the templates name exist in the Region"
    reason = "Subnets cannot be created in them. Accounts do not all have the same zones."
    source = (
        "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html"
    )

    def run(self) -> Iterator[PreflightCheck]:
        """One result; none where the templates name no zone."""
        named = {
            zone
            for resource in self.references.resources
            for key in ("AvailabilityZone", "AvailabilityZones")
            for zone in self.references.texts(resource.document, resource.properties.get(key))
        }
        if not named:
            return
        existing = self.aws.zones()
        if missing := sorted(named.difference(existing)):
            hint = f"use zones of {self.config.region}: {', '.join(existing)}"
            yield self.fail(f"{', '.join(missing)} not found in {self.config.region}", hint)
        else:
            yield self.ok(", ".join(sorted(named)))


class NetworkCheck(Check):
    """A check of the given subnets, which are read once for all checks of the network."""

    @property
    def topic(self) -> str:
        """The network as a whole."""
        return "network"

    def run(self) -> Iterator[PreflightCheck]:
        """The results for the given subnets; none where the templates create the network."""
        network = self.inputs.network
        if network is not None:
            yield from self.check_network(network)

    @abstractmethod
    def check_network(self, network: GivenNetwork) -> Iterator[PreflightCheck]:
        """The results for one network."""


class SubnetsInVpc(NetworkCheck):
    """Looks for missing subnets, and for subnets of different VPCs."""

    id = "subnets"
    title = "Given subnets exist, all in the given VPC"
    reason = "Load balancers, services and functions cannot be created in them."
    source = _LOAD_BALANCERS

    def check_network(self, network: GivenNetwork) -> Iterator[PreflightCheck]:
        """A result for missing subnets, and one for the VPC."""
        if network.missing:
            detail = f"{', '.join(network.missing)} not found in {self.config.region}"
            yield self.fail(detail, "correct the subnet ids in the parameters or in aws.env")
        vpcs = {subnet.vpc for subnet in network.subnets.values()}
        if len(vpcs | network.vpcs) > 1:
            yield self._different_vpcs(network, vpcs)
        elif vpcs:
            yield self.ok(f"{len(network.subnets)} in {', '.join(vpcs)}")

    def _different_vpcs(self, network: GivenNetwork, vpcs: set[str]) -> PreflightCheck:
        if not network.vpcs:
            return self.fail(
                f"the subnets are in {', '.join(sorted(vpcs))}", "use subnets of one VPC"
            )
        elsewhere = [
            f"{subnet.id} is in {subnet.vpc}"
            for subnet in network.subnets.values()
            if subnet.vpc not in network.vpcs
        ]
        detail = ", ".join(elsewhere) or f"the subnets are in {', '.join(sorted(vpcs))}"
        return self.fail(detail, f"use subnets of {', '.join(sorted(network.vpcs))}")


class TwoZones(NetworkCheck):
    """Counts the availability zones of each resource."""

    id = "zones"
    title = "Load balancers, services and functions have subnets in at least two zones"
    reason = "A load balancer is refused otherwise, and the outage of one zone stops the rest."
    source = _LOAD_BALANCERS

    def check_network(self, network: GivenNetwork) -> Iterator[PreflightCheck]:
        """One result."""
        single = [
            placement.address
            for placement in network.placements
            if not placement.file_system
            and len({subnet.zone for subnet in network.of(placement)}) == 1
        ]
        zones = sorted({subnet.zone for subnet in network.subnets.values()})
        if single:
            hint = "use subnets in at least two availability zones"
            yield self.fail(f"all subnets in one zone: {', '.join(single)}", hint)
        elif zones:
            yield self.ok(", ".join(zones))


class MountTargets(NetworkCheck):
    """Counts the mount targets of a file system in each zone."""

    id = "mount targets"
    title = "A file system has at most one mount target in a zone"
    reason = "CreateMountTarget refuses a second one."
    source = "https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html"

    def check_network(self, network: GivenNetwork) -> Iterator[PreflightCheck]:
        """One result; none without mount targets."""
        counts = Counter(
            (placement.file_system, subnet.zone)
            for placement in network.placements
            if placement.file_system
            for subnet in network.of(placement)
        )
        double = sorted(zone for (_, zone), count in counts.items() if count > 1)
        if double:
            detail = f"two mount targets of one file system in {', '.join(double)}"
            yield self.fail(detail, "give one private subnet in each zone")
        elif counts:
            yield self.ok("at most one in each zone")


class Routes(NetworkCheck):
    """Compares the default route of each subnet with the need of the resources in it."""

    id = "routes"
    title = "Public subnets route to an internet gateway, private ones to NAT or endpoints"
    reason = "Clients cannot reach the load balancer, or tasks cannot pull their image."
    source = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/networking-outbound.html"

    def check_network(self, network: GivenNetwork) -> Iterator[PreflightCheck]:
        """One result."""
        pairs = [(p, subnet) for p in network.placements for subnet in network.of(p)]
        wrong = [text for p, subnet in pairs if (text := _mismatch(p, subnet, network))]
        isolated = {
            subnet.id
            for placement, subnet in pairs
            if placement.route is RouteNeed.OUTBOUND and not network.default_route(subnet)
        }
        if wrong:
            yield self.fail("; ".join(wrong), "correct the route tables, or use other subnets")
        elif isolated:
            yield self.skip(
                f"no default route in {', '.join(sorted(isolated))}: tasks need VPC endpoints for"
                " ECR, S3, CloudWatch Logs and Secrets Manager"
            )
        elif network.subnets:
            yield self.ok("internet gateway for load balancers, outbound route for tasks")


def _mismatch(placement: Placement, subnet: Subnet, network: GivenNetwork) -> str:
    """The fault of a subnet's default route for a resource; empty for none."""
    target = network.default_route(subnet)
    public = target.startswith("igw-")
    if placement.route is RouteNeed.INTERNET_GATEWAY and not public:
        has = f"routes to {target}" if target else "has no default route"
        return f"{placement.address} needs an internet gateway, {subnet.id} {has}"
    if placement.route is RouteNeed.OUTBOUND and public:
        return f"{placement.address} has no public address, {subnet.id} routes to {target}"
    return ""


class FreeAddresses(NetworkCheck):
    """Reads how many addresses are free in each subnet."""

    id = "free addresses"
    title = f"Each given subnet has at least {FREE_ADDRESSES} free addresses"
    reason = "A load balancer cannot scale, and tasks do not start."
    source = _LOAD_BALANCERS

    def check_network(self, network: GivenNetwork) -> Iterator[PreflightCheck]:
        """One result."""
        free = {subnet.id: subnet.free for subnet in network.subnets.values()}
        few = [f"{id_} has {count}" for id_, count in free.items() if count < FREE_ADDRESSES]
        if few:
            hint = f"free at least {FREE_ADDRESSES} addresses in each subnet"
            yield self.fail(", ".join(few), hint)
        elif free:
            yield self.ok(f"at least {min(free.values())} in each subnet")
