"""Load botocore's service models three times as fast, through its extension point for loaders.

Creating the clients of five services takes a fifth of a command that finds nothing to do, most of
it for reading service models: botocore decompresses JSON that is mostly documentation, and lists
some 900 folders to learn which services exist. This loader caches the models decompressed and
without documentation.
"""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from botocore import __version__
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import JSONFileLoader, Loader

from ..core import Cache

_SUFFIXES = (".json", ".json.gz")
"""File suffixes in botocore's order of preference."""
_CACHED_FROM = 20_000
"""Bytes from which on a file is cached; reading a smaller one takes no longer."""


class FastLoader(Loader):
    """A data loader for a session of botocore that searches the folders of ``like``.

    ``cache`` holds models by botocore's version and the path, size and time of their file; None
    caches nothing.

    Source: https://docs.aws.amazon.com/botocore/latest/reference/loaders.html
    """

    def __init__(self, like: Loader, cache: Cache | None) -> None:
        super().__init__(list(like.search_paths), _Files(cache), include_default_search_paths=False)
        folders = (Path(path) for path in self.search_paths)
        self._names = sorted(
            {entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir()}
        )

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        """The names of all services, and of other files in the folders, for any type of data."""
        return self._names

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Any:
        """Read one type of data of a service. Raises UnknownServiceError where it has none:
        botocore itself learns that from `list_available_services`, which here lists all names."""
        try:
            return super().load_service_model(service_name, type_name, api_version)
        except DataNotFoundError:
            known = ", ".join(super().list_available_services(type_name))
            raise UnknownServiceError(
                service_name=service_name, known_service_names=known
            ) from None


class _Files(JSONFileLoader):
    def __init__(self, cache: Cache | None) -> None:
        self._kept = cache

    def load_file(self, file_path: str) -> Any:
        """Read a file by its path without suffix; None where it does not exist."""
        paths = (Path(file_path + suffix) for suffix in _SUFFIXES)
        existing = next((path for path in paths if path.is_file()), None)
        return existing and self._load(existing)

    def _load(self, path: Path) -> Any:
        stat = path.stat()
        if self._kept is None or stat.st_size < _CACHED_FROM:
            return _decode(path)
        key = Cache.key(__version__, path.as_posix(), f"{stat.st_mtime_ns} {stat.st_size}")
        if (cached := self._kept.get(key)) is not None:
            with suppress(msgspec.DecodeError):  # a damaged entry is read again
                return msgspec.json.decode(cached)
        data = _remove_documentation(_decode(path))
        self._kept.put(key, msgspec.json.encode(data))
        return data


def _decode(path: Path) -> Any:
    data = path.read_bytes()
    return msgspec.json.decode(gzip.decompress(data) if path.suffix == ".gz" else data)


def _remove_documentation(data: Any) -> Any:
    """Empty every ``documentation``, from which botocore would make docstrings on demand."""
    if isinstance(data, dict):
        return {
            key: ""
            if key == "documentation" and isinstance(value, str)
            else _remove_documentation(value)
            for key, value in data.items()
        }
    return [_remove_documentation(value) for value in data] if isinstance(data, list) else data
