"""Properties before and after a change, made from a row of the table of protections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stackwright.cfn import ResourceType
from stackwright.plan.guardrails.table.measures import Measure
from stackwright.plan.guardrails.table.rows import Direction, Protection, RowCondition, RowStep

ABSENT = object()
Sides = tuple[Any, Any]
_VALUES: dict[Direction, Sides] = {
    Direction.ON: (True, False),
    Direction.OFF: (False, True),
    Direction.SHORTER: (30, 1),
    Direction.LONGER: (1, 30),
    Direction.FEWER: (["one", "two"], ["one"]),
    Direction.MORE: (["one"], ["one", "two"]),
    Direction.REMOVED: ("one", ABSENT),
    Direction.ADDED: (ABSENT, "one"),
    Direction.CHANGED: ("one", "two"),
    Direction.WIDER: ("10.0.0.0/16", "10.0.0.0/8"),
    Direction.BROADER: ("logs/", ABSENT),
    Direction.NARROWER: (ABSENT, "logs/"),
}


def weaken(row: Protection) -> Sides:
    """Return the attributes of a resource before and after a change that the row calls weaker."""
    before, after = _values(row)
    (*_, own) = [None, *(rule for rule in row.conditions if ".".join(rule.path) == row.path)]
    if row.direction is Direction.CHANGED and own:
        before, after = (own.patterns[0].replace("*", value) for value in (before, after))
    return _attributes(row, before), _attributes(row, after)


def _values(row: Protection) -> Sides:
    if row.direction is Direction.ORDER:
        return _example(row.ranks[0], row.ranks), _example(row.ranks[-1], row.ranks)
    if row.measure:
        return tuple(_measured(row.measure, number) for number in _VALUES[row.direction])
    return _VALUES[row.direction]


def _measured(measure: Measure, number: int) -> dict[str, Any]:
    term = measure.terms[0]
    unit = {} if term.unit.isdigit() else {term.unit: next(iter(term.numbers))}
    return {term.key: number, **unit}


def _example(rank: Sequence[str], ranks: Sequence[Sequence[str]]) -> Any:
    """Return a value of a rank, one that no other rank names."""
    text = next((value for value in rank if value != "-"), "-")
    if text == "-":
        return ABSENT
    if text.startswith("["):
        return json.loads(text)
    others = {value for other in ranks if other is not rank for value in other}
    return next(
        value
        for end in ("", "2030", "other")
        if (value := text.replace("*", end)) not in {"", *others}
    )


def _attributes(row: Protection, value: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = {"Properties": {}}
    if row.whole:
        for condition in row.conditions:
            _meet(condition, attributes["Properties"])
        return attributes
    if row.path == "*":
        return {"Properties": {"Value": value}}
    item = _put(attributes, row.steps, value)
    for condition in row.conditions:
        _meet(condition, item if condition.inner else attributes["Properties"])
    return attributes


def _put(container: dict[str, Any], steps: Sequence[RowStep], value: Any) -> dict[str, Any]:
    """Put a value at the end of a path; return the innermost item of a list on the way."""
    item = container
    for index, step in enumerate(steps):
        rest = steps[index + 1 :]
        if step.key and rest and rest[0].identity:
            items = container.setdefault(step.key, [])
            if len(rest) == 1 and value is ABSENT:
                return item
            name = rest[0].item or "name"
            item = {} if rest[0].identity == "*" else {rest[0].identity: name}
            items.append(item)
            container = item
        elif step.key and rest:
            container = container.setdefault(step.key, {})
        elif step.key and value is not ABSENT:
            container[step.key] = value
    return item


def _meet(condition: RowCondition, container: dict[str, Any]) -> None:
    *folders, name = condition.path
    pattern = condition.patterns[0]
    if (pattern == "-") is not condition.negated:
        return
    for key in folders:
        container = container.setdefault(key, {})
        if isinstance(container, list):
            container.append({})
            container = container[-1]
    if isinstance(container, Mapping) and container.get(name, "name") == "name":
        container[name] = "other" if condition.negated else pattern.replace("*", "1")


def has_path(schema: ResourceType, steps: Sequence[RowStep]) -> bool:
    """Return whether a type's schema has a path; any path below a free-form value counts."""
    nodes = [schema.definition]
    for step in steps:
        children = [child for node in nodes for child in _children(schema, node)]
        if not children:
            return True
        wanted = "items" if step.identity else step.key
        nodes = [node for key, node in children if key == wanted]
        if not nodes:
            return False
    return True


def _children(
    schema: ResourceType, node: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    node = schema._resolve(node)
    yield from (node.get("properties") or {}).items()
    if "items" in node:
        yield "items", node["items"]
    for key in ("oneOf", "anyOf", "allOf"):
        for choice in node.get(key, ()):
            yield from _children(schema, choice)
