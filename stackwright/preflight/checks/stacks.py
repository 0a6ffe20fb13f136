"""The state of the stacks that the deployment updates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ...cfn import stack_status
from ...core import command_line
from ..inputs import PreflightInputs
from ..model import PreflightCheck
from .base import Check

if TYPE_CHECKING:
    from ...aws import Stack


class UpdatableStack(Check):
    """Reads the status of one root stack."""

    id = "stack"
    title = "Each root stack can be updated, or is not deployed yet"
    reason = "CloudFormation refuses a change set of a stack that is busy or failed."
    source = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html"

    def __init__(self, inputs: PreflightInputs, root: str) -> None:
        super().__init__(inputs)
        self._root = root

    @property
    def topic(self) -> str:
        """The stack by its name in ``stacks:``."""
        return f"{self.id} {self._root}"

    @classmethod
    def for_inputs(cls, inputs: PreflightInputs) -> Sequence[Check]:
        """One for each root stack."""
        return [cls(inputs, root) for root in inputs.roots]

    def run(self) -> Iterator[PreflightCheck]:
        """One result."""
        name = self.inputs.stack_name(self._root)
        stack = self.aws.stack(name)
        yield self._result(name, stack)

    def _result(self, name: str, stack: Stack | None) -> PreflightCheck:
        if stack is None or stack.status == "DELETE_COMPLETE":
            return self.ok(f"{name} is not deployed yet", name=self.topic)
        environment, status = self.config.environment, stack_status(stack.status)
        if stack.busy:
            since = f"{_since(stack.updated or stack.created)}{self._requester(stack)}"
            hint = command_line(f"watch --env {environment}")
            return self.fail(f"{name} {status.activity}{since}", hint, name=self.topic)
        if status.stuck:
            detail = f"{name} is {stack.status}: {status.explanation}"
            hint = command_line(f"repair --env {environment}")
            return self.fail(detail, hint, name=self.topic)
        return self.ok(f"{name} is {stack.status}", name=self.topic)

    def _requester(self, stack: Stack) -> str:
        """The description of the change set that is being executed: who asked for what."""
        running = self.aws.change_set(stack.change_set, values=False) if stack.change_set else None
        return f", {running.description}" if running and running.description else ""


def _since(time: datetime | None) -> str:
    return f" since {time:%Y-%m-%d %H:%M:%S} UTC" if time else ""
