"""Change sets that import existing resources into a stack.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import.html; error texts as users of
AWS reported them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from ...cfn import STACK_TYPE, Action, Prediction, Schemas, ValidationError, plain_data
from ..operation.imports import Identifiers, find_adoptable, physical_id
from ..operation.world import EmulatedWorld
from ..world.state import StackDefinition, StackState
from .shapes import Shape

_ELSEWHERE = (
    "that are not being imported. Update, create or delete operations cannot be executed during "
    "import operations."
)


def read_identifiers(
    arguments: Iterable[Mapping[str, Any]], definition: StackDefinition, schemas: Schemas
) -> dict[str, dict[str, str]]:
    """Logical id -> identifier of each resource to import.

    Raises:
        ValidationError: a resource is not in the template, has another type, cannot be imported, or
        has no identifier.
    """
    identifiers, resources = {}, definition.template.resources
    unknown = []
    for argument in arguments:
        name = argument["LogicalResourceId"]
        identifiers[name] = dict(argument.get("ResourceIdentifier") or {})
        if name not in resources or resources[name].type != argument.get("ResourceType"):
            unknown.append(name)
    if not identifiers:
        raise ValidationError("ResourcesToImport must be specified for a change set of type IMPORT")
    if unknown:
        text = (
            f"Resources to import [{', '.join(unknown)}] do not match the resources in the template"
        )
        raise ValidationError(text)
    for name, identifier in identifiers.items():
        resource_type = schemas.get(resources[name].type)
        paths = resource_type.primary_identifier if resource_type else ()
        keys = [str(path[-1]) for path in paths]
        if set(identifier) != set(keys):
            text = f"Invalid resource identifier for {resources[name].type} {name}:"
            given = ", ".join(sorted(identifier))
            raise ValidationError(f"{text} expected [{', '.join(keys)}], found [{given}]")
    return identifiers


def check_import(
    names: Iterable[str], stack: StackState, definition: StackDefinition, prediction: Prediction
) -> None:
    """Raise ValidationError where an import would change anything else."""
    imported, resources = set(names), definition.template.resources
    present = sorted(name for name in imported if name in stack.resources)
    if present:
        text = f"Resources [{', '.join(present)}] are already in the stack and cannot be imported"
        raise ValidationError(text)
    bare = sorted(name for name in imported if resources[name].deletion_policy is None)
    if bare:
        text = f"The following resources to import [{', '.join(bare)}] must have DeletionPolicy"
        raise ValidationError(f"{text} attribute specified in the template.")
    others = {
        change.logical_id: str(change.action)
        for change in prediction.changes
        if (change.real or change.listed) and change.logical_id not in imported
    }
    added = sorted(name for name, action in others.items() if action == "Add")
    if added:
        text = f"Resources [{', '.join(added)}] is missing from ResourceToImport list"
        raise ValidationError(text)
    if others:
        text = f"You have modified resources [{', '.join(sorted(others))}] in your template"
        raise ValidationError(f"{text} {_ELSEWHERE}")
    _check_outputs_and_tags(stack, definition)


def _check_outputs_and_tags(stack: StackState, definition: StackDefinition) -> None:
    old = stack.definition
    before = old.template.data.get("Outputs", {}) if old else {}
    sides = {
        "Outputs": (before, definition.template.data.get("Outputs", {})),
        "Tags": (dict(old.tags) if old else {}, dict(definition.tags)),
    }
    changed = [name for name, (was, will_be) in sides.items() if was != will_be]
    if changed:
        text = "As part of the import operation, you cannot modify or add"
        raise ValidationError(f"{text} [{', '.join(changed)}]")


def adopt_existing(definition: StackDefinition) -> StackDefinition:
    """The definition that imports resources which exist already, in nested stacks too."""
    nested = {name: adopt_existing(inner) for name, inner in definition.nested.items()}
    return replace(definition, adopts=True, nested=nested)


def mark_imports(
    world: EmulatedWorld,
    stack: StackState,
    definition: StackDefinition,
    prediction: Prediction,
    changes: Iterable[Shape],
) -> None:
    """List the additions that ImportExistingResources makes imports as such."""
    if not definition.adopts:
        return
    pseudo = replace(world.pseudo, stack_name=stack.name, stack_id=stack.id)
    added = {c.logical_id: c for c in prediction.changes if c.action is Action.ADD}
    for change in changes:
        shape = change["ResourceChange"]
        addition = added.get(shape["LogicalResourceId"])
        if addition is None or addition.type == STACK_TYPE:
            continue
        resource = definition.template.resources[addition.logical_id]
        properties = plain_data(addition.after.get("Properties", {}))
        identity = find_adoptable(world, definition, resource, properties, pseudo)
        if identity is not None:
            shape.update(Action="Import", PhysicalResourceId=identity.id)
            shape.pop("Replacement", None)


def import_changes(identifiers: Identifiers, definition: StackDefinition) -> list[Shape]:
    """The changes of an import, as DescribeChangeSet lists them."""
    return [
        {
            "Type": "Resource",
            "ResourceChange": {
                "Action": "Import",
                "LogicalResourceId": name,
                "PhysicalResourceId": physical_id(identifier),
                "ResourceType": definition.template.resources[name].type,
                "Scope": [],
                "Details": [],
            },
        }
        for name, identifier in sorted(identifiers.items())
    ]
