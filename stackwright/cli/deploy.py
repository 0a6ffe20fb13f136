"""The verbs that change what runs: plan, deploy, rollback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .connection import connect, open_reviewed
from .options import Options, for_environment

if TYPE_CHECKING:
    from ..deploy import Approvals


def _with_approvals(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that approve a plan beforehand, as one `Approvals`."""

    @wraps(command)
    def wrapped(
        *args: Any, yes: bool, replaced: tuple[str, ...], loss: bool, access: bool, **rest: Any
    ) -> None:
        from ..deploy import Approvals

        command(*args, approvals=Approvals(yes, frozenset(replaced), loss, access), **rest)

    for option in (
        click.option(
            "--allow-broader-access",
            "access",
            is_flag=True,
            help="Roles and security groups may open up.",
        ),
        click.option(
            "--allow-data-loss",
            "loss",
            is_flag=True,
            help="Data may be lost with what is replaced or removed.",
        ),
        click.option(
            "--allow-replace",
            "replaced",
            multiple=True,
            metavar="LOGICAL_ID",
            help="May be replaced.",
        ),
        click.option(
            "--yes", is_flag=True, help="Do not ask; what is dangerous still needs its own flag."
        ),
    ):
        option(wrapped)
    return wrapped


@click.command(short_help="Show what a deployment would change.")
@for_environment
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Seal the plan into a file, for deploy.",
)
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the change sets, so that deploy --plan executes these very ones.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 where there are changes.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
)
def plan(
    options: Options, out: Path | None, keep: bool, detailed_exitcode: bool, style: str
) -> None:
    """Look at the account, make change sets, and show what they would do; then delete them
    again."""
    from ..deploy import Deployer
    from .terminal import Terminal

    environment = open_reviewed(options)
    result = Deployer(environment, Terminal(environment, style)).plan(out, keep=keep)
    if not result.ready:
        sys.exit(1)
    if detailed_exitcode and not result.plan.empty:
        sys.exit(2)


@click.command(short_help="Take what was reviewed to a running system.")
@for_environment
@click.option(
    "--plan",
    "saved",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Do what a sealed plan says.",
)
@_with_approvals
def deploy(options: Options, saved: Path | None, approvals: Approvals) -> None:
    """Show what will change, ask, apply it root by root, verify it, and keep a release that can be
    restored."""
    from ..deploy import Deployer
    from .terminal import Terminal

    environment = open_reviewed(options)
    if not Deployer(environment, Terminal(environment), approvals).deploy(saved):
        sys.exit(1)


@click.command(short_help="Restore an earlier release.")
@for_environment
@click.argument("number", metavar="[RELEASE]", type=int, required=False)
@_with_approvals
def rollback(options: Options, number: int | None, approvals: Approvals) -> None:
    """Deploy the stored templates, parameters, image digests and secret versions of RELEASE,
    previewed like any other.

    Without RELEASE: the last one that was deployed before what is live. See history for the
    numbers.
    """
    from ..deploy import Deployer
    from .terminal import Terminal

    environment = connect(options)
    if not Deployer(environment, Terminal(environment), approvals).rollback(number):
        sys.exit(1)


VERBS = (plan, deploy, rollback)
