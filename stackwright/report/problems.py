"""Values to text, JSON, SARIF, GitHub annotations and Mermaid. Pure: strings in, strings out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core import Level, Location, Problem, Rendering, Report, Waiver, logical_id
from ..lint import catalogue

TOOL = "stackwright"
PROBLEM_FORMATS = ("text", "json", "sarif", "github")

_LABELS = 6
"""How many other places of one problem are listed."""
_LEVEL_STYLE = {Level.ERROR: "bold red", Level.WARNING: "yellow", Level.NOTE: "cyan"}


def format_problems(report: Report, style: str = "text", *, verbose: bool = False) -> str:
    """The report in one of `FORMATS`; text has Rich markup for the console that prints it."""
    if style == "json":
        return problems_as_json(report)
    if style == "sarif":
        return problems_as_sarif(report)
    if style == "github":
        return problems_as_github(report)
    return problems_as_text(report, verbose=verbose)


def problems_as_text(report: Report, *, verbose: bool = False) -> str:
    """Each problem as ``place: level code message`` with its other places and the next step below
    it.

    The same problem at one template line, seen in several outputs (a macro's), is shown once.
    """
    groups: dict[tuple[object, ...], list[Problem]] = {}
    for problem in report.problems:
        groups.setdefault(
            (problem.code, problem.message, problem.where[:1], problem.hint), []
        ).append(problem)
    blocks = [_block(group) for group in groups.values()]
    if verbose and report.waivers:
        blocks.append("\n".join(["Waived:", *(f"  {_waiver(each)}" for each in report.waivers)]))
    return "\n".join(blocks)


def _block(group: Sequence[Problem]) -> str:
    problem = group[0]
    first = f"[bold]{_plain(str(problem.where[0]))}[/]: " if problem.where else ""
    style = _LEVEL_STYLE[problem.level]
    labels = list(dict.fromkeys(label for each in group for label in _labels(each)))
    shown = (
        labels
        if len(labels) <= _LABELS
        else [*labels[: _LABELS - 1], f"and {len(labels) - _LABELS + 1} more"]
    )
    lines = [f"{first}[{style}]{problem.level}[/] {problem.code} {_plain(problem.message)}"]
    lines += [f"    [dim]{_plain(label)}[/]" for label in shown]
    if problem.hint:
        lines.append(f"    [green]->[/] {_plain(problem.hint)}")
    return "\n".join(lines)


def _labels(problem: Problem) -> list[str]:
    """The other places; a chain of calls in templates reads as such."""
    labels = []
    for before, place in zip(problem.where, problem.where[1:], strict=False):
        called = before.path.startswith("templates/") and place.path.startswith("templates/")
        labels.append(f"{'called from' if called else 'see'} {place}")
    if problem.output:
        labels.append(f"in {problem.output}")
    return labels


def _plain(text: str) -> str:
    if "[" not in text:
        return text
    from rich.markup import escape

    return escape(text)


def _waiver(waiver: Waiver) -> str:
    return _plain(f"{waiver.code} for {waiver.resource} at {waiver.where}: {waiver.reason}")


def summarize_problems(report: Report) -> str:
    """One line of counts."""
    count = {level: sum(problem.level is level for problem in report.problems) for level in Level}
    parts = [
        f"{count[level]} {level}{'s' if count[level] != 1 else ''}"
        for level in Level
        if count[level]
    ]
    waived = f", {len(report.waivers)} waived" if report.waivers else ""
    return (", ".join(parts) or "no problems") + waived


def problems_as_json(report: Report) -> str:
    """``{"problems": […], "waivers": […]}``."""
    return json.dumps(
        {
            "problems": [_problem_data(problem) for problem in report.problems],
            "waivers": [
                {
                    "code": w.code,
                    "resource": w.resource,
                    "reason": w.reason,
                    "where": _place(w.where),
                }
                for w in report.waivers
            ],
        },
        indent=2,
        ensure_ascii=False,
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
    """SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html)."""
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
    """Workflow commands that GitHub shows as annotations on the changed lines.

    Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    kinds = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
    lines = []
    for problem in report.problems:
        at = problem.where[0] if problem.where else Location("params")
        message = problem.message + "".join(f"\n{label}" for label in _labels(problem))
        message += f"\n{problem.hint}" if problem.hint else ""
        place = f"file={_property(at.path)},line={max(at.line, 1)},title={_property(problem.code)}"
        lines.append(f"::{kinds[problem.level]} {place}::{_message(message)}")
    return "\n".join(lines)


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def draw_mermaid(rendering: Rendering) -> str:
    """The stacks and the wires between them as a Mermaid flowchart."""
    lines = ["flowchart LR"]
    for name, wiring in rendering.wiring.items():
        lines.append(f"  subgraph {name}_[{name}]")
        lines += [f"    {node_id(name, nested)}[{nested}]" for nested in wiring.nested]
        if not wiring.nested:
            lines.append(f"    {node_id(name)}[{name}]")
        lines.append("  end")
    lines += [
        f"  {start} -->|{label}| {end}"
        for (start, end), label in label_wires(wire_edges(rendering)).items()
    ]
    return "\n".join(lines) + "\n"


def node_id(root: str, nested: str = "") -> str:
    """The node of a stack in a diagram."""
    return logical_id(f"{root}-{nested}" if nested else root)


def wire_edges(rendering: Rendering) -> list[tuple[str, str, str]]:
    """Every wire: node that gives, node that takes, name."""
    found: list[tuple[str, str, str]] = []
    for root, wiring in rendering.wiring.items():
        for nested, sources in wiring.nested.items():
            for parameter, source in sources.items():
                outer = wiring.sources.get(parameter)
                if source.kind == "sibling output":
                    found.append((node_id(root, source.stack), node_id(root, nested), parameter))
                elif outer is not None and outer.stack:
                    found.append((node_id(outer.stack), node_id(root, nested), parameter))
        if not wiring.nested:
            found += [
                (node_id(s.stack), node_id(root), name)
                for name, s in wiring.sources.items()
                if s.stack
            ]
    return found


def label_wires(found: Iterable[tuple[str, str, str]]) -> Mapping[tuple[str, str], str]:
    """Wires between the same two stacks together: the name of one, or how many."""
    names: dict[tuple[str, str], list[str]] = {}
    for start, end, name in found:
        names.setdefault((start, end), []).append(name)
    return {
        pair: each[0] if len(each) == 1 else f"{len(each)} values" for pair, each in names.items()
    }


def sort_problems(found: Sequence[Problem]) -> tuple[Problem, ...]:
    """By level, then by the first place, without repetitions."""
    order = {Level.ERROR: 0, Level.WARNING: 1, Level.NOTE: 2}
    nowhere = Location("", 0)
    distinct = dict.fromkeys(found)
    return tuple(
        sorted(distinct, key=lambda p: (order[p.level], p.where[0] if p.where else nowhere, p.code))
    )
