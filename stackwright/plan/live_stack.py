"""Read a root stack with its nested stacks from AWS.

DescribeStacks is called at once, GetTemplate when the template is first used, and the rest
(resources, nested stacks) when the tree is first used, for the whole tree in parallel: a deployment
without changes needs neither.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from ..aws import PARALLEL, Stack, StackResource, Stacks
from ..cfn import STACK_TYPE, Pseudo, Template, Unknown, parse_template
from ..core import HIDDEN, url_suffix

if TYPE_CHECKING:
    from ..cfn import StackSide

GONE = ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")
"""Statuses of a stack that has no resources."""
_T = TypeVar("_T")


class StackContents(Struct, frozen=True):
    """The resources and nested stacks of a stack, by logical ID."""

    resources: Mapping[str, StackResource]
    nested: Mapping[str, LiveStack]


@dataclass(frozen=True, slots=True)
class LiveStack:
    """A stack as it is in AWS.

    ``name`` is its path, ``app`` or ``app/network``. ``read_template`` and ``read_contents`` call
    AWS on their first use.
    """

    name: str
    stack: Stack
    read_template: Callable[[], str] = field(repr=False, compare=False)
    read_contents: Callable[[], StackContents] = field(repr=False, compare=False)

    @classmethod
    def of(
        cls,
        name: str,
        stack: Stack,
        template: str,
        resources: Mapping[str, StackResource] | None = None,
        nested: Mapping[str, LiveStack] | None = None,
    ) -> LiveStack:
        """Return a stack whose template and contents are known already."""
        contents = StackContents(resources or {}, nested or {})
        return cls(name, stack, lambda: template, lambda: contents)

    @property
    def template(self) -> str:
        """The template as it was submitted. Raises AwsError."""
        return self.read_template()

    @property
    def resources(self) -> Mapping[str, StackResource]:
        """The resources by logical ID. Raises AwsError."""
        return self.read_contents().resources

    @property
    def nested(self) -> Mapping[str, LiveStack]:
        """The nested stacks by the logical ID of their resource. Raises AwsError."""
        return self.read_contents().nested

    def walk(self) -> Iterator[LiveStack]:
        """Yield the stack and all below it, parents first. Raises AwsError."""
        yield self
        for child in self.nested.values():
            yield from child.walk()

    def as_cfn(
        self,
        pseudo: Pseudo | None = None,
        dynamic: Callable[[str], Any] | None = None,
        parse: Callable[[str], Template] = parse_template,
    ) -> StackSide:
        """Return the stack as the old side of a prediction; a NoEcho parameter is unknown, and
        equal to any other value.

        ``dynamic`` looks up values of dynamic references, as in `StackSide`; ``parse`` reads the
        template.

        Raises:
            ValidationError: the template has something that only AWS understands, such as a macro.
        """
        own = pseudo or pseudo_parameters(self.stack)
        return self._as_cfn(own, self.stack.tags, dynamic, parse)

    def _as_cfn(
        self,
        pseudo: Pseudo,
        tags: Mapping[str, str],
        dynamic: Callable[[str], Any] | None,
        parse: Callable[[str], Template],
    ) -> StackSide:
        from ..cfn import PhysicalResource, StackSide

        template = parse(self.template)
        return StackSide(
            template,
            hidden_parameters(template, self.stack.parameters),
            pseudo_parameters(self.stack, pseudo),
            physical={
                name: PhysicalResource(resource.physical_id)
                for name, resource in self.resources.items()
            },
            nested={
                name: child._as_cfn(pseudo, tags, dynamic, parse)
                for name, child in self.nested.items()
            },
            stored=stored_values(self.stack),
            dynamic=dynamic,
            tags=tags,
            lenient=True,  # AWS has accepted it
        )


def hidden_parameters(template: Template, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given values of a template's parameters; NoEcho ones are unknown, given or not."""
    secret = [name for name, parameter in template.parameters.items() if parameter.no_echo]
    return {
        **parameters,
        **{name: Unknown(HIDDEN, (f"NoEcho parameter {name}",)) for name in secret},
    }


def stored_values(stack: Stack) -> dict[str, str]:
    """Return the values that CloudFormation read from Parameter Store when it last created or
    updated the stack, by the names of the parameters there."""
    return {stack.parameters[name]: value for name, value in stack.resolved.items()}


def pseudo_parameters(stack: Stack, base: Pseudo | None = None) -> Pseudo:
    """Return the pseudo parameters of a stack, from its ARN
    (``arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>``).

    ``base`` gives the Availability Zones.
    """
    _, partition, _, region, account, _ = stack.id.split(":", 5)
    zones = base.zones if base else ()
    return Pseudo(stack.name, stack.id, region, account, partition, url_suffix(region), zones=zones)


