"""The Makefile: values are not run as commands, targets call existing verbs, clean stops the
emulator."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from stackwright.cli import main
from tests.support.projects import REPOSITORY

VERBS = ("render", "diff", "plan", "deploy", "rollback", "status", "history", "destroy", "docs")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The Makefile in a folder whose .venv is installed; its Python writes its arguments to
    ``calls``, and fails where the file ``fail`` says so."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-taskcat.txt"):
        (tmp_path / name).touch()
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        '#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word" >>calls; done\n'
        "if [ -f fail ]; then exit $(cat fail); fi\n"
    )
    python.chmod(0o755)
    for name in (".created", ".installed", ".installed-dev"):
        (tmp_path / ".venv" / name).touch()
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


@pytest.mark.parametrize("value", ["dev; touch X", "$$(touch X)", "`touch X`", "'; touch X; '"])
@pytest.mark.parametrize("target", VERBS[:-1])
def test_environment_name_is_not_run_as_a_command(target: str, value: str, copy: Path) -> None:
    make(copy, target, f"ENV={value}", f"BASE={value}", f"RELEASE={value}")
    assert not (copy / "X").exists()
    assert value.replace("$$", "$") in calls(copy)


@pytest.mark.parametrize("target", VERBS)
def test_targets_call_existing_verbs_and_options(target: str, copy: Path) -> None:
    assert make(copy, target, "ENV=prod", "RELEASE=3").returncode == 0
    script, verb, *arguments = calls(copy)
    assert (script, verb) == ("render.py", target)
    context = click.Context(main.main)
    command = main.main.get_command(context, verb)
    assert command is not None
    with command.make_context(verb, list(arguments), parent=context) as parsed:
        assert parsed.params.get("environment", "prod") == "prod"


def test_args_are_split_as_shell_words(copy: Path) -> None:
    make(copy, "render", "ARGS=" + shlex.join(["--set", "title=two words"]))
    assert calls(copy)[-2:] == ["--set", "title=two words"]


def test_failure_of_the_verb_fails_make(copy: Path) -> None:
    (copy / "fail").write_text("3")
    result = make(copy, "deploy")
    assert result.returncode == 2  # as make ends for every failure
    assert "Error 3" in result.stderr


def test_clean_stops_the_emulator_first(copy: Path) -> None:
    (copy / ".stackwright").mkdir()
    assert make(copy, "clean").returncode == 0
    assert calls(copy) == ["render.py", "emulator", "stop"]
    assert not (copy / ".venv").exists()
    assert not (copy / ".stackwright").exists()


def test_clean_works_in_a_fresh_clone(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    assert make(tmp_path, "clean").returncode == 0


def test_makefile_has_few_targets() -> None:
    text = (REPOSITORY / "Makefile").read_text()
    assert len(re.findall(r"^[a-z-]+:.*## ", text, re.MULTILINE)) <= 16
