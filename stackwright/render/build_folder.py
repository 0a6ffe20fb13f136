"""Write a rendering to ``build/<env>``: staged beside it, checked there, and swapped in as a whole.

After a crash, a full disk or Ctrl-C the old folder is still there; the next run removes the staged
one. A rendering that is only checked is staged outside of the project.
"""

from __future__ import annotations

import difflib
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core import (
    Location,
    OutputError,
    Problem,
    Rendering,
    read_file,
    require_readable,
    walk_files,
)

_STAGING = ".staging-"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def stage_build(rendering: Rendering) -> Iterator[Path]:
    """Write the rendering to a folder beside ``build/<env>``, and remove it afterwards.

    The folder has the same depth, so that local paths are valid. Raises OutputError where it cannot
    be written.
    """
    build = rendering.config.project / "build"
    require_readable(build, rendering.config.project)
    folder = build / f"{_STAGING}{rendering.environment}-{os.getpid()}"
    try:
        _remove_abandoned(build)
        _fill(folder, rendering)
        yield folder
    except OSError as error:
        raise _unwritable(error, "build") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def stage_apart(rendering: Rendering) -> Iterator[Path]:
    """Write the rendering to a temporary folder outside of the project, and remove it afterwards.

    build/ stays as it is and need not be writable. Raises OutputError where the folder cannot be
    written.
    """
    top: str | None = None
    try:
        try:
            top = tempfile.mkdtemp(prefix="stackwright-")
            folder = Path(top).resolve() / rendering.environment
            _fill(folder, rendering)
        except OSError as error:
            hint = "free some space, or set TMPDIR to a folder that can be written"
            message = f"cannot write: {error.strerror or error}"
            raise OutputError.of(
                "SW030", message, Location(tempfile.gettempdir()), hint=hint
            ) from error
        yield folder
    finally:
        if top is not None:
            shutil.rmtree(top, ignore_errors=True)


def _fill(folder: Path, rendering: Rendering) -> None:
    for document in rendering.documents:
        path = folder / document.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.text, encoding="utf-8", newline="\n")


def write_build(rendering: Rendering, folder: Path) -> bool:
    """Make the staged ``folder`` the environment's build; returns False where the build already
    holds the same bytes."""
    project = rendering.config.project
    target = project / "build" / rendering.environment
    if read_contents(target, project) == read_contents(folder, folder):
        return False
    try:
        if target.exists():
            _exchange(folder, target)
        else:
            folder.rename(target)
    except OSError as error:
        raise _unwritable(error, f"build/{rendering.environment}") from error
    return True


def read_contents(folder: Path, root: Path) -> dict[str, bytes]:
    """Return the bytes of every file below ``folder`` by relative POSIX path.

    Raises InputError (SW028) for links that leave ``root``, and special files.
    """
    return {name: read_file(path, root) for name, path in walk_files(folder, root)}


def find_stale(rendering: Rendering) -> str:
    """Return a unified diff from the committed build to the rendering; empty where they are
    equal."""
    project = rendering.config.project
    committed = read_contents(project / "build" / rendering.environment, project)
    old = {name: data.decode(errors="replace") for name, data in committed.items()}
    new = {document.path: document.text for document in rendering.documents}
    diff: list[str] = []
    for name in sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)):
        shown = f"build/{rendering.environment}/{name}"
        diff += difflib.unified_diff(
            old.get(name, "").splitlines(keepends=True),
            new.get(name, "").splitlines(keepends=True),
            shown if name in old else "/dev/null",
            shown if name in new else "/dev/null",
        )
    return "".join(diff)


def _remove_abandoned(build: Path) -> None:
    """Remove staged folders of processes that have ended."""
    for folder in build.glob(f"{_STAGING}*"):
        process = folder.name.rpartition("-")[2]
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders in one step where the system can (Linux: renameat2(2)), else in three."""
    if sys.platform == "linux":
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        done = library.renameat2(
            _AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE
        )
        if done == 0:
            return
        if ctypes.get_errno() not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(old))
    aside = new.with_name(new.name + "-old")
    old.rename(aside)
    new.rename(old)
    aside.rename(new)


def _unwritable(error: OSError, shown: str) -> OutputError:
    hints = {
        errno.ENOSPC: "free some space and run it again; the old build is untouched",
        errno.EROFS: "the file system is read-only",
    }
    hint = hints.get(
        error.errno or 0, "check the owner and mode of build/; the old build is untouched"
    )
    message = f"cannot write: {error.strerror or error}"
    return OutputError([Problem("SW030", message, (Location(shown),), hint)])
