"""Which release a rollback restores, and the plan that restores it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ..core import DeployError, command_line
from ..plan import NO_BUCKET, LiveStack, Plan, RootPlan
from ..releases import (
    Release,
    build_restored_stacks,
    find_missing_parts,
    find_previous_release,
    load_release,
    read_history,
    with_former_roots,
)
from .planner import Planner
from .user import Say


def find_release(
    planner: Planner, lives: Mapping[str, LiveStack | None], number: int | None
) -> Release:
    """The release of that number, or the last one that was deployed before what is live.

    Raises DeployError: SW887, there is none; SW842, with everything of it that no longer exists.
    """
    environment = planner.environment
    bucket = environment.find_bucket(lives.values())
    if bucket is None:
        deployed = any(lives.values())
        why = f"its releases are not recorded: {NO_BUCKET}" if deployed else "it is not deployed"
        raise DeployError.of("SW887", f"{environment.name} has no release to restore: {why}")
    place = (environment.name, bucket, environment.caller.account, environment.aws)
    if number is None:
        releases = read_history(*place, limit=None).releases
        previous = find_previous_release(releases, with_former_roots(environment, lives, releases))
        if previous is None:
            hint = f"see: {command_line(f'history --env {environment.name}')}"
            raise DeployError.of("SW887", "there is no earlier release to restore", hint=hint)
        number = previous.number
    release = load_release(number, *place)
    if problems := find_missing_parts(release, environment.aws):
        raise DeployError(problems)
    return release


def plan_rollback(planner: Planner, release: Release) -> Plan:
    """The plan that makes the root stacks what a release made them."""
    planned: list[RootPlan] = []
    restored = {
        desired.root: replace(desired, import_existing=planner.import_existing)
        for desired in build_restored_stacks(release, planner.environment.aws)
    }
    lives = {root: planner.environment.read_root(root) for root in restored}
    blockers = planner.find_blockers(restored, lives, new=True)
    blocked = {blocker.root for blocker in blockers}
    with planner.discarding(planned):
        for root, desired in restored.items():
            planned.append(planner.plan_root(desired, lives[root], blocked=root in blocked))
    return replace(
        planner.assemble_roots(planned),
        blockers=blockers,
        images=release.images,
        secrets={key: version for key, (_, version) in release.secrets.items()},
        artifacts=tuple(key.rpartition("/")[2] for key in release.artifacts),
        bucket=release.bucket,
    )


def describe_release(release: Release, lives: Mapping[str, LiveStack | None], say: Say) -> None:
    """Tell which release is restored, and what stays as it is live."""
    commit = release.commit or "-"
    say(
        f"release {release.number} of {release.started:%Y-%m-%d %H:%M}, by {release.by}, "
        f"commit {commit}"
    )
    for root in release.roots:
        if root.hidden:
            names = ", ".join(root.hidden)
            say(f"not recorded, so the live values stay: {names} of {root.stack}")
    restored = {root.root for root in release.roots}
    others = [live.stack.name for root, live in lives.items() if live and root not in restored]
    if others:
        say(f"not in release {release.number}, and unchanged: {', '.join(others)}")
