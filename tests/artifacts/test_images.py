"""images build, push, mirror and status: podman, real registries on loopback, and ECR's API from
moto."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stackwright.artifacts.containers import ContainerEngine, RegistryClient, is_loopback
from stackwright.artifacts.images import (
    ImageRegistry,
    find_tagged_images,
    keep_release_images,
    list_images,
    require_images,
)
from stackwright.aws import Boto, Login
from stackwright.core.errors import ImageError
from tests.support import registries
from tests.support.aws import ACCOUNT, REGION, client, put_image
from tests.support.fakes import FakeAws
from tests.support.projects import Project, files
from tests.support.registries import TOKEN, Podman

Make = Callable[..., Project]
LOGIN = Login("AWS", TOKEN, "https://ecr")
PARAMS = f"""\
title: x
region: us-east-2
account_id: '{ACCOUNT}'
images:
  web: {{repository: team/web, tag: '1.0', context: services/web}}
  cache: {{repository: team/cache, tag: '7', source: SOURCE/library/cache}}
"""


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    return registries.podman(tmp_path_factory.mktemp("podman") / "p")


@pytest.fixture(scope="session")
def ecr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The registry in ECR's place: it asks for the password that moto's ECR hands out."""
    with registries.registry(tmp_path_factory.mktemp("registry") / "ecr", locked=True) as host:
        yield host


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The registry in Docker Hub's place."""
    with registries.registry(tmp_path_factory.mktemp("registry") / "public", locked=False) as host:
        yield host


@dataclass(frozen=True)
class Site:
    """A project with a service to build, its repositories in ECR, and the names of a test's own."""

    project: Project
    host: str
    podman: Podman
    team: str

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**self.podman.environment, "STACKWRIGHT_REGISTRY": self.host, **environment}
        return self.project.run("images", *arguments, "--env", "dev", **variables)

    def parameters(self, old: str, new: str) -> None:
        path = self.project.folder / "params/defaults.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def digest(self, repository: str, tag: str) -> str:
        manifest = RegistryClient(self.host, LOGIN).manifest(f"{self.team}/{repository}", tag)
        assert manifest is not None
        return manifest.digest


@pytest.fixture
def site(
    project: Make, moto: str, podman: Podman, ecr: str, public: str, request: pytest.FixtureRequest
) -> Site:
    team = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]  # registries outlive a test
    dockerfile = f"FROM scratch\nLABEL team={team}\nCOPY app /app\n"
    text = (
        PARAMS.replace("team/", f"{team}/")
        .replace("SOURCE", public)
        .replace("library/", f"{team}/")
    )
    made = project(
        {
            "params/defaults.yaml": text,
            "services/web/Dockerfile": dockerfile,
            "services/web/app": f"one {team}",
        }
    )
    for name in ("web", "cache"):
        client("ecr").create_repository(repositoryName=f"{team}/{name}")
    return Site(made, ecr, podman, team)


def publish(site: Site, public: str, platform: str = "linux/amd64") -> None:
    """Put the image that `cache` mirrors into the public registry."""
    name = f"{public}/{site.team}/cache:7"
    folder = site.project.folder / "services/web"
    site.podman("build", "--platform", platform, "--tag", name, str(folder))
    site.podman("push", "--tls-verify=false", name)
    site.podman("rmi", "--force", name)


def test_image_is_built_pushed_and_resolved_to_a_digest(site: Site) -> None:
    before = site.run("status", "web")
    assert before.returncode == 1
    assert before.stdout == f"web  missing  {site.host}/{site.team}/web:1.0\n"
    assert "SW445 web: " in before.stderr
    assert "render.py images push --env dev web" in before.stderr
    built = site.run("build")
    assert (built.returncode, built.stdout) == (0, f"localhost/{site.team}/web:1.0\n"), built.stderr
    pushed = site.run("push", "--format", "json")
    assert pushed.returncode == 0, pushed.stderr
    (status,) = json.loads(pushed.stdout)
    reference = f"{site.host}/{site.team}/web@{site.digest('web', '1.0')}"
    assert status == {
        "name": "web",
        "state": "ok",
        "reference": reference,
        "repository": f"{site.team}/web",
        "tag": "1.0",
        "platforms": ["linux/amd64"],
    }
    after = site.run("status", "web")
    assert (after.returncode, after.stdout) == (0, f"web  ok  {reference}  linux/amd64\n")
    again = site.run("push")
    assert (again.returncode, again.stdout) == (0, after.stdout)
    assert "Copying" in pushed.stderr
    assert "Copying" not in again.stderr


