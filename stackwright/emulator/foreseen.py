"""The parameters of nested stacks as change sets and stacks show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ..cfn import print_value, template_to_text
from .state import Definition


def predicted_changes(inner: Definition, after: Mapping[str, Any]) -> Definition:
    """A nested stack's definition with the parameters that its parent will give it, as far as they
    are known."""
    given = after.get("Properties", {}).get("Parameters", {})
    return replace(inner, parameters={name: print_value(value) for name, value in given.items()})


def shown_parameters(definition: Definition) -> list[dict[str, Any]]:
    """``Parameters`` of a stack or change set: what was given, or the default; secrets masked."""
    found = []
    for name, declared in definition.template.parameters.items():
        value = definition.parameters.get(name, declared.default)
        text = (
            ",".join(map(template_to_text, value))
            if isinstance(value, list)
            else template_to_text(value)
        )
        found.append({"ParameterKey": name, "ParameterValue": "****" if declared.no_echo else text})
    return found
