"""YAML and JSON text to nodes that know their place, and nodes to plain data.

Two readings of the same text are needed: parameters follow YAML 1.2 (``no`` is a word, ``0123`` is
text), templates follow what CloudFormation and cfn-lint read (YAML 1.1 with short-form intrinsics).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from .errors import InputError
from .model import Location

MAX_DEPTH = 64
"""Deeper nesting is refused: libyaml's composer is recursive and would exhaust the C stack."""
MAX_ALIASED_NODES = 100_000
"""How many nodes a document may have once its aliases are expanded, beyond those that it spells
out."""

_UNTAGGED = "?"
_YAML_1_1: Any = yaml.SafeLoader.yaml_implicit_resolvers
"""First character -> (tag, pattern) of the plain scalars that YAML 1.1 takes for another type than
text."""


class _Loader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    """Leaves plain scalars untyped, and tells them from those with the tag ``!!str``."""

    DEFAULT_SCALAR_TAG = _UNTAGGED


# YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema), but a number with a leading
# zero stays text, as in its JSON schema: twelve digits are an account, not a number.
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)?\.?[0-9]+([eE][-+]?[0-9]+)?")
_RISKY = re.compile(r"[\[{]")


def compose_yaml(text: str, path: str, *, code: str = "SW003") -> yaml.Node | None:
    """The root node of ``text``, or None where it holds nothing; plain scalars have no type yet.

    Raises InputError at the line of the first syntax error, or where nesting is deeper than
    `MAX_DEPTH`.
    """
    try:
        if _may_be_deep(text):
            _refuse_depth(text, path, code)
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, path, code) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise _character_error(error, text, path, code) from None


def _syntax_error(error: yaml.MarkedYAMLError, text: str, path: str, code: str) -> InputError:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    lines = text.splitlines()
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    hint = ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())] or "'\\t'" in str(error.problem):
        hint = "indent with spaces: YAML does not allow tabs there"
    elif "mapping values are not allowed" in str(error.problem):
        hint = "quote a value that contains ': '"
    message = f"not valid YAML: {error.problem}" + (f" ({error.context})" if error.context else "")
    return InputError.of(
        code, message, Location(path, line, mark.column + 1 if mark else 0), hint=hint
    )


def _character_error(error: yaml.YAMLError, text: str, path: str, code: str) -> InputError:
    bad = next((i for i, c in enumerate(text) if c < " " and c not in "\t\n\r"), None)
    line = text.count("\n", 0, bad) + 1 if bad is not None else 0
    return InputError.of(
        code, f"not valid YAML: {str(error).splitlines()[0]}", Location(path, line)
    )


def _may_be_deep(text: str) -> bool:
    if len(_RISKY.findall(text)) > MAX_DEPTH:
        return True
    widest = max((len(line) - len(line.lstrip(" -?")) for line in text.splitlines()), default=0)
    return widest > MAX_DEPTH