def test_other_image_under_an_existing_tag_is_refused(site: Site) -> None:
    for verb in ("build", "push"):
        assert site.run(verb).returncode == 0
    first = site.digest("web", "1.0")
    site.project.write({"services/web/app": "two"})
    assert site.run("build").returncode == 0
    refused = site.run("push")
    assert refused.returncode == 1
    assert (
        "params/defaults.yaml:5: error SW449 web: the registry has another image under the tag 1.0"
        in refused.stderr
    )
    assert site.digest("web", "1.0") == first
    site.parameters("'1.0'", "'2.0'")
    assert [site.run(verb).returncode for verb in ("build", "push")] == [0, 0]
    assert site.digest("web", "1.0") == first != site.digest("web", "2.0")


def test_push_of_an_existing_tag_needs_no_local_image(site: Site) -> None:
    for verb in ("build", "push"):
        assert site.run(verb).returncode == 0
    site.podman("rmi", "--force", f"localhost/{site.team}/web:1.0")
    assert site.run("push").returncode == 0


def test_public_image_is_mirrored_once(site: Site, public: str) -> None:
    publish(site, public)
    first = site.run("mirror")
    assert first.returncode == 0, first.stderr
    assert (
        first.stdout
        == f"cache  ok  {site.host}/{site.team}/cache@{site.digest('cache', '7')}  linux/amd64\n"
    )
    site.parameters(public, "127.0.0.1:9")  # the source is gone
    again = site.run("mirror")
    assert (again.returncode, again.stdout) == (0, first.stdout)


def test_unreachable_source_is_an_error(site: Site) -> None:
    result = site.run("mirror")
    assert result.returncode == 1
    assert "SW441 podman pull failed for" in result.stderr
    assert result.stdout == ""


def test_image_for_another_platform_is_refused(site: Site) -> None:
    site.podman("build", "--platform", "linux/arm64", "--tag", f"localhost/{site.team}/web:1.0",
                str(site.project.folder / "services/web"))  # fmt: skip
    result = site.run("push")
    assert result.returncode == 1
    assert "SW446 web: " in result.stderr
    assert "is for linux/arm64, the tasks are linux/amd64" in result.stderr
    site.parameters("title: x", "title: x\narchitecture: ARM64")
    assert site.run("status", "web").returncode == 0


def test_index_lists_every_platform(site: Site) -> None:
    for verb in ("build", "push"):
        assert site.run(verb).returncode == 0
    digest = site.digest("web", "1.0")
    kinds = [
        ("linux", "amd64"),
        ("linux", "arm64"),
        ("unknown", "unknown"),
    ]  # the last as BuildKit's attestations
    put_index(
        site,
        "2.0",
        [{"digest": digest, "platform": {"os": os_, "architecture": a}} for os_, a in kinds],
    )
    site.parameters("'1.0'", "'2.0'")
    status = site.run("status", "web", "--format", "json")
    assert status.returncode == 0, status.stderr
    (image,) = json.loads(status.stdout)
    assert image["platforms"] == ["linux/amd64", "linux/arm64"]
    assert image["reference"].endswith(site.digest("web", "2.0"))
    assert site.digest("web", "2.0") != digest
    built = f"localhost/{site.team}/web"
    site.podman("tag", f"{built}:1.0", f"{built}:2.0")
    assert site.run("push").returncode == 0  # what is built here is one of the index


def put_index(site: Site, tag: str, entries: list[dict[str, Any]]) -> None:
    kind = "application/vnd.oci.image.index.v1+json"
    manifest = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1}
    index = {
        "schemaVersion": 2,
        "mediaType": kind,
        "manifests": [{**manifest, **entry} for entry in entries],
    }
    request = urllib.request.Request(
        f"http://{site.host}/v2/{site.team}/web/manifests/{tag}",
        json.dumps(index).encode(),
        method="PUT",
    )
    request.add_header("Content-Type", kind)
    request.add_header("Authorization", "Basic " + b64encode(f"AWS:{TOKEN}".encode()).decode())
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


def test_registry_password_is_written_nowhere(site: Site, tmp_path: Path, public: str) -> None:
    log = tmp_path / "audit"
    hook = tmp_path / "site" / "sitecustomize.py"
    hook.parent.mkdir()
    hook.write_text(
        "import sys\n"
        "def hook(event, args):\n"
        "    if event == 'subprocess.Popen':\n"
        f"        open({str(log)!r}, 'a').write(repr(args[1]) + '\\n')\n"
        "sys.addaudithook(hook)\n"
    )
    publish(site, public)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    outputs = [
        site.run(verb, PYTHONPATH=str(hook.parent), TMPDIR=str(temporary))
        for verb in ("build", "push", "mirror", "status")
    ]
    assert [output.returncode for output in outputs] == [0, 0, 0, 0], [
        output.stderr for output in outputs
    ]
    assert log.read_text().count("'login'") == 2
    written = b"".join(
        [
            *files(tmp_path).values(),
            *(output.stdout.encode() + output.stderr.encode() for output in outputs),
        ]
    )
    assert TOKEN.encode() not in written
    assert b64encode(f"AWS:{TOKEN}".encode()) not in written
    assert not list(temporary.rglob("auth.json"))


