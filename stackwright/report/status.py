"""What is live as tables for a terminal and as JSON: status, verification, history, drift. Pure:
renderables out.

Tables are rich's; a console prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..health import DriftedStack, EnvironmentStatus, HealthCheck, RootStatus, ServiceStatus
from ..releases import Release, ReleaseResult

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
_STATES = {"ok": "green", "fail": "bold red", "skip": "yellow"}
_RESULTS = {
    ReleaseResult.DEPLOYED: "green",
    ReleaseResult.RUNNING: "yellow",
    ReleaseResult.INTERRUPTED: "yellow",
}
_SIGNS = {"add": "+", "change": "~", "replace": "-/+", "remove": "-"}
_ACTS = {"ADD": "+", "REMOVE": "-", "NOT_EQUAL": "~"}
_WIDTH = 80
"""Characters of one drifted value; JSON holds all of it."""


def format_age(then: datetime, now: datetime) -> str:
    """``3 days ago``; below a minute ``just now``."""
    seconds = (now - then).total_seconds()
    for size, unit in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def format_duration(seconds: float | None) -> str:
    """``1 m 05 s``; empty where it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02} s" if minutes else f"{rest} s"


def to_json(value: Any) -> str:
    """A frozen type, or a container of them, as JSON; times in RFC 3339."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _table(*headers: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for each in headers:
        table.add_column(each, no_wrap=True)
    return table


def _styled(text: str, style: str) -> str:
    return f"[{style}]{_escaped(text)}[/]" if style else _escaped(text)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


# --- status
# ---------------------------------------------------------------------------------------------------------


def stacks_table(found: Sequence[RootStatus], now: datetime) -> Any:
    """Root stacks as a table."""
    table = _table("STACK", "STATUS", "SINCE", "NESTED", "DRIFT")
    for each in found:
        since = format_age(each.since, now) if each.since else ""
        status = _styled(each.status or "not deployed", _status_style(each.status))
        table.add_row(_escaped(each.name), status, since, str(each.nested or ""), _drift(each, now))
        for name, state in each.incomplete:
            table.add_row(f"  {_escaped(name)}", _styled(state, _status_style(state)))
    return table


def _status_style(status: str) -> str:
    if not status or status.endswith("_IN_PROGRESS"):
        return "yellow"
    return "red" if "ROLLBACK" in status or status.endswith("_FAILED") else "green"


def _drift(each: RootStatus, now: datetime) -> str:
    if not each.status:
        return ""
    if each.drift_checked is None:
        return "not checked"
    told = {"IN_SYNC": "[green]none[/]", "DRIFTED": "[red]drifted[/]"}.get(each.drift, "not known")
    return f"{told}, {format_age(each.drift_checked, now)}"


def services_table(found: EnvironmentStatus, now: datetime) -> Any:
    """The ECS services as a table: tasks, targets, and what they work off."""
    table = _table("SERVICE", "TASKS", "TARGETS", "WORK", "TASK DEFINITION")
    for each in found.services:
        tasks = f"{each.running} of {each.desired}" + (
            f", {each.pending} starting" if each.pending else ""
        )
        tasks = _styled(tasks, "green" if each.stable else "yellow")
        table.add_row(
            _escaped(each.address),
            tasks,
            _targets(each),
            _work(each, now),
            _escaped(each.task_definition),
        )
    return table


def _targets(each: ServiceStatus) -> str:
    if each.targets is None:
        return ""
    style = "green" if each.healthy == each.targets and each.targets else "red"
    return _styled(f"{each.healthy} of {each.targets} healthy", style)


def _work(each: ServiceStatus, now: datetime) -> str:
    if each.metric is None:
        return ""
    if each.metric_value is None:
        return _styled(f"{each.metric.name}: no value in {each.metric.max_age} s", "red")
    return f"{_escaped(each.metric.name)} {each.metric_value.value:g}, {format_age(each.metric_value.time, now)}"


# --- verification
# ---------------------------------------------------------------------------------------------------


def format_checks(found: Iterable[HealthCheck]) -> Any:
    """One line a check."""
    table = _table("", "", "", "")
    table.show_header = False
    for each in found:
        state = f"[{_STATES[each.state]}]\\[{each.state}][/]"
        table.add_row(state, each.subject, _escaped(each.address), _escaped(each.detail))
    return table


def summarize_checks(found: Sequence[HealthCheck]) -> str:
    """``verify: 12 ok, 1 fail, 3 skip``."""
    counts = {state: sum(each.state == state for each in found) for state in _STATES}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"verify: {told or 'nothing to look at'}"


# --- releases
# -------------------------------------------------------------------------------------------------------


def history_table(
    releases: Sequence[Release], live: int | None, running: int | None, now: datetime
) -> Any:
    """The releases as a table, newest first; ``live`` and ``running`` are numbers."""
    table = _table("RELEASE", "WHEN", "BY", "COMMIT", "CHANGES", "RESULT", "TOOK")
    for each in releases:
        when = f"{each.started.astimezone(UTC):%Y-%m-%d %H:%M}, {format_age(each.started, now)}"
        number = f"[bold]{each.number}[/]" if each.number == live else str(each.number)
        result = release_result_text(each, live, running)
        took = format_duration(each.seconds)
        table.add_row(
            number,
            when,
            _escaped(short_principal(each.by)),
            each.commit or "-",
            count_changes(each),
            result,
            took,
        )
    return table


def release_result_text(release: Release, live: int | None, running: int | None) -> str:
    """How a release ended, whether it is live, and what it restores."""
    result = release_result(release, running)
    text = _styled(result, _RESULTS.get(result, "red"))
    text += ", [bold]live[/]" if release.number == live else ""
    text += f", restores {release.restores}" if release.restores else ""
    return text + (f": {_escaped(release.cause)}" if release.cause else "")


def release_result(release: Release, running: int | None) -> ReleaseResult:
    """How a release ended; without an end in its record it is ``running``, the number of the one
    under way, or was interrupted."""
    return release.result or (
        ReleaseResult.RUNNING if release.number == running else ReleaseResult.INTERRUPTED
    )


def short_principal(arn: str) -> str:
    """``ada`` of ``arn:aws:iam::123456789012:user/ada``, ``deploy/ada`` of an assumed role's
    session."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    return name or kind


