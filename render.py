#!/usr/bin/env python3
"""Render, check and deploy this project; ``python render.py --help`` lists the verbs.

Any Python can start this file: where it is older than 3.11 or lacks the packages, the Python of
``.venv`` takes over.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

VENV = Path(__file__).absolute().parent / ".venv"
PACKAGES = (
    "botocore", "cfnlint", "click", "dotenv", "jinja2", "jsonschema", "lazy_loader", "msgspec",
    "platformdirs", "requests", "rich", "yaml",
)  # fmt: skip
MARK = "stackwright_python"
"""A -X option that holds the Python that the user called, once ``.venv`` has taken over."""


def main() -> None:
    """Run the command line, or start this file again with the Python of ``.venv``."""
    missing = [] if _is_venv() else [name for name in PACKAGES if find_spec(name) is None]
    if missing or sys.version_info < (3, 11):
        _change_python(missing)
    try:
        from stackwright.cli.main import run

        run()
    except ModuleNotFoundError as error:  # an installation that did not finish
        if error.name is None or error.name.startswith("stackwright"):
            raise
        _give_up([error.name])


def _is_venv() -> bool:
    return VENV.exists() and VENV.samefile(sys.prefix)


def _change_python(missing: "list[str]") -> None:
    python = str(VENV / "bin" / "python")
    if MARK in sys._xoptions or not os.access(python, os.X_OK):  # never twice: it would not end
        _give_up(missing)
    called = getattr(sys, "orig_argv", ["python3"])[0]  # new in Python 3.10
    os.execv(python, [python, "-X", f"{MARK}={called}", *sys.argv])  # noqa: S606 - no shell


def _give_up(missing: "list[str]") -> None:
    lacks = f"lacks {', '.join(missing)}" if missing else "is older than 3.11"
    sys.exit(f"render.py: {sys.executable} {lacks}\n  hint: make install, which fills .venv")


if __name__ == "__main__":
    main()
