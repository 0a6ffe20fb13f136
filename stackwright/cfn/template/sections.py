"""The declarations of a template's sections, read from their data.

The refusals carry CloudFormation's own texts (collected from AWS's public error reports; where
AWS's text is not known, ours says more).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..declarations import (
    Output,
    Parameter,
    Path,
    Resource,
    ValidationError,
    is_custom,
    template_to_text,
)

RESOURCE_KEYS = frozenset(
    (
        "Type",
        "Properties",
        "DependsOn",
        "Condition",
        "Metadata",
        "CreationPolicy",
        "UpdatePolicy",
        "DeletionPolicy",
        "UpdateReplacePolicy",
    )
)
_PARAMETER_KEYS = frozenset(
    (
        "Type",
        "Default",
        "AllowedValues",
        "AllowedPattern",
        "ConstraintDescription",
        "Description",
        "MaxLength",
        "MaxValue",
        "MinLength",
        "MinValue",
        "NoEcho",
    )
)
_PARAMETER_TYPE = re.compile(
    r"(String|Number|CommaDelimitedList|List<(String|Number|AWS::[A-Za-z0-9:]+)>|AWS::[A-Za-z0-9:]+"
    r"|AWS::SSM::Parameter::Value<[A-Za-z0-9:<>]+>)"
)
_POLICIES = ("Delete", "Retain", "Snapshot", "RetainExceptOnCreate")


def _number(value: Any, cast: Callable[[Any], float], name: str, path: Path) -> Any:
    try:
        return None if value is None else cast(value)
    except (TypeError, ValueError):
        raise ValidationError(
            f"Template format error: {name} must be a number.", (*path, name)
        ) from None


def read_parameter(name: str, value: Any) -> Parameter:
    path: Path = ("Parameters", name)
    if not isinstance(value, Mapping) or not isinstance(value.get("Type"), str):
        raise ValidationError(
            "Template format error: Every Parameters object must contain a Type member.", path
        )
    unknown = sorted(set(value) - _PARAMETER_KEYS)
    if unknown:
        raise ValidationError(
            f"Invalid template parameter property '{unknown[0]}'", (*path, unknown[0])
        )
    if not _PARAMETER_TYPE.fullmatch(value["Type"]):
        raise ValidationError(
            f"Template format error: Unrecognized parameter type: {value['Type']}", path
        )
    default = value.get("Default")
    if isinstance(default, list | Mapping):
        raise ValidationError(
            "Template format error: Every Default member must be a string.", (*path, "Default")
        )
    allowed = value.get("AllowedValues") or []
    if not isinstance(allowed, list):
        raise ValidationError(
            "Template format error: Every AllowedValues member must be a list.",
            (*path, "AllowedValues"),
        )
    pattern = value.get("AllowedPattern")
    return Parameter(
        name=name,
        type=value["Type"],
        default=None if default is None else template_to_text(default),
        allowed_values=tuple(template_to_text(item) for item in allowed),
        allowed_pattern=None if pattern is None else template_to_text(pattern),
        constraint_description=value.get("ConstraintDescription"),
        minimum_length=_number(value.get("MinLength"), int, "MinLength", path),
        maximum_length=_number(value.get("MaxLength"), int, "MaxLength", path),
        minimum=_number(value.get("MinValue"), float, "MinValue", path),
        maximum=_number(value.get("MaxValue"), float, "MaxValue", path),
        no_echo=template_to_text(value.get("NoEcho", False)).lower()
        != "false",  # in doubt it is secret
        description=value.get("Description"),
    )


def read_mapping(name: str, value: Any) -> Mapping[str, Mapping[str, Any]]:
    good = isinstance(value, Mapping) and all(isinstance(row, Mapping) for row in value.values())
    if not good:
        text = (
            "Template format error: Every Mappings object member must contain a String key and an "
            "object value."
        )
        raise ValidationError(text, ("Mappings", name))
    for top, row in value.items():
        for second, cell in row.items():
            if isinstance(cell, Mapping) or cell is None:
                text = "Template format error: Every Mappings attribute must be a String or a List."
                raise ValidationError(text, ("Mappings", name, top, second))
    return {
        template_to_text(top): {template_to_text(k): v for k, v in row.items()}
        for top, row in value.items()
    }


def read_resource(name: str, value: Any) -> Resource:
    path: Path = ("Resources", name)
    if not isinstance(value, Mapping):
        raise ValidationError(
            "Template format error: Any Resources member must be an object.", path
        )
    if not isinstance(value.get("Type"), str) or not value["Type"]:
        text = (
            f"Template format error: [/Resources/{name}] Every Resources object must contain a "
            "Type member."
        )
        raise ValidationError(text, path)
    known = RESOURCE_KEYS | {"Version"} if is_custom(value["Type"]) else RESOURCE_KEYS
    unknown = sorted(set(map(str, value)) - known)
    if unknown:
        raise ValidationError(
            f"Invalid template resource property '{unknown[0]}'", (*path, unknown[0])
        )
    condition = value.get("Condition")
    if condition is not None and not isinstance(condition, str):
        raise ValidationError(
            "Template format error: Every Condition member must be a string.", (*path, "Condition")
        )
    properties = value.get("Properties", {})
    if properties is None:
        text = f"[/Resources/{name}/Properties] 'null' values are not allowed in templates"
        raise ValidationError(text, (*path, "Properties"))
    if not isinstance(properties, Mapping):
        raise ValidationError(
            "Template format error: Any Properties member must be an object.", (*path, "Properties")
        )
    for key in ("DeletionPolicy", "UpdateReplacePolicy"):
        _policy(name, key, value.get(key))
    return Resource(
        logical_id=name,
        type=value["Type"],
        properties=properties,
        depends_on=_depends_on(path, value.get("DependsOn")),
        condition=condition,
        metadata=value.get("Metadata"),
        creation_policy=value.get("CreationPolicy"),
        update_policy=value.get("UpdatePolicy"),
        deletion_policy=value.get("DeletionPolicy"),
        update_replace_policy=value.get("UpdateReplacePolicy"),
    )


def _policy(name: str, key: str, value: Any) -> None:
    if value is not None and not isinstance(value, Mapping) and value not in _POLICIES:
        text = f"Template format error: Unrecognized {key} {value} for resource {name}"
        raise ValidationError(text, ("Resources", name, key))


def _depends_on(path: Path, value: Any) -> tuple[str, ...]:
    names = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        text = "Template format error: DependsOn must be a string or list of strings."
        raise ValidationError(text, (*path, "DependsOn"))
    return tuple(names)


def read_output(name: str, value: Any) -> Output:
    if not isinstance(value, Mapping) or "Value" not in value:
        text = (
            f"Template format error: Output {name} is malformed. Every Outputs member must contain "
            "a Value object"
        )
        raise ValidationError(text, ("Outputs", name))
    export = value.get("Export")
    if export is not None and (not isinstance(export, Mapping) or "Name" not in export):
        raise ValidationError(
            "Template format error: Export must contain a Name.", ("Outputs", name, "Export")
        )
    condition = value.get("Condition")
    if condition is not None and not isinstance(condition, str):
        raise ValidationError(
            "Template format error: Every Condition member must be a string.",
            ("Outputs", name, "Condition"),
        )
    return Output(
        name=name,
        value=value["Value"],
        export=export["Name"] if export else None,
        condition=condition,
        description=value.get("Description"),
    )
