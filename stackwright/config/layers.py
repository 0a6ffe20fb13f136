"""Parameters from several places, merged: maps key by key, everything else as a whole.

Each value keeps the location that gave it, and the value that it replaced.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..core import (
    HIDDEN,
    Config,
    InputError,
    Leaf,
    Location,
    ParameterData,
    ParameterPath,
    compose_yaml,
    dotted,
    mask,
    mask_at,
)

SCHEMA = "params/schema.json"
SET, SET_FILE, SET_ENV = "--set", "--set-file", "--set-env"


class Layer(Struct, frozen=True):
    """Parameters from one place, with the location of each key."""

    data: Mapping[str, Any]
    locations: Mapping[ParameterPath, Location]


class TextOverride(Struct, frozen=True):
    """A parameter whose text stands elsewhere, so that no process list shows it: ``argument`` is
    ``key.path=PATH`` for the option --set-file, ``key.path=NAME`` for --set-env."""

    option: str
    argument: str


def make_default_layer(defaults: Mapping[str, Any]) -> Layer:
    """Return the layer of the schema's defaults."""
    return Layer(defaults, {path: Location(SCHEMA) for path, _ in _walk(defaults, ())})


def parse_override(text: str) -> Layer:
    """Return the layer of one ``--set key.path=value``, whose value is read as YAML.

    Raises InputError where the text is not of that form.
    """
    path, value = _split_argument(SET, text, "gateway.cpu=1024")
    at = Location(f"{SET} {'.'.join(path)}")  # without the value, which may be a secret
    try:
        wrapped = ParameterData(compose_yaml(f"value: {value}", at.path), at.path).data
    except InputError as error:
        if not is_hidden(at):
            raise
        hint = f"quote it, or use {SET_FILE} or {SET_ENV}, which take text as it is"
        raise InputError.of(error.problems[0].code, "not valid YAML", at, hint=hint) from None
    return _make_layer(path, wrapped["value"] if set(wrapped) == {"value"} else value, at)


def parse_text_override(override: TextOverride) -> Layer:
    """Return the layer of a --set-file or --set-env, whose value is always text.

    A file gives its text without its final line end. Raises InputError where the argument is not of
    that form, or its source cannot be read. No message shows the source: it may be the value
    itself, given by mistake.
    """
    is_file = override.option == SET_FILE
    example = f"deploy.parameters.main.Password={'password.txt' if is_file else 'PASSWORD'}"
    path, source = _split_argument(override.option, override.argument, example)
    at = Location(f"{override.option} {'.'.join(path)}")
    return _make_layer(path, _read_file(source, at) if is_file else _read_variable(source, at), at)


def _read_file(source: str, at: Location) -> str:
    hint = "name a UTF-8 text file; its path is relative to the working folder"
    try:
        text = Path(source).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        message = f"the file cannot be read: {reason}"
        raise InputError.of("SW002", message, at, hint=hint) from None
    return text.removesuffix("\n").removesuffix("\r")


def _read_variable(source: str, at: Location) -> str:
    value = os.environ.get(source)
    if value is None or not _is_utf8(value):
        reason = "there is no such environment variable" if value is None else "not UTF-8 text"
        raise InputError.of("SW009", reason, at, hint="write the variable's name, and export it")
    return value


def is_hidden(at: Location) -> bool:
    """Return whether messages must not show the value of a place, as it may be that of a NoEcho
    Parameter: one from --set-file or --set-env, or of a stack's Parameter on the command line."""
    option, _, key = at.path.partition(" ")
    if option == SET:
        return key == "deploy" or f"{key}.".startswith("deploy.parameters.")
    return option in (SET_FILE, SET_ENV)


def hide_values(config: Config) -> Config:
    """Return the configuration to show: with `HIDDEN` in place of values that `is_hidden`, and
    secrets hidden by their names and forms."""
    tree = config.parameters
    leaves = {path: _hide_leaf(leaf, mask_at(tree, path)) for path, leaf in config.leaves.items()}
    parameters = mask(copy.deepcopy(dict(tree)))
    for path, leaf in leaves.items():
        parent: Any = parameters
        for part in path[:-1]:
            parent = HIDDEN if parent == HIDDEN else parent[part]
        if leaf.value == HIDDEN and parent != HIDDEN:
            parent[path[-1]] = HIDDEN
    return replace(config, parameters=parameters, leaves=leaves)


def _hide_leaf(leaf: Leaf, value: Any) -> Leaf:
    """Return the leaf with ``value``, or with `HIDDEN`; the leaves that it overrode likewise."""
    before = leaf.overrode
    return replace(
        leaf,
        value=HIDDEN if is_hidden(leaf.location) else value,
        overrode=before and _hide_leaf(before, mask(before.value, dotted(before.path))),
    )


def _split_argument(option: str, text: str, example: str) -> tuple[tuple[str, ...], str]:
    """Return the path of ``key.path=value``, and the value. Raises InputError."""
    key, equals, value = text.partition("=")
    if not _is_utf8(text):
        shown = key.encode("utf-8", "replace").decode()
        raise InputError.of("SW009", f"{option} {shown}: not UTF-8 text")
    parts = tuple(key.split("."))
    if not equals or not all(part.replace("-", "_").isidentifier() for part in parts):
        wanted = {SET_FILE: "PATH", SET_ENV: "NAME"}.get(option, "value")
        message = f"{option} {key}{'=…' if equals else ''}: write key.path={wanted}"
        raise InputError.of("SW009", message, hint=f"for example {option} {example}")
    return parts, value


def _make_layer(parts: tuple[str, ...], data: Any, at: Location) -> Layer:
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
