"""Calls to Systems Manager's Parameter Store. No value of a SecureString is ever read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from .session import Session

_NAMES = 10
"""Names in one call of GetParameters. Source:
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html"""


class StoredParameter(Struct, frozen=True):
    """A parameter of Parameter Store; ``value`` is None for a SecureString, ``changed`` the time of
    its last change."""

    name: str
    type: str
    value: str | None
    changed: datetime | None = None


class ParameterStore(Protocol):
    """Parameters of Parameter Store; every method raises AwsError."""

    def stored_parameters(self, names: Sequence[str]) -> Mapping[str, StoredParameter]:
        """SSM GetParameters, without decryption: the existing parameters by the names that were
        asked for, which may end in ``:<version>``."""


class ParameterStoreCalls(Session):
    """`ParameterStore` by botocore."""

    def stored_parameters(self, names: Sequence[str]) -> Mapping[str, StoredParameter]:
        """Call GetParameters for ten names at a time."""
        parameters: dict[str, StoredParameter] = {}
        for start in range(0, len(names), _NAMES):
            answer = self._call("ssm", "get_parameters", Names=names[start : start + _NAMES])
            for data in answer.get("Parameters") or ():
                parameter = _parse_parameter(data)
                parameters[parameter.name] = parameter
        return parameters


def _parse_parameter(data: Mapping[str, Any]) -> StoredParameter:
    secure = data.get("Type") == "SecureString"
    return StoredParameter(
        name=f"{data['Name']}{data.get('Selector', '')}",
        type=data.get("Type", ""),
        value=None if secure else data.get("Value", ""),
        changed=data.get("LastModifiedDate"),
    )
