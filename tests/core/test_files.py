"""Files that are written whole or not at all."""

from __future__ import annotations

import ast
import os
import re
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackwright.core import write_file
from tests.support.projects import REPOSITORY

IN_PLACE = {
    "cli/main.py": "writes help to the terminal",
    "core/files.py": "is the helper",
    "render/build_folder.py": "fills a staged folder, which replaces the build as a whole",
    "artifacts/function_zip.py": "writes the input of pip to a temporary folder",
    "emulator/server/lifecycle.py": "locks a file, which says where the process serves",
    "emulator/server/journal.py": "appends entries",
    "emulator/services/bootstrap.py": "answers from the process of a function by a temporary file",
    "emulator/services/registry.py": "appends chunks of an upload",
    "lint/worker.py": "writes to a pipe",
}
"""Modules that open files for writing, and why these need not be replaced in one step."""


def writes_in_place(node: ast.AST) -> bool:
    """Whether a call opens a file for writing, or writes one by a method of Path."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
    texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    modes = [text for text in texts if isinstance(text, str) and re.fullmatch("[wax+b]+", text)]
    return name in ("write_text", "write_bytes") or (name in ("open", "fdopen") and bool(modes))


def test_every_other_module_writes_by_the_helper() -> None:
    package = REPOSITORY / "stackwright"
    writers = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if any(map(writes_in_place, ast.walk(ast.parse(file.read_text(encoding="utf-8")))))
    }
    assert writers <= IN_PLACE.keys()


@pytest.fixture
def small_files() -> Iterator[None]:
    """A file may have 1,000 bytes at most, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_text_keeps_its_line_ends_and_has_no_temporary_file(folder: Path) -> None:
    write_file(folder / "a", "é\r\nb\n")
    assert (folder / "a").read_bytes() == "é\r\nb\n".encode()
    assert [entry.name for entry in folder.iterdir()] == ["a"]


@pytest.mark.usefixtures("small_files")
def test_failure_leaves_the_old_file_alone(folder: Path) -> None:
    file = folder / "a"
    write_file(file, "old")
    with pytest.raises(OSError, match="File too large") as failure:
        write_file(file, b"x" * 5000)
    assert failure.value.filename == str(file)
    assert file.read_text() == "old"
    assert [entry.name for entry in folder.iterdir()] == ["a"]
    with pytest.raises(OSError, match="File too large"):
        write_file(folder / "new", b"x" * 5000)
    assert [entry.name for entry in folder.iterdir()] == ["a"]


def test_permissions_of_an_existing_file_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    file.chmod(0o640)
    write_file(file, "new", mode=0o600)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize(("mode", "shown"), [(0o666, 0o644), (0o600, 0o600)])
def test_new_file_gets_its_mode_less_the_umask(tmp_path: Path, mode: int, shown: int) -> None:
    before = os.umask(0o022)
    try:
        write_file(tmp_path / "a", "new", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == shown


def test_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file")
    write_file(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there/file").read_text() == "new"


def test_pipe_is_written_directly() -> None:
    script = "from stackwright.core import write_file; from pathlib import Path; "
    script += "write_file(Path('/dev/stdout'), 'text')"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "text"), done.stderr


def test_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "a"
    script = "from stackwright.core import write_file; from pathlib import Path\n"
    script += "import sys\nfor n in range(10**6):\n"
    script += " write_file(Path(sys.argv[1]), str(n % 10) * 1_000_000); print(n, flush=True)"
    for _ in range(5):
        command = [sys.executable, "-c", script, str(file)]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            writer.stdout.readline()
            writer.kill()
        data = file.read_bytes()
        assert (len(data), len(set(data))) == (1_000_000, 1)
