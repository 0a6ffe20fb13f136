"""Problems as text, JSON, SARIF and GitHub annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..core import Level, Location, Problem, Report, Waiver
from ..lint import catalogue
from .markup import escape_markup

TOOL = "stackwright"
PROBLEM_FORMATS = ("text", "json", "sarif", "github")

_LABELS = 6
"""The number of other places that are listed for one problem."""
_LEVEL_STYLE = {Level.ERROR: "bold red", Level.WARNING: "yellow", Level.NOTE: "cyan"}


def format_problems(report: Report, style: str = "text", *, verbose: bool = False) -> str:
    """Return the report in one of ``PROBLEM_FORMATS``; text has Rich markup."""
    if style == "json":
        return problems_as_json(report)
    if style == "sarif":
        return problems_as_sarif(report)
    if style == "github":
        return problems_as_github(report)
    return problems_as_text(report, verbose=verbose)


def problems_as_text(report: Report, *, verbose: bool = False) -> str:
    """Return each problem as ``place: level code message``, its other places and the next step
    below it.

    A problem of one template line in several outputs, such as a macro's, is shown once.
    """
    groups: dict[tuple[object, ...], list[Problem]] = {}
    for problem in report.problems:
        groups.setdefault(
            (problem.code, problem.message, problem.where[:1], problem.hint), []
        ).append(problem)
    blocks = [_block(group) for group in groups.values()]
    if verbose and report.waivers:
        waivers = (f"  {_waiver(waiver)}" for waiver in report.waivers)
        blocks.append("\n".join(["Waived:", *waivers]))
    return "\n".join(blocks)


def _block(group: Sequence[Problem]) -> str:
    problem = group[0]
    first = f"[bold]{escape_markup(str(problem.where[0]))}[/]: " if problem.where else ""
    style = _LEVEL_STYLE[problem.level]
    labels = list(dict.fromkeys(label for member in group for label in _labels(member)))
    shown = (
        labels
        if len(labels) <= _LABELS
        else [*labels[: _LABELS - 1], f"and {len(labels) - _LABELS + 1} more"]
    )
    lines = [f"{first}[{style}]{problem.level}[/] {problem.code} {escape_markup(problem.message)}"]
    lines += [f"    [dim]{escape_markup(label)}[/]" for label in shown]
    if problem.hint:
        lines.append(f"    [green]->[/] {escape_markup(problem.hint)}")
    return "\n".join(lines)


def _labels(problem: Problem) -> list[str]:
    """Return the other places of a problem; templates that call each other read "called from"."""
    labels = []
    for before, place in zip(problem.where, problem.where[1:], strict=False):
        called = before.path.startswith("templates/") and place.path.startswith("templates/")
        labels.append(f"{'called from' if called else 'see'} {place}")
    if problem.output:
        labels.append(f"in {problem.output}")
    return labels


def _waiver(waiver: Waiver) -> str:
    return escape_markup(f"{waiver.code} for {waiver.resource} at {waiver.where}: {waiver.reason}")


def summarize_problems(report: Report) -> str:
    """Return the counts by level, and of waivers, in one line."""
    count = {level: sum(problem.level is level for problem in report.problems) for level in Level}
    parts = [
        f"{count[level]} {level}{'s' if count[level] != 1 else ''}"
        for level in Level
        if count[level]
    ]
    waived = f", {len(report.waivers)} waived" if report.waivers else ""
    return (", ".join(parts) or "no problems") + waived


def problems_as_json(report: Report) -> str:
    """Return the report as JSON: ``{"problems": […], "waivers": […]}``."""
    return json.dumps(
        {
            "problems": [_problem_data(problem) for problem in report.problems],
            "waivers": [
                {
                    "code": waiver.code,
                    "resource": waiver.resource,
                    "reason": waiver.reason,
                    "where": _place(waiver.where),
                }
                for waiver in report.waivers
            ],
        },
        indent=2,
    )


def _problem_data(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "level": str(problem.level),
        "message": problem.message,
        "where": [_place(at) for at in problem.where],
        "output": _place(problem.output) if problem.output else None,
        "hint": problem.hint,
    }


def _place(at: Location) -> dict[str, Any]:
    return {"path": at.path, "line": at.line}


def problems_as_sarif(report: Report) -> str:
    """Return the report as SARIF 2.1.0.

    Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
    """
    codes = sorted({problem.code for problem in report.problems})
    known = catalogue()
    rules = [
        {"id": code, "shortDescription": {"text": known[code].title if code in known else code}}
        for code in codes
    ]
    run = {
        "tool": {"driver": {"name": TOOL, "rules": rules}},
        "results": [_sarif_result(problem) for problem in report.problems],
    }
    return json.dumps(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [run],
        },
        indent=2,
    )


def _sarif_result(problem: Problem) -> dict[str, Any]:
    return {
        "ruleId": problem.code,
        "level": str(problem.level),
        "message": {"text": problem.message + (f" ({problem.hint})" if problem.hint else "")},
        "locations": [_sarif_place(at) for at in problem.where[:1]],
        "relatedLocations": [
            _sarif_place(at)
            for at in [*problem.where[1:], *([problem.output] if problem.output else [])]
        ],
    }


def _sarif_place(at: Location) -> dict[str, Any]:
    region = {"region": {"startLine": at.line}} if at.line else {}
    return {"physicalLocation": {"artifactLocation": {"uri": at.path}, **region}}


def problems_as_github(report: Report) -> str:
    """Return workflow commands, which GitHub shows as annotations on the changed lines.

    Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    kinds = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
    lines = []
    for problem in report.problems:
        at = problem.where[0] if problem.where else Location("params")
        message = problem.message + "".join(f"\n{label}" for label in _labels(problem))
        message += f"\n{problem.hint}" if problem.hint else ""
        path, code = _escape_property(at.path), _escape_property(problem.code)
        place = f"file={path},line={max(at.line, 1)},title={code}"
        lines.append(f"::{kinds[problem.level]} {place}::{_escape_message(message)}")
    return "\n".join(lines)


def _escape_message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_message(text).replace(":", "%3A").replace(",", "%2C")


def sort_problems(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return the distinct problems by level, then by first place, then by code."""
    order = {Level.ERROR: 0, Level.WARNING: 1, Level.NOTE: 2}

    def key(problem: Problem) -> tuple[int, Location, str]:
        place = problem.where[0] if problem.where else Location("", 0)
        return order[problem.level], place, problem.code

    return tuple(sorted(dict.fromkeys(problems), key=key))
