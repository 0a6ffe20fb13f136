"""Results kept by the hash of everything they depend on, in ``.stackwright/`` of the project.

Losing an entry only costs time: unreadable or unwritable caches are as good as empty ones.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from .files import write_file

FOLDER = ".stackwright"
_ENTRIES = 2000


class Cache:
    """The cached results of one kind, such as renderings, of one project."""

    def __init__(self, project: Path, kind: str, entries: int = _ENTRIES) -> None:
        self._entries = entries
        self._top = project / FOLDER
        self.folder = self._top / kind

    @staticmethod
    def key(*parts: str | bytes) -> str:
        """The SHA-256 of the parts and their lengths, in hexadecimal."""
        digest = hashlib.sha256()
        for part in parts:
            data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()

    def get(self, key: str) -> bytes | None:
        """The data kept under a key; None where there is none."""
        try:
            return (self.folder / key).read_bytes()
        except OSError:
            return None

    def put(self, key: str, data: bytes) -> None:
        """Keep ``data``; deletes the oldest half where there are too many entries."""
        with contextlib.suppress(OSError):
            self.prepare()
            write_file(self.folder / key, data)
            self._trim()

    def prepare(self) -> Path:
        """Make the folder, ignored by git; raises OSError where it cannot be made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ignore = self._top / ".gitignore"
        if not ignore.exists():
            write_file(ignore, "*\n")
        return self.folder

    def _trim(self) -> None:
        entries = list(self.folder.iterdir())
        if len(entries) > self._entries:
            entries.sort(key=lambda path: path.stat().st_mtime)
            for old in entries[: -self._entries // 2]:
                old.unlink(missing_ok=True)
