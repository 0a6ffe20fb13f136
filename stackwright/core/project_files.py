"""Read the files of a project: no link that leaves it, no FIFO, socket or device.

A pull request may add any of these. A link would publish a file of the machine that renders, and
reading a FIFO would never end.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import InputError
from .model import Location

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_KEYS = "keys.env"
"""The file of secret values, which lies inside the project."""


def read_file(path: Path, root: Path, limit: int | None = None) -> bytes:
    """Return the bytes of a regular file of the project at ``root``.

    Raises InputError: SW028 as `require_readable`, SW002 for a file of more than ``limit`` bytes.
    Raises OSError where the file cannot be read.
    """
    require_readable(path, root)
    if limit is not None and path.stat().st_size > limit:
        message = f"larger than {limit // 1_000_000} MB"
        raise InputError.of("SW002", message, Location(_shown(path, root), 1))
    with open(path, "rb", opener=_open) as file:
        return file.read()


def _open(path: str, flags: int) -> int:
    """Open a file without waiting, for the case that a FIFO took its place since the check."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def require_readable(path: Path, root: Path) -> None:
    """Raise InputError (SW028) unless ``path`` is a regular file or a folder that lies below
    ``root`` once its links are resolved; nothing is opened.

    A link may not lead to hidden files (``.git`` holds the credentials of a checkout) or to
    ``keys.env`` either, except under the same name.
    """
    target = Path(os.path.realpath(path))
    top = Path(os.path.realpath(root))
    kind = _kind(target)
    at = Location(_shown(path, root))
    if not target.is_relative_to(top):
        message = f"a link that leaves the project: it leads to {kind}"
        hint = "replace the link by a copy, or link to a file of the project"
        raise InputError.of("SW028", message, at, hint=hint)
    if _private(target, top) - set(path.parts):
        message = f"a link to a hidden or secret place of the project: it leads to {kind}"
        raise InputError.of("SW028", message, at, hint="remove the link")
    if kind == "nothing" and path.is_symlink():
        raise InputError.of("SW028", "a link that leads to nothing", at, hint="remove the link")
    if kind not in ("a file", "a folder", "nothing"):
        message = f"{kind}, not a file"
        raise InputError.of("SW028", message, at, hint="remove it, or put a file in its place")


def _shown(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _private(target: Path, top: Path) -> set[str]:
    """Return the parts of a path below ``top`` that are hidden or hold secret values."""
    parts = target.relative_to(top).parts
    return {part for part in parts if part.startswith(".") or part == _KEYS}


def _kind(path: Path) -> str:
    try:
        return _KINDS.get(stat.S_IFMT(path.stat().st_mode), "a special file")
    except (OSError, ValueError):
        return "nothing"


def walk_files(
    folder: Path, root: Path, skip: Callable[[Path], bool] = lambda _path: False
) -> Iterator[tuple[str, Path]]:
    """Yield POSIX path below ``folder`` and path of every file in it, sorted by folder.

    Links to folders of the project are followed, except to a folder that is being walked. Files
    and folders that ``skip`` returns true for are left out. Raises InputError as `require_readable`
    for any other link or special file that may not be read.
    """
    if folder.is_symlink() or folder.exists():
        require_readable(folder, root)
    if folder.is_dir():
        yield from _walk(folder, root, skip, "", (os.path.realpath(folder),))


def _walk(
    folder: Path, root: Path, skip: Callable[[Path], bool], prefix: str, above: tuple[str, ...]
) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        path = folder / entry.name
        if skip(path):
            continue
        if entry.is_file(follow_symlinks=False):
            yield prefix + entry.name, path
            continue
        if not entry.is_dir(follow_symlinks=False):
            require_readable(path, root)
        if not entry.is_dir():
            yield prefix + entry.name, path
            continue
        real = os.path.realpath(path)
        if real not in above:
            yield from _walk(path, root, skip, f"{prefix}{entry.name}/", (*above, real))
