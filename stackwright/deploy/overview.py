"""Reads an environment as it is deployed, for `status` and `diff --against deployed`."""

from __future__ import annotations

from msgspec import Struct

from ..cfn import stack_status
from ..diff import Diff, merge_diffs
from ..health import EnvironmentStatus, read_status
from ..plan import Environment, LiveStack, diff_with_live
from ..releases import ReleaseOverview, find_orphaned_stacks, read_overview
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
    """What a deployment of the rendered templates would change in the live stacks, without change
    sets and without new images or secrets; in one whose first creation failed, everything. Raises
    AwsError."""
    supplies = Supplies.of(environment, _ignore)
    lives = {root: _completed(live) for root, live in environment.read_roots().items()}
    desired = Planner(environment, supplies, _ignore).desired_stacks(lives, {}, {})
    return merge_diffs(diff_with_live(stack, lives[root]) for root, stack in desired.items())


def _completed(live: LiveStack | None) -> LiveStack | None:
    """Return a stack that keeps something for the next deployment; one whose first creation failed
    is deleted before it."""
    return None if live and stack_status(live.stack.status).never_created else live


def _ignore(_text: str) -> None:
    """Nothing is uploaded or pushed here that could be told."""
