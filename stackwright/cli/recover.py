"""The verbs for operations under way and stuck stacks: watch, repair, destroy."""

from __future__ import annotations

import sys

import click

from .connection import connect_rendered, make_runner
from .options import Options, for_environment

_ROOT = click.option("--root", metavar="STACK", help="Only this root stack, as stacks: calls it.")


@click.command(short_help="Follow what is under way, from its beginning.")
@for_environment
@_ROOT
def watch(options: Options, root: str | None) -> None:
    """Follow the operations that are under way on the stacks of an environment, whoever began them;
    exit 1 where one does not end in the state that was asked for. Ctrl-C leaves them to
    themselves."""
    from ..deploy import watch_operations

    if not watch_operations(make_runner(connect_rendered(options)), root):
        sys.exit(1)


@click.command(short_help="Bring stuck stacks back into a state that can be deployed to.")
@for_environment
@_ROOT
@click.option("--yes", is_flag=True, help="Do not ask before what loses nothing.")
@click.option(
    "--yes-delete", "delete", metavar="NAME", help="Delete the stack of this name without asking."
)
@click.option(
    "--skip",
    multiple=True,
    metavar="ADDRESS",
    help="Leave this resource out of a rollback; repeatable.",
)
@click.option(
    "--retain",
    multiple=True,
    metavar="LOGICAL_ID",
    help="Leave this resource out of a deletion; repeatable.",
)
def repair(
    options: Options,
    root: str | None,
    yes: bool,
    delete: str | None,
    skip: tuple[str, ...],
    retain: tuple[str, ...],
) -> None:
    """Look at each root stack of an environment, and offer the way out where no deployment can
    change it: a failed first creation is deleted, a change set that was never executed discarded, a
    rollback that failed continued, a deletion that failed tried again, and an operation under way
    followed."""
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
    """List what is lost with the stacks of an environment and what stays, ask for the environment's
    name, and delete them in reverse order, those too that are no root stacks of it any more. What
    is imported goes after what imports it. Nothing is emptied: what holds something that
    CloudFormation does not delete stops it."""
    from ..deploy import Approvals, destroy_environment

    if not destroy_environment(make_runner(connect_rendered(options)), Approvals(delete=given)):
        sys.exit(1)


VERBS = (watch, repair, destroy)
