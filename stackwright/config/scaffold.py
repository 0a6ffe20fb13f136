"""The files of a new project, and of a new environment in one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ..core import Location, OutputError, read_file, write_file
from .overlay import OVERLAY, overlay_text
from .schema import JsonSchema, resolve_reference, schema_properties

_PLACEHOLDER = "my-project"
"""The name of each project in ``examples/``."""
_IGNORED = ("keys.env", ".stackwright/", "/dist/", "/build/.staging-*/")
"""Values of secrets, the engine's caches, packages, and folders of a render that was killed."""


def new_project(folder: Path, example: str) -> list[Path]:
    """Write the project of that example into a folder that is new or empty; returns its files.

    Raises OutputError where the folder has files, or its name cannot be the project's.
    """
    name = folder.resolve().name
    if not re.fullmatch("[a-z][a-z0-9-]*", name):
        hint = "use lower-case letters, digits and '-', for example my-project"
        raise OutputError.of("SW033", f"{name!r} cannot be a project's name", hint=hint)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = "name a new folder"
        raise OutputError.of("SW033", f"{folder} is not an empty folder", hint=hint)
    files = dict(_read_files(resources.files(__package__) / "examples" / example, Path()))
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_file(folder / path, text.replace(_PLACEHOLDER, name))
    _ignore(folder)
    return [*files, Path(".gitignore")]


def _read_files(source: Traversable, path: Path) -> Iterator[tuple[Path, str]]:
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _read_files(entry, path / entry.name)
        else:
            yield path / entry.name, entry.read_text(encoding="utf-8")


def new_environment(project: Path, name: str, schema: JsonSchema | None) -> list[Path]:
    """Write ``params/<name>.yaml``, ``env/<name>/*.example`` and the schema for editors, and let
    git ignore secrets and caches; returns the files written or extended.

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
    if schema is not None:
        files[Path(OVERLAY)] = overlay_text(schema)
    new = [path for path in files if not (project / path).exists()]
    for path in new:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        write_file(project / path, files[path])
    return [*new, Path(".gitignore")] if _ignore(project) else new


def _ignore(project: Path) -> bool:
    """Add the missing lines of `_IGNORED` to .gitignore; returns whether any was missing."""
    file = project / ".gitignore"
    before = read_file(file, project) if file.exists() else b""
    text = before.decode("utf-8", "replace")
    known = {line.strip().lstrip("/").rstrip("/").removeprefix("**/") for line in text.splitlines()}
    missing = [line for line in _IGNORED if not known & {line.strip("/"), f"env/*/{line}"}]
    if missing:
        added = "\n" * bool(text and not text.endswith("\n")) + "\n".join(missing) + "\n"
        write_file(file, before + added.encode())
    return bool(missing)


def _parameters(name: str, schema: JsonSchema | None) -> str:
    lines = [f"# yaml-language-server: $schema={Path(OVERLAY).name}"] if schema else []
    lines += [
        f"# The environment {name}: the differences from defaults.yaml.",
        "# Maps merge key by key, lists replace.",
        "",
    ]
    for key, node in (schema or {}).get("properties", {}).items():
        resolved = {**resolve_reference(schema or {}, node), **node}
        lines.append(f"# {key}:{_title(schema, node)}")
        lines += [
            f"#   {child}:{_title(schema, child_node)}"
            for child, child_node in resolved.get("properties", {}).items()
        ]
    return "\n".join(lines) + "\n"


def _title(schema: JsonSchema | None, node: Mapping[str, Any]) -> str:
    title = {**resolve_reference(schema or {}, node), **node}.get("title")
    return f"  # {title}" if title else ""


def _dotenv(name: str, schema: JsonSchema | None) -> dict[Path, str]:
    variables = [
        f"# {node.get('title', '')}\n{node['x-aws-env']}="
        for _, node in schema_properties(schema or {})
        if "x-aws-env" in node
    ]
    aws = ["# Copy to aws.env: facts about the account. Nothing secret.", *variables]
    plain = "# Copy to .env: plain variables of the services, committed. Nothing secret.\n"
    keys = "# The names of the secrets; values go to keys.env, which git ignores.\n"
    folder = Path("env", name)
    return {
        folder / "aws.env.example": "\n".join(aws) + "\n",
        folder / ".env.example": plain,
        folder / "keys.env.example": keys,
    }
