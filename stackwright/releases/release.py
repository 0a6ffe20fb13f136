"""Plan and outcomes -> Release: the numbered record of a deployment, in the bucket.

The records are an aid: no deployment depends on them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from msgspec.structs import replace

from ..artifacts import keep_release_images, keep_version
from ..aws import PARALLEL, Storage
from ..cfn import declared_keys
from ..diff import Effect
from ..plan import Outcome, Plan, RootAction, RootPlan
from .history import list_numbers
from .record import (
    ENDED,
    STARTED,
    Release,
    ReleaseResult,
    RootRelease,
    StoredTemplate,
    record_key,
    record_to_json,
    template_digest,
)
from .restore import artifact_key

if TYPE_CHECKING:
    from ..artifacts import ImageRegistry


def utc_now() -> datetime:
    """The time in UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def begin_release(
    plan: Plan,
    aws: Storage,
    *,
    tool: str,
    secret_names: Mapping[str, str],
    restores: int | None = None,
    orphaned: Mapping[str, str] | None = None,
    started: datetime | None = None,
) -> Release:
    """Take the next number and record the plan, before anything is changed; returns the release.

    ``plan.bucket`` must exist. ``secret_names`` are the secrets by their key under ``secrets``,
    ``orphaned`` the orphaned root stacks by their former name. Two deployments never get one
    number: S3 writes a record only where there is none. Raises AwsError.
    """
    if plan.bucket is None:
        raise ValueError(
            "there is no bucket yet: begin the release once the stack that makes it is deployed"
        )
    number = max(list_numbers(plan.environment, plan.bucket, plan.account, aws), default=0) + 1
    planned = _planned(plan, number, secret_names)
    names = {root.stack for root in planned.roots}
    left = {root: stack for root, stack in (orphaned or {}).items() if stack not in names}
    release = replace(
        planned,
        tool=tool,
        restores=restores,
        orphaned=left,
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
    """Record how a deployment ended: the ``plan`` as it was in the end, with the outcome of every
    root that was applied; returns the release.

    ``failed`` says what failed apart from the stacks, such as the verification. ``first`` is called
    with a release that was deployed, before it is recorded: later nobody would do it. Raises
    AwsError.
    """
    names = {key: name for key, (name, _) in release.secrets.items()}
    by_root = {outcome.root: outcome for outcome in outcomes}
    planned = _planned(plan, release.number, names)
    ended = replace(
        planned,
        started=release.started,
        tool=release.tool,
        restores=release.restores,
        orphaned=release.orphaned,
        run=release.run,
        roots=tuple(_applied(root, by_root.get(root.root)) for root in planned.roots),
        ended=utc_now(),
        result=_result(outcomes, failed),
        cause=_cause(outcomes) or failed,
    )
    if ended.result is ReleaseResult.DEPLOYED:
        first(ended)
    aws.create_object(*_place(ended, ENDED), record_to_json(ended), ended.account)
    return ended


def keep_release(release: Release, aws: Storage, registry: ImageRegistry | None) -> None:
    """Label the secret versions of a release and tag its images, so that neither expires.

    ``registry`` is None for a release without images. A tag is named by the digest that it keeps,
    so that any number of releases share it: an image can have 1,000 tags.
    """
    pairs = [pair for pair in release.secrets.values() if pair[1]]
    actions = [partial(keep_version, name, version, release.number, aws) for name, version in pairs]
    if registry is not None:
        tags = {
            reference: f"kept-{reference.rpartition(':')[2][:12]}"
            for reference in release.images.values()
        }
        actions += [
            partial(keep_release_images, reference, tag, registry)
            for reference, tag in tags.items()
        ]
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda action: action(), actions))


def _place(release: Release, name: str) -> tuple[str, str]:
    return release.bucket, record_key(release.environment, release.number, name)


def _planned(plan: Plan, number: int, secret_names: Mapping[str, str]) -> Release:
    effects = {
        str(effect): sum(root.diff.count(effect) for root in plan.roots) for effect in Effect
    }
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
        roots=tuple(_planned_root(root) for root in plan.roots),
        images=dict(plan.images),
        secrets={key: (name, plan.secrets.get(key, "")) for key, name in secret_names.items()},
        artifacts=tuple(_prefix(plan) + name for name in plan.artifacts),
        changes={**effects, "secrets": len(plan.secret_changes)},
    )


def _prefix(plan: Plan) -> str:
    """The prefix of the artifacts' keys, by the address of any template."""
    url = next((url for root in plan.roots for url in root.desired.urls.values()), "")
    return artifact_key(url).rpartition("/")[0] + "/" if "/" in artifact_key(url) else ""


def _planned_root(planned: RootPlan) -> RootRelease:
    desired = planned.desired
    declared = declared_keys(desired.body).parameters
    known = {name for name, parameter in declared.items() if not parameter.no_echo}
    return RootRelease(
        root=desired.root,
        stack=desired.stack,
        templates={
            name: StoredTemplate(
                desired.urls.get(name, ""), hashlib.sha256(text.encode()).hexdigest()
            )
            for name, text in desired.templates.items()
        },
        parameters={name: value for name, value in desired.parameters.items() if name in known},
        tags=dict(desired.tags),
        kind=str(planned.kind),
        hidden=tuple(name for name in desired.parameters if name not in known),
        inline=desired.inline,
        body="" if desired.urls else desired.body,
        digest=template_digest(desired.body),
        ok=planned.kind is RootAction.NOTHING,
    )


def _applied(root: RootRelease, outcome: Outcome | None) -> RootRelease:
    if outcome is None:
        return root
    seconds = (outcome.ended - outcome.began).total_seconds()
    return replace(root, status=outcome.status, ok=outcome.ok, seconds=round(seconds, 1))


def _result(outcomes: Sequence[Outcome], failed: str) -> ReleaseResult:
    failures = [outcome for outcome in outcomes if not outcome.ok]
    if failures and failures[-1].status.endswith("ROLLBACK_COMPLETE"):
        return ReleaseResult.ROLLED_BACK
    return ReleaseResult.FAILED if failures or failed else ReleaseResult.DEPLOYED


def _cause(outcomes: Sequence[Outcome]) -> str:
    causes = [outcome.cause for outcome in outcomes if outcome.cause and not outcome.ok]
    return f"{causes[0].address}: {causes[0].reason}" if causes else ""


def records_plan(release: Release | None, plan: Plan) -> bool:
    """Whether the release deployed what the plan describes."""
    if release is None or release.result is not ReleaseResult.DEPLOYED:
        return False
    return has_same_content(release, plan)


def has_same_content(release: Release, plan: Plan) -> bool:
    """Whether the release had the templates and parameters that the plan describes."""
    planned = [_planned_root(root) for root in plan.roots]
    return _content(release.roots) == _content(planned)


def _content(roots: Iterable[RootRelease]) -> dict[str, tuple[str, Mapping[str, str]]]:
    """(Template digest, parameters) by root."""
    return {root.root: (root.digest, root.parameters) for root in roots}
