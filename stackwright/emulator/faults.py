"""Faults of the connection and the service rather than of a resource: throttling, errors, delays,
lost answers, expired credentials, tasks that are not healthy, and the end of the server in the
midst of an operation. Deterministic: equal seeds and requests fail alike.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any
from urllib.parse import parse_qs

from werkzeug.wrappers import Request, Response

from . import protocol
from .resources import Fault
from .state import Event

KINDS = ("throttle", "error", "slow", "drop", "expired", "denied", "skewed")
_EXPIRED = "The security token included in the request is expired"
_DENIED = "User: arn:aws:iam::123456789012:user/emulator is not authorized to perform this action"
_SKEWED = "Signature expired: 20261125T093000Z is now earlier than 20261125T094000Z (20261125T095500Z - 15 min.)"
_ANSWERS: Mapping[tuple[str, str], tuple[int, str, str]] = {
    # docs.aws.amazon.com: CommonErrors of each API; AmazonS3 ErrorResponses; EC2 errors-overview
    ("throttle", "query"): (400, "Throttling", "Rate exceeded"),
    ("throttle", "json"): (400, "ThrottlingException", "Rate exceeded"),
    ("throttle", "ec2"): (503, "RequestLimitExceeded", "Request limit exceeded."),
    ("throttle", "registry"): (
        429,
        "TOOMANYREQUESTS",
        "Rate exceeded",
    ),  # the distribution specification's codes
    ("error", "registry"): (500, "UNKNOWN", "internal error"),
    ("expired", "registry"): (
        403,
        "DENIED",
        "Your authorization token has expired. Reauthenticate and try again.",
    ),
    ("denied", "registry"): (403, "DENIED", _DENIED),
    ("skewed", "registry"): (403, "DENIED", _SKEWED),
    ("throttle", "s3"): (503, "SlowDown", "Please reduce your request rate."),
    ("error", "query"): (
        500,
        "InternalFailure",
        "An internal error has occurred. Please try again later.",
    ),
    ("error", "json"): (
        500,
        "InternalServerException",
        "An internal error has occurred. Please try again later.",
    ),
    ("error", "ec2"): (500, "InternalError", "An internal error has occurred"),
    ("error", "s3"): (500, "InternalError", "We encountered an internal error. Please try again."),
    ("expired", "query"): (403, "ExpiredToken", _EXPIRED),
    ("expired", "json"): (400, "ExpiredTokenException", _EXPIRED),
    ("expired", "ec2"): (400, "RequestExpired", "Request has expired."),
    ("expired", "s3"): (400, "ExpiredToken", "The provided token has expired."),
    ("denied", "query"): (403, "AccessDenied", _DENIED),
    ("denied", "json"): (400, "AccessDeniedException", _DENIED),
    ("denied", "ec2"): (
        403,
        "UnauthorizedOperation",
        "You are not authorized to perform this operation.",
    ),
    ("denied", "s3"): (403, "AccessDenied", "Access Denied"),
    ("skewed", "query"): (403, "SignatureDoesNotMatch", _SKEWED),
    ("skewed", "json"): (400, "InvalidSignatureException", _SKEWED),
    ("skewed", "ec2"): (
        400,
        "RequestExpired",
        "Request has expired. Timestamp date is 2026-11-25T09:30:00Z.",
    ),
    ("skewed", "s3"): (
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    ),
}


@dataclass
class RequestFault:
    """A failure of requests: ``kind`` is one of :data:`KINDS`.

    ``service`` (``cloudformation``, ``ecs`` … as in a request's signature) and ``action``
    (``DescribeStacks``; the HTTP method where a service has no actions) say which requests; every
    ``every``-th of them, from the ``every``-th on, fails with ``probability``, at most ``times``
    times. ``seconds`` is the delay of ``slow``, ``status`` the HTTP status of ``error``. With
    ``after`` the request is served and only its answer is lost (``drop``), wrong or late.

    Raises:
        ValueError: a field makes no sense.
    """

    kind: str
    service: str | None = None
    action: str | None = None
    every: int = 1
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    seconds: float = 1.0
    status: int | None = None
    after: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"kind is {self.kind!r}, not one of {', '.join(KINDS)}, kill, unhealthy"
            )
        if self.every < 1 or not 0 <= self.probability <= 1 or self.seconds < 0:
            raise ValueError("every is at least 1, probability between 0 and 1, seconds at least 0")
        self._count, self._random = 0, Random(self.seed)  # noqa: S311 - reproducible, not secret

    @property
    def seen(self) -> int:
        """How many requests have matched."""
        return self._count

    def resume(self, seen: int) -> None:
        """Go on where so many requests have matched."""
        self._count = seen
        for _ in range(seen // self.every):
            self._random.random()

    def strikes(self, service: str, action: str) -> bool:
        """Whether this request fails; counts."""
        if (
            self.service not in (None, service)
            or self.action not in (None, action)
            or self.times == 0
        ):
            return False
        self._count += 1
        if self._count % self.every or self._random.random() >= self.probability:
            return False
        self.times = None if self.times is None else self.times - 1
        return True


@dataclass
class Kill:
    """The server ends at once, as by ``kill -9``, at the ``nth`` event of this logical id and
    status."""

    logical_id: str | None = None
    status: str | None = None
    nth: int = 1

    def strikes(self, event: Event) -> bool:
        """Whether this is the event; counts down."""
        if self.logical_id not in (None, event.logical_id) or self.status not in (
            None,
            event.status,
        ):
            return False
        self.nth -= 1
        return self.nth == 0


@dataclass
class Unhealthy:
    """Tasks of this ``service`` whose image's name contains ``image`` start, and then fail their
    health checks."""

    service: str | None = None
    image: str | None = None

    def strikes(self, service: str, images: Iterable[str]) -> bool:
        """Whether a task of this service with these images is meant."""
        return self.service in (None, service) and (
            self.image is None or any(self.image in each for each in images)
        )


AnyFault = Fault | RequestFault | Kill | Unhealthy
_MADE: Mapping[str | None, type[AnyFault]] = {None: Fault, "kill": Kill, "unhealthy": Unhealthy}


def die() -> None:
    """End this process with nothing tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)


