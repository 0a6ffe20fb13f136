"""botocore's data, through its own extension point for loaders: the same files in a third of the
time.

Making the clients of five services takes a fifth of a command that finds nothing to do, and most of
it is reading what they look like: botocore reads in Python's own ordered dictionaries what is
packed and mostly documentation, and looks into some 900 folders to know which services there are.
Here the files are kept unpacked and without documentation.
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
"""In the order in which botocore looks for them."""
_WORTH = 20_000
"""Bytes of a file from which on it is kept; smaller ones are read as fast."""


class FastLoader(Loader):
    """A data loader for a session of botocore, with the folders that ``like`` searches; ``kept``
    holds what was read before, by botocore's version and the path, size and time of each file.

    Source: https://docs.aws.amazon.com/botocore/latest/reference/loaders.html
    """

    def __init__(self, like: Loader, kept: Cache | None) -> None:
        super().__init__(list(like.search_paths), _Files(kept), include_default_search_paths=False)
        folders = (Path(each) for each in self.search_paths)
        self._names = sorted(
            {entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir()}
        )

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - what each has is not looked into
        """The names of all services, and of files beside them."""
        return self._names

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Any:
        """What a service has of a type of data. Raises UnknownServiceError where it has none, which
        botocore knows from the list that is shorter here."""
        try:
            return super().load_service_model(service_name, type_name, api_version)
        except DataNotFoundError:
            known = ", ".join(super().list_available_services(type_name))
            raise UnknownServiceError(
                service_name=service_name, known_service_names=known
            ) from None


class _Files(JSONFileLoader):
    def __init__(self, kept: Cache | None) -> None:
        self._kept = kept

    def load_file(self, file_path: str) -> Any:
        """What the file without its suffix holds; None where there is none."""
        paths = (Path(file_path + suffix) for suffix in _SUFFIXES)
        path = next((each for each in paths if each.is_file()), None)
        return path and self._load(path)

    def _load(self, path: Path) -> Any:
        stat = path.stat()
        if self._kept is None or stat.st_size < _WORTH:
            return _decoded(path)
        key = Cache.key(__version__, path.as_posix(), f"{stat.st_mtime_ns} {stat.st_size}")
        if (kept := self._kept.get(key)) is not None:
            with suppress(msgspec.DecodeError):  # damaged: as good as none
                return msgspec.json.decode(kept)
        found = _undocumented(_decoded(path))
        self._kept.put(key, msgspec.json.encode(found))
        return found


def _decoded(path: Path) -> Any:
    data = path.read_bytes()
    return msgspec.json.decode(gzip.decompress(data) if path.suffix == ".gz" else data)


def _undocumented(data: Any) -> Any:
    """The same with empty texts for ``documentation``, of which botocore makes docstrings when they
    are asked for."""
    if isinstance(data, dict):
        return {
            key: "" if key == "documentation" and isinstance(each, str) else _undocumented(each)
            for key, each in data.items()
        }
    return [_undocumented(each) for each in data] if isinstance(data, list) else data
