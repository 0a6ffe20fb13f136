"""The policy statements in a resource's properties."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

EFFECTS = ("Allow", "Deny")
_DOCUMENTS = frozenset(("PolicyDocument", "AssumeRolePolicyDocument", "ResourcePolicy", "KeyPolicy",
                        "RepositoryPolicyText", "Statement"))  # fmt: skip
"""Properties that are a policy, or statements of one."""


def read_statements(value: Any, effect: str) -> Iterator[Mapping[str, Any]]:
    """The statements, at any depth and in JSON text, that have an effect or may have it.

    All branches of ``Fn::If`` count. A statement that cannot be read, such as a ``Ref``, is given
    as the Action of a statement of its own.
    """
    if isinstance(value, Mapping):
        if _has(value, effect):
            yield value
        for key, item in value.items():
            if key in _DOCUMENTS:
                statements = item if isinstance(item, list) else [item]
                yield from ({"Action": statement} for statement in statements if _unread(statement))
            yield from read_statements(item, effect)
    elif isinstance(value, list):
        for item in value:
            yield from read_statements(item, effect)
    elif isinstance(value, str):
        yield from read_statements(_read(value), effect)


def _has(value: Mapping[str, Any], effect: str) -> bool:
    said = value.get("Effect")
    return said == effect or (
        said is not None and said not in EFFECTS and ("Action" in value or "NotAction" in value)
    )


def _unread(value: Any) -> bool:
    if isinstance(value, str):
        return _read(value) is None
    called = (
        isinstance(value, Mapping)
        and len(value) == 1
        and str(next(iter(value))).startswith(("Ref", "Fn::"))
    )
    return called and not any(any(read_statements(value, effect)) for effect in EFFECTS)


def _read(text: str) -> Any:
    """The document or list in JSON text; None where the text holds neither."""
    try:
        return json.loads(text) if text.lstrip()[:1] in ("{", "[") else None
    except (json.JSONDecodeError, RecursionError):
        return None
