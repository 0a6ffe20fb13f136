"""A plan as text for a terminal, Markdown for a pull request or a step summary, and JSON. Pure:
strings out.

Losses of data come first, then changes that need an approval, the counts over all roots last. Text has
Rich markup for the console that prints it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from msgspec import to_builtins

from ..diff import Diff, ResourceDiff
from ..plan import (
    Certainty,
    GuardrailFinding,
    ListedChange,
    Plan,
    PlannedChange,
    RootAction,
    RootPlan,
    SecretChange,
    find_dangerous_changes,
    keeps_in_place,
)
from .diff import (
    count_effects,
    diff_as_data,
    escape_markup,
    fold_lines,
    inline_markdown,
    losses_markdown,
    losses_text,
    nonzero_counts,
    outputs_markdown,
    outputs_text,
    stacks_markdown,
    stacks_text,
    summarize_diff,
)

PLAN_FORMATS = ("text", "markdown", "json")
_LIMIT = 65_000  # GitHub refuses comments over 65,536 characters
_DOES = {
    RootAction.CREATE: "will be created",
    RootAction.UPDATE: "will be updated",
    RootAction.IMPORT: "will adopt what exists",
}
_NO_RESOURCES = "no resources, only tags, parameters or outputs"
_SPURIOUS = "Listed by CloudFormation, but will not happen: what they follow keeps its value"


def format_plan(plan: Plan, style: str = "text") -> str:
    """The plan in one of ``FORMATS``."""
    return {"text": plan_as_text, "markdown": plan_as_markdown, "json": plan_as_json}[style](plan)


def summarize_plan(plan: Plan) -> str:
    """``Plan: 1 to add, 2 to change, 0 to replace, 0 to remove in 1 of 3 stacks; 1 new secret
    version.``"""
    if plan.empty:
        return "No changes."
    touched = sum(root.changes_anything for root in plan.roots)
    places = f" in {touched} of {len(plan.roots)} stacks" if touched else ""
    versions = len(plan.secret_changes)
    secrets = f"; {versions} new secret version{'s' * (versions > 1)}" if versions else ""
    found = _all(plan)
    if found.empty:
        return (
            f"Plan: {_NO_RESOURCES}{places}{secrets}."
            if touched
            else f"Plan: {secrets.removeprefix('; ')}."
        )
    head, _, rest = summarize_diff(found).partition(".")
    return f"{head}{places}{secrets}.{rest}"


def _all(plan: Plan) -> Diff:
    """What happens in all roots."""
    return Diff(
        tuple(each for root in plan.roots for each in root.diff.resources),
        tuple(each for root in plan.roots if root.live for each in root.diff.outputs),
        tuple(each for root in plan.roots for each in root.diff.losses),
    )


# --- shared by the forms
# ------------------------------------------------------------------------------------


def _title(root: RootPlan) -> str:
    """``app (euglena-prod-app) will be updated: 1 to change``."""
    name = f"{root.desired.root} ({root.desired.stack})"
    counts = nonzero_counts(count_effects(root.diff.resources))
    if root.kind is RootAction.LATER:
        return f"{name} {_later(root)}: {counts or 'no changes'}"
    return f"{name} {_DOES[root.kind]}: {counts or _NO_RESOURCES}"


def _later(root: RootPlan) -> str:
    missing = root.desired.missing
    does = "will be updated" if root.live else "will be created"
    are = "is" if len(missing) == 1 else "are"
    return f"{does} once {', '.join(missing)} {are} known" if missing else f"{does} (predicted)"


def _unchanged(plan: Plan) -> str:
    return ", ".join(
        f"{r.desired.root} ({r.desired.stack})" for r in plan.roots if r.kind is RootAction.NOTHING
    )


def _remarks(root: RootPlan) -> dict[str, str]:
    """What to say of each change that is not plainly agreed on, by its address."""
    found = {change.diff.address: _remark(change, root) for change in root.changes}
    return {address: remark for address, remark in found.items() if remark}


def _remark(change: PlannedChange, root: RootPlan) -> str:
    if change.action == "Import":
        return (
            f"adopted as it is: {change.physical_id}" if change.physical_id else "adopted as it is"
        )
    if change.action == "SyncWithActual":
        return "was changed by hand to what the template says"
    if root.change_set is None or change.certainty is Certainty.SPURIOUS:
        return ""
    if change.listed is ListedChange.CLOUDFORMATION:
        return "only listed by CloudFormation"
    if change.listed is ListedChange.PREDICTION:
        return "not listed by CloudFormation"
    return "stays, though CloudFormation lists a replacement" if keeps_in_place(change) else ""


def _spurious(root: RootPlan) -> list[ResourceDiff]:
    return [change.diff for change in root.changes if change.certainty is Certainty.SPURIOUS]


def _secret(change: SecretChange) -> str:
    """Names of keys, never values: ``euglena-prod/app: + NEW, ~ CHANGED, - GONE``."""
    signs = [("+", change.added), ("~", change.changed), ("-", change.removed)]
    keys = ", ".join(f"{sign} {key}" for sign, names in signs for key in names)
    return f"{change.name}: {keys or 'a first version'}"


# --- text
# ---------------------------------------------------------------------------------------------------


def plan_as_text(plan: Plan) -> str:
    """By root, stack and resource; a new root only by names, since all of it is new."""
    losses = _all(plan).losses
    blocks = [losses_text(losses)] if losses else []
    if findings := find_dangerous_changes(plan):
        blocks.append("\n".join(map(_finding_text, findings)))
    if plan.secret_changes:
        lines = (f"  [yellow]~[/] {escape_markup(_secret(each))}" for each in plan.secret_changes)
        blocks.append("\n".join(["[bold]New secret versions[/]", *lines]))
    if unchanged := _unchanged(plan):
        blocks.append(f"[dim]# no changes: {escape_markup(unchanged)}[/]")
    for root in plan.roots:
        if root.kind is not RootAction.NOTHING:
            blocks += _root_text(root)
    return "\n\n".join([*blocks, f"[bold]{escape_markup(summarize_plan(plan))}[/]"])


def _finding_text(finding: GuardrailFinding) -> str:
    text = escape_markup(f"{finding.text} ({finding.option})")
    return f"[bold red]Needs approval:[/] [red]{text}[/]"


def _root_text(root: RootPlan) -> Iterator[str]:
    yield f"[bold cyan]# {escape_markup(_title(root))}[/]"
    if root.kind is RootAction.CREATE or (root.kind is RootAction.LATER and not root.live):
        yield "\n".join(_new_text(root.diff.resources))
    else:
        yield from stacks_text(root.diff.resources, _remarks(root))
    if root.diff.outputs and root.live:
        yield outputs_text(root.diff.outputs)
    if spurious := _spurious(root):
        lines = (
            f"    [dim]{escape_markup(stack)}: {', '.join(names)}[/]"
            for stack, names in _by_stack(spurious)
        )
        yield "\n".join([f"  [dim]{_SPURIOUS} ({len(spurious)})[/]", *lines])
    if root.notes:
        yield "\n".join(f"  [yellow]![/] {escape_markup(note)}" for note in root.notes)


def _new_text(resources: tuple[ResourceDiff, ...]) -> Iterator[str]:
    for stack, names in _by_stack(resources):
        head = f"  [green]+[/] [bold]{escape_markup(stack)}[/]  [dim]{len(names)}[/]"
        yield f"{head}\n{textwrap.fill(', '.join(names), 110, initial_indent=' ' * 6, subsequent_indent=' ' * 6)}"


def _by_stack(
    resources: list[ResourceDiff] | tuple[ResourceDiff, ...],
) -> Iterator[tuple[str, list[str]]]:
    for stack, found in groupby(resources, key=lambda each: each.stack):
        yield stack, [each.logical_id for each in found]


# --- Markdown
# -----------------------------------------------------------------------------------------------


def plan_as_markdown(plan: Plan) -> str:
    """A comment: the counts, losses of data, and one folded block a stack; too long, it names
    resources only."""
    full = _markdown(plan, properties=True)
    return full if len(full) <= _LIMIT else _markdown(plan, properties=False)


def _markdown(plan: Plan, properties: bool) -> str:
    where = f"account {plan.account}, {plan.region}" + (
        f", commit `{plan.commit}`" if plan.commit else ""
    )
    parts = [
        f"### Deploying `{plan.environment}`",
        f"**{inline_markdown(summarize_plan(plan))}**  \n<sub>{where}</sub>",
    ]
    if losses := _all(plan).losses:
        parts.append(losses_markdown(losses))
    if findings := find_dangerous_changes(plan):
        parts.append("\n".join(["> [!WARNING]", *map(_finding_markdown, findings)]))
    if plan.secret_changes:
        lines = (f"- `{_secret(each)}`" for each in plan.secret_changes)
        parts += ["#### New secret versions", "\n".join(lines)]
    for root in plan.roots:
        if root.kind is not RootAction.NOTHING:
            parts += _root_markdown(root, properties)
    if unchanged := _unchanged(plan):
        parts.append(f"No changes: {inline_markdown(unchanged)}")
    return "\n\n".join(parts) + "\n"


def _finding_markdown(finding: GuardrailFinding) -> str:
    return f"> - **Needs approval:** {inline_markdown(finding.text)} (`{finding.option}`)"


def _root_markdown(root: RootPlan, properties: bool) -> Iterator[str]:
    yield f"#### {inline_markdown(_title(root))}"
    yield from stacks_markdown(root.diff.resources, _remarks(root), properties=properties)
    if root.diff.outputs and root.live:
        yield outputs_markdown(root.diff.outputs)
    if spurious := _spurious(root):
        lines = "\n".join(f"  {stack}: {', '.join(names)}" for stack, names in _by_stack(spurious))
        yield fold_lines(f"{_SPURIOUS} ({len(spurious)})", lines)
    if root.notes:
        yield "\n".join(["> [!NOTE]", *(f"> - {inline_markdown(note)}" for note in root.notes)])


# --- JSON
# ---------------------------------------------------------------------------------------------------


def plan_as_json(plan: Plan) -> str:
    """All of it but templates and values of parameters; ``summary`` counts over all roots."""
    data = {
        "environment": plan.environment,
        "account": plan.account,
        "region": plan.region,
        "caller": plan.caller,
        "commit": plan.commit,
        "made": to_builtins(plan.made),
        "empty": plan.empty,
        "summary": {
            str(effect): count for effect, count in count_effects(_all(plan).resources).items()
        },
        "needs_approval": [_finding_data(finding) for finding in find_dangerous_changes(plan)],
        "secrets": [
            {
                "name": each.name,
                "added": each.added,
                "changed": each.changed,
                "removed": each.removed,
            }
            for each in plan.secret_changes
        ],
        "images": dict(plan.images),
        "roots": [_root_data(root) for root in plan.roots],
    }
    return json.dumps(data, indent=2, ensure_ascii=False)


def _finding_data(finding: GuardrailFinding) -> dict[str, str]:
    return {
        "address": finding.address,
        "type": finding.type,
        "kind": str(finding.kind),
        "text": finding.text,
        "option": finding.option,
    }


def _root_data(root: RootPlan) -> dict[str, Any]:
    said = {
        change.diff.address: {
            "listed": str(change.listed),
            "certainty": str(change.certainty),
            "action": change.action,
            "replacement": change.replacement,
            "physical_id": change.physical_id,
            "policy_action": change.policy_action,
            "stateful": change.stateful,
        }
        for change in root.changes
    }
    shown = diff_as_data(root.diff)
    resources = [each | said.get(each["address"], {}) for each in shown.pop("resources")]
    spurious = [
        {"address": each.address, "type": each.type, "effect": str(each.effect)}
        | said[each.address]
        for each in _spurious(root)
    ]
    return {
        "root": root.desired.root,
        "stack": root.desired.stack,
        "kind": str(root.kind),
        "change_set": root.change_set,
        "missing": list(root.desired.missing),
        "notes": list(root.notes),
        **shown,
        "resources": resources,
        "spurious": spurious,
    }
