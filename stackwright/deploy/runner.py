"""Runs operations on root stacks: begins or attaches to one, shows it, and tells how it ended."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

from ..aws import Polling, Stack
from ..core import command_line
from ..plan import Environment, LiveStack, Outcome, RootPlan
from .approvals import Approvals
from .user import User

if TYPE_CHECKING:
    from ..health import HealthCheck
    from .operation import Follower


class Timing(Struct, frozen=True):
    """The clock of a run: ``clock`` gives seconds, ``sleep`` waits for some."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep

    def polling(self) -> Polling:
        """Rounds in which an operation is read."""
        return Polling(clock=self.clock, sleep=self.sleep)


@dataclass(frozen=True)
class OperationRunner:
    """Runs operations on the root stacks of one environment for one user."""

    environment: Environment
    user: User
    timing: Timing = field(default_factory=Timing)

    def follow(self, root: str, stack: str, operate: Callable[[Follower], Outcome]) -> Outcome:
        """Begin or attach to an operation by ``operate``, and show it until it ends. ``stack`` is
        the name of the root in CloudFormation."""
        from .operation import Follower

        with self.user.operation(stack) as watcher:
            return operate(
                Follower(
                    watcher,
                    self.environment.locate,
                    tuple(self.environment.templates(root)),
                    watch_command(self.environment.name),
                    polling=self.timing.polling,
                )
            )

    def attach(self, root: str, stack: Stack) -> Outcome:
        """Follow the operation that a stack is in."""
        from .operation import attach_to_operation

        return self.follow(
            root,
            stack.name,
            lambda follower: attach_to_operation(stack, self.environment.aws, root, follower),
        )

    def apply(self, plan: RootPlan, token: str, approvals: Approvals) -> Outcome:
        """Execute the change set of a root."""
        from .operation import apply_plan

        return self.follow(
            plan.desired.root,
            plan.desired.stack,
            lambda follower: apply_plan(
                plan,
                self.environment.aws,
                token=token,
                follower=follower,
                protect=self.environment.protects,
                allowed=approvals.replaceable,
            ),
        )

    def resume_paused(self, roots: Collection[str] | None = None) -> None:
        """Resume functions of the root stacks that a killed deployment left paused. Raises
        AwsError."""
        from .operation import Notice, Progress, resume_paused

        def show(progress: Progress) -> None:
            if isinstance(progress, Notice):
                self.user.say(progress.text)

        for root in self.environment.roots:
            if roots is None or root in roots:
                resume_paused(
                    self.environment.stack_name(root),
                    self.environment.templates(root),
                    self.environment.aws,
                    show,
                )

    def verify(
        self, lives: Iterable[LiveStack], deadline: float | None = None
    ) -> list[HealthCheck]:
        """Check services, targets, functions and alarms until all pass or ``deadline``
        seconds are over (by default `health.DEADLINE`).

        Raises AwsError if there are no valid credentials.
        """
        from ..health import DEADLINE, SIMULATED, verify_environment

        with self.user.verification() as progress:
            return verify_environment(
                lives,
                self.environment.aws,
                deadline=DEADLINE if deadline is None else deadline,
                skip=SIMULATED if self.environment.simulated else (),
                on_progress=progress,
                clock=self.timing.clock,
                sleep=self.timing.sleep,
            )


def is_healthy(checks: Collection[HealthCheck]) -> bool:
    """Whether no check failed."""
    from ..health import CheckState

    return all(check.state is not CheckState.FAIL for check in checks)


def watch_command(environment: str) -> str:
    """The command that follows the operations of an environment."""
    return command_line(f"watch --env {environment}")


def new_token(verb: str) -> str:
    """A ClientRequestToken of one operation."""
    return f"{verb}-{uuid.uuid4().hex[:12]}"
