"""A function's zip, and a run of it as Lambda runs it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from stackwright.artifacts.package import package_rendering
from stackwright.config.load import load_config
from stackwright.render.render import render_templates
from stackwright.render.wire import wire_root

PROJECT = Path(__file__).parents[2]

# What Lambda's own bootstrap does
# (https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html), and a clock that can be moved,
# so that the minutes of a test need not be waited for.
BOOTSTRAP = """
import importlib, json, os, sys, time
real = time.time
time.time = lambda: real() + float(sys.argv[2])
sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
sys.path.append(os.environ["LAMBDA_RUNTIME_DIR"])
module, function = os.environ["_HANDLER"].rsplit(".", 1)
result = getattr(importlib.import_module(module), function)(json.loads(sys.argv[1]), None)
# Not getrusage: ru_maxrss survives exec, so that it counts the process that forked us.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0])
print(json.dumps({"result": result, "peak_kib": peak}), file=sys.stderr)
"""


def installed(name: str) -> list[tuple[str, Path]]:
    """A package's files as installed here: name in its wheel, and where it is."""
    package = distribution(name)
    names = [
        file for file in package.files or [] if ".." not in file.parts and file.suffix != ".pyc"
    ]
    return [(file.as_posix(), Path(str(package.locate_file(file)))) for file in names]


def wheelhouse(folder: Path, names: Iterable[str]) -> Path:
    """Wheels of packages that are installed here, so that pip needs no network."""
    for name in names:
        wheel = f"{name.replace('-', '_')}-{distribution(name).version}-py3-none-any.whl"
        with zipfile.ZipFile(folder / wheel, "w") as archive:
            for inside, path in installed(name):
                archive.write(path, inside)
    return folder


def packaged(environment: str) -> dict[str, bytes]:
    """The zips that the project makes for an environment: autoscaling and queue_metrics."""
    functions = package_rendering(
        render_templates(load_config(PROJECT, environment), wire_root)
    ).functions
    names = {"autoscaling": "Autoscaler", "queue_metrics": "QueueMetrics"}
    return {
        name: functions[f"app/autoscaler:{logical_id}"].data for name, logical_id in names.items()
    }


def runtime(folder: Path) -> Path:
    """What Lambda's Python runtime brings along: boto3, and what that needs."""
    for name in (
        "boto3",
        "botocore",
        "s3transfer",
        "jmespath",
        "python-dateutil",
        "six",
        "urllib3",
    ):
        for inside, path in installed(name):
            top, *below = Path(inside).parts
            link = folder / top
            if not top.endswith(".dist-info") and not link.is_symlink():
                link.symlink_to(path.parents[len(below) - 1] if below else path)
    return folder


def interpreter(version: str) -> str | None:
    """A Python of this version: our own, one on PATH, or one that pyenv or uv has installed."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return sys.executable
    candidates = [shutil.which(f"python{version}")]
    candidates += [
        str(path) for path in Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    ]
    candidates += [
        str(path) for path in Path.home().glob(f".local/share/uv/python/*-{version}.*/bin/python3")
    ]
    for candidate in filter(None, candidates):
        answer = subprocess.run(
            [candidate, "--version"], check=False, capture_output=True, text=True
        )
        if answer.stdout.startswith(f"Python {version}."):
            return candidate
    return None


@contextmanager
def unpacked(data: bytes) -> Iterator[Path]:
    """The zip in an empty folder that cannot be written to, as /var/task is."""
    folder = Path(tempfile.mkdtemp(prefix="task-"))
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
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


def invoke(
    python: str,
    task: Path,
    runtime: Path,
    event: object,
    variables: Mapping[str, str],
    clock: float = 0,
) -> Any:
    """Run the handler as Lambda does: the standard library, the runtime, the zip, the given
    environment.

    Returns what the handler returned and the peak of the process's memory. Raises
    CalledProcessError.
    """
    environment = {
        "LAMBDA_TASK_ROOT": str(task),
        "LAMBDA_RUNTIME_DIR": str(runtime),
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
        command,
        env=environment | dict(variables),
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return json.loads(done.stderr.splitlines()[-1])
