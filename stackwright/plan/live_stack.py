"""A root stack as it is in AWS, with its nested stacks: what a plan is made against.

DescribeStacks is called at once, GetTemplate where the template is looked at, and all the rest
(resources, nested stacks with theirs) where that is, for the whole tree side by side: a deployment
without changes needs none of it.
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
from ..core import url_suffix
from ..diff import HIDDEN

if TYPE_CHECKING:
    from ..cfn import StackSide

GONE = ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")
"""Status of a stack that holds nothing."""
_T = TypeVar("_T")


class StackContents(Struct, frozen=True):
    """What a stack is made of: its resources and nested stacks by logical ID."""

    resources: Mapping[str, StackResource]
    nested: Mapping[str, LiveStack]


@dataclass(frozen=True, slots=True)
class LiveStack:
    """A stack as it is. ``name`` is ``app`` or ``app/network``; ``text`` reads its template,
    ``inside`` the rest, when first asked."""

    name: str
    stack: Stack
    text: Callable[[], str] = field(repr=False, compare=False)
    inside: Callable[[], StackContents] = field(repr=False, compare=False)

    @classmethod
    def of(
        cls,
        name: str,
        stack: Stack,
        template: str,
        resources: Mapping[str, StackResource] | None = None,
        nested: Mapping[str, LiveStack] | None = None,
    ) -> LiveStack:
        """A stack of which everything is known already."""
        held = StackContents(resources or {}, nested or {})
        return cls(name, stack, lambda: template, lambda: held)

    @property
    def template(self) -> str:
        """The template as it was submitted. Raises AwsError."""
        return self.text()

    @property
    def resources(self) -> Mapping[str, StackResource]:
        """By logical ID. Raises AwsError."""
        return self.inside().resources

    @property
    def nested(self) -> Mapping[str, LiveStack]:
        """By the logical ID of the ``AWS::CloudFormation::Stack``. Raises AwsError."""
        return self.inside().nested

    def walk(self) -> Iterator[LiveStack]:
        """It and all below, parents first."""
        yield self
        for child in self.nested.values():
            yield from child.walk()

    def as_cfn(self, pseudo: Pseudo | None = None) -> StackSide:
        """This side of a prediction; values of NoEcho parameters are not known, and equal to any
        other.

        Raises:
            ValidationError: the template has something that only AWS understands, such as a macro.
        """
        return self._as_cfn(pseudo or pseudo_parameters(self.stack), self.stack.tags)

    def _as_cfn(self, pseudo: Pseudo, tags: Mapping[str, str]) -> StackSide:
        from ..cfn import PhysicalResource, StackSide

        template = parse_template(self.template)
        return StackSide(
            template,
            hidden_parameters(template, self.stack.parameters),
            pseudo_parameters(self.stack, pseudo),
            physical={
                name: PhysicalResource(each.physical_id) for name, each in self.resources.items()
            },
            nested={name: child._as_cfn(pseudo, tags) for name, child in self.nested.items()},
            tags=tags,
        )


def hidden_parameters(template: Template, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The given values of a template's parameters; those with NoEcho as unknown, given or not."""
    secret = [name for name, each in template.parameters.items() if each.no_echo]
    return {
        **parameters,
        **{name: Unknown(HIDDEN, (f"NoEcho parameter {name}",)) for name in secret},
    }


def pseudo_parameters(stack: Stack, base: Pseudo | None = None) -> Pseudo:
    """The pseudo parameters of a stack, by its ARN
    (``arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>``).

    ``base`` gives the Availability Zones.
    """
    _, partition, _, region, account, _ = stack.id.split(":", 5)
    zones = base.zones if base else ()
    return Pseudo(stack.name, stack.id, region, account, partition, url_suffix(region), zones=zones)


def nested_name(parent: str, logical_id: str) -> str:
    """``app/queue-metrics`` for ``QueueMetrics`` in ``app``: how a nested stack is called by
    convention."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", logical_id)
    return f"{parent}/{words.lower()}"


def read_stack(stack: str, aws: Stacks, name: str | None = None) -> LiveStack | None:
    """The stack of that name or id; None where there is none, or only one under review
    (REVIEW_IN_PROGRESS).

    ``name`` is what it is called in ``stacks:`` (``app``). Raises AwsError.
    """
    found = aws.stack(stack)
    if found is None or found.status in GONE:
        return None
    text = _once(lambda: aws.template(found.id))
    return LiveStack(
        name or stack, found, text, _once(TreeReader(name or stack, found, text, aws).read)
    )


def _once(read: Callable[[], _T]) -> Callable[[], _T]:
    """The same, which reads once, however many threads ask."""
    lock, kept = threading.Lock(), functools.cache(read)

    def asked() -> _T:
        with lock:
            return kept()

    return asked


def stack_identity(live: LiveStack | None) -> dict[str, str]:
    """What a plan is made against: id, status, time of the last update, and a hash of the
    parameters."""
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
    """All of them and all below, parents first, the trees read side by side. Raises AwsError."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        return [each for tree in pool.map(lambda live: list(live.walk()), lives) for each in tree]


class TreeReader:
    """Reads the tree below one stack, level by level, each level side by side."""

    def __init__(self, name: str, root: Stack, text: Callable[[], str], aws: Stacks) -> None:
        self._name, self._root, self._text, self._aws = name, root, text, aws

    def read(self) -> StackContents:
        with ThreadPoolExecutor(PARALLEL) as pool:
            levels = [[(self._name, self._root)]]
            found: dict[str, tuple[str, list[StackResource]]] = {}
            stacks: dict[str, Stack] = {self._root.id: self._root}
            while levels[-1]:
                ids = [stack.id for _, stack in levels[-1]]
                texts, lists = pool.map(self._template, ids), pool.map(self._aws.resources, ids)
                found |= dict(zip(ids, zip(texts, lists, strict=True), strict=True))
                children = [
                    (name, id_)
                    for name, stack in levels[-1]
                    for name, id_ in _children(name, found[stack.id][1])
                ]
                read = pool.map(self._aws.stack, (id_ for _, id_ in children))
                levels.append(
                    [
                        (n, s)
                        for (n, _), s in zip(children, read, strict=True)
                        if s and s.status not in GONE
                    ]
                )
                stacks |= {stack.id: stack for _, stack in levels[-1]}
        return _inside(self._name, self._root.id, found, stacks)

    def _template(self, id_: str) -> str:
        return self._text() if id_ == self._root.id else self._aws.template(id_)


def is_nested(resource: StackResource) -> bool:
    """Whether it is a nested stack that is there, or was."""
    return (
        resource.type == STACK_TYPE
        and bool(resource.physical_id)
        and resource.status != "DELETE_COMPLETE"
    )


def _children(name: str, resources: list[StackResource]) -> Iterator[tuple[str, str]]:
    return (
        (nested_name(name, each.logical_id), each.physical_id)
        for each in resources
        if is_nested(each)
    )


def _inside(
    name: str,
    id_: str,
    found: Mapping[str, tuple[str, list[StackResource]]],
    stacks: Mapping[str, Stack],
) -> StackContents:
    _, resources = found[id_]
    kept = {each.logical_id: each for each in resources if each.status != "DELETE_COMPLETE"}
    nested = {}
    for logical_id, each in kept.items():
        if each.type == STACK_TYPE and each.physical_id in stacks:
            child = nested_name(name, logical_id)
            text, below = (
                found[each.physical_id][0],
                _inside(child, each.physical_id, found, stacks),
            )
            nested[logical_id] = LiveStack.of(
                child, stacks[each.physical_id], text, below.resources, below.nested
            )
    return StackContents(kept, nested)
