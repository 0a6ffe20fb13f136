"""Rendering to ``build/<env>``: written beside it, checked there, and swapped in as a whole.

A crash, a full disk or Ctrl-C leaves the old folder; what it left beside is removed by the next
run. What is only checked is written outside of the project.
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

from ..core import Location, OutputError, Problem, Rendering

_STAGING = ".staging-"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def stage_build(rendering: Rendering) -> Iterator[Path]:
    """The rendering in a folder beside ``build/<env>``, at the same depth so that its local paths
    hold.

    The folder is gone afterwards. Raises OutputError where it cannot be written.
    """
    build = rendering.config.project / "build"
    folder = build / f"{_STAGING}{rendering.environment}-{os.getpid()}"
    try:
        _sweep(build)
        _fill(folder, rendering)
        yield folder
    except OSError as error:
        raise _unwritable(error, "build") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def stage_apart(rendering: Rendering) -> Iterator[Path]:
    """The rendering in a temporary folder outside of the project, for what is only looked at:
    build/ need not be writable, and stays as it is.

    The folder is gone afterwards. Raises OutputError where it cannot be written.
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
    """Make the staged ``folder`` the environment's build; False where it already holds the same
    bytes."""
    target = rendering.config.project / "build" / rendering.environment
    if read_contents(target) == read_contents(folder):
        return False
    try:
        if target.exists():
            _exchange(folder, target)
        else:
            folder.rename(target)
    except OSError as error:
        raise _unwritable(error, f"build/{rendering.environment}") from error
    return True


def read_contents(folder: Path) -> dict[str, bytes]:
    """Relative POSIX path -> bytes of every file below ``folder``."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def find_stale(rendering: Rendering) -> str:
    """A unified diff from the committed build to the rendering; empty where they are the same."""
    target = rendering.config.project / "build" / rendering.environment
    old = {name: data.decode(errors="replace") for name, data in read_contents(target).items()}
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


def _sweep(build: Path) -> None:
    """Remove what runs that no longer live have left."""
    for left in build.glob(f"{_STAGING}*"):
        owner = left.name.rpartition("-")[2]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders in one step where the system can (Linux: renameat2(2)), else in two."""
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
