"""The verb emulator: start, stop, status, reset and latency of the local CloudFormation; `faults`
adds emulator fault."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..core import command_line
from .faults import fault, send_to_emulator
from .options import PROJECT, STYLE, Options, for_environment
from .output import echo, echo_json
from .stages import load_config


@click.group(short_help="Run CloudFormation on this machine.")
def emulator() -> None:
    """A CloudFormation on this machine, one for each project. It listens on 127.0.0.1 only, runs in
    the background, and needs no AWS account."""


@emulator.command(short_help="Start it, and print how to use it.")
@for_environment
@STYLE
def start(options: Options, style: str) -> None:
    """Start it for the Region and account of an environment, unless it is running, and print the
    variables that point boto3 and the AWS CLI to it: eval "$(stackwright emulator start)"
    """
    from ..emulator import UNSET, local_account, local_settings, start_local

    config = load_config(options)
    running = start_local(config)
    variables = local_settings(running.url, config.region, local_account(config))
    if style == "json":
        data = {"pid": running.pid, "url": running.url, "variables": variables, "unset": UNSET}
        echo_json(data)
    else:
        for name, value in variables.items():
            click.echo(f"export {name}={value}")
        click.echo(f"unset {' '.join(UNSET)}")
    echo(f"local CloudFormation is running at {running.url} (pid {running.pid})", err=True)


@emulator.command(short_help="Stop it; its stacks are kept.")
@PROJECT
@click.option("--all", "every", is_flag=True, help="Stop those of all projects.")
def stop(project: Path, every: bool) -> None:
    """Stop it. Its stacks are there again at the next start. It also ends by itself after an hour
    without a request."""
    from ..emulator import describe_local, list_folders, local_folder, stop_emulator

    if every:
        with describe_local():
            stopped_folders = [folder for folder in list_folders() if stop_emulator(folder)]
        for folder in stopped_folders:
            echo(f"stopped {folder}", err=True)
        if not stopped_folders:
            echo("no local CloudFormation is running", err=True)
        return
    with describe_local():
        stopped = stop_emulator(local_folder(project))
    message = "stopped" if stopped else "the local CloudFormation of this project is not running"
    echo(message, err=True)


@emulator.command(short_help="Show whether it is running, and its stacks.")
@PROJECT
@STYLE
def status(project: Path, style: str) -> None:
    """Show whether it is running, where, and its stacks; exit 1 where it is not running."""
    from ..emulator import describe_local, find_emulator, local_folder

    emulator = find_emulator(local_folder(project))
    stacks = []
    if emulator:
        with describe_local():
            stacks = list(emulator.admin("status")["stacks"])
    if style == "json":
        place = {"pid": emulator and emulator.pid, "url": emulator and emulator.url}
        echo_json({"running": bool(emulator), **place, "stacks": stacks})
    elif emulator:
        echo(f"running at {emulator.url} (pid {emulator.pid}), {len(stacks)} stacks")
        for stack in stacks:
            echo(f"  {stack}")
    else:
        echo(f"not running; start it: {command_line('emulator start')}")
    if not emulator:
        sys.exit(1)


@emulator.command(short_help="Delete all its stacks and resources.")
@PROJECT
def reset(project: Path) -> None:
    """Delete all stacks, and everything in its other services, whether it is running or not."""
    from ..emulator import describe_local, find_emulator, forget_state, local_folder

    folder = local_folder(project)
    if find_emulator(folder):
        send_to_emulator(project, "reset", {})
    else:
        with describe_local():
            forget_state(folder)
    echo("the local CloudFormation is empty", err=True)


@emulator.command(short_help="Let operations take time.")
@PROJECT
@click.argument("factor", type=click.FloatRange(0))
def latency(project: Path, factor: float) -> None:
    """Let operations take FACTOR times as long as they typically do in AWS. At the start it is 0:
    they take no time."""
    send_to_emulator(project, "latency", {"realistic": factor})


emulator.add_command(fault)

VERBS = (emulator,)
