"""YAML nodes to plain data with positions: parameters files and CloudFormation templates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import yaml

from .errors import InputError
from .model import Location
from .yaml_nodes import MAX_DEPTH, UNTAGGED, mapping_entries, node_location
from .yaml_scalars import core_scalar, template_scalar

MAX_ALIASED_NODES = 100_000
"""How many nodes a document may have once its aliases are expanded, beyond those that it spells
out."""

_Keys = tuple[str | int, ...]


class _Data(ABC):
    """Walks the nodes of one file; the subclasses say what scalars, tags and maps mean."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._ancestors: list[int] = []
        self._seen: set[int] = set()
        self._repeated = 0

    def _value(self, node: yaml.Node, at: _Keys) -> Any:
        self._count(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._ancestors:
            message = "an alias that contains itself"
            raise InputError.of("SW006", message, node_location(node, self.path))
        if len(self._ancestors) > 2 * MAX_DEPTH:  # only aliases of aliases get there
            message = f"aliases nest values deeper than {2 * MAX_DEPTH} levels"
            raise InputError.of("SW006", message, node_location(node, self.path))
        self._ancestors.append(id(node))
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node, at)
        else:
            value = self._sequence(node, at)
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

    def _sequence(self, node: yaml.Node, at: _Keys) -> Any:
        return [self._value(item, (*at, index)) for index, item in enumerate(node.value)]

    @abstractmethod
    def _mapping(self, node: yaml.MappingNode, at: _Keys) -> Any:
        """Return the data of a mapping."""

    @abstractmethod
    def _scalar(self, node: yaml.ScalarNode) -> Any:
        """Return the value of a scalar."""


class ParameterData(_Data):
    """The data of a parameters file by YAML 1.2, and the location of every key and item."""

    def __init__(self, node: yaml.Node | None, path: str) -> None:
        super().__init__(path)
        self.locations: dict[_Keys, Location] = {}
        self.data: Any = {} if node is None else self._value(node, ())
        if not isinstance(self.data, dict):
            message = "the file must hold a map of parameters"
            raise InputError.of("SW003", message, Location(path, 1))

    def _value(self, node: yaml.Node, at: _Keys) -> Any:
        self.locations.setdefault(at, node_location(node, self.path))
        is_scalar = isinstance(node, yaml.ScalarNode)
        if not is_scalar and not node.tag.startswith("tag:yaml.org,2002:"):
            raise self._tag_error(node)
        return super()._value(node, at)

    def _mapping(self, node: yaml.MappingNode, at: _Keys) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, key_node, value in mapping_entries(node, self.path):
            if key == "<<" and not key_node.style:
                merged = {**self._merged(value, at), **merged}
            else:
                self.locations[(*at, key)] = node_location(key_node, self.path)
                own[key] = self._value(value, (*at, key))
        return {**merged, **own}

    def _merged(self, node: yaml.Node, at: _Keys) -> dict[str, Any]:
        """The entries that ``<<`` takes over; the first of several maps wins."""
        merged: dict[str, Any] = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            inherited = self._value(source, at)
            if not isinstance(inherited, dict):
                message = "'<<' merges maps only"
                raise InputError.of("SW003", message, node_location(node, self.path))
            merged = {**inherited, **merged}
        return merged

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag == "tag:yaml.org,2002:str":
            return node.value
        if node.tag != UNTAGGED:
            raise self._tag_error(node)
        try:
            return core_scalar(node.value) if not node.style else node.value
        except ValueError as error:
            hint = "put it in quotes if it is text"
            raise InputError.of(
                "SW027", str(error), node_location(node, self.path), hint=hint
            ) from None

    def _tag_error(self, node: yaml.Node) -> InputError:
        shown = node.tag.replace("tag:yaml.org,2002:", "!!")
        hint = "intrinsics such as !Ref belong in templates; quote the value if it is meant as text"
        message = f"the tag {shown} is not allowed in parameters"
        return InputError.of("SW005", message, node_location(node, self.path), hint=hint)


class TemplateData(_Data):
    """The data of a template by YAML 1.1 with intrinsics in long form, and the line of every key
    and item.

    ``lines`` has the paths of the data: below ``!Sub x`` of ``A`` they begin with ``A``,
    ``Fn::Sub``. Of a duplicate key the last value counts, as in CloudFormation; ``duplicates`` has
    each such key and its line. Raises InputError for scalars that are not what they claim.
    """

    def __init__(self, node: yaml.Node | None, path: str) -> None:
        super().__init__(path)
        self.lines: dict[_Keys, int] = {}
        self.duplicates: list[tuple[str, int]] = []
        self.data: Any = {} if node is None else self._value(node, ())

    def _value(self, node: yaml.Node, at: _Keys) -> Any:
        tag = node.tag
        if tag[0] != "!" or tag == "!":
            return super()._value(node, at)
        name = tag[1:]
        return long_intrinsic(name, super()._value(node, (*at, _long_name(name))))

    def _sequence(self, node: yaml.Node, at: _Keys) -> Any:
        for index, item in enumerate(node.value):
            self.lines[*at, index] = item.start_mark.line + 1
        return super()._sequence(node, at)

    def _mapping(self, node: yaml.MappingNode, at: _Keys) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, key_node, value in mapping_entries(node, self.path, unique=False):
            if key in data:
                self.duplicates.append((key, key_node.start_mark.line + 1))
            self.lines[*at, key] = key_node.start_mark.line + 1
            data[key] = self._value(value, (*at, key))
        return data

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        return scalar_data(node, self.path)


def template_data(node: yaml.Node | None, path: str) -> Any:
    """The data of a CloudFormation template; raises InputError as `TemplateData`."""
    return TemplateData(node, path).data


def scalar_data(node: yaml.ScalarNode, path: str) -> Any:
    """The value of a template's scalar by YAML 1.1; the scalar of a short-form intrinsic is text.

    Raises InputError where it is not what its tag says, or ``.inf`` or ``.nan``.
    """
    text: str = node.value
    untagged = node.tag == UNTAGGED
    if node.tag[0] == "!" or (node.style and untagged):
        return text
    try:
        return template_scalar(text, "" if untagged else node.tag)
    except ValueError as error:
        raise InputError.of(
            "SW103", str(error), node_location(node, path), hint="quote it if it is text"
        ) from None


def _long_name(name: str) -> str:
    return name if name in ("Ref", "Condition") else f"Fn::{name}"


def long_intrinsic(name: str, value: Any) -> Mapping[str, Any]:
    """The long form of a short-form intrinsic: ``!GetAtt A.B`` as ``{"Fn::GetAtt": ["A", "B"]}``.

    Without a dot, the argument of ``GetAtt`` stays the text that it is.
    """
    if name == "GetAtt" and isinstance(value, str) and "." in value:
        value = value.split(".", 1)
    return {_long_name(name): value}
