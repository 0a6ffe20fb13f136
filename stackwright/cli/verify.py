"""The verbs that check what is deployed: verify, drift, events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..core import command_line
from .connection import connect, connect_rendered, make_runner, read_deployed
from .options import Options, for_environment, with_approvals
from .output import console, echo
from .terminal import Terminal, print_table

if TYPE_CHECKING:
    from ..deploy import Approvals

_STYLE = click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.command(short_help="Check services, targets, functions and alarms.")
@for_environment
@click.option(
    "--deadline",
    type=click.FloatRange(min=0),
    default=600.0,
    metavar="SECONDS",
    help="How long to wait; default 600.",
)
@_STYLE
def verify(options: Options, deadline: float, style: str) -> None:
    """Check that services are stable, targets healthy, names resolve to running tasks, functions
    run without error, metrics are fresh and no alarm is on. Failed checks are repeated until the
    deadline; exit 1 if one still fails.

    Functions are run and metrics read where a template's Metadata asks for it: docs/releases.md.
    """
    from ..deploy import is_healthy
    from ..report import format_checks, summarize_checks, to_json

    environment = connect(options)
    lives = read_deployed(environment)
    checks = make_runner(environment).verify(lives.values(), deadline)
    if style == "json":
        click.echo(to_json(checks))
    else:
        print_table(format_checks(checks))
        echo(summarize_checks(checks), err=True)
    if any(check.gone for check in checks):
        command = command_line(f"drift --env {environment.name} --revert")
        echo(f"to create again what was deleted outside of CloudFormation: {command}", err=True)
    if not is_healthy(checks):
        sys.exit(1)


@click.command(short_help="Find resources that were changed by hand.")
@for_environment
@click.option(
    "--revert", is_flag=True, help="Plan how to revert it to the templates, show the plan, and ask."
)
@with_approvals
@_STYLE
def drift(options: Options, revert: bool, approvals: Approvals, style: str) -> None:
    """Compare the resources of root and nested stacks with their templates, property by property;
    exit 2 where they differ.

    --revert creates a change set in DeploymentMode REVERT_DRIFT, and shows it before it asks.
    """
    from ..deploy import OperationRunner, detect_drift, revert_drift
    from ..report import format_drift, to_json

    environment = connect(options)
    lives = read_deployed(environment)
    with console(stderr=True).status("detecting drift") as spinner:
        drifted_stacks = detect_drift(
            lives.values(),
            environment.aws,
            on_progress=lambda name: spinner.update(f"compared {name}"),
        )
    if style == "json":
        click.echo(to_json(drifted_stacks))
    else:
        console().print(format_drift(drifted_stacks))
    drifted = {stack.stack.partition("/")[0] for stack in drifted_stacks if stack.resources}
    if not drifted:
        return
    if not revert:
        sys.exit(2)
    user = Terminal(environment, aside=style == "json")
    changed = [live for root, live in lives.items() if root in drifted]
    if not revert_drift(OperationRunner(environment, user), changed, approvals):
        sys.exit(1)


@click.command(short_help="Show the events of the last operation.")
@for_environment
@click.option("--root", metavar="STACK", help="Only this root stack, by its name in stacks:.")
@click.option("--failed", is_flag=True, help="Failures only.")
@_STYLE
def events(options: Options, root: str | None, failed: bool, style: str) -> None:
    """Show the events of the last operation on each root stack of an environment, nested stacks
    included, oldest first."""
    from ..deploy import read_steps
    from ..report import format_events

    environment = connect_rendered(options)
    steps = [
        step
        for name, stack in environment.list_stacks(root)
        for step in read_steps(stack.id, name, environment.aws)
    ]
    shown = [step for step in steps if not step.nested and (step.failed or not failed)]
    text = format_events(shown, style)
    if style == "json":
        echo(text)
    elif text:
        console().print(text)
    else:
        empty = "no failures" if failed and steps else f"{options.environment} has no stacks yet"
        echo(empty, err=True)


VERBS = (verify, drift, events)
