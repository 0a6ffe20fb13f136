"""The verbs that change what runs: plan, deploy, rollback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .connection import connect, open_reviewed
from .options import (
    IMPORT_EXISTING,
    VERBOSE,
    Options,
    for_environment,
    with_approvals,
    with_named_approvals,
)

if TYPE_CHECKING:
    from ..deploy import Approvals


@click.command(short_help="Show what a deployment would change.")
@for_environment
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan to a file, for deploy --plan.",
)
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the change sets for deploy --plan.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 where there are changes.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
)
@IMPORT_EXISTING
@VERBOSE
@with_named_approvals
def plan(
    options: Options,
    out: Path | None,
    keep: bool,
    detailed_exitcode: bool,
    style: str,
    import_existing: bool,
    verbose: bool,
    approvals: Approvals,
) -> None:
    """Check the account, create change sets, show what they would change, and delete them again.
    Templates and zips that the change sets need are uploaded, and stay."""
    from ..deploy import Deployer
    from .terminal import Terminal

    environment = open_reviewed(options)
    terminal = Terminal(environment, style, verbose=verbose, approvals=approvals)
    deployer = Deployer(environment, terminal, import_existing=import_existing)
    result = deployer.plan(out, keep=keep)
    if not result.ready:
        sys.exit(1)
    if detailed_exitcode and not result.plan.empty:
        sys.exit(2)


@click.command(short_help="Deploy the reviewed build.")
@for_environment
@click.option(
    "--plan",
    "saved",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Deploy a saved plan.",
)
@IMPORT_EXISTING
@VERBOSE
@with_approvals
def deploy(
    options: Options,
    saved: Path | None,
    import_existing: bool,
    verbose: bool,
    approvals: Approvals,
) -> None:
    """Deploy the reviewed build: show the plan, ask, apply it root stack by root stack, verify the
    result, and record a release that can be restored."""
    from ..deploy import Deployer
    from .terminal import Terminal

    environment = open_reviewed(options)
    terminal = Terminal(environment, verbose=verbose, approvals=approvals)
    deployer = Deployer(environment, terminal, approvals, import_existing=import_existing)
    if not deployer.deploy(saved):
        sys.exit(1)


@click.command(short_help="Restore an earlier release.")
@for_environment
@click.argument("number", metavar="[RELEASE]", type=int, required=False)
@click.option(
    "--allow-failed-release",
    "failed",
    is_flag=True,
    help="Restore RELEASE although its deployment failed.",
)
@IMPORT_EXISTING
@with_approvals
def rollback(
    options: Options,
    number: int | None,
    failed: bool,
    import_existing: bool,
    approvals: Approvals,
) -> None:
    """Restore the templates, parameters, image digests and secret versions of RELEASE, by a plan
    that is shown and approved first.

    Without RELEASE, the last one that was deployed before the live one; history lists them.
    """
    from ..deploy import Deployer
    from .terminal import Terminal

    environment = connect(options)
    terminal = Terminal(environment, approvals=approvals)
    deployer = Deployer(environment, terminal, approvals, import_existing=import_existing)
    if not deployer.rollback(number, allow_failed=failed):
        sys.exit(1)


VERBS = (plan, deploy, rollback)
