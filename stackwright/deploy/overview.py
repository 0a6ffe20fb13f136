"""Reads an environment as it is deployed: for `status`, for `diff --against deployed`, and for the
end of a deployment that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from ..cfn import parse_unexpanded, stack_status
from ..core import TemplateError, command_line
from ..diff import Diff, merge_diffs
from ..health import EnvironmentStatus, read_status
from ..plan import Environment, LiveStack, RootForecast, keep_missing
from ..releases import (
    Release,
    ReleaseOverview,
    find_orphaned_stacks,
    find_root_release,
    read_overview,
)
from .planner import Planner
from .supplies import Supplies


class Overview(Struct, frozen=True):
    """The stacks and services, and the releases; None where there is no bucket for them."""

    status: EnvironmentStatus
    releases: ReleaseOverview | None


def read_environment(environment: Environment) -> Overview:
    """Read stacks, services and releases, once. Raises AwsError."""
    lives = environment.read_roots()
    releases = read_overview(environment, lives)
    orphans = find_orphaned_stacks(
        environment,
        releases.history.releases if releases else (),
        everywhere=releases is None,
    )
    named = {root: (environment.stack_name(root), live) for root, live in lives.items()}
    status = read_status(
        named, environment.aws, metrics=not environment.simulated, orphaned=orphans
    )
    return Overview(status, releases)


def diff_with_deployed(environment: Environment) -> Diff:
    """Return what a deployment of the rendered templates would change in the live stacks, without
    change sets and without new images or secrets; in one whose first creation failed, everything.

    Macros are not run: templates that use them are compared as text.

    Raises:
        AwsError: a stack or Parameter Store cannot be read.
        DeployError: SW886 an Output that a root takes will be gone.
        TemplateError: SW503 CloudFormation would refuse a template.
    """
    supplies = Supplies.of(environment, _ignore)
    planner = Planner(environment, supplies, _ignore)
    lives = {root: _completed(live) for root, live in environment.read_roots().items()}
    desired = {
        root: keep_missing(stack, live) if (live := lives[root]) else stack
        for root, stack in planner.desired_stacks(lives, {}, {}).items()
    }
    sources = {root: environment.rendering.wiring[root].sources for root in desired}
    forecasts = planner.forecast_roots(desired, lives, sources, parse=parse_unexpanded)
    return merge_diffs(map(_read_diff, forecasts.values()))


def _read_diff(forecast: RootForecast) -> Diff:
    prediction = forecast.prediction()
    if prediction.problem:
        root, stack = forecast.desired.root, forecast.desired.stack
        message = f"{root} cannot be compared with {stack}: {prediction.problem}"
        raise TemplateError.of("SW503", message)
    return prediction.diff


def _completed(live: LiveStack | None) -> LiveStack | None:
    """Return a stack that keeps something for the next deployment; one whose first creation failed
    is deleted before it."""
    return None if live and stack_status(live.stack.status).never_created else live


def _ignore(_text: str) -> None:
    """Nothing is uploaded or pushed here that could be told."""


# --- after a failure


def describe_failure(environment: Environment, *, verified: bool) -> list[str]:
    """The lines that tell which release runs now, and what to do next. ``verified`` is False where
    the stacks are deployed and their verification failed. Raises AwsError."""
    lives = environment.read_roots()
    overview = read_overview(environment, lives)
    releases = overview.history.releases if overview else ()
    if overview and overview.live:
        lines = [f"what runs now: {_describe_release(overview.live)}"]
    else:
        roots = (_describe_root(environment, root, lives[root], releases) for root in lives)
        lines = ["what runs now:", *roots]
    return [*lines, "next:", *_list_commands(environment.name, lives, verified=verified)]


def _describe_release(release: Release) -> str:
    """``release 4 of 2026-11-03 09:30, commit 0123abcd; images: web 4f5e6a7b8c9d``."""
    commit = f", commit {release.commit}" if release.commit else ""
    digests = (
        f"{name} {reference.rpartition(':')[2][:12]}" for name, reference in release.images.items()
    )
    images = f"; images: {', '.join(digests)}" if release.images else ""
    cause = f" ({release.cause})" if release.cause else ""
    return f"release {release.number} of {release.started:%Y-%m-%d %H:%M}{commit}{cause}{images}"


def _describe_root(
    environment: Environment, root: str, live: LiveStack | None, releases: Sequence[Release]
) -> str:
    if live is None:
        return f"  {environment.stack_name(root)}: not deployed"
    stack, meaning = live.stack, stack_status(live.stack.status)
    if meaning.stuck:
        return f"  {stack.name}: {stack.status}; {meaning.problem}"
    if meaning.activity:
        return f"  {stack.name} {meaning.activity}"
    release = find_root_release(root, live, releases)
    made = f"as {_describe_release(release)} made it" if release else stack.status
    return f"  {stack.name}: {made}"


def _list_commands(
    environment: str, lives: Mapping[str, LiveStack | None], *, verified: bool
) -> Iterator[str]:
    statuses = [stack_status(live.stack.status) for live in lives.values() if live]
    busy = any(status.activity for status in statuses)
    stuck = any(status.stuck for status in statuses)
    commands = {
        f"watch --env {environment}": "follow the operation to its end" if busy else "",
        f"events --env {environment} --failed": "list what failed" if verified else "",
        f"verify --env {environment}": "" if verified else "check again",
        f"repair --env {environment}": "recover the stack that is stuck" if stuck else "",
        f"rollback --env {environment}": "" if verified else "restore the release before this one",
        f"deploy --env {environment}": "once the cause is corrected",
    }
    wanted = {command_line(command): purpose for command, purpose in commands.items() if purpose}
    width = max(map(len, wanted))
    yield from (f"  {command:<{width}}  {purpose}" for command, purpose in wanted.items())
