"""Read builds: the templates of a folder or of a git revision."""

from __future__ import annotations

import posixpath
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..core import InputError, Location, read_file, walk_files

Files = Mapping[str, str]
"""A build folder: POSIX path relative to it -> text, e.g. ``app/network.yaml``."""

TEMPLATES = (".yaml", ".json")
"""The suffixes of template files."""


def read_build_folder(path: Path) -> dict[str, str]:
    """Return the templates below a build folder, ``build/<environment>``; empty for a folder that
    does not exist, or holds no root template and so is no build.

    Raises:
        InputError: SW501 a file cannot be read as text.
    """
    if not path.is_dir() or not any(file.suffix in TEMPLATES for file in path.iterdir()):
        return {}
    texts: dict[str, str] = {}
    for name, file in walk_files(path, path):
        if file.suffix not in TEMPLATES:
            continue
        try:
            texts[name] = read_file(file, path).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            where = Location(file.as_posix())
            raise InputError.of("SW501", f"cannot be read: {error}", where) from None
    return texts


def read_build_revision(project: Path, ref: str, path: str) -> dict[str, str]:
    """Return the templates below ``path`` (relative to the project) in the git revision ``ref``.

    Raises:
        InputError: there is no such revision, or the project is not a git repository.
    """
    if ref.startswith("-") or not ref:
        raise InputError.of("SW502", f"{ref!r} is not a git revision")
    commit = _git(project, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").strip()
    listed = _git(project, "ls-tree", "-r", "-z", "--name-only", commit, "--", f"{path}/")
    names = [name for name in listed.split("\0") if name.endswith(TEMPLATES)]
    return {
        posixpath.relpath(name, path): _git(project, "show", f"{commit}:./{name}") for name in names
    }


def _git(project: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *arguments],
            capture_output=True,
            text=True,
            check=True,
            encoding="utf-8",
        )
    except FileNotFoundError:
        hint = "compare with a folder instead"
        raise InputError.of("SW502", "git is not installed", hint=hint) from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip() or f"git {arguments[0]} found nothing for {arguments[-1]!r}"
        hint = "name a branch, tag or commit of this repository, or a build folder"
        raise InputError.of("SW502", f"the revision cannot be read: {reason}", hint=hint) from None
    return done.stdout


def rename_environment(files: Files, name: str, to: str) -> dict[str, str]:
    """Return the build with the word ``name`` replaced by ``to``, so that the builds of two
    environments differ only in their meaning."""
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")
    return {path: word.sub(to, text) for path, text in files.items()}
