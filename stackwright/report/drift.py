"""Drift: properties that were changed outside of CloudFormation, by stack and resource."""

from __future__ import annotations

from collections.abc import Sequence

from ..health import DriftedStack
from .markup import escape_markup

_SIGNS = {"ADD": "+", "REMOVE": "-", "NOT_EQUAL": "~"}
_WIDTH = 80
"""Characters of one value; JSON holds all of it."""


def format_drift(stacks: Sequence[DriftedStack]) -> str:
    """Return the drift in Rich markup, property by property; the counts at the end."""
    lines: list[str] = []
    for stack in stacks:
        if stack.resources or stack.failed:
            lines.append(f"[bold]{escape_markup(stack.stack)}[/]")
        if stack.failed:
            lines.append(f"  [yellow]not all resources checked: {escape_markup(stack.failed)}[/]")
        for resource in stack.resources:
            deleted = resource.status == "DELETED"
            sign = "[red]-[/]" if deleted else "[yellow]~[/]"
            name = escape_markup(resource.logical_id)
            rest = f"{resource.type}  {resource.physical_id}" + "  [red]deleted[/]" * deleted
            lines.append(f"  {sign} {name}  {rest}")
            lines += [f"      {_property(*difference)}" for difference in resource.differences]
    return "\n".join([*lines, *([""] if lines else []), f"[bold]{summarize_drift(stacks)}[/]"])


def _property(path: str, expected: str, actual: str, kind: str) -> str:
    name = path.strip("/").replace("/", ".")
    texts = {"ADD": f"{_shorten(actual)} was added", "REMOVE": f"{_shorten(expected)} was removed"}
    text = texts.get(kind, f"{_shorten(expected)} → {_shorten(actual)}")
    return f"{_SIGNS.get(kind, '~')} {escape_markup(name)}: {escape_markup(text)}"


def _shorten(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def summarize_drift(stacks: Sequence[DriftedStack]) -> str:
    """Return ``Drift: 1 of 12 resources, in 1 of 3 stacks; 4 cannot be compared.``"""
    drifted = sum(len(stack.resources) for stack in stacks)
    compared = sum(stack.compared for stack in stacks)
    skipped = sum(stack.skipped for stack in stacks)
    stacks_drifted = sum(bool(stack.resources) for stack in stacks)
    inside = f", in {stacks_drifted} of {len(stacks)} stacks" if drifted else ""
    rest = f"; {skipped} cannot be compared" if skipped else ""
    return f"Drift: {drifted or 'none'} of {compared} resources{inside}{rest}."
