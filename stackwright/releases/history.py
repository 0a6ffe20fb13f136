"""Reads releases: the newest, the history, the live one, and those that the live stacks differ
from.

CloudFormation decides which release is live; the records only say what each of them deployed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..aws import PARALLEL, Storage, StoredObject
from ..cfn import replace_non_ascii, stack_status
from ..core import AwsError, Cache, InputError, Level, Problem
from .record import (
    ENDED,
    STARTED,
    History,
    Release,
    ReleaseResult,
    RootRelease,
    number_of,
    record_from_json,
    record_key,
    records_prefix,
    template_digest,
)

if TYPE_CHECKING:
    from ..plan import LiveStack

NO_SUCH_BUCKET = "NoSuchBucket"
"""The error code of S3 for a bucket that does not exist."""


def read_last_release(
    environment: str, bucket: str, account: str, aws: Storage, cache: Cache | None = None
) -> Release | None:
    """The newest release; None where there is none, its record cannot be read, or the bucket does
    not exist.

    ``cache`` holds records that were read before: no record is written twice. Raises AwsError.
    """
    try:
        records = {
            (number, record.key.endswith(ENDED)): record
            for number, record in _list_records(environment, bucket, account, aws)
        }
    except AwsError as error:
        if error.code == NO_SUCH_BUCKET:
            return None
        raise
    if not records:
        return None
    newest = records[max(records)]
    name = Cache.key(bucket, newest.key, newest.etag)
    release = _parse(cache.get(name)) if cache else None
    if release is None:
        data = aws.read_object(bucket, newest.key, account)
        release = _parse(data)
        if cache and data and release:
            cache.put(name, data)
    return release


def _parse(data: bytes | None) -> Release | None:
    try:
        return record_from_json(data) if data else None
    except ValueError:
        return None


def read_history(
    environment: str, bucket: str, account: str, aws: Storage, limit: int | None = 20
) -> History:
    """The last releases of an environment; a record that cannot be read is a warning. Raises
    AwsError."""
    numbers = sorted(list_numbers(environment, bucket, account, aws), reverse=True)[:limit]
    problems: list[Problem] = []

    def read(number: int) -> Release | None:
        try:
            return _read(environment, number, bucket, account, aws)
        except InputError as error:
            problems.extend(replace(problem, level=Level.WARNING) for problem in error.problems)
            return None

    with ThreadPoolExecutor(PARALLEL) as pool:
        releases = list(pool.map(read, numbers))
    return History(tuple(filter(None, releases)), tuple(problems))


def load_release(number: int, environment: str, bucket: str, account: str, aws: Storage) -> Release:
    """One release; raises InputError where there is none, or its record cannot be read."""
    release = _read(environment, number, bucket, account, aws)
    if release is None:
        known = sorted(list_numbers(environment, bucket, account, aws))
        hint = (
            f"there are {known[0]} to {known[-1]}; `history` lists them"
            if known
            else "there are no releases yet"
        )
        raise InputError.of("SW840", f"{environment} has no release {number}", hint=hint)
    return release


def list_numbers(environment: str, bucket: str, account: str, aws: Storage) -> set[int]:
    return {number for number, _ in _list_records(environment, bucket, account, aws)}


def _list_records(
    environment: str, bucket: str, account: str, aws: Storage
) -> Iterator[tuple[int, StoredObject]]:
    for item in aws.objects(bucket, records_prefix(environment), account):
        number = number_of(item.key)
        if number is not None:
            yield number, item


def _read(environment: str, number: int, bucket: str, account: str, aws: Storage) -> Release | None:
    """The last record of a release: its end, or else its beginning."""
    for name in (ENDED, STARTED):
        place = record_key(environment, number, name)
        data = aws.read_object(bucket, place, account)
        if data is not None:
            try:
                return record_from_json(data)
            except ValueError as error:
                message = f"the release record s3://{bucket}/{place} cannot be read: {error}"
                hint = "the bucket is versioned: restore its first version"
                raise InputError.of("SW841", message, hint=hint) from error
    return None


def running_release(releases: Iterable[Release], busy: Collection[str]) -> Release | None:
    """The newest release, where it has no end and one of its stacks has an operation in progress;
    ``busy`` are the names of such stacks."""
    newest = max(releases, key=lambda release: release.number, default=None)
    if newest is None or newest.result is not None:
        return None
    running = any(root.stack in busy for root in newest.roots)
    return replace(newest, result=ReleaseResult.RUNNING) if running else None


def find_live_release(
    releases: Iterable[Release], live: Mapping[str, LiveStack | None]
) -> Release | None:
    """The newest release whose root stacks are all live as it made them, by templates and
    parameters; None where there is none.

    If it is not the last that was deployed, the stacks were changed since by something else, such
    as a rollback in CloudFormation's console.
    """
    for release in _newest_first(releases):
        if release.roots and all(is_live(root, live.get(root.root)) for root in release.roots):
            return release
    return None


def find_root_release(root: str, live: LiveStack, releases: Iterable[Release]) -> Release | None:
    """The newest release whose record of a root stack is live; None where there is none."""
    return next(
        (
            release
            for release in _newest_first(releases)
            for made in release.roots
            if made.root == root and is_live(made, live)
        ),
        None,
    )


def _newest_first(releases: Iterable[Release]) -> list[Release]:
    return sorted(releases, key=lambda release: release.number, reverse=True)


def find_previous_release(
    releases: Iterable[Release], live: Mapping[str, LiveStack | None]
) -> Release | None:
    """The last release that was deployed before the live one: the one that a rollback restores.

    A release that restored another counts as that one, so that two rollbacks go back by two. A
    release that may be the live one, but not for certain, is returned: restoring it changes nothing
    at worst, while going back one too many would.
    """
    deployed = {
        release.number: release for release in releases if release.result is ReleaseResult.DEPLOYED
    }
    current = find_live_release(deployed.values(), live)
    while current and current.restores in deployed:
        current = deployed[current.restores]
    earlier = (
        release
        for release in _newest_first(deployed.values())
        if current is None or release.number < current.number
    )
    return next((release for release in earlier if not _is_exactly_live(release, live)), None)


def _is_exactly_live(release: Release, live: Mapping[str, LiveStack | None]) -> bool:
    """Whether exactly the root stacks of a release are live, tags included, and none of their
    values is unknown."""
    tags = {root: stack.stack.tags for root, stack in live.items() if stack is not None}
    return {root.root: root.tags for root in release.roots} == tags and all(
        is_live(root, live[root.root]) and not root.hidden for root in release.roots
    )


def is_live(root: RootRelease, live: LiveStack | None) -> bool:
    """Whether a root stack is stable and as a release deployed it. The root's text holds the hashes
    of its nested templates."""
    if live is None or not stack_status(live.stack.status).stable:
        return False
    parameters = live.stack.parameters
    same = all(
        parameters.get(name) in (value, replace_non_ascii(value))
        for name, value in root.parameters.items()
    )
    return same and template_digest(live.template) == root.digest


def moved_roots(
    releases: Collection[Release], live: Mapping[str, LiveStack | None]
) -> list[Problem]:
    """A warning for every stable root stack that differs from the last release: it was changed by
    something else, or by a deployment that did not end."""
    ordered = _newest_first(releases)
    problems: list[Problem] = []
    for name, stack in live.items():
        if ordered and stack is not None and stack_status(stack.stack.status).stable:
            deployed = [
                (release, root)
                for release in ordered
                for root in release.roots
                if root.root == name
            ]
            problems += _moved(stack, deployed, ordered[-1].number)
    return problems


def _moved(
    stack: LiveStack, deployed: Sequence[tuple[Release, RootRelease]], first: int
) -> Iterator[Problem]:
    last = next(((release, root) for release, root in deployed if root.ok), None)
    if last is None or is_live(last[1], stack):
        return
    match = next(((release, root) for release, root in deployed if is_live(root, stack)), None)
    if match and not match[1].ok:
        message = (
            f"{stack.stack.name} is as release {match[0].number} asked for, which "
            "did not come to its end"
        )
        hint = "the next deployment verifies the live stacks, and records them"
    else:
        state = (
            f"as release {match[0].number} made it"
            if match
            else f"as no release since {first} made it"
        )
        message = (
            f"{stack.stack.name} is {state}, not as release {last[0].number}: it "
            "was changed outside of this tool"
        )
        hint = (
            "the next deployment starts from the live stacks and changes them to the rendered ones"
        )
    yield Problem("SW848", message, (), hint, Level.WARNING)
