"""The live state of an environment: root stacks and services as tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..cfn import stack_status
from ..core import command_line
from ..health import EnvironmentStatus, RootStatus, ServiceStatus
from .markup import escape_markup, format_age, make_table, status_style, styled

_DRIFT = {"IN_SYNC": "[green]none[/]", "DRIFTED": "[red]drifted[/]"}


def stacks_table(roots: Sequence[RootStatus], now: datetime) -> Any:
    """Return the root stacks as a table; a nested stack in a bad state has a row of its own."""
    table = make_table("STACK", "STATUS", "SINCE", "NESTED", "DRIFT")
    for root in roots:
        since = format_age(root.since, now) if root.since else ""
        status = styled(root.status, status_style(root.status)) if root.status else _NOT_DEPLOYED
        nested = str(root.nested or "")
        table.add_row(escape_markup(root.name), status, since, nested, _drift(root, now))
        for name, state in root.incomplete:
            table.add_row(f"  {escape_markup(name)}", styled(state, status_style(state)))
    return table


_NOT_DEPLOYED = styled("not deployed", "yellow")


def _drift(root: RootStatus, now: datetime) -> str:
    if not root.status:
        return ""
    if root.drift_checked is None:
        return "not checked"
    return f"{_DRIFT.get(root.drift, 'not known')}, {format_age(root.drift_checked, now)}"


def missing_table(status: EnvironmentStatus) -> Any:
    """Return the resources that were deleted outside of CloudFormation as a table."""
    table = make_table("MISSING", "TYPE", "ID")
    for resource in status.missing:
        table.add_row(
            styled(resource.address, "bold red"),
            escape_markup(resource.type),
            escape_markup(resource.physical_id),
        )
    return table


def next_steps(status: EnvironmentStatus, environment: str) -> list[str]:
    """Return what is wrong with the stacks, and the command that helps, in Rich markup."""
    steps: list[str] = []
    for root in status.stacks:
        meaning = stack_status(root.status)
        if meaning.stuck:
            text = f"{root.name} is in {root.status}: {meaning.explanation}"
            steps += _step(text, "red", f"repair --env {environment}")
        elif meaning.activity:
            text = f"{root.name} {meaning.activity}"
            steps += _step(text, "yellow", f"watch --env {environment}")
        elif root.status and not meaning.good:
            text = f"the last change of {root.name} failed and was rolled back"
            steps += _step(text, "yellow", f"events --env {environment} --failed")
    if status.missing:
        text = "what is missing was deleted outside of CloudFormation; to create it again:"
        steps += _step(text, "red", f"drift --env {environment} --revert")
    return steps


def _step(text: str, style: str, command: str) -> list[str]:
    return [styled(text, style), f"  [green]->[/] {escape_markup(command_line(command))}"]


def services_table(status: EnvironmentStatus, now: datetime) -> Any:
    """Return the ECS services as a table: tasks, targets, and the metric of their work."""
    table = make_table("SERVICE", "TASKS", "TARGETS", "WORK", "TASK DEFINITION")
    for service in status.services:
        starting = f", {service.pending} starting" if service.pending else ""
        tasks = f"{service.running} of {service.desired}{starting}"
        table.add_row(
            escape_markup(service.address),
            styled(tasks, "green" if service.stable else "yellow"),
            _targets(service),
            _work(service, now),
            escape_markup(service.task_definition),
        )
    return table


def _targets(service: ServiceStatus) -> str:
    if service.targets is None:
        return ""
    style = "green" if service.healthy == service.targets and service.targets else "red"
    return styled(f"{service.healthy} of {service.targets} healthy", style)


def _work(service: ServiceStatus, now: datetime) -> str:
    metric, latest = service.metric, service.metric_value
    if metric is None:
        return ""
    if latest is None:
        return styled(f"{metric.name}: no value in {metric.max_age} s", "red")
    return f"{escape_markup(metric.name)} {latest.value:g}, {format_age(latest.time, now)}"