def parsed(body: Any) -> AnyFault:
    """A fault from JSON: without ``kind`` it is one of an operation on a resource.

    Raises:
        ValueError: it is not a fault.
    """
    if not isinstance(body, dict):
        raise ValueError("a fault is a JSON object")
    given = dict(body)
    made = _MADE.get(given.get("kind"), RequestFault)
    if made is not RequestFault:
        given.pop("kind", None)
    known = [each.name for each in fields(made)]
    wrong = sorted(set(given) - set(known))
    if wrong:
        raise ValueError(f"unknown: {', '.join(wrong)}; known: {', '.join(known)}")
    try:
        return made(**given)
    except TypeError as error:
        raise ValueError(str(error)) from None


def as_data(faults: Iterable[RequestFault | Kill]) -> list[dict[str, Any]]:
    """What :func:`restored` makes the same faults of, as JSON; without kills that have struck."""
    found = []
    for fault in faults:
        if isinstance(fault, RequestFault):
            found.append({**asdict(fault), "seen": fault.seen})
        elif fault.nth > 0:
            found.append({"kind": "kill", **asdict(fault)})
    return found


def restored(data: Iterable[Mapping[str, Any]]) -> Iterator[AnyFault]:
    """The faults as they were."""
    for each in data:
        fault = parsed({key: value for key, value in each.items() if key != "seen"})
        if isinstance(fault, RequestFault):
            fault.resume(int(each.get("seen", 0)))
        yield fault


def action_of(request: Request) -> str:
    """The action that a request asks for, by target header, form field or, failing those,
    method."""
    target = request.headers.get("X-Amz-Target", "")
    if target:
        return target.rpartition(".")[2]
    found = (
        parse_qs(request.get_data(as_text=True))
        if "form-urlencoded" in (request.content_type or "")
        else {}
    )
    return found.get("Action", [request.args.get("Action", request.method)])[0]


def answer(fault: RequestFault, service: str, request: Request, request_id: str) -> Response:
    """The error answer in the protocol of the service."""
    form = "form-urlencoded" in (request.content_type or "")
    kind = service if service in ("s3", "ec2", "registry") else "query" if form else "json"
    status, code, message = _ANSWERS[fault.kind, kind]
    if fault.kind == "error" and fault.status is not None:
        status = fault.status
    return _error(kind, status, code, message, request_id)


def unknown(request: Request, message: str, request_id: str) -> Response:
    """The answer to an action that does not exist here, in the protocol of the request."""
    form = "form-urlencoded" in (request.content_type or "")
    code = "InvalidAction" if form else "UnknownOperationException"
    return _error("query" if form else "json", 400, code, message, request_id)


def _error(kind: str, status: int, code: str, message: str, request_id: str) -> Response:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    if kind == "registry":
        return Response(
            json.dumps({"errors": [{"code": code, "message": message}]}),
            status,
            mimetype="application/json",
        )
    if kind == "json":
        headers = {"x-amzn-ErrorType": code, "x-amzn-RequestId": request_id}
        body = json.dumps({"__type": code, "message": message})
        return Response(body, status, headers, content_type="application/x-amz-json-1.1")
    if kind == "ec2":
        text = f"<Response><Errors>{text}</Errors><RequestID>{request_id}</RequestID></Response>"
    if kind == "query":
        text = protocol.error(code, message, status, request_id)
    return Response(text, status, {"x-amzn-RequestId": request_id}, mimetype="text/xml")
