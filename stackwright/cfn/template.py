"""CloudFormation templates as values: parsed from YAML or JSON, with the line of every key.

The refusals carry CloudFormation's own texts, so that a template that AWS would refuse is refused
here in the same words (texts collected from AWS's public error reports; where AWS's text is not
known, ours says more).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from ..core import InputError, TemplateData, compose_yaml
from .declarations import Output, Parameter, Path, Resource, ValidationError, template_to_text

_T = TypeVar("_T")
MAX_RESOURCES = 500
MAX_PARAMETERS = 200
MAX_OUTPUTS = 200
MAX_MAPPINGS = 200
"""Quotas: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
_SECTIONS = frozenset(
    (
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Rules",
        "Mappings",
        "Conditions",
        "Transform",
        "Resources",
        "Outputs",
        "Hooks",
        "Globals",
        "Constants",
    )
)
_RESOURCE_KEYS = frozenset(
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
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")
_POLICIES = ("Delete", "Retain", "Snapshot", "RetainExceptOnCreate")


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template. ``data`` is the document as it was read; ``lines`` maps paths to lines
    (empty for JSON)."""

    data: Mapping[str, Any] = field(repr=False)
    parameters: Mapping[str, Parameter]
    mappings: Mapping[str, Mapping[str, Mapping[str, Any]]]
    conditions: Mapping[str, Any]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Output]
    description: str | None = None
    transforms: tuple[str, ...] = ()
    lines: Mapping[Path, int] = field(default_factory=dict, repr=False)

    def line(self, path: Path) -> int:
        """The line (from 1) of the nearest enclosing key that has one, or 0."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    @property
    def language_extensions(self) -> bool:
        """Whether the transform ``AWS::LanguageExtensions`` is declared (for Length, ToJsonString,
        DefaultValue)."""
        return "AWS::LanguageExtensions" in self.transforms


@lru_cache(maxsize=64)
def parse_template(text: str) -> Template:
    """The template in a text; cached, since many stages parse the same text.

    Raises:
        ValidationError: CloudFormation would refuse it; with its text and the line.
    """
    data, lines = _read(text)
    try:
        return template_from_data(data, lines)
    except ValidationError as error:
        if error.line or not error.path:
            raise
        line = _nearest(lines, error.path)
        raise ValidationError(error.message, error.path, line) from None


def declared_keys(text: str) -> Template:
    """The parameters and resources of a template that AWS has accepted; other sections are empty.

    Macros are not run, and a declaration that only a macro understands is left out.

    Raises:
        ValidationError: the text is no template at all.
    """
    try:
        return parse_template(text)
    except ValidationError:
        return _declarations(*_read(text))


def readable_template(data: Any) -> Template:
    """A template from its data; only its parameters and resources where it cannot be read whole,
    because of a macro or a mistake.

    Raises:
        ValidationError: the data is no template at all.
    """
    try:
        return template_from_data(data)
    except ValidationError:
        return _declarations(data, {})


def _declarations(data: Any, lines: Mapping[Path, int]) -> Template:
    if not isinstance(data, Mapping):
        raise ValidationError("Template format error: unsupported structure.")
    parameters = _readable(data, "Parameters", _parameter)
    resources = _readable(data, "Resources", _without_macro_keys)
    return Template(data, parameters, {}, {}, resources, {}, lines=lines)


def _readable(
    data: Mapping[str, Any], section: str, make: Callable[[str, Any], _T]
) -> dict[str, _T]:
    declarations = {}
    for name, value in _section(data, section).items():
        with suppress(ValidationError):
            declarations[str(name)] = make(str(name), value)
    return declarations


def _without_macro_keys(name: str, value: Any) -> Resource:
    """A resource without the attributes that only a macro reads (``Connectors`` of AWS SAM)."""
    kept = (
        {key: item for key, item in value.items() if key in _RESOURCE_KEYS}
        if isinstance(value, Mapping)
        else value
    )
    return _resource(name, kept)


def _nearest(lines: Mapping[Path, int], path: Path) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


def _read(text: str) -> tuple[Any, dict[Path, int]]:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, object_pairs_hook=_unique_pairs), {}
        except json.JSONDecodeError as error:
            message = (
                f"Template format error: JSON not well-formed. (line {error.lineno}, column "
                f"{error.colno})"
            )
            raise ValidationError(message, (), error.lineno) from None
    try:
        root = compose_yaml(text, "")
    except InputError as error:
        at = error.problems[0].where[0]
        column = f" (line {at.line}, column {at.column})" if at.column else ""
        message = f"Template format error: YAML not well-formed.{column}"
        raise ValidationError(message, (), at.line) from None
    try:
        read = TemplateData(root, "")
    except InputError as error:
        problem = error.problems[0]
        message = f"Template format error: {problem.message}."
        raise ValidationError(message, (), problem.where[0].line) from None
    return (read.data if root else None), read.lines


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise ValidationError(f"Template format error: duplicate key '{twice[0]}'.")
    return dict(pairs)


