"""The verbs that look at what is deployed, and after it: verify, status, outputs, history, drift,
import, prune."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from ..core import (
    AwsError,
    DeployError,
    InputError,
    Level,
    Problem,
    Report,
    StackwrightError,
    command_line,
)
from . import deploy
from .options import Options, connect_aws, console, for_environment, load_config, show_report
from .session import DeploySession

if TYPE_CHECKING:
    from ..health import EnvironmentStatus, HealthCheck, Subject
    from ..plan import LiveStack, RootPlan
    from ..releases import History, Release

LOOKED_AT = 20
"""The last releases that what is live is compared with."""
_WIDE = 2000
"""Columns that a table may take."""
_STYLE = click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)


def _session(options: Options) -> DeploySession:
    """The environment, connected; nothing is rendered."""
    config = load_config(options)
    aws = connect_aws(config)
    return DeploySession(options, config, aws, deploy.say)


def _present(lives: Mapping[str, LiveStack | None]) -> list[LiveStack]:
    return [live for live in lives.values() if live is not None]


def _required(session: DeploySession) -> dict[str, LiveStack | None]:
    """The root stacks; raises DeployError where none is deployed."""
    lives = session.lives()
    if not _present(lives):
        environment = session.config.environment
        hint = command_line(f"deploy --env {environment}")
        raise DeployError.of("SW846", f"no stack of {environment} is deployed", hint=hint)
    return lives


def _table(table: Any, *, stderr: bool = False) -> None:
    """A table as wide as it is: a narrow terminal wraps its lines, and loses nothing that stands at
    their ends."""
    screen = console(stderr=stderr, width=_WIDE)
    with screen.capture() as captured:
        screen.print(table)
    text = re.sub(r" +$", "", captured.get(), flags=re.MULTILINE)  # rich fills up the last column
    click.echo(text, nl=False, err=stderr)


def _now() -> datetime:
    return datetime.now(UTC)


# --- verify
# ---------------------------------------------------------------------------------------------------------


@click.command(short_help="Look whether what is deployed does its work.")
@for_environment
@click.option(
    "--deadline",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long to wait; default 600.",
)
@_STYLE
def verify(options: Options, deadline: float | None, style: str) -> None:
    """Look whether services are stable, their targets healthy, their names resolve to running
    tasks, functions run without error, metrics are fresh, and no alarm is on; what is not well is
    looked at again until the deadline.

    Functions are run and metrics read where a template's Metadata asks for it: see
    docs/releases.md. Exit 1 where something is not well in the end.
    """
    from ..report import (
        format_checks,
        summarize_checks,
        to_json,
    )

    session = _session(options)
    found = _checks(session, _present(_required(session)), deadline)
    if style == "json":
        click.echo(to_json(found))
    else:
        _table(format_checks(found))
        click.echo(summarize_checks(found), err=True)
    if any(each.state == "fail" for each in found):
        sys.exit(1)


def run_verification(session: DeploySession) -> bool:
    """What a deployment does at its end: all that is not well is told on stderr. Whether all is
    well."""
    from ..report import (
        format_checks,
        summarize_checks,
    )

    found = _checks(session, _present(session.lives()))
    bad = [each for each in found if each.state == "fail"]
    if bad:
        _table(format_checks(bad), stderr=True)
    click.echo(summarize_checks(found), err=True)
    return not bad


def _checks(
    session: DeploySession, lives: Sequence[LiveStack], deadline: float | None = None
) -> list[HealthCheck]:
    """The checks, with what is waited for on a terminal."""
    from ..health import DEADLINE, CheckState
    from ..health import verify_environment as stage

    screen = console(stderr=True)
    with screen.status("verifying") as spinner:

        def tell(checks: Sequence[HealthCheck]) -> None:
            waiting = [
                f"{each.address}: {each.detail}" for each in checks if each.state is CheckState.FAIL
            ]
            more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
            spinner.update(f"verifying: {waiting[0]}{more}" if waiting else "verifying")

        seconds = DEADLINE if deadline is None else deadline
        return stage(lives, session.aws, deadline=seconds, skip=_not_played(), on_progress=tell)


def _not_played() -> Collection[Subject]:
    from ..health import SIMULATED

    return SIMULATED if _simulated() else ()


def _simulated() -> bool:
    """Whether it is the local CloudFormation that answers."""
    from ..emulator import is_local_registry

    return is_local_registry(urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).netloc)


# --- status, outputs, history
# ---------------------------------------------------------------------------------------


class _Past(Struct, frozen=True):
    """The releases, and which of them is live and running."""

    history: History
    live: Release | None
    running: Release | None
    problems: tuple[Problem, ...]


def _past(
    session: DeploySession,
    lives: Mapping[str, LiveStack | None],
    limit: int = 1,
    bucket: str | None = None,
) -> _Past | None:
    """The releases in the ``bucket``, or in that of the live stacks; None where there is none, and
    so no release."""
    from ..releases import find_live_release, moved_roots, read_history, running_release

    bucket = bucket or session.bucket(lives)
    if bucket is None:
        return None
    count = max(limit, LOOKED_AT)
    found = read_history(
        session.config.environment, bucket, session.caller.account, session.aws, count
    )
    busy = {live.stack.name for live in _present(lives) if live.stack.busy}
    moved = moved_roots(found.releases, lives)
    ended = [each for each in found.releases if each.result is not None]
    live = find_live_release(ended, session.with_left(lives, ended))
    return _Past(found, live, running_release(found.releases, busy), (*found.problems, *moved))


@click.command(short_help="Show what is deployed.")
@for_environment
@_STYLE
def status(options: Options, style: str) -> None:
    """Show the stacks and since when, services with their tasks and targets and what they work off,
    the last release and the one that is live, and when drift was looked for."""
    from ..health import read_status as stage
    from ..plan import stack_name
    from ..report import (
        to_json,
    )

    session = _session(options)
    lives = session.lives()
    named = {root: (stack_name(session.config, root), live) for root, live in lives.items()}
    past = _past(session, lives)
    left = session.left_by(past.history.releases if past else (), everywhere=past is None)
    found = stage(named, session.aws, metrics=not _simulated(), orphaned=left)
    last = past.history.releases[0] if past and past.history.releases else None
    if style == "json":
        live = past.live.number if past and past.live else None
        last_data = replace(last, roots=()) if last else None
        click.echo(
            to_json(
                {**to_builtins(found), "healthy": found.healthy, "last": last_data, "live": live}
            )
        )
    else:
        _print_status(session, found, past)
    if past:
        show_report(Report(past.problems))


def _print_status(session: DeploySession, found: EnvironmentStatus, past: _Past | None) -> None:
    from ..report import (
        history_table,
        services_table,
        stacks_table,
    )

    screen, now = console(), _now()
    where = f"account {session.caller.account}, {session.config.region}"
    screen.print(f"[bold]{session.config.environment}[/]  {where}\n")
    _table(stacks_table(found.stacks, now))
    if found.orphaned:
        screen.print(
            f"\nNo root stacks of {session.config.environment} any more; destroy takes them along"
        )
        _table(stacks_table(found.orphaned, now))
    if found.services:
        screen.print()
        _table(services_table(found, now))
    if past and past.history.releases:
        screen.print()
        numbers = (
            past.live.number if past.live else None,
            past.running.number if past.running else None,
        )
        _table(history_table(past.history.releases[:1], *numbers, now))


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
    lives = _required(_session(options))
    values = {root: dict(live.stack.outputs) for root, live in lives.items() if live}
    if name:
        value = _output(values, name)
        click.echo(json.dumps(value) if style == "json" else value)
    elif style == "json":
        click.echo(json.dumps(values, indent=2))
    else:
        for root, entries in values.items():
            for key, value in sorted(entries.items()):
                if style == "env":
                    click.echo(f"{_variable(values, root, key)}={shlex.quote(value)}")
                else:
                    click.echo(f"{root}.{key} = {value}")


def _output(values: Mapping[str, Mapping[str, str]], name: str) -> str:
    root, _, key = name.rpartition(".")
    found = {r: entries[key] for r, entries in values.items() if key in entries and root in ("", r)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        hint = f"say which: {', '.join(f'{each}.{key}' for each in found)}"
        raise InputError.of("SW847", f"several stacks have an Output {key}", hint=hint)
    known = ", ".join(f"{r}.{each}" for r, entries in values.items() for each in sorted(entries))
    raise InputError.of(
        "SW847",
        f"there is no Output {name}",
        hint=f"there are: {known}" if known else "there are none",
    )


def _variable(values: Mapping[str, Mapping[str, str]], root: str, key: str) -> str:
    """``ALB_DNS_NAME`` for ``AlbDnsName``, with the root before it where several roots have one."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", key).upper()
    several = sum(key in entries for entries in values.values()) > 1
    return f"{re.sub('[^A-Za-z0-9]', '_', root).upper()}_{words}" if several else words


