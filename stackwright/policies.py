"""The statements of policies, wherever a resource's properties hold them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

EFFECTS = ("Allow", "Deny")


def statements(value: Any, effect: str) -> Iterator[Mapping[str, Any]]:
    """All statements, at any depth and in JSON text, with that effect; also those of which nobody knows what they do.

    Branches of ``Fn::If`` are all looked into.
    """
    if isinstance(value, Mapping):
        if _has(value, effect):
            yield value
        for each in value.values():
            yield from statements(each, effect)
    elif isinstance(value, list):
        for each in value:
            yield from statements(each, effect)
    elif isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        yield from statements(_read(value), effect)


def _has(value: Mapping[str, Any], effect: str) -> bool:
    said = value.get("Effect")
    return said == effect or (said is not None and said not in EFFECTS and ("Action" in value or "NotAction" in value))


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return None
