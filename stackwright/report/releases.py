"""Releases: their history as a table and as data, and where records are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import to_builtins

from ..core import command_line
from ..plan import NO_BUCKET
from ..releases import Release, ReleaseList, ReleaseResult, RootRelease
from .markup import escape_markup, format_age, format_duration, make_table, styled

_RESULTS = {
    ReleaseResult.DEPLOYED: "green",
    ReleaseResult.RUNNING: "yellow",
    ReleaseResult.INTERRUPTED: "yellow",
}
_SIGNS = {"add": "+", "change": "~", "replace": "-/+", "remove": "-"}


def history_table(
    releases: Sequence[Release], live: int | None, running: int | None, now: datetime
) -> Any:
    """Return the releases as a table, newest first; ``live`` and ``running`` are numbers."""
    table = make_table("RELEASE", "WHEN", "BY", "COMMIT", "CHANGES", "TOOK", "RESULT")
    for release in releases:
        started = f"{release.started.astimezone(UTC):%Y-%m-%d %H:%M}"
        number = f"[bold]{release.number}[/]" if release.number == live else str(release.number)
        table.add_row(
            number,
            f"{started}, {format_age(release.started, now)}",
            escape_markup(short_principal(release.by)),
            release.commit or "-",
            count_changes(release),
            "" if release.seconds is None else format_duration(release.seconds),
            _result_text(release, live, running),
        )
    return table


def _result_text(release: Release, live: int | None, running: int | None) -> str:
    """Return how a release ended, whether it is live, and the release that it restores."""
    result = release_result(release, running)
    text = styled(result, _RESULTS.get(result, "red"))
    text += ", [bold]live[/]" if release.number == live else ""
    text += f", restores {release.restores}" if release.restores else ""
    return text + (f": {escape_markup(release.cause)}" if release.cause else "")


def release_result(release: Release, running: int | None) -> ReleaseResult:
    """Return how a release ended; without an end in its record it is running, if it has the number
    ``running``, or was interrupted."""
    return release.result or (
        ReleaseResult.RUNNING if release.number == running else ReleaseResult.INTERRUPTED
    )


def short_principal(arn: str) -> str:
    """Return ``ada`` for ``arn:aws:iam::123456789012:user/ada``, and ``deploy/ada`` for the session
    of an assumed role."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    return name or kind


def count_changes(release: Release) -> str:
    """Return the counts of changes and new secret versions, ``+3 ~2 1 secret``, or ``none``."""
    parts = [
        f"{sign}{release.changes[name]}"
        for name, sign in _SIGNS.items()
        if release.changes.get(name)
    ]
    secrets = release.changes.get("secrets", 0)
    parts += [f"{secrets} secret{'s' if secrets > 1 else ''}"] if secrets else []
    return " ".join(parts) or "none"


def releases_as_data(
    releases: Sequence[Release], live: int | None, running: int | None
) -> list[dict[str, Any]]:
    """Return each record with its ``result`` as text and whether it is ``live``, for JSON."""
    return [
        {
            **to_builtins(release),
            "result": release_result(release, running),
            "live": release.number == live,
        }
        for release in releases
    ]


def describe_release(release: Release, running: int | None) -> str:
    """Return the templates and parameters of a release, stack by stack, and how to roll back to it
    in the CloudFormation console, which needs no Stackwright.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-direct.html
    """
    started = f"{release.started.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    result = release_result(release, running)
    lines = [f"release {release.number} of {release.environment}, {started}: {result}"]
    for root in release.roots:
        lines += ["", *_describe_root(root)]
    return "\n".join([*lines, "", *_console_steps(release)])


def _describe_root(root: RootRelease) -> Iterator[str]:
    yield f"stack {root.stack}"
    for name, template in root.templates.items():
        yield f"  template {name}: {template.url or 'in the record only, it has no address'}"
    for name, value in root.parameters.items():
        yield f"  parameter {name}: {value}"
    for name in root.hidden:
        yield f"  parameter {name}: not recorded"


def _console_steps(release: Release) -> Iterator[str]:
    stacks = ", then ".join(root.stack for root in release.roots)
    yield f"To roll back in the CloudFormation console (Region {release.region}), update {stacks}:"
    yield "  1. Choose Stacks, the stack, Update stack, and Make a direct update."
    yield "  2. Choose Replace existing template and Amazon S3 URL; give the template's address."
    yield "     (That of the root: it names its nested ones.)"
    yield "  3. Give the parameters above; for one that is not recorded, Use existing value."
    yield "  4. Under Capabilities, acknowledge both; review the change set, and choose Submit."
    if release.secrets:
        yield "Values of secrets stay as they are now; the command below restores them too."
    back = command_line(f"rollback {release.number} --env {release.environment}")
    yield f"With Stackwright: {back}"


def describe_absence(release_list: ReleaseList, environment: str) -> str:
    """Return why there are no releases to list, or where those of an environment without stacks are
    kept; empty where the environment is deployed and has releases."""
    releases = release_list.overview.history.releases if release_list.overview else ()
    bucket = release_list.bucket
    if release_list.deployed and bucket is None:
        return f"{environment} is deployed, but its releases are not recorded: {NO_BUCKET}"
    if release_list.deployed and release_list.overview is None:
        return f"{environment} is deployed, and the bucket {bucket} of its releases does not exist"
    if release_list.deployed:
        return "" if releases else f"{environment} has no releases yet"
    if bucket is None:
        where = (
            ", and neither the parameters (deploy.bucket) nor the templates name the bucket that "
            "would hold its earlier releases"
        )
    elif release_list.overview is None:
        where = f", and the bucket {bucket} that would hold its releases does not exist"
    elif not releases:
        where = f", and s3://{bucket} holds no releases of it"
    else:
        where = f"; its earlier releases are kept in s3://{bucket}"
    return f"{environment} is not deployed{where}"
