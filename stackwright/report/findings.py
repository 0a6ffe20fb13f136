"""Dangerous changes of a plan and the waivers of its templates, as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..plan import GuardrailFinding, Plan, PlannedWaiver, find_dangerous_changes, find_waivers
from .diff import inline_markdown
from .markup import escape_markup

FindOption = Callable[[GuardrailFinding], str]
"""Returns the option that approves a finding; empty where none was given."""


def no_option(_finding: GuardrailFinding) -> str:
    """Return that nothing is approved."""
    return ""


def findings_text(plan: Plan, find_option: FindOption) -> Iterator[str]:
    """Yield a block of the findings, and one of the waivers that cover none of them."""
    findings = find_dangerous_changes(plan)
    if findings:
        yield "\n".join(_finding_text(finding, find_option(finding)) for finding in findings)
    if waivers := _other_waivers(plan, findings):
        yield "\n".join(
            f"[yellow]{escape_markup(_title(waiver))}:[/] {escape_markup(_describe(waiver))}"
            for waiver in waivers
        )


def _finding_text(finding: GuardrailFinding, option: str) -> str:
    text = escape_markup(finding.text)
    if finding.waiver:
        until, reason = finding.waiver.until, escape_markup(finding.waiver.reason)
        return f"[bold yellow]Waived until {until}:[/] {text} ({finding.kind}: {reason})"
    if option:
        return f"[bold yellow]Approved:[/] {text} ({escape_markup(option)})"
    return f"[bold red]Needs approval:[/] [red]{text} ({escape_markup(finding.option)})[/]"


def findings_markdown(plan: Plan, find_option: FindOption) -> Iterator[str]:
    """Yield an alert with the findings, and a list of the waivers that cover none of them."""
    findings = find_dangerous_changes(plan)
    if findings:
        lines = (_finding_markdown(finding, find_option(finding)) for finding in findings)
        yield "\n".join(["> [!WARNING]", *lines])
    if waivers := _other_waivers(plan, findings):
        yield "\n".join(
            f"- **{_title(waiver)}:** {inline_markdown(_describe(waiver))}" for waiver in waivers
        )


def _finding_markdown(finding: GuardrailFinding, option: str) -> str:
    text = inline_markdown(finding.text)
    if finding.waiver:
        reason = inline_markdown(f"{finding.kind}: {finding.waiver.reason}")
        return f"> - **Waived until {finding.waiver.until}:** {text} ({reason})"
    if option:
        return f"> - **Approved:** {text} (`{option}`)"
    return f"> - **Needs approval:** {text} (`{finding.option}`)"


def _other_waivers(plan: Plan, findings: list[GuardrailFinding]) -> list[PlannedWaiver]:
    """Return the waivers that no finding shows; a new one is listed even where a finding does."""
    return [
        waiver
        for waiver in find_waivers(plan)
        if waiver.new or not any(waiver.covers(finding) for finding in findings)
    ]


def _title(waiver: PlannedWaiver) -> str:
    if waiver.waiver.problem:
        return "Waiver that does not count"
    return "New waiver" if waiver.new else "Waiver"


def _describe(waiver: PlannedWaiver) -> str:
    given = waiver.waiver
    problem = f" ({given.problem})" if given.problem else ""
    return f"{waiver.address}, {given.kind} until {given.until}: {given.reason}{problem}"


# --- JSON


def findings_data(plan: Plan, find_option: FindOption) -> dict[str, Any]:
    """Return the findings, those of them that need an approval, and the waivers."""
    findings = [
        _finding_data(finding, find_option(finding)) for finding in find_dangerous_changes(plan)
    ]
    return {
        "findings": findings,
        "needs_approval": [finding for finding in findings if finding["approved_by"] is None],
        "waivers": [_waiver_data(waiver) for waiver in find_waivers(plan)],
    }


def _finding_data(finding: GuardrailFinding, option: str) -> dict[str, str | None]:
    return {
        "address": finding.address,
        "name": finding.name,
        "type": finding.type,
        "kind": str(finding.kind),
        "description": finding.description,
        "text": finding.text,
        "source": finding.source,
        "option": finding.option,
        "approved_by": "waiver" if finding.waiver else option or None,
    }


def _waiver_data(waiver: PlannedWaiver) -> dict[str, Any]:
    given = waiver.waiver
    return {
        "address": waiver.address,
        "kind": given.kind,
        "reason": given.reason,
        "until": given.until,
        "new": waiver.new,
        "problem": given.problem,
    }
