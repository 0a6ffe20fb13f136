"""Profiles of the property tests, and the fixture that makes small projects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from stackwright.core import CACHE_FOLDER
from tests.support.projects import Project, small

pytest_plugins = ["tests.support.aws"]

_COMMON = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}
settings.register_profile("quick", max_examples=30, derandomize=True, **_COMMON)
settings.register_profile(
    "full", max_examples=1000, derandomize=True, **_COMMON
)  # the same answer twice
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long loops run with the full profile (``HYPOTHESIS_PROFILE=full make test``), or where ``-m`` names them."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "full" or config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """``project({"path": "content"})``: the smallest project with these files."""

    def make(changes: Mapping[str, str | bytes | None] | None = None) -> Project:
        return small(tmp_path / "project", changes)

    return make


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One empty cache folder for the workers of a run: nothing of the user's is read or written."""
    base = tmp_path_factory.getbasetemp()
    workers = "PYTEST_XDIST_WORKER" in os.environ
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_FOLDER, str((base.parent if workers else base) / "cache"))
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cache that only this test uses."""
    monkeypatch.setenv(CACHE_FOLDER, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are asserted word for word: no colours, no wrapping, whatever the terminal is."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
