"""Plan and outcomes -> Release: numbered records of deployments in the bucket, and what restores
one of them.

The records are an aid: no deployment depends on them, and CloudFormation is asked which of them is
live.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from msgspec.structs import replace

from ..artifacts import RegistryClient, is_loopback, keep_release_images, keep_version
from ..aws import PARALLEL, Storage, StoredObject
from ..cfn import declared_keys, stack_status
from ..core import AwsError, Cache, InputError, Level, Problem
from ..diff import Effect
from ..plan import DesiredStack, Outcome, Plan, RootAction, RootPlan
from .record import (
    ENDED,
    STARTED,
    History,
    Release,
    ReleaseResult,
    RootRelease,
    StoredTemplate,
    number_of,
    record_from_json,
    record_key,
    record_to_json,
    records_prefix,
    template_digest,
)

if TYPE_CHECKING:
    from ..artifacts import ImageRegistry
    from ..plan import LiveStack


def utc_now() -> datetime:
    """The time in UTC, without the fractions that nobody reads."""
    return datetime.now(UTC).replace(microsecond=0)


# --- keeping
# --------------------------------------------------------------------------------------------------------


def begin_release(
    plan: Plan,
    aws: Storage,
    *,
    tool: str,
    secret_names: Mapping[str, str],
    restores: int | None = None,
    left: Mapping[str, str] | None = None,
    started: datetime | None = None,
) -> Release:
    """Take the next number and keep what is going to be done; ``plan.bucket`` must exist by now.

    ``secret_names`` are the secrets by their key under ``secrets``, ``left`` the root stacks that
    are there and no part of it. Two deployments never get the same number: the record is only
    written where there is none. Raises AwsError.
    """
    if plan.bucket is None:
        raise ValueError(
            "there is no bucket yet: begin the release once the stack that makes it is deployed"
        )
    number = max(_numbers(plan.environment, plan.bucket, plan.account, aws), default=0) + 1
    planned = _planned(plan, number, secret_names)
    mine = {
        root: stack
        for root, stack in (left or {}).items()
        if all(each.stack != stack for each in planned.roots)
    }
    release = replace(
        planned,
        tool=tool,
        restores=restores,
        left=mine,
        run=uuid4().hex,
        started=started or utc_now(),
    )
    while not aws.create_object(
        *_place(release, STARTED), record_to_json(release), release.account
    ):
        release = replace(release, number=release.number + 1)
    return release


def finish_release(
    release: Release,
    plan: Plan,
    outcomes: Sequence[Outcome],
    aws: Storage,
    *,
    failed: str = "",
    first: Callable[[Release], None] = lambda _: None,
) -> Release:
    """Keep how it went: ``plan`` as it was in the end, with the outcome of every root that was
    applied.

    ``failed`` says what went wrong beside the stacks, verification for example. ``first`` is done
    with a release that was deployed before a record says so: nobody would do it later. Raises
    AwsError.
    """
    names = {key: name for key, (name, _) in release.secrets.items()}
    by_root = {each.root: each for each in outcomes}
    planned = _planned(plan, release.number, names)
    ended = replace(
        planned,
        started=release.started,
        tool=release.tool,
        restores=release.restores,
        left=release.left,
        run=release.run,
        roots=tuple(_applied(each, by_root.get(each.root)) for each in planned.roots),
        ended=utc_now(),
        result=_result(outcomes, failed),
        cause=_cause(outcomes) or failed,
    )
    if ended.result is ReleaseResult.DEPLOYED:
        first(ended)
    aws.create_object(*_place(ended, ENDED), record_to_json(ended), ended.account)
    return ended


def keep_release(release: Release, aws: Storage, store: ImageRegistry | None) -> None:
    """Label the release's secret versions and tag its images, so that neither expires; ``store``
    None has no images.

    An image's tag is named by what it keeps, so that any number of releases share it: an image can
    have 1,000.
    """
    pairs = [pair for pair in release.secrets.values() if pair[1]]
    todo = [partial(keep_version, name, version, release.number, aws) for name, version in pairs]
    if store is not None:
        tags = {
            reference: f"kept-{reference.rpartition(':')[2][:12]}"
            for reference in release.images.values()
        }
        todo += [
            partial(keep_release_images, reference, tag, store) for reference, tag in tags.items()
        ]
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda action: action(), todo))


def _place(release: Release, name: str) -> tuple[str, str]:
    return release.bucket, record_key(release.environment, release.number, name)


def _planned(plan: Plan, number: int, secret_names: Mapping[str, str]) -> Release:
    effects = {str(each): sum(root.diff.count(each) for root in plan.roots) for each in Effect}
    return Release(
        number=number,
        environment=plan.environment,
        account=plan.account,
        region=plan.region,
        bucket=plan.bucket or "",
        started=plan.made,
        by=plan.caller,
        commit=plan.commit,
        tool="",
        roots=tuple(_root(each) for each in plan.roots),
        images=dict(plan.images),
        secrets={key: (name, plan.secrets.get(key, "")) for key, name in secret_names.items()},
        artifacts=tuple(_prefix(plan) + name for name in plan.artifacts),
        changes={**effects, "secrets": len(plan.secret_changes)},
    )


def _prefix(plan: Plan) -> str:
    """What the keys of the artifacts begin with: that of every template's address."""
    url = next((url for root in plan.roots for url in root.desired.urls.values()), "")
    return artifact_key(url).rpartition("/")[0] + "/" if "/" in artifact_key(url) else ""


