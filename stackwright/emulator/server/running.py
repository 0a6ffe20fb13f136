"""The emulators that run on this machine, for ``emulator stop --all``.

Each has a file in the user's cache folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...core import Cache, write_file


@contextmanager
def list_in_cache(folder: Path) -> Iterator[None]:
    """List the emulator of this process, which serves ``folder``, until the end. Where the list
    cannot be written, the emulator runs unlisted."""
    entry = _list_folder() / str(os.getpid())
    with suppress(OSError):
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(entry, str(folder.resolve()), mode=0o600)
    try:
        yield
    finally:
        with suppress(OSError):
            entry.unlink()


def list_folders() -> list[Path]:
    """The folders of the emulators that are listed; some may have ended without a word."""
    with suppress(OSError):
        return sorted({Path(entry.read_text("utf-8")) for entry in _list_folder().iterdir()})
    return []


def _list_folder() -> Path:
    return Cache("emulators").folder
