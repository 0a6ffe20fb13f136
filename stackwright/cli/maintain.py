"""The verbs that adopt resources and clean up: import, prune."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ..core import DeployError
from .connection import connect, make_runner, open_reviewed, read_deployed
from .options import Options, for_environment, with_approvals
from .output import echo, echo_json

if TYPE_CHECKING:
    from ..deploy import Approvals


@click.command(name="import", short_help="Adopt existing resources into the root stacks.")
@for_environment
@with_approvals
def import_(options: Options, approvals: Approvals) -> None:
    """Adopt the resources that imports: of the parameters names, by import change sets, into the
    root stacks that declare them. Nothing else changes; the next deploy does the rest.

    For resources that a destroy has retained, for example: preflight names them.
    """
    from ..deploy import adopt_resources

    if not adopt_resources(make_runner(open_reviewed(options)), approvals):
        sys.exit(1)


@click.command(short_help="Delete artifacts that are no longer used.")
@for_environment
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Releases that stay restorable.",
)
@click.option(
    "-y",
    "--yes",
    is_flag=True,
    help="Delete without asking.",
)
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def prune(options: Options, keep: int, yes: bool, style: str) -> None:
    """List the templates and zips in the artifact bucket that neither a live stack of the account
    nor one of the last releases of an environment uses, and delete them after asking.

    Objects of the last day stay: a deployment may be in progress.
    """
    from ..plan import NO_BUCKET
    from ..releases import find_unused_artifacts, remove_objects

    environment = connect(options)
    bucket = environment.find_bucket(read_deployed(environment).values())
    if bucket is None:
        message = f"{environment.name} has no bucket to delete artifacts from: {NO_BUCKET}"
        raise DeployError.of("SW846", message)
    unused, count = find_unused_artifacts(environment, bucket, keep, datetime.now(UTC))
    if style == "json":
        rows = [
            {"key": item.key, "size": item.size, "modified": item.modified.isoformat()}
            for item in unused
        ]
        echo_json(rows)
    else:
        echo("\n".join(item.key for item in unused))
    total = f"{len(unused)} of {count} objects, {sum(item.size for item in unused) / 1000:,.1f} kB"
    if not unused:
        echo(f"nothing to delete in s3://{bucket}", err=True)
    elif yes or _ask(f"Delete {total} of s3://{bucket}?"):
        remove_objects(unused, bucket, environment.caller.account, environment.aws)
        echo(f"deleted {total} of s3://{bucket}", err=True)
    else:
        echo(f"would delete {total}: add --yes", err=True)


def _ask(question: str) -> bool:
    return sys.stdin.isatty() and click.confirm(question, err=True)


VERBS = (import_, prune)
