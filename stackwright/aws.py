"""The only importer of boto3: narrow typed calls, and the Protocol that stages depend on and fakes implement.

Credentials, profile, endpoint and proxies come from where boto3 takes them; nothing here changes them. What AWS
refuses becomes an AwsError with a code, the call, and the next step. boto3 is imported at the first call.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from .errors import AwsError

ATTEMPTS = 8
"""Tries of one call in botocore's standard mode: with its back-off about a minute of throttling or 5xx is absorbed."""

_NO_CREDENTIALS = "log in (aws sso login), or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_EXPIRED = "log in again (aws sso login, or renew the session), then run the same command; nothing is lost"
_UNREACHABLE = "look at the network, HTTPS_PROXY and AWS_ENDPOINT_URL, then run it again"
_INTERCEPTED = "look at AWS_ENDPOINT_URL and HTTPS_PROXY: a proxy or a sign-in page may stand in between"
_EXPIRED_CODES = frozenset(("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"))
_UNKNOWN_CODES = frozenset(
    ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException")
)
_DENIED_CODES = frozenset(
    ("403", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized")
)
_BUSY_CODES = frozenset(
    ("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "TooManyRequestsException",
     "RequestLimitExceeded", "SlowDown", "InternalFailure", "InternalError", "InternalServiceError",
     "InternalServerError", "ServiceUnavailable", "ServiceUnavailableException", "ServerException")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling: the account's twelve digits, and the ARN of the user or role."""

    account: str
    arn: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in Secrets Manager: version id -> staging labels, and since when it is scheduled for deletion."""

    arn: str
    name: str
    versions: Mapping[str, Sequence[str]]
    deleted: datetime | None = None

    @property
    def current(self) -> str | None:
        """The version with the label AWSCURRENT; None where no value was put yet."""
        return next((version for version, labels in self.versions.items() if "AWSCURRENT" in labels), None)


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for a registry, good for some hours; ``endpoint`` is a URL."""

    username: str
    password: str = field(repr=False)
    endpoint: str


class Aws(Protocol):
    """The calls to AWS that the stages make; every method raises AwsError."""

    def caller(self) -> Caller:
        """STS GetCallerIdentity, which needs no permission."""

    def secret(self, name: str) -> Secret | None:
        """Secrets Manager DescribeSecret; None where there is no secret of that name."""

    def secret_value(self, name: str, version: str) -> str:
        """Secrets Manager GetSecretValue: the text of one version; empty where the value is binary."""

    def put_secret_value(self, name: str, version: str, value: str) -> None:
        """Secrets Manager PutSecretValue; ``version``, a UUID, becomes the new version's id and AWSCURRENT.

        The same version and value may be put again: the call is idempotent.
        """

    def label_secret_version(self, name: str, version: str, label: str) -> None:
        """Secrets Manager UpdateSecretVersionStage: give a label that no other version has."""

    def object_checksum(self, bucket: str, key: str, account: str) -> str | None:
        """S3 HeadObject: the object's SHA-256 in hex, empty where it has none; None where there is no object.

        ``account`` must own the bucket.
        """

    def put_object(self, bucket: str, key: str, data: bytes, sha256: str, account: str) -> None:
        """S3 PutObject; S3 compares the data with the SHA-256. ``account`` must own the bucket."""

    def registry_login(self) -> Login:
        """ECR GetAuthorizationToken."""

    def repositories(self, names: Sequence[str]) -> Mapping[str, str]:
        """ECR DescribeRepositories: name -> URI of those that exist."""


def connect(account: str | None, region: str, aws: Aws | None = None) -> Aws:
    """AWS, once account and region are known to be those of the parameters; ``account`` None is not compared.

    Raises AwsError before anything was read or changed: SW401 no credentials, SW404 another account, SW405 another
    Region.
    """
    made = aws if aws is not None else Boto(region)
    caller = made.caller()
    if account is not None and caller.account != account:
        message = f"the credentials are for account {caller.account}, the parameters for {account}"
        hint = f"use credentials of {account} (AWS_PROFILE); now: {caller.arn}"
        raise AwsError.of("SW404", message, hint=hint)
    return made


class Boto:
    """`Aws` by boto3; clients are made at their first use, once, and may be shared by threads."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._session: Any = None

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        if self._session is None:
            self._session = boto3.Session()
            self._require_region(self._session.region_name)
        settings: dict[str, Any] = {"connect_timeout": 10, "read_timeout": 60, "user_agent_extra": "stackwright"}
        if "AWS_RETRY_MODE" not in os.environ and "AWS_MAX_ATTEMPTS" not in os.environ:
            settings["retries"] = {"mode": "standard", "total_max_attempts": ATTEMPTS}
        return self._session.client(service, region_name=self._region, config=Config(**settings))

    def _require_region(self, configured: str | None) -> None:
        if configured is not None and configured != self._region:
            message = f"the AWS configuration names the Region {configured}, the parameters {self._region}"
            hint = f"if the parameters are right: AWS_REGION={self._region}"
            raise AwsError.of("SW405", message, hint=hint)

    def _call(self, service: str, operation: str, *, hidden: Sequence[str] = (), **arguments: Any) -> Any:
        """One call; ``hidden`` texts are cut out of whatever is said about a failure."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            client = self._client(service)
            return getattr(client, operation)(**arguments)
        except (BotoCoreError, ClientError, ResponseParserError, ValueError) as error:
            failure: Exception = error
        # Raised outside of the handler: a chained botocore error may hold the request, secret value included.
        raise _translated(failure, f"{service}:{_pascal(operation)}", hidden)

    def _find(self, missing: str, service: str, operation: str, **arguments: Any) -> Any:
        """The answer, or None where AWS says that it does not exist, with the error code ``missing``."""
        try:
            return self._call(service, operation, **arguments)
        except AwsError as error:
            if error.code == missing:
                return None
            raise

    def caller(self) -> Caller:
        """See `Aws`."""
        answer = self._call("sts", "get_caller_identity")
        return Caller(answer["Account"], answer["Arn"])

    def secret(self, name: str) -> Secret | None:
        """See `Aws`."""
        answer = self._find("ResourceNotFoundException", "secretsmanager", "describe_secret", SecretId=name)
        if answer is None:
            return None
        versions = answer.get("VersionIdsToStages") or {}
        return Secret(answer["ARN"], answer["Name"], versions, answer.get("DeletedDate"))

    def secret_value(self, name: str, version: str) -> str:
        """See `Aws`."""
        answer = self._call("secretsmanager", "get_secret_value", SecretId=name, VersionId=version)
        return str(answer.get("SecretString", ""))

    def put_secret_value(self, name: str, version: str, value: str) -> None:
        """See `Aws`."""
        arguments = {"SecretId": name, "ClientRequestToken": version, "SecretString": value}
        self._call("secretsmanager", "put_secret_value", hidden=[value], **arguments)

    def label_secret_version(self, name: str, version: str, label: str) -> None:
        """See `Aws`."""
        arguments = {"SecretId": name, "VersionStage": label, "MoveToVersionId": version}
        self._call("secretsmanager", "update_secret_version_stage", **arguments)

    def object_checksum(self, bucket: str, key: str, account: str) -> str | None:
        """See `Aws`."""
        arguments = {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": account, "ChecksumMode": "ENABLED"}
        answer = self._find("404", "s3", "head_object", **arguments)
        if answer is None:
            return None
        return base64.b64decode(answer.get("ChecksumSHA256", "")).hex()

    def put_object(self, bucket: str, key: str, data: bytes, sha256: str, account: str) -> None:
        """See `Aws`."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        arguments: dict[str, Any] = {"Bucket": bucket, "Key": key, "Body": data, "ExpectedBucketOwner": account}
        try:
            self._call("s3", "put_object", ChecksumAlgorithm="SHA256", ChecksumSHA256=checksum, **arguments)
        except AwsError as error:
            if error.code != "NoSuchBucket":
                raise
        else:
            return
        hint = "deploy the stack that makes it first"
        raise AwsError.of("SW410", f"there is no bucket {bucket}", hint=hint)

    def registry_login(self) -> Login:
        """See `Aws`."""
        data = self._call("ecr", "get_authorization_token")["authorizationData"][0]
        username, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return Login(username, password, data["proxyEndpoint"])

    def repositories(self, names: Sequence[str]) -> Mapping[str, str]:
        """See `Aws`."""
        found = {}
        for name in names:  # one call for all would fail for all where one is missing
            answer = self._find("RepositoryNotFoundException", "ecr", "describe_repositories", repositoryNames=[name])
            if answer is not None:
                found[name] = str(answer["repositories"][0]["repositoryUri"])
        return found


def _pascal(operation: str) -> str:
    return "".join(part.capitalize() for part in operation.split("_"))


def _translated(error: Exception, call: str, hidden: Sequence[str]) -> AwsError:
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return _refused(error, call, hidden)
    return _not_called(error, call, hidden)


def _refused(error: Any, call: str, hidden: Sequence[str]) -> AwsError:
    """What AWS answered, by its error code."""
    details = error.response.get("Error", {})
    aws_code = str(details.get("Code", ""))
    said = "" if hidden else str(details.get("Message", ""))  # AWS may repeat what it was given
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if aws_code in _EXPIRED_CODES:
        code, message, hint = "SW402", f"the credentials have expired ({call})", _EXPIRED
    elif aws_code in _UNKNOWN_CODES:
        code, message, hint = "SW401", f"AWS does not know the credentials ({call}: {aws_code})", _NO_CREDENTIALS
    elif aws_code in _DENIED_CODES:
        code, message, hint = "SW403", f"not allowed: {call}", "give the role that deploys this permission"
    elif aws_code in _BUSY_CODES or status >= 500:
        code, message, hint = "SW407", f"AWS is busy or failing, {call}: {aws_code}, after retries", "run it again"
    else:
        code, message, hint = "SW408", f"AWS refused {call} ({aws_code})", ""
    made = AwsError.of(code, f"{message}: {said}" if said else message, hint=hint)
    made.code = aws_code
    return made


def _not_called(error: Exception, call: str, hidden: Sequence[str]) -> AwsError:
    """What kept botocore from calling, or from hearing the answer."""
    from botocore import exceptions as raised
    from botocore.parsers import ResponseParserError

    said = "" if hidden else f": {error}"
    config = f"the AWS configuration is wrong{said}"
    cases: Sequence[tuple[tuple[type[Exception], ...], str, str, str]] = (
        ((raised.NoCredentialsError, raised.PartialCredentialsError), "SW401", "no AWS credentials", _NO_CREDENTIALS),
        (_expired_errors(raised), "SW402", "the login has expired", _EXPIRED),
        ((raised.CredentialRetrievalError,), "SW401", f"the credentials cannot be fetched{said}", _NO_CREDENTIALS),
        ((raised.ProfileNotFound, raised.ConfigParseError), "SW409", config, "aws configure list-profiles"),
        ((ResponseParserError,), "SW406", f"what answered {call} is not AWS", _INTERCEPTED),
        ((raised.HTTPClientError, raised.ConnectionError), "SW406", f"no answer to {call}{said}", _UNREACHABLE),
        ((ValueError,), "SW409", config, "look at AWS_ENDPOINT_URL"),
    )
    for kinds, code, message, hint in cases:
        if isinstance(error, kinds):
            return AwsError.of(code, message, hint=hint)
    return AwsError.of("SW408", f"{call} failed ({type(error).__name__}){said}")


def _expired_errors(raised: Any) -> tuple[type[Exception], ...]:
    return (raised.SSOError, raised.LoginError, raised.TokenRetrievalError)
