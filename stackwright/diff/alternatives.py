"""Merge the diffs of one stack under different answers to conditions that cannot be decided.

A template that is compared without the values of its Parameters has conditions that may be true or
false. The stack is compared once with each answer, so that no branch of an ``Fn::If`` and no
conditional resource goes unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from .model import DataLoss, Diff, Effect, ResourceDiff

_T = TypeVar("_T")
_SEVERITY = (Effect.ADD, Effect.CHANGE, Effect.REPLACE, Effect.REMOVE)


def merge_alternatives(first: Diff, second: Diff) -> Diff:
    """Return every change of either diff; a resource that differs in both has the more severe
    effect, and the properties of both."""
    resources = _merge(first.resources, second.resources, _address, _merge_resources)
    stacks = list(dict.fromkeys(resource.stack for resource in resources))
    return replace(
        first,
        resources=tuple(sorted(resources, key=lambda resource: stacks.index(resource.stack))),
        outputs=_merge(
            first.outputs, second.outputs, lambda output: (output.stack, output.name), _keep_first
        ),
        losses=_merge(
            first.losses, second.losses, lambda loss: loss.resource.address, _merge_losses
        ),
    )


def _address(resource: ResourceDiff) -> str:
    return resource.address


def _merge(
    first: Iterable[_T],
    second: Iterable[_T],
    key: Callable[[_T], Any],
    merge: Callable[[_T, _T], _T],
) -> tuple[_T, ...]:
    merged = {key(item): item for item in first}
    for item in second:
        name = key(item)
        merged[name] = merge(merged[name], item) if name in merged else item
    return tuple(merged.values())


def _keep_first(first: _T, _second: _T) -> _T:
    return first


def _merge_losses(first: DataLoss, second: DataLoss) -> DataLoss:
    return second if first.kept else first


def _merge_resources(first: ResourceDiff, second: ResourceDiff) -> ResourceDiff:
    if first.effect is not second.effect:
        severe = _most_severe((first, second))
        other = first if severe is second else second
        return replace(severe, certain=False, alternative=other)
    paths = {leaf.path for leaf in first.properties}
    others = tuple(leaf for leaf in second.properties if leaf.path not in paths)
    return replace(
        first,
        properties=first.properties + others,
        certain=first.certain or second.certain,
        may_replace=first.may_replace or second.may_replace,
        alternative=None if second == first else second,
    )


def _most_severe(resources: Sequence[ResourceDiff]) -> ResourceDiff:
    return max(resources, key=lambda resource: _SEVERITY.index(resource.effect))
