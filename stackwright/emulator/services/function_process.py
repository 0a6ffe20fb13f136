"""A process for the code of a function: without the administrator's rights, and ended with all of
its children when its time is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

_USER, _GROUPS = "nobody", ("nogroup", "nobody")
"""The user without rights, and the names of its group in Linux distributions and macOS."""


def run_process(
    command: list[str], event: bytes, variables: Mapping[str, str], folder: Path, seconds: float
) -> bytes:
    """Run a command in a folder of its own, with these variables alone; returns what it printed.

    Where this process is the administrator's, the command runs as ``nobody``, if that user can run
    this Python; else as the user of this process.

    Raises:
        subprocess.TimeoutExpired: it did not end in time; it and its children are killed.
    """
    user = find_user()
    if user:
        _hand_over(folder.parent, user)
    with subprocess.Popen(
        command,
        env=dict(variables),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **user,
    ) as process:
        try:
            log: bytes = process.communicate(event, seconds)[0]
            return log
        finally:
            with suppress(ProcessLookupError, PermissionError):  # also children that go on
                os.killpg(process.pid, signal.SIGKILL)


@cache
def find_user() -> dict[str, Any]:
    """The arguments for ``Popen`` that change to the user without rights; none where this process
    has no such rights either, or where that user cannot run this Python."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    for group in _GROUPS:
        user: dict[str, Any] = {"user": _USER, "group": group, "extra_groups": ()}
        with suppress(OSError, LookupError, ValueError, subprocess.SubprocessError):
            command = [sys.executable, "-c", "import botocore"]
            subprocess.run(
                command, check=True, capture_output=True, timeout=60, cwd="/", env={}, **user
            )
            return user
    return {}


def _hand_over(folder: Path, user: Mapping[str, Any]) -> None:
    """Let the user own a folder and all that is in it."""
    import grp
    import pwd

    owner = pwd.getpwnam(user["user"]).pw_uid, grp.getgrnam(user["group"]).gr_gid
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *owner, follow_symlinks=False)
