"""Exports of outputs: an export that another stack imports can neither go nor change."""

from __future__ import annotations

from collections.abc import Iterable

from ...cfn import ValidationError
from ..world.state import OutputState, StackState
from .values import StackValues
from .world import EmulatedWorld


def find_importers(world: EmulatedWorld, export: str) -> list[str]:
    """The names of the stacks that import an export."""
    return [
        stack.name
        for stack in world.store.stacks.values()
        if stack.alive and stack.definition and export in StackValues(world, stack).imports()
    ]


def export_in_use(export: str, importers: Iterable[str]) -> str:
    """The reason why an export cannot go, in CloudFormation's words."""
    names = ", ".join(importers)
    return f"Delete canceled. Cannot delete export {export} as it is in use by {names}."


def check_exports_unused(world: EmulatedWorld, stack: StackState) -> None:
    """Raise ValidationError where another stack imports an export of this stack."""
    for output in stack.outputs:
        importers = find_importers(world, output.export) if output.export else []
        if importers:
            raise ValidationError(export_in_use(output.export or "", importers))


def check_exports_kept(
    world: EmulatedWorld, before: Iterable[OutputState], after: Iterable[OutputState]
) -> None:
    """Raise ValidationError where an imported export goes or gets another value."""
    values = {output.export: output.value for output in after}
    for output in before:
        if output.export is None or values.get(output.export) == output.value:
            continue
        if importers := find_importers(world, output.export):
            names = ", ".join(importers)
            text = f"Export {output.export} cannot be updated as it is in use by {names}"
            if output.export not in values:
                text = export_in_use(output.export, importers)
            raise ValidationError(text, ("Outputs", output.key))
