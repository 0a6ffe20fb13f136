"""The base classes of rules, and readers of template values that may be intrinsics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from msgspec import Struct

from ...core import Document, Level, Rendering

Path = tuple[str | int, ...]
Properties = Mapping[str, Any]


class RuleFinding(Struct, frozen=True):
    """One violation: the document, the path of the value in it, and what to do."""

    document: Document
    path: Path
    message: str
    hint: str = ""

    @property
    def resource(self) -> str:
        """Logical ID of the resource that holds the value, or an empty string."""
        return str(self.path[1]) if len(self.path) > 1 and self.path[0] == "Resources" else ""


class Rule(ABC):
    """One check of rendered templates.

    ``reason`` says what goes wrong otherwise, ``action`` the next step in one sentence, ``source``
    is the URL of the AWS page that states the fact.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    action: ClassVar[str]
    reason: ClassVar[str]
    source: ClassVar[str]
    level: ClassVar[Level] = Level.ERROR

    def check(self, rendering: Rendering) -> Iterator[RuleFinding]:
        """Yield every finding in the rendering; by default, document by document."""
        for document in rendering.documents:
            yield from self.check_document(document)

    @abstractmethod
    def check_document(self, document: Document) -> Iterator[RuleFinding]:
        """Yield every finding in one document."""


class ResourceRule(Rule):
    """A rule that checks each resource of ``types`` by itself."""

    types: ClassVar[tuple[str, ...]]

    def check_document(self, document: Document) -> Iterator[RuleFinding]:
        """Yield every finding in the resources of the rule's types."""
        for name, resource in document.resources().items():
            if resource.get("Type") in self.types:
                yield from self.check_resource(document, ("Resources", name), resource)

    @abstractmethod
    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield every finding in one resource; ``at`` is its path in the document."""


def read_properties(resource: Properties) -> Properties:
    """Return the Properties of a resource."""
    return as_mapping(resource.get("Properties"))


def as_mapping(value: Any) -> Properties:
    """Return ``value`` where it is a map, else an empty map."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, None as an empty list, and any other value as a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def as_number(value: Any) -> float | None:
    """Return a literal number, even if written as text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def read_containers(resource: Properties) -> Iterator[tuple[Path, Properties]]:
    """Yield path below the resource, and body, of each literal container definition."""
    for index, item in enumerate(as_list(read_properties(resource).get("ContainerDefinitions"))):
        if isinstance(item, Mapping) and not _is_intrinsic(item):
            yield ("Properties", "ContainerDefinitions", index), item


def _is_intrinsic(value: Properties) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))


def walk_texts(value: Any, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield path and text of every string at or below ``value``."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from walk_texts(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk_texts(item, (*at, index))
