"""Checks of a template before any value is resolved: unknown types and references, cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from . import graph
from .declarations import Path, Resource, ValidationError
from .schema import Schemas
from .template import Template

_PSEUDO = frozenset(
    f"AWS::{name}"
    for name in (
        "AccountId",
        "NoValue",
        "NotificationARNs",
        "Partition",
        "Region",
        "StackId",
        "StackName",
        "URLSuffix",
    )
)


def validate_template(template: Template, schemas: Schemas) -> None:
    """Check a template on its own, as ``ValidateTemplate`` and ``CreateChangeSet`` do first.

    Raises:
        ValidationError: with CloudFormation's text and the line.
    """
    with _located(template):
        _types(template, schemas)
        _conditions(template)
        for section in ("Resources", "Outputs", "Conditions"):
            _functions(template, template.data.get(section), (section,))
        for path, name, attribute in _references(template):
            _reference(template, name, attribute, path)
            if attribute:
                _attribute(template.resources[name], schemas, attribute, path)
        graph.order_resources(template)


def validate_names(template: Template) -> None:
    """Check that everything which a template names is there, and that no resources wait for one
    another; nothing is checked where a macro may make more.

    Raises:
        ValidationError: with CloudFormation's text and the line.
    """
    if not template.macros:
        with _located(template):
            _conditions(template)
            for path, name, attribute in _references(template):
                _reference(template, name, attribute, path)
            graph.order_resources(template)


@contextmanager
def _located(template: Template) -> Iterator[None]:
    """Give an error the line of its path."""
    try:
        yield
    except ValidationError as error:
        raise ValidationError(
            error.message, error.path, error.line or template.line(error.path)
        ) from None


def _types(template: Template, schemas: Schemas) -> None:
    unknown = schemas.unrecognized([resource.type for resource in template.resources.values()])
    if unknown:
        first = next(
            name for name, resource in template.resources.items() if resource.type == unknown[0]
        )
        text = f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]"
        raise ValidationError(text, ("Resources", first, "Type"))


def _conditions(template: Template) -> None:
    named: list[tuple[Path, Any]] = [
        (("Resources", name, "Condition"), resource.condition)
        for name, resource in template.resources.items()
    ]
    named += [
        (("Outputs", name, "Condition"), output.condition)
        for name, output in template.outputs.items()
    ]
    for name, value in template.data.get("Resources", {}).items():
        named += [
            (("Resources", name), condition) for condition in _tested(value.get("Properties"))
        ]
    for path, condition in named:
        if condition is not None and condition not in template.conditions:
            block = path[0]
            text = (
                f"Template error: unresolved condition dependency {condition} in the {block} block "
                "of the template"
            )
            raise ValidationError(text, path)
    for name, condition in template.conditions.items():
        for needed, _ in graph.find_references(condition):
            if needed not in template.parameters and needed not in _PSEUDO:
                text = (
                    f"Template format error: Unresolved dependencies [{needed}]. Cannot reference "
                    "resources in the Conditions block of the template"
                )
                raise ValidationError(text, ("Conditions", name))


def _tested(value: Any) -> Iterator[str]:
    """The conditions that ``Fn::If`` names."""
    if isinstance(value, list):
        for item in value:
            yield from _tested(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Fn::If" and isinstance(item, list) and item and isinstance(item[0], str):
                yield item[0]
            yield from _tested(item)


_EXTENSIONS = frozenset(("Fn::Length", "Fn::ToJsonString"))
_FUNCTIONS = (
    *(
        "Fn::Base64",
        "Fn::GetAtt",
        "Fn::GetAZs",
        "Fn::ImportValue",
        "Fn::Join",
        "Fn::Split",
        "Fn::FindInMap",
    ),
    *(
        "Fn::Select",
        "Ref",
        "Fn::Equals",
        "Fn::If",
        "Fn::Not",
        "Condition",
        "Fn::And",
        "Fn::Or",
        "Fn::Contains",
    ),
    *(
        "Fn::EachMemberEquals",
        "Fn::EachMemberIn",
        "Fn::ValueOf",
        "Fn::ValueOfAll",
        "Fn::RefAll",
        "Fn::Sub",
        "Fn::Cidr",
    ),
)
"""As CloudFormation enumerates them when it refuses another one."""


def _functions(template: Template, value: Any, path: Path) -> None:
    if isinstance(value, Mapping):
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            _function(template, str(name), argument, path)
        for key, item in value.items():
            _functions(template, item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _functions(template, item, (*path, index))


def _function(template: Template, name: str, argument: Any, path: Path) -> None:
    if name == "Fn::Transform":
        raise ValidationError("Fn::Transform is not supported: only AWS can run a macro.", path)
    if template.language_extensions:
        known = name in _FUNCTIONS or name in _EXTENSIONS
    else:
        known = name in _FUNCTIONS
        if name == "Fn::FindInMap" and isinstance(argument, list) and len(argument) > 3:
            text = (
                "Template error: every Fn::FindInMap object requires three parameters, the map "
                "name, map key and the"
            )
            raise ValidationError(f"{text} attribute for return value", path)
    if name.startswith("Fn::") and not known:
        text = f"Template Error: Encountered unsupported function: {name} Supported functions are:"
        raise ValidationError(f"{text} [{', '.join(_FUNCTIONS)}]", path)


def _references(template: Template) -> Iterator[tuple[Path, str, str | None]]:
    """Every (path of the declaration, name, attribute or None) that resources and outputs name."""
    parts: list[tuple[Path, Any]] = [
        (
            ("Resources", name),
            [
                resource.properties,
                resource.metadata,
                resource.creation_policy,
                resource.update_policy,
            ],
        )
        for name, resource in template.resources.items()
    ]
    parts += [
        (("Outputs", name), [output.value, output.export])
        for name, output in template.outputs.items()
    ]
    for path, value in parts:
        for name, attribute in graph.find_references(value):
            yield path, name, attribute


def _reference(template: Template, name: str, attribute: str | None, path: Path) -> None:
    if name in template.resources or (
        attribute is None and (name in template.parameters or name in _PSEUDO)
    ):
        return
    if attribute is not None:
        text = f"Template error: instance of Fn::GetAtt references undefined resource {name}"
        raise ValidationError(text, path)
    text = (
        f"Template format error: Unresolved resource dependencies [{name}] in the {path[0]} block "
        "of the template"
    )
    raise ValidationError(text, path)


def _attribute(resource: Resource, schemas: Schemas, attribute: str, path: Path) -> None:
    known = schemas.get(resource.type)
    if known is not None and not known.has_attribute(attribute):
        text = (
            f"Template error: resource {resource.logical_id} does not support attribute type "
            f"{attribute} in Fn::GetAtt"
        )
        raise ValidationError(text, path)
