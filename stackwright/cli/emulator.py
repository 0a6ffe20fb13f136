"""The verbs of the local CloudFormation: emulator start, stop, status, reset and fault;
rehearse."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core import EmulatorError, Location, Problem, command_line
from .options import PROJECT, Options, console, for_environment, load_config, make_rendering

if TYPE_CHECKING:
    from ..diff import Diff, ResourceDiff
    from ..emulator import Rehearsal

_STYLE = click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.group(short_help="Run CloudFormation on this machine.")
def emulator() -> None:
    """A CloudFormation on this machine, one a project: loopback only, in the background, no account
    needed."""


@emulator.command(short_help="Start it, and print how to use it.")
@for_environment
@_STYLE
def start(options: Options, style: str) -> None:
    """Start it in the Region and account of an environment, unless it runs already, and print what
    points boto3 and the AWS CLI to it, for example for: eval "$(stackwright emulator start)"
    """
    from ..emulator import UNSET, local_account, local_settings, start_local

    config = load_config(options)
    found = start_local(config)
    variables, unset = local_settings(found.url, config.region, local_account(config)), UNSET
    if style == "json":
        data = {"pid": found.pid, "url": found.url, "variables": variables, "unset": unset}
        click.echo(json.dumps(data, indent=2))
    else:
        lines = [f"export {name}={value}" for name, value in variables.items()]
        click.echo("\n".join([*lines, f"unset {' '.join(unset)}"]))
    click.echo(f"the local CloudFormation runs at {found.url} (pid {found.pid})", err=True)


@emulator.command(short_help="Stop it.")
@PROJECT
def stop(project: Path) -> None:
    """Stop it, if it runs."""
    from ..emulator import describe_local, local_folder, stop

    with describe_local():
        stopped = stop(local_folder(project))
    click.echo("stopped" if stopped else "no local CloudFormation runs for this project", err=True)


@emulator.command(short_help="Show whether it runs, and its stacks.")
@PROJECT
@_STYLE
def status(project: Path, style: str) -> None:
    """Show whether it runs, where, and its stacks; exit 1 where it does not."""
    from ..emulator import describe_local, local_folder, running

    found = running(local_folder(project))
    stacks = []
    if found:
        with describe_local():
            stacks = list(found.admin("status")["stacks"])
    if style == "json":
        data = {
            "running": bool(found),
            "pid": found and found.pid,
            "url": found and found.url,
            "stacks": stacks,
        }
        click.echo(json.dumps(data, indent=2))
    elif found:
        lines = [
            f"runs at {found.url} (pid {found.pid}), {len(stacks)} stacks",
            *(f"  {each}" for each in stacks),
        ]
        click.echo("\n".join(lines))
    else:
        click.echo(f"not running; start it: {command_line('emulator start')}")
    if not found:
        sys.exit(1)


@emulator.command(short_help="Forget all stacks and resources.")
@PROJECT
def reset(project: Path) -> None:
    """Forget all stacks, and everything that its services hold."""
    _ask(project, "reset", {})
    click.echo("the local CloudFormation is empty", err=True)


@emulator.command(short_help="Let operations take as long as in AWS.")
@PROJECT
@click.argument("factor", type=click.FloatRange(0))
def latency(project: Path, factor: float) -> None:
    """Let operations take FACTOR times what they take in AWS, about: 0 no time (as at the start), 1
    as long."""
    _ask(project, "latency", {"realistic": factor})


@emulator.group(short_help="Let things fail on request.")
def fault() -> None:
    """Let operations on resources, requests, or the emulator itself fail; the same way every
    time."""


_NTH = click.option(
    "--nth", type=click.IntRange(1), default=1, show_default=True, help="The nth that matches."
)


@fault.command(name="resource", short_help="Let an operation on a resource fail, once.")
@PROJECT
@click.option("--reason", required=True, help="Why it fails: the resource's status reason.")
@click.option(
    "--operation", type=click.Choice(["create", "update", "delete"]), help="Which; without it, any."
)
@click.option(
    "--type", "type", metavar="TYPE", help="Of which resource type, e.g. AWS::ECS::Service."
)
@click.option("--logical-id", help="Of which resource, by its name in the template.")
@_NTH
def fault_resource(project: Path, **body: Any) -> None:
    """Let a later operation on a resource fail, once."""
    _ask(project, "fault", body)


@fault.command(name="request", short_help="Let requests fail, or be slow.")
@PROJECT
@click.option(
    "--kind", required=True, help="How.",
    type=click.Choice(["throttle", "error", "slow", "drop", "expired", "denied", "skewed"]),
)  # fmt: skip
@click.option("--service", help="Requests to which service, e.g. cloudformation; without it, any.")
@click.option("--action", help="Which, e.g. DescribeStacks; without it, any.")
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Every nth that matches."
)
@click.option("--times", type=click.IntRange(1), help="At most so many; without it, until cleared.")
@click.option(
    "--probability",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Of those, how many.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of the choice: equal seeds choose alike.",
)
@click.option(
    "--seconds", type=click.FloatRange(0), default=1.0, show_default=True, help="How slow."
)
@click.option("--status", type=click.IntRange(400, 599), help="HTTP status of an error.")
@click.option(
    "--after",
    is_flag=True,
    help="The request is served, and only its answer is lost, wrong or late.",
)
def fault_request(project: Path, **body: Any) -> None:
    """Throttle requests, answer them with an error, as not allowed, as with expired credentials or
    from a machine whose clock is off, slow them down, drop them."""
    _ask(project, "fault", body)


@fault.command(name="unhealthy", short_help="Let tasks fail their health checks.")
@PROJECT
@click.option("--service", metavar="NAME", help="Of which ECS service; without it, any.")
@click.option(
    "--image", metavar="TEXT", help="With an image whose name has this in it; without it, any."
)
def fault_unhealthy(project: Path, **body: Any) -> None:
    """Let tasks start and then fail their health checks, until that is cleared."""
    _ask(project, "fault", {"kind": "unhealthy", **body})


@fault.command(name="kill", short_help="End the emulator at an event.")
@PROJECT
@click.option("--logical-id", help="Of which resource, by its name in the template.")
@click.option(
    "--status", metavar="STATUS", help="Which event, e.g. CREATE_IN_PROGRESS; without it, any."
)
@_NTH
def fault_kill(project: Path, **body: Any) -> None:
    """End the emulator at a stack event, as by kill -9; start it again with: emulator start."""
    _ask(project, "fault", {"kind": "kill", **body})


@fault.command(name="clear", short_help="Let nothing fail any more.")
@PROJECT
def fault_clear(project: Path) -> None:
    """Forget every fault that is still to come."""
    _ask(project, "clear", {})


def _ask(project: Path, action: str, body: dict[str, Any]) -> None:
    from ..emulator import describe_local, local_folder, running

    found = running(local_folder(project))
    if found is None:
        hint = f"start it: {command_line('emulator start')}"
        raise EmulatorError.of("SW702", "no local CloudFormation runs for this project", hint=hint)
    with describe_local():
        found.admin(action, body)


@click.command(short_help="Play an update, and its failure, on this machine.")
@for_environment
@click.option(
    "--against",
    metavar="REF|DIR",
    required=True,
    help="What is deployed: git revision or build folder.",
)
@click.option(
    "--allow-replace",
    "allowed",
    multiple=True,
    metavar="LOGICAL_ID",
    help="May be replaced; repeatable.",
)
@_STYLE
def rehearse(options: Options, against: str, allowed: tuple[str, ...], style: str) -> None:
    """Deploy a base, and over it what an environment renders to now, in a private local
    CloudFormation.

    Shows what changes, what happens when, and where the time goes by typical durations; then lets
    the slowest changed resource fail, and compares what the rollback leaves with what was there.
    Exit 1 where the update or the rollback does not go through, or a resource is replaced that
    --allow-replace does not name.
    """
    from ..diff import diff_builds
    from ..emulator import rehearse
    from ..report import format_diff, rehearsal_as_data, rehearsal_as_text

    config = load_config(options)
    after = {document.path: document.text for document in make_rendering(config).documents}
    account = config.account or ""
    before = _base(options, against)
    preview = diff_builds(before, after, config.region, account)
    found = rehearse(before, after, config.region, account)
    refused = [
        (each, name) for each, name in _replaced(preview) if not {name, each.address} & set(allowed)
    ]
    if style == "json":
        names = [each.address for each, _ in refused]
        preview_data = json.loads(format_diff(preview, "json"))
        click.echo(
            json.dumps(
                {"preview": preview_data, "refused": names, **rehearsal_as_data(found)}, indent=2
            )
        )
    else:
        console().print(f"{format_diff(preview)}\n\n{rehearsal_as_text(found)}")
    files = {
        Path(path).with_suffix("").as_posix(): f"build/{options.environment}/{path}"
        for path in after
    }
    _verdict(found, refused, files)


def _base(options: Options, against: str) -> dict[str, str]:
    """The build that is deployed: a folder, or this environment's in a git revision."""
    from ..diff import read_build_folder, read_build_revision

    path = f"build/{options.environment}"
    found = (
        read_build_folder(Path(against))
        if Path(against).is_dir()
        else read_build_revision(options.project, against, path)
    )
    if not found:
        hint = "rehearse an update of something: name a revision that has it, or a build folder"
        raise EmulatorError.of("SW703", f"{against} has no templates in {path}", hint=hint)
    return found


