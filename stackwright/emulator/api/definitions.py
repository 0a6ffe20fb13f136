"""The definition of a stack, read from the arguments of a request."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...cfn import (
    STACK_TYPE,
    Schemas,
    Template,
    parameter_values,
    parse_template,
    stack_status,
    validate_template,
)
from ..operation.policy import parse_policy
from ..world.state import StackDefinition, StackState
from ..world.stored import ReadParameters, require_stored
from .errors import ApiError, invalid

_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_IAM_KINDS = "AccessKey Group InstanceProfile ManagedPolicy Policy Role User UserToGroupAddition"
_IAM_TYPES = frozenset(f"AWS::IAM::{kind}" for kind in _IAM_KINDS.split())
_IAM_NAMES = {"GroupName", "InstanceProfileName", "ManagedPolicyName", "RoleName", "UserName"}
_SUFFICIENT = {
    "CAPABILITY_IAM": {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"},
    "CAPABILITY_NAMED_IAM": {"CAPABILITY_NAMED_IAM"},
}
_MAX_BODY, _MAX_TEMPLATE = 51_200, 1_000_000  # bytes
# docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html


class DefinitionReader:
    """Reads and validates definitions; ``fetch`` reads a ``TemplateURL`` (raises OSError),
    ``store`` is Parameter Store."""

    def __init__(
        self, schemas: Schemas, fetch: Callable[[str], str] | None, store: Mapping[str, str]
    ) -> None:
        self._schemas, self._fetch, self._store = schemas, fetch, store

    def read(self, arguments: Mapping[str, Any], stack: StackState | None) -> StackDefinition:
        """The template with its nested ones, the parameters and the tags of a request.

        Raises:
            ApiError, ValidationError: the request is invalid.
        """
        old = stack.definition if stack else None
        text = self.read_text(arguments, old)
        template = self.parse(text)
        parameters = _read_parameters(arguments.get("Parameters", ()), template, old)
        parameter_values(template, parameters)
        stored = ReadParameters(self._store)
        require_stored(template, parameters, stored)
        tags = {tag["Key"]: tag["Value"] for tag in arguments.get("Tags", ())}
        if "Tags" not in arguments and old is not None:
            tags = dict(old.tags)
        capabilities = tuple(arguments.get("Capabilities", ()))
        nested = self._read_nested(template, arguments.get("TemplateURL", ""))
        _check_capabilities(template, capabilities)
        arns = tuple(arguments.get("NotificationARNs", old.notification_arns if old else ()))
        role = arguments.get("RoleARN")
        return StackDefinition(
            text, template, parameters, tags, nested, capabilities, arns, role, stored
        )

    def parse(self, text: str) -> Template:
        """A template, parsed and validated."""
        template = parse_template(text)
        validate_template(template, self._schemas)
        return template

    def read_text(self, arguments: Mapping[str, Any], old: StackDefinition | None) -> str:
        """The text of the template that a request gives, or means."""
        if arguments.get("UsePreviousTemplate") and old is not None:
            return old.text
        if "TemplateBody" in arguments:
            body: str = arguments["TemplateBody"]
            if len(body.encode()) > _MAX_BODY:
                text = "Value at 'templateBody' failed to satisfy constraint: Member must"
                limit = f"have length less than or equal to {_MAX_BODY}"
                raise invalid(f"1 validation error detected: {text} {limit}")
            return body
        if "TemplateURL" not in arguments:
            raise invalid("Either Template URL or Template Body must be specified.")
        return self._fetch_text(arguments["TemplateURL"])

    def read_policy(self, arguments: Mapping[str, Any], name: str) -> str | None:
        """The stack policy of a request, validated; None where there is none. ``name`` is
        ``StackPolicy`` or ``StackPolicyDuringUpdate``."""
        text: str | None = arguments.get(f"{name}Body")
        if text is None and f"{name}URL" in arguments:
            text = self._fetch_text(arguments[f"{name}URL"])
        if text:
            parse_policy(text)
        return text or None

    def _fetch_text(self, url: str) -> str:
        schemes = ("http://", "https://", "s3://", "file://")
        if self._fetch is None or not url.startswith(schemes):
            raise invalid("TemplateURL must be a supported URL.")
        try:
            text = self._fetch(url)
        except OSError as error:
            raise invalid(f"S3 error: {error}") from None
        if len(text.encode()) > _MAX_TEMPLATE:
            raise invalid(f"Template may not exceed {_MAX_TEMPLATE} bytes in size.")
        return text

    def _read_nested(self, template: Template, base: str) -> dict[str, StackDefinition]:
        definitions = {}
        for name, resource in template.resources.items():
            url = resource.properties.get("TemplateURL")
            if resource.type != STACK_TYPE or not isinstance(url, str):
                continue
            text = self._fetch_text(url)
            inner = self.parse(text)
            nested = self._read_nested(inner, posixpath.dirname(base))
            definitions[name] = StackDefinition(text, inner, nested=nested)
        return definitions


def is_true(value: Any) -> bool:
    """Whether an argument is true, as a boolean or as text."""
    return value is True or value == "true"


def read_stack_name(arguments: Mapping[str, Any]) -> str:
    """The name or id of the stack that a request creates or changes. Raises ApiError."""
    name = str(arguments.get("StackName", ""))
    if name.startswith("arn:") or _STACK_NAME.fullmatch(name):
        return name
    text = f"Value '{name}' at 'stackName' failed to satisfy constraint: Member must"
    pattern = "satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
    raise invalid(f"1 validation error detected: {text} {pattern}")


def _read_parameters(
    arguments: Iterable[Mapping[str, Any]], template: Template, old: StackDefinition | None
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for argument in arguments:
        name = argument["ParameterKey"]
        if not is_true(argument.get("UsePreviousValue")):
            values[name] = argument.get("ParameterValue", "")
        elif old is None or name not in old.template.parameters:
            text = "Cannot specify usePreviousValue as true for a parameter key not in the previous"
            raise invalid(f"Invalid input for parameter key {name}. {text} template")
        elif name in old.parameters and name in template.parameters:
            values[name] = old.parameters[name]
    return values


def needed_capability(template: Template) -> str | None:
    """The capability that the template's IAM resources need; None where they need none."""
    iam = [resource for resource in template.resources.values() if resource.type in _IAM_TYPES]
    if any(_IAM_NAMES & set(resource.properties) for resource in iam):
        return "CAPABILITY_NAMED_IAM"
    return "CAPABILITY_IAM" if iam else None


