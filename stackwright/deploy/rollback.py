"""Which release a rollback restores, and the plan that restores it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec.structs import replace

from ..aws import Storage
from ..core import DeployError, command_line
from ..plan import NO_BUCKET, LiveStack, Plan, RootPlan
from ..releases import (
    Release,
    ReleaseResult,
    build_restored_stacks,
    find_missing_parts,
    find_previous_release,
    has_same_content,
    load_release,
    read_history,
    read_last_release,
    with_former_roots,
)
from .planner import Planner
from .user import Say

_SHOWN = 3
"""Addresses that a note names."""
_ENDS: Mapping[ReleaseResult | None, str] = {
    ReleaseResult.FAILED: "failed",
    ReleaseResult.ROLLED_BACK: "was rolled back",
}


def find_release(
    planner: Planner,
    lives: Mapping[str, LiveStack | None],
    number: int | None,
    *,
    allow_failed: bool = False,
) -> Release:
    """The release of that number, or the last one that was deployed before what is live.

    Raises DeployError: SW887, there is none; SW843, its deployment failed and that is not
    ``allow_failed``; SW842, with everything of it that no longer exists.
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
    if release.result is not ReleaseResult.DEPLOYED:
        _require_allowed(release, planner.say, allow_failed=allow_failed)
    if problems := find_missing_parts(release, environment.aws):
        raise DeployError(problems)
    return release


def _require_allowed(release: Release, say: Say, *, allow_failed: bool) -> None:
    """Tell that a release failed; refuse it unless that is allowed. Raises DeployError: SW843."""
    end = _ENDS.get(release.result, "did not come to its end")
    cause = f" ({release.cause})" if release.cause else ""
    message = f"release {release.number} was not deployed, it {end}{cause}"
    if not allow_failed:
        command = f"rollback --env {release.environment} {release.number} --allow-failed-release"
        hint = (
            f"{command_line(f'history --env {release.environment}')} lists the deployed ones; "
            f"to restore this one all the same: {command_line(command)}"
        )
        raise DeployError.of("SW843", message, hint=hint)
    say(f"note: {message}")


def act_of(release: Release) -> str:
    """What a rollback asks for: ``Roll local back to release 2 (15:41)``."""
    today = release.started.date() == datetime.now(UTC).date()
    time = f"{release.started:%H:%M}" if today else f"{release.started:%Y-%m-%d %H:%M}"
    return f"Roll {release.environment} back to release {release.number} ({time})"


def plan_rollback(planner: Planner, release: Release) -> Plan:
    """The plan that makes the root stacks what a release made them."""
    planned: list[RootPlan] = []
    restored = {
        desired.root: replace(desired, import_existing=planner.import_existing)
        for desired in build_restored_stacks(release, planner.environment.aws)
    }
    lives = {root: planner.environment.read_root(root) for root in restored}
    forecasts = planner.forecast_roots(restored, lives, {})
    blockers = planner.find_blockers(forecasts, new=True)
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


def describe_last_rollback(plan: Plan, aws: Storage) -> str:
    """Whether the last operation was a rollback, and what of it the plan takes back; empty where it
    was none. Raises AwsError."""
    if plan.empty or plan.bucket is None:
        return ""
    place = (plan.environment, plan.bucket, plan.account, aws)
    last = read_last_release(*place)
    if last is None or last.restores is None:
        return ""
    earlier = (
        release
        for release in read_history(*place).releases
        if release.number < last.number and release.number != last.restores
    )
    again = next((release for release in earlier if has_same_content(release, plan)), None)
    addresses = [change.address for root in plan.roots for change in root.diff.resources]
    shown = ", ".join(addresses[:_SHOWN])
    more = f" and {len(addresses) - _SHOWN} more" if len(addresses) > _SHOWN else ""
    what = f"{shown}{more}" or "secrets"
    taken = (
        f"this plan brings back release {again.number}'s {what}"
        if again
        else f"this plan changes what it restored: {what}"
    )
    return f"the last operation was a rollback to release {last.restores}; {taken}"


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
