"""A plan as a file that can be reviewed, approved and executed elsewhere, and that nobody can
change in between.

Canonical JSON with a SHA-256 over all of it. It holds the templates themselves and the change sets'
ARNs, so that what is executed is what was approved; of secrets their version ids, of NoEcho
parameters only the names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from msgspec import ValidationError as ConversionError
from msgspec import convert, to_builtins
from msgspec.structs import replace

from ..cfn import ValidationError, declared_keys
from ..core import InputError
from .model import Plan, RootPlan

VERSION = 1
"""Of the format; another one is refused."""

_FORMAT = "stackwright-plan"
_HINT = "make a new plan"


def save_plan(plan: Plan) -> str:
    """The text of the file. Values of NoEcho parameters are left out: the change set holds them."""
    held = replace(plan, roots=tuple(map(_without_secrets, plan.roots)))
    data = {"format": _FORMAT, "version": VERSION, "plan": to_builtins(held)}
    return (
        json.dumps({**data, "sha256": _hash(data)}, indent=1, sort_keys=True, ensure_ascii=False)
        + "\n"
    )


def read_plan(text: str) -> Plan:
    """The plan of a sealed file.

    Raises InputError: SW805 it is none, is of another version, or was changed.
    """
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise InputError.of("SW805", "the plan file is not JSON", hint=_HINT) from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise InputError.of(
            "SW805", "the file is not a plan", hint="name a file that plan --out has written"
        )
    if data.get("version") != VERSION:
        message = f"the plan file is of version {data.get('version')}, and this tool reads version {VERSION}"
        raise InputError.of("SW805", message, hint=_HINT)
    seal_ = data.pop("sha256", None)
    if seal_ != _hash(data):
        raise InputError.of("SW805", "the plan file was changed after it was sealed", hint=_HINT)
    try:
        return convert(data.get("plan"), Plan)
    except ConversionError as error:
        raise InputError.of("SW805", f"the plan file cannot be read: {error}", hint=_HINT) from None


def _hash(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_secrets(root: RootPlan) -> RootPlan:
    try:
        parameters = declared_keys(root.target.body).parameters
    except ValidationError:
        return replace(root, target=replace(root.target, parameters={}))
    shown = {
        k: v
        for k, v in root.target.parameters.items()
        if k in parameters and not parameters[k].no_echo
    }
    return replace(root, target=replace(root.target, parameters=shown))