def template_from_data(data: Any, lines: Mapping[Path, int] | None = None) -> Template:
    """A template from a document that was already read (JSON shapes).

    Raises:
        ValidationError: where the document is not a template.
    """
    if not isinstance(data, Mapping):
        raise ValidationError("Template format error: unsupported structure.")
    unknown = sorted(set(data) - _SECTIONS)
    if unknown:
        names = ", ".join(unknown)
        raise ValidationError(f"Invalid template property or properties [{names}]", (unknown[0],))
    resources = _section(data, "Resources")
    if not resources:
        raise ValidationError(
            "Template format error: At least one Resources member must be defined."
        )
    _limits(data)
    return Template(
        data=data,
        parameters=_parse_section(data, "Parameters", _parameter),
        mappings=_parse_section(data, "Mappings", _mapping_table),
        conditions=dict(_section(data, "Conditions")),
        resources=_parse_section(data, "Resources", _resource),
        outputs=_parse_section(data, "Outputs", _output),
        description=_description(data),
        transforms=_transforms(data.get("Transform")),
        lines=lines or {},
    )


def _section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = data.get(name)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise ValidationError(f"Template format error: {name} must be an object.", (name,))
    return section


def _limits(data: Mapping[str, Any]) -> None:
    for name, limit in (
        ("Resources", MAX_RESOURCES),
        ("Parameters", MAX_PARAMETERS),
        ("Outputs", MAX_OUTPUTS),
        ("Mappings", MAX_MAPPINGS),
    ):
        count = len(_section(data, name))
        if count > limit:
            text = (
                f"Template format error: Number of {name.lower()}, {count}, is greater than "
                f"maximum allowed, {limit}"
            )
            raise ValidationError(text, (name,))


def _parse_section(
    data: Mapping[str, Any], section: str, make: Callable[[str, Any], _T]
) -> dict[str, _T]:
    declarations = {}
    for name, value in _section(data, section).items():
        if section != "Mappings" and not _ALPHANUMERIC.fullmatch(str(name)):
            noun = section.removesuffix("s")
            raise ValidationError(
                f"Template format error: {noun} name {name} is non alphanumeric.", (section, name)
            )
        declarations[name] = make(name, value)
    return declarations


def _description(data: Mapping[str, Any]) -> str | None:
    text = data.get("Description")
    if text is not None and not isinstance(text, str):
        raise ValidationError(
            "Template format error: Description must be a string.", ("Description",)
        )
    return text


def _transforms(value: Any) -> tuple[str, ...]:
    """The declared macros. Only ``AWS::LanguageExtensions`` is understood here; others need AWS to
    run them."""
    names = [] if value is None else value if isinstance(value, list) else [value]
    for name in names:
        if name != "AWS::LanguageExtensions":
            shown = name if isinstance(name, str) else json.dumps(name)
            raise ValidationError(
                f"Transform {shown} is not supported: only AWS can run it.", ("Transform",)
            )
    return tuple(names)


def _number(value: Any, cast: Callable[[Any], float], name: str, path: Path) -> Any:
    try:
        return None if value is None else cast(value)
    except (TypeError, ValueError):
        raise ValidationError(
            f"Template format error: {name} must be a number.", (*path, name)
        ) from None


def _parameter(name: str, value: Any) -> Parameter:
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
    return Parameter(
        name=name,
        type=value["Type"],
        default=None if default is None else template_to_text(default),
        allowed_values=tuple(template_to_text(item) for item in value.get("AllowedValues") or ()),
        allowed_pattern=value.get("AllowedPattern"),
        constraint_description=value.get("ConstraintDescription"),
        minimum_length=_number(value.get("MinLength"), int, "MinLength", path),
        maximum_length=_number(value.get("MaxLength"), int, "MaxLength", path),
        minimum=_number(value.get("MinValue"), float, "MinValue", path),
        maximum=_number(value.get("MaxValue"), float, "MaxValue", path),
        no_echo=template_to_text(value.get("NoEcho", False)).lower()
        != "false",  # in doubt it is secret
        description=value.get("Description"),
    )


def _mapping_table(name: str, value: Any) -> Mapping[str, Mapping[str, Any]]:
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


def _resource(name: str, value: Any) -> Resource:
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
    unknown = sorted(set(value) - _RESOURCE_KEYS)
    if unknown:
        raise ValidationError(
            f"Invalid template resource property '{unknown[0]}'", (*path, unknown[0])
        )
    properties = value.get("Properties", {})
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
        condition=value.get("Condition"),
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


def _output(name: str, value: Any) -> Output:
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
    return Output(
        name=name,
        value=value["Value"],
        export=export["Name"] if export else None,
        condition=value.get("Condition"),
        description=value.get("Description"),
    )
