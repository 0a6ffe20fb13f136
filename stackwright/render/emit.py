"""Rendered text with held-out values to the final text: each value quoted for the place where it
stands.

The text is parsed while every value is a token, so keys, tags, quotes and comments are the author's
alone. Then each scalar that holds tokens is written again with its values; the finished text is
parsed once more and must hold exactly the intended data. YAML 1.1 is what CloudFormation's own
tools read, YAML 1.2 what editors read: a text that either would take for another type is quoted.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from msgspec import Struct

from ..core import (
    InputError,
    Line,
    Location,
    ParameterPath,
    Problem,
    TemplateError,
    compose_yaml,
    core_scalar,
    dotted,
    long_intrinsic,
    mapping_entries,
    refuse_aliases,
    scalar_data,
    template_data,
)
from .text import OPEN, TOKEN, Origin, Printed

_PREFIX = re.compile(r"(?:[!&][^\s]*\s+)*")
_SAFE = r"A-Za-z0-9_./+@=*%()\-"
_FLOW_WORD = re.compile(rf"[A-Za-z0-9_./](?:[{_SAFE}]|:(?=[{_SAFE}])| (?=[{_SAFE}]))*")
_BLOCK_WORD = re.compile(
    rf"""[A-Za-z0-9_./](?:[{_SAFE},;'"|&?!<>~^$]|:(?=[{_SAFE}])| (?=[{_SAFE},;'"|&?!<>~^$]))*"""
)
_NUMERIC = re.compile(r"[-+]?(0[xob])?[0-9][0-9_.:eE+-]*|[yYnN]|\.[A-Za-z0-9]+")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff\ue000-\ue002]")
REFERENCE = "{{resolve:"
"""How a dynamic reference begins."""
REFERENCE_HINT = "print references with dynref(...) in the template"
INTRINSIC_HINT = "write intrinsic functions in the template; a parameter is data"
_RESOLVERS = yaml.SafeLoader.yaml_implicit_resolvers


class Emitted(Struct, frozen=True):
    """A finished template: its text, its data, and where each line came from."""

    text: str
    body: Any
    lines: tuple[Line, ...]
    starts: Mapping[tuple[str, str], int]


class _Replacement(Struct, frozen=True):
    start: int
    end: int
    text: str
    parameters: tuple[ParameterPath, ...]


class _Place(Struct, frozen=True):
    """What surrounds a scalar: Fn::Sub, flow style, the column of its key, whether it is a key or a
    list item."""

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
    """Put the values in; raises TemplateError at the template line of whatever is not a
    template."""
    text = "\n".join(line for line, _ in lines)
    is_json = text.lstrip().startswith("{")
    if is_json:
        text = text.replace("\t", "  ")
    origins = [origin for _, origin in lines]
    try:
        node = compose_yaml(text, template, code="SW103")
        if not isinstance(node, yaml.MappingNode):
            raise InputError.of(
                "SW105", "the template renders to no map of sections", Location(template, 1)
            )
        refuse_aliases(text, template)
        writer = _Writer(text, printed, json_style=is_json)
        expected = writer.value(node, _Place())
    except InputError as error:
        raise TemplateError(_at_source(error, origins, template)) from None
    if writer.problems:
        raise TemplateError(writer.problems)
    written = _written(text, writer.all_replacements())
    shaped = list(written) if is_json else _shaped(written, _Layout.of(node))
    top = [] if is_json else header
    final = "\n".join([*top, *(line for line, _, _ in shaped)]).rstrip("\n") + "\n"
    first = Line((Location(template, 1),))
    sources = (
        *(first for _ in top),
        *(Line(origins[source], parameters) for _, source, parameters in shaped),
    )
    try:
        if template.endswith(".json.j2"):
            _require_json(final, template)
        starts = _verified(final, expected, template)
    except InputError as error:
        raise TemplateError(
            _at_source(error, [each.origin for each in sources], template)
        ) from None
    return Emitted(final, expected, sources, starts)


def _at_source(error: InputError, origins: Sequence[Origin], template: str) -> list[Problem]:
    """The problems with output lines turned into template lines."""
    moved = []
    for problem in error.problems:
        where: list[Location] = []
        for at in problem.where:
            where += (
                origins[at.line - 1] if 0 < at.line <= len(origins) else (Location(template, 1),)
            )
        clean = TOKEN.sub("{{ … }}", problem.message)
        moved.append(Problem(problem.code, clean, tuple(dict.fromkeys(where)), problem.hint))
    return moved


