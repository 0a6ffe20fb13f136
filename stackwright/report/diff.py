"""A diff as text in Rich markup, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from msgspec import to_builtins

from ..diff import DataLoss, Diff, Effect, OutputDiff, PropertyDiff, ResourceDiff
from .markup import escape_markup, styled

DIFF_FORMATS = ("text", "markdown", "json")
_AFTER_APPLY = "(known after apply)"

_SYMBOL = {Effect.ADD: "+", Effect.CHANGE: "~", Effect.REPLACE: "-/+", Effect.REMOVE: "-"}
_STYLE = {
    Effect.ADD: "green",
    Effect.CHANGE: "yellow",
    Effect.REPLACE: "bold red",
    Effect.REMOVE: "red",
}
_FORCES = {"yes": "  # forces replacement", "maybe": "  # may force replacement"}
_WIDTH = 200
"""Characters of one value; JSON holds all of it."""
_BEFORE, _CHANGED, _AFTER = 32, 40, 12
"""Characters shown of two long values: before the difference, of it, and after it."""
_REFERENCE = re.compile(r"\$\{[^{}]+\}")

Remarks = Mapping[str, str]
"""Address of a resource -> a remark on its change."""


def format_diff(diff: Diff, style: str = "text") -> str:
    """Return the diff in one of ``DIFF_FORMATS``."""
    return {"text": diff_as_text, "markdown": diff_as_markdown, "json": diff_as_json}[style](diff)


def summarize_diff(diff: Diff) -> str:
    """Return the counts, ``Plan: 1 to add, 2 to change, 3 to replace, 4 to remove.``, and those of
    uncertain changes."""
    if diff.empty:
        return "No changes."
    counts = ", ".join(
        f"{count} to {effect}" for effect, count in count_effects(diff.resources).items()
    )
    maybe = sum(resource.may_replace for resource in diff.resources)
    uncertain = sum(
        not resource.certain and not resource.may_replace for resource in diff.resources
    )
    notes = [f"{maybe} of the changes may replace"] if maybe else []
    notes += [f"{uncertain} known only after apply"] if uncertain else []
    outputs = f"{len(diff.outputs)} outputs differ" if diff.outputs else ""
    outputs = "1 output differs" if len(diff.outputs) == 1 else outputs
    rest = "; ".join([*notes, *([outputs] if outputs else [])])
    return f"Plan: {counts}." + (f" ({rest})" if rest else "")


def count_effects(resources: Iterable[ResourceDiff]) -> dict[Effect, int]:
    """Return the number of resources by effect."""
    effects = [resource.effect for resource in resources]
    return {effect: effects.count(effect) for effect in Effect}


# --- text


def diff_as_text(diff: Diff) -> str:
    """Return the changes by stack and resource, losses of data first, the counts last."""
    blocks = [losses_text(diff.losses)] if diff.losses else []
    blocks += stacks_text(diff.resources)
    if diff.outputs:
        blocks.append(outputs_text(diff.outputs))
    return "\n\n".join([*blocks, f"[bold]{escape_markup(summarize_diff(diff))}[/]"])


def stacks_text(resources: Iterable[ResourceDiff], remarks: Remarks | None = None) -> Iterator[str]:
    """Yield a block for each stack: its name, then its resources with their properties."""
    for stack, group in groupby(resources, key=lambda resource: resource.stack):
        texts = (_resource_text(resource, remarks or {}) for resource in group)
        yield "\n".join([styled(stack, "bold"), *texts])


def outputs_text(outputs: Iterable[OutputDiff]) -> str:
    """Return a block of the outputs that differ."""
    lines = (f"  {escape_markup(_output(output))}" for output in outputs)
    return "\n".join(["[bold]Outputs[/]", *lines])


def losses_text(losses: Iterable[DataLoss]) -> str:
    """Return a block of the stateful resources that are removed or replaced."""
    lines = ["[bold red]Loss of data[/]"]
    for loss in losses:
        style = "yellow" if loss.kept else "bold red"
        lines.append(f"  {styled(f'! {_loss(loss)}', style)}")
    return "\n".join(lines)


def _resource_text(resource: ResourceDiff, remarks: Remarks) -> str:
    style = _STYLE[resource.effect]
    symbol = f"[{style}]{_SYMBOL[resource.effect]:>3}[/]"
    label = f"{escape_markup(resource.logical_id)}  [dim]{resource.type}[/]"
    remark = remarks.get(resource.address)
    rest = _note(resource) + (f"  {styled(remark, 'cyan')}" if remark else "")
    properties = (f"        {_property_text(change)}" for change in resource.properties)
    return "\n".join([f"  {symbol} {label}{rest}", *properties])


def _note(resource: ResourceDiff) -> str:
    if resource.may_replace:
        return "  [red]may be replaced[/]"
    return "" if resource.certain else "  [dim]only if a value known after apply differs[/]"


def _property_text(change: PropertyDiff) -> str:
    style = "green" if not change.exists_before else "red" if not change.exists_after else "yellow"
    causes = _causes(change)
    forces = _FORCES.get(change.replaces)
    rest = f"[red]{forces}[/]" if forces else ""
    rest += f"  {styled(f'# {causes}', 'dim')}" if causes else ""
    return f"[{style}]{_sign(change)}[/] {escape_markup(_values(change))}{rest}"


# --- shared by the forms


def _sign(change: PropertyDiff) -> str:
    return "+" if not change.exists_before else "-" if not change.exists_after else "~"


def _values(change: PropertyDiff) -> str:
    before, after = _sides(change)
    if change.after_apply:
        unknown = change.before == change.after or _REFERENCE.fullmatch(str(change.after))
        after = _AFTER_APPLY if unknown else f"{after} {_AFTER_APPLY}"
    if not change.exists_before:
        return f"{change.path}: {after}"
    if not change.exists_after:
        return f"{change.path}: {before}"
    return f"{change.path}: {before} → {after}"


def _sides(change: PropertyDiff) -> tuple[str, str]:
    """Return both values; of two long texts, the difference and a little around it."""
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
    return _excerpt(before, start, len(before) - end), _excerpt(after, start, len(after) - end)


def _excerpt(text: str, start: int, end: int) -> str:
    """Return the text from ``start`` to ``end`` and a little around it,
    ``"…gateway@sha256:0123…"``."""
    head = text[max(0, start - _BEFORE) : start]
    middle, tail = text[start:end], text[end : end + _AFTER]
    if len(middle) > _CHANGED:
        middle, tail = f"{middle[:_CHANGED]}…", ""
    first = "…" * (start > _BEFORE)
    last = "…" * (end + _AFTER < len(text) and not middle.endswith("…"))
    return json.dumps(f"{first}{head}{middle}{tail}{last}", ensure_ascii=False)


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 20]}… ({len(text)} characters)"


def _causes(change: PropertyDiff) -> str:
    return f"follows {', '.join(change.causes)}" if change.after_apply and change.causes else ""


def _loss(loss: DataLoss) -> str:
    resource = loss.resource
    change = "is removed" if resource.effect is Effect.REMOVE else "is replaced by an empty one"
    if resource.may_replace:
        change = "may be replaced by an empty one"
    policy = "DeletionPolicy" if resource.effect is Effect.REMOVE else "UpdateReplacePolicy"
    fate = {
        "Retain": "the old one is kept outside of the stack",
        "Snapshot": "a snapshot is kept",
    }.get(loss.policy, "ITS DATA IS DELETED")
    label = f"{resource.type} {loss.physical_id}".rstrip()
    return f"{resource.address} ({label}) {change}: {fate} ({policy}: {loss.policy})"


def _output(output: OutputDiff) -> str:
    sides = [_value(side) for side in (output.before, output.after)]
    if output.before is None:
        return f"+ {output.stack}:{output.name}: {sides[1]}"
    if output.after is None:
        return f"- {output.stack}:{output.name}: {sides[0]}"
    if sides[0] == sides[1]:
        sides[1] = _AFTER_APPLY
    return f"~ {output.stack}:{output.name}: {sides[0]} → {sides[1]}"


# --- Markdown


def diff_as_markdown(diff: Diff, limit: int = 65_000) -> str:
    """Return a comment for a pull request: the counts, losses of data, and a folded block for each
    stack.

    A comment longer than ``limit`` characters names resources only: GitHub refuses more than
    65,536.
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
    """Return a caution with the stateful resources that are removed or replaced."""
    lines = (f"> - {inline_markdown(_loss(loss))}" for loss in losses)
    return "\n".join(["> [!CAUTION]", "> **Loss of data**", *lines])


