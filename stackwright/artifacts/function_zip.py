"""Zip a function's folder for Lambda, with equal bytes on every machine.

Entries are sorted, with one time and one mode. They are stored without compression: zlib and its
successors (zlib-ng) compress equal input to different bytes. Only a zip above Lambda's limit is
compressed.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ..config import FORBIDDEN, matches_pattern
from ..core import Cache, Dotenv, InputError, Location, looks_secret, read_file, walk_files

ZIPPED_LIMIT = 50 * 1024 * 1024
UNZIPPED_LIMIT = 250 * 1024 * 1024
"""Bytes. Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
REQUIREMENTS = "requirements.txt"
RUNTIME_PACKAGES = frozenset(
    ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")
)
"""Packages of Lambda's Python runtimes. A requirement of these is not packed unless its line says
``# pack``.

Source: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
"""
_PLATFORMS = ("manylinux2014_{}", "manylinux_2_17_{}")
_AL2023_PLATFORMS = ("manylinux_2_28_{}", "manylinux_2_27_{}")
"""Runtimes from Python 3.12 on are Amazon Linux 2023 (glibc 2.34), earlier ones Amazon Linux 2
(glibc 2.26).

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100755 << 16
"""Readable and executable by all users: Lambda runs as another user, and some file systems have no
executable bit."""
_INSTALLER_FILES = frozenset(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"))
"""Files in which pip notes facts about its machine."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(.*)")
_HASH = re.compile(r"--hash[= ]sha(?:256|384|512):[0-9a-fA-F]+")
_PINNED = "name==version --hash=sha256:…"
_MAKE_HASHES = "uv pip compile --generate-hashes writes such lines"
_UNPINNED = re.compile(r"^ +([A-Za-z0-9._-]+).* \(from (.+?)(?:->.*)?\)$", re.MULTILINE)
"""Where pip lists a requirement of another one that is not in the file."""

Files = Mapping[str, bytes]
"""POSIX path in the zip -> content."""


def read_source_files(project: Path, folder: Path) -> dict[str, bytes]:
    """Read the function's own files, without hidden files, bytecode, dotenv files and
    requirements.txt.

    Raises InputError (SW028) for a link that leaves the project, a FIFO, a socket or a device.
    """
    files = walk_files(folder, project, _is_left_out)
    return {name: read_file(path, project) for name, path in files if name != REQUIREMENTS}


def _is_left_out(path: Path) -> bool:
    if path.name.startswith(".") or path.name == "__pycache__":
        return True
    # A link must not include a file whose own name is excluded.
    names = {path.name, Path(os.path.realpath(path)).name}
    return any(name.endswith((".env", ".pyc")) for name in names)


def dotenv_files(dotenv: Dotenv, names: Sequence[str]) -> dict[str, bytes]:
    """``aws.env`` and ``.env`` for a zip: variables for services and functions, without secret and
    forbidden ones."""
    variables = {"aws.env": dotenv.aws, ".env": {**dotenv.plain, **dotenv.function}}
    return {name: _write_env_file(variables[name], dotenv.secret_names) for name in names}


def _write_env_file(variables: Mapping[str, str], secret_names: Sequence[str]) -> bytes:
    kept = {
        name: value
        for name, value in variables.items()
        if name not in secret_names
        and not matches_pattern(name, FORBIDDEN)
        and not looks_secret(value)
    }
    quoted = {
        name: value.replace("\\", "\\\\").replace("'", "\\'")
        for name, value in sorted(kept.items())
    }
    return "".join(f"{name}='{value}'\n" for name, value in quoted.items()).encode()


def install_dependencies(
    project: Path, folder: Path, runtime: str, architecture: str
) -> dict[str, bytes]:
    """Install the packages of the folder's ``requirements.txt`` for Lambda; returns their files.
    Results of pip are cached by the requirements.

    Every package must be pinned with ``==`` and its hashes, dependencies included. Raises
    InputError: SW601 where ``runtime`` (``python3.13``) is no Python, SW602 for a package that is
    not pinned and for an option of pip, SW603 where pip fails.
    """
    path = folder / REQUIREMENTS
    if not path.exists() and not path.is_symlink():
        return {}
    shown = _display_path(project, path)
    requirements = _Requirements(_decode(read_file(path, project), shown), shown)
    if not requirements.pinned:
        return {}
    version = re.fullmatch(r"python(3\.[0-9]+)", runtime)
    if version is None:
        message = (
            f"the function has a {REQUIREMENTS}, but its Runtime is {runtime or 'not given'},"
            " no Python"
        )
        raise InputError.of(
            "SW601", message, Location(requirements.path), hint="set Runtime, e.g. to python3.13"
        )
    text = requirements.text()
    cache = Cache("packages")
    key = cache.key(text, version[1], architecture)
    packages = _unpack(cache.get(key))
    if packages is None:
        packages = _install(text, folder, version[1], architecture, requirements)
        cache.put(key, make_zip(packages))
    return packages


