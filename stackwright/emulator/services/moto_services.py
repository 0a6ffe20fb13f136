"""Clients of moto's services in this process.

Properties become arguments by the shapes of botocore's model: names differ by case only, numbers
may be text. A call that moto does not implement does nothing; the refusal of a service is raised
with the service's reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from io import BytesIO
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError
from werkzeug.test import Client

from ...cfn import Pseudo, template_to_text
from ..world.provider import Refused
from .moto_application import MotoApplication, read_service, session

Arguments = dict[str, Any]
Properties = Mapping[str, Any]
Answer = Mapping[str, Any]


class MotoServices:
    """Clients of moto's services in this process; ``clients`` keeps them across resets."""

    def __init__(
        self,
        application: Callable[[], MotoApplication],
        pseudo: Pseudo,
        clients: dict[str, Any] | None = None,
    ) -> None:
        self._application, self._pseudo = application, pseudo
        self._clients: dict[str, Any] = {} if clients is None else clients
        self.inline: dict[tuple[str, str], list[Arguments]] = {}
        """The inline rules of security groups by group id and direction, as given to EC2."""

    @cached_property
    def _http(self) -> Client:
        return Client(self._application())

    def load(self, service: str) -> None:
        """Create the application of a service, as its first call would; no state changes."""
        self._application().load(
            self.client(service).meta.service_model.signing_name, self._pseudo.region
        )

    @staticmethod
    def read(service: str) -> None:
        """Import the code that :meth:`load` needs; that takes most of its time, and no lock."""
        model = session().get_service_model(service)
        read_service(service, model.signing_name)

    def client(self, service: str) -> Any:
        """The client of a service; its requests stay in the process."""
        if service not in self._clients:
            client = session().create_client(
                service,
                region_name=self._pseudo.region,
                endpoint_url="http://127.0.0.1",
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
            client.meta.events.register("before-send", self._answer)  # type: ignore[arg-type]
            self._clients[service] = client
        return self._clients[service]

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        path = request.url.partition("127.0.0.1")[2] or "/"
        headers = {
            key: value.decode() if isinstance(value, bytes) else value
            for key, value in request.headers.items()
        }
        headers["x-moto-account-id"] = self._pseudo.account_id
        try:
            answer = self._http.open(
                path, method=request.method, headers=headers, data=request.body or b""
            )
            status, body, received = answer.status_code, answer.get_data(), dict(answer.headers)
        except Exception:
            # moto lacks the action. botocore reads an answer without a body as a 5xx in any
            # protocol.
            status, body, received = 501, b"", {}
        raw = BytesIO(body)
        raw.stream = lambda **_arguments: iter([body])  # type: ignore[attr-defined]
        answered: Any = received
        return AWSResponse(request.url, status, answered, raw)

    def call(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """The answer of an operation, called with the arguments that it knows; empty where moto
        lacks it.

        Raises:
            Refused: the service refuses.
        """
        client = self.client(service)
        model = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[operation]
        )
        given = shape_arguments(model.input_shape, arguments) if model.input_shape else {}
        try:
            answer: Answer = getattr(client, operation)(**given)
        except ParamValidationError as error:
            raise Refused(str(error)) from None
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                return {}
            raise Refused(_describe_error(service, error)) from None
        return answer


def _describe_error(service: str, error: ClientError) -> str:
    """A service's error, as CloudFormation's resource handlers report it."""
    details = error.response["Error"]
    code = details.get("Code", "")
    kind = (
        "AlreadyExists"
        if "Exist" in code and "Not" not in code
        else "NotFound"
        if "Not" in code
        else "InvalidRequest"
    )
    text = f"{details.get('Message', '')} (Service: {service.title()}, Status Code: 400)"
    return f'Resource handler returned message: "{text}" (HandlerErrorCode: {kind})'


def shape_arguments(shape: Any, value: Any) -> Any:
    """Properties as arguments of a shape: member names differ by case, scalars by type; unknown
    members are dropped."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        members = {name.lower(): (name, member) for name, member in shape.members.items()}
        arguments = {}
        for key, item in value.items():
            if item is not None and key.lower() in members:
                name, member = members[key.lower()]
                arguments[name] = shape_arguments(member, item)
        return arguments
    if shape.type_name == "list" and isinstance(value, list):
        return [shape_arguments(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, list):  # tags, as some services take them
        value = {
            item["Key"]: item.get("Value", "")
            for item in value
            if isinstance(item, Mapping) and "Key" in item
        }
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: shape_arguments(shape.value, item) for key, item in value.items()}
    if shape.type_name == "string":
        return json.dumps(value) if isinstance(value, dict | list) else template_to_text(value)
    if shape.type_name in ("integer", "long"):
        return int(template_to_text(value))
    if shape.type_name in ("double", "float"):
        return float(template_to_text(value))
    return template_to_text(value) == "true" if shape.type_name == "boolean" else value


class StoredParameters(Mapping[str, str]):
    """The parameters in moto's Parameter Store by name, each read at its use."""

    def __init__(self, services: MotoServices) -> None:
        self._services = services

    def __getitem__(self, name: str) -> str:
        try:
            answer = self._services.call(
                "ssm", "get_parameter", {"Name": name, "WithDecryption": True}
            )
        except Refused:
            raise KeyError(name) from None
        value: Any = read_path(answer, "Parameter.Value")
        if value is None:
            raise KeyError(name)
        return str(value)

    def __iter__(self) -> Iterator[str]:
        answer = self._services.call("ssm", "describe_parameters", {})
        return iter([parameter["Name"] for parameter in answer.get("Parameters", ())])

    def __len__(self) -> int:
        return len(list(iter(self)))


def look_up_dynamic(services: MotoServices, service: str, arguments: str) -> str:
    """The value of a dynamic reference.

    docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html

    Raises:
        Refused: there is no such value; the text is CloudFormation's.
    """
    if service != "secretsmanager":
        value = StoredParameters(services).get(arguments)
        if value is None:
            raise Refused(
                f"Unable to fetch parameters [{arguments}] from parameter store for this account."
            )
        return value
    count = 7 if arguments.startswith("arn:") else 1
    parts = arguments.split(":")
    secret_id, rest = ":".join(parts[:count]), [*parts[count:], "", "", "", ""]
    version = {"VersionStage": rest[2] or None, "VersionId": rest[3] or None}
    answer = services.call("secretsmanager", "get_secret_value", {"SecretId": secret_id, **version})
    text = str(answer.get("SecretString", ""))
    if not rest[1]:
        return text
    try:
        return template_to_text(json.loads(text)[rest[1]])
    except (ValueError, KeyError, TypeError):
        raise Refused("Could not find a value associated with JSONKey in SecretString") from None


def read_path(answer: Any, path: str) -> Any:
    """The value at a dotted path of an answer (``Subnet.SubnetId``, ``Listeners.0.Arn``); None
    where there is none."""
    for part in path.split("."):
        if isinstance(answer, list):
            answer = answer[int(part)] if int(part) < len(answer) else None
        else:
            answer = answer.get(part) if isinstance(answer, Mapping) else None
    return answer
