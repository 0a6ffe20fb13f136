"""The functions of the Conditions section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..declarations import Path, ValidationError
from ..values import canonical_value, first_unknown
from .world import Resolving


def _equals(resolver: Resolving, argument: Any, path: Path) -> bool:
    if not isinstance(argument, list) or len(argument) != 2:
        raise ValidationError(
            "Template error: every Fn::Equals object requires a list of two string parameters.",
            path,
        )
    left, right = (
        canonical_value(resolver.resolve(item, (*path, i))) for i, item in enumerate(argument)
    )
    if left != right and first_unknown([left, right]):
        return resolver.assume()
    return bool(left == right)


def _several(resolver: Resolving, argument: Any, path: Path) -> list[bool]:
    if not isinstance(argument, list) or not 2 <= len(argument) <= 10:
        text = (
            f"Template error: every {path[-1]} object requires a list of at least 2 and at most 10 "
            "boolean parameters."
        )
        raise ValidationError(text, path)
    return [resolver.truth(item, (*path, index)) for index, item in enumerate(argument)]


def _not(resolver: Resolving, argument: Any, path: Path) -> bool:
    if not isinstance(argument, list) or len(argument) != 1:
        raise ValidationError(
            "Template error: every Fn::Not object requires one boolean parameter.", path
        )
    return not resolver.truth(argument[0], (*path, 0))


def _condition(resolver: Resolving, argument: Any, path: Path) -> bool:
    if not isinstance(argument, str):
        raise ValidationError("Template format error: Condition must name a condition.", path)
    return resolver.condition(argument, path)


CONDITION_FUNCTIONS: Mapping[str, Callable[[Resolving, Any, Path], bool]] = {
    "Fn::Equals": _equals,
    "Fn::And": lambda resolver, argument, path: all(_several(resolver, argument, path)),
    "Fn::Or": lambda resolver, argument, path: any(_several(resolver, argument, path)),
    "Fn::Not": _not,
    "Condition": _condition,
}
