"""Outputs of root stacks as text, as JSON, and as lines for a shell."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping

from ..core import InputError, mask

Outputs = Mapping[str, Mapping[str, str]]
"""Values by root stack and name."""


def format_outputs(outputs: Outputs, style: str = "text") -> str:
    """Return all outputs in a style: ``text`` (app.Url = …, secrets hidden), ``json``, or ``env``
    (URL=…, quoted for a shell)."""
    if style == "json":
        return json.dumps(outputs, indent=2)
    return "\n".join(_lines(outputs, style))


def _lines(outputs: Outputs, style: str) -> Iterator[str]:
    for root, values in outputs.items():
        for name, value in sorted(values.items()):
            if style == "env":
                yield f"{_variable(outputs, root, name)}={shlex.quote(value)}"
            else:
                yield f"{root}.{name} = {mask(value, name)}"


def find_output(outputs: Outputs, name: str) -> str:
    """Return the value of one output: ``Url``, or ``app.Url`` where several root stacks have one.

    Raises InputError where there is none, or more than one.
    """
    root, _, key = name.rpartition(".")
    matches = {
        owner: values[key]
        for owner, values in outputs.items()
        if key in values and root in ("", owner)
    }
    if len(matches) == 1:
        return next(iter(matches.values()))
    if matches:
        hint = f"name one of {', '.join(f'{owner}.{key}' for owner in matches)}"
        raise InputError.of("SW847", f"several stacks have an Output {key}", hint=hint)
    known = ", ".join(
        f"{owner}.{output}" for owner, values in outputs.items() for output in sorted(values)
    )
    hint = f"there are: {known}" if known else "there are none"
    raise InputError.of("SW847", f"there is no Output {name}", hint=hint)


def _variable(outputs: Outputs, root: str, name: str) -> str:
    """Return ``ALB_DNS_NAME`` for ``AlbDnsName``, after the root where several roots have one."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()
    several = sum(name in values for values in outputs.values()) > 1
    return f"{re.sub('[^A-Za-z0-9]', '_', root).upper()}_{words}" if several else words