def nested_name(parent: str, logical_id: str) -> str:
    """Return the path of a nested stack by convention: ``app/queue-metrics`` for ``QueueMetrics``
    in ``app``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", logical_id)
    return f"{parent}/{words.lower()}"


def read_stack(stack: str, aws: Stacks, name: str | None = None) -> LiveStack | None:
    """Return the stack of that name or ID; None where there is none, or only an empty one under
    review (REVIEW_IN_PROGRESS).

    ``name`` is its name in ``stacks:`` (``app``).

    Raises:
        AwsError: the stack cannot be described.
    """
    described = aws.stack(stack)
    if described is None or described.status in GONE:
        return None
    path = name or stack
    template = call_once(lambda: aws.template(described.id))
    contents = call_once(_TreeReader(path, described, template, aws).read)
    return LiveStack(path, described, template, contents)


def call_once(read: Callable[[], _T]) -> Callable[[], _T]:
    """Return a function that calls another once, and gives every thread its result."""
    lock, cached = threading.Lock(), functools.cache(read)

    def read_once() -> _T:
        with lock:
            return cached()

    return read_once


def stack_identity(live: LiveStack | None) -> dict[str, str]:
    """Return what a plan is made against: ID, status, time of the last update (ISO 8601), and a
    SHA-256 of the parameters; empty where there is no stack."""
    if live is None:
        return {}
    stack = live.stack
    values = json.dumps(dict(sorted(stack.parameters.items())))
    return {
        "id": stack.id,
        "status": stack.status,
        "updated": stack.updated.isoformat() if stack.updated else "",
        "parameters": hashlib.sha256(values.encode()).hexdigest(),
    }


def walk_stacks(lives: Iterable[LiveStack]) -> list[LiveStack]:
    """Return the stacks and all below them, parents first; their trees are read in parallel.

    Raises:
        AwsError: a stack cannot be read.
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        return [stack for tree in pool.map(lambda live: list(live.walk()), lives) for stack in tree]


class _TreeReader:
    """Reads the tree below one stack, level by level, the stacks of a level in parallel."""

    def __init__(self, name: str, root: Stack, template: Callable[[], str], aws: Stacks) -> None:
        self._name, self._root, self._read_root, self._aws = name, root, template, aws

    def read(self) -> StackContents:
        with ThreadPoolExecutor(PARALLEL) as pool:
            levels = [[(self._name, self._root)]]
            contents: dict[str, tuple[str, list[StackResource]]] = {}
            stacks: dict[str, Stack] = {self._root.id: self._root}
            while levels[-1]:
                ids = [stack.id for _, stack in levels[-1]]
                texts, lists = pool.map(self._template, ids), pool.map(self._aws.resources, ids)
                contents |= dict(zip(ids, zip(texts, lists, strict=True), strict=True))
                children = [
                    (name, id_)
                    for name, stack in levels[-1]
                    for name, id_ in _list_children(name, contents[stack.id][1])
                ]
                described = pool.map(self._aws.stack, (id_ for _, id_ in children))
                levels.append(
                    [
                        (name, stack)
                        for (name, _), stack in zip(children, described, strict=True)
                        if stack and stack.status not in GONE
                    ]
                )
                stacks |= {stack.id: stack for _, stack in levels[-1]}
        return _join(self._name, self._root.id, contents, stacks)

    def _template(self, id_: str) -> str:
        return self._read_root() if id_ == self._root.id else self._aws.template(id_)


def is_nested(resource: StackResource) -> bool:
    """Return whether a resource is a nested stack that was created and not deleted."""
    return (
        resource.type == STACK_TYPE
        and bool(resource.physical_id)
        and resource.status != "DELETE_COMPLETE"
    )


def _list_children(name: str, resources: list[StackResource]) -> Iterator[tuple[str, str]]:
    return (
        (nested_name(name, resource.logical_id), resource.physical_id)
        for resource in resources
        if is_nested(resource)
    )


def _join(
    name: str,
    id_: str,
    contents: Mapping[str, tuple[str, list[StackResource]]],
    stacks: Mapping[str, Stack],
) -> StackContents:
    """Return the contents of one stack from the templates and resources of all, by stack ID."""
    resources = {
        resource.logical_id: resource
        for resource in contents[id_][1]
        if resource.status != "DELETE_COMPLETE"
    }
    nested = {}
    for logical_id, resource in resources.items():
        child_id = resource.physical_id
        if resource.type == STACK_TYPE and child_id in stacks:
            path = nested_name(name, logical_id)
            below = _join(path, child_id, contents, stacks)
            nested[logical_id] = LiveStack.of(
                path, stacks[child_id], contents[child_id][0], below.resources, below.nested
            )
    return StackContents(resources, nested)
