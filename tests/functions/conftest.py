"""The two functions as modules, and a real RabbitMQ node of the tests' own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.projects import free_port

PROJECT = Path(__file__).parents[2]
FUNCTIONS = PROJECT / "lambda"
for folder in ("autoscaling", "queue_metrics"):  # Lambda puts the root of a zip on sys.path
    sys.path.append(str(FUNCTIONS / folder))

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-2",
    "AWS_REGION": "us-east-2",
}


def load_handler(name: str) -> ModuleType:
    """The handler of one function under a module name of its own: both are called
    lambda_function."""
    path = FUNCTIONS / name / "lambda_function.py"
    spec = importlib.util.spec_from_file_location(f"{name}_lambda_function", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials and no configuration of the developer's own reach a test."""
    for name in os.environ:
        if name.startswith(("AWS_", "ECS_", "RABBITMQ_", "METRIC_", "SCALE_", "CLOUD_MAP_")):
            monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def autoscaling() -> ModuleType:
    return load_handler("autoscaling")


@pytest.fixture
def queue_metrics() -> ModuleType:
    return load_handler("queue_metrics")


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The JSON lines that the function wrote since the last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@dataclass(frozen=True)
class Broker:
    """A running node: AMQP and management ports on 127.0.0.1, its administrator, its folder."""

    amqp: int
    management: int
    user: str
    password: str
    folder: Path
    variables: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.management}"

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the management API as the administrator."""
        token = b64encode(f"{self.user}:{self.password}".encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
            text = reply.read()
        return json.loads(text) if text else None

    def ctl(self, *arguments: str) -> None:
        program = "/usr/lib/rabbitmq/bin/rabbitmqctl"
        command = [program, "-q", "-n", self.variables["RABBITMQ_NODENAME"], *arguments]
        subprocess.run(command, env=self.variables, check=True, capture_output=True, timeout=60)

    @contextmanager
    def channel(self, vhost: str = "/") -> Iterator[Any]:
        import pika

        parameters = pika.ConnectionParameters(
            "127.0.0.1", self.amqp, vhost, pika.PlainCredentials(self.user, self.password)
        )
        connection = pika.BlockingConnection(parameters)
        try:
            yield connection.channel()
        finally:
            connection.close()


CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
default_user = {user}
default_pass = {password}
loopback_users = none
collect_statistics_interval = 1000
disk_free_limit.absolute = 1MB
"""


def start_broker(folder: Path) -> tuple[Broker, subprocess.Popen[bytes]]:
    amqp, management, distribution, epmd = (free_port() for _ in range(4))
    user, password = "euglena", "a p@ss:word/with%signs"
    variables = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),  # the Erlang cookie
        "LANG": "C.UTF-8",
        "RABBITMQ_NODENAME": f"test{amqp}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd),
    }
    text = CONFIGURATION.format(amqp=amqp, management=management, user=user, password=password)
    (folder / "rabbitmq.conf").write_text(text)
    (folder / "enabled_plugins").write_text("[rabbitmq_management].")
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            ["/usr/lib/rabbitmq/bin/rabbitmq-server"],
            env=variables, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    return Broker(amqp, management, user, password, folder, variables), process


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"after {seconds:.0f} s still not: {what}")
        time.sleep(0.2)


def answers(broker: Broker) -> bool:
    try:
        return bool(broker.api("GET", "/api/health/checks/virtual-hosts")["status"] == "ok")
    except (OSError, urllib.error.URLError):
        return False


@pytest.fixture(scope="session")
def need() -> Callable[[str, str], None]:
    """Skip where a program that pip cannot install is missing, saying how to get it; fail in CI."""

    def check(program: str, package: str) -> None:
        if shutil.which(program):
            return
        message = f"needs {Path(program).name}: apt-get install -y {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    return check


@pytest.fixture(scope="session")
def broker(need: Callable[[str, str], None]) -> Iterator[Broker]:
    """A RabbitMQ node with the management plugin on free loopback ports, its data in a temporary
    folder."""
    need("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
    with tempfile.TemporaryDirectory(prefix="rabbitmq-") as folder:
        node, process = start_broker(Path(folder))
        try:
            wait_until(lambda: answers(node) or process.poll() is not None, "RabbitMQ up")
            assert process.poll() is None, (Path(folder) / "output").read_text()
            yield node
        finally:
            node.ctl("shutdown", "--timeout", "30")
            process.wait(30)
            stop_epmd(node)


def stop_epmd(node: Broker) -> None:
    """The port mapper that the node started on a port of its own; it holds no other node now."""
    subprocess.run(
        ["epmd", "-kill"], env=node.variables, check=False, capture_output=True, timeout=10
    )