def describe_capability(template: Template) -> str:
    """The reason why the template needs a capability."""
    types = {resource.type for resource in template.resources.values()} & _IAM_TYPES
    return f"The following resource(s) require capabilities: [{', '.join(sorted(types))}]"


def _check_capabilities(template: Template, given: Sequence[str]) -> None:
    needed = needed_capability(template)
    if needed and not _SUFFICIENT[needed] & set(given):
        raise ApiError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")


def check_transforms_approved(definition: StackDefinition) -> None:
    """Raise ApiError where macros change the template and nobody approved that; a change set, which
    shows the result first, needs no approval."""
    if definition.template.transforms and "CAPABILITY_AUTO_EXPAND" not in definition.capabilities:
        text = "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"
        raise ApiError("InsufficientCapabilitiesException", text)


def check_updatable(stack: StackState) -> None:
    """Raise ApiError where the stack's status does not allow an update."""
    if stack.status == "CREATE_FAILED" and stack.on_failure == "DO_NOTHING":
        state = "[CREATE_FAILED] state because it contains [on-failure: DO_NOTHING]"
        text = "Please use disable-rollback option instead during stack creation."
        raise invalid(f"This stack cannot be updated from {state}. {text}")
    # AWS also takes up a creation that failed without a rollback; the emulator does not.
    if stack.status == "CREATE_FAILED" or not stack_status(stack.status).updatable:
        raise invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
