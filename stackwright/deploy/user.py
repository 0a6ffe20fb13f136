"""Who runs a command: `Prompt` asks, `Display` tells.

A deployment does not know a terminal. The command line implements these protocols; a test hands in
an object that answers by itself and keeps what it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from ..aws import Stack
from ..health import CheckState, HealthCheck
from ..plan import Plan
from .operation import Fate, Watcher

if TYPE_CHECKING:
    from ..preflight import PreflightCheck

Say = Callable[[str], None]
"""Shows one line about what happens now."""


class Stopped(Exception):
    """The command ends here, with exit status 1; the user has been told why."""


class Prompt(Protocol):
    """Asks the user."""

    @property
    def interactive(self) -> bool:
        """Whether somebody can answer."""

    def confirm(self, question: str) -> bool:
        """Ask for yes or no; no is the default."""

    def ask(self, question: str) -> str:
        """Ask for a text; empty by default."""

    def ask_hidden(self, question: str) -> str:
        """Ask for a text that is not shown while it is typed; empty by default."""


class Display(Protocol):
    """Tells the user. Results go to stdout, everything else to stderr."""

    def say(self, text: str) -> None:
        """Show one line about what happens now."""

    def warn(self, text: str) -> None:
        """Show one line about a danger."""

    def show_plan(self, plan: Plan) -> None:
        """Show a plan."""

    def show_no_changes(self, plan: Plan) -> None:
        """Show that a plan changes nothing."""

    def show_preflight(
        self, checks: Sequence[PreflightCheck], shown: Collection[CheckState]
    ) -> None:
        """Show the checks of the account that have one of the ``shown`` states, and count all."""

    def show_deletion(self, stack: Stack, fates: Sequence[Fate], note: str = "") -> None:
        """Show a stack that is going to be deleted, and what happens to each of its resources."""

    def show_health(self, checks: Sequence[HealthCheck]) -> None:
        """Show the checks of a verification that failed, and count all."""

    def operation(self, stack: str) -> AbstractContextManager[Watcher]:
        """Show an operation on a stack while the block runs; the watcher gets its progress."""

    def verification(self) -> AbstractContextManager[Callable[[Sequence[HealthCheck]], None]]:
        """Show a verification while the block runs; the callback gets all checks, each round."""


class User(Prompt, Display, Protocol):
    """Asks and tells."""
