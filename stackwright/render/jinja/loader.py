"""Read templates of the project, and keep compiled ones."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

from ...core import Cache, Location, TemplateError, read_file
from ..text import RESERVED
from .compiler import compiler_version

_MAX_BYTES = 10_000_000
"""Larger templates are refused, as larger files of parameters are."""


class BytecodeCache(jinja2.BytecodeCache):
    """Compiled templates by the hash of their source, this compiler, and the versions of Jinja and
    Python."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def get_cache_key(self, name: str, filename: str | None = None) -> str:  # noqa: ARG002 - the base class
        """Return the template's name: its path may hold bytes that are not text."""
        return name

    def _key(self, bucket: Bucket) -> str:
        return self._cache.key(bucket.key, bucket.checksum, compiler_version())

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket if its template was compiled before."""
        data = self._cache.get(self._key(bucket))
        if data is not None:
            bucket.load_bytecode(io.BytesIO(data))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template."""
        self._cache.put(self._key(bucket), bucket.bytecode_to_string())


class TemplateLoader(jinja2.FileSystemLoader):
    """Templates of the project by POSIX path below ``templates/``: UTF-8, any line ends."""

    def get_source(
        self, _environment: jinja2.Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        """Return the text of a template; raises TemplateError where it is empty or not text."""
        folder = Path(self.searchpath[0])
        path = folder / template
        at = Location(f"templates/{template}", 1)
        if not path.is_relative_to(folder) or ".." in path.parts[len(folder.parts) :]:
            raise jinja2.TemplateNotFound(template)
        if path.is_dir() or not (path.exists() or path.is_symlink()):
            raise jinja2.TemplateNotFound(template)
        data = read_file(path, folder.parent, _MAX_BYTES)
        try:
            text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            at = Location(at.path, data[: error.start].count(b"\n") + 1)
            raise TemplateError.of(
                "SW002", "not UTF-8 text", at, hint="save the file as UTF-8"
            ) from None
        if not text.strip():
            hint = "write Resources: and at least one resource"
            raise TemplateError.of("SW105", "the template is empty", at, hint=hint)
        if RESERVED.search(text):
            raise TemplateError.of("SW105", "the characters U+E000 to U+E002 are reserved", at)
        return text, str(path), lambda: True
