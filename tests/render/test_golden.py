"""Each folder of ``golden/`` is a project with the builds it renders to; a new case needs no code.

``UPDATE_GOLDEN=1`` writes what is rendered now, to be reviewed like code.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.projects import Project, files, yaml_1_1, yaml_1_2

GOLDEN = Path(__file__).with_name("golden")
CASES = [
    pytest.param(case, environment.stem, id=f"{case.name}-{environment.stem}")
    for case in sorted(GOLDEN.iterdir())
    for environment in sorted((case / "params").glob("*.yaml"))
    if environment.stem != "defaults"
]


@pytest.mark.parametrize(("case", "environment"), CASES)
def test_rendering_equals_the_golden_files(case: Path, environment: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    shutil.copytree(case, project.folder, ignore=shutil.ignore_patterns("expected"))
    result = project.invoke("render", "--env", environment, "--no-lint")
    assert result.exit_code == 0, result.stderr
    expected = case / "expected" / environment
    if os.environ.get("UPDATE_GOLDEN"):
        shutil.rmtree(expected, ignore_errors=True)
        shutil.copytree(project.folder / "build" / environment, expected)
    assert project.built(environment) == files(expected)


@pytest.mark.parametrize(("case", "environment"), CASES)
def test_yaml_1_1_and_1_2_read_golden_files_alike(case: Path, environment: str) -> None:
    texts = [data.decode() for data in files(case / "expected" / environment).values()]
    assert texts
    for text in texts:
        assert yaml_1_1(text) == yaml_1_2(text)
