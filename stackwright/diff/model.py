"""What happens to resources, property by property: the frozen types that predictions, plans and
drift are told in.

They stand on nothing, so that a command which finds no difference need not load what compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from msgspec import Struct

HIDDEN = "(hidden)"
"""What stands for a value that came from a parameter with NoEcho."""
PARAMETER = "parameter "
"""What the cause of a value that a parameter gets later begins with."""


class Effect(StrEnum):
    """What happens to a resource, in the words of Terraform's users."""

    ADD = "add"
    CHANGE = "change"
    REPLACE = "replace"
    REMOVE = "remove"


class PropertyDiff(Struct, frozen=True):
    """One value that differs. ``path`` reads like ``ContainerDefinitions["gateway"].Image``; a side
    that does not exist is None. ``replaces``: ``no``, ``yes`` or ``maybe``; ``after_apply``: the
    new value is only known then. ``statement``: what the policy statement around it will do,
    ``Allow`` or ``Deny``; empty where there is none, or that is not known."""

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


class ResourceDiff(Struct, frozen=True):
    """What happens to one resource of one stack (``app`` or ``app/gateway``).

    ``certain`` is False where it depends on values known after apply. ``causes`` name what a change
    merely follows. ``denies``: whether a policy in what is removed may deny something; None where
    that is not known.
    """

    stack: str
    logical_id: str
    type: str
    effect: Effect
    certain: bool = True
    may_replace: bool = False
    properties: tuple[PropertyDiff, ...] = ()
    line: int = 0
    denies: bool | None = None

    @property
    def address(self) -> str:
        """``app/gateway:Service``."""
        return f"{self.stack}:{self.logical_id}"


class DataLoss(Struct, frozen=True):
    """A stateful resource that goes away or is made anew. ``policy`` is what the template says of
    the old one; ``kept`` whether its data survives (somewhere nothing uses it any more).
    ``physical_id`` is empty where AWS was not asked."""

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


class Diff(Struct, frozen=True):
    """Everything that differs, in the order of stacks and, in each, of logical ids."""

    resources: tuple[ResourceDiff, ...] = ()
    outputs: tuple[OutputDiff, ...] = ()
    losses: tuple[DataLoss, ...] = ()

    def count(self, effect: Effect) -> int:
        """How many resources it happens to."""
        return sum(each.effect is effect for each in self.resources)

    @property
    def empty(self) -> bool:
        """Whether deploying would change nothing."""
        return not self.resources and not self.outputs


def merge_diffs(diffs: Iterable[Diff]) -> Diff:
    """Several as one, in their order."""
    found = list(diffs)
    return Diff(
        tuple(each for diff in found for each in diff.resources),
        tuple(each for diff in found for each in diff.outputs),
        tuple(each for diff in found for each in diff.losses),
    )


_CONFIDENTIAL = re.compile(r"(?:Password|SecretString|AuthToken|SecretAccessKey|PrivateKey)$")
"""Properties that hold a secret, whatever gives it."""


def mask(path: str, value: Any) -> Any:
    """What may be shown of a property: of a secret nothing but that it refers to one."""
    text = isinstance(value, str) and "{{resolve:" not in value and "${" not in value
    return HIDDEN if text and _CONFIDENTIAL.search(path) else value
