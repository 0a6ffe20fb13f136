"""The interface of a rendered template: its Parameters, its Outputs, and the Outputs that it reads
of its nested stacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..core import Declaration, Document, Interface

_SUB_OUTPUT = re.compile(r"\$\{([A-Za-z0-9]+)\.Outputs\.([A-Za-z0-9]+)\}")


def read_interface(document: Document) -> Interface:
    """Return the interface of a rendered template."""
    return Interface(
        document.name,
        _declarations(document, "Parameters"),
        _declarations(document, "Outputs"),
        frozenset(_output_reads(document.body)),
        document.lines,
    )


def _declarations(document: Document, section: str) -> dict[str, Declaration]:
    entries = document.body.get(section)
    if not isinstance(entries, dict):
        return {}
    return {
        name: Declaration(
            name, body if isinstance(body, dict) else {}, document.starts.get((section, name), 1)
        )
        for name, body in entries.items()
    }


def _output_reads(value: Any) -> Iterator[tuple[str, str]]:
    """Yield logical ID and Output of every ``!GetAtt X.Outputs.Y`` and ``${X.Outputs.Y}``."""
    if isinstance(value, list):
        for item in value:
            yield from _output_reads(item)
    elif isinstance(value, dict):
        parts = value.get("Fn::GetAtt")
        if isinstance(parts, list) and len(parts) == 2 and str(parts[1]).startswith("Outputs."):
            yield str(parts[0]), str(parts[1]).removeprefix("Outputs.")
        for key, item in value.items():
            if key == "Fn::Sub":
                text = item[0] if isinstance(item, list) and item else item
                yield from _SUB_OUTPUT.findall(text if isinstance(text, str) else "")
            yield from _output_reads(item)
