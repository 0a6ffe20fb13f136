"""Release -> the desired stacks that restore it, and the parts of it that no longer exist."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..aws import PARALLEL, Storage
from ..core import AwsError, Problem
from ..plan import DesiredStack
from .record import (
    Release,
    RootRelease,
)

if TYPE_CHECKING:
    pass


def build_restored_stacks(release: Release, aws: Storage) -> tuple[DesiredStack, ...]:
    """The desired stacks that restore a release; templates are read from the bucket and compared
    with their hashes.

    NoEcho parameters are not recorded: they are left out, so that their live values stay. Raises
    AwsError with all templates that are missing or altered.
    """
    wanted = [(root, name) for root in release.roots for name in root.templates]
    with ThreadPoolExecutor(PARALLEL) as pool:
        texts = list(pool.map(lambda pair: _text(release, pair[0], pair[1], aws), wanted))
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
            urls={name: item.url for name, item in root.templates.items() if item.url},
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
    """Return a problem for each part of a release that no longer exists.

    Parts are templates, zips, images and versions of secrets. Raises AwsError.
    """
    pairs = [pair for pair in release.secrets.values() if pair[1]]
    checks: list[Callable[[], Problem | None]] = [
        *(partial(_missing_artifact, release, key, aws) for key in release.artifacts),
        *(partial(_missing_image, release, image, aws) for image in release.images.values()),
        *(partial(_missing_version, release, name, version, aws) for name, version in pairs),
    ]
    with ThreadPoolExecutor(PARALLEL) as pool:
        problems = list(pool.map(lambda check: check(), checks))
    return [problem for problem in problems if problem]


def _missing_artifact(release: Release, place: str, aws: Storage) -> Problem | None:
    checksum = aws.object_checksum(release.bucket, place, release.account)
    if checksum is None:
        return _lost(release, f"s3://{release.bucket}/{place} does not exist any more")
    name = place.rpartition("/")[2].partition(".")[0]
    return (
        None if checksum == name else _lost(release, f"s3://{release.bucket}/{place} was altered")
    )


def _missing_image(release: Release, reference: str, aws: Storage) -> Problem | None:
    from ..artifacts import RegistryClient, is_loopback

    host, _, rest = reference.partition("/")
    repository, _, digest = rest.partition("@")
    if is_loopback(host):
        exists = RegistryClient(host, aws.registry_login()).manifest(repository, digest) is not None
    else:
        exists = aws.has_image(repository, digest)
    return None if exists else _lost(release, f"the image {reference} does not exist any more")


def _missing_version(release: Release, name: str, version: str, aws: Storage) -> Problem | None:
    secret = aws.secret(name)
    if secret is None or secret.deleted is not None:
        state = "is being deleted" if secret else "does not exist any more"
        return _lost(release, f"the secret {name} {state}")
    if version not in secret.versions:
        return _lost(release, f"version {version} of the secret {name} does not exist any more")
    return None
