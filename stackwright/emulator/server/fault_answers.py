"""The error answers of faults, in the protocol of each service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from ..world.faults import RequestFault
from . import protocol

_EXPIRED = "The security token included in the request is expired"
_DENIED = "User: arn:aws:iam::123456789012:user/emulator is not authorized to perform this action"
_SKEWED = (
    "Signature expired: 20261125T093000Z is now earlier than 20261125T094000Z "
    "(20261125T095500Z - 15 min.)"
)
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


def action_of(request: Request) -> str:
    """The action of a request: from its target header, its form, or else its HTTP method."""
    target = request.headers.get("X-Amz-Target", "")
    if target:
        return target.rpartition(".")[2]
    is_form = "form-urlencoded" in (request.content_type or "")
    fields = parse_qs(request.get_data(as_text=True)) if is_form else {}
    return fields.get("Action", [request.args.get("Action", request.method)])[0]


def answer_fault(fault: RequestFault, service: str, request: Request, request_id: str) -> Response:
    """The error of a fault, in the protocol of the service."""
    kind = _kind(service, request)
    status, code, message = _ANSWERS[fault.kind, kind]
    if fault.kind == "error" and fault.status is not None:
        status = fault.status
    return _error(kind, status, code, message, request_id)


def answer_failure(error: Exception, service: str, request: Request, request_id: str) -> Response:
    """The error of a defect here, or of a full disk, in the protocol of the service. The latter is
    no error that a client repeats."""
    if isinstance(error, OSError):
        text = f"the local CloudFormation cannot write its state: {error.strerror or error}"
        return _error(_kind(service, request), 400, "LocalStorageFailure", text, request_id)
    text = f"{type(error).__name__}: {error}"
    return _error(_kind(service, request), 500, "InternalFailure", text, request_id)


def answer_unknown(request: Request, message: str, request_id: str) -> Response:
    """The error of an action that does not exist here, in the protocol of the request."""
    form = "form-urlencoded" in (request.content_type or "")
    code = "InvalidAction" if form else "UnknownOperationException"
    return _error("query" if form else "json", 400, code, message, request_id)


def _kind(service: str, request: Request) -> str:
    """The protocol of the error answers of a service."""
    form = "form-urlencoded" in (request.content_type or "")
    return service if service in ("s3", "ec2", "registry") else "query" if form else "json"


def _error(kind: str, status: int, code: str, message: str, request_id: str) -> Response:
    text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
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
        text = protocol.format_error(code, message, status, request_id)
    return Response(text, status, {"x-amzn-RequestId": request_id}, mimetype="text/xml")
