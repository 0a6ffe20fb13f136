"""Compare the rules of security groups as sets of traffic, wherever a rule is declared.

A rule is a range of ports of a protocol to or from peers; address ranges are compared by inclusion,
other peers (groups, prefix lists) by identity. A group without an outbound rule of its own allows
all outbound traffic, even where `AWS::EC2::SecurityGroupEgress` adds some. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

from msgspec import Struct

from ....core import HIDDEN
from ..wording import as_list, describe_rule, shorten
from .side import Place, Side, SideResource

GROUP = "AWS::EC2::SecurityGroup"
_RULES = {"AWS::EC2::SecurityGroupIngress": False, "AWS::EC2::SecurityGroupEgress": True}
"""Types of rules that are resources of their own -> whether they are outbound."""
_LISTS = {"SecurityGroupIngress": False, "SecurityGroupEgress": True}
_ADDRESSES = ("CidrIp", "CidrIpv6")
_PEERS = (
    "SourceSecurityGroupId",
    "SourceSecurityGroupName",
    "DestinationSecurityGroupId",
    "SourcePrefixListId",
    "DestinationPrefixListId",
)
_PROTOCOLS = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58", "all": "-1"}
"""Source: https://www.iana.org/assignments/protocol-numbers/protocol-numbers.xhtml"""
_WITH_PORTS = ("6", "17")
_ALL_PORTS = (0, 65535)

Network = IPv4Network | IPv6Network


class NetworkRule(Struct, frozen=True):
    """Traffic that a security group lets through.

    ``ports`` are the first and the last one, or the texts of what is not known; None: all.
    ``network`` is a range of addresses; where it is None, ``peer`` names the other side.
    ``declared`` is the rule as it is written.
    """

    group: str
    outbound: bool
    protocol: str
    ports: tuple[int, int] | tuple[str, str] | None
    network: Network | None
    peer: str
    place: Place
    declared: Mapping[str, Any]
    assumed: bool = False


def read_rules(side: Side) -> Iterator[NetworkRule]:
    """Yield every rule of every security group, once for each of its peers."""
    for resource in side:
        if resource.type == GROUP:
            for name, outbound in _LISTS.items():
                rules = as_list(resource.properties.get(name))
                for rule in rules:
                    yield from _read_rule(rule, resource, side, resource.address, outbound)
                if outbound and not rules:
                    yield from _assume_outbound(resource)
        elif resource.type in _RULES:
            properties = resource.properties
            group = properties.get("GroupId", properties.get("GroupName", ""))
            subject = side.identify(resource.stack, group)
            yield from _read_rule(properties, resource, side, subject, _RULES[resource.type])


def find_wider_rules(
    before: Iterable[NetworkRule], after: Iterable[NetworkRule]
) -> Iterator[NetworkRule]:
    """Yield the later rules that let more through than the earlier ones together."""
    earlier: dict[tuple[str, bool], list[NetworkRule]] = {}
    for rule in before:
        earlier.setdefault((rule.group, rule.outbound), []).append(rule)
    for rule in after:
        if not _is_covered(rule, earlier.get((rule.group, rule.outbound), [])):
            yield rule


def describe_wider_rule(
    rule: NetworkRule, before: Sequence[NetworkRule], after: Sequence[NetworkRule]
) -> str:
    """``opens tcp/80 to 10.0.0.0/8``, with the value that was narrower, where one value of a rule
    that is gone differs."""
    if rule.assumed:
        return "allows all outbound traffic: its outbound rules are removed"
    kept = [other.declared for other in after]
    for other in before:
        related = other.group == rule.group or other.place == rule.place
        if not related or other.outbound != rule.outbound or other.declared in kept:
            continue
        names = _differing(other.declared, rule.declared)
        if len(names) == 1 and names[0] in other.declared:
            was = f"{names[0]} was {shorten(other.declared[names[0]])}"
            return f"{describe_rule(rule.declared, outbound=rule.outbound)} ({was})"
    return describe_rule(rule.declared, outbound=rule.outbound)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    names = {*one, *other} - {"Description", "Tags"}
    return [name for name in names if one.get(name) != other.get(name)]


# --- reading