@pytest.mark.parametrize(
    ("verb", "old", "new", "words"),
    [
        ("push", "team/web", "team/absent", "SW444 web: the repository team/absent does not exist"),
        (
            "mirror",
            "team/cache",
            "team/absent",
            "SW444 cache: the repository team/absent does not exist",
        ),
        (
            "push",
            "title: x",
            "title: x",
            "SW448 web: localhost/team/web:1.0 is not built on this machine",
        ),
        (
            "build",
            "services/web",
            "services/gone",
            "SW447 web: its folder services/gone does not exist",
        ),
        ("status nothing", "title: x", "title: x", "SW443 no image nothing"),
        ("push cache", "title: x", "title: x", "the image cache has no context in the parameters"),
        ("status", f"'{ACCOUNT}'", "'999988887777'", "SW404 the credentials are for account"),
        ("build", ", tag: '1.0'", "", "SW443 images.web has no tag"),
    ],
)
def test_mistake_is_refused_before_anything_is_pushed(
    site: Site, verb: str, old: str, new: str, words: str
) -> None:
    site.parameters(old.replace("team/", f"{site.team}/"), new.replace("team/", f"{site.team}/"))
    result = site.run(*verb.split())
    assert result.returncode == 1
    assert words.replace("team/", f"{site.team}/") in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == "" or verb.startswith("status")
    assert RegistryClient(site.host, LOGIN).manifest(f"{site.team}/web", "1.0") is None


def test_failed_build_is_an_error(site: Site) -> None:
    site.project.write({"services/web/Dockerfile": "FROM scratch\nCOPY absent /\n"})
    result = site.run("build")
    assert result.returncode == 1
    assert "SW441 podman build failed for" in result.stderr
    assert "absent" in result.stderr


def test_missing_podman_and_docker_is_an_error(site: Site, tmp_path: Path) -> None:
    result = site.run("build", PATH=str(tmp_path))
    assert result.returncode == 1
    assert "SW440 podman or docker is not installed" in result.stderr
    assert "apt-get install -y podman" in result.stderr