def stacks_markdown(
    resources: Iterable[ResourceDiff], remarks: Remarks | None = None, *, properties: bool = True
) -> Iterator[str]:
    """Yield a folded block for each stack, with the counts in its title."""
    for stack, group in groupby(resources, key=lambda resource: resource.stack):
        members = list(group)
        lines = "\n".join(
            line
            for resource in members
            for line in _markdown_lines(resource, properties, remarks or {})
        )
        yield fold_lines(f"<code>{stack}</code>: {nonzero_counts(count_effects(members))}", lines)


def nonzero_counts(counts: Mapping[Effect, int]) -> str:
    """Return the counts without zeros, ``1 to add, 2 to change``."""
    return ", ".join(f"{count} to {effect}" for effect, count in counts.items() if count)


def outputs_markdown(outputs: Iterable[OutputDiff]) -> str:
    """Return a folded block of the outputs that differ."""
    return fold_lines("Outputs", "\n".join(map(_output, outputs)))


def fold_lines(title: str, lines: str) -> str:
    """Return lines of a diff that unfold below a title, in a fence that they cannot close."""
    fence = "`" * max(3, _longest_run(lines) + 1)
    return f"<details><summary>{title}</summary>\n\n{fence}diff\n{lines}\n{fence}\n\n</details>"


