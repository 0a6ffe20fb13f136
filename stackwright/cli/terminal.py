"""The user at a terminal, or the log of a pipeline: asks and tells."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ..core import escape_text
from .output import console, echo, echo_as

if TYPE_CHECKING:
    from ..aws import Stack
    from ..deploy import Approvals, Fate, Watcher
    from ..health import CheckState, HealthCheck
    from ..plan import Environment, Plan
    from ..preflight import PreflightCheck

_WIDE = 2000
"""Columns that a table may take."""


def print_table(table: Any, *, stderr: bool = False) -> None:
    """Print a table. On a terminal the last column wraps at words, where the others leave room for
    that; elsewhere each row is one line."""
    from rich.measure import Measurement

    screen = console(stderr=stderr)
    wide = screen.options.update(width=_WIDE)
    least = Measurement.get(screen, wide, table).minimum
    screen.width = max(screen.width, least) if screen.is_terminal else _WIDE
    with screen.capture() as captured:
        screen.print(table, soft_wrap=False)
    # rich fills up the last column, and may end it with the code of a style
    text = re.sub(r" +((?:\x1b\[[0-9;]*m)*)$", r"\1", captured.get(), flags=re.MULTILINE)
    click.echo(text, nl=False, err=stderr)


class Terminal:
    """Asks on stderr, shows plans on stdout and everything else on stderr.

    ``style`` is that of plans, ``verbose`` lists in full what they fold otherwise. ``aside`` shows
    them on stderr, where stdout holds data for a machine. Plans mark the dangers that ``approvals``
    cover.
    """

    def __init__(
        self,
        environment: Environment,
        style: str = "text",
        *,
        aside: bool = False,
        verbose: bool = False,
        approvals: Approvals | None = None,
    ) -> None:
        self._environment, self._style = environment, style
        self._aside, self._verbose, self._approvals = aside, verbose, approvals

    # --- asks

    @property
    def interactive(self) -> bool:
        """Whether stdin is a terminal."""
        return sys.stdin.isatty()

    def confirm(self, question: str) -> bool:
        """Ask for y or n."""
        return click.confirm(escape_text(question), err=True)

    def ask(self, question: str) -> str:
        """Ask for a text."""
        return str(click.prompt(escape_text(question), default="", show_default=False, err=True))

    def ask_hidden(self, question: str) -> str:
        """Ask for a text that does not appear on the screen."""
        answer = click.prompt(
            escape_text(question), default="", show_default=False, hide_input=True, err=True
        )
        return str(answer)

    # --- tells

    def say(self, text: str) -> None:
        """One line on stderr."""
        echo(text, err=True)

    def warn(self, text: str) -> None:
        """One red line on stderr."""
        click.secho(escape_text(text), fg="red", err=True)

    def show_plan(self, plan: Plan) -> None:
        """The plan in the style asked for."""
        from ..report import format_plan, no_option

        find_option = self._approvals.find_option if self._approvals else no_option
        text = format_plan(plan, self._style, verbose=self._verbose, find_option=find_option)
        if self._style == "text":
            console(stderr=self._aside).print(text)
        else:
            echo_as(self._style, text)

    def show_no_changes(self, plan: Plan) -> None:
        """The root stacks of a plan that changes nothing, on stdout."""
        roots = (f"{root.desired.root} ({root.desired.stack})" for root in plan.roots)
        echo(f"No changes: {', '.join(roots)}")

    def show_preflight(
        self, checks: Sequence[PreflightCheck], shown: Collection[CheckState]
    ) -> None:
        """The checks that have one of the states, and how many have which."""
        from ..report import preflight_as_text, summarize_preflight

        if listed := [check for check in checks if check.state in shown]:
            console(stderr=True).print(preflight_as_text(listed))
        self.say(f"preflight: {summarize_preflight(checks)}")

    def show_deletion(self, stack: Stack, fates: Sequence[Fate], note: str = "") -> None:
        """A stack, whether it is protected, and what happens to its resources."""
        from ..report import format_fates

        screen = console(stderr=True)
        protected = "  (termination protection is on)" if stack.protected else ""
        screen.print(f"[bold]{stack.name}[/]  {stack.status}{protected}{note}")
        lines = format_fates(fates).splitlines() or ["holds nothing"]
        screen.print("\n".join(f"  {line}" for line in lines))

    def show_health(self, checks: Sequence[HealthCheck]) -> None:
        """The checks that failed as a table, and how many have which state."""
        from ..report import format_checks, summarize_checks

        if failed := [check for check in checks if check.state == "fail"]:
            print_table(format_checks(failed), stderr=True)
        self.say(summarize_checks(checks))

    @contextmanager
    def operation(self, stack: str) -> Iterator[Watcher]:
        """A live tree on a terminal, lines elsewhere; Ctrl-C detaches from the operation."""
        from ..report import show_progress
        from .interruption import detachable

        screen = console(stderr=True)
        with detachable(stack, self._environment, self), show_progress(screen, stack) as watcher:
            yield watcher

    @contextmanager
    def verification(self) -> Iterator[Callable[[Sequence[HealthCheck]], None]]:
        """A spinner that names the first check that is waited for."""
        with console(stderr=True).status("verifying") as spinner:

            def update(checks: Sequence[HealthCheck]) -> None:
                waiting = [
                    f"{check.address}: {check.detail}" for check in checks if check.state == "fail"
                ]
                more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
                spinner.update(f"verifying: {waiting[0]}{more}" if waiting else "verifying")

            yield update
