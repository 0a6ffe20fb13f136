"""The provider whose resources also exist in moto, so that every client sees them."""

from __future__ import annotations

from ..world.identity import Identities, Identity
from ..world.provider import ProviderRequest, Refused, SchemaProvider
from .drift_reader import MotoDriftReader
from .mirrors import MIRRORS, Mirror
from .moto_services import MotoServices, Properties, read_path


class MotoProvider:
    """Validates and shapes resources as :class:`SchemaProvider` does, then creates them in moto,
    whose ids win."""

    def __init__(self, identities: Identities, services: MotoServices) -> None:
        self._schema, self._services = SchemaProvider(identities), services
        self._reader = MotoDriftReader(services)

    def create(self, request: ProviderRequest) -> Identity:
        identity = self._schema.create(request)
        mirror = MIRRORS.get(request.type.name)
        if mirror is None:
            return identity
        try:
            return self._create_mirror(mirror, identity, request.properties)
        except Refused:
            self._schema.delete(
                ProviderRequest(request.type, request.logical_id, {}, request.pseudo, identity)
            )
            raise

    def _create_mirror(
        self, mirror: Mirror, identity: Identity, properties: Properties
    ) -> Identity:
        arguments = {
            **properties,
            **mirror.key(identity, properties),
            **mirror.arguments(identity, properties),
        }
        answer = mirror.answer(
            self._services, self._services.call(mirror.service, mirror.create, arguments)
        )
        id_ = read_path(answer, mirror.id) if mirror.id else None
        values = {name: read_path(answer, path) for name, path in (mirror.attributes or {}).items()}
        attributes = {name: value for name, value in values.items() if value is not None}
        if id_ is not None:
            old = identity.id
            shown = {k: id_ if v == old else v for k, v in identity.attributes.items()}
            identity = Identity(id_, {**shown, **attributes})
        else:
            identity = Identity(identity.id, {**identity.attributes, **attributes})
        for step in mirror.after:
            step(self._services, identity, properties)
        return identity

    def find(self, request: ProviderRequest) -> Identity | None:
        identity = self._schema.identify(request)
        try:
            found = self._reader.read(request.type.name, identity.id, request.properties)
        except KeyError:
            return self._schema.find(request)
        return identity if found is not None else None

    def adopt(self, request: ProviderRequest) -> None:
        self._schema.adopt(request)

    def update(self, request: ProviderRequest) -> Identity:
        identity = self._schema.update(request)
        mirror = MIRRORS.get(request.type.name)
        if mirror is not None and mirror.update:
            key = mirror.key(identity, request.properties)
            arguments = {
                **request.properties,
                **key,
                **mirror.arguments(identity, request.properties),
                **key,
            }
            self._services.call(mirror.service, mirror.update, arguments)
        for step in (*mirror.updated, *mirror.after) if mirror else ():
            step(self._services, identity, request.properties)
        return identity

    def delete(self, request: ProviderRequest) -> None:
        mirror, identity = MIRRORS.get(request.type.name), request.identity
        if mirror is not None and mirror.delete and identity is not None:
            try:
                for step in mirror.before_delete:
                    step(self._services, identity, request.properties)
                self._services.call(
                    mirror.service, mirror.delete, mirror.key(identity, request.properties)
                )
            except Refused as error:
                if "HandlerErrorCode: NotFound" not in str(error):
                    raise
        self._schema.delete(request)
