"""Upload artifacts to S3: only missing ones, several at a time, each with its checksum.

Objects are named by their content: an interrupted upload continues where it stopped, parallel
uploads cannot conflict, and artifacts of older releases are never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

from msgspec import Struct

from ..aws import PARALLEL, Storage
from ..core import Artifact, AwsError, Bundle, Problem, S3Folder, StackwrightError


class Transfer(StrEnum):
    """The outcome for one artifact."""

    UPLOADED = "uploaded"
    PRESENT = "already there"
    REPAIRED = "was altered in the bucket, uploaded again"


class UploadResult(Struct, frozen=True):
    """Artifact name -> outcome."""

    transfers: dict[str, Transfer]

    def count(self, transfer: Transfer) -> int:
        """How many artifacts had this outcome."""
        return sum(outcome is transfer for outcome in self.transfers.values())


def upload_bundle(
    bundle: Bundle, account: str, aws: Storage, done: Callable[[Artifact], None] = lambda _: None
) -> UploadResult:
    """Upload the artifacts to the bundle's bucket, which must belong to ``account``; ``done`` is
    called after each.

    The name of a bucket can be guessed and taken by others, so every call compares the owner. An
    object whose checksum differs from its name was altered, and is uploaded again. Raises
    StackwrightError with the problems of all artifacts; the other artifacts are uploaded by then.
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
    checksum = aws.object_checksum(folder.bucket, key, account)
    if checksum == artifact.sha256:
        return Transfer.PRESENT
    aws.put_object(folder.bucket, key, artifact.data, artifact.sha256, account)
    return Transfer.UPLOADED if checksum is None else Transfer.REPAIRED
