"""Put values into rendered text: a text with tokens becomes the finished template.

The text is parsed while every value is a token, so keys, tags, quotes and comments are the author's
alone. Then each scalar that holds tokens is written again with its values, quoted for its place;
the finished text is parsed once more and must hold exactly the intended data.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from msgspec import Struct

from ..core import (
    InputError,
    Line,
    Location,
    Problem,
    TemplateError,
    compose_yaml,
    dotted,
    long_intrinsic,
    mapping_entries,
    refuse_aliases,
    scalar_data,
    template_data,
)
from .layout import TextReplacement, replace_text, set_blank_lines
from .provenance import strip_provenance
from .quoting import (
    UNPRINTABLE,
    BlockDumper,
    double_quoted,
    double_quoted_lines,
    escape_non_ascii,
    escape_substitutions,
    flow_style,
    is_plain_word,
    number_text,
    single_quoted,
)
from .text import OPEN, TOKEN, Origin, Printed

_PREFIX = re.compile(r"(?:[!&][^\s]*\s+)*")
REFERENCE = "{{resolve:"
"""The beginning of a dynamic reference."""
REFERENCE_HINT = "print references with dynref(...) in the template"
INTRINSIC_HINT = "write intrinsic functions in the template; a parameter is data"


class Emitted(Struct, frozen=True):
    """A finished template: its text, its data, and the source of each line."""

    text: str
    body: Any
    lines: tuple[Line, ...]
    starts: Mapping[tuple[str, str], int]
    """Section and logical ID -> line of ``text`` (from 1)."""


class _Place(Struct, frozen=True):
    """The surroundings of a scalar.

    ``substituted``: in Fn::Sub; ``flow``: in flow style; ``column``: of its key or list item.
    """

    substituted: bool = False
    flow: bool = False
    column: int = 0
    is_key: bool = False
    is_item: bool = False


def emit_template(
    lines: Sequence[tuple[str, Origin]],
    printed: Sequence[Printed],
    template: str,
    header: Sequence[str],
) -> Emitted:
    """Return the template with its values put in.

    ``lines`` are text with tokens and the origin of each line, ``printed`` the values by the
    tokens' numbers, ``template`` is the path for messages, ``header`` the comment lines on top.
    Raises TemplateError at the template line of each problem.
    """
    text = "\n".join(line for line, _ in lines)
    is_json = text.lstrip().startswith("{")
    if is_json:
        text = text.replace("\t", "  ")
    origins = [origin for _, origin in lines]
    try:
        node = compose_yaml(text, template, code="SW103")
        if not isinstance(node, yaml.MappingNode):
            message = "the template does not render to a map"
            raise InputError.of("SW105", message, Location(template, 1))
        refuse_aliases(text, template)
        writer = _Writer(text, printed, json_style=is_json)
        expected = writer.write(node, _Place())
    except InputError as error:
        raise TemplateError(_at_template_lines(error, origins, template)) from None
    if writer.problems:
        raise TemplateError(writer.problems)
    replaced = replace_text(text, writer.list_replacements())
    output = list(replaced) if is_json else set_blank_lines(replaced, node)
    top = [] if is_json else header
    final = "\n".join([*top, *(line.text for line in output)]).rstrip("\n") + "\n"
    final = escape_non_ascii(final, json_style=is_json)  # comments: scalars are escaped already
    sources = (
        *(Line((Location(template, 1),)) for _ in top),
        *(Line(origins[line.source], line.parameters) for line in output),
    )
    try:
        if template.endswith(".json.j2"):
            _require_json(final, template)
        starts = _verify(final, expected, template)
    except InputError as error:
        output_origins = [source.origin for source in sources]
        raise TemplateError(_at_template_lines(error, output_origins, template)) from None
    return Emitted(final, expected, sources, starts)


def _at_template_lines(
    error: InputError, origins: Sequence[Origin], template: str
) -> list[Problem]:
    """Return the error's problems with output lines turned into template lines."""
    problems = []
    for problem in error.problems:
        where: list[Location] = []
        for at in problem.where:
            where += (
                origins[at.line - 1] if 0 < at.line <= len(origins) else (Location(template, 1),)
            )
        clean = TOKEN.sub("{{ … }}", problem.message)
        problems.append(Problem(problem.code, clean, tuple(dict.fromkeys(where)), problem.hint))
    return problems


