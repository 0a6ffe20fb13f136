"""Dynamic references, `{{resolve:service:arguments}}`, in plain data and in resolved trees."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..values import Traced, join_texts

DYNAMIC_REFERENCE = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}")
"""A dynamic reference; group 1 the service, group 2 its arguments joined by colons."""


class SecretReference(Struct, frozen=True):
    """What follows ``{{resolve:secretsmanager:``; parts that are left out are empty. Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
    """

    id: str
    key: str
    stage: str
    version: str

    @classmethod
    def of(cls, arguments: str) -> SecretReference:
        """Split ``secret-id:SecretString:json-key:version-stage:version-id``."""
        parts = arguments.split(":")
        count = 7 if arguments.startswith("arn:") else 1
        rest = [*parts[count:], "", "", "", ""]
        return cls(":".join(parts[:count]), *rest[1:4])


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


def resolve_stored(value: Any, lookup: Callable[[str], Any]) -> Any:
    """A resolved tree with each ``{{resolve:ssm:arguments}}`` replaced by ``lookup(arguments)``,
    unless that is None.

    References to secure values stay: CloudFormation resolves them in no change set.
    """
    if isinstance(value, Traced):
        return replace(value, value=resolve_stored(value.value, lookup))
    if isinstance(value, Mapping):
        return {key: resolve_stored(item, lookup) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_stored(item, lookup) for item in value]
    if not isinstance(value, str) or "{{resolve:ssm:" not in value:
        return value
    parts: list[Any] = []
    end = 0
    for match in DYNAMIC_REFERENCE.finditer(value):
        known = lookup(match[2]) if match[1] == "ssm" else None
        parts += [value[end : match.start()], match[0] if known is None else known]
        end = match.end()
    return join_texts([*parts, value[end:]], "")
