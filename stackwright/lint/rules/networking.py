"""Rules for security groups and availability zones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...core import Document, Rendering
from .base import (
    Path,
    Properties,
    ResourceRule,
    Rule,
    RuleFinding,
    as_list,
    as_mapping,
    as_number,
    read_properties,
    walk_texts,
)

_WORLD = ("0.0.0.0/0", "::/0")


class OpenToTheWorld(ResourceRule):
    """Only TCP ports 80 and 443 are open to every address."""

    id = "SW330"
    title = "Security group open to the world"
    action = "Name a source security group or range, or waive the rule with the reason."
    reason = "Only a load balancer's ports 80 and 443 are meant to be public."
    source = "https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html"
    types = ("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress")

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each open ingress rule, inline or a resource of its own."""
        group = read_properties(resource)
        if resource.get("Type") == "AWS::EC2::SecurityGroupIngress":
            yield from self._check_ingress(document, (*at, "Properties"), group)
            return
        for index, entry in enumerate(as_list(group.get("SecurityGroupIngress"))):
            where = (*at, "Properties", "SecurityGroupIngress", index)
            yield from self._check_ingress(document, where, as_mapping(entry))

    @staticmethod
    def _check_ingress(document: Document, at: Path, rule: Properties) -> Iterator[RuleFinding]:
        world = [rule.get(key) for key in ("CidrIp", "CidrIpv6") if rule.get(key) in _WORLD]
        ports = (as_number(rule.get("FromPort")), as_number(rule.get("ToPort")))
        if world and not (
            ports[0] == ports[1]
            and ports[0] in (80, 443)
            and rule.get("IpProtocol") in ("tcp", "6", 6)
        ):
            shown = _describe_ports(*ports)
            hint = "name a source security group or CIDR, or waive the rule with the reason"
            yield RuleFinding(document, at, f"{shown} can be reached from {world[0]}", hint)


def _describe_ports(first: float | None, last: float | None) -> str:
    if first is None:
        return "all ports"
    return f"port {first:g}" if last is None or first == last else f"ports {first:g} to {last:g}"


class ZoneOfAnotherRegion(Rule):
    """Every availability zone is one of the Region of the environment."""

    id = "SW331"
    title = "Availability zone of another Region"
    action = "Name zones of the Region, or correct the Region."
    reason = "The resource cannot be created."
    source = "https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html"

    _region: str = ""

    def check(self, rendering: Rendering) -> Iterator[RuleFinding]:
        """Yield each zone that does not begin with the Region's name, where that is given."""
        self._region = str(rendering.config.parameters.get("region") or "")
        if self._region:
            yield from super().check(rendering)

    def check_document(self, document: Document) -> Iterator[RuleFinding]:
        """Yield each such zone of one document; those of intrinsic functions are not checked."""
        # us-west-2a, or us-west-2-lax-1a for a local zone.
        zone = re.compile(rf"{re.escape(self._region)}([a-z]|-.+)")
        hint = f"name a zone of {self._region}, or correct region"
        for name, resource in document.resources().items():
            for path, text in walk_texts(read_properties(resource)):
                if _is_zone(path) and not zone.fullmatch(text):
                    message = f"{text} is no availability zone of {self._region}"
                    where = ("Resources", name, "Properties", *path)
                    yield RuleFinding(document, where, message, hint)


def _is_zone(path: Path) -> bool:
    """Return whether a text is the literal name of a zone, by its place in the properties."""
    listed = isinstance(path[-1], int) and path[-2:-1] == ("AvailabilityZones",)
    return listed or path[-1] == "AvailabilityZone"


RULES = (OpenToTheWorld, ZoneOfAnotherRegion)
