"""Templates whose macros have not run: the parts that can be read without AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from ..declarations import Resource, ValidationError
from .parse import (
    LANGUAGE_EXTENSIONS,
    Document,
    Template,
    get_section,
    parse_template,
    read_document,
    template_from_data,
    transform_names,
)
from .sections import RESOURCE_KEYS, read_mapping, read_output, read_parameter, read_resource

_T = TypeVar("_T")
_LOOP = "Fn::ForEach"
_UNCOMPARED = frozenset(("AWSTemplateFormatVersion", "Description", "Metadata"))
"""Sections that say nothing about resources."""


@lru_cache(maxsize=64)
def parse_unexpanded(text: str) -> Template:
    """The template in a text; where only AWS can expand its macros, what can be read without them.

    Raises:
        ValidationError: CloudFormation would refuse it.
    """
    document = read_document(text)
    macros = tuple(dict.fromkeys(_find_macros(document.data)))
    return _read_parts(document, macros) if macros else parse_template(text)


def declared_keys(text: str) -> Template:
    """The template that AWS has accepted, as far as it can be read.

    Macros are not run, and a declaration that only a macro understands is left out.

    Raises:
        ValidationError: the text is no template at all.
    """
    try:
        return parse_template(text)
    except ValidationError:
        return _read_parts(read_document(text))


def readable_template(data: Any) -> Template:
    """A template from its data; the declarations that can be read where it cannot be read whole,
    because of a macro or a mistake.

    Raises:
        ValidationError: the data is no template at all.
    """
    try:
        return template_from_data(data)
    except ValidationError:
        return _read_parts(Document(data))


def _find_macros(data: Any) -> Iterator[str]:
    """The macros that a template uses, other than the language extensions that are understood."""
    if isinstance(data, Mapping):
        names = transform_names(data.get("Transform"))
        yield from (name for name in names if name != LANGUAGE_EXTENSIONS)
        yield from _find_functions(data)


def _find_functions(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _find_functions(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Fn::Transform":
                name = item.get("Name") if isinstance(item, Mapping) else None
                yield name if isinstance(name, str) else key
            elif str(key).startswith(f"{_LOOP}::"):
                yield _LOOP
            yield from _find_functions(item)


def _read_parts(document: Document, macros: tuple[str, ...] = ()) -> Template:
    data = document.data
    if not isinstance(data, Mapping):
        raise ValidationError("Template format error: unsupported structure.")
    template = Template(
        data,
        parameters=_readable(data, "Parameters", read_parameter),
        mappings=_readable(data, "Mappings", read_mapping),
        conditions=_readable(data, "Conditions", lambda _, condition: condition),
        resources=_readable(data, "Resources", _read_known_keys),
        outputs=_readable(data, "Outputs", read_output),
        transforms=transform_names(data.get("Transform")),
        lines=document.lines,
        duplicates=document.duplicates,
        macros=macros,
    )
    return replace(template, unread=dict(_unread_parts(template)))


def _readable(
    data: Mapping[str, Any], section: str, read: Callable[[str, Any], _T]
) -> dict[str, _T]:
    declarations = {}
    for name, value in get_section(data, section).items():
        if not str(name).startswith("Fn::"):
            with suppress(ValidationError):
                declarations[str(name)] = read(str(name), value)
    return declarations


def _read_known_keys(name: str, value: Any) -> Resource:
    """A resource without the attributes that only a macro reads (``Connectors`` of AWS SAM)."""
    kept = (
        {key: item for key, item in value.items() if key in RESOURCE_KEYS}
        if isinstance(value, Mapping)
        else value
    )
    return read_resource(name, kept)


def _unread_parts(template: Template) -> Iterator[tuple[str, Any]]:
    """The parts of the data that became no declaration, by path."""
    read: dict[str, Mapping[str, Any]] = {
        "Parameters": template.parameters,
        "Mappings": template.mappings,
        "Conditions": template.conditions,
        "Resources": template.resources,
        "Outputs": template.outputs,
    }
    for section, value in template.data.items():
        if section not in read:
            if section not in _UNCOMPARED:
                yield section, value
            continue
        for name, declaration in get_section(template.data, section).items():
            if name not in read[section]:
                yield f"{section}.{name}", declaration
            elif section == "Resources":
                extra = {key: declaration[key] for key in declaration if key not in RESOURCE_KEYS}
                yield from ((f"{section}.{name}.{key}", item) for key, item in extra.items())
