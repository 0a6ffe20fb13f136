"""moto's server for the real command line, and an environment without the developer's own AWS
configuration."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stackwright.aws import Boto

REGION = "us-east-2"
ACCOUNT = "123456789012"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials that only moto takes; no profile, no configuration, no metadata service."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "BOTO"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty account behind AWS_ENDPOINT_URL, in which nobody validates certificates, whatever an
    emulator in this process has set."""
    from moto import settings

    monkeypatch.setattr(settings, "ACM_VALIDATION_WAIT", 60)
    request = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")  # noqa: S310 - loopback
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    return moto_url


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Boto]:
    """Typed calls to an emulator with an empty account, which commands reach too."""
    from tests.support.emulator import emulator

    with emulator() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield Boto(REGION)


def client(service: str) -> Any:
    """A client of the tests' own."""
    import boto3

    return boto3.client(service, region_name=REGION)


def create_bucket(name: str) -> str:
    """Make a bucket in the Region of the tests; its name."""
    where = {"LocationConstraint": REGION}
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)
    return name


def put_image(repository: str, tag: str) -> str:
    """Make a repository in ECR that holds an image; the image's reference by digest."""
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {"digest": f"sha256:{'2' * 64}"},
        "layers": [],
    }
    client("ecr").create_repository(repositoryName=repository)
    put = client("ecr").put_image(
        repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag
    )["image"]
    return f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{repository}@{put['imageId']['imageDigest']}"


class Refusals(ThreadingHTTPServer):
    """Answers every call with one error, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status, self.code, self.message = 400, "ValidationException", "no"
        self.requests: list[bytes] = []
        self.echo = False
        self.answers: dict[str, Any] = {}  # by operation: what is not refused
        super().__init__(("127.0.0.1", 0), _RefusalHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _RefusalHandler(BaseHTTPRequestHandler):
    server: Refusals

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(body)
        message = body.decode() if self.server.echo else self.server.message
        if "Action=" in body.decode():  # STS speaks the query protocol
            error = f"<Error><Code>{self.server.code}</Code><Message>{message}</Message></Error>"
            text, kind = f"<ErrorResponse>{error}</ErrorResponse>", "text/xml"
        else:
            text, kind = (
                json.dumps({"__type": self.server.code, "message": message}),
                "application/x-amz-json-1.1",
            )
        status = self.server.status
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if operation in self.server.answers:
            status, text = 200, json.dumps(self.server.answers[operation])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's output is not a log."""


@pytest.fixture
def refusals() -> Iterator[Refusals]:
    server = Refusals()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
