"""Config and templates -> the Rendering that they gave the last time, and what was found in it,
where nothing that they depend on has changed.

Most runs of a pipeline, and every second command of a user, render what was rendered before. What a
rendering depends on is small: the merged parameters, the templates, and this program; so that is
hashed instead. Losing an entry only costs time.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from ..core import Cache, Config, Rendering, Report

LINT_CONFIG = (".cfnlintrc", ".cfnlintrc.yaml", ".cfnlintrc.yml")
"""Files of the project that cfn-lint reads."""
_ENTRIES = 40
"""Each takes up some hundred KiB."""
_VERSIONS = {"jinja2": "__init__.py", "yaml": "__init__.py", "cfnlint": "version.py"}
"""Packages that render and check besides this program, and the file that holds their version:
reading it takes much less than asking for the metadata."""


def cached_rendering(config: Config, render: Callable[[Config], Rendering]) -> Rendering:
    """What ``render`` makes of the Config, or made of it before. Raises what ``render`` raises,
    which is not kept."""
    cache = Cache(config.project, "renderings", _ENTRIES)
    key = cache.key(*_inputs(config))
    parts = _loaded(cache.get(key))
    if parts is not None and all((config.project / path).exists() for path in parts[-1]):
        documents, wiring, problems, local_paths = parts
        return Rendering(config, documents, MappingProxyType(wiring), problems, local_paths, key)
    made = render(config)
    parts = (made.documents, dict(made.wiring), made.problems, made.local_paths)
    cache.put(key, pickle.dumps(parts, pickle.HIGHEST_PROTOCOL))
    return replace(made, inputs=key)


def cached_report(found: Rendering, check: Callable[[Rendering], Report]) -> Report:
    """What ``check`` finds in a rendering, or found in it before; what took too long to lint is not
    kept."""
    project = found.config.project
    settings = [path.read_bytes() for name in LINT_CONFIG if (path := project / name).is_file()]
    cache = Cache(project, "reports", _ENTRIES)
    key = cache.key(found.inputs, *settings)
    kept = _loaded(cache.get(key)) if found.inputs else None
    if isinstance(kept, Report):
        return kept
    made = check(found)
    if found.inputs and all(each.code != "SW390" for each in made.problems):
        cache.put(key, pickle.dumps(made, pickle.HIGHEST_PROTOCOL))
    return made


def _inputs(config: Config) -> Iterator[str | bytes]:
    """All that decides what is rendered and found in it, but for whether local paths exist."""
    yield sys.version
    yield repr(config)
    for name, file in _VERSIONS.items():
        spec = find_spec(name)
        path = Path(spec.origin).with_name(file) if spec and spec.origin else None
        yield path.read_bytes() if path and path.is_file() else b""
    for name, entry in _files(Path(__file__).parents[1]):
        if name.endswith(".py"):  # by time and size, as Python itself knows what it has compiled
            stat = entry.stat()
            yield f"{name} {stat.st_mtime_ns} {stat.st_size}"
    for name, entry in _files(config.project / "templates"):
        yield name
        yield Path(entry).read_bytes()


def _files(
    folder: Path, prefix: str = "", above: tuple[Path, ...] = ()
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files below a folder by their relative POSIX paths, sorted; in a third of the time of
    `Path.rglob`. Links are followed, as Jinja follows them, but none to a folder ``above``."""
    real = folder.resolve()
    if real in above or not real.is_dir():
        return
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda each: each.name)
    for entry in found:
        if entry.is_dir():
            yield from _files(Path(entry), f"{prefix}{entry.name}/", (*above, real))
        elif entry.is_file():
            yield prefix + entry.name, entry


def _loaded(data: bytes | None) -> Any:
    """An entry of the cache, whose folder is as trusted as the project's code; None where it is
    damaged."""
    try:
        return None if data is None else pickle.loads(data)  # noqa: S301
    except Exception:  # whatever a damaged entry raises
        return None
