"""Hints name the program as the user called it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stackwright.core.command import command_line, command_name, name_script
from tests.support.projects import REPOSITORY


@pytest.mark.parametrize(
    ("arguments", "program", "name"),
    [
        (["python", "render.py", "plan"], "render.py", "python render.py"),
        ([".venv/bin/python", "render.py"], "render.py", ".venv/bin/python render.py"),
        (["python3", "-X", "dev", "render.py"], "render.py", "python3 -X dev render.py"),
        (["/my python/bin/python", "render.py"], "render.py", "'/my python/bin/python' render.py"),
        (["python3", "../missing/render.py"], "../missing/render.py", None),
    ],
)
def test_script_is_named_as_it_was_typed(
    arguments: list[str], program: str, name: str | None
) -> None:
    assert name_script(arguments, program) == (name or " ".join(arguments))


def test_executable_script_is_named_without_its_interpreter() -> None:
    script = str(REPOSITORY / "render.py")
    assert name_script(["python3", script, "plan"], script) == script


def test_engine_in_another_program_is_named_by_its_command() -> None:
    assert command_name() == "stackwright"
    assert command_line("plan --env prod") == "stackwright plan --env prod"


@pytest.mark.parametrize("called", ["./render.py", "python render.py"])
def test_hint_names_the_call(tmp_path: Path, called: str) -> None:
    """A missing environment's hint, with the script called by its own name or through Python."""
    (tmp_path / "params").mkdir()
    (tmp_path / "templates").mkdir()
    before = {"./render.py": [], "python render.py": [sys.executable]}[called]
    script = "./render.py" if not before else "render.py"
    result = subprocess.run(
        [*before, script, "render", "--project", str(tmp_path), "--env", "qa"],
        cwd=REPOSITORY,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    expected = " ".join([*before, script])
    assert f"Make a new one with: {expected} init qa" in result.stderr
