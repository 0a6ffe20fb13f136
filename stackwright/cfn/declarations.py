"""The declarations of a template (parameters, resources, outputs), and the error of a wrong one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Path = tuple[str | int, ...]
"""Keys and indexes from the root of a template, e.g. ``("Resources", "Topic", "Properties", "Tags",
0)``."""
STACK_TYPE = "AWS::CloudFormation::Stack"
"""The type of a nested stack."""


def is_custom(type_name: str) -> bool:
    """Whether a Lambda function or topic of the user's implements a resource type."""
    return type_name.startswith("Custom::") or type_name == "AWS::CloudFormation::CustomResource"


class ValidationError(Exception):
    """CloudFormation's answer with the error code ``ValidationError``.

    ``message`` is the text as AWS gives it, ``path`` and ``line`` (from 1; 0: unknown) say where.
    """

    def __init__(self, message: str, path: Path = (), line: int = 0) -> None:
        super().__init__(message)
        self.message, self.path, self.line = message, path, line


class Parameter(Struct, frozen=True):
    """A declared parameter; ``default`` is None where there is none."""

    name: str
    type: str
    default: str | None = None
    allowed_values: tuple[str, ...] = ()
    allowed_pattern: str | None = None
    constraint_description: str | None = None
    minimum_length: int | None = None
    maximum_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    no_echo: bool = False
    description: str | None = None

    @property
    def is_list(self) -> bool:
        """Whether ``Ref`` gives a list: ``CommaDelimitedList``, ``List<...>`` and SSM parameters
        that hold one."""
        inner = self.ssm_type or self.type
        return inner == "CommaDelimitedList" or inner.startswith("List<")

    @property
    def ssm_type(self) -> str | None:
        """The type of the stored value for ``AWS::SSM::Parameter::Value<T>``, whose given value is
        only a name."""
        match = re.fullmatch(r"AWS::SSM::Parameter::Value<(.+)>", self.type)
        return match.group(1) if match else None

    @property
    def reads_store(self) -> bool:
        """Whether the given value names a parameter in Parameter Store, which must exist."""
        return self.ssm_type is not None or self.type == "AWS::SSM::Parameter::Name"


class Resource(Struct, frozen=True):
    """A declared resource; ``properties`` and the attributes hold unresolved intrinsic
    functions."""

    logical_id: str
    type: str
    properties: Mapping[str, Any] = {}
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    metadata: Mapping[str, Any] | None = None
    creation_policy: Mapping[str, Any] | None = None
    update_policy: Mapping[str, Any] | None = None
    deletion_policy: Any = None
    update_replace_policy: Any = None


class Output(Struct, frozen=True):
    """A declared output; ``value``, ``export`` and ``description`` hold unresolved intrinsic
    functions."""

    name: str
    value: Any
    export: Any = None
    condition: str | None = None
    description: Any = None


def template_to_text(value: Any) -> str:
    """A scalar as CloudFormation writes it: ``true`` and ``false``, whole numbers without a
    point."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value)
