"""A process with the tool loaded, which forks one process for every run of the command line: those
begin at once, are processes of their own all the same, and can be killed.

Its seconds are short: ``time.sleep`` and ``time.monotonic`` run `FACTOR` times as fast, so that the
tool's waiting for AWS, and botocore's between two tries, does not make the tests wait. Clients
share botocore's descriptions of services.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - with the real clock, as threading
import gc
import json
import os
import resource
import selectors  # noqa: F401
import signal
import socket
import subprocess  # noqa: F401
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

FACTOR = 50.0
"""How many seconds the tool counts in one."""

_SERVICES = (
    "cloudformation", "sts", "s3", "secretsmanager", "ecr", "ecs", "lambda", "iam", "logs", "service-quotas",
    "elbv2", "servicediscovery", "cloudwatch",
)  # fmt: skip


def hurry() -> None:
    """Let seconds be short from now on."""
    sleep, monotonic = time.sleep, time.monotonic
    time.sleep = lambda seconds: sleep(seconds / FACTOR)
    time.monotonic = lambda: monotonic() * FACTOR


def load() -> None:
    """Read what a deployment needs, so that runs need not."""
    import importlib

    import botocore.loaders
    import botocore.session
    import jinja2  # noqa: F401
    import rich.console
    import rich.live
    import rich.progress
    import rich.table  # noqa: F401
    import yaml  # noqa: F401

    package = Path(__file__).parents[3] / "stackwright"
    for path in package.rglob("*.py"):
        module = path.relative_to(package.parent).with_suffix("")
        name = ".".join(module.parts).removesuffix(".__init__")
        if name != "stackwright.lint.worker" and module.parts[1] != "emulator":
            importlib.import_module(name)  # cfn-lint and moto are not needed
    loader, get_session = botocore.loaders.create_loader(), botocore.session.get_session

    def sharing(*arguments: Any) -> Any:
        session = get_session(*arguments)
        session.register_component("data_loader", loader)
        return session

    botocore.session.get_session = sharing
    made, keys = sharing(), {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    for service in _SERVICES:
        made.create_client(service, region_name="us-east-2", **keys)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def run(order: dict[str, Any], out: int, err: int) -> None:
    """One run of the command line in this process, which ends with it."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored in the tests under nohup
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    if order.get("file_size") is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_size"], resource.RLIM_INFINITY))
    code = 0
    try:
        from stackwright.cli.main import main

        main(order["arguments"], prog_name="render.py")
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # as the interpreter does it: the tests look for it
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            code = code or 120
    os._exit(code)


def serve(control: socket.socket) -> None:
    """Fork for every order; answer with the process id, and with the status once it has ended."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 2)
        if not data:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            run(json.loads(data), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        control.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        control.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hurry()
    load()
    assert threading.active_count() == 1
    serve(socket.socket(fileno=int(sys.argv[1])))