def _require_json(text: str, template: str) -> None:
    """YAML allows more than JSON does, such as a comma behind the last item."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError.of(
            "SW103", f"not valid JSON: {error.msg}", Location(template, error.lineno)
        ) from None


def _verified(text: str, expected: Any, template: str) -> dict[tuple[str, str], int]:
    """Hold the finished text against the intended data: the proof that no value changed the
    structure.

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
    """Walks the nodes once: the data they mean, and the text that must replace each scalar with
    tokens."""

    def __init__(self, text: str, printed: Sequence[Printed], *, json_style: bool) -> None:
        self._text = text
        self._printed = printed
        self._json = json_style
        self._replacements: list[_Replacement] = []
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, place: _Place) -> Any:
        """The data of ``node`` with its values, intrinsics in long form."""
        substituted = node.tag == "!Sub" or place.substituted
        if isinstance(node, yaml.ScalarNode):
            data = self._scalar(
                node, _Place(substituted, place.flow, place.column, place.is_key, place.is_item)
            )
        elif isinstance(node, yaml.SequenceNode):
            data = self._sequence(node, substituted, place.flow)
        elif isinstance(node, yaml.MappingNode):
            data = self._mapping(node, place.flow)
        else:
            raise TypeError(type(node))
        if node.tag.startswith("!") and node.tag != "!":
            return long_intrinsic(node.tag[1:], data)
        return data

    def _sequence(self, node: yaml.SequenceNode, substituted: bool, flow: bool) -> list[Any]:
        inside = flow or bool(node.flow_style)
        return [
            self.value(
                item,
                _Place(substituted and index == 0, inside, item.start_mark.column, is_item=True),
            )
            for index, item in enumerate(node.value)
        ]

    def _mapping(self, node: yaml.MappingNode, flow: bool) -> dict[str, Any]:
        inside = flow or bool(node.flow_style)
        data: dict[Any, Any] = {}
        for name, key, item in mapping_entries(node, "", "SW104"):
            written = self._key(key, inside) if OPEN in name else name
            if written in data:
                raise InputError.of(
                    "SW104",
                    f"duplicate key {written!r}",
                    Location("", key.start_mark.line + 1),
                )
            data[written] = self.value(
                item, _Place(name == "Fn::Sub", inside, key.start_mark.column)
            )
        return data

    def _key(self, node: yaml.ScalarNode, flow: bool) -> str:
        written = str(self._scalar(node, _Place(flow=flow, is_key=True)))
        if is_intrinsic(written):
            item = self._printed[int(TOKEN.findall(node.value)[0])]
            self._problem("SW107", f"{_name(item)} makes the key {written}", item, INTRINSIC_HINT)
        return written

    def _scalar(self, node: yaml.ScalarNode, place: _Place) -> Any:
        if OPEN not in node.value:
            return scalar_data(node, "")
        whole = TOKEN.fullmatch(node.value)
        if whole and not node.style and not place.is_key:
            return self._whole(node, self._printed[int(whole.group(1))], place)
        return self._mixed(node, place)

    def _whole(self, node: yaml.ScalarNode, item: Printed, place: _Place) -> Any:
        """A value that is the whole of a plain scalar keeps its type."""
        if isinstance(item.value, str):
            return self._mixed(node, place)
        tagged = node.tag.startswith("!")
        if (tagged or place.substituted) and (
            item.value is None or isinstance(item.value, list | dict)
        ):
            function = node.tag if tagged else "Fn::Sub"
            self._problem(
                "SW106",
                f"{_name(item)} must be text after {function}, not {_kind(item.value)}",
                item,
            )
            return None
        written = (
            self._collection(item.value, place)
            if isinstance(item.value, list | dict)
            else number_text(item.value)
        )
        self._replace(node, written, [item])
        return str(written) if tagged else strip_provenance(item.value)

    def _collection(self, value: Any, place: _Place) -> str:
        if place.flow or self._json or not value:
            return flow_style(value)
        column = place.column if place.is_item else place.column + 2
        block = yaml.dump(
            strip_provenance(value),
            Dumper=BlockDumper,
            sort_keys=False,
            width=float("inf"),
            allow_unicode=True,
        ).rstrip("\n")
        text = block.replace("\n", "\n" + " " * column)
        return text if place.is_item else "\n" + " " * column + text

    def _mixed(self, node: yaml.ScalarNode, place: _Place) -> str:
        """Text with values in it is always text."""
        items = [self._printed[int(number)] for number in TOKEN.findall(node.value)]
        before = len(self.problems)
        pieces = list(self._pieces(node.value, items))
        if len(self.problems) > before:
            return ""
        text = "".join([piece for piece, _ in pieces])
        if REFERENCE in text:
            self._refuse_references(pieces, items[0])
        final = None
        if place.substituted and "{" in text:
            final = sub_pieces(pieces)
            text = "".join(final)
        if node.style in ("|", ">"):
            self._write_block(node, pieces, final or [piece for piece, _ in pieces], items)
        else:
            self._replace(node, self._quoted(node, text, flow=place.flow), items)
        return text

    def _pieces(self, value: str, items: Sequence[Printed]) -> Iterator[tuple[str, bool]]:
        """The scalar's text, author's pieces and values in turn; True marks what must stay literal
        in Fn::Sub."""
        queue = iter(items)
        for index, part in enumerate(TOKEN.split(value)):
            if index % 2 == 0:
                yield part, False
                continue
            item = next(queue)
            if item.value is None or isinstance(item.value, list | dict):
                self._problem(
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
            message = f"{_name(item)} contains '{REFERENCE}', which CloudFormation would replace when it deploys"
            self._problem("SW107", message, item, REFERENCE_HINT)

    def _quoted(self, node: yaml.ScalarNode, text: str, *, flow: bool) -> str:
        if not node.style and not self._json and is_word(text, flow=flow):
            return text
        if self._json or node.style == '"' or _UNPRINTABLE.search(text) or text != text.strip():
            return double_quoted(text)
        return single_quoted(text)

    def _write_block(
        self,
        node: yaml.ScalarNode,
        pieces: Sequence[tuple[str, bool]],
        final: Sequence[str],
        items: Sequence[Printed],
    ) -> None:
        """A block scalar stays one where it can, so that a review shows only the line that
        changed."""
        values = final[1::2]
        start, end = node.start_mark.index, node.end_mark.index
        simple = all(
            value and value == value.strip() and not _UNPRINTABLE.search(value) for value in values
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
                _Replacement(match.start(), match.end(), value, item.parameters)
            )

    def _replace(self, node: yaml.ScalarNode, written: str, items: Sequence[Printed]) -> None:
        start, end = node.start_mark.index, node.end_mark.index
        if self._text[start] in "!&":
            prefix = _PREFIX.match(self._text[start:end])
            start += len(prefix[0]) if prefix else 0
        parameters = tuple(dict.fromkeys([path for item in items for path in item.parameters]))
        self._replacements.append(_Replacement(start, end, written, parameters))

    def _problem(self, code: str, message: str, item: Printed, hint: str = "") -> None:
        self.problems.append(Problem(code, message, item.origin, hint))

    def all_replacements(self) -> list[_Replacement]:
        """Those of the scalars, and of what is left: values in comments, on one line."""
        done = sorted(self._replacements, key=lambda each: each.start)
        starts = [each.start for each in done]
        for match in TOKEN.finditer(self._text):
            index = bisect_right(starts, match.start()) - 1
            if index >= 0 and match.start() < done[index].end:
                continue
            item = self._printed[int(match.group(1))]
            shown = (
                item.value if isinstance(item.value, str) else json.dumps(item.value, default=str)
            )
            comment = " ".join(_UNPRINTABLE.sub(" ", shown).split())
            self._replacements.append(
                _Replacement(match.start(), match.end(), comment, item.parameters)
            )
        return sorted(self._replacements, key=lambda each: each.start)


def is_intrinsic(key: str) -> bool:
    """Whether a map with this key is an intrinsic function to CloudFormation."""
    return key == "Ref" or key.startswith("Fn::")


def sub_pieces(pieces: Sequence[tuple[str, bool]]) -> list[str]:
    """The pieces for Fn::Sub: a ``${`` that a value has a part in becomes ``${!``, which stays
    literal.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-sub.html
    """
    result: list[str] = []
    dollar, dollar_literal = False, False
    for piece, literal in pieces:
        chars: list[str] = []
        for char in piece:
            chars.append(char)
            if char == "{" and dollar and (literal or dollar_literal):
                chars.append("!")
            dollar, dollar_literal = char == "$", literal
        result.append("".join(chars))
    return result


def is_word(text: str, *, flow: bool = False) -> bool:
    """Whether ``text`` is text, and the same text, as a plain scalar of YAML 1.1 and of YAML
    1.2."""
    if (
        not (_FLOW_WORD if flow else _BLOCK_WORD).fullmatch(text)
        or _NUMERIC.fullmatch(text)
        or not isinstance(core_scalar(text), str)
    ):
        return False
    return not any(pattern.match(text) for _, pattern in _RESOLVERS.get(text[0], ()))


def single_quoted(text: str) -> str:
    """A single-quoted scalar; the text has no line break."""
    return "'" + text.replace("'", "''") + "'"


def double_quoted(text: str) -> str:
    """A double-quoted scalar on one line, valid in YAML and JSON."""
    return escape_json(json.dumps(text, ensure_ascii=False))


_EXPONENT = re.compile(r'"(?:[^"\\]|\\.)*"|[0-9]+\.[0-9]+|([0-9]+)e')


def flow_style(value: Any) -> str:
    """A list or map in flow style, valid in JSON; YAML 1.1 takes ``1e-09`` for text, so a fraction
    is written."""
    text = json.dumps(value, ensure_ascii=False)
    return escape_json(
        _EXPONENT.sub(lambda found: f"{found[1]}.0e" if found[1] else found[0], text)
    )


def escape_json(text: str) -> str:
    """JSON text with the characters escaped that YAML cannot hold."""
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def number_text(value: Any) -> str:
    """A number, true, false or null as YAML 1.1 and 1.2 both read it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = repr(float(value)) if isinstance(value, float) else str(int(value))
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def strip_provenance(value: Any) -> Any:
    """The value without the subclasses that carry provenance."""
    if isinstance(value, Mapping):
        return {str(key): strip_provenance(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strip_provenance(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return (
        str(value)
        if isinstance(value, str)
        else float(value)
        if isinstance(value, float)
        else int(value)
    )


class BlockDumper(yaml.SafeDumper):
    """Block style with indented lists; quotes what YAML 1.1 or 1.2 would read as another type."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML passes it
        """Indent lists below their key."""
        super().increase_indent(flow, False)


def _text_node(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = None if is_word(value) else '"' if _UNPRINTABLE.search(value) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


BlockDumper.add_representer(str, _text_node)


def _written(
    text: str, replacements: Sequence[_Replacement]
) -> Iterator[tuple[str, int, tuple[ParameterPath, ...]]]:
    """The lines with the replacements made: text, index of the source line, parameters printed on
    it."""
    current, source = "", 0
    parameters: dict[ParameterPath, None] = {}
    here, cursor = 0, 0
    for each in [*replacements, _Replacement(len(text), len(text), "", ())]:
        for is_new, part in ((False, text[cursor : each.start]), (True, each.text)):
            if is_new:
                parameters |= dict.fromkeys(each.parameters)
            for index, piece in enumerate(part.split("\n")):
                if index:
                    yield current, source, tuple(parameters)
                    here += 0 if is_new else 1
                    parameters = dict.fromkeys(each.parameters) if is_new else {}
                    current, source = "", here
                current += piece
        here += text.count("\n", each.start, each.end)
        if each.text.endswith(
            "\n"
        ):  # it stands for whole lines: what follows begins a line of the source
            source, parameters = here, {}
        cursor = each.end
    yield current, source, tuple(parameters)


@dataclass(slots=True)
class _Layout:
    """Source lines that matter for blank lines: sections, resources, and the insides of multi-line
    scalars."""

    sections: set[int] = field(default_factory=set)
    resources: set[int] = field(default_factory=set)
    inside: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, root: yaml.MappingNode) -> _Layout:
        layout = cls()
        for key, value in root.value:
            layout.sections.add(key.start_mark.line)
            if (
                key.value == "Resources"
                and isinstance(value, yaml.MappingNode)
                and not value.flow_style
            ):
                layout.resources |= {name.start_mark.line for name, _ in value.value[1:]}
        layout._scalars(root)
        return layout

    def _scalars(self, node: yaml.Node) -> None:
        if isinstance(node, yaml.ScalarNode):
            first, last = node.start_mark.line, node.end_mark.line
            if last > first:
                self.inside.update(range(first + 1, last + (node.style not in ("|", ">"))))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._scalars(key)
                self._scalars(value)
        else:
            for item in node.value:
                self._scalars(item)


_Shaped = tuple[str, int, tuple[ParameterPath, ...]]


def _shaped(lines: Iterator[_Shaped], layout: _Layout) -> list[_Shaped]:
    """One blank line before each section and resource (and the comment above it), no other outside
    of scalars."""
    kept: list[_Shaped] = []
    previous = -1
    for text, source, parameters in lines:
        if source in layout.inside:
            kept.append((text, source, parameters))
        elif text.strip():
            starts = source != previous and source in (layout.sections | layout.resources)
            if starts and kept:
                _break_above(kept, len(text) - len(text.lstrip()), layout)
            kept.append((text.rstrip(), source, parameters))
        previous = source
    return kept


def _break_above(kept: list[_Shaped], indent: int, layout: _Layout) -> None:
    place = len(kept)
    while (
        place and _is_comment(kept[place - 1], indent) and kept[place - 1][1] not in layout.inside
    ):
        place -= 1
    if place and kept[place - 1][0]:
        kept.insert(place, ("", kept[place][1] if place < len(kept) else kept[place - 1][1], ()))


def _is_comment(line: _Shaped, indent: int) -> bool:
    return line[0].startswith(" " * indent + "#")


def _name(item: Printed) -> str:
    return dotted(item.parameters[0]) if item.parameters else "the printed value"


def _kind(value: Any) -> str:
    return "null" if value is None else "a list" if isinstance(value, list) else "a map"


def _text_hint(item: Printed) -> str:
    if item.value is None:
        return "give it a value, or write {% if … is not none %} around the line"
    return "join a list with | join(','), or print it alone as the whole value"
