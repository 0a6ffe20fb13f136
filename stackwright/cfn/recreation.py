"""Whether a change replaces a resource, also where its schema says only that it may.

``conditional_properties.tsv`` has a row for each property in ``conditionalCreateOnlyProperties`` of
a type: when its change replaces the resource (``replaces``), what the documentation says under
"Update requires" (``documented``; ``-``: not found), and the page. ``replaces`` is

- ``always``, ``never``, or ``maybe`` where the documentation does not settle it,
- ``added or removed``: only where the property as a whole comes or goes,
- ``if PATH=VALUE`` or ``unless PATH=VALUE``: depends on another value of the new resource.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from msgspec import Struct

from .declarations import Path, template_to_text
from .difference import MISSING, value_at
from .schema import Recreation, ResourceType
from .values import Unknown, canonical_value, plain_data

_TABLE = FilePath(__file__).with_name("conditional_properties.tsv")


class ReplacementRule(Struct, frozen=True):
    """A row of the table; ``path`` is below ``Properties``, ``*`` stands for any list item."""

    type: str
    path: tuple[str, ...]
    replaces: str
    documented: str
    source: str


@cache
def replacement_rules() -> Mapping[str, tuple[ReplacementRule, ...]]:
    """The rows of the table by resource type."""
    rules: dict[str, list[ReplacementRule]] = {}
    with _TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            path = tuple(row["property"].split("."))
            rule = ReplacementRule(
                row["type"], path, row["replaces"], row["documented"], row["source"]
            )
            rules.setdefault(rule.type, []).append(rule)
    return {name: tuple(rows) for name, rows in rules.items()}


def predict_recreation(
    known: ResourceType, path: Path, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Recreation:
    """Whether a change of the property at ``path`` (below ``Properties``) recreates the resource;
    ``before`` and ``after`` are its resolved attributes."""
    recreation = known.recreation(path)
    if known.custom or recreation is Recreation.NEVER:
        return recreation
    sides = [value_at(side, ("Properties",)) for side in (before, after)]
    if any(_differs(pattern, path, *sides) for pattern in known.create_only):
        return Recreation.ALWAYS
    if not any(_differs(pattern, path, *sides) for pattern in known.conditional_create_only):
        return Recreation.NEVER
    rules = [rule for rule in replacement_rules().get(known.name, ()) if _covers(rule.path, path)]
    if not rules:
        return Recreation.CONDITIONALLY
    rule = max(rules, key=lambda rule: len(rule.path))
    return _apply(rule, before, after)


def _differs(pattern: Path, path: Path, before: Any, after: Any) -> bool:
    """Whether a change at ``path`` changes the property of a pattern: it is that property or a part
    of it, or a map that holds another value of it."""
    if _covers(pattern, path):
        return True
    if not all(expected in ("*", part) for expected, part in zip(pattern, path, strict=False)):
        return False
    return list(_find_values(before, pattern)) != list(_find_values(after, pattern))


def _find_values(tree: Any, pattern: Path) -> Iterator[Any]:
    """The values of a property in a tree; an unknown value stands for all that it may hold."""
    tree = plain_data(tree)
    if not pattern or isinstance(tree, Unknown):
        yield canonical_value(tree)
    elif pattern[0] == "*":
        for item in tree if isinstance(tree, list) else ():
            yield from _find_values(item, pattern[1:])
    elif isinstance(tree, Mapping) and pattern[0] in tree:
        yield from _find_values(tree[pattern[0]], pattern[1:])


def _covers(pattern: Path, path: Path) -> bool:
    """Whether a path is that of a property or below it."""
    return len(pattern) <= len(path) and all(
        expected in ("*", part) for expected, part in zip(pattern, path, strict=False)
    )


def _apply(
    rule: ReplacementRule, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Recreation:
    kind, _, condition = rule.replaces.partition(" ")
    if kind in ("if", "unless"):
        path, _, expected = condition.partition("=")
        value = plain_data(value_at(after, tuple(path.split("."))))
        if isinstance(value, Unknown):
            return Recreation.CONDITIONALLY
        holds = value is not MISSING and template_to_text(value) == expected
        return Recreation.ALWAYS if holds == (kind == "if") else Recreation.NEVER
    if rule.replaces == "added or removed":
        sides = [value_at(side, ("Properties", *rule.path)) for side in (before, after)]
        return Recreation.ALWAYS if MISSING in sides else Recreation.NEVER
    return {
        "always": Recreation.ALWAYS,
        "never": Recreation.NEVER,
        "maybe": Recreation.CONDITIONALLY,
    }[rule.replaces]