def _read_rule(
    rule: Any, resource: SideResource, side: Side, group: str, outbound: bool
) -> Iterator[NetworkRule]:
    def make(network: Network | None, peer: str) -> NetworkRule:
        return NetworkRule(
            group, outbound, protocol, ports, network, peer, resource.place, declared
        )

    declared: Mapping[str, Any] = rule if isinstance(rule, Mapping) else {"": rule}
    protocol = str(declared.get("IpProtocol", HIDDEN)).lower()
    protocol = _PROTOCOLS.get(protocol, protocol)
    ports = _read_ports(protocol, declared)
    for name in _ADDRESSES:
        if name in declared:
            network = _read_network(declared[name])
            yield make(network, "" if network else str(declared[name]))
    for name in _PEERS:
        if name in declared:
            owner = declared.get("SourceSecurityGroupOwnerId", "")
            yield make(None, f"{owner} {side.identify(resource.stack, declared[name])}".strip())
    if not any(name in declared for name in (*_ADDRESSES, *_PEERS)):
        yield make(None, HIDDEN)


def _assume_outbound(resource: SideResource) -> Iterator[NetworkRule]:
    for network in (ip_network("0.0.0.0/0"), ip_network("::/0")):
        declared = {"IpProtocol": "-1", "CidrIp": str(network)}
        yield NetworkRule(
            resource.address, True, "-1", None, network, "", resource.place, declared, assumed=True
        )


def _read_network(text: Any) -> Network | None:
    try:
        return ip_network(str(text), strict=False)
    except ValueError:
        return None


def _read_ports(protocol: str, rule: Mapping[str, Any]) -> tuple[int, int] | tuple[str, str] | None:
    """Return the range of ports, or type and code of ICMP; None: all."""
    if protocol == "-1" or not {"FromPort", "ToPort"} & set(rule):
        return None
    first, last = rule.get("FromPort", rule.get("ToPort")), rule.get("ToPort", rule.get("FromPort"))
    try:
        ports = int(str(first)), int(str(last))
    except ValueError:
        return str(first), str(last)
    if ports[0] == -1 or (protocol in _WITH_PORTS and ports == _ALL_PORTS):
        return None
    return ports


# --- covering


def _is_covered(rule: NetworkRule, others: Sequence[NetworkRule]) -> bool:
    """Return whether each port of a rule, to all of its peers, is open by other rules."""
    known = HIDDEN not in (rule.protocol, rule.peer)
    peers = [other for other in others if known and other.protocol in ("-1", rule.protocol)]
    return all(
        _reaches_all(rule, [other for other in peers if _opens(other, part, rule.protocol)])
        for part in _split_ports(rule, peers)
    )


_Ports = tuple[int, int] | tuple[str, str] | None


def _split_ports(rule: NetworkRule, others: Sequence[NetworkRule]) -> Iterator[_Ports]:
    """Yield the parts of a rule's ports in which no other rule begins or ends."""
    ports = rule.ports if rule.ports or rule.protocol not in _WITH_PORTS else _ALL_PORTS
    if ports is None or isinstance(ports[0], str) or rule.protocol not in _WITH_PORTS:
        yield ports
        return
    starts = {int(ports[0])}
    for other in others:
        if other.ports and isinstance(other.ports[0], int) and isinstance(other.ports[1], int):
            starts |= {other.ports[0], other.ports[1] + 1}
    edges = sorted(start for start in starts if ports[0] <= start <= ports[1])
    for start, following in zip(edges, [*edges[1:], int(ports[1]) + 1], strict=True):
        yield start, following - 1


def _opens(other: NetworkRule, part: _Ports, protocol: str) -> bool:
    """Whether another rule, of a protocol that fits, opens all of a part of the ports."""
    if other.ports is None or other.ports == part:
        return True
    if part is None or isinstance(part[0], str) or isinstance(other.ports[0], str):
        return False
    if protocol in _WITH_PORTS:
        return bool(other.ports[0] <= part[0] and part[1] <= other.ports[1])
    return other.ports[0] == part[0] and other.ports[1] == -1  # all codes of a type of ICMP


def _reaches_all(rule: NetworkRule, others: Sequence[NetworkRule]) -> bool:
    if rule.network is None:
        return rule.peer != HIDDEN and any(
            other.network is None and other.peer == rule.peer for other in others
        )
    networks = [
        other.network
        for other in others
        if other.network is not None and other.network.version == rule.network.version
    ]
    return any(
        rule.network.subnet_of(wide)  # type: ignore[arg-type]
        for wide in collapse_addresses(networks)  # type: ignore[type-var]
    )
