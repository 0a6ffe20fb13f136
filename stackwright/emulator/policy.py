"""Stack policies: which resources an update may modify, replace or delete.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html: with a policy
everything is denied that no statement allows, and a Deny is stronger than an Allow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ..cfn import ValidationError

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


def parsed(text: str) -> list[Mapping[str, Any]]:
    """The statements of a policy.

    Raises:
        ValidationError: it is not a stack policy.
    """
    try:
        found = json.loads(text)["Statement"]
    except (ValueError, KeyError, TypeError):
        raise ValidationError("Error validating stack policy: Invalid stack policy") from None
    statements = found if isinstance(found, list) else [found]
    for each in statements:
        if (
            not isinstance(each, dict)
            or each.get("Effect") not in ("Allow", "Deny")
            or set(each) - _ELEMENTS
        ):
            raise ValidationError("Error validating stack policy: Invalid stack policy")
        if each.get("Principal") not in ("*", {"AWS": "*"}, ["*"]):
            raise ValidationError("Error validating stack policy: Principal must be '*'")
    return statements


def refusal(text: str | None, action: str, logical_id: str, type_: str) -> str | None:
    """Why the policy does not let ``action`` (``Update:Modify`` …) happen to a resource; None where
    it does."""
    if text is None:
        return None
    matching = [
        (i, each)
        for i, each in enumerate(parsed(text))
        if _applies(each, action, logical_id, type_)
    ]
    denied = [i for i, each in matching if each["Effect"] == "Deny"]
    if denied:
        reasons = [
            f"Statement [#{i}] does not allow [{action}] for resource [LogicalResourceId/{logical_id}];"
            for i in denied
        ]
        return f"Action denied by stack policy: {' '.join(reasons)}"
    return None if matching else "Action not allowed by stack policy"


def _applies(statement: Mapping[str, Any], action: str, logical_id: str, type_: str) -> bool:
    name = f"LogicalResourceId/{logical_id}"
    return (
        _named(statement, "Action", action)
        and _named(statement, "Resource", name)
        and all(_holds(each, type_) for each in statement.get("Condition", {}).items())
    )


def _named(statement: Mapping[str, Any], element: str, value: str) -> bool:
    if f"Not{element}" in statement:
        return not any(
            fnmatchcase(value, pattern) for pattern in _texts(statement[f"Not{element}"])
        )
    return any(fnmatchcase(value, pattern) for pattern in _texts(statement.get(element, ())))


def _holds(condition: tuple[str, Any], type_: str) -> bool:
    operator, wanted = condition
    if operator == "StringEquals":
        return type_ in _texts(wanted.get("ResourceType", ()))
    return any(fnmatchcase(type_, pattern) for pattern in _texts(wanted.get("ResourceType", ())))


def _texts(value: Any) -> Iterable[str]:
    return [value] if isinstance(value, str) else value