def _replaced(preview: Diff) -> list[tuple[ResourceDiff, str]]:
    """What is replaced by a change of its own, and what --allow-replace calls it; what only follows
    goes with it."""
    from ..plan import REVISIONS, approval_names

    found = [
        each
        for each in preview.resources
        if each.effect == "replace" and each.type not in REVISIONS
        if any(change.replaces == "yes" and not change.after_apply for change in each.properties)
    ]
    called = approval_names((each.stack, each.logical_id) for each in found)
    return [(each, called[each.stack, each.logical_id]) for each in found]


def _verdict(
    found: Rehearsal, refused: Sequence[tuple[ResourceDiff, str]], files: Mapping[str, str]
) -> None:
    problems = []
    for phase in found.phases:
        if not phase.ok:
            cause = next(
                (f"{each.address}: {each.reason}" for each in phase.failures),
                phase.reason or phase.status,
            )
            problems.append(
                Problem("SW705", f"the update of {phase.root} does not go through: {cause}")
            )
    if found.rollback and not found.rollback.ok:
        text = f"the rollback of {found.rollback.phase.root} does not restore the base"
        problems.append(Problem("SW706", f"{text}: {found.rollback.phase.status}"))
    for each, name in refused:
        where = (Location(files[each.stack], each.line or 0),) if each.stack in files else ()
        hint = f"if that is meant: --allow-replace {name}"
        problems.append(
            Problem(
                "SW707", f"refused: {each.address} ({each.type}) would be replaced", where, hint
            )
        )
    if problems:
        raise EmulatorError(problems)


VERBS = (emulator, rehearse)