def _longest_run(text: str) -> int:
    return max((len(list(run)) for char, run in groupby(text) if char == "`"), default=0)


def inline_markdown(text: str) -> str:
    """Return ``text`` escaped for a line of Markdown."""
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("`", "\\`")


def _markdown_lines(resource: ResourceDiff, properties: bool, remarks: Remarks) -> Iterator[str]:
    """Yield the lines of a resource in a ``diff`` block; the first character colours the line, and
    ``!`` is a change in place."""
    first = {Effect.ADD: "+", Effect.REMOVE: "-", Effect.REPLACE: "-"}.get(resource.effect, "!")
    unsure = "" if resource.certain else " (known after apply)"
    note = " (may be replaced)" if resource.may_replace else unsure
    remark = f"  # {remarks[resource.address]}" if resource.address in remarks else ""
    yield f"{first} {_SYMBOL[resource.effect]} {resource.logical_id} {resource.type}{note}{remark}"
    for change in resource.properties if properties else ():
        forces = _FORCES.get(change.replaces, "")
        causes = f"  # {_causes(change)}" if _causes(change) else ""
        colour = "-" if forces else " " if _sign(change) == "~" else _sign(change)
        yield f"{colour}     {_sign(change)} {_values(change)}{forces}{causes}"


# --- JSON


def diff_as_json(diff: Diff) -> str:
    """Return ``{"summary": {…}, "losses": […], "resources": […], "outputs": […]}``, values in
    full."""
    return json.dumps(diff_as_data(diff), indent=2, ensure_ascii=False)


def diff_as_data(diff: Diff) -> dict[str, Any]:
    """Return the data of `diff_as_json`."""
    return {
        "summary": {str(effect): count for effect, count in count_effects(diff.resources).items()},
        "losses": [_loss_data(loss) for loss in diff.losses],
        "resources": [
            {"address": resource.address, **to_builtins(resource)} for resource in diff.resources
        ],
        "outputs": [to_builtins(output) for output in diff.outputs],
    }


def _loss_data(loss: DataLoss) -> dict[str, Any]:
    return {
        "address": loss.resource.address,
        "physical_id": loss.physical_id,
        "policy": loss.policy,
        "kept": loss.kept,
    }
