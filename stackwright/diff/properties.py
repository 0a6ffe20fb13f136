"""Compare the properties of a resource by meaning.

Containers are compared by name, environment by variable, policies by statement, and JSON in text by
its content.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..cfn import (
    EFFECTS,
    MISSING,
    ChangeSource,
    Recreation,
    ResourceChange,
    ResourceType,
    Traced,
    Unknown,
    ValueReference,
    canonical_value,
    find_traces,
    plain_data,
    predict_recreation,
    template_to_text,
)
from ..core import HIDDEN, mask, secret_arguments, value_keys
from .model import PARAMETER, PropertyDiff

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
"""Keys that pair the items of two lists of maps, where every item has a distinct value of one."""


def diff_properties(
    change: ResourceChange, schema: ResourceType | None, wires: Mapping[str, str]
) -> Iterator[PropertyDiff]:
    """Yield the differing values of a changed resource, by attribute and path.

    ``schema`` is None where it is not known; ``wires`` are the sources of the stack's Parameters.
    """
    for attribute in sorted({*change.before, *change.after}):
        prefix = "" if attribute == "Properties" else attribute
        before, after = (side.get(attribute, MISSING) for side in (change.before, change.after))
        for leaf in differing_leaves(before, after, prefix, ()):
            recreation = Recreation.NEVER
            if attribute == "Properties" and schema is not None:
                recreation = predict_recreation(schema, leaf.path, change.before, change.after)
            yield _property_diff(leaf, recreation, wires)


class _PropertyLeaf(Struct, frozen=True):
    """A value that differs: its path for people and for the schema, and both sides.

    ``secret`` says that a name beside it is that of a secret.
    """

    label: str
    path: tuple[str | int, ...]
    before: Any
    after: Any
    statement: str = ""
    secret: bool = False


def _property_diff(
    leaf: _PropertyLeaf, recreation: Recreation, wires: Mapping[str, str]
) -> PropertyDiff:
    references = {reference for node in find_traces(leaf.after) for reference in node.references}
    after = plain_data(leaf.after)
    fresh = [unknown for unknown in _find_unknowns(after) if unknown.fresh]
    certain = all(unknown.certain for unknown in fresh)
    bound = {cause for unknown in fresh for cause in unknown.causes if cause.startswith(PARAMETER)}
    replaces = {Recreation.ALWAYS: "yes" if certain else "maybe", Recreation.CONDITIONALLY: "maybe"}
    return PropertyDiff(
        path=leaf.label,
        before=None if leaf.before is MISSING else _masked(leaf, leaf.before),
        after=None if leaf.after is MISSING else _masked(leaf, leaf.after),
        exists_before=leaf.before is not MISSING,
        exists_after=leaf.after is not MISSING,
        replaces=replaces.get(recreation, "no"),
        after_apply=bool(fresh),
        certain=certain,
        causes=tuple(sorted(bound or {_cause(reference, wires) for reference in references})),
        statement=leaf.statement,
    )


def _masked(leaf: _PropertyLeaf, value: Any) -> Any:
    """Return one side of a leaf for display."""
    return mask(displayed_value(value), leaf.label, secret=leaf.secret)


def _cause(reference: ValueReference, wires: Mapping[str, str]) -> str:
    if reference.source is ChangeSource.PARAMETER:
        return wires.get(reference.entity, reference.entity)
    return reference.entity


def _find_unknowns(value: Any) -> Iterator[Unknown]:
    if isinstance(value, Unknown):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _find_unknowns(item)
    elif isinstance(value, list):
        for item in value:
            yield from _find_unknowns(item)


def displayed_value(value: Any) -> Any:
    """Return a resolved value as plain data: unknown values are their expressions, and secrets are
    masked."""
    if isinstance(value, Traced):
        return HIDDEN if value.secret else displayed_value(value.value)
    if isinstance(value, Mapping):
        return {key: displayed_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [displayed_value(item) for item in value]
    return value.text if isinstance(value, Unknown) else value


def differing_leaves(
    before: Any,
    after: Any,
    label: str = "",
    path: tuple[str | int, ...] = (),
    statement: str = "",
) -> Iterator[_PropertyLeaf]:
    """Yield the differing leaves of two resolved trees; items of lists are paired by name.

    ``statement`` is the effect of the policy statement around them.
    """
    if canonical_value(before) == canonical_value(after):
        return
    before, after = _unwrap(before), _unwrap(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        if path[-1:] == ("Statement",) or path[-2:] == ("Statement", 0):
            effect = displayed_value(after.get("Effect"))
            statement = effect if effect in EFFECTS else ""
        secrets = _secret_keys(before) | _secret_keys(after)
        for key in sorted({**before, **after}):
            name = f"{label}.{key}" if label else str(key)
            leaves = differing_leaves(
                before.get(key, MISSING), after.get(key, MISSING), name, (*path, key), statement
            )
            yield from (replace(leaf, secret=True) if key in secrets else leaf for leaf in leaves)
    elif isinstance(before, list) and isinstance(after, list):
        if _is_reordered(before, after):
            yield _PropertyLeaf(f"{label}[order]", path, before, after, statement)
        secrets = secret_arguments(plain_data(before)) | secret_arguments(plain_data(after))
        for item, old, new in _pair_items(before, after):
            leaves = differing_leaves(old, new, f"{label}[{item}]", (*path, 0), statement)
            hidden = not secrets.isdisjoint(map(str, (plain_data(old), plain_data(new))))
            yield from (replace(leaf, secret=True) if hidden else leaf for leaf in leaves)
    else:
        yield _PropertyLeaf(label, path, before, after, statement)


def _secret_keys(pair: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys whose values are secrets by a name beside them."""
    texts = {key: plain_data(item) for key, item in pair.items() if isinstance(item, str | Traced)}
    return value_keys(texts)