def test_docker_is_used_without_podman(site: Site, tmp_path: Path) -> None:
    """podman by docker's name: docker's command line without podman's own options."""
    programs = tmp_path / "programs"
    programs.mkdir()
    real = subprocess.run(
        ["which", "podman"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (programs / "docker").write_text(
        f'#!/bin/sh\nexport PATH="$REAL_PATH"\ncase "$*" in *--tls*) exit 125;; esac\nexec {real} "$@"\n'
    )
    (programs / "docker").chmod(0o755)
    settings = tmp_path / "registries.conf"
    settings.write_text(f'[[registry]]\nlocation = "{site.host}"\ninsecure = true\n')
    environment = {
        "PATH": str(programs),
        "REAL_PATH": os.environ["PATH"],
        "CONTAINERS_REGISTRIES_CONF": str(settings),
    }
    built, pushed = site.run("build", **environment), site.run("push", **environment)
    assert (built.returncode, pushed.returncode) == (0, 0), built.stderr + pushed.stderr
    assert site.digest("web", "1.0") in pushed.stdout


def test_images_have_digests_or_every_missing_one_is_reported(site: Site) -> None:
    names = {f"{site.team}/{name}": "uri" for name in ("web", "cache")}
    registry = ImageRegistry(site.project.load(), FakeAws(existing=names, login=LOGIN), site.host)
    with pytest.raises(ImageError) as caught:
        require_images(registry.status(list_images(site.project.load())), registry)
    assert [(p.code, p.message.partition(":")[0]) for p in caught.value.problems] == [
        ("SW445", "web"),
        ("SW445", "cache"),
    ]
    for verb in ("build", "push"):
        assert site.run(verb).returncode == 0
    site.parameters("  cache:", "  # cache:")
    digest = site.digest("web", "1.0")
    (status,) = registry.status(list_images(site.project.load()))
    require_images([status], registry)
    assert status.reference == f"{site.host}/{site.team}/web@{digest}"


def test_images_of_a_release_get_a_tag(site: Site) -> None:
    for verb in ("build", "push"):
        assert site.run(verb).returncode == 0
    digest = site.digest("web", "1.0")
    put_index(
        site, "2.0", [{"digest": digest, "platform": {"os": "linux", "architecture": "amd64"}}]
    )
    index = site.digest("web", "2.0")
    store = ImageRegistry(site.project.load(), FakeAws(login=LOGIN), site.host)
    for _ in range(2):
        keep_release_images(f"{site.host}/{site.team}/web@{digest}", "release-1", store)
    keep_release_images(f"{site.host}/{site.team}/web@{index}", "release-2", store)
    assert [site.digest("web", tag) for tag in ("release-1", "release-2")] == [digest, index]
    with pytest.raises(ImageError, match=f"{site.team}/web@sha256:0+ does not exist"):
        keep_release_images(f"{site.host}/{site.team}/web@sha256:{'0' * 64}", "release-3", store)
    wrong = ImageRegistry(site.project.load(), FakeAws(login=Login("AWS", "wrong", "")), site.host)
    with pytest.raises(ImageError, match="401"):
        keep_release_images(f"{site.host}/{site.team}/web@{digest}", "release-4", wrong)


def test_tagged_images_are_read_from_ecr_without_the_registry(moto: str, project: Make) -> None:
    reference = put_image("news/web", "1")
    listed = {"web": "tag: '1'", "moved": "tag: '2'", "gone": "tag: '1'"}
    places = {"web": "news/web", "moved": "news/web", "gone": "news/gone"}
    params = "".join(
        f"  {name}: {{repository: {places[name]}, {tag}}}\n" for name, tag in listed.items()
    )
    config = project({"params/dev.yaml": f"images:\n{params}"}).load()
    assert find_tagged_images(config, Boto(REGION)) == {"web": reference}


def test_registry_defaults_to_ecr(project: Make) -> None:
    aws = FakeAws(login=Login("AWS", "p", "https://1.dkr.ecr.us-east-2.amazonaws.com"))
    assert ImageRegistry(project().load(), aws).client.host == "1.dkr.ecr.us-east-2.amazonaws.com"
    assert not ImageRegistry(project().load(), aws).client.insecure


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1:5000", True),
        ("localhost", True),
        ("[::1]:80", True),
        ("127.0.0.1.example.com", False),
        ("ecr:443", False),
    ],
)
def test_plain_http_is_used_on_loopback_only(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    assert RegistryClient(host, None).insecure is loopback


def test_wrong_registry_password_is_an_error(ecr: str) -> None:
    with pytest.raises(ImageError, match="401") as caught:
        RegistryClient(ecr, Login("AWS", "wrong-password", "")).manifest("team/web", "1.0")
    assert caught.value.problems[0].code == "SW442"
    assert "wrong-password" not in str(caught.value)


def test_unreachable_registry_is_an_error() -> None:
    with pytest.raises(ImageError, match=r"127\.0\.0\.1:9 failed to return team/web/manifests/1"):
        RegistryClient("127.0.0.1:9", None).manifest("team/web", "1")


CONFIG = json.dumps({"os": "linux", "architecture": "amd64"}).encode()


class Blobs(BaseHTTPRequestHandler):
    """A registry that sends readers of blobs to another host, as ECR does."""

    seen: list[tuple[str, str | None]] = []  # noqa: RUF012 - the handler is made anew for each request
    blob = CONFIG
    failing: list[int] = []  # noqa: RUF012 - statuses of the next answers; 0 is none at all

    def do_GET(self) -> None:
        if self.failing:
            if status := self.failing.pop(0):
                self.send_error(status)
            else:
                self.close_connection = True
            return
        self.seen.append((self.path, self.headers.get("Authorization")))
        if "/blobs/" in self.path:
            self.send_response(307)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/bucket")  # type: ignore[attr-defined]
            self.end_headers()
            return
        digest = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
        data = (
            self.blob
            if self.path == "/bucket"
            else json.dumps({"config": {"digest": digest}}).encode()
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's output is not a log."""


@pytest.fixture
def blobs() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blobs)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Blobs.seen.clear()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_password_is_not_sent_after_a_redirect(blobs: str) -> None:
    manifest = RegistryClient(blobs, LOGIN).manifest("team/web", "1")
    assert manifest is not None
    assert list(manifest.platforms) == ["linux/amd64"]
    assert [(path.rpartition("/")[2][:6], bool(sent)) for path, sent in Blobs.seen] == [
        ("1", True),
        ("sha256", True),
        ("bucket", False),
    ]


@pytest.mark.parametrize("failing", [[0], [503, 0, 429]])
def test_request_without_an_answer_is_retried(
    blobs: str, failing: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Blobs, "failing", failing)
    assert RegistryClient(blobs, LOGIN).manifest("team/web", "1") is not None
    assert failing == []


def test_blob_with_a_wrong_digest_is_refused(blobs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Blobs, "blob", b'{"os": "linux", "architecture": "arm64"}')
    with pytest.raises(ImageError, match="missing or damaged"):
        RegistryClient(blobs, LOGIN).manifest("team/web", "1")


def test_requested_engine_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("podman", "docker"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ContainerEngine.find().name == "podman"
    assert ContainerEngine.find("docker").name == "docker"
    (tmp_path / "podman").unlink()
    assert ContainerEngine.find().name == "docker"
    with pytest.raises(ImageError, match="podman is not installed"):
        ContainerEngine.find("podman")
