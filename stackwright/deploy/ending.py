"""What runs after a deployment that failed, and the commands that help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..cfn import stack_status
from ..core import command_line
from ..plan import Environment, LiveStack
from ..releases import Release, find_root_release, read_overview


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
    return f"release {release.number} of {release.started:%Y-%m-%d %H:%M}{commit}{images}"


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