@click.command(short_help="List the releases.")
@for_environment
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
@_STYLE
def history(options: Options, limit: int, style: str) -> None:
    """List the releases of an environment: number, when, by whom, git commit, changes, result; the
    live one is bold."""
    from ..report import (
        history_table,
        release_result,
    )

    session = _session(options)
    lives = session.lives()
    gone = not _present(lives)
    bucket = session.bucket(lives) or (_retained(session) if gone else None)
    past = _kept(session, bucket, limit) if gone else _past(session, lives, limit)
    releases = past.history.releases[:limit] if past else ()
    live = past.live.number if past and past.live else None
    running = past.running.number if past and past.running else None
    if style == "json":
        rows = [
            {
                **to_builtins(each),
                "result": release_result(each, running),
                "live": each.number == live,
            }
            for each in releases
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif releases:
        _table(history_table(releases, live, running, _now()))
    if gone:
        click.echo(f"{options.environment} is not deployed{_whereabouts(bucket, past)}", err=True)
    elif not releases and style != "json":
        click.echo(f"nothing of {options.environment} was released yet", err=True)
    if past:
        show_report(Report(past.problems))


def _retained(session: DeploySession) -> str | None:
    """The bucket as the templates name it, whose stack is not there; None where they do not, or do
    not render now."""
    from ..cfn import StaticReferences
    from ..plan import BUCKET_OUTPUT
    from .options import make_rendering

    try:
        return StaticReferences(make_rendering(session.config), session.caller.account).output(
            BUCKET_OUTPUT
        )
    except StackwrightError:
        return None


def _kept(session: DeploySession, bucket: str | None, limit: int) -> _Past | None:
    """The releases in a bucket that a stack has left; None where there is no such bucket."""
    if bucket is None:
        return None
    try:
        return _past(session, {}, limit, bucket)
    except AwsError as error:
        if error.code == "NoSuchBucket":
            return None
        raise


def _whereabouts(bucket: str | None, past: _Past | None) -> str:
    """Where the releases of an environment without stacks are, or would be."""
    if bucket is None:
        return (
            ": its releases, if it had any, are in its artifact bucket where that was retained; "
            "only the parameters (deploy.bucket) or the templates could name it"
        )
    if past is None:
        return f", and there is no bucket {bucket} that would hold its releases"
    if not past.history.releases:
        return f", and s3://{bucket} holds no releases of it"
    return f": these are its releases of before, kept in s3://{bucket}"


# --- drift
# ----------------------------------------------------------------------------------------------------------


@click.command(short_help="Find what was changed by hand.")
@for_environment
@click.option(
    "--revert", is_flag=True, help="Plan the way back to what the templates say, show it, and ask."
)
@click.option("--yes", is_flag=True, help="With --revert: do not ask.")
@_STYLE
def drift(options: Options, revert: bool, yes: bool, style: str) -> None:
    """Compare root and nested stacks with what their resources really are, property by property;
    exit 2 where they differ.

    --revert makes a change set in DeploymentMode REVERT_DRIFT, which CloudFormation previews like
    any other.
    """
    from ..deploy import detect_drift as stage
    from ..report import (
        format_drift,
        to_json,
    )

    session = _session(options)
    lives = _required(session)
    with console(stderr=True).status("looking for drift") as spinner:
        found = stage(
            _present(lives),
            session.aws,
            on_progress=lambda name: spinner.update(f"looked at {name}"),
        )
    if style == "json":
        click.echo(to_json(found))
    else:
        console().print(format_drift(found))
    drifted = {each.stack.partition("/")[0] for each in found if each.resources}
    if revert and drifted:
        changed = [live for live in _present(lives) if live.name in drifted]
        _revert(session, changed, yes=yes, aside=style == "json")
    elif drifted:
        sys.exit(2)


def _revert(session: DeploySession, lives: Sequence[LiveStack], *, yes: bool, aside: bool) -> None:
    """Plan, show, ask, and go back to what the templates say."""
    from ..deploy import revert_target
    from ..plan import preview_root

    made: list[RootPlan] = []
    with session.discarding(made):
        for live in lives:
            target = revert_target(live, _stored(session, live))
            describes = session.description()
            made.append(
                preview_root(
                    target,
                    live,
                    session.aws,
                    run=session.run,
                    description=describes,
                    revert_drift=True,
                )
            )
        _require_changes(made)
        _carry_out(session, made, yes=yes, aside=aside)


def _require_changes(made: Sequence[RootPlan]) -> None:
    if not any(each.changes_anything for each in made):
        hint = "change the properties back by hand, or deploy a change that touches them"
        raise DeployError.of(
            "SW844", "CloudFormation offers no way back: its change set is empty", hint=hint
        )


def _stored(session: DeploySession, live: LiveStack) -> str | None:
    """The address of the live root template, where a deployment put it into the bucket."""
    import hashlib

    from ..core import S3Folder

    bucket = session.bucket(session.lives())
    if bucket is None:
        return None
    digest = hashlib.sha256(live.template.encode()).hexdigest()
    folder = S3Folder(bucket, session.config.region)
    for name in (f"{digest}.template.yaml", f"{digest}.template.json"):
        if (
            session.aws.object_checksum(bucket, folder.key(name), session.caller.account)
            is not None
        ):
            return folder.url(name)
    return None


def _carry_out(
    session: DeploySession, made: Sequence[RootPlan], *, yes: bool, aside: bool = False
) -> None:
    """Show the plan, ask, and apply its roots in order, up to the first that fails."""
    plan = session.signed(session.planned(made, {}, {}, {}))
    deploy.print_plan(plan, aside=aside)
    allowed = deploy.confirm(plan, deploy.Approvals(yes), session)
    for root in made:
        if root.changes_anything and not _applied(session, root, allowed):
            sys.exit(1)


def _applied(session: DeploySession, root: RootPlan, allowed: deploy.Approvals) -> bool:
    from ..deploy import apply_plan
    from ..report import show_progress

    with show_progress(console(stderr=True), root.desired.stack) as progress:
        return apply_plan(
            root, session.aws, token=session.token(root), on_progress=progress, locate=session.locate,
            protect=session.protects(), allowed=allowed.replace,
        ).ok  # fmt: skip


# --- import
# ---------------------------------------------------------------------------------------------------------


@click.command(name="import", short_help="Adopt existing resources into the root stacks.")
@for_environment
@click.option("--yes", is_flag=True, help="Do not ask.")
def import_(options: Options, yes: bool) -> None:
    """Adopt the resources that imports: of the parameters names into the root stacks whose
    templates describe them, by import change sets: nothing else changes. The next deploy brings the
    rest.

    After a destroy, for example, for what was retained: preflight names it.
    """
    from ..plan import build_import, read_imports

    with deploy.open_session(options) as session:
        session.require_account()
        entries = read_imports(session.config)
        lives = session.lives()
        wanted = session.targets(lives, {}, {})
        made: list[RootPlan] = []
        with session.discarding(made):
            for root, resources in entries.items():
                found = build_import(wanted[root], lives[root], resources, session.config)
                if found is None:
                    session.say(f"{wanted[root].stack} has all of them already")
                    continue
                made.append(_import_plan(session, found, lives[root]))
            if made:
                _carry_out(session, made, yes=yes)
    if made:
        click.echo(f"next: {command_line(f'deploy --env {options.environment}')}", err=True)


def _import_plan(session: DeploySession, found: Any, live: LiveStack | None) -> RootPlan:
    from ..plan import preview_root

    describes = session.description()
    return preview_root(
        found.desired,
        live,
        session.aws,
        run=session.run,
        description=describes,
        imports=found.resources,
    )


# --- prune
# ----------------------------------------------------------------------------------------------------------


@click.command(short_help="Delete artifacts that nothing uses any more.")
@for_environment
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Releases that stay restorable.",
)
@click.option(
    "--yes",
    is_flag=True,
    help="Delete without asking; otherwise they are listed, and a terminal is asked.",
)
@_STYLE
def prune(options: Options, keep: int, yes: bool, style: str) -> None:
    """List the templates and zips in the artifact bucket that no live stack of the account and none
    of the last releases of any environment uses, and delete them once that is confirmed.

    What was written during the last day stays: a deployment may be under way.
    """
    from ..releases import find_unused, read_live_templates, remove_objects

    session = _session(options)
    bucket = session.bucket(_required(session))
    if bucket is None:
        raise DeployError.of("SW846", f"{options.environment} has no artifact bucket yet")
    account = session.caller.account
    objects = session.aws.objects(bucket, "", account)
    releases = _all_releases(session, bucket, [each.key for each in objects])
    found = find_unused(objects, read_live_templates(session.aws), releases, keep, _now())
    rows = [
        {"key": each.key, "size": each.size, "modified": each.modified.isoformat()}
        for each in found
    ]
    click.echo(
        json.dumps(rows, indent=2)
        if style == "json"
        else "\n".join(str(row["key"]) for row in rows)
    )
    total = (
        f"{len(found)} of {len(objects)} objects, {sum(each.size for each in found) / 1000:,.1f} kB"
    )
    if not found or not (yes or _asked(f"Delete {total} of s3://{bucket}?")):
        click.echo(
            f"nothing to delete in s3://{bucket}"
            if not found
            else f"would delete {total}: add --yes",
            err=True,
        )
        return
    remove_objects(found, bucket, account, session.aws)
    click.echo(f"deleted {total} of s3://{bucket}", err=True)


def _asked(question: str) -> bool:
    return sys.stdin.isatty() and click.confirm(question, err=True)


def _all_releases(session: DeploySession, bucket: str, keys: Sequence[str]) -> list[Release]:
    """The releases of every environment that keeps its own here; raises StackwrightError for one
    that is unreadable."""
    from ..releases import read_history

    environments = {
        key.split("/")[1] for key in keys if key.startswith("releases/") and key.count("/") > 1
    }
    found: list[Release] = []
    for environment in sorted(environments):
        past = read_history(environment, bucket, session.caller.account, session.aws, limit=None)
        if past.problems:
            raise StackwrightError(replace(each, level=Level.ERROR) for each in past.problems)
        found += past.releases
    return found


VERBS = (verify, status, outputs, history, drift, import_, prune)
