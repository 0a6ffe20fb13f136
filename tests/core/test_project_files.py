"""Reading stays inside the project, and never opens a FIFO, a socket or a device."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from stackwright.core.errors import InputError
from stackwright.core.project_files import read_file, walk_files
from tests.support.projects import Project

Make = Callable[..., Project]

FUNCTION = """\
Resources:
  F:
    Type: AWS::Lambda::Function
    Properties:
      Code: {{ local_path("lambda/f") }}
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/f
      Runtime: python3.13
      Description: {{ title }}
"""
FILES = {"templates/main.yaml.j2": FUNCTION, "lambda/f/index.py": "x = 1\n"}
PLACES = [
    "params/dev.yaml",
    "params/defaults.yaml",
    "params/schema.json",
    "env/dev/.env",
    "env/dev/aws.env",
    "env/dev/keys.env",
    "env/dev/keys.env.example",
    "templates/main.yaml.j2",
    "templates/macros/other.j2",
    "lambda/f/x",
    ".cfnlintrc",
]


def package(made: Project) -> str:
    """Package in a process of its own; return its messages. A hang ends the test."""
    made.run("render", "--env", "dev")
    result = made.run("package", "--env", "dev", "--out", str(made.folder / "dist"))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def clear(made: Project, name: str) -> Path:
    path = made.folder / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize("place", PLACES)
def test_link_that_leaves_the_project_is_refused(place: str, project: Make, tmp_path: Path) -> None:
    made = project(FILES)
    secret = tmp_path / "secret"
    secret.write_text("title: canary-0815\n")
    clear(made, place).symlink_to(secret)
    text = package(made)
    assert f"{place}: error SW028 a link that leaves the project: it leads to a file" in text
    assert "canary" not in text
    assert not (made.folder / "dist").exists()


@pytest.mark.parametrize("place", PLACES)
def test_fifo_is_refused_without_opening_it(place: str, project: Make) -> None:
    made = project(FILES)
    os.mkfifo(clear(made, place))
    assert f"{place}: error SW028 a FIFO, not a file" in package(made)


@pytest.mark.parametrize("place", ["params/dev.yaml", "lambda/f/x", "templates/macros/other.j2"])
def test_socket_is_refused(place: str, project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = project(FILES)
    path = clear(made, place)
    monkeypatch.chdir(path.parent)  # a socket's path has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
        assert f"{place}: error SW028 a socket, not a file" in package(made)


@pytest.mark.parametrize(
    ("place", "target", "kind"),
    [
        ("lambda/f/x", "/proc/self/environ", "a file"),
        ("lambda/f/x", "/etc", "a folder"),
        ("templates/macros", "/etc", "a folder"),
        ("params/dev.yaml", "/dev/zero", "a device"),
        ("env/dev", "/etc", "a folder"),
    ],
)
def test_kind_of_the_target_is_named(place: str, target: str, kind: str, project: Make) -> None:
    made = project(FILES)
    clear(made, place).symlink_to(target)
    assert f"leaves the project: it leads to {kind}" in package(made)


def test_build_that_leaves_the_project_is_not_written(project: Make, tmp_path: Path) -> None:
    made = project(FILES)
    (tmp_path / "elsewhere").mkdir()
    clear(made, "build").symlink_to(tmp_path / "elsewhere")
    result = made.run("render", "--env", "dev", "--no-lint")
    assert "build: error SW028 a link that leaves the project" in result.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_stale_build_shows_no_file_outside_the_project(project: Make, tmp_path: Path) -> None:
    made = project(FILES)
    (tmp_path / "secret").write_text("canary-0815")
    clear(made, "build/dev/main.yaml").symlink_to(tmp_path / "secret")
    result = made.run("render", "--env", "dev", "--check", "--no-lint")
    assert "SW028" in result.stderr
    assert "canary" not in result.stdout + result.stderr


@pytest.mark.parametrize("target", [".git/config", "env/dev/keys.env"])
@pytest.mark.parametrize("place", ["templates/macros/x.j2", "lambda/f/y"])
def test_link_to_a_secret_of_the_project_is_not_followed(
    place: str, target: str, project: Make
) -> None:
    made = project({**FILES, ".git/config": "canary", "env/dev/keys.env": "A=canary"})
    clear(made, place).symlink_to(made.folder / target)
    if (place, target) == ("lambda/f/y", "env/dev/keys.env"):
        return  # left out without a message, as keys.env itself is
    assert f"{place}: error SW028 a link to a hidden or secret place" in package(made)


def test_links_inside_the_project_are_followed(project: Make) -> None:
    made = project({**FILES, "shared/lib.py": "y = 2\n", "shared/m.j2": "{# x #}\nx"})
    (made.folder / "lambda/f/lib.py").symlink_to("../../shared/lib.py")
    (made.folder / "lambda/f/shared").symlink_to("../../shared")
    (made.folder / "templates/macros").symlink_to("../shared")
    (made.folder / "params/prod.yaml").symlink_to("dev.yaml")
    (made.folder / "env/prod").mkdir(parents=True)
    (made.folder / "env/dev").mkdir()
    (made.folder / "env/prod/.env").write_text("A=1\n")
    (made.folder / "env/dev/.env").symlink_to("../prod/.env")
    assert made.load().dotenv.plain == {"A": "1"}
    names = [name for name, _ in walk_files(made.folder / "lambda/f", made.folder)]
    assert names == ["index.py", "lib.py", "shared/lib.py", "shared/m.j2"]
    assert made.run("render", "--env", "prod").returncode == 0


def test_project_may_itself_be_reached_by_a_link(project: Make, tmp_path: Path) -> None:
    made = project(FILES)
    (tmp_path / "linked").symlink_to(made.folder)
    assert Project(tmp_path / "linked").run("render", "--env", "dev").returncode == 0


def test_walk_ends_where_links_lead_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("x")
    (tmp_path / "a/b/up").symlink_to("..")
    assert [name for name, _ in walk_files(tmp_path / "a", tmp_path)] == ["b/file"]


def test_link_to_itself_and_broken_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "broken").symlink_to("nothing")
    for name in ("loop", "broken"):
        with pytest.raises(InputError, match="a link that leads to nothing"):
            read_file(tmp_path / name, tmp_path)
