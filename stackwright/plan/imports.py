"""Existing resources, named in the parameters -> what their root stacks are asked to become by an
import change set.

An import may change nothing else (other resources, Outputs, tags), so the template is the live one
and those resources of the rendered one. The next deployment brings the rest. Source:
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
"""What a resource of the rendered template may refer to."""


class DesiredImport(Struct, frozen=True):
    """What a root is asked to become, and the ResourcesToImport of its change set."""

    desired: DesiredStack
    resources: tuple[Mapping[str, Any], ...]


def read_imports(config: Config) -> dict[str, dict[str, dict[str, str]]]:
    """``imports`` of the parameters: root stack -> logical ID -> identifier. Raises InputError
    where there are none, or where they name a root stack that does not exist."""
    given = config.parameters.get("imports")
    found = (
        {root: dict(entries) for root, entries in given.items()}
        if isinstance(given, Mapping)
        else {}
    )
    known = [root.name for root in config.stacks]
    lost = [root for root in found if root not in known]
    if lost or not found:
        message = (
            f"imports names {lost[0]}, which is no root stack"
            if lost
            else "the parameters name nothing to import"
        )
        hint = (
            f"root stacks: {', '.join(known)}"
            if lost
            else "write imports: {root: {LogicalId: {Identifier: value}}}"
        )
        raise InputError.of("SW845", message, *_where(config, lost[0] if lost else None), hint=hint)
    return found


def build_import(
    wanted: DesiredStack,
    live: LiveStack | None,
    entries: Mapping[str, Mapping[str, str]],
    config: Config,
) -> DesiredImport | None:
    """The import of the entries into one root that are not in it yet; None where all are.

    ``wanted`` is what the root will be asked to become afterwards. Raises InputError with
    everything that keeps entries from being imported.
    """
    rendered = _parsed(wanted.body, wanted.root)
    absent = {
        name: dict(found)
        for name, found in entries.items()
        if live is None or name not in live.resources
    }
    problems = [
        problem
        for name, found in absent.items()
        for problem in _problems(wanted.root, name, found, rendered, config)
    ]
    if problems:
        raise InputError(problems)
    if not absent:
        return None
    body = _merged(
        rendered, _parsed(live.template, live.stack.name) if live else None, list(absent)
    )
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
        {"ResourceType": types[name], "LogicalResourceId": name, "ResourceIdentifier": dict(found)}
        for name, found in absent.items()
    ]
    return DesiredImport(desired, tuple(resources))


def _parsed(text: str, whose: str) -> Template:
    """Raises InputError for a template with macros: what it comes to is known to CloudFormation
    alone."""
    try:
        return parse_template(text)
    except ValidationError as error:
        hint = "import with the AWS CLI, by a template in which the macros are expanded"
        raise InputError.of(
            "SW845", f"{whose} cannot adopt anything: {error.message}", hint=hint
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
    """The line of an entry of ``imports``, or else of the first below it."""
    path = ("imports", *(part for part in place if part))
    leaves = (leaf for key, leaf in config.leaves.items() if key[: len(path)] == path)
    leaf = next(leaves, None)
    return (leaf.location,) if leaf else ()


def _merged(rendered: Template, live: Template | None, names: list[str]) -> str:
    """The live template with the named resources of the rendered one, and what they refer to.

    Declarations that the live template lacks are added; one that differs stays as it is live: an
    import may not touch what uses it.
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
    new = {name: _alone(rendered.data["Resources"][name]) for name in names}
    base["Resources"] = {**(base.get("Resources") or {}), **new}
    held = live.parameters if live else ()
    return json.dumps(_needed(base, held), indent=1, ensure_ascii=False)


def _alone(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Without what it waits for, which may not be there yet."""
    return {key: value for key, value in resource.items() if key != "DependsOn"}


def _needed(data: dict[str, Any], held: Collection[str]) -> dict[str, Any]:
    """Without Parameters that are new and that nothing refers to: their values might not be
    known."""
    text = json.dumps([value for key, value in data.items() if key != "Parameters"], default=str)
    kept = {
        name: each
        for name, each in (data.get("Parameters") or {}).items()
        if name in held or f'{{"Ref": "{name}"}}' in text or f"${{{name}}}" in text
    }
    rest = {key: value for key, value in data.items() if key != "Parameters"}
    return {**rest, **({"Parameters": kept} if kept else {})}
