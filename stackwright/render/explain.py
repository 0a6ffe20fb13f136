"""Why a value is what it is: from a parameter, or a property of a rendered template, back to file
and line."""

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
)


class Explanation(Struct, frozen=True):
    """A value, the output and template lines that show it, and the parameters that supplied it."""

    what: str
    value: Any
    output: Location | None
    template: tuple[Location, ...]
    leaves: tuple[Leaf, ...]


def explain_value(what: str, config: Config, rendering: Rendering | None) -> Explanation:
    """Explain a parameter path (``gateway.cpu``) or a property
    (``app/gateway:TaskDefinition.Properties.Cpu``).

    Raises InputError with the nearest names where there is no such thing.
    """
    if ":" not in what:
        return _parameter(what, config)
    if rendering is None:
        raise ValueError("a rendering is needed to explain a property")
    name, _, path = what.partition(":")
    document = rendering.document(name)
    if document is None:
        _unknown(f"template {name}", name, [each.name for each in rendering.documents])
    return _property(what, document, path, rendering)  # type: ignore[arg-type]


def split_path(path: str) -> ParameterPath:
    """``a.b[0].c`` as ``("a", "b", 0, "c")``."""
    return tuple(
        int(index) if index else name
        for name, index in re.findall(r"([^.\[\]]+)|\[([0-9]+)\]", path)
    )


def _parameter(what: str, config: Config) -> Explanation:
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
            _unknown(f"parameter {what}", dotted(path[: depth + 1]), known)
    below = [leaf for at, leaf in config.leaves.items() if at[: len(path)] == path and at != path]
    exact = config.leaves.get(path)
    return Explanation(what, value, None, (), (exact,) if exact else tuple(below))


def _property(what: str, document: Document, path: str, rendering: Rendering) -> Explanation:
    steps: list[str | int] = []
    value: Any = document.body
    queue: list[str | int] = list(split_path(path))
    if queue and queue[0] not in document.body and "Resources" in document.body:
        queue.insert(0, "Resources")
    for step in queue:
        found = _step(value, step)
        if found is None:
            _unknown(f"{path} in {document.name}", str(step), list(_names(value)))
        else:
            steps.append(found)
            value = value[found]
    line = line_of_path(document.text, tuple(steps))
    source = document.lines[line - 1]
    leaves = rendering.config.leaves
    return Explanation(
        what,
        value,
        Location(f"build/{rendering.environment}/{document.path}", line),
        source.origin,
        tuple(leaves[each] for each in _printed(document, line, value) if each in leaves),
    )


def _printed(document: Document, line: int, value: Any) -> Sequence[ParameterPath]:
    """The parameters printed on the line, and for a list or map on the lines of what is in it."""
    found = dict.fromkeys(document.lines[line - 1].parameters)
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
            found |= dict.fromkeys(document.lines[index].parameters)
    return list(found)


def _step(value: Any, step: str | int) -> str | int | None:
    """A key of a map, an index, or the item of a list whose Name, Key or Id is ``step``."""
    if isinstance(value, dict):
        return step if step in value else None
    if not isinstance(value, list):
        return None
    if isinstance(step, int):
        return step if step < len(value) else None
    return next((i for i, item in enumerate(value) if step in _identities(item)), None)


def _identities(item: Any) -> Iterator[Any]:
    if isinstance(item, dict):
        yield from (item.get(key) for key in ("Name", "Key", "Id", "PolicyName", "Sid"))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(key) for key in value)
    elif isinstance(value, list):
        yield from (str(name) for item in value for name in _identities(item) if name)


def _unknown(what: str, name: str, known: Sequence[str]) -> None:
    close = difflib.get_close_matches(name, known, 1, 0.5)
    hint = (
        f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}" if known else ""
    )
    raise InputError.of("SW032", f"there is no {what}", hint=hint)
