"""Cache renderings and their lint reports by the hash of everything that they depend on.

Most runs of a pipeline, and every second command of a user, render unchanged inputs. Those are
small: the merged parameters, the templates, and this program. Losing an entry only costs time.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from ..core import Cache, Config, Rendering, Report, read_file, walk_files

LINT_CONFIG = (".cfnlintrc", ".cfnlintrc.yaml", ".cfnlintrc.yml")
"""Files of the project that cfn-lint reads."""
_ENTRIES = 200
"""The number of entries kept; each takes some hundred KiB."""
_VERSIONS = {"jinja2": "__init__.py", "yaml": "__init__.py", "cfnlint": "version.py"}
"""Package that the result depends on -> the file that holds its version, which is faster to read
than the package's metadata."""


def cached_rendering(config: Config, render: Callable[[Config], Rendering]) -> Rendering:
    """Return ``render(config)``, from the cache where nothing changed; errors are not cached."""
    cache = Cache("renderings", _ENTRIES)
    key = cache.key(*_inputs(config))
    parts = _unpickle(cache.get(key))
    if parts is not None and all((config.project / path).exists() for path in parts[-1]):
        documents, wiring, problems, local_paths = parts
        return Rendering(config, documents, MappingProxyType(wiring), problems, local_paths, key)
    made = render(config)
    parts = (made.documents, dict(made.wiring), made.problems, made.local_paths)
    cache.put(key, pickle.dumps(parts, pickle.HIGHEST_PROTOCOL))
    return replace(made, inputs=key)


def cached_report(rendering: Rendering, check: Callable[[Rendering], Report]) -> Report:
    """Return ``check(rendering)``, from the cache where nothing changed; a report of a template
    that took too long to lint is not cached."""
    project = rendering.config.project
    settings = [
        read_file(path, project) for name in LINT_CONFIG if (path := project / name).exists()
    ]
    cache = Cache("reports", _ENTRIES)
    today = datetime.now(UTC).date().isoformat()  # waivers of guardrails expire
    key = cache.key(rendering.inputs, *settings, today)
    cached = _unpickle(cache.get(key)) if rendering.inputs else None
    if isinstance(cached, Report):
        return cached
    report = check(rendering)
    if rendering.inputs and all(problem.code != "SW390" for problem in report.problems):
        cache.put(key, pickle.dumps(report, pickle.HIGHEST_PROTOCOL))
    return report


def _inputs(config: Config) -> Iterator[str | bytes]:
    """Yield everything that a rendering and its report depend on, except whether local paths
    exist."""
    yield sys.version
    yield repr(config)
    for name, file in _VERSIONS.items():
        spec = find_spec(name)
        path = Path(spec.origin).with_name(file) if spec and spec.origin else None
        yield path.read_bytes() if path and path.is_file() else b""
    engine = Path(__file__).parents[1]
    for name, path in walk_files(engine, engine):
        if name.endswith(".py"):  # by time and size, as Python checks its own compiled files
            stat = path.stat()
            yield f"{name} {stat.st_mtime_ns} {stat.st_size}"
    for name, path in walk_files(config.project / "templates", config.project):
        yield name
        yield path.read_bytes()


def _unpickle(data: bytes | None) -> Any:
    """Return an entry of the cache, which only this user can have written; None where it is
    absent or damaged."""
    try:
        return None if data is None else pickle.loads(data)  # noqa: S301
    except Exception:  # whatever a damaged entry raises
        return None
