"""The definitions of nested stacks, and where drift is below a stack."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ...cfn import STACK_TYPE, canonical_value, template_to_text
from ..world.provider import Refused
from ..world.state import (
    DriftedStacks,
    EmulatorState,
    ResourceState,
    StackDefinition,
    StackState,
)


def child_definition(parent: StackDefinition, state: ResourceState) -> StackDefinition:
    """The definition of a nested stack, with the parameters and tags that its parent gives it.

    Raises:
        Refused: its template could not be read.
    """
    nested = parent.nested.get(state.logical_id)
    if nested is None:
        url = state.properties.get("TemplateURL")
        raise Refused(f"S3 error: the template {url} cannot be read")
    tags = {tag["Key"]: template_to_text(tag["Value"]) for tag in state.properties.get("Tags", ())}
    return replace(
        nested,
        parameters=state.properties.get("Parameters", {}),
        tags={**parent.tags, **tags},
        stored=parent.stored,
    )


def is_changed(before: StackDefinition, after: StackDefinition) -> bool:
    """Whether a nested stack, or one below it, gets another template, parameters or tags, or names
    something in Parameter Store that has another value now."""
    if before.template.data != after.template.data or dict(before.tags) != dict(after.tags):
        return True
    if canonical_value(dict(before.parameters)) != canonical_value(dict(after.parameters)):
        return True
    if _moved_names(before, after):
        return True
    names = before.nested.keys() | after.nested.keys()
    return any(
        _templates(before.nested.get(name)) != _templates(after.nested.get(name)) for name in names
    )


def _moved_names(before: StackDefinition, after: StackDefinition) -> set[str]:
    """The names in Parameter Store that have another value now, as far as the new definition has
    them in its template, parameters or nested stacks."""
    moved = {name for name in before.stored if before.stored[name] != after.stored.get(name)}
    texts = [after.text, *map(str, after.parameters.values())]
    nested = list(after.nested.values())
    while nested:
        definition = nested.pop()
        texts.append(definition.text)
        nested += definition.nested.values()
    return {name for name in moved if any(name in text for text in texts)}


def _templates(definition: StackDefinition | None) -> Any:
    if definition is None:
        return None
    nested = {name: _templates(inner) for name, inner in definition.nested.items()}
    return definition.template.data, nested


def find_children(stack: StackState, store: EmulatorState) -> dict[str, StackState]:
    """The nested stacks directly below a stack, by logical id."""
    ids = {
        name: state.physical_id
        for name, state in stack.resources.items()
        if state.type == STACK_TYPE
    }
    return {name: store.stacks[id_] for name, id_ in ids.items() if id_ in store.stacks}


def find_drifted_children(
    stack: StackState, store: EmulatorState, drifted: DriftedStacks
) -> dict[str, StackState]:
    """The nested stacks of a stack in which, or below which, a resource has drifted."""
    return {
        name: child
        for name, child in find_children(stack, store).items()
        if child.id in drifted or find_drifted_children(child, store, drifted)
    }
