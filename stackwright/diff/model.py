"""The frozen types of predicted changes, which plans and reports share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from ..core import mask

PARAMETER = "parameter "
"""The beginning of a cause that is a Parameter whose value comes later."""


class Effect(StrEnum):
    """What a deployment does to a resource."""

    ADD = "add"
    CHANGE = "change"
    REPLACE = "replace"
    REMOVE = "remove"


class PropertyDiff(Struct, frozen=True):
    """One value that differs.

    ``path`` is such as ``ContainerDefinitions["gateway"].Image``; a side that does not exist is
    None. ``replaces`` is ``no``, ``yes`` or ``maybe``; ``after_apply`` says that the new value is
    only known after the deployment, ``certain`` that it is sure to change. ``causes`` name the
    changes that this one follows. ``statement`` is the effect of the policy statement around the
    value, ``Allow`` or ``Deny``; empty where there is none or it is not known.
    """

    path: str
    before: Any
    after: Any
    exists_before: bool = True
    exists_after: bool = True
    replaces: str = "no"
    after_apply: bool = False
    certain: bool = True
    causes: tuple[str, ...] = ()
    statement: str = ""


class TagDiff(Struct, frozen=True):
    """A tag of a root stack that differs, and with it that of the resources below the stack; a side
    that does not exist is None."""

    root: str
    key: str
    before: str | None
    after: str | None


class ResourceDiff(Struct, frozen=True):
    """A change of one resource of one stack (``app`` or ``app/gateway``).

    ``certain`` is False where the change depends on values known after the deployment, ``line`` is
    that of the resource in its template (0: not known). ``before`` and ``after`` are all attributes
    of both sides (``Properties``, ``DeletionPolicy`` …), resolved and with secrets hidden; a side
    that does not exist, or is not known, is empty. ``physical_id`` is that of the live resource;
    empty where there is none or it is not known. ``retagged`` says that the resource gets other
    tags from its stack. ``alternative`` is the change where conditions that cannot be decided are
    answered otherwise; None where that makes no difference.
    """

    stack: str
    logical_id: str
    type: str
    effect: Effect
    certain: bool = True
    may_replace: bool = False
    properties: tuple[PropertyDiff, ...] = ()
    line: int = 0
    before: Mapping[str, Any] = {}
    after: Mapping[str, Any] = {}
    physical_id: str = ""
    retagged: bool = False
    alternative: ResourceDiff | None = None

    @property
    def address(self) -> str:
        """Stack and logical ID, ``app/gateway:Service``."""
        return f"{self.stack}:{self.logical_id}"


class UnchangedResource(Struct, frozen=True):
    """A resource that does not change, for comparisons over the whole stack.

    ``reference`` is the value of its ``Ref``; ``attributes`` are those of `ResourceDiff`.
    """

    stack: str
    logical_id: str
    type: str
    reference: str
    attributes: Mapping[str, Any]


class DataLoss(Struct, frozen=True):
    """A stateful resource that is removed or replaced.

    ``policy`` is the DeletionPolicy or UpdateReplacePolicy that applies; ``kept`` says whether the
    old resource stays, outside of the stack. ``physical_id`` is empty in an offline comparison.
    """

    resource: ResourceDiff
    policy: str
    kept: bool
    physical_id: str = ""


class OutputDiff(Struct, frozen=True):
    """An output of a root stack that differs; a side that does not exist is None."""

    stack: str
    name: str
    before: Any
    after: Any


class TextDiff(Struct, frozen=True):
    """A part of a template that only a macro understands, and that differs.

    ``file`` is such as ``app/network.yaml``, ``path`` such as ``Globals.Function.Timeout``; a side
    that does not exist is None.
    """

    file: str
    path: str
    before: Any
    after: Any


class Diff(Struct, frozen=True):
    """Every difference, in the order of stacks and, in each stack, of logical IDs.

    ``created`` names the root stacks that do not exist yet. ``texts`` are differences whose effect
    only AWS can tell, ``notes`` sentences about the templates that a reader must know.
    ``unchanged`` are the other resources of the new side.
    """

    resources: tuple[ResourceDiff, ...] = ()
    outputs: tuple[OutputDiff, ...] = ()
    losses: tuple[DataLoss, ...] = ()
    tags: tuple[TagDiff, ...] = ()
    created: tuple[str, ...] = ()
    texts: tuple[TextDiff, ...] = ()
    notes: tuple[str, ...] = ()
    unchanged: tuple[UnchangedResource, ...] = ()

    def count(self, effect: Effect) -> int:
        """Return the number of resources with the effect."""
        return sum(resource.effect is effect for resource in self.resources)

    @property
    def empty(self) -> bool:
        """Whether a deployment would change nothing."""
        return not (self.resources or self.outputs or self.tags or self.texts)


def merge_diffs(diffs: Iterable[Diff]) -> Diff:
    """Return one diff with the differences of all, in their order."""
    all_ = list(diffs)
    return Diff(
        tuple(resource for diff in all_ for resource in diff.resources),
        tuple(output for diff in all_ for output in diff.outputs),
        tuple(loss for diff in all_ for loss in diff.losses),
        tuple(tag for diff in all_ for tag in diff.tags),
        tuple(root for diff in all_ for root in diff.created),
        tuple(text for diff in all_ for text in diff.texts),
        tuple(note for diff in all_ for note in diff.notes),
        unchanged=tuple(resource for diff in all_ for resource in diff.unchanged),
    )


def mask_all(value: Any) -> Any:
    """Return a tree of properties for display: secrets are hidden, keys are in order."""
    return mask(_sort_keys(value))


def _sort_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sort_keys(value[key]) for key in sorted(value, key=str)}
    return [_sort_keys(item) for item in value] if isinstance(value, list) else value
