"""CloudFormation's Query protocol: form fields to arguments, results and errors to XML.

The shapes come from botocore's own model of the service, so that requests and answers are those of
its clients.
smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore import loaders, model

_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"


class Malformed(Exception):
    """The request does not follow the protocol."""


class MissingMember(Exception):
    """A required field is absent. Source of the text: AWS's answer to
    `aws cloudformation list-imports` without its parameter check."""

    def __init__(self, name: str) -> None:
        place = name[:1].lower() + name[1:]
        super().__init__(
            f"1 validation error detected: Value null at '{place}' failed to satisfy constraint: "
            "Member must not be null"
        )


@cache
def _service() -> model.ServiceModel:
    return model.ServiceModel(loaders.Loader().load_service_model("cloudformation", "service-2"))


def action_of(body: str) -> str:
    """The ``Action`` of a form-encoded request, or an empty string."""
    return dict(parse_qsl(body, keep_blank_values=True)).get("Action", "")


def parse_request(body: str) -> tuple[str, dict[str, Any]]:
    """The action and the arguments of a form-encoded request.

    Raises:
        Malformed: a field does not fit the shape.
        MissingMember: a required field is absent.
    """
    fields = dict(parse_qsl(body, keep_blank_values=True))
    action = fields.pop("Action", "")
    if action not in _service().operation_names:
        return action, {}
    shape = _service().operation_model(action).input_shape
    try:
        arguments = _structure(shape, "", fields) if shape else {}
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from None
    for name in shape.required_members if shape else ():
        if name not in arguments:
            raise MissingMember(name)
    return action, arguments


def _structure(shape: Any, prefix: str, fields: Mapping[str, str]) -> dict[str, Any]:
    values = {name: _value(item, f"{prefix}{name}", fields) for name, item in shape.members.items()}
    return {name: value for name, value in values.items() if value is not None}


def _value(shape: Any, name: str, fields: Mapping[str, str]) -> Any:
    if shape.type_name == "structure":
        return (
            _structure(shape, f"{name}.", fields)
            if any(key.startswith(f"{name}.") for key in fields)
            else None
        )
    if shape.type_name == "list":
        return _list(shape, name, fields)
    if shape.type_name == "map":
        return _map(name, fields)
    if name not in fields:
        return None
    text = fields[name]
    if shape.type_name == "boolean":
        return text == "true"
    return int(text) if shape.type_name in ("integer", "long") else text


def _list(shape: Any, name: str, fields: Mapping[str, str]) -> list[Any] | None:
    items: list[Any] = []
    while True:
        item = _value(shape.member, f"{name}.member.{len(items) + 1}", fields)
        if item is None:
            return items or ([] if name in fields else None)
        items.append(item)


def _map(name: str, fields: Mapping[str, str]) -> dict[str, str] | None:
    """A map of text to text, the only kind of map in this API: ``Name.entry.1.key`` and
    ``Name.entry.1.value``."""
    items, index = {}, 1
    while f"{name}.entry.{index}.key" in fields:
        items[fields[f"{name}.entry.{index}.key"]] = fields.get(f"{name}.entry.{index}.value", "")
        index += 1
    return items or None


def format_result(action: str, result: Mapping[str, Any], request_id: str) -> str:
    """The XML of a result."""
    shape = _service().operation_model(action).output_shape
    inside = _xml(shape, result) if shape else ""
    wrapped = f"<{action}Result>{inside}</{action}Result>" if shape else ""
    meta = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    return f'<{action}Response xmlns="{_NAMESPACE}">{wrapped}{meta}</{action}Response>'


def format_error(code: str, message: str, status: int, request_id: str) -> str:
    """The XML of an error."""
    kind = "Sender" if status < 500 else "Receiver"
    text = escape(_drop_illegal(message))
    inside = f"<Type>{kind}</Type><Code>{escape(code)}</Code><Message>{text}</Message>"
    head = f'<ErrorResponse xmlns="{_NAMESPACE}">'
    return f"{head}<Error>{inside}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"


def _xml(shape: Any, value: Any) -> str:
    if isinstance(value, Mapping):
        members = shape.members
        return "".join(
            f"<{name}>{_xml(members[name], item)}</{name}>"
            for name, item in value.items()
            if name in members
        )
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(f"<member>{_xml(shape.member, item)}</member>" for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return escape(_drop_illegal(str(value)))


_ILLEGAL = dict.fromkeys(code for code in range(32) if chr(code) not in "\t\n\r")


def _drop_illegal(text: str) -> str:
    """The text without control characters, which XML cannot have."""
    return text.translate(_ILLEGAL)