def _root(planned: RootPlan) -> RootRelease:
    target = planned.desired
    known = {
        name for name, each in declared_keys(target.body).parameters.items() if not each.no_echo
    }
    return RootRelease(
        root=target.root,
        stack=target.stack,
        templates={
            name: StoredTemplate(
                target.urls.get(name, ""), hashlib.sha256(text.encode()).hexdigest()
            )
            for name, text in target.templates.items()
        },
        parameters={name: value for name, value in target.parameters.items() if name in known},
        tags=dict(target.tags),
        kind=str(planned.kind),
        hidden=tuple(name for name in target.parameters if name not in known),
        inline=target.inline,
        body="" if target.urls else target.body,
        digest=template_digest(target.body),
        ok=planned.kind is RootAction.NOTHING,
    )


def _applied(root: RootRelease, outcome: Outcome | None) -> RootRelease:
    if outcome is None:
        return root
    seconds = (outcome.ended - outcome.began).total_seconds()
    return replace(root, status=outcome.status, ok=outcome.ok, seconds=round(seconds, 1))


def _result(outcomes: Sequence[Outcome], failed: str) -> ReleaseResult:
    bad = [each for each in outcomes if not each.ok]
    if bad and bad[-1].status.endswith("ROLLBACK_COMPLETE"):
        return ReleaseResult.ROLLED_BACK
    return ReleaseResult.FAILED if bad or failed else ReleaseResult.DEPLOYED


def _cause(outcomes: Sequence[Outcome]) -> str:
    causes = [each.cause for each in outcomes if each.cause is not None and not each.ok]
    return f"{causes[0].address}: {causes[0].reason}" if causes else ""


def read_last_release(
    environment: str, bucket: str, account: str, aws: Storage, kept: Cache | None = None
) -> Release | None:
    """The newest release; None where there is none, or its record cannot be read.

    ``kept`` has records that were read before: none is ever written twice. Raises AwsError.
    """
    listed = {
        (number, each.key.endswith(ENDED)): each
        for number, each in _records(environment, bucket, account, aws)
    }
    if not listed:
        return None
    newest = listed[max(listed)]
    name = Cache.key(bucket, newest.key, newest.etag)
    found = _parsed(kept.get(name)) if kept else None
    if found is None:
        data = aws.read_object(bucket, newest.key, account)
        found = _parsed(data)
        if kept and data and found:
            kept.put(name, data)
    return found


def _parsed(data: bytes | None) -> Release | None:
    try:
        return record_from_json(data) if data else None
    except ValueError:
        return None


def records_plan(release: Release | None, plan: Plan) -> bool:
    """Whether the release deployed what the plan describes."""
    if release is None or release.result is not ReleaseResult.DEPLOYED:
        return False
    return _asked(release.roots) == _asked([_root(each) for each in plan.roots])


def _asked(roots: Iterable[RootRelease]) -> dict[str, tuple[str, Mapping[str, str]]]:
    return {each.root: (each.digest, each.parameters) for each in roots}


# --- looking back
# ---------------------------------------------------------------------------------------------------


def read_history(
    environment: str, bucket: str, account: str, aws: Storage, limit: int | None = 20
) -> History:
    """The last releases of an environment; a record that cannot be read is a warning. Raises
    AwsError."""
    numbers = sorted(_numbers(environment, bucket, account, aws), reverse=True)[:limit]
    problems: list[Problem] = []

    def read(number: int) -> Release | None:
        try:
            return _read(environment, number, bucket, account, aws)
        except InputError as error:
            problems.extend(replace(each, level=Level.WARNING) for each in error.problems)
            return None

    with ThreadPoolExecutor(PARALLEL) as pool:
        found = list(pool.map(read, numbers))
    return History(tuple(each for each in found if each), tuple(problems))


