"""Functions that do not run while services change: those with ``Metadata: {stackwright: {hold:
deploy}}``.

An autoscaler, for one, would start and stop the very tasks that are being replaced. A function is
held by a reserved concurrency of 0, and gets back what it had. A process that is killed cannot do
that; so the next one does, by what the template says
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from msgspec import Struct

from ...aws import Services, Stacks
from ...cfn import (
    STACK_TYPE,
    Resolver,
    Resource,
    ValidationError,
    declared_keys,
    plain_data,
    template_to_text,
)
from ...core import AwsError, Problem, logical_id
from ...plan import pseudo_parameters
from .progress import Notice, Watcher

FUNCTION = "AWS::Lambda::Function"
_MAY_MARK = re.compile(r"\bhold\b")


class PauseAws(Stacks, Services, Protocol):
    """What this module calls."""


class PausedFunctions(Struct, frozen=True):
    """A function that is, or can be, held: ``stack`` is the id of the stack that has it, ``name``
    its physical id."""

    stack: str
    logical_id: str
    name: str


@contextmanager
def pause_functions(
    stack: str, templates: Mapping[str, str], aws: PauseAws, tell: Watcher
) -> Iterator[None]:
    """Hold the functions that the templates mark, as long as the block runs.

    One that cannot be held, or not be released, is told of: a deployment does not fail for it.
    """
    found = []
    before: dict[str, int | None] = {}
    try:
        try:
            for each in pausable_functions(stack, templates, aws):
                before[each.name] = aws.reserved_concurrency(each.name)
                found.append(each)
                aws.reserve_concurrency(each.name, 0)
                tell(Notice(f"paused {each.name} for the deployment"))
        except AwsError as error:
            tell(Notice(f"not every function can be paused: {error}"))
        yield
    finally:
        try:
            resume_functions(found, aws, tell, before)
        except AwsError as error:
            names = ", ".join(each.name for each in found)
            tell(
                Notice(f"{names} may still be paused: {error}; the next watch or deploy resumes it")
            )


def resume_functions(
    found: Sequence[PausedFunctions],
    aws: PauseAws,
    tell: Watcher,
    before: Mapping[str, int | None] | None = None,
) -> None:
    """Let functions run again that are held: with what they had ``before``, where that is known, or
    else with what their template says by now. Raises AwsError with all that cannot be released."""
    problems: list[Problem] = []
    for each in found:
        try:
            _release(each, aws, tell, (before or {}).get(each.name, 0))
        except AwsError as error:
            problems += error.problems
    if problems:
        raise AwsError(problems)


def _release(function: PausedFunctions, aws: PauseAws, tell: Watcher, known: int | None) -> None:
    if aws.reserved_concurrency(function.name) != 0:
        return  # an update gave it another value meanwhile
    wanted = _declared(function, aws) if known == 0 else known
    if wanted != 0:
        aws.reserve_concurrency(function.name, wanted)
        tell(Notice(f"resumed {function.name}"))


def find_paused(stack: str, templates: Mapping[str, str], aws: PauseAws) -> list[PausedFunctions]:
    """Those that the templates mark and that do not run. Raises AwsError."""
    return [
        each
        for each in pausable_functions(stack, templates, aws)
        if aws.reserved_concurrency(each.name) == 0
    ]


def is_any_paused(stack: str, templates: Mapping[str, str], aws: PauseAws) -> bool:
    """Whether one of those that the templates mark does not run; where they give the names too, no
    stack is asked.

    Raises AwsError.
    """
    marked = [each for _, found in _marks(templates) for each in found.values()]
    names = [
        name for each in marked if isinstance(name := each.properties.get("FunctionName"), str)
    ]
    if len(names) < len(marked):
        return bool(find_paused(stack, templates, aws))
    return any(aws.reserved_concurrency(name) == 0 for name in names)


def pausable_functions(
    stack: str, templates: Mapping[str, str], aws: PauseAws
) -> list[PausedFunctions]:
    """Those that the templates mark and that exist; without a mark nothing is asked. Raises
    AwsError."""
    found: list[PausedFunctions] = []
    for path, marked in _marks(templates):
        owner = _stack_of(stack, path, aws)
        if owner:
            there = (each for each in aws.resources(owner) if each.status != "DELETE_COMPLETE")
            ids = {each.logical_id: each.physical_id for each in there}
            found += [PausedFunctions(owner, name, ids[name]) for name in marked if ids.get(name)]
    return found


def _marks(templates: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Resource]]]:
    """Paths of the templates that mark functions, and those by logical ID."""
    for path, text in templates.items():
        if _MAY_MARK.search(text):  # parsing takes much longer
            resources = declared_keys(text).resources
            marked = {
                name: each for name, each in resources.items() if _marked(each.type, each.metadata)
            }
            if marked:
                yield path, marked


def _marked(type_: str, metadata: Any) -> bool:
    ours = (metadata or {}).get("stackwright")
    return type_ == FUNCTION and isinstance(ours, Mapping) and ours.get("hold") == "deploy"


def _stack_of(stack: str, path: str, aws: Stacks) -> str | None:
    """The stack of a template (``app/autoscaler``), found from its root; None where it is not there
    yet."""
    owner = stack
    for part in path.split("/")[1:]:
        children = {
            each.logical_id: each.physical_id
            for each in aws.resources(owner)
            if each.type == STACK_TYPE
        }
        owner = children.get(logical_id(part), "")
        if not owner:
            return None
    return owner


def _declared(function: PausedFunctions, aws: Stacks) -> int | None:
    """The reserved concurrency that the live template gives; None for none. Raises AwsError."""
    stack = aws.stack(function.stack)
    if stack is None:
        return None
    template = declared_keys(aws.template(function.stack))
    try:
        resolver = Resolver(template, stack.parameters, pseudo_parameters(stack))
        properties = template.resources[function.logical_id].properties
        value = plain_data(
            resolver.resolve(
                properties.get("ReservedConcurrentExecutions", {"Ref": "AWS::NoValue"})
            )
        )
        return int(template_to_text(value))
    except (KeyError, ValueError, TypeError, ValidationError):
        return None
