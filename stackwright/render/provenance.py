"""Parameter values that know their path, so that each printed value can be traced to its parameter.

A template sees maps, lists, texts and numbers as usual; true, false and null cannot carry a path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..core import ParameterPath


class ParameterMap(dict[str, Any]):
    """A map of parameters with its path; ``whole`` is set when a template walks all of it."""

    __slots__ = ("path", "whole")

    def __init__(self, data: Mapping[str, Any], path: ParameterPath) -> None:
        super().__init__(
            (_with_path(key, (*path, key)), _with_path(value, (*path, key)))
            for key, value in data.items()
        )
        self.path = path
        self.whole = False

    def items(self) -> Any:
        """Return the entries; marks the map as used as a whole."""
        self.whole = True
        return super().items()

    def values(self) -> Any:
        """Return the values; marks the map as used as a whole."""
        self.whole = True
        return super().values()

    def __iter__(self) -> Iterator[str]:
        self.whole = True
        return super().__iter__()


class ParameterList(list[Any]):
    """A list of parameters with its path."""

    def __init__(self, data: Sequence[Any], path: ParameterPath) -> None:
        super().__init__(_with_path(value, (*path, index)) for index, value in enumerate(data))
        self.path = path


class ParameterText(str):
    """A text parameter with its path."""

    __slots__ = ("path",)
    path: ParameterPath


class _Int(int):
    path: ParameterPath


class _Float(float):
    path: ParameterPath


class JoinedText(str):
    """Text made with ``~`` that knows the parameters in it, also after ``set`` and as a macro's
    argument."""

    __slots__ = ("paths",)
    paths: tuple[ParameterPath, ...]

    def __new__(cls, text: str, paths: tuple[ParameterPath, ...]) -> JoinedText:
        self = super().__new__(cls, text)
        self.paths = paths
        return self


class LiveText(str):
    """Text made by the engine that CloudFormation must see as it is, such as a dynamic
    reference."""

    __slots__ = ()


for _type, _base in (
    (_Int, int),
    (_Float, float),
    (ParameterText, str),
    (JoinedText, str),
    (ParameterMap, dict),
    (ParameterList, list),
):
    _type.__name__ = _base.__name__  # the name in Python's messages, which the author reads

_SCALARS: Mapping[type, type] = {str: ParameterText, int: _Int, float: _Float}


def _with_path(value: Any, path: ParameterPath) -> Any:
    if isinstance(value, dict):
        return ParameterMap(value, path)
    if isinstance(value, list):
        return ParameterList(value, path)
    if type(value) in _SCALARS:
        scalar = _SCALARS[type(value)](value)
        scalar.path = path
        return scalar
    return value  # bool and None cannot be subclassed: reading them is noted instead


def scalar_paths(value: Any) -> tuple[ParameterPath, ...]:
    """Return the path of a scalar parameter, the paths of a joined text, or nothing."""
    if isinstance(value, JoinedText):
        return value.paths
    return (value.path,) if isinstance(value, ParameterText | _Int | _Float) else ()


def all_paths(value: Any) -> tuple[ParameterPath, ...]:
    """Return the paths of a parameter and of everything in it, or nothing."""
    if not isinstance(value, ParameterMap | ParameterList):
        return scalar_paths(value)
    entries: Iterable[tuple[Any, Any]] = (
        value.items() if isinstance(value, ParameterMap) else enumerate(value)
    )
    inner = (path for key, item in entries for path in all_paths(item) or ((*value.path, key),))
    return (value.path, *inner)


def drop_prefixes(paths: Iterable[ParameterPath]) -> tuple[ParameterPath, ...]:
    """Return the distinct paths that lead to no other: reading ``a.b.c`` also reads ``a.b``."""
    distinct = list(dict.fromkeys(paths))
    return tuple(
        path
        for path in distinct
        if not any(len(other) > len(path) and other[: len(path)] == path for other in distinct)
    )


def strip_provenance(value: Any) -> Any:
    """Return the value without the subclasses that carry provenance."""
    if isinstance(value, Mapping):
        return {str(key): strip_provenance(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strip_provenance(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return next(type_(value) for type_ in (str, float, int) if isinstance(value, type_))
