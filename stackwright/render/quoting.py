"""Values as YAML: quoted so that YAML 1.1 and 1.2 both read the same value.

CloudFormation's own tools read YAML 1.1, editors read YAML 1.2; a text that either of them would
take for another type is quoted.

Everything is ASCII: GetTemplate answers a question mark for each other character
(`cfn.replace_non_ascii`), so that a deployed template could not be compared with its source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import yaml

from ..core import core_scalar

_SAFE = r"A-Za-z0-9_./+@=*%()\-"
_FLOW_WORD = re.compile(rf"[A-Za-z0-9_./](?:[{_SAFE}]|:(?=[{_SAFE}])| (?=[{_SAFE}]))*")
_BLOCK_WORD = re.compile(
    rf"""[A-Za-z0-9_./](?:[{_SAFE},;'"|&?!<>~^$]|:(?=[{_SAFE}])| (?=[{_SAFE},;'"|&?!<>~^$]))*"""
)
_NUMERIC = re.compile(r"[-+]?(0[xob])?[0-9][0-9_.:eE+-]*|[yYnN]|\.[A-Za-z0-9]+")
_ESCAPED = re.compile("[^\x00-\x7e]")
_EXPONENT = re.compile(r'"(?:[^"\\]|\\.)*"|[0-9]+\.[0-9]+|([0-9]+)e')
_RESOLVERS = yaml.SafeLoader.yaml_implicit_resolvers
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""Characters that a scalar holds only as escapes."""


def is_plain_word(text: str, *, flow: bool = False) -> bool:
    """Return whether ``text``, unquoted, is that same text in YAML 1.1 and in YAML 1.2."""
    if (
        not (_FLOW_WORD if flow else _BLOCK_WORD).fullmatch(text)
        or _NUMERIC.fullmatch(text)
        or not isinstance(core_scalar(text), str)
    ):
        return False
    return not any(pattern.match(text) for _, pattern in _RESOLVERS.get(text[0], ()))


def single_quoted(text: str) -> str:
    """Return a single-quoted scalar; ``text`` has no line break."""
    return "'" + text.replace("'", "''") + "'"


def double_quoted(text: str, *, json_style: bool = False) -> str:
    """Return a double-quoted scalar on one line, for YAML or with ``json_style`` for JSON."""
    return _dump(text, json_style)


def double_quoted_lines(text: str, column: int) -> str:
    """Return a double-quoted scalar of YAML with a line for each line of ``text``, indented by
    ``column``: a diff then shows only the changed line.

    A backslash at the end of a line escapes its line break; one at the beginning keeps the blanks
    that follow. Source: https://yaml.org/spec/1.1/#id905860
    """
    lines = [double_quoted(line)[1:-1] for line in text.splitlines(keepends=True)]
    if len(lines) < 2:
        return double_quoted(text)
    kept = [f"\\{line}" if line.startswith(" ") else line for line in lines]
    joint = "\\\n" + " " * column
    return f'"{joint}{joint.join(kept)}"'


def flow_style(value: Any, *, json_style: bool = False) -> str:
    """Return a list or map in flow style, for YAML or with ``json_style`` for JSON.

    ``1e-09`` is written ``1.0e-09``: YAML 1.1 reads a number without a fraction as text.
    """
    text = _dump(value, json_style)
    return _EXPONENT.sub(lambda match: f"{match[1]}.0e" if match[1] else match[0], text)


def _dump(value: Any, json_style: bool) -> str:
    return escape_non_ascii(json.dumps(value, ensure_ascii=False), json_style=json_style)


def escape_non_ascii(text: str, *, json_style: bool = False) -> str:
    """Return a text with escapes in place of DEL and all characters beyond ASCII.

    In JSON a character beyond U+FFFF stays: its escape there is a pair, which YAML refuses.
    """

    def escape(match: re.Match[str]) -> str:
        code = ord(match[0])
        if code > 0xFFFF:
            return match[0] if json_style else f"\\U{code:08x}"
        return f"\\u{code:04x}"

    return _ESCAPED.sub(escape, text)


def number_text(value: Any) -> str:
    """Return a number, true, false or null in a form that YAML 1.1 and 1.2 both read."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = repr(float(value)) if isinstance(value, float) else str(int(value))
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def escape_substitutions(pieces: Sequence[tuple[str, bool]]) -> list[str]:
    """Return the pieces of a text for Fn::Sub: a ``${`` that a value has a part in becomes ``${!``,
    which stays literal.

    Each piece is text and whether it must stay literal. Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-sub.html
    """
    escaped: list[str] = []
    dollar, dollar_literal = False, False
    for piece, literal in pieces:
        characters: list[str] = []
        for character in piece:
            characters.append(character)
            if character == "{" and dollar and (literal or dollar_literal):
                characters.append("!")
            dollar, dollar_literal = character == "$", literal
        escaped.append("".join(characters))
    return escaped


class BlockDumper(yaml.SafeDumper):
    """Block style with indented lists; quotes texts that YAML 1.1 or 1.2 would read as another
    type."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML passes it
        """Indent lists below their key."""
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = None if is_plain_word(value) else '"' if UNPRINTABLE.search(value) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


BlockDumper.add_representer(str, _represent_text)
