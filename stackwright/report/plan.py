"""A plan as text in Rich markup, as Markdown for a pull request or step summary, and as JSON.

Losses of data come first, then changes that need an approval; the counts over all roots come last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from ..diff import Diff, ResourceDiff, merge_diffs
from ..plan import (
    Blocker,
    Certainty,
    ListedChange,
    Plan,
    PlannedChange,
    RootAction,
    RootPlan,
    SecretChange,
    keeps_in_place,
)
from .changes import count_changes, describe_counts, summarize_diff
from .diff import (
    diff_as_data,
    fold_lines,
    inline_markdown,
    losses_markdown,
    losses_text,
    new_root_markdown,
    new_root_text,
    outputs_markdown,
    outputs_text,
    stacks_markdown,
    stacks_text,
    tags_markdown,
    tags_text,
)
from .exposures import exposures_as_data, exposures_as_markdown, exposures_as_text
from .findings import FindOption, findings_data, findings_markdown, findings_text, no_option
from .markup import escape_markup, styled

PLAN_FORMATS = ("text", "markdown", "json")
_LIMIT = 65_000  # GitHub refuses comments over 65,536 characters
_ACTIONS = {
    RootAction.CREATE: "will be created",
    RootAction.UPDATE: "will be updated",
    RootAction.IMPORT: "will adopt existing resources",
}
_NO_RESOURCES = "no resources, only tags, parameters or outputs"
_SPURIOUS = "Listed by CloudFormation, but will not happen: the values they depend on stay the same"

_NAMED = 3
"""Spurious changes that one line names."""


def format_plan(
    plan: Plan, style: str = "text", *, verbose: bool = False, find_option: FindOption = no_option
) -> str:
    """Return the plan in one of ``PLAN_FORMATS``; ``verbose`` shortens nothing in the first two,
    ``find_option`` returns the option that approves a finding."""
    if style == "json":
        return plan_as_json(plan, find_option)
    show = plan_as_text if style == "text" else plan_as_markdown
    return show(plan, verbose=verbose, find_option=find_option)


def summarize_plan(plan: Plan) -> str:
    """Return the counts in one line: ``Plan: 1 to add, 2 to change, 0 to replace, 0 to remove in 1
    of 3 stacks; 1 new secret version.``"""
    if plan.empty:
        return "No changes."
    touched = sum(root.changes_anything for root in plan.roots)
    places = f" in {touched} of {len(plan.roots)} stacks" if touched else ""
    versions = len(plan.secret_changes)
    secrets = f"; {versions} new secret version{'s' * (versions > 1)}" if versions else ""
    whole = _whole_diff(plan)
    if whole.empty:
        return (
            f"Plan: {_NO_RESOURCES}{places}{secrets}."
            if touched
            else f"Plan: {secrets.removeprefix('; ')}."
        )
    head, _, rest = summarize_diff(whole).partition(".")
    return f"{head}{places}{secrets}.{rest}"


def _whole_diff(plan: Plan) -> Diff:
    """Return the changes of all roots; outputs only of those that exist."""
    merged = merge_diffs(root.diff for root in plan.roots)
    outputs = tuple(output for root in plan.roots if root.live for output in root.diff.outputs)
    return Diff(merged.resources, outputs, merged.losses)


# --- shared by the forms


def _title(root: RootPlan) -> str:
    """Return ``app (euglena-prod-app) will be updated: 1 to change``."""
    name = f"{root.desired.root} ({root.desired.stack})"
    counts = describe_counts(root.diff.resources)
    if root.kind is RootAction.LATER:
        return f"{name} {_later(root)}: {counts or _NO_RESOURCES}"
    return f"{name} {_ACTIONS[root.kind]}: {counts or _NO_RESOURCES}"


def _later(root: RootPlan) -> str:
    missing = root.desired.missing
    action = _ACTIONS[RootAction.UPDATE if root.live else RootAction.CREATE]
    verb = "is" if len(missing) == 1 else "are"
    if missing:
        return f"{action} once {', '.join(missing)} {verb} known"
    return f"{action} after {', '.join(root.after)}" if root.after else f"{action} (predicted)"


def _unchanged(plan: Plan) -> str:
    return ", ".join(
        f"{root.desired.root} ({root.desired.stack})"
        for root in plan.roots
        if root.kind is RootAction.NOTHING
    )


def _remarks(root: RootPlan) -> dict[str, str]:
    """Return a remark by address for each change that CloudFormation and the prediction do not
    describe alike."""
    remarks = {change.diff.address: _remark(change, root) for change in root.changes}
    return {address: remark for address, remark in remarks.items() if remark}


def _remark(change: PlannedChange, root: RootPlan) -> str:
    if change.action == "Import":
        return f"adopted unchanged: {change.physical_id or ''}".rstrip(": ")
    if change.action == "SyncWithActual":
        return "was changed by hand and now matches the template"
    if root.change_set is None or change.certainty is Certainty.SPURIOUS:
        return ""
    if change.listed is ListedChange.CLOUDFORMATION:
        return "only listed by CloudFormation"
    if change.listed is ListedChange.PREDICTION:
        return "not listed by CloudFormation"
    return "not replaced, although CloudFormation lists it" if keeps_in_place(change) else ""


def _spurious(root: RootPlan) -> list[ResourceDiff]:
    return [change.diff for change in root.changes if change.certainty is Certainty.SPURIOUS]


def _is_new(root: RootPlan) -> bool:
    """Whether the root stack does not exist yet."""
    return root.kind is RootAction.CREATE or (root.kind is RootAction.LATER and not root.live)


def _shown(root: RootPlan) -> list[ResourceDiff]:
    """Return the resources to show; of adopted ones nothing but the names, as they stay."""
    adopted = {change.diff.address for change in root.changes if change.action == "Import"}
    return [
        replace(resource, after={}) if resource.address in adopted else resource
        for resource in root.diff.resources
    ]


def _secret(change: SecretChange) -> str:
    """Return the names of keys, never values: ``news/app: + NEW, CHANGED, - GONE, new version``."""
    signs = [("+ ", change.added), ("", change.changed), ("- ", change.removed)]
    keys = [f"{sign}{key}" for sign, names in signs for key in names]
    return (
        f"{change.name}: {', '.join([*keys, 'new version' if change.before else 'first version'])}"
    )


# --- text


def plan_as_text(plan: Plan, *, verbose: bool = False, find_option: FindOption = no_option) -> str:
    """Return the changes by root, stack and resource; of a large new root the names only."""
    losses = _whole_diff(plan).losses
    blocks = [styled(note, "yellow") for note in plan.notes]
    blocks += map(_blocker_text, plan.blockers)
    blocks += [losses_text(losses)] if losses else []
    blocks += findings_text(plan, find_option)
    blocks += exposures_as_text(plan)
    if plan.secret_changes:
        lines = (
            f"  [yellow]~[/] {escape_markup(_secret(change))}" for change in plan.secret_changes
        )
        blocks.append("\n".join(["[bold]Secrets[/]", *lines]))
    if unchanged := _unchanged(plan):
        blocks.append(f"[dim]# no changes: {escape_markup(unchanged)}[/]")
    for root in plan.roots:
        if root.kind is not RootAction.NOTHING:
            blocks += _root_text(root, verbose)
        elif root.notes:
            blocks.append(_notes_text(root))
    blocks += _spurious_text(plan, verbose)
    return "\n\n".join([*blocks, f"[bold]{escape_markup(summarize_plan(plan))}[/]"])


def _blocker_text(blocker: Blocker) -> str:
    hint = escape_markup(blocker.hint)
    return f"[bold red]Cannot be deployed:[/] {escape_markup(blocker.message)}\n  {hint}"


def _root_text(root: RootPlan, verbose: bool) -> Iterator[str]:
    yield styled(f"# {_title(root)}", "bold cyan")
    resources = _shown(root)
    if _is_new(root):
        yield new_root_text(resources, _remarks(root), verbose=verbose)
    else:
        yield from stacks_text(resources, _remarks(root), verbose=verbose)
    yield from tags_text(root.diff.tags, resources)
    if root.diff.outputs and root.live:
        yield outputs_text(root.diff.outputs)
    if root.notes:
        yield _notes_text(root)


def _notes_text(root: RootPlan) -> str:
    return "\n".join(f"  [yellow]![/] {escape_markup(note)}" for note in root.notes)


def _spurious_text(plan: Plan, verbose: bool) -> Iterator[str]:
    """Yield a line on the spurious changes of all roots; it names them where they are few. With
    ``verbose`` each stack has a line."""
    spurious = _all_spurious(plan)
    if not spurious:
        return
    head, names = f"{_SPURIOUS} ({len(spurious)})", list(_names_by_stack(spurious))
    if verbose:
        yield styled("\n  ".join([head, *names]), "dim")
    else:
        few = len(spurious) <= _NAMED
        yield styled(f"{head}: {'; '.join(names) if few else 'plan --verbose names them'}", "dim")


def _all_spurious(plan: Plan) -> list[ResourceDiff]:
    return [resource for root in plan.roots for resource in _spurious(root)]


def _names_by_stack(resources: Sequence[ResourceDiff]) -> Iterator[str]:
    for stack, group in groupby(resources, key=lambda resource: resource.stack):
        yield f"{stack}: {', '.join(resource.logical_id for resource in group)}"


# --- Markdown


def plan_as_markdown(
    plan: Plan, *, verbose: bool = False, find_option: FindOption = no_option
) -> str:
    """Return a comment: the counts, losses of data, and a folded block for each stack; a comment
    that would be too long names resources only."""
    full = _markdown(plan, find_option, verbose=verbose, properties=True)
    if len(full) <= _LIMIT:
        return full
    return _markdown(plan, find_option, verbose=verbose, properties=False)


def _markdown(plan: Plan, find_option: FindOption, *, verbose: bool, properties: bool) -> str:
    where = f"account {plan.account}, {plan.region}" + (
        f", commit `{plan.commit}`" if plan.commit else ""
    )
    parts = [
        f"### Deploying `{plan.environment}`",
        f"**{inline_markdown(summarize_plan(plan))}**  \n<sub>{where}</sub>",
    ]
    if plan.notes:
        parts.append("\n".join(["> [!NOTE]", *(f"> {note}" for note in plan.notes)]))
    if plan.blockers:
        parts.append("\n".join(["> [!CAUTION]", *map(_blocker_markdown, plan.blockers)]))
    if losses := _whole_diff(plan).losses:
        parts.append(losses_markdown(losses))
    parts += findings_markdown(plan, find_option)
    parts += exposures_as_markdown(plan)
    if plan.secret_changes:
        lines = (f"- `{_secret(change)}`" for change in plan.secret_changes)
        parts += ["#### Secrets", "\n".join(lines)]
    for root in plan.roots:
        if root.kind is not RootAction.NOTHING:
            parts += _root_markdown(root, verbose, properties)
        elif root.notes:
            parts.append(_notes_markdown(root))
    if spurious := _all_spurious(plan):
        names = "\n".join(f"  {line}" for line in _names_by_stack(spurious))
        parts.append(fold_lines(f"{_SPURIOUS} ({len(spurious)})", names))
    if unchanged := _unchanged(plan):
        parts.append(f"No changes: {inline_markdown(unchanged)}")
    return "\n\n".join(parts) + "\n"


def _blocker_markdown(blocker: Blocker) -> str:
    text = inline_markdown(f"{blocker.message}; {blocker.hint}")
    return f"> - **Cannot be deployed:** {text}"


def _root_markdown(root: RootPlan, verbose: bool, properties: bool) -> Iterator[str]:
    yield f"#### {inline_markdown(_title(root))}"
    resources, remarks = _shown(root), _remarks(root)
    if _is_new(root) and properties:
        yield from new_root_markdown(resources, verbose=verbose)
    else:
        yield from stacks_markdown(resources, remarks, properties=properties, verbose=verbose)
    yield from tags_markdown(root.diff.tags, resources)
    if root.diff.outputs and root.live:
        yield outputs_markdown(root.diff.outputs)
    if root.notes:
        yield _notes_markdown(root)


def _notes_markdown(root: RootPlan) -> str:
    return "\n".join(["> [!NOTE]", *(f"> - {inline_markdown(note)}" for note in root.notes)])


# --- JSON


def plan_as_json(plan: Plan, find_option: FindOption = no_option) -> str:
    """Return the plan without templates and values of Parameters; ``summary`` has the counts over
    all roots."""
    data = {
        "environment": plan.environment,
        "account": plan.account,
        "region": plan.region,
        "caller": plan.caller,
        "commit": plan.commit,
        "made": to_builtins(plan.made),
        "empty": plan.empty,
        "summary": {
            str(count): number
            for count, number in count_changes(_whole_diff(plan).resources).items()
        },
        "notes": list(plan.notes),
        "blockers": [to_builtins(blocker) for blocker in plan.blockers],
        **findings_data(plan, find_option),
        "exposures": exposures_as_data(plan),
        "secrets": [
            {
                "name": change.name,
                "added": change.added,
                "changed": change.changed,
                "removed": change.removed,
            }
            for change in plan.secret_changes
        ],
        "images": dict(plan.images),
        "roots": [_root_data(root) for root in plan.roots],
    }
    return json.dumps(data, indent=2)


def _root_data(root: RootPlan) -> dict[str, Any]:
    details = {
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
    diff = diff_as_data(root.diff)
    resources = [
        resource | details.get(resource["address"], {}) for resource in diff.pop("resources")
    ]
    spurious = [
        {"address": resource.address, "type": resource.type, "effect": str(resource.effect)}
        | details[resource.address]
        for resource in _spurious(root)
    ]
    return {
        "root": root.desired.root,
        "stack": root.desired.stack,
        "kind": str(root.kind),
        "change_set": root.change_set,
        "missing": list(root.desired.missing),
        "after": list(root.after),
        **diff,
        "notes": [*root.notes, *root.diff.notes],
        "resources": resources,
        "spurious": spurious,
    }
