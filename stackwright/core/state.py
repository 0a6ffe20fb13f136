"""The folder ``.stackwright/`` of a project: state of one checkout, such as that of the local
CloudFormation.

It is never part of the repository: whoever wrote it would be believed.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from .errors import InputError
from .files import write_file
from .model import Location

STATE_FOLDER = ".stackwright"


def prepare_state(project: Path, kind: str) -> Path:
    """Return the folder of one kind of state, made if need be and ignored by git.

    Raises OSError where it cannot be made.
    """
    folder = project / STATE_FOLDER / kind
    folder.mkdir(parents=True, exist_ok=True)
    ignore = project / STATE_FOLDER / ".gitignore"
    if not ignore.exists():
        write_file(ignore, "*\n")
    return folder


def require_untracked_state(project: Path) -> None:
    """Raise InputError (SW029) where git tracks a file of the state folder."""
    if not (project / STATE_FOLDER).exists():
        return
    command = ["git", "-C", str(project), "ls-files", "-z", "--", STATE_FOLDER]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return  # no git, or no repository: nothing came with one
    if tracked := [name for name in listed.decode("utf-8", "replace").split("\0") if name]:
        raise InputError.of(
            "SW029",
            f"git tracks files of {STATE_FOLDER}/, which holds the state of one checkout",
            Location(tracked[0]),
            hint=f"remove them: git rm -r --cached {STATE_FOLDER}",
        )
