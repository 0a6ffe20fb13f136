"""A session of botocore: its clients, one function for all calls, and errors as AwsError.

Credentials, profile, endpoint and proxies come from the sources that boto3 reads; nothing here
changes them. boto3 itself is not used: its clients are botocore's, and its resources and transfers
would only cost import time. botocore is imported at the first call.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from ..core import AwsError, Cache, mask_text

_LOGGER = logging.getLogger(__name__)

ATTEMPTS = 8
"""Attempts of one call in botocore's standard retry mode: with its back-off they outlast about a
minute of throttling or 5xx answers."""

PARALLEL = 24
"""Parallel calls, and connections of a client: a dozen nested stacks are read at once. `polling`
spaces repeated rounds."""

NO_CREDENTIALS = frozenset(("SW401", "SW402"))
"""Codes of an AwsError without valid credentials: no other call can succeed."""

_NO_CREDENTIALS_HINT = (
    "log in (aws sso login), or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_EXPIRED = (
    "log in again (aws sso login, or renew the session), then run this command again; "
    "nothing is lost"
)
_UNREACHABLE = "check the network, HTTPS_PROXY and AWS_ENDPOINT_URL, then run the command again"
_INTERCEPTED = "check AWS_ENDPOINT_URL and HTTPS_PROXY: a proxy or a sign-in page may have answered"
_EXPIRED_CODES = frozenset(
    ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
)
_CLOCK = (
    "set the clock of this machine (timedatectl set-ntp true), then run the same command;"
    " nothing is lost"
)
_SKEWED = re.compile(r"Signature (expired|not yet current)|RequestTimeTooSkewed|RequestInTheFuture")
"""In error codes and messages.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html"""
_UNKNOWN_CODES = frozenset(
    (
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
    )
)
_DENIED_CODES = frozenset(
    (
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
        "NotAuthorized",
    )
)
_BUSY_CODES = frozenset(
    (
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "InternalFailure",
        "InternalError",
        "InternalServiceError",
        "InternalServerError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ServerException",
    )
)
_TOKENS = {"NextToken": "NextToken", "nextToken": "nextToken", "NextMarker": "Marker"}
"""Field of an answer with a further page -> the argument that requests that page."""


class Session:
    """Clients in one Region, created at their first use and shared by threads. ``cache`` speeds up
    the loading of service models (`data_loader`)."""

    def __init__(self, region: str, cache: Cache | None = None) -> None:
        self._region = region
        self._kept = cache
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._session: Any = None

    def prepare(self, *services: str) -> None:
        """Create clients before their first use, while other calls are in flight. A failure is
        raised at the first use."""
        from botocore.exceptions import BotoCoreError

        with suppress(BotoCoreError, ValueError):
            for service in services:
                self._client(service)

    def credentials_account(self) -> str | None:
        """The account in the credentials, read without a call; None where they name none, or cannot
        be loaded. Raises AwsError: SW405.

        Credentials of a role or of an SSO login name their account, others by AWS_ACCOUNT_ID or
        ``aws_account_id`` of the profile. Source:
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-account-endpoints.html
        """
        from botocore.exceptions import BotoCoreError

        with self._lock, suppress(BotoCoreError, ValueError):
            credentials = self._open_session().get_credentials()
            account = credentials.get_frozen_credentials().account_id if credentials else None
            return str(account) if account else None
        return None

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._create_client(service)
            return self._clients[service]

    def _create_client(self, service: str) -> Any:
        from botocore.config import Config

        settings: dict[str, Any] = {
            "connect_timeout": 10,
            "read_timeout": 60,
            "max_pool_connections": PARALLEL,
        }
        settings["user_agent_extra"] = "stackwright"
        if "AWS_RETRY_MODE" not in os.environ and "AWS_MAX_ATTEMPTS" not in os.environ:
            settings["retries"] = {"mode": "standard", "total_max_attempts": ATTEMPTS}
        return self._open_session().create_client(
            service, region_name=self._region, config=Config(**settings)
        )

    def _open_session(self) -> Any:
        """The session of botocore. Raises AwsError (SW405) for a configuration of another
        Region."""
        import botocore.session

        if self._session is None:
            from .data_loader import FastLoader

            self._session = botocore.session.get_session()
            loader = FastLoader(self._session.get_component("data_loader"), self._kept)
            self._session.register_component("data_loader", loader)
            parsers = self._session.get_component("response_parser_factory")
            parsers.set_parser_defaults(timestamp_parser=_parse_time)
            # botocore ignores AWS_REGION; the other SDKs and version 2 of the AWS CLI use it.
            self._require_region(
                os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
            )
        return self._session

    def _require_region(self, configured: str | None) -> None:
        if configured is not None and configured != self._region:
            message = (
                f"the AWS configuration is for the Region {configured},"
                f" the parameters for {self._region}"
            )
            hint = f"if the parameters are right: AWS_REGION={self._region}"
            raise AwsError.of("SW405", message, hint=hint)

    def _call(
        self, service: str, operation: str, /, *, hidden: Sequence[str] = (), **arguments: Any
    ) -> Any:
        """Make one call. Raises AwsError; with ``hidden`` texts (secret values) its message repeats
        nothing that AWS or botocore say."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        begun = time.perf_counter()
        try:
            client = self._client(service)
            answer = getattr(client, operation)(**arguments)
            _log_call(service, operation, begun, answer)
            return answer
        except (BotoCoreError, ClientError, ResponseParserError, ValueError) as error:
            _log_call(service, operation, begun, getattr(error, "response", {}), error)
            failure: Exception = error
        # Raised outside of the handler: a chained botocore error may hold the request with a secret
        # value.
        raise _translate(failure, f"{service}:{_pascal_case(operation)}", hidden)

    def _find(self, missing: str, service: str, operation: str, /, **arguments: Any) -> Any:
        """The answer of a call; None where it fails with the error code ``missing``."""
        try:
            return self._call(service, operation, **arguments)
        except AwsError as error:
            if error.code == missing:
                return None
            raise

    def _pages(self, service: str, operation: str, key: str, /, **arguments: Any) -> list[Any]:
        """The items under ``key`` of every page."""
        items: list[Any] = []
        token: dict[str, str] = {}
        while True:
            answer = self._call(service, operation, **arguments, **token)
            items += answer.get(key) or []
            more = next((field for field in _TOKENS if answer.get(field)), None)
            if more is None:
                return items
            token = {_TOKENS[more]: answer[more]}


