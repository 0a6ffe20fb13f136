"""Plain words for values, grants and security-group rules in findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...diff import PropertyDiff
from .paths import is_intrinsic

_SHOWN = 3
"""Items of a list that are written out."""
_LONGEST = 80
"""Characters of a text that are written out."""
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
"""Source: https://www.iana.org/assignments/protocol-numbers/protocol-numbers.xhtml"""


def shorten(value: Any) -> str:
    """Return a value as text of bounded length; references as ``${Name}``."""
    if isinstance(value, list):
        more = f" and {len(value) - _SHOWN} more" if len(value) > _SHOWN else ""
        return ", ".join(map(shorten, value[:_SHOWN])) + more
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [*parts]}:
            return f"${{{'.'.join(map(str, parts))}}}"
        case {"Fn::Sub": str(text)}:
            return shorten(text)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {shorten(item)}" for key, item in value.items())
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def join_texts(texts: Sequence[str]) -> str:
    """Return the first few different texts as one, with the number of the others."""
    distinct = list(dict.fromkeys(texts))
    more = f" (and {len(distinct) - _SHOWN} more)" if len(distinct) > _SHOWN else ""
    return "; ".join(distinct[:_SHOWN]) + more


def as_list(value: Any) -> list[Any]:
    """Return a value that need not be in a list as a list; None is an empty one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def describe_change(leaf: PropertyDiff) -> str:
    """``Action: s3:Get* → s3:*`` for one property that differs."""
    if not leaf.exists_before:
        return f"{leaf.path}: adds {shorten(leaf.after)}"
    if not leaf.exists_after:
        return f"{leaf.path}: removes {shorten(leaf.before)}"
    return f"{leaf.path}: {shorten(leaf.before)} → {shorten(leaf.after)}"


def describe_statement(statement: Mapping[str, Any], verb: str = "allows") -> str:
    """``allows s3:GetObject on arn:aws:s3:::a/* to events.amazonaws.com``."""
    parts = (
        _element(statement, "", "Action"),
        _element(statement, "on ", "Resource"),
        _element(statement, "to ", "Principal"),
    )
    return " ".join((verb, *filter(None, parts)))


def _element(statement: Mapping[str, Any], preposition: str, name: str) -> str:
    if name in statement:
        value = statement[name]
        return preposition + (_principal(value) if name == "Principal" else shorten(value))
    excluded = f"Not{name}"
    if excluded in statement:
        value = statement[excluded]
        text = _principal(value) if name == "Principal" else shorten(value)
        return f"{preposition}all but {text}"
    return ""


def _principal(value: Any) -> str:
    """``{"Service": "a", "AWS": ["b"]}`` as ``a, b``."""
    if isinstance(value, Mapping) and not is_intrinsic(value):
        return shorten([item for kind in value.values() for item in as_list(kind)])
    return shorten(value)


def describe_rule(rule: Any, *, outbound: bool = False) -> str:
    """``opens tcp/80 to 10.0.0.0/8``, or ``allows outbound tcp/443 to 0.0.0.0/0``.

    A rule of a resource of its own also names its security group.
    """
    verb = "allows outbound" if outbound else "opens"
    if not isinstance(rule, Mapping) or "IpProtocol" not in rule:
        return f"{verb} {shorten(rule)}"
    peers = [
        value for key, value in rule.items() if key.startswith(("Cidr", "Source", "Destination"))
    ]
    group = rule.get("GroupId", rule.get("GroupName"))
    inside = f" in {shorten(group)}" if group is not None else ""
    return f"{verb} {_traffic(rule)} to {shorten(peers) or 'an unknown peer'}{inside}"


def _traffic(rule: Mapping[str, Any]) -> str:
    """``tcp/80``, ``tcp/80-443``, ``all tcp ports`` or ``all traffic``."""
    protocol = shorten(rule["IpProtocol"])
    if protocol == "-1":
        return "all traffic"
    name = _PROTOCOLS.get(protocol, protocol)
    ports = [shorten(rule[key]) for key in ("FromPort", "ToPort") if key in rule]
    if not ports or "-1" in ports or ports == ["0", "65535"]:
        return f"all {name} ports" if name in ("tcp", "udp") else f"all {name}"
    return f"{name}/{'-'.join(dict.fromkeys(ports))}"
