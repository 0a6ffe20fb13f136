"""The verbs of the local CloudFormation: emulator start, stop, status, reset and fault."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from .cache import Cache
from .cli_options import PROJECT, Options, for_environment, load_config
from .errors import EmulatorError

_STYLE = click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
_ACCOUNT = "123456789012"
"""Where the parameters name none: the example account of AWS's documentation."""


@click.group(short_help="Run CloudFormation on this machine.")
def emulator() -> None:
    """A CloudFormation on this machine, one a project: loopback only, in the background, no account needed."""


@emulator.command(short_help="Start it, and print how to use it.")
@for_environment
@_STYLE
def start(options: Options, style: str) -> None:
    """Start it in the Region and account of an environment, unless it runs already, and print what points boto3 and
    the AWS CLI to it, for example for: eval "$(python render.py emulator start)"
    """
    from .emulator import lifecycle

    config = load_config(options)
    account = str(config.parameters.get("account_id") or _ACCOUNT)
    with _told():
        found = lifecycle.start(Cache(options.project, "emulator").prepare(), config.region, account)
    variables = _variables(found.url, config.region)
    if style == "json":
        click.echo(json.dumps({"pid": found.pid, "url": found.url, "variables": variables}, indent=2))
    else:
        click.echo("\n".join(f"export {name}={value}" for name, value in variables.items()))
    click.echo(f"the local CloudFormation runs at {found.url} (pid {found.pid})", err=True)


def _variables(url: str, region: str) -> dict[str, str]:
    """What points every AWS client at the emulator; the keys are no credentials, so real ones stay out of it."""
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": ""}
    return {"AWS_ENDPOINT_URL": url, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, **keys}


@emulator.command(short_help="Stop it.")
@PROJECT
def stop(project: Path) -> None:
    """Stop it, if it runs."""
    from .emulator import lifecycle

    stopped = lifecycle.stop(_folder(project))
    click.echo("stopped" if stopped else "no local CloudFormation runs for this project", err=True)


@emulator.command(short_help="Show whether it runs, and its stacks.")
@PROJECT
@_STYLE
def status(project: Path, style: str) -> None:
    """Show whether it runs, where, and its stacks; exit 1 where it does not."""
    from .emulator import lifecycle

    found = lifecycle.running(_folder(project))
    stacks = []
    if found:
        with _told():
            stacks = list(found.admin("status")["stacks"])
    if style == "json":
        data = {"running": bool(found), "pid": found and found.pid, "url": found and found.url, "stacks": stacks}
        click.echo(json.dumps(data, indent=2))
    elif found:
        lines = [f"runs at {found.url} (pid {found.pid}), {len(stacks)} stacks", *(f"  {each}" for each in stacks)]
        click.echo("\n".join(lines))
    else:
        click.echo("does not run; start it: python render.py emulator start")
    if not found:
        sys.exit(1)


@emulator.command(short_help="Forget all stacks and resources.")
@PROJECT
def reset(project: Path) -> None:
    """Forget all stacks, and everything that its services hold."""
    _ask(project, "reset", {})
    click.echo("the local CloudFormation is empty", err=True)


@emulator.command(short_help="Let an operation fail.")
@PROJECT
@click.option("--reason", required=True, help="Why it fails: the resource's status reason.")
@click.option("--operation", type=click.Choice(["create", "update", "delete"]), help="Which; without it, any.")
@click.option("--type", "type_", metavar="TYPE", help="Of which resource type, e.g. AWS::ECS::Service.")
@click.option("--logical-id", help="Of which resource, by its name in the template.")
@click.option("--nth", type=click.IntRange(1), default=1, show_default=True, help="Fail the nth that matches.")
def fault(
    project: Path, reason: str, operation: str | None, type_: str | None, logical_id: str | None, nth: int
) -> None:
    """Let a later operation on a resource fail, once."""
    body = {"reason": reason, "operation": operation, "type": type_, "logical_id": logical_id, "nth": nth}
    _ask(project, "fault", body)


def _folder(project: Path) -> Path:
    return Cache(project.resolve(), "emulator").folder


def _ask(project: Path, action: str, body: dict[str, Any]) -> None:
    from .emulator import lifecycle

    found = lifecycle.running(_folder(project))
    if found is None:
        hint = "start it: python render.py emulator start"
        raise EmulatorError.of("SW702", "no local CloudFormation runs for this project", hint=hint)
    with _told():
        found.admin(action, body)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the emulator refuses, as a problem to show."""
    from .emulator.lifecycle import LifecycleError

    try:
        yield
    except LifecycleError as error:
        hint = "look at .stackwright/emulator/emulator.log; python render.py emulator stop, then start again"
        raise EmulatorError.of("SW701", str(error), hint=hint) from None
    except OSError as error:
        hint = "make the project's folder writable"
        raise EmulatorError.of("SW701", f"the emulator's folder cannot be written: {error}", hint=hint) from None
