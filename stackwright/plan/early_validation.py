"""Show the findings of CloudFormation's early validation at lines of the templates."""

from __future__ import annotations

from collections.abc import Callable

from ..aws import Validation
from ..core import Location
from .model import DesiredStack
from .prediction import PredictedPlan

LocatePath = Callable[[str, str], Location | None]
"""Returns the line of a JSON pointer in the template of a stack (``app/gateway``)."""


class FindingLines:
    """Template lines of findings in a root or in one of its nested stacks."""

    def __init__(
        self, desired: DesiredStack, predict: Callable[[], PredictedPlan], locate: LocatePath
    ) -> None:
        self._desired, self._predict, self._locate = desired, predict, locate

    def find(self, stack_name: str, finding: Validation) -> Location | None:
        """Return the line of a finding, by the name of its stack in CloudFormation; None where the
        template was not rendered here."""
        pointer = finding.path or f"/Resources/{finding.logical_id}"
        return self._locate(self._find_path(stack_name), pointer)

    def _find_path(self, stack_name: str) -> str:
        """Return the path of a stack. CloudFormation names a nested stack
        ``<name of its parent>-<logical ID>-<random characters>``."""
        path, rest = self._desired.root, stack_name.removeprefix(self._desired.stack)
        names = self._predict().names if rest else {}
        while rest:
            step = next(
                (
                    (logical_id, name)
                    for (parent, logical_id), name in names.items()
                    if parent == path and rest.startswith(f"-{logical_id}-")
                ),
                None,
            )
            if step is None:
                break
            logical_id, path = step
            _, dash, tail = rest.removeprefix(f"-{logical_id}-").partition("-")
            rest = dash + tail
        return path


def describe_warning(
    finding: Validation,
    stack_name: str,
    locate: Callable[[str, Validation], Location | None] | None,
) -> str:
    """Return a finding that does not fail the change set as a sentence for the plan."""
    line = locate(stack_name, finding) if locate else None
    return f"{f'{line}: ' if line else ''}CloudFormation warns: {finding}"
