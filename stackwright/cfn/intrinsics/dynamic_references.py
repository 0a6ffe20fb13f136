"""Dynamic references, `{{resolve:service:arguments}}`, in plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

DYNAMIC_REFERENCE = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}")
"""A dynamic reference; group 1 the service, group 2 its arguments joined by colons."""


def dynamic_references(value: Any) -> list[tuple[str, str]]:
    """Every ``{{resolve:service:arguments}}`` in a plain tree, as (service, arguments), in
    order."""
    if isinstance(value, str):
        return [(match.group(1), match.group(2)) for match in DYNAMIC_REFERENCE.finditer(value)]
    items = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    )
    return [reference for item in items for reference in dynamic_references(item)]


def resolve_dynamic(value: Any, lookup: Callable[[str, str], str]) -> Any:
    """A plain tree with its dynamic references replaced by ``lookup(service, arguments)``.

    CloudFormation does this while it creates or updates a resource; change sets show the references
    as written.
    """
    if isinstance(value, str):
        return DYNAMIC_REFERENCE.sub(lambda match: lookup(match.group(1), match.group(2)), value)
    if isinstance(value, Mapping):
        return {key: resolve_dynamic(item, lookup) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_dynamic(item, lookup) for item in value]
    return value
