"""The built wheel in an empty environment, outside the checkout: what ``pipx install`` gives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import stackwright
from tests.support.projects import REPOSITORY

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("CI"), reason="installs packages from PyPI; CI=true runs it"
    ),
    pytest.mark.timeout(900),
]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a package index would get it."""
    folder = tmp_path_factory.mktemp("dist")
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(REPOSITORY))
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def home(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment ``venv`` that has the wheel, without extras, and nothing else;
    versions are the pinned ones."""
    folder = tmp_path_factory.mktemp("home")
    venv.create(folder / "venv", with_pip=True)
    pins = re.findall(r"^([\w.-]+)(?:\[.*\])?(==\S+(?: ;[^\\]*)?)", requirements(), re.MULTILINE)
    (folder / "pins.txt").write_text("".join(f"{name}{pin}\n" for name, pin in pins))
    install(folder, str(wheel))
    return folder


@pytest.fixture(scope="module")
def run(home: Path) -> Run:
    """``run("render")``: the console script, in an environment without this checkout."""

    def call(*arguments: str, cwd: Path = home) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{home / 'venv/bin'}:/usr/bin:/bin", "HOME": str(home)}
        return subprocess.run(
            ["stackwright", *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.fixture(scope="module")
def shop(run: Run, home: Path) -> Path:
    """A new project, rendered."""
    assert run("new", "shop").returncode == 0
    rendered = run("render", cwd=home / "shop")
    assert (rendered.returncode, rendered.stdout) == (0, "")
    assert rendered.stderr == "build/local: 1 templates, no problems, written\n"
    return home / "shop"


def pip(python: str | Path, *arguments: str) -> None:
    subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments], check=True
    )


def install(home: Path, *requirements: str) -> None:
    pip(home / "venv/bin/python", "install", "-c", str(home / "pins.txt"), *requirements)


def requirements() -> str:
    return (REPOSITORY / "requirements.txt").read_text()


def test_wheel_has_the_engine_with_its_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "stackwright",
        f"stackwright-{stackwright.__version__}.dist-info",
    }
    files = {path for path in (REPOSITORY / "stackwright").rglob("*") if path.is_file()}
    expected = {
        str(path.relative_to(REPOSITORY)) for path in files if "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("stackwright/")} == expected


def test_environment_has_no_package_of_the_extras(home: Path) -> None:
    listed = subprocess.run(
        [home / "venv/bin/python", "-m", "pip", "list"], capture_output=True, text=True, check=True
    ).stdout.lower()
    assert "\nstackwright " in listed
    assert not re.search(r"^(moto|flask|simpy|matplotlib|pytest) ", listed, re.MULTILINE)


def test_installed_tool_renders_and_diffs(run: Run, shop: Path) -> None:
    assert run("--version").stdout == f"stackwright, version {stackwright.__version__}\n"
    assert run("render", "--check", cwd=shop).returncode == 0
    diff = run("diff", "--against", "build/local", "--set", "greeting=hi", cwd=shop)
    assert diff.returncode == 0, diff.stderr
    assert "DisplayName" in diff.stdout
    assert run("doctor", cwd=shop).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("deploy", "--yes"),
        ("plan",),
        ("emulator", "start"),
        ("rehearse", "--against", "build/local"),
    ],
)
def test_verb_without_the_extra_says_how_to_install_it(
    arguments: tuple[str, ...], run: Run, shop: Path
) -> None:
    result = run(*arguments, cwd=shop)
    assert result.returncode == 1
    assert "SW708" in result.stderr
    assert "pip install 'stackwright[local]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_with_the_extra_the_installed_tool_deploys(
    run: Run, shop: Path, home: Path, wheel: Path
) -> None:
    """Runs last: the environment keeps the extra."""
    install(home, f"{wheel}[local]")
    try:
        deployed = run("deploy", "--yes", cwd=shop)
        assert deployed.returncode == 0, deployed.stderr
        assert run("outputs", "TopicArn", cwd=shop).stdout.startswith("arn:aws:sns:")
        rehearsed = run("rehearse", "--against", "build/local", cwd=shop)
        assert rehearsed.returncode == 0, rehearsed.stderr
    finally:
        run("emulator", "stop", cwd=shop)
