"""Makes, changes and deletes physical resources, or says in AWS's words why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from ...cfn import Pseudo, ResourceType
from .identity import Identities, Identity


class Refused(Exception):
    """The service refuses; the text is the resource's status reason."""


class ProviderRequest(Struct, frozen=True):
    """One thing to do: ``properties`` are resolved, ``identity`` is that of an existing
    resource."""

    type: ResourceType
    logical_id: str
    properties: Mapping[str, Any]
    pseudo: Pseudo
    identity: Identity | None = None


class Provider(Protocol):
    """What stands behind a resource type."""

    def create(self, request: ProviderRequest) -> Identity:
        """Make it. Raises :class:`Refused`."""

    def update(self, request: ProviderRequest) -> Identity:
        """Change it in place; the id stays. Raises :class:`Refused`."""

    def delete(self, request: ProviderRequest) -> None:
        """Remove it; that it is gone already is no error. Raises :class:`Refused`."""


class SchemaProvider:
    """Any type of the registry: properties are validated, ids and attributes are shaped, nothing
    else exists."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._taken: set[tuple[str, str]] = set()

    def create(self, request: ProviderRequest) -> Identity:
        _validate(request)
        identity = self._identities.make(
            request.type, request.logical_id, request.properties, request.pseudo
        )
        if (request.type.name, identity.id) in self._taken:
            name = request.type.name
            raise Refused(
                f"Resource of type '{name}' with identifier '{identity.id}' already exists."
            )
        self._taken.add((request.type.name, identity.id))
        return identity

    def update(self, request: ProviderRequest) -> Identity:
        _validate(request)
        assert request.identity is not None  # noqa: S101 - an update has one
        return request.identity

    def delete(self, request: ProviderRequest) -> None:
        if request.identity is not None:
            self._taken.discard((request.type.name, request.identity.id))


def _validate(request: ProviderRequest) -> None:
    problems = request.type.problems(request.properties)
    if problems:
        text = f"Properties validation failed for resource {request.logical_id} with message:\n"
        raise Refused(f"{text}[{', '.join(problems)}]")
