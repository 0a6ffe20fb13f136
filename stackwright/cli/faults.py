"""The verbs emulator fault: let operations, requests, tasks or the emulator itself fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..core import EmulatorError, command_line
from .options import PROJECT


def send_to_emulator(project: Path, action: str, body: dict[str, Any]) -> None:
    """Ask the running emulator of a project for an action of its own; raises EmulatorError."""
    from ..emulator import describe_local, find_emulator, local_folder

    emulator = find_emulator(local_folder(project))
    if emulator is None:
        hint = f"start it: {command_line('emulator start')}"
        message = "the local CloudFormation of this project is not running"
        raise EmulatorError.of("SW702", message, hint=hint)
    with describe_local():
        emulator.admin(action, body)


@click.group(short_help="Let operations fail on request.")
def fault() -> None:
    """Let operations on resources, requests, tasks or the emulator itself fail, in a repeatable
    way."""


_NTH = click.option(
    "--nth",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Fail the nth operation that matches.",
)


@fault.command(name="resource", short_help="Fail one operation on a resource.")
@PROJECT
@click.option("--reason", required=True, help="Status reason of the failed resource.")
@click.option(
    "--operation",
    type=click.Choice(["create", "update", "delete"]),
    help="Kind of operation; by default any.",
)
@click.option("--type", "type", metavar="TYPE", help="Resource type, such as AWS::ECS::Service.")
@click.option("--logical-id", help="Logical ID of the resource in its template.")
@_NTH
def fault_resource(project: Path, **body: Any) -> None:
    """Fail one later operation on a resource."""
    send_to_emulator(project, "fault", body)


@fault.command(name="request", short_help="Let requests fail, or take time.")
@PROJECT
@click.option(
    "--kind",
    required=True,
    type=click.Choice(["throttle", "error", "slow", "drop", "expired", "denied", "skewed"]),
    help="Kind of failure.",
)
@click.option("--service", help="Service, such as cloudformation; by default any.")
@click.option("--action", help="Action, such as DescribeStacks; by default any.")
@click.option(
    "--every",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Fail every nth request that matches.",
)
@click.option("--times", type=click.IntRange(1), help="Stop after so many failures.")
@click.option(
    "--probability",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Share of the matching requests that fail.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the random choice; equal seeds choose the same requests.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Delay of --kind slow.",
)
@click.option("--status", type=click.IntRange(400, 599), help="HTTP status of --kind error.")
@click.option("--after", is_flag=True, help="Carry the request out, and fail only its answer.")
def fault_request(project: Path, **body: Any) -> None:
    """Let requests fail: throttled, answered with an error, denied, with expired credentials, with
    a wrong clock, slow, or without an answer."""
    send_to_emulator(project, "fault", body)


@fault.command(name="unhealthy", short_help="Let tasks fail their health checks.")
@PROJECT
@click.option("--service", metavar="NAME", help="ECS service; by default any.")
@click.option("--image", metavar="TEXT", help="Only tasks with TEXT in the name of an image.")
def fault_unhealthy(project: Path, **body: Any) -> None:
    """Let tasks start and then fail their health checks, until emulator fault clear."""
    send_to_emulator(project, "fault", {"kind": "unhealthy", **body})


@fault.command(name="kill", short_help="Kill the emulator at an event.")
@PROJECT
@click.option("--logical-id", help="Logical ID of the event's resource; by default any.")
@click.option("--status", metavar="STATUS", help="Status of the event, such as CREATE_IN_PROGRESS.")
@_NTH
def fault_kill(project: Path, **body: Any) -> None:
    """Kill the emulator at a stack event, as kill -9 does; emulator start starts it again."""
    send_to_emulator(project, "fault", {"kind": "kill", **body})


@fault.command(name="clear", short_help="Remove all faults.")
@PROJECT
def fault_clear(project: Path) -> None:
    """Remove all faults that are still to come."""
    send_to_emulator(project, "clear", {})
