"""A plan as a file that can be reviewed, approved and executed elsewhere, and that nobody can change in between.

Canonical JSON with a SHA-256 over all of it. It holds the templates themselves and the change sets' ARNs, so that what
is executed is what was approved; of secrets their version ids, of NoEcho parameters only the names.
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from .cfn.template import ValidationError, declared
from .deployment import Plan, RootPlan
from .errors import InputError

VERSION = 1
"""Of the format; another one is refused."""

_FORMAT = "stackwright-plan"
_HINT = "make a new plan"


def seal(plan: Plan) -> str:
    """The text of the file. Values of NoEcho parameters are left out: the change set holds them."""
    held = replace(plan, roots=tuple(map(_without_secrets, plan.roots)))
    data = {"format": _FORMAT, "version": VERSION, "plan": _encoded(held)}
    return json.dumps({**data, "sha256": _hash(data)}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def unseal(text: str) -> Plan:
    """The plan of a sealed file.

    Raises InputError: SW805 it is none, is of another version, or was changed.
    """
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise InputError.of("SW805", "the plan file is not JSON", hint=_HINT) from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise InputError.of("SW805", "the file is not a plan", hint="name a file that plan --out has written")
    if data.get("version") != VERSION:
        message = f"the plan file is of version {data.get('version')}, and this tool reads version {VERSION}"
        raise InputError.of("SW805", message, hint=_HINT)
    seal_ = data.pop("sha256", None)
    if seal_ != _hash(data):
        raise InputError.of("SW805", "the plan file was changed after it was sealed", hint=_HINT)
    try:
        found = _decoded(Plan, data["plan"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError.of("SW805", f"the plan file cannot be read: {error}", hint=_HINT) from None
    return typing.cast(Plan, found)


def _hash(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_secrets(root: RootPlan) -> RootPlan:
    try:
        parameters = declared(root.target.body).parameters
    except ValidationError:
        return replace(root, target=replace(root.target, parameters={}))
    shown = {k: v for k, v in root.target.parameters.items() if k in parameters and not parameters[k].no_echo}
    return replace(root, target=replace(root.target, parameters=shown))


# --- dataclasses as JSON ------------------------------------------------------------------------------------------


def _encoded(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _encoded(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _encoded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _decoded(kind: Any, data: Any) -> Any:
    """A value of the annotated type; the types are those of `deployment` and `comparison`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if data is None else _decoded(next(each for each in arguments if each is not type(None)), data)
    if origin in (tuple, Sequence):
        return tuple(_decoded(arguments[0], item) for item in data)
    if origin is Mapping:
        return {key: _decoded(arguments[1], item) for key, item in data.items()}
    if is_dataclass(kind):
        hints = _hints(typing.cast(type, kind))
        return typing.cast(Any, kind)(**{name: _decoded(hints[name], item) for name, item in data.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    return datetime.fromisoformat(data) if kind is datetime else data
