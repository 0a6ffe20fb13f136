"""``build/<env>`` changes as a whole or not at all: a full disk, Ctrl-C, a kill, a folder that
cannot be written."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stackwright.core.errors import OutputError
from stackwright.render.build_folder import (
    find_stale,
    read_contents,
    stage_apart,
    stage_build,
    write_build,
)
from tests.support.projects import RENDER_PY, Project, small

Make = Callable[..., Project]


def build(project: Project, *overrides: str) -> bool:
    rendering = project.render("dev", *overrides)
    with stage_build(rendering) as folder:
        return write_build(rendering, folder)


def temporary_folders(project: Project) -> list[str]:
    return sorted(path.name for path in (project.folder / "build").glob(".staging-*"))


def test_write_returns_whether_anything_changed(project: Make) -> None:
    made = project()
    assert [build(made), build(made), build(made, "title=b"), build(made, "title=b")] == [
        True,
        False,
        True,
        False,
    ]
    assert temporary_folders(made) == []


def test_build_is_replaced_as_a_whole(project: Make) -> None:
    made = project({"templates/other.yaml.j2": "A: {{ title }}\n"})
    build(made)
    made.write({"build/dev/mine.txt": "x"})
    (made.folder / "templates/other.yaml.j2").unlink()
    build(made)
    assert set(made.built()) == {"main.yaml"}


def test_staged_templates_have_the_depth_of_the_build(project: Make) -> None:
    rendering = project().render()
    with stage_build(rendering) as folder:
        assert folder.parent == rendering.config.project / "build"
        assert read_contents(folder, folder) == {"main.yaml": rendering.documents[0].text.encode()}
    assert not folder.exists()


def test_stale_build_is_shown_as_a_diff(project: Make) -> None:
    made = project()
    assert find_stale(made.render()).startswith("--- /dev/null\n+++ build/dev/main.yaml\n")
    build(made)
    assert find_stale(made.render()) == ""
    made.write({"build/dev/gone.yaml": "a: 1\n"})
    diff = find_stale(made.render("dev", "title=other"))
    assert "--- build/dev/gone.yaml\n+++ /dev/null\n" in diff
    assert "-      DisplayName: news\n+      DisplayName: other\n" in diff


def test_temporary_folders_of_dead_runs_are_removed(project: Make) -> None:
    made = project()
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    for owner in (process.pid, os.getppid()):
        made.write({f"build/.staging-dev-{owner}/main.yaml": "x"})
    made.write({"build/.staging-dev-word/main.yaml": "x"})
    build(made)
    assert temporary_folders(made) == sorted([f".staging-dev-{os.getppid()}", ".staging-dev-word"])


BAD = "Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Properties:\n      {{ title }}: x\n      FifoTopic: {{ fifo }}\n"
BLOCKED = "build is a file where the folder would be"


def test_unwritable_build_is_an_error(project: Make) -> None:
    made = project({"build": BLOCKED})
    result = made.invoke("render", "--env", "dev", "--no-lint")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("build: error SW030 cannot write: ")
    assert (made.folder / "build").read_text() == BLOCKED


@pytest.mark.parametrize(
    "arguments", [["lint"], ["render", "--check"], ["render", "--check", "--no-lint"]]
)
def test_check_does_not_change_the_build(arguments: list[str], project: Make) -> None:
    made = project({"build": BLOCKED})
    verb, *rest = arguments
    assert "SW030" not in made.invoke(verb, "--env", "dev", *rest).stderr
    (made.folder / "build").unlink()
    result = made.invoke(verb, "--env", "dev", *rest)
    assert result.exit_code == (verb == "render"), result.stderr
    assert not (made.folder / "build").exists()


def test_read_only_project_can_be_checked(project: Make) -> None:
    made = project({"templates/main.yaml.j2": BAD, "params/dev.yaml": "fifo: false\n"})
    build = made.folder / "build"
    build.mkdir()
    build.chmod(0o555)
    changed_at = build.stat().st_mtime_ns
    result = made.invoke("lint", "--env", "dev")
    assert re.match(r"templates/main\.yaml\.j2:\d+: error E\d+ ", result.stderr), result.stderr
    assert "/tmp" not in result.output
    assert build.stat().st_mtime_ns == changed_at


def test_check_without_disk_space_is_an_error(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: str) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(OutputError) as caught, stage_apart(project().render()):
        pass
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("SW030", "cannot write: No space left on device")
    assert problem.hint == "free some space, or set TMPDIR to a folder that can be written"
    assert str(problem.where[0]) == tempfile.gettempdir()


def test_target_that_cannot_be_replaced_is_an_error(project: Make) -> None:
    made = project()
    build(made)
    before = made.built()
    rendering = made.render("dev", "title=other")
    with stage_build(rendering) as folder:
        shutil.rmtree(folder)
        with pytest.raises(OutputError) as caught:
            write_build(rendering, folder)
    assert [(problem.code, str(problem.where[0])) for problem in caught.value.problems] == [
        ("SW030", "build/dev")
    ]
    assert made.built() == before


def limited(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with files limited to two blocks of 512 bytes: writing more fails as on a full
    disk, with EFBIG."""
    command = [sys.executable, "-B", str(RENDER_PY), *arguments, "--project", str(project.folder)]
    shell = ["sh", "-c", 'ulimit -f 2 && exec "$@"', "sh", *command]
    return subprocess.run(shell, capture_output=True, text=True, timeout=60, check=False)


