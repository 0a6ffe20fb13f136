"""The verbs that show what is deployed: status, outputs, history."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from msgspec import to_builtins
from msgspec.structs import replace

from ..core import Report, command_line
from .connection import connect, read_deployed
from .options import Options, for_environment
from .output import console, echo, echo_json, show_report
from .stages import make_rendering
from .terminal import print_table

if TYPE_CHECKING:
    from ..deploy import Overview
    from ..plan import Environment
    from ..releases import ReleaseOverview

_STYLE = click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.command(short_help="Show what is deployed.")
@for_environment
@_STYLE
def status(options: Options, style: str) -> None:
    """Show stacks with their status and drift, services with their tasks, targets and backlog, and
    the last and the live release."""
    from ..deploy import read_environment
    from ..report import to_json

    environment = connect(options)
    overview = read_environment(environment)
    releases = overview.releases
    if style == "json":
        live = releases.live.number if releases and releases.live else None
        last = replace(releases.last, roots=()) if releases and releases.last else None
        data = {**to_builtins(overview.status), "healthy": overview.status.healthy}
        click.echo(to_json({**data, "last": last, "live": live}))
    else:
        _print_overview(environment, overview)
    if releases:
        show_report(Report(releases.problems))


def _print_overview(environment: Environment, overview: Overview) -> None:
    from ..report import (
        history_table,
        missing_table,
        next_steps,
        services_table,
        stacks_table,
    )

    screen, now, status = console(), datetime.now(UTC), overview.status
    where = f"account {environment.caller.account}, {environment.config.region}"
    screen.print(f"[bold]{environment.name}[/]  {where}\n")
    print_table(stacks_table(status.stacks, now))
    if status.orphaned:
        screen.print(f"\nNo longer root stacks of {environment.name}; destroy deletes them too")
        print_table(stacks_table(status.orphaned, now))
    if status.services:
        screen.print()
        print_table(services_table(status, now))
    if status.missing:
        screen.print()
        print_table(missing_table(status))
    if steps := next_steps(status, environment.name):
        screen.print("\n" + "\n".join(steps), soft_wrap=True)
    releases = overview.releases
    if releases and releases.last:
        screen.print()
        print_table(history_table([releases.last], *_numbers(releases), now))


def _numbers(releases: ReleaseOverview | None) -> tuple[int | None, int | None]:
    """The numbers of the live and of the running release."""
    live = releases.live.number if releases and releases.live else None
    running = releases.running.number if releases and releases.running else None
    return live, running


@click.command(short_help="Show the Outputs of the root stacks.")
@for_environment
@click.argument("name", required=False)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "env"]),
    default="text",
    show_default=True,
)
def outputs(options: Options, name: str | None, style: str) -> None:
    """Show the Outputs of the root stacks, or the value of NAME (Url, or app.Url where several
    stacks have one).

    --format env gives lines for a shell: eval "$(stackwright outputs --format env)".
    """
    from ..report import find_output, format_outputs

    lives = read_deployed(connect(options))
    values = {root: dict(live.stack.outputs) for root, live in lives.items()}
    if name:
        value = find_output(values, name)
        click.echo(json.dumps(value) if style == "json" else value)
    elif text := format_outputs(values, style):
        echo(text)


@click.command(short_help="List the releases.")
@for_environment
@click.argument("release", required=False, type=click.IntRange(min=1))
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
@_STYLE
def history(options: Options, release: int | None, limit: int, style: str) -> None:
    """List the releases of an environment: number, time, author, git commit, changes, result. The
    live one is bold.

    With RELEASE, a number, show the addresses of its templates, its parameters, and how to roll
    back to it in the CloudFormation console.
    """
    from ..releases import list_releases, load_release
    from ..report import describe_absence, describe_release, history_table, releases_as_data

    environment = connect(options)
    listing = list_releases(environment, limit, lambda: make_rendering(environment.config))
    releases = listing.overview.history.releases[:limit] if listing.overview else ()
    numbers = _numbers(listing.overview)
    if release is not None and listing.overview and listing.bucket:
        account = environment.caller.account
        place = (environment.name, listing.bucket, account, environment.aws)
        releases = (load_release(release, *place),)
    if style == "json":
        data = releases_as_data(releases, *numbers)
        echo_json(data)
    elif release is not None and releases:
        echo(describe_release(releases[0], numbers[1]))
    elif releases:
        print_table(history_table(releases, *numbers, datetime.now(UTC)))
        shown = command_line(f"history {releases[0].number} --env {environment.name}")
        echo(f"templates of a release, and rolling back in the console: {shown}")
    absence = describe_absence(listing, environment.name)
    if absence and not (style == "json" and listing.deployed):
        echo(absence, err=True)
    if listing.overview:
        show_report(Report(listing.overview.problems))


VERBS = (status, outputs, history)