def _decode(data: bytes, shown: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError.of(
            "SW602", "not UTF-8 text", Location(shown), hint="save the file as UTF-8"
        ) from None


def _unpack(data: bytes | None) -> dict[str, bytes] | None:
    """The files of a zip; None for no data or a damaged zip."""
    if data is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile:
        return None


def _display_path(project: Path, path: Path) -> str:
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else path.as_posix()


class _Requirements:
    """The requirements that are packed (name -> requirement with its hashes).

    A requirements file may hold options that make pip take packages from elsewhere; none is passed
    on.
    """

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.pinned: dict[str, str] = {}
        for number, line in _logical_lines(text):
            self._read(line, Location(path, number))

    def _read(self, line: str, at: Location) -> None:
        requirement, _, comment = line.partition(" #")
        requirement, *options = re.split(r"\s+(?=-)", requirement.strip())
        if requirement.startswith("-"):
            options.insert(0, requirement)
        for option in options:
            if _HASH.fullmatch(option) is None:
                raise _option_error(option, at)
        match = _REQUIREMENT.match(requirement)
        if match is None or not match[2].startswith("==") or "*" in match[2].partition(";")[0]:
            message = f"{requirement} is not pinned: the zip would change from day to day"
            raise InputError.of("SW602", message, at, hint=f"write {_PINNED}")
        name = normalize_name(match[1])
        if name in RUNTIME_PACKAGES and comment.strip() != "pack":
            return
        if not options:
            message = f"{requirement} has no hash: another file could take its place"
            raise InputError.of("SW602", message, at, hint=f"write {_PINNED}; {_MAKE_HASHES}")
        self.pinned[name] = " ".join((requirement, *options))

    def text(self) -> str:
        """The requirements file for pip."""
        return "".join(f"{self.pinned[name]}\n" for name in sorted(self.pinned))


def _option_error(option: str, at: Location) -> InputError:
    message = f"{re.split('[ =]', option)[0]} cannot be used in the requirements of a function"
    hint = f"write {_PINNED}; where packages come from is a setting of your pip (PIP_INDEX_URL)"
    return InputError.of("SW602", message, at, hint=hint)


def normalize_name(name: str) -> str:
    """``Python_Dotenv`` as ``python-dotenv``. Source:
    https://peps.python.org/pep-0503/#normalized-names"""
    return re.sub(r"[-_.]+", "-", name).lower()


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line, joined with its continuations; without comment lines."""
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start if pending else number
        pending += line.removesuffix("\\") if line.endswith("\\") else line
        if not line.endswith("\\"):
            if pending.strip() and not pending.lstrip().startswith("#"):
                yield start, pending.strip()
            pending = ""
    if pending.strip():
        yield start, pending.strip()


def _install(
    text: str, folder: Path, version: str, architecture: str, requirements: _Requirements
) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="stackwright-") as folder_name:
        listed, target = Path(folder_name, "requirements.txt"), Path(folder_name, "target")
        listed.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", *_pip_options(version, architecture)]
        command += ["--target", str(target), "--requirement", str(listed)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise _pip_error(done.stderr or done.stdout, requirements)
        installed = {
            path.relative_to(target).as_posix(): path
            for path in target.rglob("*")
            if path.is_file()
        }
        return {
            name: path.read_bytes() for name, path in sorted(installed.items()) if _is_packed(name)
        }


def _pip_options(version: str, architecture: str) -> list[str]:
    """Options for wheels of Lambda's platform, checked by their hashes."""
    minor = int(version.partition(".")[2])
    platforms = _PLATFORMS + (_AL2023_PLATFORMS if minor >= 12 else ())
    options = "--quiet --disable-pip-version-check --no-input --no-compile"
    wheels = f"--no-warn-script-location --implementation cp --python-version {version}"
    named = " ".join(f"--platform {platform.format(architecture)}" for platform in platforms)
    return f"{options} {wheels} {named} --require-hashes --only-binary=:all:".split()


def _is_packed(name: str) -> bool:
    top, _, rest = name.partition("/")
    # Scripts in bin/ contain the path of this machine's interpreter.
    if top == "bin" or "__pycache__" in name:
        return False
    return not (top.endswith(".dist-info") and rest in _INSTALLER_FILES)


def _pip_error(output: str, requirements: _Requirements) -> InputError:
    at = Location(requirements.path)
    if "must have their versions pinned" in output and (missing := _UNPINNED.findall(output)):
        names = ", ".join(f"{normalize_name(name)} (for {user})" for name, user in missing)
        hint = f"add {_PINNED} for each; {_MAKE_HASHES}"
        return InputError.of(
            "SW602", f"needed by other packages, but not pinned: {names}", at, hint=hint
        )
    lines = [
        line.strip()
        for line in output.splitlines()
        if line.strip() and not line.startswith("WARNING")
    ]
    message = "pip cannot install the packages:\n" + "\n".join(
        f"    {line}" for line in lines[-20:]
    )
    return InputError.of("SW603", message, at, hint=_pip_hint(output))


def _pip_hint(output: str) -> str:
    if "No module named pip" in output:
        return "install pip: python -m ensurepip"
    if "DO NOT MATCH THE HASHES" in output:
        return "the index has another file than the pinned one: find out why before you pin it"
    if "No matching distribution" in output:
        return (
            "use a version that has a wheel for Lambda; packages are never built from source here"
        )
    return "pip's own settings (PIP_INDEX_URL, pip.conf) apply"


def make_zip(files: Files) -> bytes:
    """Zip the files; equal files give equal bytes."""
    stored = _zip(files, zipfile.ZIP_STORED)
    return stored if len(stored) <= ZIPPED_LIMIT else _zip(files, zipfile.ZIP_DEFLATED)


def _zip(files: Files, compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix on every machine: otherwise the mode is ignored
            entry.external_attr = _MODE
            entry.compress_type = compression
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def require_limits(data: bytes, unzipped: int, at: Callable[[], Sequence[Location]]) -> None:
    """Raise InputError (SW604) where the zip exceeds a limit of Lambda. ``at`` finds the place in
    the templates, which takes longer."""
    for size, limit, what in (
        (len(data), ZIPPED_LIMIT, "zipped"),
        (unzipped, UNZIPPED_LIMIT, "unzipped"),
    ):
        if size > limit:
            message = (
                f"the function takes {size / 2**20:.1f} MB {what}; Lambda allows {limit // 2**20}"
            )
            hint = "leave packages out, move data to S3, or use a container image"
            raise InputError.of("SW604", message, *at(), hint=hint)
