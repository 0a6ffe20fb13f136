"""Results kept by the hash of everything they depend on, in the user's cache folder.

Losing an entry only costs time: unreadable or unwritable caches are as good as empty ones. Nothing
that a project holds can add an entry: a pull request could otherwise bring results of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import cached_property
from pathlib import Path

from .files import write_file

CACHE_FOLDER = "STACKWRIGHT_CACHE_DIR"
"""The variable that names another cache folder."""
_ENTRIES = 2000
_DIGEST = hashlib.sha256().digest_size


class Cache:
    """The cached results of one kind, such as renderings, of all projects of the user."""

    def __init__(self, kind: str, entries: int = _ENTRIES) -> None:
        self._kind, self._entries = kind, entries

    @cached_property
    def folder(self) -> Path:
        """The folder of the entries, which may not exist yet."""
        if given := os.environ.get(CACHE_FOLDER):
            return Path(given) / self._kind
        from platformdirs import user_cache_path

        return user_cache_path("stackwright", appauthor=False) / self._kind

    @staticmethod
    def key(*parts: str | bytes) -> str:
        """The SHA-256 of the parts and their lengths, in hexadecimal."""
        digest = hashlib.sha256()
        for part in parts:
            data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()

    def get(self, key: str) -> bytes | None:
        """The data kept under a key; None where there is none, where the entry is damaged or moved,
        or where another user could have written it."""
        try:
            entry = (self.folder / key).read_bytes()
        except OSError:
            return None
        data = entry[_DIGEST:]
        return data if entry[:_DIGEST] == _digest(key, data) and self._is_private else None

    def put(self, key: str, data: bytes) -> None:
        """Keep ``data``; deletes the oldest half where there are too many entries."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self.folder / key, _digest(key, data) + data)
            self._trim()

    @cached_property
    def _is_private(self) -> bool:
        """Whether nobody else can add entries, some of which are code."""
        if os.name != "posix":
            return True
        status = self.folder.stat()
        return status.st_uid == os.geteuid() and not status.st_mode & 0o022

    def _trim(self) -> None:
        entries = list(self.folder.iterdir())
        if len(entries) > self._entries:
            entries.sort(key=lambda path: path.stat().st_mtime)
            for old in entries[: -self._entries // 2]:
                old.unlink(missing_ok=True)


def _digest(key: str, data: bytes) -> bytes:
    return bytes.fromhex(Cache.key(key, data))
