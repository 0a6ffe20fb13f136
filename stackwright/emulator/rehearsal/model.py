"""The results of a rehearsal."""

from __future__ import annotations

from msgspec import Struct

from ...cfn import STACK_TYPE

_GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


class RehearsalStep(Struct, frozen=True):
    """One operation on one resource of a stack (``app/gateway``); ``began`` and ``ended`` are
    seconds from the start of its root's update."""

    stack: str
    logical_id: str
    type: str
    operation: str
    began: float
    ended: float
    status: str
    reason: str | None = None

    @property
    def address(self) -> str:
        """``app/gateway:Service``."""
        return f"{self.stack}:{self.logical_id}"


class Phase(Struct, frozen=True):
    """One operation on one root stack: its final status, its seconds, and its steps by start."""

    root: str
    status: str
    seconds: float
    steps: tuple[RehearsalStep, ...]
    reason: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the operation succeeded."""
        return self.status in _GOOD

    @property
    def failures(self) -> tuple[RehearsalStep, ...]:
        """The steps that failed, the first cause first, without those that were cancelled."""
        failed = (
            step
            for step in self.steps
            if step.status.endswith("FAILED") and step.type != STACK_TYPE
        )
        return tuple(step for step in failed if "cancelled" not in (step.reason or ""))

    @property
    def critical_path(self) -> tuple[RehearsalStep, ...]:
        """The steps that determine the end, one after the other: only shortening one of them
        shortens the whole."""
        leaves = [step for step in self.steps if step.type != STACK_TYPE]
        path: list[RehearsalStep] = []
        last = max(leaves, key=lambda step: (step.ended, step.ended - step.began), default=None)
        while last is not None:
            path.append(last)
            began = last.began
            earlier = [step for step in leaves if step.ended <= began and step.began < began]
            last = max(
                earlier, key=lambda step: (step.ended, step.ended - step.began), default=None
            )
        return tuple(reversed(path))


class Rollback(Struct, frozen=True):
    """The rollback after the injected failure of ``failed``. ``differences`` name the resources and
    outputs that are not as before."""

    failed: RehearsalStep
    phase: Phase
    resources: int
    differences: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the rollback succeeded and everything is as before."""
        return (
            self.phase.status in ("UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE")
            and not self.differences
        )


class Rehearsal(Struct, frozen=True):
    """The updates of the root stacks that change, and the rollback of the one with the slowest
    changed resource."""

    phases: tuple[Phase, ...]
    rollback: Rollback | None = None

    @property
    def ok(self) -> bool:
        """Whether the updates and the rollback succeed."""
        return all(phase.ok for phase in self.phases) and (
            self.rollback is None or self.rollback.ok
        )
