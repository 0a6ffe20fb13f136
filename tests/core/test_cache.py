"""The cache belongs to the user, and nothing in a project or from another user can fill it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stackwright.core import Cache
from tests.support.projects import Project

Make = Callable[..., Project]


def test_entry_is_kept_by_its_key(cache: Path) -> None:
    entries = Cache("lint")
    key = entries.key("a", b"b")
    assert entries.get(key) is None
    entries.put(key, b"data")
    assert Cache("lint").get(key) == b"data"
    assert Cache("other").get(key) is None
    assert entries.folder == cache / "lint"


@pytest.mark.parametrize("entry", [b"", b"[]", b"\0" * 32, b"\0" * 32 + b"[]"])
def test_altered_entry_is_absent(entry: bytes, cache: Path) -> None:
    entries = Cache("lint")
    entries.put(entries.key("a"), b"data")
    (cache / "lint" / entries.key("a")).write_bytes(entry)
    assert entries.get(entries.key("a")) is None


def test_entry_of_another_key_is_absent(cache: Path) -> None:
    entries = Cache("schema")
    entries.put(entries.key("valid"), b"")
    (cache / "schema" / entries.key("valid")).rename(cache / "schema" / entries.key("invalid"))
    assert entries.get(entries.key("invalid")) is None


def test_folder_that_others_can_write_is_not_trusted(cache: Path) -> None:
    entries = Cache("renderings")
    entries.put(entries.key("a"), b"data")
    entries.folder.chmod(0o777)
    assert Cache("renderings").get(entries.key("a")) is None


def test_default_folder_is_that_of_the_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("STACKWRIGHT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache("lint").folder.parent.name == "stackwright"


def test_tracked_state_folder_is_refused(project: Make) -> None:
    made = project({".stackwright/emulator/journal.jsonl": "{}\n", ".gitignore": ".stackwright/\n"})
    assert made.run("render", "--env", "dev", "--check").returncode == 1  # not rendered yet
    for command in (("init", "-q"), ("add", "-f", ".stackwright")):
        subprocess.run(["git", *command], cwd=made.folder, check=True)
    for verb in ("render", "params", "lint"):
        refused = made.run(verb, "--env", "dev")
        assert refused.returncode == 1
        assert refused.stderr.startswith(
            ".stackwright/emulator/journal.jsonl: error SW029 git tracks files of .stackwright/"
        )
        assert "git rm -r --cached .stackwright" in refused.stderr
    assert not (made.folder / "build").exists()