def count_changes(release: Release) -> str:
    """``+3 ~2 -/+1``, and new secret versions; ``none``."""
    found = [
        f"{sign}{release.changes[name]}"
        for name, sign in _SIGNS.items()
        if release.changes.get(name)
    ]
    secrets = release.changes.get("secrets", 0)
    found += [f"{secrets} secret{'s' if secrets > 1 else ''}"] if secrets else []
    return " ".join(found) or "none"


# --- drift
# ----------------------------------------------------------------------------------------------------------


def format_drift(found: Sequence[DriftedStack]) -> str:
    """By stack and resource, property by property, with rich markup; the counts at the end."""
    lines: list[str] = []
    for each in found:
        if each.resources or each.failed:
            lines.append(f"[bold]{_escaped(each.stack)}[/]")
        lines += (
            [f"  [yellow]not all could be looked at: {_escaped(each.failed)}[/]"]
            if each.failed
            else []
        )
        for resource in each.resources:
            gone = resource.status == "DELETED"
            sign = "[red]-[/]" if gone else "[yellow]~[/]"
            told = "  [red]deleted[/]" if gone else ""
            lines.append(
                f"  {sign} {_escaped(resource.logical_id)}  {resource.type}  {resource.physical_id}{told}"
            )
            lines += [f"      {_property(*difference)}" for difference in resource.differences]
    return "\n".join([*lines, *([""] if lines else []), f"[bold]{summarize_drift(found)}[/]"])


def _property(path: str, expected: str, actual: str, kind: str) -> str:
    name = path.strip("/").replace("/", ".")
    sides = {"ADD": f"{_short(actual)} was added", "REMOVE": f"{_short(expected)} was removed"}
    told = sides.get(kind, f"{_short(expected)} → {_short(actual)}")
    return f"{_ACTS.get(kind, '~')} {_escaped(name)}: {_escaped(told)}"


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def summarize_drift(found: Sequence[DriftedStack]) -> str:
    """``Drift: 1 of 12 resources, in 1 of 3 stacks; 4 cannot be compared.``"""
    drifted = sum(len(each.resources) for each in found)
    compared, skipped = sum(each.compared for each in found), sum(each.skipped for each in found)
    inside = (
        f", in {sum(bool(each.resources) for each in found)} of {len(found)} stacks"
        if drifted
        else ""
    )
    rest = f"; {skipped} cannot be compared" if skipped else ""
    return f"Drift: {drifted or 'none'} of {compared} resources{inside}{rest}."
