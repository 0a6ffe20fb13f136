"""A diff as text for a terminal, Markdown for a pull request, and JSON. Pure: strings out.

Text has Rich markup for the console that prints it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any

from .comparison import DataLoss, Diff, Effect, OutputDiff, PropertyDiff, ResourceDiff

FORMATS = ("text", "markdown", "json")
KNOWN_AFTER_APPLY = "(known after apply)"

_SYMBOL = {Effect.ADD: "+", Effect.CHANGE: "~", Effect.REPLACE: "-/+", Effect.REMOVE: "-"}
_STYLE = {Effect.ADD: "green", Effect.CHANGE: "yellow", Effect.REPLACE: "bold red", Effect.REMOVE: "red"}
_FORCES = {"yes": "  # forces replacement", "maybe": "  # may force replacement"}
_WIDTH = 100  # of one value; JSON holds all of it


def report(diff: Diff, style: str = "text") -> str:
    """The diff in one of ``FORMATS``."""
    return {"text": as_text, "markdown": as_markdown, "json": as_json}[style](diff)


def summary(diff: Diff) -> str:
    """``Plan: 1 to add, 2 to change, 3 to replace, 4 to remove.``, and what is not certain."""
    if diff.empty:
        return "No changes."
    counts = ", ".join(f"{diff.count(effect)} to {effect}" for effect in Effect)
    maybe = sum(each.may_replace for each in diff.resources)
    uncertain = sum(not each.certain and not each.may_replace for each in diff.resources)
    notes = [f"{maybe} of the changes may replace"] if maybe else []
    notes += [f"{uncertain} known only after apply"] if uncertain else []
    outputs = f"{len(diff.outputs)} outputs differ" if diff.outputs else ""
    rest = "; ".join([*notes, *([outputs] if outputs else [])])
    return f"Plan: {counts}." + (f" ({rest})" if rest else "")


# --- text ---------------------------------------------------------------------------------------------------


def as_text(diff: Diff) -> str:
    """By stack and resource, losses of data on top, the plan's counts at the end."""
    blocks = [_losses_text(diff)] if diff.losses else []
    for stack, resources in groupby(diff.resources, key=lambda each: each.stack):
        blocks.append("\n".join([f"[bold]{_escaped(stack)}[/]", *(_resource_text(each) for each in resources)]))
    if diff.outputs:
        blocks.append("\n".join(["[bold]Outputs[/]", *(f"  {_escaped(_output(each))}" for each in diff.outputs)]))
    return "\n\n".join([*blocks, f"[bold]{_escaped(summary(diff))}[/]"])


def _losses_text(diff: Diff) -> str:
    lines = ["[bold red]Loss of data[/]"]
    for loss in diff.losses:
        style = "yellow" if loss.kept else "bold red"
        lines.append(f"  [{style}]! {_escaped(_loss(loss))}[/]")
    return "\n".join(lines)


def _resource_text(resource: ResourceDiff) -> str:
    style = _STYLE[resource.effect]
    symbol = f"[{style}]{_SYMBOL[resource.effect]:>3}[/]"
    head = f"  {symbol} {_escaped(resource.logical_id)}  [dim]{resource.type}[/]{_note(resource)}"
    return "\n".join([head, *(f"        {_property_text(each)}" for each in resource.properties)])


def _note(resource: ResourceDiff) -> str:
    if resource.may_replace:
        return "  [red]may be replaced[/]"
    return "" if resource.certain else "  [dim]only if a value known after apply differs[/]"


def _property_text(change: PropertyDiff) -> str:
    style = "green" if not change.exists_before else "red" if not change.exists_after else "yellow"
    because = _because(change)
    forces = _FORCES.get(change.replaces)
    rest = (f"[red]{forces}[/]" if forces else "") + (f"  [dim]# {_escaped(because)}[/]" if because else "")
    return f"[{style}]{_sign(change)}[/] {_escaped(_values(change))}{rest}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[") if "[" in text else text


# --- shared by the forms ------------------------------------------------------------------------------------


def _sign(change: PropertyDiff) -> str:
    return "+" if not change.exists_before else "-" if not change.exists_after else "~"


def _values(change: PropertyDiff) -> str:
    before, after = _value(change.before), _value(change.after)
    if change.after_apply:
        after = KNOWN_AFTER_APPLY if change.before == change.after else f"{after} {KNOWN_AFTER_APPLY}"
    if not change.exists_before:
        return f"{change.path}: {after}"
    return f"{change.path}: {before}" if not change.exists_after else f"{change.path}: {before} → {after}"


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 20]}… ({len(text)} characters)"


