"""Config and templates -> the Rendering that they gave the last time, where nothing that it depends on has changed.

Most runs of a pipeline, and every second command of a user, render what was rendered before. What a rendering depends
on is small: the merged parameters, the templates, and this program; so it is read and hashed instead. Losing an entry
only costs time.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from .cache import Cache
from .model import Config, Rendering

_ENTRIES = 40
"""Each takes up some hundred KiB."""
_PACKAGES = ("jinja2", "yaml")
"""What renders besides this program; each has its version in its ``__init__.py``."""


def rendering(config: Config, render: Callable[[Config], Rendering]) -> Rendering:
    """What ``render`` makes of the Config, or made of it before. Raises what ``render`` raises, which is not kept."""
    cache = Cache(config.project, "renderings", _ENTRIES)
    key = cache.key(*_inputs(config))
    found = _loaded(cache.get(key), config)
    if found is None:
        found = render(config)
        parts = (found.documents, dict(found.wiring), found.problems, found.local_paths)
        cache.put(key, pickle.dumps(parts, pickle.HIGHEST_PROTOCOL))
    return found


def _inputs(config: Config) -> Iterator[str | bytes]:
    """All that decides what is rendered, but for whether its local paths exist."""
    yield sys.version
    yield repr(config)
    for name in _PACKAGES:
        spec = find_spec(name)
        yield Path(spec.origin).read_bytes() if spec and spec.origin else b""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        yield path.name
        yield path.read_bytes()
    templates = config.project / "templates"
    for path in sorted(each for each in templates.rglob("*") if each.is_file()):
        yield path.relative_to(templates).as_posix()
        yield path.read_bytes()


def _loaded(data: bytes | None, config: Config) -> Rendering | None:
    """An entry of the cache, whose folder is as trusted as the project's code; None where it does not hold."""
    if data is None:
        return None
    try:
        documents, wiring, problems, local_paths = pickle.loads(data)  # noqa: S301
    except Exception:  # whatever a damaged entry raises
        return None
    if not all((config.project / path).exists() for path in local_paths):
        return None
    return Rendering(config, documents, MappingProxyType(wiring), problems, local_paths)
