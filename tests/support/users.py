"""A user whose answers are given in advance, who keeps every message: no terminal is needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from stackwright.aws import Stack
from stackwright.deploy import Fate, Progress, Watcher
from stackwright.health import CheckState, HealthCheck
from stackwright.plan import Outcome, Plan
from stackwright.preflight import PreflightCheck


@dataclass
class ScriptedUser:
    """Answers questions with ``answers`` in turn, and keeps questions, lines, plans and outcomes.

    Without answers a question is an error, as without a terminal.
    """

    answers: list[Any] = field(default_factory=list)
    interactive: bool = False
    questions: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    preflight: list[PreflightCheck] = field(default_factory=list)
    health: list[HealthCheck] = field(default_factory=list)
    deletions: list[tuple[str, list[Fate]]] = field(default_factory=list)

    @classmethod
    def answering(cls, *answers: Any) -> ScriptedUser:
        """Somebody at a terminal, who gives these answers."""
        return cls(list(answers), interactive=True)

    @property
    def outcomes(self) -> list[Outcome]:
        """How the operations ended."""
        return [progress for progress in self.progress if isinstance(progress, Outcome)]

    def confirm(self, question: str) -> bool:
        self.questions.append(question)
        return bool(self.answers.pop(0))

    def ask(self, question: str) -> str:
        self.questions.append(question)
        return str(self.answers.pop(0))

    def say(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def show_plan(self, plan: Plan) -> None:
        self.plans.append(plan)

    def show_no_changes(self, plan: Plan) -> None:
        self.lines.append(f"no changes: {len(plan.roots)} root stacks")

    def show_preflight(
        self, checks: Sequence[PreflightCheck], shown: Collection[CheckState]
    ) -> None:
        self.preflight = [check for check in checks if check.state in shown]

    def show_deletion(self, stack: Stack, fates: Sequence[Fate], note: str = "") -> None:
        self.deletions.append((stack.name, list(fates)))

    def show_health(self, checks: Sequence[HealthCheck]) -> None:
        self.health = list(checks)

    @contextmanager
    def operation(self, stack: str) -> Iterator[Watcher]:
        yield self.progress.append

    @contextmanager
    def verification(self) -> Iterator[Callable[[Sequence[HealthCheck]], None]]:
        yield lambda checks: None
