"""A diff as text for a terminal, Markdown for a pull request, and JSON. Pure: strings out.

Text has Rich markup for the console that prints it.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from msgspec import to_builtins

from ..diff import DataLoss, Diff, Effect, OutputDiff, PropertyDiff, ResourceDiff

DIFF_FORMATS = ("text", "markdown", "json")
KNOWN_AFTER_APPLY = "(known after apply)"

_SYMBOL = {Effect.ADD: "+", Effect.CHANGE: "~", Effect.REPLACE: "-/+", Effect.REMOVE: "-"}
_STYLE = {
    Effect.ADD: "green",
    Effect.CHANGE: "yellow",
    Effect.REPLACE: "bold red",
    Effect.REMOVE: "red",
}
_FORCES = {"yes": "  # forces replacement", "maybe": "  # may force replacement"}
_WIDTH = 200  # of one value; JSON holds all of it
_BEFORE, _AFTER, _CHANGED = (
    32,
    12,
    40,
)  # characters around and in what differs between two long values

_REFERENCE = re.compile(r"\$\{[^{}]+\}")

Remarks = Mapping[str, str]
"""Address of a resource -> what there is to say about it besides what happens to it."""


def format_diff(diff: Diff, style: str = "text") -> str:
    """The diff in one of ``FORMATS``."""
    return {"text": diff_as_text, "markdown": diff_as_markdown, "json": diff_as_json}[style](diff)


def summarize_diff(diff: Diff) -> str:
    """``Plan: 1 to add, 2 to change, 3 to replace, 4 to remove.``, and what is not certain."""
    if diff.empty:
        return "No changes."
    counts = ", ".join(
        f"{count} to {effect}" for effect, count in count_effects(diff.resources).items()
    )
    maybe = sum(each.may_replace for each in diff.resources)
    uncertain = sum(not each.certain and not each.may_replace for each in diff.resources)
    notes = [f"{maybe} of the changes may replace"] if maybe else []
    notes += [f"{uncertain} known only after apply"] if uncertain else []
    outputs = f"{len(diff.outputs)} outputs differ" if diff.outputs else ""
    outputs = "1 output differs" if len(diff.outputs) == 1 else outputs
    rest = "; ".join([*notes, *([outputs] if outputs else [])])
    return f"Plan: {counts}." + (f" ({rest})" if rest else "")


def count_effects(resources: Iterable[ResourceDiff]) -> dict[Effect, int]:
    """How many resources each effect happens to."""
    found = [each.effect for each in resources]
    return {effect: found.count(effect) for effect in Effect}


# --- text
# ---------------------------------------------------------------------------------------------------


def diff_as_text(diff: Diff) -> str:
    """By stack and resource, losses of data on top, the plan's counts at the end."""
    blocks = [losses_text(diff.losses)] if diff.losses else []
    blocks += stacks_text(diff.resources)
    if diff.outputs:
        blocks.append(outputs_text(diff.outputs))
    return "\n\n".join([*blocks, f"[bold]{escape_markup(summarize_diff(diff))}[/]"])


def stacks_text(resources: Iterable[ResourceDiff], remarks: Remarks | None = None) -> Iterator[str]:
    """A block for each stack: its name, then its resources with their properties."""
    for stack, found in groupby(resources, key=lambda each: each.stack):
        yield "\n".join(
            [
                f"[bold]{escape_markup(stack)}[/]",
                *(_resource_text(each, remarks or {}) for each in found),
            ]
        )


def outputs_text(outputs: Iterable[OutputDiff]) -> str:
    """A block of the outputs that differ."""
    return "\n".join(
        ["[bold]Outputs[/]", *(f"  {escape_markup(_output(each))}" for each in outputs)]
    )


def losses_text(losses: Iterable[DataLoss]) -> str:
    """A block of the resources whose data goes, or is left behind."""
    lines = ["[bold red]Loss of data[/]"]
    for loss in losses:
        style = "yellow" if loss.kept else "bold red"
        lines.append(f"  [{style}]! {escape_markup(_loss(loss))}[/]")
    return "\n".join(lines)


