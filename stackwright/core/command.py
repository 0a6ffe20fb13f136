"""The name by which the user called the program, for hints that can be copied to the shell."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

INSTALLED, SCRIPT = "stackwright", "render.py"
"""The program as an installed package has it, and a project's own entry."""


def command_line(arguments: str) -> str:
    """Return a command that the user can type: ``command_line("render --env prod")`` gives
    ``stackwright render --env prod``, or ``python render.py render --env prod``."""
    return f"{command_name()} {arguments}"


def command_name() -> str:
    """Return the program as the user called it: ``stackwright``, ``python render.py``,
    ``./render.py``, …; ``stackwright`` where another program, such as a test, runs the engine."""
    program = sys.argv[0] if sys.argv else ""
    if Path(program).name == SCRIPT:
        # render.py says so when it had to start another Python.
        python = sys._xoptions.get("stackwright_python")
        return name_script([python, program] if isinstance(python, str) else sys.orig_argv, program)
    if Path(program).name == INSTALLED and shutil.which(INSTALLED) != program:
        return shlex.quote(program)
    return INSTALLED


def program_name() -> str:
    """Return the name of the program's file, ``stackwright`` or ``render.py``."""
    return SCRIPT if sys.argv and Path(sys.argv[0]).name == SCRIPT else INSTALLED


def name_script(arguments: list[str], program: str) -> str:
    """Return the words of a command line up to and including the script ``program``; only the
    script where the system ran it by its first line."""
    if "/" in program and os.access(program, os.X_OK):
        return shlex.quote(program)
    before = arguments[: arguments.index(program)] if program in arguments else ["python"]
    return shlex.join([*before, program])
