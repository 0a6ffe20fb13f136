"""The verb ``doctor``: which programs, packages and files of a project are there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct


class DoctorLine(Struct, frozen=True):
    """One line of ``doctor``: a thing's name; ``ok``, ``missing`` (it is needed) or ``optional``;
    and its version, or how to get it."""

    name: str
    state: str
    detail: str


def run_doctor(project: Path, requirements: Path) -> Iterator[DoctorLine]:
    """Return a line for each program, package and file; packages are compared with the pins in
    ``requirements``, which only a checkout has."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    state = "ok" if sys.version_info >= (3, 11) else "missing"
    yield DoctorLine("python", state, f"{version}; 3.11 or newer is needed")
    if requirements.is_file():
        yield from _pinned_packages(requirements)
    else:
        yield _extra()
    yield from _programs()
    yield from _folders(project)


def _extra() -> DoctorLine:
    name = "local CloudFormation"
    if find_spec("moto") is None:
        return DoctorLine(name, "optional", "pip install 'stackwright[local]'")
    return DoctorLine(name, "ok", "its packages are installed")


def _pinned_packages(requirements: Path) -> Iterator[DoctorLine]:
    """Compare the packages with their pins; of a name that is pinned once for each platform, any of
    the versions will do."""
    for name, (versions, everywhere) in _read_pins(requirements).items():
        try:
            version = metadata.version(name.partition("[")[0])  # without extras: moto[server]
        except metadata.PackageNotFoundError:
            if everywhere:  # a package of another platform is not needed here
                yield DoctorLine(name, "missing", "make install")
            continue
        if version not in versions:
            wanted = " or ".join(sorted(versions))
            detail = f"{version} is installed, {wanted} is pinned: make install"
            yield DoctorLine(name, "missing", detail)
    yield DoctorLine("packages", "ok", f"compared with {requirements.name}")


def _read_pins(requirements: Path) -> dict[str, tuple[set[str], bool]]:
    """Return name -> its versions, and whether one of them is for every platform."""
    pins: dict[str, tuple[set[str], bool]] = {}
    for line in requirements.read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            pin, marker, _ = line.partition(";")
            name, _, version = pin.strip(" \\").partition("==")
            versions, everywhere = pins.get(name.strip(), (set(), False))
            pins[name.strip()] = ({*versions, version.strip()}, everywhere or not marker)
    return pins


def _programs() -> Iterator[DoctorLine]:
    yield _program("git", "missing", "install git")
    yield _program("make", "optional", "install make, or call render.py")
    yield _program(
        "aws", "optional", "https://docs.aws.amazon.com/cli/ (only to use build/ by hand)"
    )
    engine = "podman" if shutil.which("podman") else "docker"
    yield _program(engine, "optional", "needed to build images", "podman or docker")


def _program(command: str, absent: str, how: str, name: str = "") -> DoctorLine:
    try:
        run = subprocess.run(
            [command, "--version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return DoctorLine(name or command, absent, how)
    return DoctorLine(name or command, "ok", (run.stdout or run.stderr).splitlines()[0])


def _folders(project: Path) -> Iterator[DoctorLine]:
    for name in ("params", "templates"):
        there = (project / name).is_dir()
        detail = "" if there else f"no {name}/ in {project}"
        yield DoctorLine(f"{name}/", "ok" if there else "missing", detail)
    for example in sorted((project / "env").glob("*/keys.env.example")):
        keys = example.with_name("keys.env")
        copy = f"copy {example.relative_to(project)} and fill it in before pushing secrets"
        state, detail = ("ok", "") if keys.exists() else ("optional", copy)
        yield DoctorLine(str(keys.relative_to(project)), state, detail)
