"""Calls to Secrets Manager, S3 and ECR."""

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
"""A login to the registry that expires sooner is renewed."""


class Secret(Struct, frozen=True):
    """A secret in Secrets Manager: version id -> staging labels, the time of its deletion where
    that is scheduled, and of its last change."""

    arn: str
    name: str
    versions: Mapping[str, Sequence[str]]
    deleted: datetime | None = None
    changed: datetime | None = None

    @property
    def current(self) -> str | None:
        """The version with the label AWSCURRENT; None before the first value."""
        return next(
            (version for version, labels in self.versions.items() if "AWSCURRENT" in labels), None
        )


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for a registry, valid for some hours; ``endpoint`` is a URL."""

    username: str
    password: str = field(repr=False)
    endpoint: str


class StoredObject(Struct, frozen=True):
    """An object in S3: its key, size in bytes, time of its last change, and ETag."""

    key: str
    size: int
    modified: datetime
    etag: str = ""


class Storage(Protocol):
    """Secrets, objects and repositories; every method raises AwsError."""

    def secret(self, name: str) -> Secret | None:
        """Secrets Manager DescribeSecret; None where the secret does not exist."""

    def secret_value(self, name: str, version: str) -> str:
        """Secrets Manager GetSecretValue: the text of one version; empty where the value is
        binary."""

    def put_secret_value(self, name: str, version: str, value: str) -> None:
        """Secrets Manager PutSecretValue; ``version``, a UUID, becomes the new version's id and
        AWSCURRENT.

        The call is idempotent: a repeated version and value change nothing.
        """

    def label_secret_version(
        self, name: str, version: str | None, label: str, *, holder: str | None = None
    ) -> None:
        """Secrets Manager UpdateSecretVersionStage: move a label from the version ``holder`` (None:
        no version has it) to ``version`` (None: to no version)."""

    def object_checksum(self, bucket: str, key: str, account: str) -> str | None:
        """S3 HeadObject: the object's SHA-256 in hex, empty without one; None where the object does
        not exist.

        ``account`` must own the bucket.
        """

    def put_object(self, bucket: str, key: str, data: bytes, sha256: str, account: str) -> None:
        """S3 PutObject; S3 compares the data with the SHA-256. ``account`` must own the bucket."""

    def registry_login(self) -> Login:
        """ECR GetAuthorizationToken."""

    def repositories(self, names: Sequence[str]) -> Mapping[str, str]:
        """ECR DescribeRepositories: name -> URI of the existing repositories."""

    def has_image(self, repository: str, digest: str) -> bool:
        """ECR DescribeImages: whether the repository has the digest ``sha256:…``."""

    def image(self, repository: str, tag: str) -> str | None:
        """ECR DescribeImages: the reference by digest (``host/repository@sha256:…``) of a tag; None
        where the tag does not exist."""

    def read_object(self, bucket: str, key: str, account: str) -> bytes | None:
        """S3 GetObject; None where the object does not exist."""

    def create_object(self, bucket: str, key: str, data: bytes, account: str) -> bool:
        """S3 PutObject unless the key exists (``If-None-Match: *``); whether it was created."""

    def objects(self, bucket: str, prefix: str, account: str) -> list[StoredObject]:
        """S3 ListObjectsV2, all pages."""

    def delete_object(self, bucket: str, key: str, account: str) -> None:
        """S3 DeleteObject; a versioned bucket keeps the content as a noncurrent version."""


class StorageCalls(Session):
    """`Storage` by botocore."""

    _login: Login | None = None
    _expires: datetime

    def secret(self, name: str) -> Secret | None:
        """Call DescribeSecret; ResourceNotFoundException gives None."""
        answer = self._find(
            "ResourceNotFoundException", "secretsmanager", "describe_secret", SecretId=name
        )
        if answer is None:
            return None
        versions = answer.get("VersionIdsToStages") or {}
        times = answer.get("DeletedDate"), answer.get("LastChangedDate")
        return Secret(answer["ARN"], answer["Name"], versions, *times)

    def secret_value(self, name: str, version: str) -> str:
        """Call GetSecretValue."""
        answer = self._call("secretsmanager", "get_secret_value", SecretId=name, VersionId=version)
        return str(answer.get("SecretString", ""))

    def put_secret_value(self, name: str, version: str, value: str) -> None:
        """Call PutSecretValue; no error message repeats the value."""
        arguments = {"SecretId": name, "ClientRequestToken": version, "SecretString": value}
        self._call("secretsmanager", "put_secret_value", hidden=[value], **arguments)

    def label_secret_version(
        self, name: str, version: str | None, label: str, *, holder: str | None = None
    ) -> None:
        """Call UpdateSecretVersionStage."""
        ids = {"MoveToVersionId": version, "RemoveFromVersionId": holder}
        arguments = {
            "SecretId": name,
            "VersionStage": label,
            **{key: id_ for key, id_ in ids.items() if id_},
        }
        self._call("secretsmanager", "update_secret_version_stage", **arguments)

    def object_checksum(self, bucket: str, key: str, account: str) -> str | None:
        """Call HeadObject with ChecksumMode ENABLED; 404 gives None."""
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
        """Call PutObject with the SHA-256 as checksum."""
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
        hint = "create it, or deploy the stack that makes it first; or correct deploy.bucket"
        raise AwsError.of("SW410", f"the bucket {bucket} does not exist", hint=hint)

    def registry_login(self) -> Login:
        """Call GetAuthorizationToken, and again an hour before the login expires: it is valid for
        twelve hours."""
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
        """Call DescribeRepositories for a hundred names at a time."""
        uris: dict[str, str] = {}
        for batch in (names[start : start + 100] for start in range(0, len(names), 100)):
            uris |= self._repositories(batch)
        return uris

    def _repositories(self, names: Sequence[str]) -> Mapping[str, str]:
        """Up to 100 repositories. A missing one fails the call for all; they are then requested one
        by one, side by side."""
        answer = self._find(
            "RepositoryNotFoundException",
            "ecr",
            "describe_repositories",
            repositoryNames=list(names),
        )
        if answer is not None:
            return {
                repository["repositoryName"]: str(repository["repositoryUri"])
                for repository in answer["repositories"]
            }
        if len(names) == 1:
            return {}
        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = pool.map(self._repositories, [[name] for name in names])
            return {key: uri for repository in answers for key, uri in repository.items()}

    def has_image(self, repository: str, digest: str) -> bool:
        """Call DescribeImages for the digest."""
        return bool(self._images(repository, {"imageDigest": digest}))

    def image(self, repository: str, tag: str) -> str | None:
        """Call DescribeImages for the tag, and build the host of a private registry.

        Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
        """
        for details in self._images(repository, {"imageTag": tag}):
            host = f"{details['registryId']}.dkr.ecr.{self._region}.{url_suffix(self._region)}"
            return f"{host}/{repository}@{details['imageDigest']}"
        return None

    def _images(self, repository: str, image: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        arguments: dict[str, Any] = {"repositoryName": repository, "imageIds": [image]}
        try:
            details: Sequence[Mapping[str, Any]] = self._call(
                "ecr", "describe_images", **arguments
            )["imageDetails"]
        except AwsError as error:
            if error.code not in ("ImageNotFoundException", "RepositoryNotFoundException"):
                raise
            return ()
        return details

    def read_object(self, bucket: str, key: str, account: str) -> bytes | None:
        """Call GetObject; NoSuchKey gives None."""
        answer = self._find(
            "NoSuchKey", "s3", "get_object", Bucket=bucket, Key=key, ExpectedBucketOwner=account
        )
        return None if answer is None else bytes(answer["Body"].read())

    def create_object(self, bucket: str, key: str, data: bytes, account: str) -> bool:
        """Call PutObject with IfNoneMatch; where the key exists, compare its content."""
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
        # botocore may have repeated the call after a lost answer: then the object is ours.
        return self.read_object(bucket, key, account) == data

    def objects(self, bucket: str, prefix: str, account: str) -> list[StoredObject]:
        """Call ListObjectsV2 for all pages."""
        arguments: dict[str, Any] = {
            "Bucket": bucket,
            "Prefix": prefix,
            "ExpectedBucketOwner": account,
        }
        objects: list[StoredObject] = []
        while True:
            answer = self._call("s3", "list_objects_v2", **arguments)
            objects += [
                StoredObject(item["Key"], item["Size"], item["LastModified"], item.get("ETag", ""))
                for item in answer.get("Contents") or ()
            ]
            if not answer.get("NextContinuationToken"):
                return objects
            arguments["ContinuationToken"] = answer["NextContinuationToken"]

    def delete_object(self, bucket: str, key: str, account: str) -> None:
        """Call DeleteObject without a version id."""
        self._call("s3", "delete_object", Bucket=bucket, Key=key, ExpectedBucketOwner=account)
