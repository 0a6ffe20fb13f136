"""Both zips run as in Lambda, against a real RabbitMQ and the server of moto: the count follows the
queue out and in."""

from __future__ import annotations

import io
import json
import os
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from dotenv import dotenv_values
from moto.server import ThreadedMotoServer
from policy import Config

from tests.functions import zips
from tests.functions.conftest import Broker, wait_until

PROJECT = Path(__file__).parents[2]
QUEUE = "agent.mandates"


class Invocations(HTTPServer):
    """Lambda's Invoke: answers 202 and keeps the events, as an asynchronous invoke does."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        super().__init__(("127.0.0.1", 0), InvokeHandler)


class InvokeHandler(BaseHTTPRequestHandler):
    server: Invocations

    def do_POST(self) -> None:
        assert self.path == "/2015-03-31/functions/euglena-autoscaling/invocations"
        assert self.headers["X-Amz-Invocation-Type"] == "Event"
        self.server.events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's output is not a log."""


@pytest.fixture(scope="module")
def _wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """pip's only source: a wheel of the one package that the functions need and Lambda lacks."""
    folder = zips.wheelhouse(tmp_path_factory.mktemp("wheels"), ["python-dotenv"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        yield


@pytest.fixture(scope="module")
def packages(_wheels: None) -> Iterator[dict[str, Path]]:
    """Both functions, unpacked from the project's zips into read-only folders."""
    made = zips.packaged("prod")
    with (
        zips.unpacked(made["autoscaling"]) as first,
        zips.unpacked(made["queue_metrics"]) as second,
    ):
        yield {"autoscaling": first, "queue_metrics": second}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zips.runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture
def server() -> Iterator[str]:
    running = ThreadedMotoServer("127.0.0.1", 0)
    running.start()
    try:
        endpoint = "http://{}:{}".format(*running.get_host_and_port())
        urllib.request.urlopen(f"{endpoint}/moto-api/reset", b"", timeout=10).close()  # noqa: S310 - loopback
        yield endpoint
    finally:
        running.stop()


@pytest.fixture
def invocations() -> Iterator[Invocations]:
    with Invocations() as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield listening
        listening.shutdown()
        thread.join(10)


@dataclass
class System:
    """The two functions and what they work on; `minute` lets a minute pass and runs both."""

    python: str
    packages: dict[str, Path]
    runtime: Path
    endpoint: str
    lambda_endpoint: str
    invocations: Invocations
    secret: str
    broker: Broker
    window: str = ""
    began: float = field(default_factory=time.time)
    minutes: int = 0
    clock: float = 0.0
    peak_kib: int = 0

    def run(self, name: str, event: object, variables: dict[str, str]) -> Any:
        variables = variables | {"AWS_ENDPOINT_URL": self.endpoint, "METRIC_ENVIRONMENT": "prod"}
        answer = zips.invoke(
            self.python, self.packages[name], self.runtime, event, variables, self.clock
        )
        self.peak_kib = max(self.peak_kib, answer["peak_kib"])
        return answer["result"]

    def read(self, **variables: str) -> Any:
        settings = {"RABBITMQ_MANAGEMENT_URL": self.broker.url, "RABBITMQ_SECRET_ID": self.secret}
        return self.run("queue_metrics", {}, settings | variables)

    def tick(self, event: object, **variables: str) -> Any:
        settings = {"ECS_CLUSTER": "euglena-cluster", "ECS_SERVICE": "euglena-agent"}
        settings["SCALE_WINDOW_SECONDS"] = self.window
        return self.run("autoscaling", event, settings | variables)

    def minute(self, trigger: str) -> Any:
        self.minutes += 1
        self.clock = self.began + self.minutes * 60 - time.time()  # a slow machine skips no minute
        if trigger == "schedule":
            self.read()
            return self.tick({"source": "aws.events"})
        self.read(
            AUTOSCALER_FUNCTION="euglena-autoscaling", AWS_ENDPOINT_URL_LAMBDA=self.lambda_endpoint
        )
        return self.tick(self.invocations.events.pop(), SCALE_IN_MAX_AGE_SECONDS="90")

    def desired(self) -> int:
        ecs = boto3.client("ecs", endpoint_url=self.endpoint)
        (service,) = ecs.describe_services(cluster="euglena-cluster", services=["euglena-agent"])[
            "services"
        ]
        return int(service["desiredCount"])


def create_service(endpoint: str) -> None:
    ecs = boto3.client("ecs", endpoint_url=endpoint)
    ecs.create_cluster(clusterName="euglena-cluster")
    container = {"name": "agent", "image": "agent", "memory": 2048}
    ecs.register_task_definition(family="euglena-agent", containerDefinitions=[container])
    ecs.create_service(
        cluster="euglena-cluster",
        serviceName="euglena-agent",
        taskDefinition="euglena-agent",
        desiredCount=1,
    )


@pytest.fixture(params=["3.11", "3.13"])
def system(
    request: pytest.FixtureRequest,
    packages: dict[str, Path],
    runtime: Path,
    server: str,
    invocations: Invocations,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> System:
    python = zips.interpreter(request.param)
    if not python:
        message = f"needs Python {request.param}: uv python install {request.param}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    secrets = boto3.client("secretsmanager", endpoint_url=server)
    text = json.dumps({"username": broker.user, "password": broker.password})
    secret = secrets.create_secret(Name=f"euglena/rabbitmq-{request.param}", SecretString=text)[
        "ARN"
    ]
    monkeypatch.setenv(
        "MOTO_ECS_SERVICE_RUNNING", "1"
    )  # else moto's new service stays in a rollout for ever
    create_service(server)
    lambda_endpoint = f"http://127.0.0.1:{invocations.server_port}"
    return System(python, packages, runtime, server, lambda_endpoint, invocations, secret, broker)


def shows(broker: Broker, ready: int) -> bool:
    return bool(broker.api("GET", f"/api/queues/%2F/{QUEUE}").get("messages_ready") == ready)


@pytest.mark.parametrize("trigger", ["schedule", "reading"])
@pytest.mark.parametrize("window", ["240", pytest.param("", marks=pytest.mark.slow, id="default")])
def test_count_follows_the_queue_out_and_in_after_the_window(
    window: str, trigger: str, system: System
) -> None:
    system.window = window
    with system.broker.channel() as channel:
        channel.queue_declare(QUEUE, durable=True)
        for number in range(8):
            channel.basic_publish("", QUEUE, str(number).encode())
        wait_until(lambda: shows(system.broker, 8), "8 messages in the statistics")

        assert system.minute(trigger) == {"desired": 10, "reason": "scale out"}
        assert system.desired() == 10
        assert system.minute(trigger) == {"desired": 10, "reason": "need met"}

        for _ in range(8):
            method, _, _ = channel.basic_get(QUEUE)
            channel.basic_ack(method.delivery_tag)
        wait_until(lambda: shows(system.broker, 0), "an empty queue in the statistics")

        assert system.minute(trigger)["desired"] > 1, "one empty minute is not enough"
        minutes = int(window or Config.scale_window_seconds) // 60
        counts = [system.minute(trigger)["desired"] for _ in range(minutes + 2)]
        channel.queue_delete(QUEUE)
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == system.desired() == 1
    assert system.peak_kib < 128 * 1024


def test_broker_outage_raises_to_the_fallback_and_never_lowers(system: System) -> None:
    system.clock += 60
    system.read()
    system.clock += 60
    with pytest.raises(Exception, match="returned non-zero exit status"):
        system.read(RABBITMQ_MANAGEMENT_URL="http://127.0.0.1:1")
    assert system.tick({})["desired"] == 1
    system.clock += 600
    assert system.tick({}) == {"desired": 6, "reason": "metric stale: lifted to the fallback"}
    assert system.tick({}) == {"desired": 6, "reason": "metric stale"}


def test_files_mode_of_the_guide_works(system: System) -> None:
    """The guide's aws.env and .env in the zip, no environment variable at all."""
    with zips.unpacked(zips.packaged("guide")["autoscaling"]) as unpacked:
        answer = zips.invoke(
            system.python, unpacked, system.runtime, {}, {"AWS_ENDPOINT_URL": system.endpoint}
        )
    assert answer["result"] == {"desired": 6, "reason": "metric stale: lifted to the fallback"}


@pytest.mark.parametrize("environment", ["prod", "guide"])
@pytest.mark.usefixtures("_wheels")
def test_zips_hold_the_functions_and_no_secret(environment: str) -> None:
    """keys.env's names stay out, with their values; the guide's two files are in its autoscaler
    only."""
    names_of_secrets = dotenv_values(PROJECT / "env" / environment / "keys.env.example").keys()
    assert names_of_secrets
    for function, data in zips.packaged(environment).items():
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            texts = {
                name: archive.read(name).decode()
                for name in names
                if name.endswith((".env", ".py"))
            }
        own = {path.name for path in (PROJECT / "lambda" / function).glob("*.py")}
        files = (
            {"aws.env", ".env"} if (environment, function) == ("guide", "autoscaling") else set()
        )
        assert own | files <= names
        assert {name for name in names if name.endswith(".env")} == files
        assert not [name for name in names_of_secrets for text in texts.values() if name in text]
