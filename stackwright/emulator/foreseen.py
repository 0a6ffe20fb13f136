"""The parameters of nested stacks as change sets and stacks show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ..cfn.template import to_text
from ..cfn.values import printed
from .state import Definition


def foreseen(inner: Definition, after: Mapping[str, Any]) -> Definition:
    """A nested stack's definition with the parameters that its parent will give it, as far as they are known."""
    given = after.get("Properties", {}).get("Parameters", {})
    return replace(inner, parameters={name: printed(value) for name, value in given.items()})


def shown_parameters(definition: Definition) -> list[dict[str, Any]]:
    """``Parameters`` of a stack or change set: what was given, or the default; secrets masked."""
    found = []
    for name, declared in definition.template.parameters.items():
        value = definition.parameters.get(name, declared.default)
        text = ",".join(map(to_text, value)) if isinstance(value, list) else to_text(value)
        found.append({"ParameterKey": name, "ParameterValue": "****" if declared.no_echo else text})
    return found
