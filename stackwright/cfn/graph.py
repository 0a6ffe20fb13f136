"""Dependencies of a template's resources, an order in which to create them, and cycles by name.

Dependencies come from ``Ref``, ``Fn::GetAtt``, ``Fn::Sub`` and ``DependsOn``; as in CloudFormation,
both branches of an ``Fn::If`` count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .declarations import Resource, ValidationError
from .template import Template

_SUB_NAME = re.compile(r"\$\{([^!}][^}]*)\}")


def find_references(value: Any) -> Iterator[tuple[str, str | None]]:
    """Every (name, attribute or None) that an unresolved value names by Ref, GetAtt or Sub."""
    if isinstance(value, list):
        for item in value:
            yield from find_references(item)
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        if key == "Ref" and isinstance(item, str):
            yield item, None
        elif key == "Fn::GetAtt":
            yield from _get_att(item)
        elif key == "Fn::Sub":
            yield from _sub(item)
        else:
            yield from find_references(item)


def _get_att(argument: Any) -> Iterator[tuple[str, str | None]]:
    if isinstance(argument, str):
        name, _, attribute = argument.partition(".")
        yield name, attribute
    elif isinstance(argument, list) and argument and isinstance(argument[0], str):
        rest = argument[1:]
        yield argument[0], ".".join(rest) if all(isinstance(part, str) for part in rest) else ""
        yield from find_references(rest)


def _sub(argument: Any) -> Iterator[tuple[str, str | None]]:
    text, variables = argument, {}
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], Mapping):
        text, variables = argument
    if not isinstance(text, str):
        return
    for match in _SUB_NAME.finditer(text):
        name, _, attribute = match.group(1).strip().partition(".")
        if match.group(1).strip() not in variables:
            yield name, attribute or None
    yield from find_references(list(variables.values()))


def find_dependencies(template: Template) -> dict[str, frozenset[str]]:
    """Logical id -> the logical ids it needs first.

    Raises:
        ValidationError: a resource names one that is not there.
    """
    return {
        name: frozenset(_needs(template, resource)) for name, resource in template.resources.items()
    }


def _needs(template: Template, resource: Resource) -> Iterator[str]:
    path = ("Resources", resource.logical_id)
    for name in resource.depends_on:
        if name not in template.resources:
            if template.macros:
                continue  # a macro may make the resource
            text = (
                f"Template format error: Unresolved resource dependencies [{name}] in the "
                "Resources block of the"
            )
            raise ValidationError(f"{text} template", (*path, "DependsOn"))
        yield name
    for name, _ in find_references(resource.properties):
        if name in template.resources:
            yield name


def order_resources(template: Template) -> list[str]:
    """The logical ids, each after what it depends on; ties in the order of the template.

    Raises:
        ValidationError: the resources depend on one another in a circle; all of its members are
        named.
    """
    needs = find_dependencies(template)
    sorter = TopologicalSorter({name: sorted(needs[name]) for name in needs})
    try:
        sorter.prepare()
    except CycleError as error:
        members = sorted(set(error.args[1]))
        text = f"Circular dependency between resources: [{', '.join(members)}]"
        raise ValidationError(text, ("Resources", members[0])) from None
    position = {name: index for index, name in enumerate(needs)}
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=position.__getitem__)
        order += ready
        sorter.done(*ready)
    return order
