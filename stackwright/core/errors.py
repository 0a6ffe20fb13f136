"""The exceptions that carry problems to the user; nothing here prints.

StackwrightError             problems to show; exit status 1
|-- InputError               params, dotenv files, schema, command line
|-- TemplateError            a template does not render, or renders to no template
|-- WiringError              a Parameter has no source or several, or an Output no use
|-- OutputError              build/ cannot be written
|-- EmulatorError            the local CloudFormation or a rehearsal fails
|-- DeployError              a deployment is refused, or a stack ends in a wrong state
|-- AwsError                 AWS refuses a call, or cannot be reached
`-- ImageError               podman, docker or a registry fails, or an image is missing
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from .model import Location, Problem


class StackwrightError(Exception):
    """A failure that the user can correct, with all its problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))

    @classmethod
    def of(cls, code: str, message: str, *where: Location, hint: str = "") -> Self:
        """The error with one problem."""
        return cls([Problem(code, message, where, hint)])


class InputError(StackwrightError):
    """The parameters, dotenv files, schema or command line are wrong."""


class TemplateError(StackwrightError):
    """A template does not render, or renders to something that is not a CloudFormation template."""


class WiringError(StackwrightError):
    """A stack's Parameter has no source, more than one, or an Output has no use."""


class OutputError(StackwrightError):
    """``build/`` cannot be written."""


class AwsError(StackwrightError):
    """AWS refuses a call, or cannot be reached; ``code`` is AWS's own error code, where it
    answered."""

    code: str = ""


class DeployError(StackwrightError):
    """A deployment is refused before it begins, or a stack did not end in the state asked for."""


class EmulatorError(StackwrightError):
    """The local CloudFormation does not start or answer, or what is rehearsed on it does not go
    through."""


class ImageError(StackwrightError):
    """podman, docker or a registry fails, or an image is not as a deployment needs it."""
