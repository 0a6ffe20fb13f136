"""The files of a new environment, and what ``doctor`` looks at."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..core import Location, OutputError
from .schema import JsonSchema, resolve_reference, schema_properties

_IGNORED = ("keys.env", ".stackwright/", "/dist/", "/build/.staging-*/")
"""Values of secrets, what the engine keeps, packages, and what a render that was killed leaves."""


def new_environment(project: Path, name: str, schema: JsonSchema | None) -> list[Path]:
    """Write ``params/<name>.yaml`` and ``env/<name>/*.example``, and let git ignore what must not
    be committed; returns the files made or extended.

    Raises OutputError where the name is not a plain word or the parameters file exists already.
    """
    if not re.fullmatch("[a-z][a-z0-9-]*", name):
        hint = "use lower-case letters, digits and '-', for example qa-2"
        raise OutputError.of("SW033", f"{name!r} cannot be an environment's name", hint=hint)
    target = Path("params", f"{name}.yaml")
    if (project / target).exists():
        raise OutputError.of(
            "SW033", "the file exists already", Location(target.as_posix()), hint="edit it"
        )
    files = {target: _parameters(name, schema), **_dotenv(name, schema)}
    new = [path for path in files if not (project / path).exists()]
    for path in new:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(files[path], encoding="utf-8")
    return [*new, Path(".gitignore")] if _ignore(project / ".gitignore") else new


def _ignore(file: Path) -> bool:
    """Add to a .gitignore what it lacks of `_IGNORED`; whether that was anything."""
    text = file.read_bytes().decode("utf-8", "replace") if file.exists() else ""
    held = {line.strip().lstrip("/").rstrip("/").removeprefix("**/") for line in text.splitlines()}
    missing = [line for line in _IGNORED if not held & {line.strip("/"), f"env/*/{line}"}]
    if missing:
        with file.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write("\n" * bool(text and not text.endswith("\n")) + "\n".join(missing) + "\n")
    return bool(missing)


def _parameters(name: str, schema: JsonSchema | None) -> str:
    lines = ["# yaml-language-server: $schema=schema.json"] if schema else []
    lines += [
        f"# The environment {name}: what differs from defaults.yaml.",
        "# Maps merge key by key, lists replace.",
        "",
    ]
    for key, node in (schema or {}).get("properties", {}).items():
        resolved = {**resolve_reference(schema or {}, node), **node}
        lines.append(f"# {key}:{_hint(schema, node)}")
        lines += [
            f"#   {child}:{_hint(schema, each)}"
            for child, each in resolved.get("properties", {}).items()
        ]
    return "\n".join(lines) + "\n"


def _hint(schema: JsonSchema | None, node: Mapping[str, Any]) -> str:
    title = {**resolve_reference(schema or {}, node), **node}.get("title")
    return f"  # {title}" if title else ""


def _dotenv(name: str, schema: JsonSchema | None) -> dict[Path, str]:
    folder = Path("env", name)
    supplied = [
        (n["x-aws-env"], n.get("title", ""))
        for _, n in schema_properties(schema or {})
        if "x-aws-env" in n
    ]
    aws = [
        "# Copy to aws.env: what is known of the account. Nothing secret.",
        *(f"# {t}\n{n}=" for n, t in supplied),
    ]
    return {
        folder / "aws.env.example": "\n".join(aws) + "\n",
        folder
        / ".env.example": "# Copy to .env: plain variables of the services, committed. Nothing secret.\n",
        folder
        / "keys.env.example": "# The names of the secrets; values go to keys.env, which git ignores.\n",
    }


class DoctorLine(Struct, frozen=True):
    """One line of ``doctor``: what was looked at, whether it is there, its version or how to get
    it."""

    name: str
    state: str
    detail: str


def run_doctor(project: Path, requirements: Path) -> Iterator[DoctorLine]:
    """What is installed and configured; ``state`` is ok, missing (needed) or optional."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield DoctorLine(
        "python",
        "ok" if sys.version_info >= (3, 11) else "missing",
        f"{version}; 3.11 or newer is needed",
    )
    yield from _packages(requirements)
    yield _program("git", ["git", "--version"], "missing", "install git")
    yield _program("make", ["make", "--version"], "optional", "install make, or call render.py")
    yield _program(
        "aws",
        ["aws", "--version"],
        "optional",
        "https://docs.aws.amazon.com/cli/ (only to use build/ by hand)",
    )
    container = shutil.which("podman") or shutil.which("docker")
    yield _program(
        "podman or docker",
        [container or "podman", "--version"],
        "optional",
        "needed to build images",
    )
    for folder in ("params", "templates"):
        there = (project / folder).is_dir()
        yield DoctorLine(
            f"{folder}/",
            "ok" if there else "missing",
            "" if there else f"no {folder}/ in {project}",
        )
    for path in sorted((project / "env").glob("*/keys.env.example")):
        keys = path.with_name("keys.env")
        detail = (
            ""
            if keys.exists()
            else f"copy {path.relative_to(project)} and fill it in before pushing secrets"
        )
        yield DoctorLine(
            str(keys.relative_to(project)), "ok" if keys.exists() else "optional", detail
        )


def _packages(requirements: Path) -> Iterator[DoctorLine]:
    """Each pinned package; where a name is pinned for several platforms, any of its versions will
    do."""
    pinned: dict[str, set[str]] = {}
    lines = requirements.read_text(encoding="utf-8").splitlines() if requirements.is_file() else []
    for line in lines:
        if "==" in line and not line.startswith((" ", "#")):
            name, _, version = line.partition(";")[0].strip(" \\").partition("==")
            pinned.setdefault(name.strip() if ";" not in line else f"{name.strip()};", set()).add(
                version.strip()
            )
    for key, versions in pinned.items():
        name = key.rstrip(";")
        try:
            found = metadata.version(name.partition("[")[0])  # without extras: moto[server]
        except metadata.PackageNotFoundError:
            if not key.endswith(";"):  # a package of another platform is not missed
                yield DoctorLine(name, "missing", "make install")
            continue
        if found not in versions:
            wanted = " or ".join(sorted(versions))
            yield DoctorLine(
                name, "missing", f"{found} is installed, {wanted} is pinned: make install"
            )
    if lines:
        yield DoctorLine("packages", "ok", f"compared with {requirements.name}")


def _program(name: str, command: list[str], absent: str, how: str) -> DoctorLine:
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return DoctorLine(name, absent, how)
    return DoctorLine(name, "ok", (found.stdout or found.stderr).splitlines()[0])
