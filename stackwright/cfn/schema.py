"""Resource types from the CloudFormation registry schemas that cfn-lint bundles.

The JSON files are read one type at a time, without importing cfn-lint (which takes two seconds).
Format: docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path as FilePath
from typing import Any

from .declarations import STACK_TYPE, Path, is_custom
from .difference import MISSING
from .property_validation import property_problems

_ANY = "*"
_STATEFUL = FilePath(__file__).with_name("stateful.tsv")


def _read_stateful() -> Mapping[str, str]:
    """Type that holds data -> the property whose presence says that it holds none; usually none."""
    with _STATEFUL.open(encoding="utf-8", newline="") as file:
        return {row["type"]: row["unless"] for row in csv.DictReader(file, delimiter="\t")}


_UNLESS = _read_stateful()
STATEFUL = frozenset(_UNLESS)
"""Types whose physical resource holds data that goes when the resource goes; ``stateful.tsv`` says
which data, with the source."""


def holds_data(type_: str, properties: Mapping[str, Any]) -> bool:
    """Whether a resource with these properties holds data that goes when the resource goes.

    A member of a database cluster has none of its own.
    """
    return type_ in STATEFUL and _UNLESS[type_] not in properties


_VOLATILE = frozenset(
    (
        ("AWS::EC2::LaunchTemplate", "LatestVersionNumber"),
        ("AWS::EC2::LaunchTemplate", "DefaultVersionNumber"),
    )
)
"""Read-only attributes that an update in place changes; others (ARNs, names, endpoints) outlive
it."""

_DOCUMENTED_AS_IMMUTABLE = frozenset(
    (
        ("AWS::DynamoDB::GlobalTable", "KeySchema"),
        ("AWS::DynamoDB::Table", "KeySchema"),
    )
)
"""Properties that the schema calls conditional, and whose documentation says "Update requires:
Replacement". Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
"""


class Recreation(StrEnum):
    """Whether a changed property makes a new physical resource;
    ``ResourceTargetDefinition.RequiresRecreation``."""

    NEVER = "Never"
    CONDITIONALLY = "Conditionally"
    ALWAYS = "Always"


@dataclass(frozen=True)
class ResourceType:
    """One resource type; ``definition`` is its registry schema."""

    name: str
    definition: Mapping[str, Any] = field(repr=False)

    @cached_property
    def create_only(self) -> tuple[Path, ...]:
        """Properties whose change replaces the resource; ``*`` stands for any list item."""
        return self._paths("createOnlyProperties")

    @cached_property
    def conditional_create_only(self) -> tuple[Path, ...]:
        """Properties whose change may replace the resource."""
        return self._paths("conditionalCreateOnlyProperties")

    @cached_property
    def read_only(self) -> tuple[Path, ...]:
        """Properties that AWS sets and ``Fn::GetAtt`` returns."""
        return self._paths("readOnlyProperties")

    @cached_property
    def write_only(self) -> tuple[Path, ...]:
        """Properties that cannot be read back."""
        return self._paths("writeOnlyProperties")

    @cached_property
    def primary_identifier(self) -> tuple[Path, ...]:
        """The properties that together identify a physical resource."""
        return self._paths("primaryIdentifier")

    @property
    def custom(self) -> bool:
        """Whether a Lambda function or topic of the user's implements the type."""
        return is_custom(self.name)

    @property
    def stateful(self) -> bool:
        """Whether deleting a physical resource of the type deletes data."""
        return self.name in STATEFUL

    @cached_property
    def tags_property(self) -> str | None:
        """The property that holds the tags, None where the type cannot be tagged."""
        tagging = self.definition.get("tagging", {})
        if tagging.get("taggable", self.definition.get("taggable")) is False:
            return None
        default = "/properties/Tags" if "Tags" in self._properties else ""
        return str(tagging.get("tagProperty", default)).rpartition("/")[2] or None

    @property
    def updatable_tags(self) -> bool:
        """Whether tags can change without replacing the resource."""
        return self.tags_property is not None and bool(
            self.definition.get("tagging", {}).get("tagUpdatable", True)
        )

    def default(self, name: str) -> Any:
        """The value of a property that is not given, as the schema states it; ``MISSING`` where it
        states none."""
        return self._resolve(self._properties.get(name, {})).get("default", MISSING)

    def recreation(self, path: Path) -> Recreation:
        """Whether a change of the property at ``path`` (below ``Properties``) recreates the
        physical resource."""
        if self.custom:
            return Recreation.CONDITIONALLY  # its provider decides by the physical id it returns
        if any(_touches(pattern, path) for pattern in self.create_only):
            return Recreation.ALWAYS
        if (self.name, path[0]) in _DOCUMENTED_AS_IMMUTABLE:
            return Recreation.ALWAYS
        if any(_touches(pattern, path) for pattern in self.conditional_create_only):
            return Recreation.CONDITIONALLY
        return Recreation.NEVER

    def document(self, path: Path) -> Path | None:
        """The start of ``path`` (below ``Properties``) that is free-form JSON, such as a policy;
        None where the schema describes all of it."""
        node: Mapping[str, Any] = self.definition
        for position, part in enumerate(path):
            node = self._step(self._resolve(node), part)
            if _free_form(self._resolve(node)):
                return path[: position + 1]
        return None

    def _step(self, node: Mapping[str, Any], part: str | int) -> Mapping[str, Any]:
        child: Any = (
            node.get("items", {})
            if isinstance(part, int)
            else node.get("properties", {}).get(part, {})
        )
        return child if isinstance(child, Mapping) else {}

    def has_attribute(self, name: str) -> bool:
        """Whether ``Fn::GetAtt`` may name it: any property of the model, also the ones that were
        given."""
        if self.custom or (self.name == STACK_TYPE and name.startswith("Outputs.")):
            return True
        node: Any = self.definition
        for part in name.split("."):
            node = self._inner(node).get(part)
            if node is None:
                return False
        return True

    def changes_in_place(self, attribute: str) -> bool:
        """Whether an update in place may give a read-only attribute another value."""
        return self.custom or (self.name, attribute) in _VOLATILE

    @cached_property
    def permissions(self) -> Mapping[str, tuple[str, ...]]:
        """The IAM actions that CloudFormation needs from its caller, by handler (``create``,
        ``read``, ``update``, ``delete``, ``list``); empty for types older than the registry."""
        handlers = self.definition.get("handlers", {})
        return {name: tuple(handler.get("permissions", ())) for name, handler in handlers.items()}

    @property
    def system_tags(self) -> bool:
        """Whether CloudFormation tags the resource with ``aws:cloudformation:stack-name``."""
        return bool(self.definition.get("tagging", {}).get("cloudFormationSystemTags", False))

    @property
    def _properties(self) -> Mapping[str, Any]:
        properties: Mapping[str, Any] = self.definition.get("properties", {})
        return properties

    def _inner(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        node = self._resolve(node)
        properties: Mapping[str, Any] = node.get("properties", {})
        return properties

    def _resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            target: Any = self.definition
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def _paths(self, key: str) -> tuple[Path, ...]:
        pointers = (
            pointer.removeprefix("/properties/") for pointer in self.definition.get(key, ())
        )
        return tuple(
            tuple(
                _ANY if part in ("*", "items", "ArrayIndex") else part
                for part in pointer.split("/")
            )
            for pointer in pointers
        )

    def problems(self, properties: Mapping[str, Any]) -> list[str]:
        """The problems of resolved properties in CloudFormation's words, such as ``#: required key
        [Value] not found``. Scalars may be text, since CloudFormation converts them."""
        # some schemas list a property both as read-only and as create-only: it may be given
        settable = {path[0] for path in self.create_only}
        read_only = {str(path[0]) for path in self.read_only if len(path) == 1} - settable
        return list(property_problems(self.definition, read_only, properties))


def _free_form(node: Mapping[str, Any]) -> bool:
    """Whether a schema takes any object: one that names no keys, or one that may be given as text
    instead."""
    types = node.get("type", ())
    if isinstance(types, str):
        return types == "object" and not {
            "properties",
            "patternProperties",
            "oneOf",
            "anyOf",
            "allOf",
        } & set(node)
    return {"object", "string"} <= set(types)


def _touches(pattern: Path, path: Path) -> bool:
    """Whether one path is the other or a part of it: a new map that holds a create-only leaf
    changes that leaf."""
    return all(p in (q, _ANY) for p, q in zip(pattern, path, strict=False))


@dataclass(frozen=True)
class Schemas:
    """The resource types of one Region."""

    region: str = "us-east-1"

    @cached_property
    def _index(self) -> Mapping[str, str]:
        return _index(self.region)

    def get(self, type_name: str) -> ResourceType | None:
        """The type, or None where the Region has no such type. Custom resources and modules are
        open."""
        if type_name.startswith("Custom::"):
            return ResourceType(type_name, _OPEN)
        digest = self._index.get(type_name)
        return _load(digest) if digest else None

    def unrecognized(self, type_names: Sequence[str]) -> list[str]:
        """The names of unknown types, in order, without repetitions."""
        return [name for name in dict.fromkeys(type_names) if self.get(name) is None]


_OPEN: Mapping[str, Any] = {
    "properties": {"ServiceToken": {"type": "string"}},
    "required": ["ServiceToken"],
    "additionalProperties": True,
}


@cache
def data_folder() -> FilePath:
    """The folder of the data that cfn-lint bundles."""
    spec = find_spec("cfnlint")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("cfn-lint is not installed: its data holds the resource types")
    return FilePath(spec.submodule_search_locations[0]) / "data"


@cache
def _folder() -> FilePath:
    return data_folder() / "schemas"


@cache
def _index(region: str) -> Mapping[str, str]:
    file = _folder() / "providers" / f"{region}.json"
    if not file.exists():
        file = _folder() / "providers" / "us-east-1.json"
    index: Mapping[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return index


@cache
def _load(digest: str) -> ResourceType:
    definition = json.loads(
        (_folder() / "resources" / f"{digest}.json").read_text(encoding="utf-8")
    )
    return ResourceType(definition["typeName"], definition)
