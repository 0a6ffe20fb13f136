"""Build the desired stacks of import change sets from the existing resources that the parameters
name.

An import may change nothing else (other resources, Outputs, tags), so its template is the live one
with the imported resources of the rendered one. The next deployment changes the rest. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-manually.html
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..cfn import Schemas, Template, ValidationError, parse_template
from ..core import Config, InputError, Location, Problem
from .live_stack import LiveStack
from .model import DesiredStack

_SECTIONS = ("Parameters", "Mappings", "Conditions")
"""Sections of the rendered template that a resource may refer to."""


class DesiredImport(Struct, frozen=True):
    """A desired stack, and the ResourcesToImport of its change set."""

    desired: DesiredStack
    resources: tuple[Mapping[str, Any], ...]


def read_imports(config: Config) -> dict[str, dict[str, dict[str, str]]]:
    """Return ``imports`` of the parameters: root stack -> logical ID -> identifier.

    Raises:
        InputError: SW845 there are none, or they name a root stack that does not exist.
    """
    given = config.parameters.get("imports")
    imports = (
        {root: dict(entries) for root, entries in given.items()}
        if isinstance(given, Mapping)
        else {}
    )
    known = [root.name for root in config.stacks]
    unknown = [root for root in imports if root not in known]
    if unknown or not imports:
        message = (
            f"imports names {unknown[0]}, which is no root stack"
            if unknown
            else "the parameters name nothing to import"
        )
        hint = (
            f"root stacks: {', '.join(known)}"
            if unknown
            else "write imports: {root: {LogicalId: {Identifier: value}}}"
        )
        raise InputError.of(
            "SW845", message, *_where(config, unknown[0] if unknown else None), hint=hint
        )
    return imports


def build_import(
    wanted: DesiredStack,
    live: LiveStack | None,
    entries: Mapping[str, Mapping[str, str]],
    config: Config,
) -> DesiredImport | None:
    """Return the import of the entries that a root does not have yet; None where it has all.

    ``wanted`` is the desired stack of the next deployment.

    Raises:
        InputError: SW845 for everything that keeps an entry from being imported.
    """
    rendered = _parse(wanted.body, wanted.root)
    absent = {
        name: dict(identifier)
        for name, identifier in entries.items()
        if live is None or name not in live.resources
    }
    problems = [
        problem
        for name, identifier in absent.items()
        for problem in _problems(wanted.root, name, identifier, rendered, config)
    ]
    if problems:
        raise InputError(problems)
    if not absent:
        return None
    body = _merged(rendered, _parse(live.template, live.stack.name) if live else None, list(absent))
    declared = parse_template(body).parameters
    desired = DesiredStack(
        root=wanted.root,
        stack=wanted.stack,
        templates={wanted.root: body},
        urls={},
        parameters={name: value for name, value in wanted.parameters.items() if name in declared},
        tags=live.stack.tags if live else {},
        inline=True,
    )
    types = {name: rendered.resources[name].type for name in absent}
    resources = [
        {
            "ResourceType": types[name],
            "LogicalResourceId": name,
            "ResourceIdentifier": dict(identifier),
        }
        for name, identifier in absent.items()
    ]
    return DesiredImport(desired, tuple(resources))


def _parse(text: str, owner: str) -> Template:
    """Return a template; raises InputError for one with macros, which only CloudFormation can
    expand."""
    try:
        return parse_template(text)
    except ValidationError as error:
        hint = "import with the AWS CLI, by a template in which the macros are expanded"
        raise InputError.of(
            "SW845", f"{owner} cannot adopt anything: {error.message}", hint=hint
        ) from None


def _problems(
    root: str, name: str, identifier: Mapping[str, str], rendered: Template, config: Config
) -> Iterator[Problem]:
    at = _where(config, root, name)
    resource = rendered.resources.get(name)
    if resource is None:
        hint = (
            "an import adopts resources of root stacks; those of nested stacks cannot be imported"
        )
        yield Problem("SW845", f"{root} has no resource {name} to import", at, hint)
        return
    if resource.deletion_policy is None:
        yield Problem(
            "SW845",
            f"{root}:{name} has no DeletionPolicy, without which nothing is imported",
            at,
            "add it",
        )
    known = Schemas(config.region).get(resource.type)
    keys = [str(path[-1]) for path in known.primary_identifier] if known else []
    if keys and set(identifier) != set(keys):
        given = ", ".join(sorted(identifier))
        message = f"{resource.type} is identified by {', '.join(keys)}, not by {given}"
        yield Problem("SW845", message, at, f"write imports.{root}.{name}: {{{keys[0]}: …}}")


def _where(config: Config, *place: str | None) -> tuple[Location, ...]:
    """Return the line of an entry of ``imports``, or else of the first entry below it."""
    path = ("imports", *(part for part in place if part))
    leaves = (leaf for key, leaf in config.leaves.items() if key[: len(path)] == path)
    leaf = next(leaves, None)
    return (leaf.location,) if leaf else ()


def _merged(rendered: Template, live: Template | None, names: list[str]) -> str:
    """Return the live template with the named resources of the rendered one and the declarations
    that they refer to.

    A declaration that differs stays as it is live, since an import may not change resources.
    """
    head = {
        key: value
        for key, value in rendered.data.items()
        if key in ("AWSTemplateFormatVersion", "Description")
    }
    base: dict[str, Any] = dict(live.data) if live else head
    for section in _SECTIONS:
        both = {**(rendered.data.get(section) or {}), **(base.get(section) or {})}
        if both:
            base[section] = both
    new = {name: _without_dependencies(rendered.data["Resources"][name]) for name in names}
    base["Resources"] = {**(base.get("Resources") or {}), **new}
    kept = live.parameters if live else ()
    return json.dumps(_without_unused(base, kept), indent=1, ensure_ascii=False)


def _without_dependencies(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource without DependsOn, which may name resources that do not exist yet."""
    return {key: value for key, value in resource.items() if key != "DependsOn"}


def _without_unused(data: dict[str, Any], kept: Collection[str]) -> dict[str, Any]:
    """Return a template without new Parameters that nothing refers to, whose values might not be
    known; those in ``kept`` stay."""
    text = json.dumps([value for key, value in data.items() if key != "Parameters"], default=str)
    parameters = {
        name: declaration
        for name, declaration in (data.get("Parameters") or {}).items()
        if name in kept or f'{{"Ref": "{name}"}}' in text or f"${{{name}}}" in text
    }
    rest = {key: value for key, value in data.items() if key != "Parameters"}
    return {**rest, **({"Parameters": parameters} if parameters else {})}