def _resource_text(resource: ResourceDiff, remarks: Remarks) -> str:
    style = _STYLE[resource.effect]
    symbol = f"[{style}]{_SYMBOL[resource.effect]:>3}[/]"
    remark = (
        f"  [cyan]{escape_markup(remarks[resource.address])}[/]"
        if resource.address in remarks
        else ""
    )
    head = f"  {symbol} {escape_markup(resource.logical_id)}  [dim]{resource.type}[/]{_note(resource)}{remark}"
    return "\n".join([head, *(f"        {_property_text(each)}" for each in resource.properties)])


def _note(resource: ResourceDiff) -> str:
    if resource.may_replace:
        return "  [red]may be replaced[/]"
    return "" if resource.certain else "  [dim]only if a value known after apply differs[/]"


def _property_text(change: PropertyDiff) -> str:
    style = "green" if not change.exists_before else "red" if not change.exists_after else "yellow"
    because = _because(change)
    forces = _FORCES.get(change.replaces)
    rest = (f"[red]{forces}[/]" if forces else "") + (
        f"  [dim]# {escape_markup(because)}[/]" if because else ""
    )
    return f"[{style}]{_sign(change)}[/] {escape_markup(_values(change))}{rest}"


def escape_markup(text: str) -> str:
    """For Rich: what looks like markup stays text."""
    from rich.markup import escape

    return escape(text)


# --- shared by the forms
# ------------------------------------------------------------------------------------


def _sign(change: PropertyDiff) -> str:
    return "+" if not change.exists_before else "-" if not change.exists_after else "~"


def _values(change: PropertyDiff) -> str:
    before, after = _sides(change)
    if change.after_apply:
        same = change.before == change.after or _REFERENCE.fullmatch(str(change.after))
        after = KNOWN_AFTER_APPLY if same else f"{after} {KNOWN_AFTER_APPLY}"
    if not change.exists_before:
        return f"{change.path}: {after}"
    return (
        f"{change.path}: {before}"
        if not change.exists_after
        else f"{change.path}: {before} → {after}"
    )


def _sides(change: PropertyDiff) -> tuple[str, str]:
    """Both values; of two long texts only what differs, with what stands around it."""
    before, after = change.before, change.after
    both = (
        change.exists_before
        and change.exists_after
        and isinstance(before, str)
        and isinstance(after, str)
    )
    if not both or len(before) + len(after) <= _WIDTH:
        return _value(before), _value(after)
    start = len(posixpath.commonprefix([before, after]))
    end = len(posixpath.commonprefix([before[start:][::-1], after[start:][::-1]]))
    return _part(before, start, len(before) - end), _part(after, start, len(after) - end)


def _part(text: str, start: int, end: int) -> str:
    """``"…gateway@sha256:0123…"``: what stands from ``start`` to ``end``, and a little around
    it."""
    head = text[max(0, start - _BEFORE) : start]
    middle, tail = text[start:end], text[end : end + _AFTER]
    if len(middle) > _CHANGED:
        middle, tail = f"{middle[:_CHANGED]}…", ""
    first, last = (
        "…" * (start > _BEFORE),
        "…" * (end + _AFTER < len(text) and not middle.endswith("…")),
    )
    return json.dumps(f"{first}{head}{middle}{tail}{last}", ensure_ascii=False)


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
    which = f"{resource.type} {loss.physical_id}".rstrip()
    return f"{resource.address} ({which}) {gone}: {rest} ({name}: {loss.policy})"


def _output(output: OutputDiff) -> str:
    sides = [_value(side) for side in (output.before, output.after)]
    if output.before is None:
        return f"+ {output.stack}:{output.name}: {sides[1]}"
    if output.after is None:
        return f"- {output.stack}:{output.name}: {sides[0]}"
    if sides[0] == sides[1]:
        sides[1] = KNOWN_AFTER_APPLY
    return f"~ {output.stack}:{output.name}: {sides[0]} → {sides[1]}"


# --- Markdown
# -----------------------------------------------------------------------------------------------


def diff_as_markdown(diff: Diff, limit: int = 65_000) -> str:
    """A comment for a pull request: the counts, losses of data, and one folded block a stack.

    Longer than ``limit`` characters (GitHub refuses comments over 65,536), it names resources only.
    """
    full = _markdown(diff, properties=True)
    return full if len(full) <= limit else _markdown(diff, properties=False)


