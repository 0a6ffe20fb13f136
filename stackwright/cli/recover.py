"""The verbs for operations under way and stuck stacks: watch, repair, destroy."""

from __future__ import annotations

import sys

import click

from .connection import connect_rendered, make_runner
from .options import Options, for_environment

_ROOT = click.option(
    "--root", metavar="STACK", help="Only this root stack, by its name in stacks:."
)


@click.command(short_help="Follow operations in progress, from their beginning.")
@for_environment
@_ROOT
def watch(options: Options, root: str | None) -> None:
    """Follow the operations in progress on the stacks of an environment, whoever began them; exit 1
    if one fails. Ctrl-C detaches from them: they continue in CloudFormation."""
    from ..deploy import watch_operations

    if not watch_operations(make_runner(connect_rendered(options)), root):
        sys.exit(1)


@click.command(short_help="Recover stuck stacks, so that they can be deployed to.")
@for_environment
@_ROOT
@click.option("-y", "--yes", is_flag=True, help="Do not ask, unless something is lost.")
@click.option(
    "--yes-delete", "delete", metavar="NAME", help="Delete the stack of this name without asking."
)
@click.option(
    "--skip",
    multiple=True,
    metavar="ADDRESS",
    help="Skip this resource in a rollback; repeatable.",
)
@click.option(
    "--retain",
    multiple=True,
    metavar="LOGICAL_ID",
    help="Retain this resource in a deletion; repeatable.",
)
def repair(
    options: Options,
    root: str | None,
    yes: bool,
    delete: str | None,
    skip: tuple[str, ...],
    retain: tuple[str, ...],
) -> None:
    """Recover each root stack that no deployment can change, after asking: delete a failed first
    creation, discard a change set that was never executed, continue a rollback that failed, retry a
    deletion that failed, follow an operation in progress."""
    from ..deploy import Approvals, repair_stacks

    runner, approvals = make_runner(connect_rendered(options)), Approvals(yes, delete=delete)
    if not repair_stacks(runner, approvals, root, skip=skip, retain=retain):
        sys.exit(1)


@click.command(short_help="Delete the stacks of an environment.")
@for_environment
@click.option(
    "--yes-destroy", "given", metavar="NAME", help="The environment's name, in place of typing it."
)
def destroy(options: Options, given: str | None) -> None:
    """Show what is lost and what is retained, ask for the environment's name, and delete its stacks
    in reverse order, orphaned ones too; importers go before exporters. Nothing is emptied: a bucket
    or repository that holds something stops the deletion."""
    from ..deploy import Approvals, destroy_environment

    if not destroy_environment(make_runner(connect_rendered(options)), Approvals(delete=given)):
        sys.exit(1)


VERBS = (watch, repair, destroy)
