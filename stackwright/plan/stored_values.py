"""Read the values of Parameter Store that Parameters of an SSM type get."""

from __future__ import annotations

from ..aws import ParameterStore
from ..core import AwsError

_UNREADABLE = ("SW403",)


class StoredValues:
    """Parameter Store as it is now; each parameter is read once."""

    def __init__(self, aws: ParameterStore) -> None:
        self._aws = aws
        self._values: dict[str, str | None] = {}

    def read(self, name: str) -> str | None:
        """Return the value of a parameter; None where there is none, where it is a SecureString,
        or where it may not be read.

        Raises:
            AwsError: the call fails.
        """
        if name not in self._values:
            self._values[name] = self._read(name)
        return self._values[name]

    def _read(self, name: str) -> str | None:
        try:
            parameter = self._aws.stored_parameters([name]).get(name)
        except AwsError as error:
            if error.problems[0].code not in _UNREADABLE:
                raise
            return None
        return parameter.value if parameter else None
