"""Save a plan in a file that `deploy --plan` executes later, perhaps on another machine.

The file is JSON: the templates themselves, the change sets' ARNs, the version IDs of secrets, and
of NoEcho parameters only the names. A checksum over all of it finds accidental damage. It is not
keyed: whoever can write the file can change the plan. Keep the file where only those who may deploy
can write, or bind it to its approval by a hash that is kept elsewhere, as the workflow does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from msgspec import DecodeError, Struct, to_builtins
from msgspec.json import Decoder
from msgspec.structs import replace

from ..cfn import ValidationError, declared_keys
from ..core import InputError
from .model import Plan, RootPlan

VERSION = 3
"""Version of the format; a file of another version is refused."""

_FORMAT = "stackwright-plan"
_HINT = "make a new plan"


class _SavedPlan(Struct, frozen=True):
    """The plan in a file, beside its format, version and checksum."""

    plan: Plan


# A decoder reads the annotations of its type when it is made. Threads that do so at once crash the
# interpreter (msgspec 0.22), so it is made on import.
_SAVED_PLAN = Decoder(_SavedPlan)


def save_plan(plan: Plan) -> str:
    """Return the text of the file.

    Values of NoEcho parameters are left out: the change sets hold them.
    """
    public = replace(plan, roots=tuple(map(_without_secrets, plan.roots)))
    data = {"format": _FORMAT, "version": VERSION, "plan": to_builtins(public)}
    content = {**data, "sha256": _checksum(data)}
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_plan(text: str) -> Plan:
    """Return the plan that a file holds.

    Raises:
        InputError: SW805 the text is not a saved plan, has another version, or is damaged.
    """
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise InputError.of("SW805", "the plan file is not JSON", hint=_HINT) from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        hint = "name a file that plan --out has written"
        raise InputError.of("SW805", "the file is not a saved plan", hint=hint)
    version = data.get("version")
    if version != VERSION:
        message = f"the plan file has version {version}, and this tool reads version {VERSION}"
        raise InputError.of("SW805", message, hint=_HINT)
    if data.pop("sha256", None) != _checksum(data):
        message = "the plan file was changed or damaged: its checksum does not match"
        raise InputError.of("SW805", message, hint=_HINT)
    try:
        return _SAVED_PLAN.decode(text).plan
    except DecodeError as error:
        raise InputError.of("SW805", f"the plan file cannot be read: {error}", hint=_HINT) from None


def _checksum(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_secrets(root: RootPlan) -> RootPlan:
    """Return the plan of a root without the values of its NoEcho parameters.

    Where the template cannot be read, no value is kept.
    """
    try:
        declared = declared_keys(root.desired.body).parameters
    except ValidationError:
        return replace(root, desired=replace(root.desired, parameters={}))
    public = {
        name: value
        for name, value in root.desired.parameters.items()
        if name in declared and not declared[name].no_echo
    }
    return replace(root, desired=replace(root.desired, parameters=public))
