"""Artifacts to S3: only what is not there, several at a time, each with its checksum.

Objects are named by their content, so a run that was interrupted goes on where it stopped, two runs
cannot disagree, and what an older release refers to is never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

from msgspec import Struct

from ..aws import PARALLEL, Storage
from ..core import Artifact, AwsError, Bundle, Problem, S3Folder, StackwrightError


class Transfer(StrEnum):
    """What became of one artifact."""

    UPLOADED = "uploaded"
    PRESENT = "already there"
    REPAIRED = "was altered in the bucket, uploaded again"


class UploadResult(Struct, frozen=True):
    """Artifact names by what became of them."""

    transfers: dict[str, Transfer]

    def count(self, transfer: Transfer) -> int:
        """How many artifacts had this outcome."""
        return sum(each is transfer for each in self.transfers.values())


def upload_bundle(
    bundle: Bundle, account: str, aws: Storage, done: Callable[[Artifact], None] = lambda _: None
) -> UploadResult:
    """Bring the artifacts to the bundle's bucket, which must belong to ``account``; ``done`` is
    called for each.

    A bucket's name can be guessed and taken by others, so the owner is compared with every call. An
    object whose checksum is not that of its name was altered: it gets its content back. Raises
    StackwrightError with the problems of all artifacts; those that could be uploaded are there
    then, and are not sent again.
    """
    folder = bundle.folder
    if folder is None:
        raise ValueError("the bundle has relative addresses: it was packaged without a bucket")
    problems: dict[Problem, None] = {}
    transfers: dict[str, Transfer] = {}

    def send(artifact: Artifact) -> None:
        try:
            transfers[artifact.name] = _send(artifact, folder, account, aws)
        except AwsError as error:
            problems.update(dict.fromkeys(error.problems))
        done(artifact)

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(send, bundle.artifacts))
    if problems:
        raise StackwrightError(problems)
    return UploadResult({artifact.name: transfers[artifact.name] for artifact in bundle.artifacts})


def _send(artifact: Artifact, folder: S3Folder, account: str, aws: Storage) -> Transfer:
    key = folder.key(artifact.name)
    found = aws.object_checksum(folder.bucket, key, account)
    if found == artifact.sha256:
        return Transfer.PRESENT
    aws.put_object(folder.bucket, key, artifact.data, artifact.sha256, account)
    return Transfer.UPLOADED if found is None else Transfer.REPAIRED
