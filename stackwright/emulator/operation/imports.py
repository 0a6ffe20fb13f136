"""Importing existing resources into a stack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ...cfn import (
    Pseudo,
    Resource,
    ValidationError,
    is_importable_by_name,
    naming_properties,
    plain_data,
    template_to_text,
)
from ..world.identity import Identity
from ..world.provider import ProviderRequest, Refused
from ..world.state import ResourceState, StackDefinition
from .event_log import USER_INITIATED
from .operation import StackOperation
from .world import EmulatedWorld

Identifiers = Mapping[str, Mapping[str, str]]
"""Logical id -> the identifier of an existing resource (``{"BucketName": "b"}``)."""
_RETAINING = ("Retain", "RetainExceptOnCreate")
_TAGGING = "Apply stack-level tags to imported resource if applicable."


class Import(StackOperation):
    """Makes existing resources part of a stack; where one does not exist, none is imported."""

    def start(self, definition: StackDefinition, identifiers: Identifiers) -> None:
        """Import the resources."""
        stack = self.stack
        before, resources = stack.definition, dict(stack.resources)
        stack.definition = definition
        self.begin("UPDATE_STACK", "IMPORT_IN_PROGRESS", USER_INITIATED)
        names = [name for name in self.values.needs() if name in identifiers]
        failed = [name for name in names if not self._import_resource(name, identifiers[name])]
        if failed:
            self._roll_back([n for n in identifiers if n not in failed], failed)
            stack.definition, stack.resources = before, resources
            self.set_stack_status("IMPORT_ROLLBACK_COMPLETE")
        else:
            for name in identifiers:
                self.set_status(stack.resources[name], "UPDATE_IN_PROGRESS", _TAGGING)
                self.set_status(stack.resources[name], "UPDATE_COMPLETE")
            self.set_stack_status("IMPORT_COMPLETE")
        self.finish(not failed)

    def _roll_back(self, imported: list[str], failed: list[str]) -> None:
        reason = f"The following resource(s) failed to import: [{', '.join(failed)}]."
        self.begin("ROLLBACK", "IMPORT_ROLLBACK_IN_PROGRESS", reason)
        resources = self.stack.resources
        for name in [name for name in imported if name in resources]:
            self.set_status(resources[name], "IMPORT_ROLLBACK_IN_PROGRESS")
            self.set_status(resources[name], "IMPORT_ROLLBACK_COMPLETE")

    def _import_resource(self, name: str, identifier: Mapping[str, str]) -> bool:
        """Import one resource; False where it does not exist."""
        resource = self.values.definition.template.resources[name]
        id_, now = physical_id(identifier), self.world.clock.now
        state = ResourceState(name, resource.type, id_, "IMPORT_IN_PROGRESS", now)
        self.set_status(state, "IMPORT_IN_PROGRESS", "Resource import started.")
        try:
            state = self.values.resolve_resource(state, resource)
            resource_type = self.world.find_type(state.type)
            if not self._exists(state):
                shown = json.dumps(dict(identifier))
                text = f"Resource of type '{state.type}' with identifier '{shown}' was not found."
                raise Refused(f"{text} (HandlerErrorCode: NotFound)")
        except (Refused, ValidationError) as error:
            self.set_status(state, "IMPORT_FAILED", str(error))
            return False
        properties = {**state.properties, **identifier}
        shape = self.world.identities.make(resource_type, name, properties, self.values.pseudo)
        attributes = {
            key: id_ if value == shape.id else value for key, value in shape.attributes.items()
        }
        state = replace(state, attributes={**attributes, **identifier})
        self.set_status(state, "IMPORT_COMPLETE", "Resource import completed.")
        return True

    def _exists(self, state: ResourceState) -> bool:
        """Whether the resource exists; taken for granted where its type cannot be read."""
        reader = self.world.backend.drift_reader
        if reader is None:
            return True
        try:
            live = reader.read(state.type, state.physical_id, state.properties)
        except KeyError:
            return True
        return live is not None


def find_adoptable(
    world: EmulatedWorld,
    definition: StackDefinition,
    resource: Resource,
    properties: Mapping[str, Any],
    pseudo: Pseudo,
) -> Identity | None:
    """The existing resource that a stack imports where its change set asks for it
    (ImportExistingResources); None where CloudFormation creates one.

    The name is plain text in the template, the policy Retain or RetainExceptOnCreate, and no stack
    has the resource. Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
    """
    known = world.schemas.get(resource.type)
    if not definition.adopts or known is None or not is_importable_by_name(known):
        return None
    policy = plain_data(resource.deletion_policy)
    static = isinstance(resource.properties.get(naming_properties(known)[0]), str)
    if not static or template_to_text(policy or "Delete") not in _RETAINING:
        return None
    return find_unowned(world, ProviderRequest(known, resource.logical_id, properties, pseudo))


def find_unowned(world: EmulatedWorld, request: ProviderRequest) -> Identity | None:
    """The existing resource of a name, where no stack has it."""
    identity = world.backend.provider.find(request)
    if identity is None:
        return None
    owned = any(
        state.type == request.type.name
        and state.physical_id == identity.id
        and state.status not in ("DELETE_COMPLETE", "DELETE_SKIPPED")
        for stack in world.store.stacks.values()
        if stack.alive
        for state in stack.resources.values()
    )
    return None if owned else identity


def physical_id(identifier: Mapping[str, str]) -> str:
    """The value of ``Ref`` for an imported resource."""
    return "|".join(identifier.values())