def _unwrap(value: Any) -> Any:
    """Return lists and maps without their trace, which their items inherit, and JSON in text as its
    data; any other value as it is."""
    inner = value.value if isinstance(value, Traced) else value
    text = inner.text if isinstance(inner, Unknown) else inner
    if isinstance(text, str) and text.lstrip().startswith(('{"', "{\n", "[{", "{ ")):
        try:
            data = json.loads(text)
        except ValueError:
            return value
        return _trace_items(data, value) if isinstance(data, dict | list) else value
    if isinstance(value, Traced) and isinstance(inner, list | Mapping):
        return _trace_items(inner, value)
    return value


def _trace_items(container: Any, origin: Any) -> Any:
    """Give the items of a container the trace of the value that held it."""
    if not isinstance(origin, Traced):
        return container
    if isinstance(container, list):
        return [replace(origin, value=item) for item in container]
    return {key: replace(origin, value=item) for key, item in container.items()}


def _pair_items(before: Sequence[Any], after: Sequence[Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield label, old and new item of two lists: paired by name, else by equal content, else by
    index. A side without the item is MISSING."""
    key = _identity_key(before, after)
    if key is not None:
        sides: list[dict[str | None, Any]] = [
            {_item_name(item, key): item for item in side} for side in (before, after)
        ]
        for name in dict.fromkeys([*sides[0], *sides[1]]):
            old, new = sides[0].get(name, MISSING), sides[1].get(name, MISSING)
            yield json.dumps(name), *_drop_name(old, new, key)
        return
    rest_before, rest_after = _unmatched(before, after)
    nothing: tuple[int | None, Any] = (None, MISSING)
    for (index, old), (new_index, new) in zip_longest(rest_before, rest_after, fillvalue=nothing):
        yield str(index if new_index is None else new_index), old, new


def _drop_name(old: Any, new: Any, key: str) -> tuple[Any, Any]:
    """Return an added or removed pair of name and value without the name, which is in the path:
    ``{"Value": "x"}``; anything else as it is."""
    if MISSING not in (old, new):
        return old, new
    item = _unwrap(new if old is MISSING else old)
    if isinstance(item, Mapping) and set(item) - {key} in ({"Value"}, {"ValueFrom"}):
        rest = {name: value for name, value in item.items() if name != key}
        return ({}, rest) if old is MISSING else (rest, {})
    return old, new


def _is_reordered(before: Sequence[Any], after: Sequence[Any]) -> bool:
    """Return whether equal items have another order, which CloudFormation treats as a change."""
    key = _identity_key(before, after)
    sides = [
        [_item_name(item, key) if key else repr(canonical_value(item)) for item in side]
        for side in (before, after)
    ]
    return sides[0] != sides[1] and sorted(map(str, sides[0])) == sorted(map(str, sides[1]))


def _identity_key(before: Sequence[Any], after: Sequence[Any]) -> str | None:
    """Return the key that pairs the items of two lists, if there is one."""
    for key in _IDENTITIES:
        sides = [[_item_name(item, key) for item in side] for side in (before, after)]
        if all(None not in names and len(set(names)) == len(names) for names in sides) and (
            before or after
        ):
            return key
    return None


def _item_name(item: Any, key: str) -> str | None:
    data = _unwrap(item)
    value = plain_data(data.get(key)) if isinstance(data, Mapping) and key in data else None
    if isinstance(value, Unknown):
        return value.text
    return None if value is None else template_to_text(value)


def _unmatched(
    before: Sequence[Any], after: Sequence[Any]
) -> tuple[list[tuple[int, Any]], list[tuple[int, Any]]]:
    """Return the items of each list that have no equal in the other, with their indexes."""
    unmatched = [repr(canonical_value(item)) for item in after]
    rest_before = []
    for index, item in enumerate(before):
        key = repr(canonical_value(item))
        if key in unmatched:
            unmatched[unmatched.index(key)] = ""
        else:
            rest_before.append((index, item))
    return rest_before, [(index, after[index]) for index, key in enumerate(unmatched) if key]
