"""A small evaluator of IAM policies: whether the statements of a policy allow one request.

It is written from the documentation, apart from the engine, and asks about one request where the
engine compares sets. Source, with the pages that it links:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Any


@dataclass(frozen=True)
class Request:
    """``principals`` are the names of the caller, such as its role and its account; ``context``
    holds the keys in lower case, each with one text or several (a multivalued key)."""

    action: str
    resource: str
    principals: frozenset[tuple[str, str]] = frozenset()
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


def allows(statements: Iterable[Mapping[str, Any]], request: Request) -> bool:
    """Return whether a statement allows the request, and none denies it."""
    effects = {statement["Effect"] for statement in statements if matches(statement, request)}
    return effects == {"Allow"}


def matches(statement: Mapping[str, Any], request: Request) -> bool:
    """Return whether a statement is about the request."""
    return (
        _matches_element(statement, "Action", lambda value: _is_action(value, request))
        and _matches_element(statement, "Resource", lambda value: _is_resource(value, request))
        and _matches_element(statement, "Principal", lambda value: _is_caller(value, request))
        and all(
            _passes(operator, values if isinstance(values, list) else [values], key, request)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _matches_element(statement: Mapping[str, Any], name: str, matches_value: Any) -> bool:
    if f"Not{name}" in statement:
        return not matches_value(statement[f"Not{name}"])
    return name not in statement or matches_value(statement[name])


def _is_action(value: Any, request: Request) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(_glob(pattern.lower(), request.action.lower()) for pattern in values)


def _is_resource(value: Any, request: Request) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(_glob(pattern, request.resource, request.context) for pattern in values)


def _is_caller(value: Any, request: Request) -> bool:
    kinds = value if isinstance(value, Mapping) else {"AWS": value}
    for kind, names in kinds.items():
        for name in names if isinstance(names, list) else [names]:
            account = re.fullmatch(r"arn:aws:iam::(\d{12}):root", name)
            named = (kind, account[1] if account else name)
            if named == ("AWS", "*") or named in request.principals:
                return True
    return False


def _glob(pattern: str, text: str, context: Mapping[str, Any] | None = None) -> bool:
    """Match wildcards and policy variables; a variable without a value matches nothing."""
    expression = ""
    for token in re.findall(r"\$\{[^}]*\}|.", pattern):
        if token.startswith("${"):
            value = (context or {}).get(token[2:-1].lower())
            if not isinstance(value, str):
                return False
            expression += re.escape(value)
        else:
            expression += {"*": ".*", "?": "."}.get(token, re.escape(token))
    return re.fullmatch(expression, text) is not None


# --- conditions

_ORDERS = {
    "NumericLessThan": lambda value, limit: value < limit,
    "NumericLessThanEquals": lambda value, limit: value <= limit,
    "NumericGreaterThan": lambda value, limit: value > limit,
    "NumericGreaterThanEquals": lambda value, limit: value >= limit,
}


def _passes(operator: str, values: list[Any], key: str, request: Request) -> bool:
    value = request.context.get(key.lower())
    if operator == "Null":
        return (value is None) == (str(values[0]).lower() == "true")
    quantifier, _, name = operator.rpartition(":")
    if_exists, name = name.endswith("IfExists"), name.removesuffix("IfExists")
    negated, name = "Not" in name, name.replace("Not", "")
    if value is None:
        return (
            if_exists or (negated and quantifier != "ForAnyValue") or quantifier == "ForAllValues"
        )
    single = [value] if isinstance(value, str) else list(value)
    passed = [
        any(_holds(name, one, wanted, request) for wanted in values) != negated for one in single
    ]
    return any(passed) if quantifier == "ForAnyValue" else all(passed)


def _holds(name: str, value: str, wanted: Any, request: Request) -> bool:
    text = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    if name in _ORDERS:
        return bool(_ORDERS[name](Decimal(value), Decimal(text)))
    if name == "IpAddress":
        return ip_address(value) in ip_network(text)
    if name in ("ArnLike", "ArnEquals"):
        sides = value.split(":", 5), text.split(":", 5)
        return len(sides[0]) == len(sides[1]) and all(
            _glob(pattern, part, request.context) for part, pattern in zip(*sides, strict=True)
        )
    if name == "StringLike":
        return _glob(text, value, request.context)
    if name in ("StringEqualsIgnoreCase", "Bool"):
        return value.lower() == text.lower()
    assert name in ("StringEquals", "NumericEquals"), name
    return value == text