def _markdown(diff: Diff, properties: bool) -> str:
    parts = [f"**{inline_markdown(summarize_diff(diff))}**"]
    if diff.losses:
        parts.append(losses_markdown(diff.losses))
    parts += stacks_markdown(diff.resources, properties=properties)
    if diff.outputs:
        parts.append(outputs_markdown(diff.outputs))
    return "\n\n".join(parts) + "\n"


def losses_markdown(losses: Iterable[DataLoss]) -> str:
    """A caution with the resources whose data goes, or is left behind."""
    lines = (f"> - {inline_markdown(_loss(loss))}" for loss in losses)
    return "\n".join(["> [!CAUTION]", "> **Loss of data**", *lines])


def stacks_markdown(
    resources: Iterable[ResourceDiff], remarks: Remarks | None = None, *, properties: bool = True
) -> Iterator[str]:
    """A folded block for each stack, with the counts in its title."""
    for stack, group in groupby(resources, key=lambda each: each.stack):
        found = list(group)
        lines = "\n".join(
            line for each in found for line in _markdown_lines(each, properties, remarks or {})
        )
        yield fold_lines(f"<code>{stack}</code>: {nonzero_counts(count_effects(found))}", lines)


def nonzero_counts(counts: Mapping[Effect, int]) -> str:
    """``1 to add, 2 to change``, those that are none left out."""
    return ", ".join(f"{count} to {effect}" for effect, count in counts.items() if count)


def outputs_markdown(outputs: Iterable[OutputDiff]) -> str:
    """A folded block of the outputs that differ."""
    return fold_lines("Outputs", "\n".join(_output(each) for each in outputs))


def fold_lines(title: str, lines: str) -> str:
    """Lines of a diff that unfold below a title, in a fence that they cannot close."""
    fence = "`" * max(3, _longest_run(lines) + 1)
    return f"<details><summary>{title}</summary>\n\n{fence}diff\n{lines}\n{fence}\n\n</details>"


def _longest_run(text: str) -> int:
    return max((len(list(run)) for char, run in groupby(text) if char == "`"), default=0)


def inline_markdown(text: str) -> str:
    """Text in a line of Markdown."""
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("`", "\\`")


def _markdown_lines(resource: ResourceDiff, properties: bool, remarks: Remarks) -> Iterator[str]:
    """Lines of a ``diff`` block: the first character colours the line, ``!`` for what changes in
    place."""
    first = {Effect.ADD: "+", Effect.REMOVE: "-", Effect.REPLACE: "-"}.get(resource.effect, "!")
    unsure = "" if resource.certain else " (known after apply)"
    note = " (may be replaced)" if resource.may_replace else unsure
    remark = f"  # {remarks[resource.address]}" if resource.address in remarks else ""
    yield f"{first} {_SYMBOL[resource.effect]} {resource.logical_id} {resource.type}{note}{remark}"
    for change in resource.properties if properties else ():
        forces = _FORCES.get(change.replaces, "")
        because = f"  # {_because(change)}" if _because(change) else ""
        colour = "-" if forces else " " if _sign(change) == "~" else _sign(change)
        yield f"{colour}     {_sign(change)} {_values(change)}{forces}{because}"


# --- JSON
# ---------------------------------------------------------------------------------------------------


def diff_as_json(diff: Diff) -> str:
    """``{"summary": {…}, "losses": […], "resources": […], "outputs": […]}``, values in full."""
    return json.dumps(diff_as_data(diff), indent=2, ensure_ascii=False)


def diff_as_data(diff: Diff) -> dict[str, Any]:
    """What `as_json` prints."""
    return {
        "summary": {str(effect): count for effect, count in count_effects(diff.resources).items()},
        "losses": [_loss_data(each) for each in diff.losses],
        "resources": [{"address": each.address, **to_builtins(each)} for each in diff.resources],
        "outputs": [to_builtins(each) for each in diff.outputs],
    }


def _loss_data(loss: DataLoss) -> dict[str, Any]:
    return {
        "address": loss.resource.address,
        "physical_id": loss.physical_id,
        "policy": loss.policy,
        "kept": loss.kept,
    }