def load_release(number: int, environment: str, bucket: str, account: str, aws: Storage) -> Release:
    """One release; raises InputError where there is none, or its record cannot be read."""
    found = _read(environment, number, bucket, account, aws)
    if found is None:
        known = sorted(_numbers(environment, bucket, account, aws))
        hint = (
            f"there are {known[0]} to {known[-1]}; `history` lists them"
            if known
            else "nothing was released yet"
        )
        raise InputError.of("SW840", f"{environment} has no release {number}", hint=hint)
    return found


def _numbers(environment: str, bucket: str, account: str, aws: Storage) -> set[int]:
    return {number for number, _ in _records(environment, bucket, account, aws)}


def _records(
    environment: str, bucket: str, account: str, aws: Storage
) -> Iterator[tuple[int, StoredObject]]:
    for each in aws.objects(bucket, records_prefix(environment), account):
        number = number_of(each.key)
        if number is not None:
            yield number, each


def _read(environment: str, number: int, bucket: str, account: str, aws: Storage) -> Release | None:
    """What the last record of a release says: how it ended, or else what was going to be done."""
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
    """The newest release without an end, where one of its stacks is under way; ``busy`` are names
    of such stacks."""
    newest = max(releases, key=lambda each: each.number, default=None)
    if newest is None or newest.result is not None:
        return None
    under_way = any(root.stack in busy for root in newest.roots)
    return replace(newest, result=ReleaseResult.RUNNING) if under_way else None


def find_live_release(
    releases: Iterable[Release], live: Mapping[str, LiveStack | None]
) -> Release | None:
    """The newest release that all its live root stacks are as it made them, by templates and
    parameters.

    Another one than the last that was deployed means that somebody else changed the stacks since,
    by a rollback in CloudFormation's console for example; None, that the stacks are as no release
    made them.
    """
    ordered = sorted(releases, key=lambda each: each.number, reverse=True)
    return next(
        (
            each
            for each in ordered
            if each.roots and all(is_live(r, live.get(r.root)) for r in each.roots)
        ),
        None,
    )


def find_previous_release(
    releases: Iterable[Release], live: Mapping[str, LiveStack | None]
) -> Release | None:
    """The last release that was deployed before what is live, and is not that: the one that a
    rollback restores.

    A release that restored another counts as that one, so that rolling back twice goes back twice.
    One that may be what is live, but is not for certain, is taken: going back one too many would be
    worse than changing nothing.
    """
    good = {each.number: each for each in releases if each.result is ReleaseResult.DEPLOYED}
    now = find_live_release(good.values(), live)
    while now and now.restores in good:
        now = good[now.restores]
    earlier = (
        each
        for number, each in sorted(good.items(), reverse=True)
        if now is None or number < now.number
    )
    return next((each for each in earlier if not _is_all(each, live)), None)


def _is_all(release: Release, live: Mapping[str, LiveStack | None]) -> bool:
    """Whether just what a release deployed is live, tags and root stacks included, and nothing of
    it is unknown."""
    there = {name: each.stack.tags for name, each in live.items() if each is not None}
    same = {each.root: each.tags for each in release.roots} == there
    return same and all(
        is_live(each, live[each.root]) and not each.hidden for each in release.roots
    )


def is_live(root: RootRelease, live: LiveStack | None) -> bool:
    """Whether a root stack is as a release asked for it, and at rest. The root's text holds the
    hashes of its nested templates."""
    if live is None or not stack_status(live.stack.status).stable:
        return False
    same = all(live.stack.parameters.get(name) == value for name, value in root.parameters.items())
    return same and template_digest(live.template) == root.digest


def moved_roots(
    releases: Collection[Release], live: Mapping[str, LiveStack | None]
) -> list[Problem]:
    """A warning for every root stack at rest that is not as the last release left it: somebody else
    changed it, or the deployment that did has not come to its end."""
    ordered = sorted(releases, key=lambda each: each.number, reverse=True)
    found: list[Problem] = []
    for name, stack in live.items():
        if ordered and stack is not None and stack_status(stack.stack.status).stable:
            asked = [(each, root) for each in ordered for root in each.roots if root.root == name]
            found += _moved(stack, asked, ordered[-1].number)
    return found