def _refuse_depth(text: str, path: str, code: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise InputError.of(
                code,
                f"nested deeper than {MAX_DEPTH} levels",
                Location(path, event.start_mark.line + 1 if event.start_mark else 0),
                hint="flatten it; no CloudFormation template needs this",
            )


def node_location(node: yaml.Node, path: str) -> Location:
    """Where a node starts."""
    return Location(path, node.start_mark.line + 1, node.start_mark.column + 1)


def mapping_entries(
    node: yaml.MappingNode, path: str, code: str = "SW004"
) -> Iterator[tuple[str, yaml.ScalarNode, yaml.Node]]:
    """The key text, key node and value node of each entry; raises InputError on duplicate and
    non-scalar keys."""
    seen: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise InputError.of(
                "SW003", "a key must be a word, not a list or a map", node_location(key, path)
            )
        if key.value in seen:
            raise InputError.of(
                code,
                f"the key {key.value!r} stands twice in the same map",
                node_location(key, path),
                node_location(seen[key.value], path),
                hint="keep one of the two; YAML would silently take the last",
            )
        seen[key.value] = key
        yield key.value, key, value


class ParameterData:
    """Plain data of a parameters file by the rules of YAML 1.2, and the location of every key and
    item."""

    def __init__(self, node: yaml.Node | None, path: str) -> None:
        self.path = path
        self.locations: dict[tuple[str | int, ...], Location] = {}
        self._ancestors: list[int] = []
        self._seen: set[int] = set()
        self._repeated = 0
        self.data: Any = {} if node is None else self._value(node, ())
        if not isinstance(self.data, dict):
            raise InputError.of(
                "SW003", "the file must hold a map of parameters", Location(path, 1)
            )

    def _value(self, node: yaml.Node, at: tuple[str | int, ...]) -> Any:
        self.locations.setdefault(at, node_location(node, self.path))
        self._count(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._ancestors:
            raise InputError.of(
                "SW006", "an alias that contains itself", node_location(node, self.path)
            )
        if not node.tag.startswith("tag:yaml.org,2002:"):
            raise self._tag_error(node)
        self._ancestors.append(id(node))
        value: Any = (
            self._mapping(node, at)
            if isinstance(node, yaml.MappingNode)
            else self._sequence(node, at)
        )
        self._ancestors.pop()
        return value

    def _count(self, node: yaml.Node) -> None:
        if id(node) not in self._seen:
            self._seen.add(id(node))
            return
        self._repeated += 1
        if self._repeated > MAX_ALIASED_NODES:
            raise InputError.of(
                "SW006",
                f"aliases expand to more than {MAX_ALIASED_NODES:,} values",
                node_location(node, self.path),
                hint="write the values out, or remove the aliases (*name) of aliases",
            )

    def _sequence(self, node: yaml.Node, at: tuple[str | int, ...]) -> list[Any]:
        return [self._value(item, (*at, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, at: tuple[str | int, ...]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, key_node, value in mapping_entries(node, self.path):
            if key == "<<" and not key_node.style:
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    inherited = self._value(source, at)
                    if not isinstance(inherited, dict):
                        raise InputError.of(
                            "SW003", "'<<' merges maps only", node_location(value, self.path)
                        )
                    merged = {**inherited, **merged}
            else:
                self.locations[(*at, key)] = node_location(key_node, self.path)
                own[key] = self._value(value, (*at, key))
        return {**merged, **own}

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag == "tag:yaml.org,2002:str":
            return node.value
        if node.tag != _UNTAGGED:
            raise self._tag_error(node)
        return plain_value(node.value) if not node.style else node.value

    def _tag_error(self, node: yaml.Node) -> InputError:
        shown = node.tag.replace("tag:yaml.org,2002:", "!!")
        hint = "intrinsics such as !Ref belong in templates; quote the value if it is meant as text"
        at = node_location(node, self.path)
        return InputError.of(
            "SW005", f"the tag {shown} is not allowed in parameters", at, hint=hint
        )


def plain_value(text: str) -> Any:
    """The value of an unquoted scalar by YAML 1.2's core schema; a leading zero keeps a number
    text."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not re.match(r"[-+]?0[0-9]", text):
        return float(text)
    return text


def refuse_aliases(text: str, path: str) -> None:
    """Raise InputError at the first alias of a template.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
    """
    if "&" not in text or "*" not in text:
        return
    alias = next(
        (event for event in yaml.parse(text, Loader=_Loader) if isinstance(event, yaml.AliasEvent)),
        None,
    )
    if alias is not None and alias.start_mark is not None:
        at = Location(path, alias.start_mark.line + 1)
        message = f"the alias *{alias.anchor}: CloudFormation does not support aliases"
        raise InputError.of("SW103", message, at, hint="write the value out, or use a macro")


def template_data(node: yaml.Node | None, path: str) -> Any:
    """The data of a CloudFormation template with short-form intrinsics in long form.

    Raises InputError for duplicate keys.
    """
    if node is None:
        return {}
    if isinstance(node, yaml.ScalarNode):
        value: Any = scalar_data(node)
    elif isinstance(node, yaml.SequenceNode):
        value = [template_data(item, path) for item in node.value]
    elif isinstance(node, yaml.MappingNode):
        value = {
            key: template_data(item, path) for key, _, item in mapping_entries(node, path, "SW104")
        }
    else:
        raise TypeError(type(node))
    if node.tag.startswith("!") and node.tag != "!":
        return long_intrinsic(node.tag[1:], value)
    return value


def scalar_data(node: yaml.ScalarNode) -> Any:
    """A template's scalar as YAML 1.1 reads it; dates stay text."""
    text = node.value
    if node.style or node.tag.startswith("!"):
        return text
    kind = (node.tag if node.tag != _UNTAGGED else _implicit_tag(text)).rpartition(":")[2]
    if kind == "int":
        return _int_of(text)
    if kind == "float":
        return float(text.replace("_", ""))
    if kind == "bool":
        return text.lower() in ("yes", "true", "on")
    return None if kind == "null" else text


def _implicit_tag(text: str) -> str:
    for tag, pattern in _YAML_1_1.get(text[:1], ()):
        if pattern.match(text):
            return str(tag)
    return "tag:yaml.org,2002:str"


def _int_of(text: str) -> Any:
    try:
        return int(text, 8 if re.match(r"[-+]?0[0-7]+$", text) else 0)
    except ValueError:  # sexagesimals and the like: nothing in CloudFormation means them
        return text


def long_intrinsic(name: str, value: Any) -> Mapping[str, Any]:
    """The long form of a short-form intrinsic, e.g. ``!GetAtt A.B`` as ``{"Fn::GetAtt": ["A",
    "B"]}``."""
    if name in ("Ref", "Condition"):
        return {name: value}
    if name == "GetAtt" and isinstance(value, str):
        return {"Fn::GetAtt": value.split(".", 1)}
    return {f"Fn::{name}": value}


def line_of_path(text: str, path: tuple[str | int, ...]) -> int:
    """The line of ``text`` (from 1) on which the key or item at ``path`` stands, or the nearest
    above it."""
    node = yaml.compose(text, Loader=_Loader)
    line = 1
    for part in path:
        if part == 0 and not isinstance(node, yaml.SequenceNode):
            continue  # CloudFormation takes a single value for a list of one, and so do the rules
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == part), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value)
        ):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line