def _because(change: PropertyDiff) -> str:
    return f"follows {', '.join(change.causes)}" if change.after_apply and change.causes else ""


def _loss(loss: DataLoss) -> str:
    resource = loss.resource
    gone = "is removed" if resource.effect is Effect.REMOVE else "is replaced by an empty one"
    if resource.may_replace:
        gone = "may be replaced by an empty one"
    name = "DeletionPolicy" if resource.effect is Effect.REMOVE else "UpdateReplacePolicy"
    fate = {"Retain": "the old one is kept, outside of the stack", "Snapshot": "a snapshot is kept"}
    rest = fate.get(loss.policy, "ITS DATA IS DELETED")
    return f"{resource.address} ({resource.type}) {gone}: {rest} ({name}: {loss.policy})"


def _output(output: OutputDiff) -> str:
    sides = [_value(side) for side in (output.before, output.after)]
    if output.before is None:
        return f"+ {output.stack}:{output.name}: {sides[1]}"
    if output.after is None:
        return f"- {output.stack}:{output.name}: {sides[0]}"
    if sides[0] == sides[1]:
        sides[1] = KNOWN_AFTER_APPLY
    return f"~ {output.stack}:{output.name}: {sides[0]} → {sides[1]}"


# --- Markdown -----------------------------------------------------------------------------------------------


def as_markdown(diff: Diff, limit: int = 65_000) -> str:
    """A comment for a pull request: the counts, losses of data, and one folded block a stack.

    Longer than ``limit`` characters (GitHub refuses comments over 65,536), it names resources only.
    """
    full = _markdown(diff, properties=True)
    return full if len(full) <= limit else _markdown(diff, properties=False)


def _markdown(diff: Diff, properties: bool) -> str:
    parts = [f"**{_inline(summary(diff))}**"]
    if diff.losses:
        losses = (f"> - {_inline(_loss(loss))}" for loss in diff.losses)
        parts.append("\n".join(["> [!CAUTION]", "> **Loss of data**", *losses]))
    for stack, found in groupby(diff.resources, key=lambda each: each.stack):
        resources = list(found)
        counts = [(sum(each.effect is effect for each in resources), effect) for effect in Effect]
        title = ", ".join(f"{count} to {effect}" for count, effect in counts if count)
        lines = "\n".join(line for each in resources for line in _markdown_lines(each, properties))
        parts.append(_folded(f"<code>{stack}</code>: {title}", lines))
    if diff.outputs:
        parts.append(_folded("Outputs", "\n".join(_output(each) for each in diff.outputs)))
    return "\n\n".join(parts) + "\n"


def _folded(title: str, lines: str) -> str:
    fence = "`" * max(3, _longest_run(lines) + 1)
    return f"<details><summary>{title}</summary>\n\n{fence}diff\n{lines}\n{fence}\n\n</details>"


def _longest_run(text: str) -> int:
    return max((len(list(run)) for char, run in groupby(text) if char == "`"), default=0)


def _inline(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("`", "\\`")


def _markdown_lines(resource: ResourceDiff, properties: bool) -> Iterator[str]:
    """Lines of a ``diff`` block: the first character colours the line, ``!`` for what changes in place."""
    first = {Effect.ADD: "+", Effect.REMOVE: "-", Effect.REPLACE: "-"}.get(resource.effect, "!")
    unsure = "" if resource.certain else " (known after apply)"
    note = " (may be replaced)" if resource.may_replace else unsure
    yield f"{first} {_SYMBOL[resource.effect]} {resource.logical_id} {resource.type}{note}"
    for change in resource.properties if properties else ():
        forces = _FORCES.get(change.replaces, "")
        because = f"  # {_because(change)}" if _because(change) else ""
        colour = "-" if forces else " " if _sign(change) == "~" else _sign(change)
        yield f"{colour}     {_sign(change)} {_values(change)}{forces}{because}"


# --- JSON ---------------------------------------------------------------------------------------------------


def as_json(diff: Diff) -> str:
    """``{"summary": {…}, "losses": […], "resources": […], "outputs": […]}``, values in full."""
    losses = [{"address": x.resource.address, "policy": x.policy, "kept": x.kept} for x in diff.losses]
    resources = [{"address": each.address, **asdict(each)} for each in diff.resources]
    data = {
        "summary": {str(effect): diff.count(effect) for effect in Effect},
        "losses": losses,
        "resources": resources,
        "outputs": [asdict(each) for each in diff.outputs],
    }
    return json.dumps(data, indent=2, ensure_ascii=False)
