"""Parameters from several places, merged: maps key by key, everything else as a whole.

Each value keeps the location that gave it, and the value that it replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..core import (
    InputError,
    Leaf,
    Location,
    ParameterData,
    ParameterPath,
    compose_yaml,
)

SCHEMA = "params/schema.json"


class Layer(Struct, frozen=True):
    """Parameters from one place, with the location of each key."""

    data: Mapping[str, Any]
    locations: Mapping[ParameterPath, Location]


def make_default_layer(defaults: Mapping[str, Any]) -> Layer:
    """Return the layer of the schema's defaults."""
    return Layer(defaults, {path: Location(SCHEMA) for path, _ in _walk(defaults, ())})


def parse_override(text: str) -> Layer:
    """Return the layer of one ``--set key.path=value``, whose value is read as YAML.

    Raises InputError where the text is not of that form.
    """
    key, equals, value = text.partition("=")
    parts = key.split(".")
    if not _is_utf8(text):
        raise InputError.of(
            "SW009", f"--set {key.encode('utf-8', 'replace').decode()}: not UTF-8 text"
        )
    at = Location(f"--set {key}")  # without the value, which may be a secret
    if not equals or not all(part.replace("-", "_").isidentifier() for part in parts):
        message = f"--set {key}{'=…' if equals else ''}: write key.path=value"
        raise InputError.of("SW009", message, hint="for example --set gateway.cpu=1024")
    wrapped = ParameterData(compose_yaml(f"value: {value}", at.path), at.path).data
    data: Any = wrapped["value"] if set(wrapped) == {"value"} else value
    locations: dict[ParameterPath, Location] = {}
    for length in range(len(parts), 0, -1):
        locations[tuple(parts[:length])] = at
        data = {parts[length - 1]: data}
    return Layer(data, locations)


def _is_utf8(text: str) -> bool:
    """Return whether an argument is text: Python keeps other bytes as lone surrogates (PEP 383)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def merge_layers(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[ParameterPath, Leaf]]:
    """Return the layers merged, later over earlier, and a Leaf for every scalar, list and empty map
    of the result, by path."""
    data: dict[str, Any] = {}
    leaves: dict[ParameterPath, Leaf] = {}
    for layer in layers:
        data = _merge(data, layer.data, (), leaves, layer)
    return data, leaves


def _merge(
    base: Mapping[str, Any],
    over: Mapping[str, Any],
    at: ParameterPath,
    leaves: dict[ParameterPath, Leaf],
    layer: Layer,
) -> dict[str, Any]:
    """Return ``over``, a part of ``layer``, merged over ``base``; updates ``leaves``."""
    merged = dict(base)
    for key, value in over.items():
        path = (*at, key)
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value, path, leaves, layer)
            if value or merged[key]:
                leaves.pop(path, None)
            continue
        replaced = (
            [leaves.pop(old) for old, _ in _walk(merged[key], path) if old in leaves]
            if key in merged
            else []
        )
        previous = {leaf.path: leaf for leaf in replaced}
        for place, item in _walk(value, path):
            location = _location(layer, place)
            leaves[place] = Leaf(place, item, location, previous.get(place) or previous.get(path))
        merged[key] = value
    return merged


def _walk(value: Any, at: ParameterPath) -> Iterator[tuple[ParameterPath, Any]]:
    """Yield every scalar, list, list item and empty map at or below ``value``, with its path."""
    if isinstance(value, dict) and (value or not at):
        for key, item in value.items():
            yield from _walk(item, (*at, key))
        return
    yield at, value
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, (*at, index))


def _location(layer: Layer, path: ParameterPath) -> Location:
    """Return where the layer gives a value, or else the nearest key above it."""
    for length in range(len(path), 0, -1):
        if path[:length] in layer.locations:
            return layer.locations[path[:length]]
    return Location(SCHEMA)


def merge_locations(layers: Sequence[Layer]) -> dict[ParameterPath, Location]:
    """Return the location that gave each path last, of maps and unknown keys too, for messages.

    A list or scalar replaces the earlier value as a whole, so the locations of its items go.
    """
    locations: dict[ParameterPath, Location] = {}
    for layer in layers:
        replaced = {path for path, _ in _walk(layer.data, ())}
        locations = {
            path: location
            for path, location in locations.items()
            if not any(path[:length] in replaced for length in range(1, len(path)))
        }
        locations.update(layer.locations)
    return locations
