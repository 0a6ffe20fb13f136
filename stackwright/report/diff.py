"""A diff as text in Rich markup, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from msgspec import to_builtins

from ..diff import DataLoss, Diff, Effect, OutputDiff, ResourceDiff, TagDiff, TextDiff
from .changes import (
    AFTER_APPLY,
    PropertyLine,
    count_changes,
    describe_counts,
    describe_tags,
    format_value,
    identify,
    is_only_tagged,
    is_revision,
    list_lines,
    summarize_diff,
)
from .markup import escape_markup, styled

DIFF_FORMATS = ("text", "markdown", "json")

_SYMBOL = {Effect.ADD: "+", Effect.CHANGE: "~", Effect.REPLACE: "-/+", Effect.REMOVE: "-"}
_STYLE = {
    Effect.ADD: "green",
    Effect.CHANGE: "yellow",
    Effect.REPLACE: "bold red",
    Effect.REMOVE: "red",
}
_LINE_STYLE = {"+": "green", "-": "red", "~": "yellow"}
_LIMIT = 65_000
"""Characters of a comment; GitHub refuses more than 65,536."""
_LINES = 60
"""Lines of a new root stack; one that would take more is listed by type."""
_COLUMNS = 78
_SUMMARIZED = "--verbose lists their properties"

Remarks = Mapping[str, str]
"""Address of a resource -> a remark on its change."""


def format_diff(diff: Diff, style: str = "text", *, verbose: bool = False) -> str:
    """Return the diff in one of ``DIFF_FORMATS``; ``verbose`` shortens nothing in the first two."""
    if style == "json":
        return diff_as_json(diff)
    return (diff_as_text if style == "text" else diff_as_markdown)(diff, verbose=verbose)


# --- text


def diff_as_text(diff: Diff, *, verbose: bool = False) -> str:
    """Return the changes by stack and resource, losses of data first, the counts last."""
    blocks = [losses_text(diff.losses)] if diff.losses else []
    for root, resources in _by_root(diff.resources):
        if root in diff.created:
            blocks.append(new_root_text(resources, verbose=verbose))
        else:
            blocks += stacks_text(resources, verbose=verbose)
    blocks += tags_text(diff.tags, diff.resources)
    if diff.outputs:
        blocks.append(outputs_text(diff.outputs))
    if diff.texts:
        blocks.append("\n".join(["[bold]Only AWS can expand[/]", *map(_unread_text, diff.texts)]))
    blocks += [styled(f"Note: {note}", "yellow") for note in diff.notes]
    return "\n\n".join([*blocks, f"[bold]{escape_markup(summarize_diff(diff))}[/]"])


def _by_root(resources: Iterable[ResourceDiff]) -> Iterator[tuple[str, list[ResourceDiff]]]:
    for root, group in groupby(resources, key=lambda resource: resource.stack.partition("/")[0]):
        yield root, list(group)


def stacks_text(
    resources: Iterable[ResourceDiff], remarks: Remarks | None = None, *, verbose: bool = False
) -> Iterator[str]:
    """Yield a block for each stack: its name, then its resources with their properties. Resources
    that get other tags and are otherwise unchanged are in it only with ``verbose``."""
    shown = [resource for resource in resources if verbose or not is_only_tagged(resource)]
    for stack, group in groupby(shown, key=lambda resource: resource.stack):
        texts = (_resource_text(resource, remarks or {}, verbose) for resource in group)
        yield "\n".join([styled(stack, "bold"), *texts])


def new_root_text(
    resources: Iterable[ResourceDiff], remarks: Remarks | None = None, *, verbose: bool = False
) -> str:
    """Return the resources of a new root stack with their properties, or by type where that would
    take too many lines."""
    members = list(resources)
    if verbose or _is_short(members):
        return "\n\n".join(stacks_text(members, remarks, verbose=verbose))
    return "\n".join([*_summarize_stacks(members), f"  [dim]{_SUMMARIZED}[/]"])


def _is_short(resources: Iterable[ResourceDiff]) -> bool:
    return sum(1 + len(list_lines(resource)) for resource in resources) <= _LINES


def _summarize_stacks(resources: Iterable[ResourceDiff]) -> Iterator[str]:
    for stack, group in groupby(resources, key=lambda resource: resource.stack):
        members = sorted(group, key=lambda resource: resource.type)
        yield f"  [green]+[/] {styled(stack, 'bold')}  [dim]{len(members)}[/]"
        for kind, same in groupby(members, key=lambda resource: resource.type):
            names = ", ".join(resource.logical_id for resource in same)
            text = f"{kind.removeprefix('AWS::')}: {names}"
            yield textwrap.fill(text, _COLUMNS, initial_indent=" " * 6, subsequent_indent=" " * 10)


def tags_text(tags: Iterable[TagDiff], resources: Iterable[ResourceDiff]) -> Iterator[str]:
    """Yield a line for each root stack whose tags differ."""
    for line in describe_tags(tags, resources):
        yield f"[yellow]{escape_markup(line)}[/]"


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


def _resource_text(resource: ResourceDiff, remarks: Remarks, verbose: bool) -> str:
    symbol = f"[{_style(resource)}]{_symbol(resource):>3}[/]"
    label = f"{escape_markup(resource.logical_id)}  [dim]{resource.type}[/]"
    remark = remarks.get(resource.address)
    rest = _note_text(resource) + (f"  {styled(remark, 'cyan')}" if remark else "")
    lines = (f"        {_line_text(line)}" for line in list_lines(resource, verbose=verbose))
    return "\n".join([f"  {symbol} {label}{rest}", *lines])


def _style(resource: ResourceDiff) -> str:
    return "yellow" if is_revision(resource) else _STYLE[resource.effect]


def _symbol(resource: ResourceDiff) -> str:
    return "~" if is_revision(resource) else _SYMBOL[resource.effect]


def _note_text(resource: ResourceDiff) -> str:
    note = _note(resource)
    style = "red" if note == _MAY_REPLACE else "yellow" if is_revision(resource) else "dim"
    return f"  {styled(note, style)}" if note else ""


def _line_text(line: PropertyLine) -> str:
    rest = f"[red]  # {line.forces}[/]" if line.forces else ""
    rest += f"  {styled(f'# {line.causes}', 'dim')}" if line.causes else ""
    return f"[{_LINE_STYLE[line.sign]}]{line.sign}[/] {escape_markup(line.text)}{rest}"


# --- shared by the forms

_MAY_REPLACE = "may be replaced"
_UNCERTAIN = "only if a value known after apply differs"


def _note(resource: ResourceDiff) -> str:
    """Return what the symbol of a change does not say."""
    if is_revision(resource):
        sure = resource.effect is Effect.REPLACE
        return "new revision" if sure else "new revision, if a value known after apply differs"
    if resource.may_replace:
        return _MAY_REPLACE
    if resource.effect is Effect.REMOVE:
        return identify(resource)
    if is_only_tagged(resource):
        return "tags"
    return "" if resource.certain else _UNCERTAIN


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
    return _two_sides(f"{output.stack}:{output.name}", output.before, output.after)


def _unread(text: TextDiff) -> str:
    return _two_sides(f"{text.file}: {text.path}", text.before, text.after)


def _unread_text(text: TextDiff) -> str:
    return f"  {escape_markup(_unread(text))}"


def _two_sides(label: str, before: Any, after: Any) -> str:
    sides = [format_value(side) for side in (before, after)]
    if before is None:
        return f"+ {label}: {sides[1]}"
    if after is None:
        return f"- {label}: {sides[0]}"
    if sides[0] == sides[1]:
        sides[1] = AFTER_APPLY
    return f"~ {label}: {sides[0]} → {sides[1]}"


# --- Markdown


def diff_as_markdown(diff: Diff, limit: int = _LIMIT, *, verbose: bool = False) -> str:
    """Return a comment for a pull request: the counts, losses of data, and a folded block for each
    stack.

    A comment longer than ``limit`` characters names resources only: GitHub refuses more than
    65,536.
    """
    full = _markdown(diff, verbose, properties=True)
    return full if len(full) <= limit else _markdown(diff, verbose, properties=False)


def _markdown(diff: Diff, verbose: bool, *, properties: bool) -> str:
    parts = [f"**{inline_markdown(summarize_diff(diff))}**"]
    if diff.losses:
        parts.append(losses_markdown(diff.losses))
    for root, resources in _by_root(diff.resources):
        known = properties and (root not in diff.created or verbose or _is_short(resources))
        parts += stacks_markdown(resources, properties=known, verbose=verbose)
    parts += tags_markdown(diff.tags, diff.resources)
    if diff.outputs:
        parts.append(outputs_markdown(diff.outputs))
    if diff.texts:
        parts.append(fold_lines("Only AWS can expand", "\n".join(map(_unread, diff.texts))))
    parts += [inline_markdown(f"Note: {note}") for note in diff.notes]
    return "\n\n".join(parts) + "\n"


def losses_markdown(losses: Iterable[DataLoss]) -> str:
    """Return a caution with the stateful resources that are removed or replaced."""
    lines = (f"> - {inline_markdown(_loss(loss))}" for loss in losses)
    return "\n".join(["> [!CAUTION]", "> **Loss of data**", *lines])


def tags_markdown(tags: Iterable[TagDiff], resources: Iterable[ResourceDiff]) -> Iterator[str]:
    """Yield a line for each root stack whose tags differ."""
    return map(inline_markdown, describe_tags(tags, resources))


def stacks_markdown(
    resources: Iterable[ResourceDiff],
    remarks: Remarks | None = None,
    *,
    properties: bool = True,
    verbose: bool = False,
) -> Iterator[str]:
    """Yield a folded block for each stack, with the counts in its title."""
    shown = [resource for resource in resources if verbose or not is_only_tagged(resource)]
    for stack, group in groupby(shown, key=lambda resource: resource.stack):
        members = list(group)
        lines = "\n".join(
            line
            for resource in members
            for line in _markdown_lines(
                resource,
                list_lines(resource, verbose=verbose) if properties else [],
                remarks or {},
            )
        )
        yield fold_lines(f"<code>{stack}</code>: {describe_counts(members)}", lines)


def new_root_markdown(resources: Iterable[ResourceDiff], *, verbose: bool) -> Iterator[str]:
    """Yield the blocks of a new root stack, without properties where it has too many."""
    members = list(resources)
    return stacks_markdown(members, properties=verbose or _is_short(members), verbose=verbose)


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


def _markdown_lines(
    resource: ResourceDiff, lines: Iterable[PropertyLine], remarks: Remarks
) -> Iterator[str]:
    """Yield the lines of a resource in a ``diff`` block; the first character colours the line, and
    ``!`` is a change in place."""
    symbol = _symbol(resource)
    first = {"+": "+", "~": "!"}.get(symbol, "-")
    note = "known after apply" if _note(resource) == _UNCERTAIN else _note(resource)
    note = f" ({note})" if note else ""
    remark = f"  # {remarks[resource.address]}" if resource.address in remarks else ""
    yield f"{first} {symbol} {resource.logical_id} {resource.type}{note}{remark}"
    for line in lines:
        forces = f"  # {line.forces}" if line.forces else ""
        causes = f"  # {line.causes}" if line.causes else ""
        colour = "-" if forces else " " if line.sign == "~" else line.sign
        yield f"{colour}     {line.sign} {line.text}{forces}{causes}"


# --- JSON


def diff_as_json(diff: Diff) -> str:
    """Return ``{"summary": {…}, "losses": […], "resources": […], "outputs": […], …}``, values in
    full."""
    return json.dumps(diff_as_data(diff), indent=2)


def diff_as_data(diff: Diff) -> dict[str, Any]:
    """Return the data of `diff_as_json`."""
    return {
        "summary": {str(count): number for count, number in count_changes(diff.resources).items()},
        "losses": [_loss_data(loss) for loss in diff.losses],
        "resources": [
            {
                "address": resource.address,
                **to_builtins(resource),
                "new_revision": is_revision(resource),
            }
            for resource in diff.resources
        ],
        "tags": [to_builtins(tag) for tag in diff.tags],
        "outputs": [to_builtins(output) for output in diff.outputs],
        "texts": [to_builtins(text) for text in diff.texts],
        "notes": list(diff.notes),
    }


def _loss_data(loss: DataLoss) -> dict[str, Any]:
    return {
        "address": loss.resource.address,
        "physical_id": loss.physical_id,
        "policy": loss.policy,
        "kept": loss.kept,
    }
