"""The values of a stack's template, resolved against the resources that exist now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from ...cfn import (
    STACK_TYPE,
    ChangeSource,
    Pseudo,
    Resolver,
    Resource,
    Traced,
    ValidationError,
    ValueReference,
    deletion_policy,
    find_dependencies,
    order_resources,
    parameter_values,
    plain_data,
    resolve_stored,
    template_to_text,
)
from ..world.state import OutputState, ResourceState, StackDefinition, StackState
from .world import EmulatedWorld

_ATTRIBUTES = {
    "Properties": "properties",
    "Metadata": "metadata",
    "CreationPolicy": "creation_policy",
    "UpdatePolicy": "update_policy",
    "DeletionPolicy": "deletion_policy",
    "UpdateReplacePolicy": "update_replace_policy",
}


class StackValues:
    """Resolves the template of one stack."""

    def __init__(self, world: EmulatedWorld, stack: StackState) -> None:
        self._world, self._stack = world, stack

    @property
    def definition(self) -> StackDefinition:
        """The stack's definition. Raises ValidationError where it has none yet."""
        if self._stack.definition is None:
            raise ValidationError(f"Stack [{self._stack.name}] has no template yet")
        return self._stack.definition

    @property
    def pseudo(self) -> Pseudo:
        """The pseudo parameters of the stack."""
        stack = self._stack
        arns = stack.definition.notification_arns if stack.definition else ()
        return replace(
            self._world.pseudo, stack_name=stack.name, stack_id=stack.id, notification_arns=arns
        )

    def resolver(self) -> Resolver:
        """A resolver of the template against the resources that exist now."""
        definition = self.definition
        parameters = parameter_values(definition.template, definition.parameters)
        existing = PhysicalWorld(self._world, self._stack)
        return Resolver(definition.template, parameters, self.pseudo, existing)

    def active_resources(self) -> set[str]:
        """The logical ids whose conditions hold."""
        resolver = self.resolver()
        return {
            name
            for name, resource in self.definition.template.resources.items()
            if resolver.active(resource.condition)
        }

    def needs(self) -> dict[str, frozenset[str]]:
        """Logical id -> the active resources that it depends on, in an order of dependence."""
        active, template = self.active_resources(), self.definition.template
        needs = find_dependencies(template)
        return {name: needs[name] & active for name in order_resources(template) if name in active}

    def resolve_resource(self, state: ResourceState, resource: Resource) -> ResourceState:
        """The resource with its attributes resolved against the resources that exist now.

        Its properties keep dynamic references, which events show; ``resolved``, which is compared,
        has the values of those that are not secret.
        """
        resolver, path = self.resolver(), ("Resources", resource.logical_id)
        attributes = {name: getattr(resource, field) for name, field in _ATTRIBUTES.items()}
        written = {
            name: plain_data(resolver.resolve(value, (*path, name)))
            for name, value in attributes.items()
            if value is not None
        }
        resolved = resolve_stored(written, self.definition.stored.get)
        policy = deletion_policy(resource, resolved)
        return replace(
            state, properties=written["Properties"], resolved=resolved, deletion_policy=policy
        )

    def outputs(self) -> Iterable[OutputState]:
        """The resolved outputs whose conditions hold. Raises ValidationError where one cannot be
        resolved."""
        resolver, exports = self.resolver(), self._world.store.exports()
        for name, output in self.definition.template.outputs.items():
            if not resolver.active(output.condition):
                continue
            path = ("Outputs", name)
            value = plain_data(resolver.resolve(output.value, (*path, "Value")))
            if isinstance(value, dict | list):
                text = "The Value field of every Outputs member must evaluate to a String."
                raise ValidationError(f"Template format error: {text}", path)
            export = None
            if output.export is not None:
                resolved = plain_data(resolver.resolve(output.export, (*path, "Export")))
                export = template_to_text(resolved)
                if export in exports and exports[export][1] is not self._stack:
                    owner = exports[export][1].name
                    text = f"Export with name {export} is already exported by stack {owner}"
                    raise ValidationError(text, path)
            description = None
            if output.description is not None:
                description = template_to_text(plain_data(resolver.resolve(output.description)))
            yield OutputState(name, template_to_text(value), description, export)

    def imports(self) -> set[str]:
        """The names of the exports that the stack imports."""
        resolver, names = self.resolver(), set()
        for logical_id in self.active_resources():
            properties = self.definition.template.resources[logical_id].properties
            for argument in _import_arguments(properties):
                try:
                    names.add(template_to_text(resolver.resolve(argument)))
                except ValidationError:
                    continue
        return names


def _import_arguments(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Fn::ImportValue":
                yield item
            yield from _import_arguments(item)
    elif isinstance(value, list):
        for item in value:
            yield from _import_arguments(item)


class PhysicalWorld:
    """The resources that exist now, as the values of ``Ref``, ``GetAtt`` and imports."""

    def __init__(self, world: EmulatedWorld, stack: StackState) -> None:
        self._world, self._stack = world, stack

    def _state(self, logical_id: str) -> ResourceState:
        state = self._stack.resources.get(logical_id)
        if state is None or not state.physical_id:
            text = f"Unresolved resource dependencies [{logical_id}] in the Resources block"
            raise ValidationError(f"Template format error: {text} of the template")
        return state

    def reference(self, logical_id: str) -> Traced:
        value = self._state(logical_id).physical_id
        return Traced(value, frozenset((ValueReference(ChangeSource.RESOURCE, logical_id),)))

    def attribute(self, logical_id: str, name: str) -> Traced:
        state = self._state(logical_id)
        references = frozenset((ValueReference(ChangeSource.ATTRIBUTE, f"{logical_id}.{name}"),))
        if state.type == STACK_TYPE and name.startswith("Outputs."):
            child = self._world.store.stacks[state.physical_id]
            outputs = {output.key: output.value for output in child.outputs}
            if name.removeprefix("Outputs.") in outputs:
                return Traced(outputs[name.removeprefix("Outputs.")], references)
        elif name in state.attributes:
            return Traced(state.attributes[name], references)
        elif name in state.properties:
            return Traced(state.properties[name], references)
        text = f"resource {logical_id} does not support attribute type {name} in Fn::GetAtt"
        raise ValidationError(f"Template error: {text}")

    def exported(self, name: str) -> Any:
        export = self._world.store.exports().get(name)
        if export is None:
            raise ValidationError(f"No export named {name} found")
        return export[0]

    def stored(self, name: str) -> Any:
        stored = self._stack.definition.stored if self._stack.definition else {}
        if name not in stored:
            raise ValidationError(
                f"Unable to fetch parameters [{name}] from parameter store for this account."
            )
        return stored[name]
