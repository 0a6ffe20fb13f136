"""Providers create, update and delete physical resources, or refuse in AWS's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from ...cfn import Pseudo, ResourceType
from .identity import Identities, Identity


class Refused(Exception):
    """A service refuses; the text becomes the resource's status reason."""


class ProviderRequest(Struct, frozen=True):
    """A request about one resource: ``properties`` are resolved; ``identity`` is None for a new
    resource."""

    type: ResourceType
    logical_id: str
    properties: Mapping[str, Any]
    pseudo: Pseudo
    identity: Identity | None = None


class Provider(Protocol):
    """Creates, updates and deletes the resources of all types."""

    def create(self, request: ProviderRequest) -> Identity:
        """Create a resource. Raises :class:`Refused`."""

    def find(self, request: ProviderRequest) -> Identity | None:
        """The resource that exists under the name in the properties; None where there is none, or
        its type cannot be read."""

    def adopt(self, request: ProviderRequest) -> None:
        """Take the resource of the request's identity as one that was created here."""

    def update(self, request: ProviderRequest) -> Identity:
        """Update a resource in place; its id stays. Raises :class:`Refused`."""

    def delete(self, request: ProviderRequest) -> None:
        """Delete a resource; a missing one is no error. Raises :class:`Refused`."""


class SchemaProvider:
    """Creates resources of any type in the registry, which exist in their stacks only: properties
    are validated, ids and attributes made."""

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

    def identify(self, request: ProviderRequest) -> Identity:
        """The identity that a resource with a name of its own has, or would have."""
        return self._identities.make(
            request.type, request.logical_id, request.properties, request.pseudo
        )

    def find(self, request: ProviderRequest) -> Identity | None:
        identity = self.identify(request)
        return identity if (request.type.name, identity.id) in self._taken else None

    def adopt(self, request: ProviderRequest) -> None:
        if request.identity is not None:
            self._taken.add((request.type.name, request.identity.id))

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
