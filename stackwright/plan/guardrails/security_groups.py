"""Describe what new and changed rules of security groups open.

A group without an outbound rule of its own allows all outbound traffic. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from ...diff import Effect, PropertyDiff
from .paths import Step, parse_path, value_at
from .resource import ChangedResource
from .wording import as_list, describe_change, describe_rule, shorten

_GROUP = "AWS::EC2::SecurityGroup"
_INBOUND, _OUTBOUND = "SecurityGroupIngress", "SecurityGroupEgress"
_RULES = {"AWS::EC2::SecurityGroupIngress": _INBOUND, "AWS::EC2::SecurityGroupEgress": _OUTBOUND}
"""Types of rules that are resources of their own -> the list of a group that has such rules."""
_HARMLESS = ("Description", "Tags")
_PORTS = ("FromPort", "ToPort")


def describe_rules(resource: ChangedResource) -> Iterator[str]:
    """Yield what a group, or a rule that is a resource of its own, opens."""
    if resource.type == _GROUP and resource.effect is Effect.ADD:
        for name in (_INBOUND, _OUTBOUND):
            yield from _describe_list(resource.properties.get(name), name)
    elif resource.type == _GROUP:
        yield from _describe_group(resource)
    elif resource.type in _RULES:
        name = _RULES[resource.type]
        if resource.effect is Effect.ADD:
            yield describe_rule(resource.properties, outbound=name == _OUTBOUND)
        else:
            yield from _describe_changed_rule(resource.changed, resource.properties, name)


def _describe_list(rules: Any, name: str) -> Iterator[str]:
    return (describe_rule(rule, outbound=name == _OUTBOUND) for rule in as_list(rules))


def _describe_group(resource: ChangedResource) -> Iterator[str]:
    changed_rules: dict[tuple[Step, ...], list[PropertyDiff]] = defaultdict(list)
    for leaf in resource.changed:
        path = parse_path(leaf.path)
        name = str(path.steps[0]) if path.steps else ""
        if name not in (_INBOUND, _OUTBOUND) or path.order:
            continue
        if len(path.steps) > 2:
            changed_rules[path.steps[:2]].append(leaf)
        elif leaf.exists_after:
            yield from _describe_list(leaf.after or describe_change(leaf), name)
        elif len(path.steps) == 1 and name == _OUTBOUND:
            yield "allows all outbound traffic: its outbound rules are removed"
    for steps, leaves in changed_rules.items():
        declared = value_at(resource.properties, steps)
        yield from _describe_changed_rule(leaves, declared, str(steps[0]))


def _describe_changed_rule(
    leaves: Sequence[PropertyDiff], declared: Any, name: str
) -> Iterator[str]:
    """Yield the rule as it will be, with the values that were narrower."""
    wider = [leaf for leaf in leaves if _is_wider(leaf)]
    if not wider:
        return
    rule = _apply(declared, leaves)
    if rule is None:
        yield from (f"widens {describe_change(leaf)}" for leaf in wider)
        return
    before = ", ".join(
        f"{parse_path(leaf.path).name} was {shorten(leaf.before)}"
        for leaf in wider
        if leaf.exists_before
    )
    yield describe_rule(rule, outbound=name == _OUTBOUND) + (f" ({before})" if before else "")


def _apply(declared: Any, leaves: Sequence[PropertyDiff]) -> Mapping[str, Any] | None:
    """Return a declared rule with the resolved values of its changed properties; None where the
    template does not tell which rule it is."""
    if not isinstance(declared, Mapping) or "IpProtocol" not in declared:
        return None
    rule = dict(declared)
    for leaf in leaves:
        name = parse_path(leaf.path).name
        if leaf.exists_after:
            rule[name] = leaf.after
        else:
            rule.pop(name, None)
    return rule


def _is_wider(leaf: PropertyDiff) -> bool:
    """Return whether a changed property of a rule lets more traffic through, or may."""
    name = parse_path(leaf.path).name
    if name in _HARMLESS:
        return False
    if name in ("CidrIp", "CidrIpv6") and leaf.exists_before:
        return leaf.exists_after and not _is_inside(leaf.after, leaf.before)
    if name in _PORTS and leaf.exists_before and leaf.exists_after:
        return _is_wider_port(name, leaf.before, leaf.after)
    if name == "IpProtocol" and str(leaf.before) == "-1":
        return False
    return leaf.exists_after or name in _PORTS


def _is_wider_port(name: str, before: Any, after: Any) -> bool:
    try:
        return int(after) < int(before) if name == "FromPort" else int(after) > int(before)
    except (TypeError, ValueError):  # known after apply
        return True


def _is_inside(inner: Any, outer: Any) -> bool:
    """Return whether an address range is part of another."""
    try:
        small, large = ip_network(str(inner)), ip_network(str(outer))
    except ValueError:
        return bool(inner == outer)
    return small.version == large.version and small.subnet_of(large)  # type: ignore[arg-type]
