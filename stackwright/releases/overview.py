"""Environment -> its releases, the one that is live, the one that is running, and the root stacks
that are orphaned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from ..aws import Stack
from ..core import AwsError, Cache, Problem, Rendering, StackwrightError
from ..plan import BUCKET_OUTPUT, Environment, LiveStack, root_documents
from .history import (
    NO_SUCH_BUCKET,
    find_live_release,
    moved_roots,
    read_history,
    read_last_release,
    running_release,
)
from .orphans import find_orphans
from .record import History, Release

COMPARED = 20
"""The last releases that are compared with the live stacks."""


class ReleaseOverview(Struct, frozen=True):
    """The releases, newest first, and which of them is live and running; ``problems`` are
    warnings."""

    history: History
    live: Release | None
    running: Release | None
    problems: tuple[Problem, ...]

    @property
    def last(self) -> Release | None:
        """The newest release."""
        return self.history.releases[0] if self.history.releases else None


def read_overview(
    environment: Environment,
    lives: Mapping[str, LiveStack | None],
    limit: int = 1,
    bucket: str | None = None,
) -> ReleaseOverview | None:
    """The last ``limit`` releases, or more, in the ``bucket``, by default that of the live stacks;
    None where there is no bucket. Raises AwsError."""
    bucket = bucket or environment.find_bucket(lives.values())
    if bucket is None:
        return None
    account, aws = environment.caller.account, environment.aws
    try:
        history = read_history(environment.name, bucket, account, aws, max(limit, COMPARED))
    except AwsError as error:
        if error.code == NO_SUCH_BUCKET:
            return None
        raise
    busy = {live.stack.name for live in lives.values() if live and live.stack.busy}
    ended = [release for release in history.releases if release.result is not None]
    return ReleaseOverview(
        history,
        find_live_release(ended, with_former_roots(environment, lives, ended)),
        running_release(history.releases, busy),
        (*history.problems, *moved_roots(history.releases, lives)),
    )


class ReleaseList(Struct, frozen=True):
    """The releases of an environment, wherever they are; None where there is no bucket for them.

    ``deployed`` says that stacks of it are deployed. Without any, ``bucket`` is the one that the
    parameters or the templates name, which stacks may have retained.
    """

    overview: ReleaseOverview | None
    bucket: str | None
    deployed: bool


def list_releases(
    environment: Environment, limit: int, render: Callable[[], Rendering]
) -> ReleaseList:
    """The last ``limit`` releases, or more; also of an environment whose stacks are gone, for which
    ``render`` gives the templates, as they may name the bucket. Raises AwsError."""
    lives = environment.read_roots()
    if any(lives.values()):
        overview = read_overview(environment, lives, limit)
        return ReleaseList(overview, environment.find_bucket(lives.values()), True)
    bucket = environment.find_bucket(()) or _find_retained_bucket(environment, render)
    overview = read_overview(environment, {}, limit, bucket) if bucket else None
    return ReleaseList(overview, bucket, False)


def _find_retained_bucket(environment: Environment, render: Callable[[], Rendering]) -> str | None:
    """The bucket as the templates name it, although no stack has it now; None where they do not
    name it, or do not render."""
    from ..cfn import StaticReferences

    try:
        references = StaticReferences(render(), environment.caller.account)
        return references.output(BUCKET_OUTPUT)
    except StackwrightError:
        return None


def with_former_roots(
    environment: Environment,
    lives: Mapping[str, LiveStack | None],
    releases: Iterable[Release],
) -> dict[str, LiveStack | None]:
    """The root stacks, and in addition those that the releases had and the parameters no longer
    have. Raises AwsError."""
    former = dict.fromkeys(
        root.root for release in releases for root in release.roots if root.root not in lives
    )
    return {**lives, **{root: environment.read_root(root) for root in former}}


def read_last_of(environment: Environment, bucket: str, account: str) -> Release | None:
    """The newest release, from the project's cache where it was read before; None where there is
    none. Raises AwsError."""
    cache = Cache("releases")
    return read_last_release(environment.name, bucket, account, environment.aws, cache)


def find_orphaned_stacks(
    environment: Environment, releases: Sequence[Release], *, everywhere: bool = False
) -> dict[str, Stack]:
    """Root stacks that are deployed and no part of the environment any more, by their former name
    in ``stacks:``.

    They are looked for among the stacks of the ``releases``; with ``everywhere`` among all stacks
    of the account. Raises AwsError.
    """
    documents = root_documents(environment.rendered) if environment.rendered else []
    roots = [document.name for document in documents] or environment.roots
    return find_orphans(environment.config, roots, releases, environment.aws, everywhere=everywhere)


def read_orphaned_stacks(
    environment: Environment, bucket: str | None, *, deployed: bool
) -> dict[str, Stack]:
    """Orphaned stacks by the last release in the bucket; without a bucket by all stacks of the
    account, if the environment is ``deployed``. Raises AwsError."""
    if bucket is None:
        return find_orphaned_stacks(environment, (), everywhere=deployed)
    last = read_last_of(environment, bucket, environment.caller.account)
    return find_orphaned_stacks(environment, (last,) if last else ())
