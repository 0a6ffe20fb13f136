"""Calls to what keeps things: Secrets Manager, S3 and ECR."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from msgspec import Struct

from ..core import AwsError, url_suffix
from .session import PARALLEL, Session

_RENEWAL = timedelta(hours=1)
"""What a login to the registry must hold yet to be used again."""


class Secret(Struct, frozen=True):
    """A secret in Secrets Manager: version id -> staging labels, and since when it is scheduled for
    deletion."""

    arn: str
    name: str
    versions: Mapping[str, Sequence[str]]
    deleted: datetime | None = None

    @property
    def current(self) -> str | None:
        """The version with the label AWSCURRENT; None where no value was put yet."""
        return next(
            (version for version, labels in self.versions.items() if "AWSCURRENT" in labels), None
        )


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for a registry, good for some hours; ``endpoint`` is a URL."""

    username: str
    password: str = field(repr=False)
    endpoint: str


class StoredObject(Struct, frozen=True):
    """An object in S3: its key, bytes, when it was last written, and what stands for its content
    (ETag)."""

    key: str
    size: int
    modified: datetime
    etag: str = ""


class Storage(Protocol):
    """Secrets, objects and repositories; every method raises AwsError."""

    def secret(self, name: str) -> Secret | None:
        """Secrets Manager DescribeSecret; None where there is no secret of that name."""

    def secret_value(self, name: str, version: str) -> str:
        """Secrets Manager GetSecretValue: the text of one version; empty where the value is
        binary."""

    def put_secret_value(self, name: str, version: str, value: str) -> None:
        """Secrets Manager PutSecretValue; ``version``, a UUID, becomes the new version's id and
        AWSCURRENT.

        The same version and value may be put again: the call is idempotent.
        """

    def label_secret_version(
        self, name: str, version: str | None, label: str, *, holder: str | None = None
    ) -> None:
        """Secrets Manager UpdateSecretVersionStage: give a version, or none, the label that
        ``holder`` has so far."""

    def object_checksum(self, bucket: str, key: str, account: str) -> str | None:
        """S3 HeadObject: the object's SHA-256 in hex, empty where it has none; None where there is
        no object.

        ``account`` must own the bucket.
        """

    def put_object(self, bucket: str, key: str, data: bytes, sha256: str, account: str) -> None:
        """S3 PutObject; S3 compares the data with the SHA-256. ``account`` must own the bucket."""

    def registry_login(self) -> Login:
        """ECR GetAuthorizationToken."""

    def repositories(self, names: Sequence[str]) -> Mapping[str, str]:
        """ECR DescribeRepositories: name -> URI of those that exist."""

    def has_image(self, repository: str, digest: str) -> bool:
        """ECR DescribeImages: whether the repository has what has the digest ``sha256:…``."""

    def image(self, repository: str, tag: str) -> str | None:
        """ECR DescribeImages: the reference by digest (``host/repository@sha256:…``) of what has
        the tag; None where nothing has."""

    def read_object(self, bucket: str, key: str, account: str) -> bytes | None:
        """S3 GetObject; None where there is no object."""

    def create_object(self, bucket: str, key: str, data: bytes, account: str) -> bool:
        """S3 PutObject where there is none of that key (``If-None-Match: *``); False where there is
        one."""

    def objects(self, bucket: str, prefix: str, account: str) -> list[StoredObject]:
        """S3 ListObjectsV2, all pages."""

    def delete_object(self, bucket: str, key: str, account: str) -> None:
        """S3 DeleteObject: in a versioned bucket the content stays, as a noncurrent version."""


