"""Predictions of what a new definition changes in a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ...cfn import (
    PhysicalResource,
    Prediction,
    Pseudo,
    StackSide,
    predict_changes,
    print_value,
)
from ..operation.world import EmulatedWorld
from ..world.state import StackDefinition, StackState


def predict(world: EmulatedWorld, stack: StackState, definition: StackDefinition) -> Prediction:
    """The changes that a new definition makes to a stack.

    Raises:
        ValidationError: a value that is known before the deployment cannot be resolved.
    """
    old = stack.definition
    before = make_side(world, stack, old, old.stored) if old else None
    after = make_side(world, stack, definition, definition.stored)
    return predict_changes(before, after, world.schemas)


def check_resolvable(world: EmulatedWorld, name: str, definition: StackDefinition) -> None:
    """Raise ValidationError where a value of a new stack's own template cannot be resolved; an
    error in a nested template fails the nested stack only."""
    predict(world, StackState("", name, 0, ""), replace(definition, nested={}))


def with_predicted_parameters(
    definition: StackDefinition, after: Mapping[str, Any], stored: Mapping[str, str]
) -> StackDefinition:
    """A nested stack's definition with the parameters that its parent will give it, as far as they
    are known, and what is ``stored`` in Parameter Store."""
    given = after.get("Properties", {}).get("Parameters", {})
    parameters = {name: print_value(value) for name, value in given.items()}
    return replace(definition, parameters=parameters, stored=stored)


def make_side(
    world: EmulatedWorld,
    stack: StackState,
    definition: StackDefinition,
    stored: Mapping[str, str],
) -> StackSide:
    """A stack with a definition, as one side of a comparison, and what is ``stored`` in Parameter
    Store for its root."""
    physical = {
        state.logical_id: PhysicalResource(state.physical_id, state.attributes)
        for state in stack.resources.values()
        if state.physical_id
    }
    nested = {}
    for name, inner in definition.nested.items():
        state = stack.resources.get(name)
        child = world.store.stacks.get(state.physical_id) if state else None
        nested[name] = make_side(world, child or StackState("", "", 0, ""), inner, stored)
    exports = {name: value for name, (value, _) in world.store.exports().items()}
    return StackSide(
        definition.template,
        definition.parameters,
        _pseudo(world, stack),
        physical,
        nested,
        exports,
        stored,
        definition.tags,
        stored.get,
    )


def _pseudo(world: EmulatedWorld, stack: StackState) -> Pseudo:
    return replace(world.pseudo, stack_name=stack.name or "nested", stack_id=stack.id or None)
