"""The lines below a resource: the properties that differ, or those of a new resource."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from msgspec import Struct

from ...cfn import MISSING, ResourceType, Schemas, canonical_value
from ...diff import Effect, PropertyDiff, ResourceDiff
from .counts import is_revision
from .values import cut_start, fold_value, format_sides, item_name, policy_sentences

_FORCES = {"yes": "forces replacement", "maybe": "may force replacement"}
_FITTING = 96
"""Characters of a value in a line of its own."""
_ITEM = 160
"""Characters of an item of a list in a line of its own."""
_LINES = 6
"""Lines of one property."""
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
"""Secrets Manager ends the name in an ARN so. Source:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/getting-started.html"""

_REFERENCE = re.compile(
    r"(arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:[^:{}]+|\$\{[^{}]+\})"
    r":([^:{}]*):([^:{}]*):([A-Za-z0-9-]{32,64})"
)
"""A reference to a key of a version of a secret; its ARN may not be known yet. Source:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html"""


class PropertyLine(Struct, frozen=True):
    """One line: ``sign`` is ``+``, ``-`` or ``~``; ``forces`` says that it replaces the resource,
    ``causes`` what it follows; both may be empty."""

    sign: str
    text: str
    forces: str = ""
    causes: str = ""


def list_lines(resource: ResourceDiff, *, verbose: bool = False) -> list[PropertyLine]:
    """Return the lines of a resource; ``verbose`` leaves nothing out and shortens nothing of a new
    resource. A removed one has none: `identify` names it."""
    if resource.effect is Effect.ADD:
        texts = _list_added(resource, verbose)
        return [PropertyLine("+", text) for text in texts]
    if resource.effect is Effect.REMOVE:
        return []
    return list(_list_changed(resource, verbose))


def identify(resource: ResourceDiff) -> str:
    """Return the physical ID of a resource, or else the name that its template gives; empty where
    neither is known."""
    if resource.physical_id:
        return cut_start(resource.physical_id)
    properties = resource.before.get("Properties") or {}
    kind = resource.type.rpartition("::")[2]
    names = (properties.get(name) for name in ("Name", f"{kind}Name", f"{kind}Identifier"))
    return cut_start(next((name for name in names if isinstance(name, str)), ""))


# --- changed resources


def _list_changed(resource: ResourceDiff, verbose: bool) -> Iterator[PropertyLine]:
    """Yield a line for each value that differs; one for all that name one version of a secret."""
    revision = is_revision(resource)
    versions = [None if verbose else _read_version(change) for change in resource.properties]
    for index, change in enumerate(resource.properties):
        version = versions[index]
        if version is None:
            yield _changed_line(change, revision)
        elif version not in versions[:index]:
            yield PropertyLine("~", _describe_version(version, versions.count(version)))


def _changed_line(change: PropertyDiff, revision: bool) -> PropertyLine:
    sign = "+" if not change.exists_before else "-" if not change.exists_after else "~"
    forces = "" if revision else _FORCES.get(change.replaces, "")
    follows = change.after_apply and change.causes
    causes = f"follows {', '.join(change.causes)}" if follows else ""
    return PropertyLine(sign, f"{change.path}: {format_sides(change)}", forces, causes)


class _SecretVersion(Struct, frozen=True):
    """A reference to a secret that differs in the version alone; ``path`` holds the reference, or
    the list of references."""

    path: str
    secret: str
    before: str
    after: str


def _read_version(change: PropertyDiff) -> _SecretVersion | None:
    """Return the secret whose version differs; None for any other difference."""
    sides = [_split_reference(side) for side in (change.before, change.after)]
    if not sides[0] or not sides[1] or sides[0][:-1] != sides[1][:-1]:
        return None
    name = _SUFFIX.sub("", sides[0][0].rpartition(":secret:")[2])
    path = re.sub(r'\["[^"]*"\]\.ValueFrom$', "", change.path)
    return _SecretVersion(path, name, sides[0][-1], sides[1][-1])


def _split_reference(text: Any) -> tuple[str, ...] | None:
    """Return ARN, key, stage and version of ``arn:…:secret:news/app-a1b2c3:KEY::VERSION``."""
    match = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    return match.groups() if match else None


def _describe_version(version: _SecretVersion, count: int) -> str:
    values = f" ({count} values)" if count > 1 else ""
    old, new = (
        f"{side[:8]}…" if len(side) > 12 else side for side in (version.before, version.after)
    )
    return f"{version.path}: {version.secret}, version {old} → {new}{values}"


# --- new resources


def _list_added(resource: ResourceDiff, verbose: bool) -> Iterator[str]:
    properties = resource.after.get("Properties") or {}
    others = {key: value for key, value in resource.after.items() if key != "Properties"}
    if verbose:
        for name, value in (*sorted(properties.items()), *sorted(others.items())):
            yield from _list_leaves(name, value)
        return
    schema = _schemas().get(resource.type)
    for name, value in sorted(properties.items()):
        if not _is_default(schema, name, value):
            yield from _list_property(name, value)
    for name, value in sorted(others.items()):
        if name != "Metadata":
            yield f"{name}: {fold_value(value, _FITTING)}"


@cache
def _schemas() -> Schemas:
    """Return the types of one Region: their defaults are those of all."""
    return Schemas()


def _is_default(schema: ResourceType | None, name: str, value: Any) -> bool:
    default = schema.default(name) if schema else MISSING
    return default is not MISSING and canonical_value(value) == canonical_value(default)


def _list_property(path: str, value: Any) -> Iterator[str]:
    """Yield the lines of one property: one where it fits, else one for each item."""
    if sentences := list(policy_sentences(value)):
        yield from _limit([f"{path}: {sentence}" for sentence in sentences], path)
    elif len(json.dumps(value)) <= _FITTING or not isinstance(value, list | Mapping):
        yield f"{path}: {fold_value(value, _FITTING)}"
    elif isinstance(value, Mapping):
        items = sorted(value.items())
        yield from _limit(
            [f"{path}.{key}: {fold_value(item, _FITTING)}" for key, item in items], path
        )
    elif all(isinstance(item, str) for item in value):
        yield f"{path}: {fold_value(value, _ITEM)}"
    else:
        yield from _limit([_item_line(path, index, item) for index, item in enumerate(value)], path)


def _item_line(path: str, index: int, item: Any) -> str:
    name = item_name(item)
    return f"{path}[{json.dumps(name) if name else index}]: {fold_value(item, _ITEM)}"


def _limit(lines: list[str], path: str) -> list[str]:
    """Return the first lines of a property, and how many more there are."""
    if len(lines) <= _LINES:
        return lines
    return [*lines[: _LINES - 1], f"{path}: … {len(lines) - _LINES + 1} more"]


def _list_leaves(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, item in sorted(value.items()):
            yield from _list_leaves(f"{path}.{key}", item)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _list_leaves(f"{path}[{index}]", item)
    else:
        yield f"{path}: {json.dumps(value, ensure_ascii=False)}"
