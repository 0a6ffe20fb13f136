"""The base class of all checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

from ...core import AwsError
from ...health import CheckState
from ..inputs import PreflightInputs
from ..model import PreflightCheck

_NOT_ANSWERED = frozenset(
    ("404", "405", "501", "NotImplemented", "InvalidAction", "UnknownOperationException")
)
"""Codes of an endpoint that does not implement a call; AWS itself never returns them for calls
that checks make."""


class Check(ABC):
    """One thing that must hold in the account before a deployment.

    ``id`` names the check and its results; ``title`` states what must hold; ``reason`` says what
    goes wrong otherwise; ``source`` is the page of AWS that states the fact. Checks of one topic
    run one after another and share what they read; topics run side by side.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reason: ClassVar[str]
    source: ClassVar[str]

    def __init__(self, inputs: PreflightInputs) -> None:
        self.inputs = inputs
        self.config, self.aws, self.references = inputs.config, inputs.aws, inputs.references

    @property
    def topic(self) -> str:
        """The group of checks that one failed call stops; by default the check alone."""
        return self.id

    @classmethod
    def for_inputs(cls, inputs: PreflightInputs) -> Sequence[Check]:
        """The instances of the check for one environment; by default one."""
        return [cls(inputs)]

    @abstractmethod
    def run(self) -> Iterator[PreflightCheck]:
        """Read the account and yield the results; none where the environment does not need the
        check. Raises AwsError."""

    def ok(self, detail: str, *, name: str = "") -> PreflightCheck:
        """A result that holds."""
        return PreflightCheck(name or self.id, CheckState.OK, detail)

    def fail(self, detail: str, hint: str, *, name: str = "") -> PreflightCheck:
        """A result that stops a deployment, and what to do about it."""
        return PreflightCheck(name or self.id, CheckState.FAIL, detail, hint)

    def skip(self, detail: str, hint: str = "", *, name: str = "") -> PreflightCheck:
        """A result that cannot be known, or that the deployment itself takes care of."""
        return PreflightCheck(name or self.id, CheckState.SKIP, detail, hint)


def is_unknown(error: AwsError) -> bool:
    """Whether a call failed only because it is not allowed, or not implemented by the endpoint."""
    return error.problems[0].code == "SW403" or error.code in _NOT_ANSWERED


def describe_unknown(error: AwsError) -> tuple[str, str]:
    """The reason why a fact is unknown, and a hint."""
    problem = error.problems[0]
    if problem.code == "SW403":
        return problem.message, problem.hint
    return "not checked: the endpoint does not implement this call", ""
