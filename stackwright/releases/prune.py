"""Finds and deletes artifacts in the bucket that are no longer used.

Artifacts are named by their content, so whatever names one uses it: a live template, or a release
record.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from msgspec.structs import replace

from ..aws import PARALLEL, Stacks, Storage, StoredObject
from ..core import AwsError, Level, Problem, StackwrightError
from ..plan import Environment
from .history import read_history
from .record import Release, ReleaseResult

GRACE = timedelta(days=1)
"""Newer objects may belong to a deployment that has no release number yet."""
_ARTIFACT = re.compile(r"(?:[^/]+/)*([0-9a-f]{64})\.(?:zip|template\.(?:yaml|yml|json))")
_NAME = re.compile(r"[0-9a-f]{64}")


def read_live_templates(aws: Stacks) -> list[str]:
    """The templates of all stacks of the account and Region, nested ones included: any of them may
    use the bucket, those of other environments and orphaned ones too. Raises AwsError."""
    ids = [
        stack.id
        for stack in aws.stacks()
        if stack.status not in ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")
    ]
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(aws.template, ids))


def find_unused(
    objects: Iterable[StoredObject],
    templates: Iterable[str],
    releases: Iterable[Release],
    keep: int,
    now: datetime,
) -> list[StoredObject]:
    """The artifacts that neither a live template nor one of the last ``keep`` releases of an
    environment uses, oldest first. Pure.

    The last ``keep`` releases that were deployed count, and all after the oldest of them. Objects
    that are no artifacts, such as release records, are never listed.
    """
    used = {name for text in templates for name in _names_in_template(text)}
    used |= {name for release in _kept(releases, keep) for name in _names_in_release(release)}
    unused = []
    for item in objects:
        artifact = _ARTIFACT.fullmatch(item.key)
        if artifact and artifact[1] not in used and now - item.modified > GRACE:
            unused.append(item)
    return sorted(unused, key=lambda item: item.modified)


def _names_in_template(text: str) -> Iterator[str]:
    yield hashlib.sha256(text.encode()).hexdigest()
    yield from _NAME.findall(text)


def _names_in_release(release: Release) -> Iterator[str]:
    for root in release.roots:
        yield from (template.sha256 for template in root.templates.values())
        yield from _NAME.findall(root.body)
    for key in release.artifacts:
        yield from _NAME.findall(key)


def _kept(releases: Iterable[Release], keep: int) -> Iterator[Release]:
    by_environment: dict[str, list[Release]] = {}
    for release in releases:
        by_environment.setdefault(release.environment, []).append(release)
    for group in by_environment.values():
        group.sort(key=lambda release: release.number, reverse=True)
        deployed = [
            release.number for release in group if release.result is ReleaseResult.DEPLOYED
        ][:keep]
        oldest = deployed[-1] if len(deployed) == keep else 0  # fewer than asked for: all stay
        yield from (release for release in group if release.number >= oldest)


def remove_objects(
    objects: Sequence[StoredObject],
    bucket: str,
    account: str,
    aws: Storage,
    done: Callable[[StoredObject], None] = lambda _: None,
) -> None:
    """Delete objects of the bucket, which must belong to ``account``; a missing object is no error.

    In a versioned bucket they can be restored until the noncurrent versions expire. Raises
    StackwrightError with the problems of all objects that could not be deleted.
    """
    problems: dict[Problem, None] = {}

    def delete(item: StoredObject) -> None:
        try:
            aws.delete_object(bucket, item.key, account)
        except AwsError as error:
            problems.update(dict.fromkeys(error.problems))
        done(item)

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(delete, objects))
    if problems:
        raise StackwrightError(problems)


def find_unused_artifacts(
    environment: Environment, bucket: str, keep: int, now: datetime
) -> tuple[list[StoredObject], int]:
    """The objects of the bucket that `find_unused` lists, and the number of all objects.

    Raises AwsError, and StackwrightError for a release record that cannot be read: what it uses is
    not known.
    """
    objects = environment.aws.objects(bucket, "", environment.caller.account)
    releases = _read_releases(environment, bucket, [item.key for item in objects])
    templates = read_live_templates(environment.aws)
    return find_unused(objects, templates, releases, keep, now), len(objects)


def _read_releases(environment: Environment, bucket: str, keys: Sequence[str]) -> list[Release]:
    """The releases of every environment that keeps its records in the bucket."""
    names = {
        key.split("/")[1] for key in keys if key.startswith("releases/") and key.count("/") > 1
    }
    account = environment.caller.account
    releases: list[Release] = []
    for name in sorted(names):
        history = read_history(name, bucket, account, environment.aws, limit=None)
        if history.problems:
            raise StackwrightError(
                replace(problem, level=Level.ERROR) for problem in history.problems
            )
        releases += history.releases
    return releases
