"""The built wheel in an empty environment, outside the checkout: what ``pipx install`` gives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a package index would get it."""
    folder = tmp_path_factory.mktemp("dist")
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(REPOSITORY))
    (path,) = folder.glob("*.whl")
    return path


def pip(python: str | Path, *arguments: str) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    subprocess.run(command, check=True)


def install(folder: Path, requirement: str) -> None:
    """Install into a new environment; versions are those of requirements.txt."""
    venv.create(folder / "venv", with_pip=True)
    text = (REPOSITORY / "requirements.txt").read_text()
    pins = re.findall(r"^([\w.-]+)(?:\[.*\])?(==\S+(?: ;[^\\]*)?)", text, re.MULTILINE)
    (folder / "pins.txt").write_text("".join(f"{name}{pin}\n" for name, pin in pins))
    pip(folder / "venv/bin/python", "install", "-c", str(folder / "pins.txt"), requirement)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the console script from the project ``shop``, once there is one."""
    shop = folder / "shop"
    return subprocess.run(
        ["stackwright", *arguments],
        cwd=shop if shop.is_dir() else folder,
        env={"PATH": f"{folder / 'venv/bin'}:/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


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


def test_tool_alone_renders_and_diffs_and_names_the_extra(wheel: Path, tmp_path: Path) -> None:
    install(tmp_path, str(wheel))
    assert not list(tmp_path.glob("venv/lib/*/site-packages/moto"))
    assert run(tmp_path, "--version").stdout == f"stackwright, version {stackwright.__version__}\n"
    assert run(tmp_path, "new", "shop").returncode == 0
    rendered = run(tmp_path, "render")
    assert rendered.stderr == "build/local: 1 templates, no problems, written\n"
    assert run(tmp_path, "render", "--check").returncode == 0
    diff = run(tmp_path, "diff", "--against", "build/local", "--set", "greeting=hi")
    assert "DisplayName" in diff.stdout
    assert run(tmp_path, "doctor").returncode == 0
    deployed = run(tmp_path, "deploy", "--yes")
    assert deployed.returncode == 1
    assert "pip install 'stackwright[local]'" in deployed.stderr
    assert "Traceback" not in deployed.stderr


def test_tool_with_the_extra_deploys(wheel: Path, tmp_path: Path) -> None:
    install(tmp_path, f"{wheel}[local]")
    assert run(tmp_path, "new", "shop").returncode == 0
    try:
        deployed = run(tmp_path, "deploy", "--yes")
        assert deployed.returncode == 0, deployed.stderr
        assert run(tmp_path, "outputs", "TopicArn").stdout.startswith("arn:aws:sns:")
        rehearsed = run(tmp_path, "rehearse", "--against", "build/local")
        assert rehearsed.returncode == 0, rehearsed.stderr
    finally:
        run(tmp_path, "emulator", "stop")
