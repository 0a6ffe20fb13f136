"""The verb new: projects that render and deploy at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from stackwright.cli import main
from tests.support.projects import Project

Make = Callable[..., Project]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def write_project(here: Project, example: str, name: str = "shop") -> Project:
    result = CliRunner().invoke(main.main, ["new", name, "--example", example])
    assert result.exit_code == 0, result.output
    made = Project(here.folder / name)
    paths = {str(path.relative_to(here.folder)) for path in made.folder.rglob("*")}
    assert set(result.stdout.splitlines()) <= paths
    assert f"next: stackwright deploy --project {name}" in result.stderr
    return made


@pytest.mark.parametrize("example", ["minimal", "nested", "ecs"])
def test_example_renders_without_a_finding(example: str, here: Project) -> None:
    made = write_project(here, example)
    rendered = made.invoke("render", "--env", "local")
    assert rendered.exit_code == 0
    assert "no problems, written" in rendered.stderr
    assert b"Description: shop local" in b"".join(made.built("local").values())
    assert made.invoke("render", "--env", "local", "--check").exit_code == 0


def test_minimal_example_is_one_template_one_params_file_and_a_short_readme(here: Project) -> None:
    made = write_project(here, "minimal")
    files = sorted(
        str(path.relative_to(made.folder)) for path in made.folder.rglob("*") if path.is_file()
    )
    assert files == [".gitignore", "README.md", "params/local.yaml", "templates/app.yaml.j2"]
    readme = (made.folder / "README.md").read_text()
    assert readme.startswith("# shop\n")
    assert len(readme.splitlines()) <= 10


def test_minimal_example_deploys_locally(here: Project) -> None:
    made = write_project(here, "minimal")
    try:
        deployed = made.run("deploy", "--yes")
        assert deployed.returncode == 0, deployed.stderr
        assert "shop-local-app: CREATE_COMPLETE" in deployed.stderr
        assert made.run("outputs", "TopicArn").stdout.startswith("arn:aws:sns:eu-central-1:")
    finally:
        made.run("emulator", "stop")


@pytest.mark.parametrize(
    ("name", "message"),
    [("Shop", "'Shop' cannot be a project's name"), ("used", "used is not an empty folder")],
)
def test_unsuitable_folder_is_refused(name: str, message: str, here: Project) -> None:
    here.write({"used/file": "x"})
    result = CliRunner().invoke(main.main, ["new", name])
    assert result.exit_code == 1
    assert f"SW033 {message}" in result.stderr
    assert not (here.folder / "Shop").exists()
