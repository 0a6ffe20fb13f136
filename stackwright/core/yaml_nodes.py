"""YAML text to nodes that know their position."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from .errors import InputError
from .model import Location

MAX_DEPTH = 64
"""Deeper nesting is refused: libyaml's composer is recursive and would exhaust the C stack."""

UNTAGGED = "?"
"""The tag of a plain scalar that has none; its type is not resolved yet."""


class _TooDeepError(yaml.MarkedYAMLError):
    """Nesting beyond `MAX_DEPTH`."""


_DEFAULT_TAGS = {
    yaml.ScalarNode: UNTAGGED,
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
    yaml.MappingNode: "tag:yaml.org,2002:map",
}


class _Loader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    """Leaves plain scalars untyped, tells them from those with the tag ``!!str``, and counts how
    deep the composer is."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def resolve(self, kind: type[yaml.Node], _value: object, _implicit: object) -> str:
        """The tag of a node that has none."""
        return _DEFAULT_TAGS[kind]

    def descend_resolver(self, parent: yaml.Node | None, _index: object) -> None:
        """Called by the composer before each node."""
        self._depth += 1
        if parent is not None and self._depth > MAX_DEPTH + 1:
            message = f"nested deeper than {MAX_DEPTH} levels"
            raise _TooDeepError(problem=message, problem_mark=parent.start_mark)

    def ascend_resolver(self) -> None:
        """Called by the composer after each node."""
        self._depth -= 1


def compose_yaml(text: str, path: str, *, code: str = "SW003") -> yaml.Node | None:
    """The root node of ``text``, or None where it holds nothing; plain scalars are `UNTAGGED`.

    Raises InputError at the line of the first syntax error, or where nesting is deeper than
    `MAX_DEPTH`.
    """
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, path, code) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise _character_error(error, text, path, code) from None


def _syntax_error(error: yaml.MarkedYAMLError, text: str, path: str, code: str) -> InputError:
    mark = error.problem_mark or error.context_mark
    at = Location(path, mark.line + 1, mark.column + 1) if mark else Location(path)
    if isinstance(error, _TooDeepError):
        hint = "flatten it; no CloudFormation template needs this"
        return InputError.of(code, str(error.problem), at, hint=hint)
    message = f"not valid YAML: {error.problem}" + (f" ({error.context})" if error.context else "")
    return InputError.of(code, message, at, hint=_syntax_hint(str(error.problem), text, at.line))


def _syntax_hint(problem: str, text: str, line: int) -> str:
    lines = text.splitlines()
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())] or "'\\t'" in problem:
        return "indent with spaces: YAML does not allow tabs there"
    if "mapping values are not allowed" in problem:
        return "quote a value that contains ': '"
    return ""


def _character_error(error: yaml.YAMLError, text: str, path: str, code: str) -> InputError:
    index = next((i for i, char in enumerate(text) if char < " " and char not in "\t\n\r"), None)
    line = text.count("\n", 0, index) + 1 if index is not None else 0
    message = f"not valid YAML: {str(error).splitlines()[0]}"
    return InputError.of(code, message, Location(path, line))


def node_location(node: yaml.Node, path: str) -> Location:
    """Where a node starts."""
    return Location(path, node.start_mark.line + 1, node.start_mark.column + 1)


def mapping_entries(
    node: yaml.MappingNode, path: str, code: str = "SW004", *, unique: bool = True
) -> Iterator[tuple[str, yaml.ScalarNode, yaml.Node]]:
    """The key text, key node and value node of each entry; raises InputError on non-scalar keys,
    and on duplicate ones where keys must be ``unique``."""
    seen: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            message = "a key must be a string, not a list or a map"
            raise InputError.of("SW003", message, node_location(key, path))
        if unique and key.value in seen:
            raise InputError.of(
                code,
                f"duplicate key {key.value!r}",
                node_location(key, path),
                node_location(seen[key.value], path),
                hint="keep one of the two; YAML would silently take the last",
            )
        seen[key.value] = key
        yield key.value, key, value


def refuse_aliases(text: str, path: str) -> None:
    """Raise InputError at the first alias of a template.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
    """
    if "&" not in text or "*" not in text:
        return
    events = yaml.parse(text, Loader=_Loader)
    alias = next((event for event in events if isinstance(event, yaml.AliasEvent)), None)
    if alias is not None and alias.start_mark is not None:
        at = Location(path, alias.start_mark.line + 1)
        message = f"the alias *{alias.anchor}: CloudFormation does not support aliases"
        raise InputError.of("SW103", message, at, hint="write the value out, or use a macro")


def line_of_path(text: str, path: tuple[str | int, ...]) -> int:
    """The line of ``text`` (from 1) on which the key or item at ``path`` stands, or the nearest
    above it."""
    node = yaml.compose(text, Loader=_Loader)
    line = 1
    for part in path:
        if part == 0 and not isinstance(node, yaml.SequenceNode):
            continue  # CloudFormation takes a single value for a list of one, and so do the rules
        child = _child(node, part)
        if child is None:
            return line
        start, node = child
        line = start.start_mark.line + 1
    return line


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The node at which an entry or item starts, and its value; None where there is none."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None
