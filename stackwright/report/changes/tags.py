"""Changes of tags: of a stack, which its resources get, or of the resources themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from msgspec import Struct

from ...cfn import Schemas
from ...diff import Effect, PropertyDiff, ResourceDiff, TagDiff

_KEY = re.compile(r'\["(?P<item>[^"]+)"\]\.Value|\.(?P<entry>[^.\[\]]+)')
"""A tag below the property that holds tags: an item of a list, or an entry of a map."""


class TagChange(Struct, frozen=True):
    """One tag of a resource that differs; a side that does not exist is None."""

    key: str
    before: Any
    after: Any


def is_only_tagged(resource: ResourceDiff) -> bool:
    """Return whether nothing but tags of the resource changes, in place."""
    in_place = resource.effect is Effect.CHANGE and not resource.may_replace
    changes = [_read_tag(resource, leaf) for leaf in resource.properties]
    return in_place and None not in changes and (resource.retagged or bool(changes))


def describe_tags(tags: Iterable[TagDiff], resources: Iterable[ResourceDiff]) -> Iterator[str]:
    """Yield ``tags: + owner=alice on 19 resources``: a line for the tags that the same resources
    get, and one for the tags of stacks that no resource gets."""
    inherited: dict[str, list[TagChange]] = {}
    for tag in tags:
        change = TagChange(tag.key, tag.before, tag.after)
        inherited.setdefault(tag.root, []).append(change)
    holders: dict[TagChange, list[str]] = {
        change: [] for changes in inherited.values() for change in changes
    }
    for resource in resources:
        from_stack = (
            inherited.get(resource.stack.partition("/")[0], []) if resource.retagged else []
        )
        for change in dict.fromkeys([*from_stack, *_own_changes(resource)]):
            holders.setdefault(change, []).append(resource.address)
    groups: dict[tuple[str, ...], list[TagChange]] = {}
    for change, addresses in holders.items():
        groups.setdefault(tuple(addresses), []).append(change)
    for group, changes in groups.items():
        count = f"{len(group)} resource{'s' * (len(group) > 1)}" if group else "the stack alone"
        yield f"tags: {', '.join(map(_describe, changes))} on {count}"


def _describe(tag: TagChange) -> str:
    if tag.before is None:
        return f"+ {tag.key}={tag.after}"
    if tag.after is None:
        return f"- {tag.key}={tag.before}"
    return f"~ {tag.key}={tag.before} → {tag.after}"


def _own_changes(resource: ResourceDiff) -> Iterator[TagChange]:
    """Yield the tags in a resource's own properties that differ; none where they replace it."""
    if resource.effect is Effect.CHANGE:
        for leaf in resource.properties:
            yield from _read_tag(resource, leaf) or ()


def _read_tag(resource: ResourceDiff, leaf: PropertyDiff) -> tuple[TagChange, ...] | None:
    """Return the tags that a differing value is about; None where it is about something else, or
    may replace the resource."""
    name = _tags_property(resource.type)
    if not name or not leaf.path.startswith(name) or leaf.replaces != "no" or leaf.after_apply:
        return None
    if leaf.path == name:
        sides = [_as_tags(side) for side in (leaf.before, leaf.after)]
        keys = dict.fromkeys([*sides[0], *sides[1]])
        return tuple(TagChange(key, sides[0].get(key), sides[1].get(key)) for key in keys)
    match = _KEY.fullmatch(leaf.path, len(name))
    if match is None:
        return None
    return (TagChange(match["item"] or match["entry"], leaf.before, leaf.after),)


def _as_tags(value: Any) -> dict[str, Any]:
    """Return tags by key, which are a list of Key and Value, or a map."""
    if isinstance(value, list):
        return {item["Key"]: item.get("Value") for item in value if "Key" in item}
    return value if isinstance(value, dict) else {}


@cache
def _tags_property(type_: str) -> str:
    """Return the property that holds the tags of a type; empty where it has none."""
    schema = Schemas().get(type_)
    return (schema.tags_property if schema else None) or ""
