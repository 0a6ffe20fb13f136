"""Stack policies: the resources that an update may modify, replace or delete.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html: with a policy,
everything is denied that no statement allows, and a Deny is stronger than an Allow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ...cfn import ValidationError

_ELEMENTS = {
    "Effect",
    "Action",
    "NotAction",
    "Principal",
    "Resource",
    "NotResource",
    "Condition",
    "Sid",
}
_INVALID = "Error validating stack policy: Invalid stack policy"


def parse_policy(text: str) -> list[Mapping[str, Any]]:
    """The statements of a stack policy.

    Raises:
        ValidationError: it is not a stack policy.
    """
    try:
        statements = json.loads(text)["Statement"]
    except (ValueError, KeyError, TypeError):
        raise ValidationError(_INVALID) from None
    if not isinstance(statements, list):
        statements = [statements]
    for statement in statements:
        if not isinstance(statement, dict) or set(statement) - _ELEMENTS:
            raise ValidationError(_INVALID)
        if statement.get("Effect") not in ("Allow", "Deny"):
            raise ValidationError(_INVALID)
        if statement.get("Principal") not in ("*", {"AWS": "*"}, ["*"]):
            raise ValidationError("Error validating stack policy: Principal must be '*'")
    return list(statements)


def find_refusal(text: str | None, action: str, logical_id: str, type_: str) -> str | None:
    """The reason why a policy denies ``action`` (``Update:Modify`` …) on a resource; None where it
    allows it."""
    if text is None:
        return None
    matching = {
        index: statement
        for index, statement in enumerate(parse_policy(text))
        if _matches(statement, action, logical_id, type_)
    }
    denied = [index for index, statement in matching.items() if statement["Effect"] == "Deny"]
    if denied:
        resource = f"resource [LogicalResourceId/{logical_id}]"
        reasons = [f"Statement [#{i}] does not allow [{action}] for {resource};" for i in denied]
        return f"Action denied by stack policy: {' '.join(reasons)}"
    return None if matching else "Action not allowed by stack policy"


def _matches(statement: Mapping[str, Any], action: str, logical_id: str, type_: str) -> bool:
    return (
        _matches_element(statement, "Action", action)
        and _matches_element(statement, "Resource", f"LogicalResourceId/{logical_id}")
        and all(
            _holds(operator, condition, type_)
            for operator, condition in statement.get("Condition", {}).items()
        )
    )


def _matches_element(statement: Mapping[str, Any], element: str, value: str) -> bool:
    """Whether ``Action`` or ``Resource``, or its ``Not…`` form, matches the value."""
    if f"Not{element}" in statement:
        return not _matches_any(value, statement[f"Not{element}"])
    return _matches_any(value, statement.get(element, ()))


def _matches_any(value: str, patterns: Any) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in _as_list(patterns))


def _holds(operator: str, condition: Mapping[str, Any], type_: str) -> bool:
    """Whether a condition on ``ResourceType`` holds; only StringLike has wildcards."""
    types = condition.get("ResourceType", ())
    return type_ in _as_list(types) if operator == "StringEquals" else _matches_any(type_, types)


def _as_list(value: Any) -> Iterable[str]:
    return [value] if isinstance(value, str) else value
