"""Change sets that take existing resources into a stack.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import.html; texts as reported by
users of the real one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..cfn import Prediction, Schemas, ValidationError
from .state import Definition, StackState

_ELSEWHERE = "that are not being imported. Update, create or delete operations cannot be executed during import"


def wanted(
    given: Iterable[Mapping[str, Any]], definition: Definition, schemas: Schemas
) -> dict[str, dict[str, str]]:
    """Logical id -> identifier of each resource to import.

    Raises:
        ValidationError: one is not in the template, of another type, not importable, or without its
        identifier.
    """
    found = {
        each["LogicalResourceId"]: dict(each.get("ResourceIdentifier") or {}) for each in given
    }
    types = {each["LogicalResourceId"]: each.get("ResourceType") for each in given}
    if not found:
        raise ValidationError("ResourcesToImport must be specified for a change set of type IMPORT")
    resources = definition.template.resources
    unknown = [
        name for name in found if name not in resources or resources[name].type != types[name]
    ]
    if unknown:
        raise ValidationError(
            f"Resources to import [{', '.join(unknown)}] do not match the resources in the template"
        )
    for name, identifier in found.items():
        known = schemas.get(resources[name].type)
        keys = [str(path[-1]) for path in known.primary_identifier] if known else []
        if set(identifier) != set(keys):
            text = f"Invalid resource identifier for {resources[name].type} {name}:"
            raise ValidationError(
                f"{text} expected [{', '.join(keys)}], found [{', '.join(sorted(identifier))}]"
            )
    return found


def check(
    imports: Iterable[str], stack: StackState, definition: Definition, prediction: Prediction
) -> None:
    """An import changes nothing else.

    Raises:
        ValidationError: it would.
    """
    resources, names = definition.template.resources, set(imports)
    present = sorted(name for name in names if name in stack.resources)
    if present:
        raise ValidationError(
            f"Resources [{', '.join(present)}] are already in the stack and cannot be imported"
        )
    bare = sorted(name for name in names if resources[name].deletion_policy is None)
    if bare:
        text = f"The following resources to import [{', '.join(bare)}] must have DeletionPolicy attribute specified"
        raise ValidationError(f"{text} in the template.")
    changed = {
        change.logical_id: str(change.action)
        for change in prediction.changes
        if change.real or change.listed
    }
    added = sorted(
        name for name, action in changed.items() if action == "Add" and name not in names
    )
    if added:
        raise ValidationError(
            f"Resources [{', '.join(added)}] is missing from ResourceToImport list"
        )
    other = sorted(
        name for name, action in changed.items() if action != "Add" and name not in names
    )
    if other:
        raise ValidationError(
            f"You have modified resources [{', '.join(other)}] in your template {_ELSEWHERE} operations."
        )
    _check_rest(stack, definition)


def _check_rest(stack: StackState, definition: Definition) -> None:
    old = stack.definition
    before = old.template.data.get("Outputs", {}) if old else {}
    parts = {
        "Outputs": (before, definition.template.data.get("Outputs", {})),
        "Tags": (dict(old.tags) if old else {}, dict(definition.tags)),
    }
    changed = [name for name, (was, is_) in parts.items() if was != is_]
    if changed:
        raise ValidationError(
            f"As part of the import operation, you cannot modify or add [{', '.join(changed)}]"
        )


def to_api(
    imports: Mapping[str, Mapping[str, str]], definition: Definition
) -> list[dict[str, Any]]:
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
        for name, identifier in sorted(imports.items())
    ]


def physical_id(identifier: Mapping[str, str]) -> str:
    """What ``Ref`` gives for an imported resource."""
    return "|".join(identifier.values())
