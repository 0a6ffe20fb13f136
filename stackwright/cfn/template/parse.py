"""Template text -> :class:`Template`, from YAML or JSON, with the line of every key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeVar

from msgspec import Struct

from ...core import InputError, TemplateData, compose_yaml
from ..declarations import Output, Parameter, Path, Resource, ValidationError
from .sections import read_mapping, read_output, read_parameter, read_resource

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
LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"
"""The transform whose functions are understood here."""
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template. ``data`` is the document as it was read; ``lines`` maps paths to lines
    (empty for JSON).

    ``duplicates`` are the keys that are given twice, of which the last value counts, each with its
    line (0 for JSON). ``macros`` are the names of the macros that only AWS can expand
    (``AWS::Serverless-2016-10-31``, ``Fn::ForEach``), ``unread`` the parts that only a macro
    understands, by path (``Resources.Fn::ForEach::Topics``).
    """

    data: Mapping[str, Any] = field(repr=False)
    parameters: Mapping[str, Parameter]
    mappings: Mapping[str, Mapping[str, Mapping[str, Any]]]
    conditions: Mapping[str, Any]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Output]
    description: str | None = None
    transforms: tuple[str, ...] = ()
    lines: Mapping[Path, int] = field(default_factory=dict, repr=False)
    duplicates: tuple[tuple[str, int], ...] = ()
    macros: tuple[str, ...] = ()
    unread: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def line(self, path: Path) -> int:
        """The line (from 1) of the nearest enclosing key that has one, or 0."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    @property
    def language_extensions(self) -> bool:
        """Whether the transform ``AWS::LanguageExtensions`` is declared (for Length, ToJsonString,
        DefaultValue)."""
        return LANGUAGE_EXTENSIONS in self.transforms


class Document(Struct, frozen=True):
    """The data of a template's text, with the lines and the duplicates of its keys."""

    data: Any
    lines: Mapping[Path, int] = {}
    duplicates: tuple[tuple[str, int], ...] = ()

    def locate(self, error: ValidationError) -> ValidationError:
        """The error with the line of the nearest key around its path."""
        path = error.path
        while path and path not in self.lines:
            path = path[:-1]
        return ValidationError(error.message, error.path, error.line or self.lines.get(path, 0))


@lru_cache(maxsize=64)
def parse_template(text: str) -> Template:
    """The template in a text; cached, since many stages parse the same text.

    Raises:
        ValidationError: CloudFormation would refuse it; with its text and the line.
    """
    document = read_document(text)
    try:
        template = template_from_data(document.data, document.lines)
    except ValidationError as error:
        raise document.locate(error) from None
    return replace(template, duplicates=document.duplicates)


def read_document(text: str) -> Document:
    """The data of a text in YAML or JSON; intrinsics are in long form.

    Raises:
        ValidationError: the text is neither.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        return _read_json(text)
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
    return Document(read.data if root else None, read.lines, tuple(read.duplicates))


def _read_json(text: str) -> Document:
    duplicates: list[tuple[str, int]] = []

    def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            keys = [key for key, _ in pairs]
            duplicates.extend((key, 0) for key in members if keys.count(key) > 1)
        return members

    try:
        data = json.loads(text, object_pairs_hook=make_object)
    except json.JSONDecodeError as error:
        message = (
            f"Template format error: JSON not well-formed. (line {error.lineno}, column "
            f"{error.colno})"
        )
        raise ValidationError(message, (), error.lineno) from None
    return Document(data, {}, tuple(duplicates))


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
    resources = get_section(data, "Resources")
    if not resources:
        raise ValidationError(
            "Template format error: At least one Resources member must be defined."
        )
    _limits(data)
    return Template(
        data=data,
        parameters=_parse_section(data, "Parameters", read_parameter),
        mappings=_parse_section(data, "Mappings", read_mapping),
        conditions=dict(get_section(data, "Conditions")),
        resources=_parse_section(data, "Resources", read_resource),
        outputs=_parse_section(data, "Outputs", read_output),
        description=_description(data),
        transforms=_transforms(data.get("Transform")),
        lines=lines or {},
    )


def get_section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of a template's data; empty where it is not there.

    Raises:
        ValidationError: it is no object.
    """
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
        count = len(get_section(data, name))
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
    for name, value in get_section(data, section).items():
        if str(name).startswith("Fn::"):
            raise ValidationError(
                f"{name} is not supported: only AWS can run a macro.", (section, name)
            )
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
    names = transform_names(value)
    for name in names:
        if name != LANGUAGE_EXTENSIONS:
            raise ValidationError(
                f"Transform {name} is not supported: only AWS can run it.", ("Transform",)
            )
    return names


def transform_names(value: Any) -> tuple[str, ...]:
    """The names in a ``Transform`` section; a macro with parameters is shown as JSON."""
    items = [] if value is None else value if isinstance(value, list) else [value]
    return tuple(item if isinstance(item, str) else json.dumps(item) for item in items)
