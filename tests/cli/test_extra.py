"""Without the packages of the extra ``local``, everything but the emulator works."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.support.projects import RENDER_PY, Project

WITHOUT = """
import runpy, sys
for name in ("moto", "flask", "werkzeug"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, str(RENDER_PY), *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return subprocess.run(
        [*command, "--project", str(project.folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_render_and_diff_need_no_extra(project: Callable[..., Project]) -> None:
    made = project({"params/local.yaml": "title: a\n"})
    assert run(made, "render").stderr == "build/local: 1 templates, no problems, written\n"
    against = str(made.folder / "build/local")
    assert "DisplayName" in run(made, "diff", "--against", against, "--set", "title=b").stdout


@pytest.mark.parametrize(
    "arguments",
    [("deploy", "--yes"), ("plan",), ("emulator", "start"), ("rehearse", "--against", "HEAD")],
)
def test_verb_without_the_extra_says_how_to_install_it(
    arguments: tuple[str, ...], project: Callable[..., Project]
) -> None:
    made = project({"params/local.yaml": "title: a\n"})
    result = run(made, *arguments)
    assert result.returncode == 1
    assert "error SW708 the local CloudFormation needs packages that are missing" in result.stderr
    assert "pip install 'stackwright[local]'" in result.stderr
    assert "Traceback" not in result.stderr
