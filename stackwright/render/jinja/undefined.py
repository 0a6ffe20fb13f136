"""Undefined names, with the nearest known name in the message."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jinja2

from ...core import dotted
from ..provenance import JoinedText, ParameterList, ParameterMap, scalar_paths
from .errors import NoSuchKeyError


def strict_undefined(known: Callable[[], Iterable[str]]) -> type[jinja2.Undefined]:
    """Return a StrictUndefined whose message holds the nearest of the ``known`` names."""

    class Undefined(jinja2.StrictUndefined):
        def __init__(
            self, hint: str | None = None, obj: Any = jinja2.utils.missing, name: Any = None
        ) -> None:
            paths = () if isinstance(obj, JoinedText) else scalar_paths(obj)
            path = obj.path if isinstance(obj, ParameterList) else next(iter(paths), None)
            error = partial(NoSuchKeyError, path) if path else jinja2.UndefinedError
            super().__init__(hint, obj, name, error)  # type: ignore[arg-type]  # only called

        @property
        def _undefined_message(self) -> str:
            name = str(self._undefined_name)
            if isinstance(self._undefined_obj, ParameterMap):
                near = _suggest(name, list(dict.keys(self._undefined_obj)))
                return f"{dotted((*self._undefined_obj.path, name))} is not defined{near}"
            if self._undefined_obj is jinja2.utils.missing and self._undefined_hint is None:
                return f"{name} is not defined{_suggest(name, known())}"
            if self._undefined_hint is None and _describe(self._undefined_obj):
                return _describe_missing(self._undefined_obj, self._undefined_name)
            return str(super()._undefined_message)

    return Undefined


def _describe_missing(value: Any, name: str | int | None) -> str:
    """Return the message, and after a semicolon the hint, for reading ``name`` of a value that is
    not a map of parameters."""
    lacks = f"has no element {name}" if isinstance(name, int) else f"has no {name}"
    if isinstance(value, JoinedText) or not hasattr(value, "path"):
        return f"{_describe(value)} {lacks}"
    hint = "" if isinstance(name, int) else f"; make {dotted(value.path)} a map with {name} in it"
    return f"{dotted(value.path)} is {_describe(value)}, which {lacks}{hint}"


def _describe(value: Any) -> str:
    """Return a value in words; empty for a type that no parameter has."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value}, a number"
    words = ((str, "a text"), (list, "a list"), (dict, "a map"))
    return next((text for type_, text in words if isinstance(value, type_)), "")


def _suggest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""
