"""render.py under a Python without packages hands over to .venv, or says how to install."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tests.support.projects import RENDER_PY, REPOSITORY

BARE = [getattr(sys, "_base_executable", sys.executable), "-S"]
"""A Python without site-packages, as that of a system is."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project with its own render.py and engine, and no .venv."""
    (tmp_path / "render.py").symlink_to(RENDER_PY)
    (tmp_path / "stackwright").symlink_to(REPOSITORY / "stackwright")
    (tmp_path / "params").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "params/dev.yaml").write_text("title: news\n")
    (tmp_path / "templates/main.yaml.j2").write_text(
        "Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Properties: {DisplayName: {{ title }}}\n"
    )
    return tmp_path


@pytest.fixture
def installed(checkout: Path) -> Path:
    """A copy of the script beside a .venv that has the packages."""
    (checkout / ".venv").symlink_to(sys.prefix)
    return checkout


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_bare_python_hands_over_to_venv(installed: Path) -> None:
    result = run([*BARE, "render.py", "params", "--env", "dev"], installed)
    assert (result.returncode, result.stdout, result.stderr) == (
        0,
        "title: news\nenvironment: dev\n",
        "",
    )


def test_exit_status_and_hint_survive_the_change_of_python(installed: Path) -> None:
    result = run([*BARE, "render.py", "render", "--check", "--no-lint", "--env", "dev"], installed)
    assert result.returncode == 1
    assert f"{BARE[0]} render.py render --env dev" in result.stderr


def test_diff_against_a_revision_with_a_bare_python(installed: Path) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]
    assert run([*BARE, "render.py", "render", "--env", "dev"], installed).returncode == 0
    for command in (["init", "-q"], ["add", "build"], ["commit", "-qm", "build"]):
        run([*git, *command], installed)
    same = run([*BARE, "render.py", "diff", "--env", "dev", "--against", "HEAD"], installed)
    assert (same.returncode, same.stderr) == (0, "")


def test_script_run_by_its_first_line_hands_over(installed: Path) -> None:
    """``./render.py`` takes the first python3 of PATH."""
    (installed / "bin").mkdir()
    python = installed / "bin/python3"
    python.write_text(f'#!/bin/sh\nexec {" ".join(BARE)} "$@"\n')
    python.chmod(0o755)
    result = run(["./render.py", "init", "qa"], installed, PATH=f"{installed}/bin:/usr/bin:/bin")
    assert result.returncode == 0
    assert "then ./render.py render --env qa" in result.stderr


def test_shell_completion_hands_over(installed: Path) -> None:
    result = run(
        [*BARE, "render.py"],
        installed,
        _RENDER_PY_COMPLETE="bash_complete",
        COMP_WORDS="render.py ren",
        COMP_CWORD="1",
    )
    assert result.stdout == "plain,render\n"


def test_shell_evaluates_emulator_start_of_a_bare_python(installed: Path) -> None:
    start = " ".join([*BARE, "render.py", "emulator", "start", "--env", "dev"])
    try:
        result = run(["sh", "-c", f'eval "$({start})"; echo $AWS_ENDPOINT_URL'], installed)
        assert result.stdout.startswith("http://127.0.0.1:")
    finally:
        run([*BARE, "render.py", "emulator", "stop"], installed)


def test_bare_python_without_venv_says_make_install(checkout: Path) -> None:
    result = run([*BARE, "render.py", "render"], checkout)
    assert result.returncode == 1
    assert "lacks botocore, cfnlint, click" in result.stderr
    assert "hint: make install" in result.stderr
    assert "Traceback" not in result.stderr


def test_unfinished_venv_does_not_restart_endlessly(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {" ".join(BARE)} "$@"\n')
    python.chmod(0o755)
    result = run([*BARE, "render.py", "render"], checkout)
    assert result.returncode == 1
    assert "hint: make install" in result.stderr


def test_every_dependency_is_checked() -> None:
    """render.py names the modules of the packages in pyproject.toml."""
    text = (REPOSITORY / "pyproject.toml").read_text()
    listed = tomllib.loads(text)["project"]["dependencies"]
    names = {re.split(r"[<>=\[]", line)[0] for line in listed}
    distributions = packages_distributions()
    modules = {
        module for module, owners in distributions.items() if names & {o.lower() for o in owners}
    }
    spec = spec_from_file_location("render_py", RENDER_PY)
    assert spec is not None
    assert spec.loader is not None
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    assert set(script.PACKAGES) <= modules
    assert len(script.PACKAGES) == len(names)
