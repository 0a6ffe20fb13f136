"""Pauses functions while services change: those with ``Metadata: {stackwright: {hold: deploy}}``.

An autoscaler, for example, would start and stop the tasks that are being replaced. A function is
paused by a reserved concurrency of 0, and resumed with the value that it had. A deployment that is
killed cannot resume it; the next one does, with the value of the template
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
    """The calls of this module."""


class PausableFunction(Struct, frozen=True):
    """A function that is, or can be, paused: ``stack`` is the id of its stack, ``name`` its
    physical id."""

    stack: str
    logical_id: str
    name: str


@contextmanager
def pause_functions(
    stack: str, templates: Mapping[str, str], aws: PauseAws, report: Watcher
) -> Iterator[None]:
    """Pause the functions that the templates mark, as long as the block runs.

    A function that cannot be paused or resumed is told, and the deployment goes on.
    """
    paused: list[PausableFunction] = []
    before: dict[str, int | None] = {}
    try:
        try:
            for function in pausable_functions(stack, templates, aws):
                before[function.name] = aws.reserved_concurrency(function.name)
                paused.append(function)
                aws.reserve_concurrency(function.name, 0)
                report(Notice(f"paused {function.name} for the deployment"))
        except AwsError as error:
            report(Notice(f"not every function can be paused: {error}"))
        yield
    finally:
        try:
            resume_functions(paused, aws, report, before)
        except AwsError as error:
            names = ", ".join(function.name for function in paused)
            report(
                Notice(f"{names} may still be paused: {error}; the next watch or deploy resumes it")
            )


def resume_functions(
    functions: Sequence[PausableFunction],
    aws: PauseAws,
    report: Watcher,
    before: Mapping[str, int | None] | None = None,
) -> None:
    """Resume paused functions with the reserved concurrency that they had ``before``, where that is
    known, else with that of their live template.

    Raises AwsError with every function that cannot be resumed.
    """
    problems: list[Problem] = []
    for function in functions:
        try:
            _resume(function, aws, report, (before or {}).get(function.name, 0))
        except AwsError as error:
            problems += error.problems
    if problems:
        raise AwsError(problems)


def _resume(function: PausableFunction, aws: PauseAws, report: Watcher, known: int | None) -> None:
    if aws.reserved_concurrency(function.name) != 0:
        return  # an update has given it another value
    concurrency = _declared(function, aws) if known == 0 else known
    if concurrency != 0:
        aws.reserve_concurrency(function.name, concurrency)
        report(Notice(f"resumed {function.name}"))


def find_paused(stack: str, templates: Mapping[str, str], aws: PauseAws) -> list[PausableFunction]:
    """The functions that the templates mark and that are paused. Raises AwsError."""
    return [
        function
        for function in pausable_functions(stack, templates, aws)
        if aws.reserved_concurrency(function.name) == 0
    ]


def is_any_paused(stack: str, templates: Mapping[str, str], aws: PauseAws) -> bool:
    """Whether a function that the templates mark is paused; where the templates give all names, no
    stack is read. Raises AwsError."""
    marked = [resource for _, resources in _marks(templates) for resource in resources.values()]
    names = [
        name
        for resource in marked
        if isinstance(name := resource.properties.get("FunctionName"), str)
    ]
    if len(names) < len(marked):
        return bool(find_paused(stack, templates, aws))
    return any(aws.reserved_concurrency(name) == 0 for name in names)


def pausable_functions(
    stack: str, templates: Mapping[str, str], aws: PauseAws
) -> list[PausableFunction]:
    """The functions that the templates mark and that exist; without a mark nothing is read. Raises
    AwsError."""
    functions: list[PausableFunction] = []
    for path, marked in _marks(templates):
        owner = _stack_of(stack, path, aws)
        if owner:
            ids = {
                resource.logical_id: resource.physical_id
                for resource in aws.resources(owner)
                if resource.status != "DELETE_COMPLETE"
            }
            functions += [
                PausableFunction(owner, name, ids[name]) for name in marked if ids.get(name)
            ]
    return functions


def _marks(templates: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Resource]]]:
    """(Path, marked functions by logical ID) of each template that marks any."""
    for path, text in templates.items():
        if _MAY_MARK.search(text):  # parsing takes much longer
            resources = declared_keys(text).resources
            marked = {
                name: resource
                for name, resource in resources.items()
                if _is_marked(resource.type, resource.metadata)
            }
            if marked:
                yield path, marked


def _is_marked(type_: str, metadata: Any) -> bool:
    ours = (metadata or {}).get("stackwright")
    return type_ == FUNCTION and isinstance(ours, Mapping) and ours.get("hold") == "deploy"


def _stack_of(stack: str, path: str, aws: Stacks) -> str | None:
    """The id of the stack of a template (``app/autoscaler``), found from its root; None where it
    does not exist yet."""
    owner = stack
    for part in path.split("/")[1:]:
        children = {
            resource.logical_id: resource.physical_id
            for resource in aws.resources(owner)
            if resource.type == STACK_TYPE
        }
        owner = children.get(logical_id(part), "")
        if not owner:
            return None
    return owner


def _declared(function: PausableFunction, aws: Stacks) -> int | None:
    """The reserved concurrency of the live template; None without one. Raises AwsError."""
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