class StorageCalls(Session):
    """`Storage` by botocore."""

    _login: Login | None = None
    _expires: datetime

    def secret(self, name: str) -> Secret | None:
        """See `Storage`."""
        answer = self._find(
            "ResourceNotFoundException", "secretsmanager", "describe_secret", SecretId=name
        )
        if answer is None:
            return None
        versions = answer.get("VersionIdsToStages") or {}
        return Secret(answer["ARN"], answer["Name"], versions, answer.get("DeletedDate"))

    def secret_value(self, name: str, version: str) -> str:
        """See `Storage`."""
        answer = self._call("secretsmanager", "get_secret_value", SecretId=name, VersionId=version)
        return str(answer.get("SecretString", ""))

    def put_secret_value(self, name: str, version: str, value: str) -> None:
        """See `Storage`."""
        arguments = {"SecretId": name, "ClientRequestToken": version, "SecretString": value}
        self._call("secretsmanager", "put_secret_value", hidden=[value], **arguments)

    def label_secret_version(
        self, name: str, version: str | None, label: str, *, holder: str | None = None
    ) -> None:
        """See `Storage`."""
        ids = {"MoveToVersionId": version, "RemoveFromVersionId": holder}
        arguments = {
            "SecretId": name,
            "VersionStage": label,
            **{key: id_ for key, id_ in ids.items() if id_},
        }
        self._call("secretsmanager", "update_secret_version_stage", **arguments)

    def object_checksum(self, bucket: str, key: str, account: str) -> str | None:
        """See `Storage`."""
        arguments = {
            "Bucket": bucket,
            "Key": key,
            "ExpectedBucketOwner": account,
            "ChecksumMode": "ENABLED",
        }
        answer = self._find("404", "s3", "head_object", **arguments)
        if answer is None:
            return None
        return base64.b64decode(answer.get("ChecksumSHA256", "")).hex()

    def put_object(self, bucket: str, key: str, data: bytes, sha256: str, account: str) -> None:
        """See `Storage`."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        arguments: dict[str, Any] = {
            "Bucket": bucket,
            "Key": key,
            "Body": data,
            "ExpectedBucketOwner": account,
        }
        try:
            self._call(
                "s3", "put_object", ChecksumAlgorithm="SHA256", ChecksumSHA256=checksum, **arguments
            )
        except AwsError as error:
            if error.code != "NoSuchBucket":
                raise
        else:
            return
        hint = "deploy the stack that makes it first"
        raise AwsError.of("SW410", f"there is no bucket {bucket}", hint=hint)

    def registry_login(self) -> Login:
        """See `Storage`. Asked for again when it is about to expire: a login holds for twelve
        hours."""
        if self._login is None or self._expires - datetime.now(UTC) < _RENEWAL:
            data = self._call("ecr", "get_authorization_token")["authorizationData"][0]
            username, _, password = (
                base64.b64decode(data["authorizationToken"]).decode().partition(":")
            )
            self._expires, self._login = (
                data["expiresAt"],
                Login(username, password, data["proxyEndpoint"]),
            )
        return self._login

    def repositories(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `Storage`."""
        found: dict[str, str] = {}
        for some in (names[start : start + 100] for start in range(0, len(names), 100)):
            found |= self._repositories(some)
        return found

    def _repositories(self, names: Sequence[str]) -> Mapping[str, str]:
        """At most 100. One call fails for all where one is missing: then each is asked for by
        itself, side by side."""
        answer = self._find(
            "RepositoryNotFoundException",
            "ecr",
            "describe_repositories",
            repositoryNames=list(names),
        )
        if answer is not None:
            return {
                each["repositoryName"]: str(each["repositoryUri"])
                for each in answer["repositories"]
            }
        if len(names) == 1:
            return {}
        with ThreadPoolExecutor(PARALLEL) as pool:
            found = pool.map(self._repositories, [[name] for name in names])
            return {key: uri for each in found for key, uri in each.items()}

    def has_image(self, repository: str, digest: str) -> bool:
        """See `Storage`."""
        return bool(self._images(repository, {"imageDigest": digest}))

    def image(self, repository: str, tag: str) -> str | None:
        """See `Storage`. The host is that of private registries.

        Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
        """
        for each in self._images(repository, {"imageTag": tag}):
            host = f"{each['registryId']}.dkr.ecr.{self._region}.{url_suffix(self._region)}"
            return f"{host}/{repository}@{each['imageDigest']}"
        return None

    def _images(self, repository: str, image: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        arguments: dict[str, Any] = {"repositoryName": repository, "imageIds": [image]}
        try:
            found: Sequence[Mapping[str, Any]] = self._call("ecr", "describe_images", **arguments)[
                "imageDetails"
            ]
        except AwsError as error:
            if error.code not in ("ImageNotFoundException", "RepositoryNotFoundException"):
                raise
            return ()
        return found

    def read_object(self, bucket: str, key: str, account: str) -> bytes | None:
        """See `Storage`."""
        answer = self._find(
            "NoSuchKey", "s3", "get_object", Bucket=bucket, Key=key, ExpectedBucketOwner=account
        )
        return None if answer is None else bytes(answer["Body"].read())

    def create_object(self, bucket: str, key: str, data: bytes, account: str) -> bool:
        """See `Storage`."""
        arguments: dict[str, Any] = {
            "Bucket": bucket,
            "Key": key,
            "Body": data,
            "ExpectedBucketOwner": account,
        }
        try:
            self._call("s3", "put_object", IfNoneMatch="*", **arguments)
        except AwsError as error:
            if error.code not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise
        else:
            return True
        # The call may have been made twice, its first answer lost on the way: then the object is
        # ours.
        return self.read_object(bucket, key, account) == data

    def objects(self, bucket: str, prefix: str, account: str) -> list[StoredObject]:
        """See `Storage`."""
        arguments: dict[str, Any] = {
            "Bucket": bucket,
            "Prefix": prefix,
            "ExpectedBucketOwner": account,
        }
        found: list[StoredObject] = []
        while True:
            answer = self._call("s3", "list_objects_v2", **arguments)
            found += [
                StoredObject(o["Key"], o["Size"], o["LastModified"], o.get("ETag", ""))
                for o in answer.get("Contents") or ()
            ]
            if not answer.get("NextContinuationToken"):
                return found
            arguments["ContinuationToken"] = answer["NextContinuationToken"]

    def delete_object(self, bucket: str, key: str, account: str) -> None:
        """See `Storage`."""
        self._call("s3", "delete_object", Bucket=bucket, Key=key, ExpectedBucketOwner=account)
