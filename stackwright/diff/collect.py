"""Predicted changes of a stack and its nested stacks -> what happens to each resource, as people
read it.

Stands on :mod:`stackwright.cfn.changes`, which knows what replaces and what follows. Here the
changes of all stacks come together, and properties are compared by meaning: containers by name,
environment by variable, policies by statement, JSON text by its content.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..cfn import (
    EFFECTS,
    MISSING,
    STACK_TYPE,
    Action,
    ChangeSource,
    Prediction,
    Recreation,
    Replacement,
    ResourceChange,
    ResourceType,
    Schemas,
    StackSide,
    Traced,
    Unknown,
    ValueReference,
    canonical_value,
    find_traces,
    plain_data,
    read_statements,
    template_to_text,
)
from .model import (
    HIDDEN,
    PARAMETER,
    DataLoss,
    Diff,
    Effect,
    OutputDiff,
    PropertyDiff,
    ResourceDiff,
    mask,
)

# --- collecting
# ---------------------------------------------------------------------------------------------


@dataclass
class DiffCollector:
    """Gathers what happens to resources; nested stacks themselves are no resources to the
    reader."""

    schemas: Schemas
    name: Callable[[str, ResourceChange], str] | None = None
    """Name of a nested stack (``app/network``) from that of its parent; by default from the file in
    TemplateURL."""
    resources: list[ResourceDiff] = field(default_factory=list)
    outputs: list[OutputDiff] = field(default_factory=list)
    losses: list[DataLoss] = field(default_factory=list)

    def result(self) -> Diff:
        """Everything gathered."""
        return Diff(tuple(self.resources), tuple(self.outputs), tuple(self.losses))

    def root(self, name: str, stack: StackSide | None, prediction: Prediction) -> None:
        """Gather a root stack's changes, nested stacks included; ``stack`` is the side that stays,
        if any."""
        self._stack(name, stack, prediction, {})
        for output, (before, after) in prediction.outputs.items():
            sides = [None if side is MISSING else _shown(side) for side in (before, after)]
            if sides[0] != sides[1]:
                self.outputs.append(OutputDiff(name, output, *sides))

    def _stack(
        self, name: str, stack: StackSide | None, prediction: Prediction, wires: Mapping[str, str]
    ) -> None:
        for change in prediction.changes:
            if change.real and not (change.type == STACK_TYPE and change.nested):
                self._resource(name, stack, change, wires)
        places = list(stack.template.resources) if stack else []
        last = len(places)  # what is removed stands after what is there
        order = {name: index for index, name in enumerate(places)}
        for change in sorted(prediction.changes, key=lambda each: order.get(each.logical_id, last)):
            if change.nested:
                child = stack.nested.get(change.logical_id) if stack else None
                inner = self.name(name, change) if self.name else f"{name}/{_file_name(change)}"
                self._stack(inner, child, change.nested, _wires(change))

    def _resource(
        self, name: str, stack: StackSide | None, change: ResourceChange, wires: Mapping[str, str]
    ) -> None:
        known = self.schemas.get(change.type)
        modified = change.action is Action.MODIFY
        properties = tuple(_properties(change, known, wires)) if modified else ()
        effect = _effect(change)
        certain = any(each.certain for each in properties) or not modified
        found = ResourceDiff(
            stack=name,
            logical_id=change.logical_id,
            type=change.type,
            effect=effect,
            certain=certain,
            may_replace=change.replacement is Replacement.CONDITIONAL,
            properties=properties,
            line=stack.template.line(("Resources", change.logical_id)) if stack else 0,
            denies=_denies(change) if effect is Effect.REMOVE else None,
        )
        self.resources.append(found)
        if known is not None and known.stateful:
            self.losses += _loss(found, change)


def _file_name(change: ResourceChange) -> str:
    """``network`` for a nested stack from ``./app/network.yaml``; its logical id where that is not
    known."""
    properties = (change.after or change.before).get("Properties", {})
    url = plain_data(properties.get("TemplateURL"))
    if not isinstance(url, str):
        return change.logical_id
    return posixpath.basename(url).split(".")[0]


def _wires(change: ResourceChange) -> dict[str, str]:
    """Parameter of a nested stack -> what its parent gives it, e.g. ``Network.Outputs.VpcId``."""
    given = change.after.get("Properties", {}).get("Parameters", {})
    found = {}
    for name, value in given.items() if isinstance(given, Mapping) else ():
        names = sorted(
            reference.entity for node in find_traces(value) for reference in node.references
        )
        if names:
            found[name] = ", ".join(dict.fromkeys(names))
    return found


def _effect(change: ResourceChange) -> Effect:
    if change.action is Action.MODIFY:
        return Effect.REPLACE if change.replacement is Replacement.TRUE else Effect.CHANGE
    return Effect.REMOVE if change.action is Action.REMOVE else Effect.ADD


def _denies(change: ResourceChange) -> bool:
    """Whether something is no longer denied; a policy that is retained goes on denying it."""
    deleted = (change.policy_action or "Delete") == "Delete"
    return deleted and any(read_statements(_shown(change.before.get("Properties", {})), "Deny"))


def _loss(found: ResourceDiff, change: ResourceChange) -> Iterator[DataLoss]:
    if found.effect is Effect.REMOVE:
        policy = change.policy_action or "Delete"
    elif found.effect is Effect.REPLACE or found.may_replace:
        policy = template_to_text(plain_data(change.after.get("UpdateReplacePolicy", "Delete")))
    else:
        return
    yield DataLoss(found, policy, kept=policy != "Delete", physical_id=change.physical_id or "")


def describe_new_default(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> str:
    """What is new in the declaration of a parameter that gets its value later, or nothing: ``
    (web:1.0 → web:1.1)``."""
    if old.get(name) == new[name]:
        return ""
    texts = [str(side.get(name, {}).get("Description", "")).split() for side in (old, new)]
    words = [" ".join(word for word in texts[i] if word not in texts[1 - i]) for i in (0, 1)]
    return f" ({words[0]} → {words[1]})" if all(words) else " (declared anew)"


# --- properties by meaning
# ----------------------------------------------------------------------------------

_IDENTITIES = (
    "Name",
    "ContainerName",
    "Key",
    "Sid",
    "PolicyName",
    "SourceVolume",
    "ContainerPort",
    "Id",
    "LoadBalancerName",
    "AttributeName",
    "IndexName",
    "LogicalResourceId",
    "Device",
    "DeviceName",
)
"""Keys by which lists of maps are compared, where each item has one and no two have the same."""


def _properties(
    change: ResourceChange, known: ResourceType | None, wires: Mapping[str, str]
) -> Iterator[PropertyDiff]:
    for attribute in sorted({*change.before, *change.after}):
        prefix = "" if attribute == "Properties" else attribute
        before, after = (side.get(attribute, MISSING) for side in (change.before, change.after))
        for leaf in _leaves(before, after, prefix, ()):
            inside = attribute == "Properties" and known is not None
            recreation = known.recreation(leaf.path) if inside and known else Recreation.NEVER
            yield _described(leaf, recreation, wires)


class _Leaf(Struct, frozen=True):
    shown: str
    path: tuple[str | int, ...]
    before: Any
    after: Any
    statement: str = ""


def _described(leaf: _Leaf, recreation: Recreation, wires: Mapping[str, str]) -> PropertyDiff:
    references = {reference for node in find_traces(leaf.after) for reference in node.references}
    after = plain_data(leaf.after)
    unknown = [found for found in _unknowns(after) if found.fresh]
    certain = all(found.certain for found in unknown)
    bound = {cause for found in unknown for cause in found.causes if cause.startswith(PARAMETER)}
    replaces = {Recreation.ALWAYS: "yes" if certain else "maybe", Recreation.CONDITIONALLY: "maybe"}
    return PropertyDiff(
        path=leaf.shown,
        before=None if leaf.before is MISSING else mask(leaf.shown, _shown(leaf.before)),
        after=None if leaf.after is MISSING else mask(leaf.shown, _shown(leaf.after)),
        exists_before=leaf.before is not MISSING,
        exists_after=leaf.after is not MISSING,
        replaces=replaces.get(recreation, "no"),
        after_apply=bool(unknown),
        certain=certain,
        causes=tuple(sorted(bound or {_cause(reference, wires) for reference in references})),
        statement=leaf.statement,
    )


def _cause(reference: ValueReference, wires: Mapping[str, str]) -> str:
    if reference.source is ChangeSource.PARAMETER:
        return wires.get(reference.entity, reference.entity)
    return reference.entity


def _unknowns(value: Any) -> Iterator[Unknown]:
    if isinstance(value, Unknown):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _unknowns(item)
    elif isinstance(value, list):
        for item in value:
            yield from _unknowns(item)


def _shown(value: Any) -> Any:
    """A plain tree in which unknown values are their expressions and secrets are masked."""
    if isinstance(value, Traced):
        return HIDDEN if value.secret else _shown(value.value)
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value.text if isinstance(value, Unknown) else value


def _leaves(
    before: Any, after: Any, shown: str, path: tuple[str | int, ...], statement: str = ""
) -> Iterator[_Leaf]:
    """The differing leaves of two resolved trees, lists of named things compared by name.

    ``statement`` is the effect of the policy statement around them.
    """
    if canonical_value(before) == canonical_value(after):
        return
    before, after = _opened(before), _opened(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        statement = (
            _statement(after)
            if path[-1:] == ("Statement",) or path[-2:] == ("Statement", 0)
            else statement
        )
        for key in sorted({**before, **after}):
            name = f"{shown}.{key}" if shown else str(key)
            yield from _leaves(
                before.get(key, MISSING), after.get(key, MISSING), name, (*path, key), statement
            )
    elif isinstance(before, list) and isinstance(after, list):
        if _reordered(before, after):
            yield _Leaf(f"{shown}[order]", path, before, after, statement)
        for label, old, new in _paired(before, after):
            yield from _leaves(old, new, f"{shown}[{label}]", (*path, 0), statement)
    else:
        yield _Leaf(shown, path, before, after, statement)


def _statement(after: Mapping[str, Any]) -> str:
    effect = _shown(after.get("Effect"))
    return effect if effect in EFFECTS else ""


def _opened(value: Any) -> Any:
    """Containers as they are, and JSON in text as what it says; what they depend on stays with the
    parts."""
    held = value.value if isinstance(value, Traced) else value
    text = held.text if isinstance(held, Unknown) else held
    if isinstance(text, str) and text.lstrip().startswith(('{"', "{\n", "[{", "{ ")):
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            return value
        return _marked(found, value) if isinstance(found, dict | list) else value
    if isinstance(value, Traced) and isinstance(held, list | Mapping):
        return _marked(held, value)
    return value


def _marked(container: Any, origin: Any) -> Any:
    if not isinstance(origin, Traced):
        return container
    if isinstance(container, list):
        return [replace(origin, value=item) for item in container]
    return {key: replace(origin, value=item) for key, item in container.items()}


def _paired(before: Sequence[Any], after: Sequence[Any]) -> Iterator[tuple[str, Any, Any]]:
    """Items of two lists that belong together: by name, else by equal content, else by place."""
    key = _identity(before, after)
    if key is not None:
        sides: list[dict[str | None, Any]] = [
            {_name(i, key): i for i in side} for side in (before, after)
        ]
        for name in dict.fromkeys([*sides[0], *sides[1]]):
            old, new = _narrowed(sides[0].get(name, MISSING), sides[1].get(name, MISSING), key)
            yield json.dumps(name), old, new
        return
    rest_before, rest_after = _unmatched(before, after)
    nothing: tuple[int | None, Any] = (None, MISSING)
    for (place, old), (new_place, new) in zip_longest(rest_before, rest_after, fillvalue=nothing):
        yield str(place if new_place is None else new_place), old, new


def _narrowed(old: Any, new: Any, key: str) -> tuple[Any, Any]:
    """A named value that comes or goes without its name, which stands in the path: ``{"Value":
    "x"}``."""
    sides = [old, new]
    if MISSING not in (old, new):
        return old, new
    held = _opened(new if old is MISSING else old)
    if isinstance(held, Mapping) and set(held) - {key} in ({"Value"}, {"ValueFrom"}):
        rest = {name: item for name, item in held.items() if name != key}
        sides = [{} if side is MISSING else rest for side in sides]
    return sides[0], sides[1]


def _reordered(before: Sequence[Any], after: Sequence[Any]) -> bool:
    """Whether the same items stand in another order, which CloudFormation takes for a change."""
    key = _identity(before, after)
    sides = [
        [_name(item, key) if key else repr(canonical_value(item)) for item in side]
        for side in (before, after)
    ]
    return sides[0] != sides[1] and sorted(map(str, sides[0])) == sorted(map(str, sides[1]))


def _identity(before: Sequence[Any], after: Sequence[Any]) -> str | None:
    for key in _IDENTITIES:
        sides = [[_name(item, key) for item in side] for side in (before, after)]
        if all(None not in names and len(set(names)) == len(names) for names in sides) and (
            before or after
        ):
            return key
    return None


def _name(item: Any, key: str) -> str | None:
    held = _opened(item)
    value = plain_data(held.get(key)) if isinstance(held, Mapping) and key in held else None
    return (
        value.text
        if isinstance(value, Unknown)
        else None
        if value is None
        else template_to_text(value)
    )


def _unmatched(
    before: Sequence[Any], after: Sequence[Any]
) -> tuple[list[tuple[int, Any]], list[tuple[int, Any]]]:
    """The items of each list without an equal one in the other, with their places."""
    waiting = [repr(canonical_value(item)) for item in after]
    rest_before = []
    for place, item in enumerate(before):
        key = repr(canonical_value(item))
        if key in waiting:
            waiting[waiting.index(key)] = ""
        else:
            rest_before.append((place, item))
    return rest_before, [(place, after[place]) for place, key in enumerate(waiting) if key]