def _moved(
    stack: LiveStack, asked: Sequence[tuple[Release, RootRelease]], first: int
) -> Iterator[Problem]:
    left = next(((each, root) for each, root in asked if root.ok), None)
    if left is None or is_live(left[1], stack):
        return
    match = next(((each, root) for each, root in asked if is_live(root, stack)), None)
    if match and not match[1].ok:
        message = f"{stack.stack.name} is as release {match[0].number} asked for, which did not come to its end"
        hint = "the next deployment goes on from there: it verifies what is live, and records it"
    else:
        state = (
            f"as release {match[0].number} made it"
            if match
            else f"as no release since {first} made it"
        )
        message = f"{stack.stack.name} is {state}, not as release {left[0].number}: it was changed outside of this tool"
        hint = "what is live is what a plan starts from; the next deployment changes it to what is rendered"
    yield Problem("SW848", message, (), hint, Level.WARNING)


# --- restoring
# ------------------------------------------------------------------------------------------------------


def release_targets(release: Release, aws: Storage) -> tuple[DesiredStack, ...]:
    """What the root stacks are asked to become again, templates read from the bucket and compared
    with their hashes.

    NoEcho parameters are not recorded: they are left out, so that their live values stay. Raises
    AwsError with all templates that are lost or altered.
    """
    wanted = [(root, name) for root in release.roots for name in root.templates]
    with ThreadPoolExecutor(PARALLEL) as pool:
        texts = list(pool.map(lambda each: _text(release, each[0], each[1], aws), wanted))
    problems = [text for text in texts if isinstance(text, Problem)]
    if problems:
        raise AwsError(problems)
    read = {
        name: text for (_, name), text in zip(wanted, texts, strict=True) if isinstance(text, str)
    }
    return tuple(
        DesiredStack(
            root=root.root,
            stack=root.stack,
            templates={name: read[name] for name in root.templates},
            urls={name: each.url for name, each in root.templates.items() if each.url},
            parameters=root.parameters,
            tags=root.tags,
            inline=root.inline,
        )
        for root in release.roots
    )


def _text(release: Release, root: RootRelease, name: str, aws: Storage) -> str | Problem:
    stored = root.templates[name]
    if not stored.url:
        return root.body
    place = artifact_key(stored.url)
    data = aws.read_object(release.bucket, place, release.account)
    if data is None:
        return _lost(
            release,
            f"the template of {name}, s3://{release.bucket}/{place}, does not exist any more",
        )
    if hashlib.sha256(data).hexdigest() != stored.sha256:
        return _lost(release, f"the template of {name}, s3://{release.bucket}/{place}, was altered")
    return data.decode()


def _lost(release: Release, message: str) -> Problem:
    commit = release.commit.removesuffix("-dirty")
    hint = (
        f"deploy commit {commit} instead: git checkout {commit}"
        if commit
        else "deploy the sources of that time"
    )
    return Problem("SW842", message, (), hint)


def artifact_key(url: str) -> str:
    """Key of an object by its virtual-hosted address."""
    return urlsplit(url).path.lstrip("/")


def find_missing_parts(release: Release, aws: Storage) -> list[Problem]:
    """What restoring the release needs and does not exist any more: templates, zips, images,
    versions of secrets."""
    pairs = [pair for pair in release.secrets.values() if pair[1]]
    checks: list[Callable[[], Problem | None]] = [
        *(partial(_missing_artifact, release, each, aws) for each in release.artifacts),
        *(partial(_missing_image, release, each, aws) for each in release.images.values()),
        *(partial(_missing_version, release, name, version, aws) for name, version in pairs),
    ]
    with ThreadPoolExecutor(PARALLEL) as pool:
        found = list(pool.map(lambda check: check(), checks))
    return [each for each in found if each]


def _missing_artifact(release: Release, place: str, aws: Storage) -> Problem | None:
    found = aws.object_checksum(release.bucket, place, release.account)
    if found is None:
        return _lost(release, f"s3://{release.bucket}/{place} does not exist any more")
    name = place.rpartition("/")[2].partition(".")[0]
    return None if found == name else _lost(release, f"s3://{release.bucket}/{place} was altered")


def _missing_image(release: Release, reference: str, aws: Storage) -> Problem | None:
    host, _, rest = reference.partition("/")
    repository, _, digest = rest.partition("@")
    if is_loopback(host):
        there = RegistryClient(host, aws.registry_login()).manifest(repository, digest) is not None
    else:
        there = aws.has_image(repository, digest)
    return None if there else _lost(release, f"the image {reference} does not exist any more")


def _missing_version(release: Release, name: str, version: str, aws: Storage) -> Problem | None:
    secret = aws.secret(name)
    if secret is None or secret.deleted is not None:
        state = "is being deleted" if secret else "does not exist any more"
        return _lost(release, f"the secret {name} {state}")
    if version not in secret.versions:
        return _lost(release, f"version {version} of the secret {name} does not exist any more")
    return None
