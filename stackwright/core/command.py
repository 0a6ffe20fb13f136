"""The name by which the user called the program, for hints that can be copied to the shell."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

_INSTALLED, _SCRIPT = "stackwright", "render.py"


def command_line(arguments: str) -> str:
    """Return a command that the user can type: ``command_line("render --env prod")`` gives
    ``stackwright render --env prod``, or ``python render.py render --env prod``."""
    return f"{command_name()} {arguments}"


def command_name() -> str:
    """Return the program as the user called it: ``stackwright``, ``python render.py``,
    ``./render.py``, …; ``stackwright`` where another program, such as a test, runs the engine."""
    called = sys._xoptions.get("stackwright_command")  # set by render.py when it changes the Python
    if isinstance(called, str):
        return called
    program = sys.argv[0] if sys.argv else ""
    if Path(program).name == _SCRIPT:
        return name_script(sys.orig_argv, program)
    if Path(program).name == _INSTALLED and shutil.which(_INSTALLED) != program:
        return shlex.quote(program)
    return _INSTALLED


def name_script(arguments: list[str], program: str) -> str:
    """Return the words of a command line up to and including the script ``program``; only the
    script where the system ran it by its first line."""
    if "/" in program and os.access(program, os.X_OK):
        return shlex.quote(program)
    before = arguments[: arguments.index(program)] if program in arguments else ["python"]
    return shlex.join([*before, program])
