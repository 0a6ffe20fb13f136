"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from pathlib import Path


def write_file(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write a file by way of a temporary one beside it, which replaces it in one step.

    However the process or the machine stops, the file has its old content or all of the new one.
    Text is written as UTF-8 with its own line ends. A file that exists keeps its permissions; a new
    one gets ``mode``, less the umask. A link stays, and its target is written; a device or pipe is
    written directly. Raises OSError with the file's name, and leaves no temporary file.
    """
    data = content.encode() if isinstance(content, str) else content
    kept = _permissions(path)
    if kept is None and path.exists():
        with path.open("wb") as stream:
            stream.write(data)
        return
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        _write_new(temporary, data, mode, kept)
        temporary.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):  # names the file that the user knows, if any
            error.filename, error.filename2 = str(path), None
        raise
    _sync_folder(target.parent)


def _permissions(path: Path) -> int | None:
    """Return the permissions of a regular file; None where there is none."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    return stat.S_IMODE(mode) if stat.S_ISREG(mode) else None


def _write_new(path: Path, data: bytes, mode: int, kept: int | None) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        if kept is not None:
            path.chmod(kept)
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power failure, where the system can sync a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