def _parse_time(value: Any) -> datetime:
    """Parse a time of an answer. Python parses ISO 8601 in a fraction of botocore's time, which
    was a sixth of a deployment's own: every event has a time."""
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        time = None
    if time is not None and time.tzinfo is not None:
        return time
    from botocore.utils import parse_timestamp

    parsed: datetime = parse_timestamp(value)
    return parsed


def _log_call(
    service: str, operation: str, begun: float, answer: Any, error: Exception | None = None
) -> None:
    """Log a call with its duration, its request id, and the code of an error; neither arguments nor
    answers: they may hold secret values."""
    details = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
    code = answer.get("Error", {}).get("Code", "") if isinstance(answer, dict) else ""
    _LOGGER.debug(
        "aws %s:%s %.0f ms%s%s %s",
        service,
        _pascal_case(operation),
        (time.perf_counter() - begun) * 1000,
        f", {details['RetryAttempts']} retries" if details.get("RetryAttempts") else "",
        f", {code or type(error).__name__}" if error else "",
        details.get("RequestId", "without a request id"),
    )


def _pascal_case(operation: str) -> str:
    return "".join(part.capitalize() for part in operation.split("_"))


def _translate(error: Exception, call: str, hidden: Sequence[str]) -> AwsError:
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return _translate_refusal(error, call, hidden)
    return _translate_failure(error, call, hidden)


def _translate_refusal(error: Any, call: str, hidden: Sequence[str]) -> AwsError:
    """An error that AWS returned, by its code."""
    details = error.response.get("Error", {})
    aws_code = str(details.get("Code", ""))
    message_of_aws = (
        "" if hidden else mask_text(str(details.get("Message", "")))
    )  # AWS may repeat what it was given
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if _SKEWED.search(f"{aws_code} {details.get('Message', '')}"):
        code, message, hint = (
            "SW411",
            f"the clock of this machine is wrong ({call}: {aws_code})",
            _CLOCK,
        )
    elif aws_code in _EXPIRED_CODES:
        code, message, hint = "SW402", f"the credentials have expired ({call})", _EXPIRED
    elif aws_code in _UNKNOWN_CODES:
        code, message, hint = (
            "SW401",
            f"AWS does not know the credentials ({call}: {aws_code})",
            _NO_CREDENTIALS_HINT,
        )
    elif aws_code in _DENIED_CODES:
        code, message, hint = (
            "SW403",
            f"not allowed: {call}",
            "grant this permission to the role that deploys",
        )
    elif aws_code in _BUSY_CODES or status >= 500:
        code, message, hint = (
            "SW407",
            f"AWS is busy or failing, {call}: {aws_code}, after retries",
            "run the command again",
        )
    else:
        code, message, hint = "SW408", f"AWS refused {call} ({aws_code})", ""
    refusal = AwsError.of(
        code, f"{message}: {message_of_aws}" if message_of_aws else message, hint=hint
    )
    refusal.code = aws_code
    return refusal


def _translate_failure(error: Exception, call: str, hidden: Sequence[str]) -> AwsError:
    """An error before the call, or without an answer of AWS."""
    from botocore import exceptions as raised
    from botocore.parsers import ResponseParserError

    said = "" if hidden else f": {error}"
    config = f"the AWS configuration is wrong{said}"
    cases: Sequence[tuple[tuple[type[Exception], ...], str, str, str]] = (
        (
            (raised.NoCredentialsError, raised.PartialCredentialsError),
            "SW401",
            "no AWS credentials",
            _NO_CREDENTIALS_HINT,
        ),
        (_expired_errors(raised), "SW402", "the login has expired", _EXPIRED),
        (
            (raised.CredentialRetrievalError,),
            "SW401",
            f"the credentials cannot be fetched{said}",
            _NO_CREDENTIALS_HINT,
        ),
        (
            (raised.ProfileNotFound, raised.ConfigParseError),
            "SW409",
            config,
            "aws configure list-profiles",
        ),
        (
            (ResponseParserError,),
            "SW406",
            f"the answer to {call} does not come from AWS",
            _INTERCEPTED,
        ),
        (
            (raised.HTTPClientError, raised.ConnectionError),
            "SW406",
            f"no answer to {call}{said}",
            _UNREACHABLE,
        ),
        ((ValueError,), "SW409", config, "check AWS_ENDPOINT_URL"),
    )
    for kinds, code, message, hint in cases:
        if isinstance(error, kinds):
            return AwsError.of(code, message, hint=hint)
    return AwsError.of("SW408", f"{call} failed ({type(error).__name__}){said}")


def _expired_errors(raised: Any) -> tuple[type[Exception], ...]:
    return (raised.SSOError, raised.LoginError, raised.TokenRetrievalError)
