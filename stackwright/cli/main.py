"""The command line: which module has which verb, and how a command ends.

Data goes to stdout, everything else to stderr. Exit 0: success; 1: any problem; 2: changes, where
--detailed-exitcode asks; 130: interrupted.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

import click

from .. import __version__
from ..core import Location, OutputError, Report, StackwrightError
from .options import show_report

_VERBS: Mapping[str, Sequence[str]] = {
    "render": ("render", "lint", "params", "explain", "graph", "diff"),
    "project": ("init", "doctor", "docs", "completion"),
    "artifacts": ("package", "secrets", "images"),
    "deploy": ("plan", "deploy", "rollback"),
    "releases": ("verify", "status", "outputs", "history", "drift", "import", "prune"),
    "stacks": ("watch", "events", "repair", "destroy"),
    "emulator": ("emulator", "rehearse"),
    "pipeline": ("permissions", "preflight", "taskcat"),
}
"""Module -> the verbs in its ``VERBS``; it is imported when one of them is asked for."""


class _Group(click.Group):
    """Imports a verb when it is asked for, and turns our errors into messages and exit code 1; a
    traceback is never the user's to read."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All verbs, in the order of the alphabet."""
        return sorted(name for names in _VERBS.values() for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """The verb, if there is one of that name."""
        module = next((module for module, names in _VERBS.items() if cmd_name in names), None)
        if module is None:
            return None
        verbs: Sequence[click.Command] = import_module(f".{module}", __package__).VERBS
        return next(each for each in verbs if each.name == cmd_name)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; click's own mistakes (a wrong option) exit 1 too."""
        try:
            with _ended_in_order():
                code = super().main(*args, **{**kwargs, "standalone_mode": False})
            sys.exit(code if isinstance(code, int) else 0)
        except StackwrightError as error:
            show_report(Report(error.problems))
        except click.ClickException as error:
            error.show()
        except click.Abort:
            click.echo("interrupted: nothing is left half-done; run it again", err=True)
            sys.exit(130)
        except BrokenPipeError:  # the reader of our output has gone: nothing to report
            sys.stdout = None
        except OSError as error:  # of the output: all else that may fail is told where it is done
            sys.stdout = None
            where = [Location(str(error.filename))] if error.filename else []
            hint = "free some space, or write elsewhere; then run it again"
            show_report(
                Report(
                    OutputError.of(
                        "SW030", f"cannot write: {error.strerror or error}", *where, hint=hint
                    ).problems
                )
            )
        sys.exit(1)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let a run that is told to end (SIGTERM), or whose terminal is closed (SIGHUP), clean up as an
    interrupted one does; what ignores a signal, as under nohup, goes on ignoring it."""
    there = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {each: signal.getsignal(each) for each in there if current_thread() is main_thread()}
    ours = [each for each, handler in before.items() if handler == signal.SIG_DFL]
    for each in ours:
        signal.signal(each, _end)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, before[each])


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="stackwright")
def main() -> None:
    """Jinja-templated CloudFormation: render it, check it, review it, deploy it."""
