"""Trace a parameter, or a property of a rendered template, back to file and line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from ..core import (
    Config,
    Document,
    InputError,
    Leaf,
    Location,
    ParameterPath,
    Rendering,
    dotted,
    line_of_path,
    mask_at,
)


class Explanation(Struct, frozen=True):
    """A value, the output line and template lines that show it, and the parameters that supplied
    it."""

    what: str
    value: Any
    output: Location | None
    template: tuple[Location, ...]
    leaves: tuple[Leaf, ...]


def explain_value(what: str, config: Config, rendering: Rendering | None) -> Explanation:
    """Explain a parameter path (``gateway.cpu``) or a property
    (``app/gateway:TaskDefinition.Properties.Cpu``).

    Raises InputError with the nearest names where it does not exist.
    """
    if ":" not in what:
        return _explain_parameter(what, config)
    if rendering is None:
        raise ValueError("a rendering is needed to explain a property")
    name, _, path = what.partition(":")
    document = rendering.document(name)
    if document is None:
        raise _unknown(f"template {name}", name, [other.name for other in rendering.documents])
    return _explain_property(what, document, path, rendering)


def split_path(path: str) -> ParameterPath:
    """Return ``("a", "b", 0, "c")`` for ``a.b[0].c``."""
    return tuple(
        int(index) if index else name
        for name, index in re.findall(r"([^.\[\]]+)|\[([0-9]+)\]", path)
    )


def _explain_parameter(what: str, config: Config) -> Explanation:
    path = split_path(what)
    value: Any = config.parameters
    for depth, part in enumerate(path):
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            known = (
                [dotted((*path[:depth], str(key))) for key in value]
                if isinstance(value, dict)
                else []
            )
            raise _unknown(f"parameter {what}", dotted(path[: depth + 1]), known) from None
    below = [leaf for at, leaf in config.leaves.items() if at[: len(path)] == path and at != path]
    exact = config.leaves.get(path)
    return Explanation(what, value, None, (), (exact,) if exact else tuple(below))


def _explain_property(
    what: str, document: Document, path: str, rendering: Rendering
) -> Explanation:
    steps: list[str | int] = []
    value: Any = document.body
    parts: list[str | int] = list(split_path(path))
    if parts and parts[0] not in document.body and "Resources" in document.body:
        parts.insert(0, "Resources")
    for part in parts:
        step = _find_step(value, part)
        if step is None:
            raise _unknown(f"{path} in {document.name}", str(part), list(_names(value)))
        steps.append(step)
        value = value[step]
    line = line_of_path(document.text, tuple(steps))
    source = document.lines[line - 1]
    leaves = rendering.config.leaves
    below = 3 if steps[0] == "Resources" else 1  # a logical ID is the name of no value
    return Explanation(
        what,
        mask_at(_value_at(document.body, steps[:below]), steps[below:]),
        Location(f"build/{rendering.environment}/{document.path}", line),
        source.origin,
        tuple(leaves[at] for at in _printed_parameters(document, line, value) if at in leaves),
    )


def _value_at(body: Any, steps: Sequence[str | int]) -> Any:
    value = body
    for step in steps:
        value = value[step]
    return value


def _printed_parameters(document: Document, line: int, value: Any) -> Sequence[ParameterPath]:
    """Return the parameters printed on the line, and for a list or map on the lines of its
    items."""
    parameters = dict.fromkeys(document.lines[line - 1].parameters)
    if isinstance(value, list | dict):
        rows = document.text.splitlines()
        indent = len(rows[line - 1]) - len(rows[line - 1].lstrip())
        for index in range(line, len(rows)):
            row = rows[index]
            if (
                row.strip()
                and len(row) - len(row.lstrip()) <= indent
                and not row.lstrip().startswith("-")
            ):
                break
            parameters |= dict.fromkeys(document.lines[index].parameters)
    return list(parameters)


def _find_step(value: Any, part: str | int) -> str | int | None:
    """Return the key or index of a part of a path; in a list, a name stands for the item with that
    Name, Key or Id. None where it does not exist."""
    if isinstance(value, dict):
        return part if part in value else None
    if not isinstance(value, list):
        return None
    if isinstance(part, int):
        return part if part < len(value) else None
    return next((index for index, item in enumerate(value) if part in _identities(item)), None)


def _identities(item: Any) -> Iterator[Any]:
    if isinstance(item, dict):
        yield from (item.get(key) for key in ("Name", "Key", "Id", "PolicyName", "Sid"))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(key) for key in value)
    elif isinstance(value, list):
        yield from (str(name) for item in value for name in _identities(item) if name)


def _unknown(what: str, name: str, known: Sequence[str]) -> InputError:
    close = difflib.get_close_matches(name, known, 1, 0.5)
    hint = (
        f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}" if known else ""
    )
    return InputError.of("SW032", f"there is no {what}", hint=hint)
