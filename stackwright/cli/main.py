"""The command line: its help, and how a command ends.

Data goes to stdout, everything else to stderr. Exit 0: success; 1: any problem; 2: changes, where
--detailed-exitcode asks; 130: interrupted.
"""

from __future__ import annotations

import difflib
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from .. import __version__
from ..core import (
    Location,
    OutputError,
    Report,
    StackwrightError,
    command_name,
)
from .debug import DEBUG
from .examples import describe_notes
from .options import completion_variable
from .output import echo, prepare_streams, show_report
from .verbs import GROUPS, MODULES

_EXAMPLES = """\
Examples:
  {name} deploy                        on this machine, no account needed
  {name} diff -e prod --against main   what a deployment would change"""


class VerbFormatter(click.HelpFormatter):
    """Writes help; ``stackwright VERB`` becomes ``python render.py VERB`` where it is so called."""

    def write_text(self, text: str) -> None:
        """Write a paragraph, wrapped."""
        super().write_text(text.replace("stackwright ", f"{command_name()} "))


class VerbContext(click.Context):
    """A context whose help texts name the program as the user called it."""

    formatter_class = VerbFormatter


class VerbGroup(click.Group):
    """The verbs, each imported when it is asked for; turns our errors into messages and exit code
    1, so that the user never reads a traceback."""

    context_class = VerbContext

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all verbs, in the order of ``--help``."""
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - same
        """Return the verb of that name, or None."""
        if cmd_name not in MODULES:
            return None
        verbs: Sequence[click.Command] = import_module(f".{MODULES[cmd_name]}", __package__).VERBS
        verb = next(verb for verb in verbs if verb.name == cmd_name)
        _add_notes(verb, cmd_name)
        return verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb and its arguments; for an unknown one, raise an error that names the
        closest."""
        if not ctx.resilient_parsing and not args[0].startswith("-") and args[0] not in MODULES:
            close = difflib.get_close_matches(args[0], MODULES, 1)
            hint = f"did you mean {close[0]}?" if close else "--help lists the verbs"
            ctx.fail(f"there is no verb {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs by group, and the examples."""
        width = max(map(len, MODULES))
        for title, verbs in GROUPS.items():
            rows = [(name.ljust(width), _short_help(self, ctx, name)) for name in verbs]
            with formatter.section(title):
                formatter.write_dl(rows)
        formatter.write(f"\n{_EXAMPLES.format(name=command_name())}\n")

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; click's own mistakes (a wrong option) exit 1 too."""
        prepare_streams()
        try:
            with _end_on_signals():
                code = super().main(*args, **{**kwargs, "standalone_mode": False})
            sys.exit(code if isinstance(code, int) else 0)
        except StackwrightError as error:
            show_report(Report(error.problems))
        except click.ClickException as error:
            error.show()
        except click.Abort:
            echo("interrupted: nothing is left half-done; run it again", err=True)
            sys.exit(130)
        except BrokenPipeError:  # the reader of our output has gone: nothing to report
            sys.stdout = None
        except OSError as error:  # of the output: every other failure is handled where it happens
            sys.stdout = None
            _report_output(error)
        sys.exit(1)


def _add_notes(command: click.Command, path: str) -> None:
    """Let the help of a verb name the program as it was called, and end with its example."""
    command.context_class = VerbContext
    command.epilog = describe_notes(path)
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            _add_notes(child, f"{path} {name}")


def _short_help(group: click.Group, ctx: click.Context, name: str) -> str:
    command = group.get_command(ctx, name)
    return command.get_short_help_str(60) if command else ""


def _report_output(error: OSError) -> None:
    where = [Location(str(error.filename))] if error.filename else []
    message = f"cannot write: {error.strerror or error}"
    hint = "free some space, or write elsewhere; then run it again"
    show_report(Report(OutputError.of("SW030", message, *where, hint=hint).problems))


@contextmanager
def _end_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (a closed terminal) end a command like an interruption, with its
    clean-up; a signal that is ignored, as under nohup, stays ignored."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in numbers if in_main}
    ours = [number for number, handler in before.items() if handler == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


@click.group(
    cls=VerbGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="stackwright")
@DEBUG
def main() -> None:
    """Jinja-templated CloudFormation: render it, check it, review it, deploy it."""


def run() -> NoReturn:
    """Run the command line as a program, and end the process with its exit code."""
    # A command keeps nearly all that it makes until it ends: Python's default of looking for
    # garbage often takes a third of its time.
    gc.set_threshold(200_000, 20, 100)
    try:
        main(prog_name=command_name(), complete_var=completion_variable())
    except SystemExit as ended:
        if isinstance(ended.code, int) and threading.active_count() == 1:
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
            os._exit(ended.code)  # taking the process's memory apart would take longer
        raise
    sys.exit(0)
