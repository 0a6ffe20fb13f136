"""Lines of a rendered template: values put in, and blank lines set, each line with its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import yaml
from msgspec import Struct

from ..core import ParameterPath


class TextReplacement(Struct, frozen=True):
    """Text to put in place of ``[start, end)`` of the source, and the parameters printed in it."""

    start: int
    end: int
    text: str
    parameters: tuple[ParameterPath, ...] = ()


class SourceLine(Struct, frozen=True):
    """A line of output, the index of its source line, and the parameters printed on it."""

    text: str
    source: int
    parameters: tuple[ParameterPath, ...] = ()


def replace_text(text: str, replacements: Sequence[TextReplacement]) -> Iterator[SourceLine]:
    """Yield the lines of ``text`` with the replacements made, which are sorted and do not
    overlap."""
    current, source = "", 0
    parameters: dict[ParameterPath, None] = {}
    here, cursor = 0, 0
    for replacement in [*replacements, TextReplacement(len(text), len(text), "")]:
        kept = text[cursor : replacement.start]
        for is_new, part in ((False, kept), (True, replacement.text)):
            if is_new:
                parameters |= dict.fromkeys(replacement.parameters)
            for index, piece in enumerate(part.split("\n")):
                if index:
                    yield SourceLine(current, source, tuple(parameters))
                    here += 0 if is_new else 1
                    parameters = dict.fromkeys(replacement.parameters) if is_new else {}
                    current, source = "", here
                current += piece
        here += text.count("\n", replacement.start, replacement.end)
        if replacement.text.endswith("\n"):  # whole lines: a new source line begins after them
            source, parameters = here, {}
        cursor = replacement.end
    yield SourceLine(current, source, tuple(parameters))


@dataclass(slots=True)
class _Landmarks:
    """Source lines that decide on blank lines: starts of sections and of resources, and insides of
    multi-line scalars."""

    sections: set[int] = field(default_factory=set)
    resources: set[int] = field(default_factory=set)
    inside: set[int] = field(default_factory=set)


def _find_landmarks(root: yaml.MappingNode) -> _Landmarks:
    landmarks = _Landmarks()
    for key, value in root.value:
        landmarks.sections.add(key.start_mark.line)
        if (
            key.value == "Resources"
            and isinstance(value, yaml.MappingNode)
            and not value.flow_style
        ):
            landmarks.resources |= {name.start_mark.line for name, _ in value.value[1:]}
    landmarks.inside |= set(_inside_scalars(root))
    return landmarks


def _inside_scalars(node: yaml.Node) -> Iterator[int]:
    """Yield the lines after the first of every scalar of several lines."""
    if isinstance(node, yaml.ScalarNode):
        first, last = node.start_mark.line, node.end_mark.line
        if last > first:
            yield from range(first + 1, last + (node.style not in ("|", ">")))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _inside_scalars(key)
            yield from _inside_scalars(value)
    else:
        for item in node.value:
            yield from _inside_scalars(item)


def set_blank_lines(lines: Iterable[SourceLine], root: yaml.MappingNode) -> list[SourceLine]:
    """Return the lines with one blank line before each section and resource (and the comment above
    it), and no other outside of scalars; ``root`` is the parsed source."""
    landmarks = _find_landmarks(root)
    kept: list[SourceLine] = []
    previous = -1
    for line in lines:
        if line.source in landmarks.inside:
            kept.append(line)
        elif line.text.strip():
            is_first = line.source != previous
            if is_first and kept and line.source in (landmarks.sections | landmarks.resources):
                indent = len(line.text) - len(line.text.lstrip())
                _insert_blank_line(kept, indent, landmarks)
            kept.append(SourceLine(line.text.rstrip(), line.source, line.parameters))
        previous = line.source
    return kept


def _insert_blank_line(kept: list[SourceLine], indent: int, landmarks: _Landmarks) -> None:
    """Insert a blank line at the end of ``kept``, above comments of the same indentation."""
    comment = " " * indent + "#"
    place = len(kept)
    while (
        place
        and kept[place - 1].text.startswith(comment)
        and kept[place - 1].source not in landmarks.inside
    ):
        place -= 1
    if place and kept[place - 1].text:
        source = kept[place if place < len(kept) else place - 1].source
        kept.insert(place, SourceLine("", source))
