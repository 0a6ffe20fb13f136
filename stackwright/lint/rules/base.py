"""What a rule is, and how it looks at a rendered template."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from msgspec import Struct

from ...core import Document, Level, Rendering

Path = tuple[str | int, ...]
Properties = Mapping[str, Any]


class RuleFinding(Struct, frozen=True):
    """What a rule found: the document, the path of the value in it, and what to do."""

    document: Document
    path: Path
    message: str
    hint: str = ""

    @property
    def resource(self) -> str:
        """Logical ID of the resource it is about, or an empty string."""
        return str(self.path[1]) if len(self.path) > 1 and self.path[0] == "Resources" else ""


class Rule(ABC):
    """One check of rendered templates.

    ``source`` is the AWS page that states the fact; ``reason`` says what goes wrong otherwise.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reason: ClassVar[str]
    source: ClassVar[str]
    level: ClassVar[Level] = Level.ERROR

    def check(self, rendering: Rendering) -> Iterator[RuleFinding]:
        """Every finding in the rendering; by default, document by document."""
        for document in rendering.documents:
            yield from self.check_document(document)

    @abstractmethod
    def check_document(self, document: Document) -> Iterator[RuleFinding]:
        """Every finding in one document."""


class ResourceRule(Rule):
    """A rule that looks at one resource of certain types at a time."""

    types: ClassVar[tuple[str, ...]]

    def check_document(self, document: Document) -> Iterator[RuleFinding]:
        """Each resource of the rule's types."""
        for name, resource in document.resources().items():
            if resource.get("Type") in self.types:
                yield from self.check_resource(document, ("Resources", name), resource)

    @abstractmethod
    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Every finding in one resource; ``at`` is its path."""


def properties(resource: Properties) -> Properties:
    """The Properties of a resource."""
    return mapping(resource.get("Properties"))


def mapping(value: Any) -> Properties:
    """``value`` where it is a map, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """``value`` where it is a list, a single value as a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def number(value: Any) -> float | None:
    """A literal number, also where it is written as text; None for an intrinsic."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def containers(resource: Properties) -> Iterator[tuple[Path, Properties]]:
    """Path below the resource and body of each container definition of a task definition."""
    for index, item in enumerate(listed(properties(resource).get("ContainerDefinitions"))):
        if isinstance(item, Mapping) and not _is_intrinsic(item):
            yield ("Properties", "ContainerDefinitions", index), item


def _is_intrinsic(value: Properties) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))


def texts(value: Any, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """Path and text of every string below ``value``."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, (*at, index))