def test_file_size_limit_is_an_error(project: Make) -> None:
    made = project()
    build(made)
    before = made.built()
    made.write({"params/dev.yaml": f"title: {'x' * 5000}\n"})
    result = limited(made, "render", "--env", "dev", "--no-lint")
    assert (result.returncode, result.stdout) == (1, "")
    assert "error SW030 cannot write: File too large" in result.stderr
    assert "the old build is untouched" in result.stderr
    assert (made.built(), temporary_folders(made)) == (before, [])


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(
            "mounting a file system needs root: sudo make test; files that cannot grow are tested without"
        )
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_an_error_and_keeps_the_old_build(tiny_disk: Path) -> None:
    made = small(tiny_disk / "project")
    build(made)
    before = made.built()
    rows = "".join(f"  T{n}: {{Type: AWS::SNS::Topic}}\n" for n in range(3000))
    made.write({"params/dev.yaml": "n: 3000\n"})
    made.write(
        {
            "templates/main.yaml.j2": "Resources:\n{% for i in range(n) %}\n"
            "  {{ title }}{{ i }}: {Type: AWS::SNS::Topic}\n{% endfor %}\n"
        }
    )
    assert len(rows) > 64_000
    result = made.run("render", "--env", "dev", "--no-lint", cwd=Path("/"))
    assert (result.returncode, result.stdout) == (1, "")
    assert "error SW030 cannot write: No space left on device" in result.stderr
    assert "free some space" in result.stderr
    assert (made.built(), temporary_folders(made)) == (before, [])


SLOW = "Resources:\n{% for i in range(n) %}\n  {{ title }}{{ i }}: {Type: AWS::SNS::Topic}\n{% endfor %}\n"


def takes_signals(pid: int) -> bool:
    """Whether the command has begun, however slow the machine is: before, a signal ends Python as
    it starts."""
    try:
        caught = re.search(
            r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE
        )
    except OSError:
        return True  # there is no such file, or the process has ended
    return caught is None or bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def started(project: Project, phase: str) -> subprocess.Popen[str]:
    """A render that lasts some seconds, begun as far as rendering or checking."""
    project.write(
        {
            "templates/main.yaml.j2": SLOW,
            "params/dev.yaml": f"n: {60000 if phase == 'rendering' else 3000}\n",
        }
    )
    process = project.start("render", "--env", "dev")
    while not takes_signals(process.pid):
        time.sleep(0.01)
    time.sleep(0.5)
    while phase == "checking" and not temporary_folders(project):
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("phase", ["rendering", "checking"])
def test_terminated_render_keeps_the_old_build(name: str, phase: str, project: Make) -> None:
    made = project()
    build(made)
    before = made.built()
    process = started(made, phase)
    assert process.poll() is None
    process.send_signal(getattr(signal, name))
    output, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert made.built() == before
    assert output == ""
    assert "Traceback" not in errors
    if name == "SIGINT":
        assert (process.returncode, errors.lstrip()) == (
            130,
            "interrupted: nothing is left half-done; run it again\n",
        )
        assert temporary_folders(made) == []
    made.write({"templates/main.yaml.j2": "A: {{ title }}{{ n }}\n"})
    assert made.invoke("render", "--env", "dev", "--no-lint").exit_code == 0
    assert temporary_folders(made) == []


def test_readers_see_either_the_old_or_the_new_build(project: Make) -> None:
    made = project({"templates/other.yaml.j2": "A: {{ title }}\n"})
    build(made, "title=a")
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add((made.folder / "build/dev/other.yaml").read_bytes().splitlines()[-1])

    reader = threading.Thread(target=read)
    reader.start()
    for title in "bcdefgh":
        build(made, f"title={title}")
    done.set()
    reader.join()
    assert seen <= {f"A: {title}".encode() for title in "abcdefgh"}
    assert len(seen) >= 1


def test_simultaneous_renders_write_one_whole_build(project: Make) -> None:
    made = project()
    processes = [
        made.start("render", "--env", "dev", "--no-lint", "--set", f"title=t{n}") for n in range(3)
    ]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert set(made.built()) == {"main.yaml"}
    assert temporary_folders(made) == []


def test_file_system_without_atomic_exchange_is_supported(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "other")
    made = project()
    assert [build(made), build(made, "title=b")] == [True, True]
    assert b"DisplayName: b" in made.built()["main.yaml"]
    assert temporary_folders(made) == []