def _require_json(text: str, template: str) -> None:
    """Refuse YAML that is not JSON, such as a comma after the last item."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError.of(
            "SW103", f"not valid JSON: {error.msg}", Location(template, error.lineno)
        ) from None
    except ValueError:  # Python refuses to convert more than 4,300 digits
        message = "a number with too many digits"
        raise InputError.of("SW027", message, Location(template, 1)) from None


def _verify(text: str, expected: Any, template: str) -> dict[tuple[str, str], int]:
    """Require that the finished text holds the intended data: no value changed the structure.

    Returns the line on which each entry of each section starts.
    """
    node = compose_yaml(text, template, code="SW103")
    if template_data(node, template) != expected:
        raise TemplateError.of(
            "SW199",
            "the written template differs from the intended data; this is a defect of the renderer",
            Location(template, 1),
            hint="please report it with the template and the parameters",
        )
    top = node.value if isinstance(node, yaml.MappingNode) else []
    sections = [(key.value, value) for key, value in top if isinstance(value, yaml.MappingNode)]
    return {
        (name, key.value): key.start_mark.line + 1
        for name, section in sections
        for key, _ in section.value
    }


class _Writer:
    """Walks the nodes once: collects their data, and the text that replaces each scalar with
    tokens."""

    def __init__(self, text: str, printed: Sequence[Printed], *, json_style: bool) -> None:
        self._text = text
        self._printed = printed
        self._json = json_style
        self._replacements: list[TextReplacement] = []
        self.problems: list[Problem] = []

    def write(self, node: yaml.Node, place: _Place) -> Any:
        """Return the data of ``node`` with its values, intrinsics in long form."""
        substituted = node.tag == "!Sub" or place.substituted
        if isinstance(node, yaml.ScalarNode):
            data = self._write_scalar(
                node, _Place(substituted, place.flow, place.column, place.is_key, place.is_item)
            )
        elif isinstance(node, yaml.SequenceNode):
            data = self._write_sequence(node, substituted, place.flow)
        elif isinstance(node, yaml.MappingNode):
            data = self._write_mapping(node, place.flow)
        else:
            raise TypeError(type(node))
        if node.tag.startswith("!") and node.tag != "!":
            return long_intrinsic(node.tag[1:], data)
        return data

    def _write_sequence(self, node: yaml.SequenceNode, substituted: bool, flow: bool) -> list[Any]:
        inside = flow or bool(node.flow_style)
        return [
            self.write(
                item,
                _Place(substituted and index == 0, inside, item.start_mark.column, is_item=True),
            )
            for index, item in enumerate(node.value)
        ]

    def _write_mapping(self, node: yaml.MappingNode, flow: bool) -> dict[str, Any]:
        inside = flow or bool(node.flow_style)
        data: dict[Any, Any] = {}
        for name, key, item in mapping_entries(node, "", "SW104"):
            written = self._write_key(key, inside) if OPEN in name else name
            if OPEN not in name:
                self._escape_scalar(key, _Place(flow=inside, column=key.start_mark.column))
            if written in data:
                raise InputError.of(
                    "SW104",
                    f"duplicate key {written!r}",
                    Location("", key.start_mark.line + 1),
                )
            data[written] = self.write(
                item, _Place(name == "Fn::Sub", inside, key.start_mark.column)
            )
        return data

    def _write_key(self, node: yaml.ScalarNode, flow: bool) -> str:
        written = str(self._write_scalar(node, _Place(flow=flow, is_key=True)))
        if is_intrinsic(written):
            item = self._printed[int(TOKEN.findall(node.value)[0])]
            self._report("SW107", f"{_name(item)} makes the key {written}", item, INTRINSIC_HINT)
        return written

    def _write_scalar(self, node: yaml.ScalarNode, place: _Place) -> Any:
        if OPEN not in node.value:
            self._escape_scalar(node, place)
            return scalar_data(node, "")
        whole = TOKEN.fullmatch(node.value)
        if whole and not node.style and not place.is_key:
            return self._write_value(node, self._printed[int(whole.group(1))], place)
        return self._write_text(node, place)

    def _escape_scalar(self, node: yaml.ScalarNode, place: _Place) -> None:
        """Write an author's scalar again where it has a character beyond ASCII."""
        source = self._text[node.start_mark.index : node.end_mark.index]
        if source.isascii() or node.value.isascii():
            return
        if node.style in ("|", ">"):
            self._write_escaped_block(node, node.value, place, [])
        else:
            self._replace(node, self._double_quoted(node.value), [])

    def _write_value(self, node: yaml.ScalarNode, item: Printed, place: _Place) -> Any:
        """Write a value that is the whole of a plain scalar, which keeps its type."""
        if isinstance(item.value, str):
            return self._write_text(node, place)
        tagged = node.tag.startswith("!")
        if (tagged or place.substituted) and (
            item.value is None or isinstance(item.value, list | dict)
        ):
            function = node.tag if tagged else "Fn::Sub"
            self._report(
                "SW106",
                f"{_name(item)} must be text after {function}, not {_kind(item.value)}",
                item,
            )
            return None
        written = (
            self._format_collection(item.value, place)
            if isinstance(item.value, list | dict)
            else number_text(item.value)
        )
        self._replace(node, written, [item])
        return str(written) if tagged else strip_provenance(item.value)

    def _format_collection(self, value: Any, place: _Place) -> str:
        if place.flow or self._json or not value:
            return flow_style(value, json_style=self._json)
        column = place.column if place.is_item else place.column + 2
        block = yaml.dump(
            strip_provenance(value),
            Dumper=BlockDumper,
            sort_keys=False,
            width=float("inf"),
        ).rstrip("\n")
        text = block.replace("\n", "\n" + " " * column)
        return text if place.is_item else "\n" + " " * column + text

    def _write_text(self, node: yaml.ScalarNode, place: _Place) -> str:
        """Write a scalar of text and values, which is text."""
        items = [self._printed[int(number)] for number in TOKEN.findall(node.value)]
        before = len(self.problems)
        pieces = list(self._split(node.value, items))
        if len(self.problems) > before:
            return ""
        text = "".join([piece for piece, _ in pieces])
        if REFERENCE in text:
            self._refuse_references(pieces, items[0])
        final = None
        if place.substituted and "{" in text:
            final = escape_substitutions(pieces)
            text = "".join(final)
        if node.style in ("|", ">"):
            self._write_block(node, pieces, final or [piece for piece, _ in pieces], place, items)
        else:
            self._replace(node, self._quote(node, text, flow=place.flow), items)
        return text

    def _split(self, value: str, items: Sequence[Printed]) -> Iterator[tuple[str, bool]]:
        """Yield the author's pieces and the values in turn, and whether each must stay literal in
        Fn::Sub."""
        queue = iter(items)
        for index, part in enumerate(TOKEN.split(value)):
            if index % 2 == 0:
                yield part, False
                continue
            item = next(queue)
            if item.value is None or isinstance(item.value, list | dict):
                self._report(
                    "SW106",
                    f"{_name(item)} is {_kind(item.value)} inside a text",
                    item,
                    _text_hint(item),
                )
                yield "", True
            else:
                yield (
                    item.value if isinstance(item.value, str) else number_text(item.value),
                    not item.live,
                )

    def _refuse_references(self, pieces: Sequence[tuple[str, bool]], item: Printed) -> None:
        live = sum(piece.count(REFERENCE) for piece, literal in pieces if not literal)
        if "".join(piece for piece, _ in pieces).count(REFERENCE) > live:
            message = f"{_name(item)} contains '{REFERENCE}', "
            message += "which CloudFormation would replace when it deploys"
            self._report("SW107", message, item, REFERENCE_HINT)

    def _quote(self, node: yaml.ScalarNode, text: str, *, flow: bool) -> str:
        if not node.style and not self._json and is_plain_word(text, flow=flow):
            return text
        plain = text.isascii() and not UNPRINTABLE.search(text) and text == text.strip()
        if self._json or node.style == '"' or not plain:
            return self._double_quoted(text)
        return single_quoted(text)

    def _double_quoted(self, text: str) -> str:
        return double_quoted(text, json_style=self._json)

    def _write_block(
        self,
        node: yaml.ScalarNode,
        pieces: Sequence[tuple[str, bool]],
        final: Sequence[str],
        place: _Place,
        items: Sequence[Printed],
    ) -> None:
        """Write a block scalar, as a block where possible: a diff then shows only the changed
        line."""
        values = final[1::2]
        start, end = node.start_mark.index, node.end_mark.index
        if not "".join(final).isascii():
            self._write_escaped_block(node, "".join(final), place, items)
            return
        simple = all(
            value and value == value.strip() and not UNPRINTABLE.search(value) for value in values
        )
        if not simple or list(final[::2]) != [piece for piece, _ in pieces[::2]]:
            self._replace(
                node,
                double_quoted("".join(final)) + "\n" * self._text[start:end].endswith("\n"),
                items,
            )
            return
        for match, value, item in zip(
            TOKEN.finditer(self._text, start, end), values, items, strict=True
        ):
            self._replacements.append(
                TextReplacement(match.start(), match.end(), value, item.parameters)
            )

    def _write_escaped_block(
        self, node: yaml.ScalarNode, text: str, place: _Place, items: Sequence[Printed]
    ) -> None:
        """Write a block scalar in double quotes: a block has no escapes."""
        end = "\n" * self._text[node.start_mark.index : node.end_mark.index].endswith("\n")
        self._replace(node, double_quoted_lines(text, place.column + 2) + end, items)

    def _replace(self, node: yaml.ScalarNode, written: str, items: Sequence[Printed]) -> None:
        start, end = node.start_mark.index, node.end_mark.index
        if self._text[start] in "!&":
            prefix = _PREFIX.match(self._text[start:end])
            start += len(prefix[0]) if prefix else 0
        parameters = tuple(dict.fromkeys([path for item in items for path in item.parameters]))
        self._replacements.append(TextReplacement(start, end, written, parameters))

    def _report(self, code: str, message: str, item: Printed, hint: str = "") -> None:
        self.problems.append(Problem(code, message, item.origin, hint))

    def list_replacements(self) -> list[TextReplacement]:
        """Return the replacements of scalars, and of values in comments, which are put on one
        line."""
        done = sorted(self._replacements, key=lambda replacement: replacement.start)
        starts = [replacement.start for replacement in done]
        for match in TOKEN.finditer(self._text):
            index = bisect_right(starts, match.start()) - 1
            if index >= 0 and match.start() < done[index].end:
                continue
            item = self._printed[int(match.group(1))]
            shown = (
                item.value if isinstance(item.value, str) else json.dumps(item.value, default=str)
            )
            comment = " ".join(UNPRINTABLE.sub(" ", shown).split())
            self._replacements.append(
                TextReplacement(match.start(), match.end(), comment, item.parameters)
            )
        return sorted(self._replacements, key=lambda replacement: replacement.start)


def is_intrinsic(key: str) -> bool:
    """Return whether a map with this only key is an intrinsic function."""
    return key == "Ref" or key.startswith("Fn::")


def _name(item: Printed) -> str:
    return dotted(item.parameters[0]) if item.parameters else "the printed value"


def _kind(value: Any) -> str:
    return "null" if value is None else "a list" if isinstance(value, list) else "a map"


def _text_hint(item: Printed) -> str:
    if item.value is None:
        return "give it a value, or write {% if … is not none %} around the line"
    return "join a list with | join(','), or print it alone as the whole value"
