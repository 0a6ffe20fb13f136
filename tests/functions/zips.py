"""A function's zip, and a run of it as Lambda runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

FUNCTIONS = Path(__file__).parents[2] / "lambda"

# What Lambda's own bootstrap does (https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html), and a
# clock that can be moved, so that the minutes of a test need not be waited for.
BOOTSTRAP = """
import importlib, json, os, sys, time
real = time.time
time.time = lambda: real() + float(sys.argv[2])
sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
module, function = os.environ["_HANDLER"].rsplit(".", 1)
result = getattr(importlib.import_module(module), function)(json.loads(sys.argv[1]), None)
# Not getrusage: ru_maxrss survives exec, so that it counts the process that forked us.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0])
print(json.dumps({"result": result, "peak_kib": peak}), file=sys.stderr)
"""


def requirements(name: str) -> list[str]:
    """The function's requirements and all that these require, as installed here."""
    todo = [re.split(r"[=<>]", line)[0] for line in (FUNCTIONS / name / "requirements.txt").read_text().split()]
    found: list[str] = []
    while todo:
        package = todo.pop()
        if package in found:
            continue
        found.append(package)
        needed = [need for need in distribution(package).requires or [] if "extra ==" not in need]
        todo += [re.split(r"[^\w.-]", need)[0] for need in needed]
    return found


def build(name: str, target: Path, extra: Mapping[str, str] = {}) -> Path:
    """The zip of one function: its modules, its dependencies, and `extra` files (name to text)."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for package in requirements(name):
            installed = distribution(package)
            for file in installed.files or []:
                if file.suffix in (".py", ".json", ".gz", ".pem") and ".." not in file.parts:
                    archive.write(str(installed.locate_file(file)), str(file))
        for module in (FUNCTIONS / name).glob("*.py"):
            archive.write(module, module.name)
        for file_name, text in extra.items():
            archive.writestr(file_name, text)
    return target


def interpreter(version: str) -> str | None:
    """A Python of this version: our own, one on PATH, or one that pyenv or uv has installed."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return sys.executable
    candidates = [shutil.which(f"python{version}")]
    candidates += [str(path) for path in Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    candidates += [str(path) for path in Path.home().glob(f".local/share/uv/python/*-{version}.*/bin/python3")]
    for candidate in filter(None, candidates):
        answer = subprocess.run([candidate, "--version"], check=False, capture_output=True, text=True)
        if answer.stdout.startswith(f"Python {version}."):
            return candidate
    return None


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The zip in an empty folder that cannot be written to, as /var/task is."""
    folder = Path(tempfile.mkdtemp(prefix="task-"))
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield folder
    finally:
        for path in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
            path.chmod(0o755)
        shutil.rmtree(folder)


def without_override() -> list[str]:
    """Root may write to a folder that is read-only; Lambda's user may not. Take that from root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search", "--"]


def invoke(python: str, folder: Path, event: object, variables: Mapping[str, str], clock: float = 0) -> Any:
    """Run the handler as Lambda does: nothing but the standard library, the zip and the given environment.

    Returns what the handler returned and the peak of the process's memory. Raises CalledProcessError.
    """
    environment = {
        "LAMBDA_TASK_ROOT": str(folder),
        "_HANDLER": "lambda_function.lambda_handler",
        "AWS_REGION": "us-east-2",
        "AWS_DEFAULT_REGION": "us-east-2",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "PATH": "/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
    }
    command = [*without_override(), python, "-S", "-c", BOOTSTRAP, json.dumps(event), str(clock)]
    done = subprocess.run(
        command, env=environment | dict(variables), cwd="/", check=True, capture_output=True, text=True, timeout=60
    )
    return json.loads(done.stderr.splitlines()[-1])
