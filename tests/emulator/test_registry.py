"""The registry that stands in ECR's place: its HTTP API, podman, and what ECR's own API sees of
it."""

import hashlib
import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from stackwright.artifacts.containers import RegistryClient
from stackwright.aws import Login
from stackwright.emulator.server.journal import Journal
from stackwright.emulator.server.lifecycle import RunningEmulator
from stackwright.emulator.server.server import Server
from tests.support import registries
from tests.support.clients import connect

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Site:
    """An emulator, and bare HTTP to its registry."""

    def __init__(self, url):
        self.url, self.host = url, url.partition("://")[2]

    def ask(self, method, path, data=None, **headers):
        """Status, headers and body of the answer."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def error(self, *request, **headers):
        """Status and code of an answer that is an error."""
        status, _, body = self.ask(*request, **headers)
        return status, json.loads(body)["errors"][0]["code"]

    def blob(self, data, repository="web"):
        """Push a blob in one request."""
        status, headers, _ = self.ask(
            "POST", f"/v2/{repository}/blobs/uploads/?digest={digest(data)}", data
        )
        assert (status, headers["Docker-Content-Digest"]) == (201, digest(data))
        return {"mediaType": "x", "digest": digest(data), "size": len(data)}

    def image(self, text="one"):
        """The manifest of an image, whose blobs are pushed."""
        config = json.dumps(
            {"os": "linux", "architecture": "amd64", "config": {"Labels": {"text": text}}}
        ).encode()
        body = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(config),
            "layers": [self.blob(b"layer")],
        }
        return json.dumps(body).encode()

    def put(self, tag, manifest, kind=MANIFEST, repository="web"):
        return self.ask("PUT", f"/v2/{repository}/manifests/{tag}", manifest, Content_Type=kind)


@pytest.fixture
def serve():
    """Emulators with repositories ``web`` and ``fixed`` (immutable tags), and clients of their
    ECR."""
    open_, clients = [], []

    def start(**options):
        server = Server(**options)
        server.__enter__()
        open_.append(server)
        return Site(server.url)

    def ecr(site):
        clients.append(connect(site.url, "ecr"))
        return clients[-1]

    start.ecr = ecr
    start.stop = lambda: open_.pop().__exit__()
    yield start
    for client in clients:
        client.close()
    for server in open_:
        server.__exit__()


@pytest.fixture
def site(serve):
    made = serve()
    made.ecr = serve.ecr(made)
    made.ecr.create_repository(repositoryName="web")
    made.ecr.create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
    return made


def test_registry_login_expires_after_twelve_hours(site):
    for _ in range(2):
        (login,) = site.ecr.get_authorization_token()["authorizationData"]
        assert timedelta(hours=11) < login["expiresAt"] - datetime.now(UTC) <= timedelta(hours=12)


def test_pushed_image_is_read_back(site):
    assert site.ask("GET", "/v2/")[0] == 200
    manifest = site.image()
    status, headers, _ = site.put("1.0", manifest)
    assert (status, headers["Location"]) == (201, f"/v2/web/manifests/{digest(manifest)}")
    for reference in ("1.0", digest(manifest)):
        status, headers, body = site.ask("GET", f"/v2/web/manifests/{reference}")
        assert (status, headers["Content-Type"], body) == (200, MANIFEST, manifest)
        status, headers, body = site.ask("HEAD", f"/v2/web/manifests/{reference}")
        answer = (headers["Docker-Content-Digest"], headers["Content-Length"], body)
        assert (status, *answer) == (200, digest(manifest), str(len(manifest)), b"")
    layer = json.loads(manifest)["layers"][0]["digest"]
    assert site.ask("GET", f"/v2/web/blobs/{layer}")[2] == b"layer"
    assert site.ask("HEAD", f"/v2/web/blobs/{layer}")[0] == 200
    assert json.loads(site.ask("GET", "/v2/web/tags/list")[2]) == {"name": "web", "tags": ["1.0"]}


def test_upload_in_chunks(site):
    status, headers, _ = site.ask("POST", "/v2/web/blobs/uploads/", b"")
    assert status == 202
    for number, piece in enumerate((b"one ", b"two ")):
        status, headers, _ = site.ask("PATCH", headers["Location"], piece)
        assert (status, headers["Range"]) == (202, f"0-{4 * number + 3}")
    location, whole = headers["Location"], b"one two three"
    status, headers, _ = site.ask("PUT", f"{location}?digest={digest(whole)}", b"three")
    assert (status, headers["Docker-Content-Digest"]) == (201, digest(whole))
    assert site.ask("GET", f"/v2/web/blobs/{digest(whole)}")[2] == whole
    assert site.error("PATCH", location, b"x") == (404, "BLOB_UPLOAD_UNKNOWN")
    assert (
        site.ask("POST", f"/v2/fixed/blobs/uploads/?mount={digest(whole)}&from=web", b"")[0] == 201
    )


def test_registry_errors_follow_specification(site):
    manifest = site.image()
    assert site.error("GET", "/v2/none/manifests/1") == (404, "NAME_UNKNOWN")
    assert site.error("POST", "/v2/none/blobs/uploads/", b"") == (404, "NAME_UNKNOWN")
    assert site.error("PUT", "/v2/none/manifests/1", manifest) == (404, "NAME_UNKNOWN")
    assert site.error("GET", "/v2/web/manifests/1") == (404, "MANIFEST_UNKNOWN")
    assert site.error("GET", f"/v2/web/blobs/sha256:{'0' * 64}") == (404, "BLOB_UNKNOWN")
    assert site.error("GET", "/v2/web/blobs/..") == (404, "BLOB_UNKNOWN")
    assert site.error("POST", f"/v2/web/blobs/uploads/?digest={digest(b'x')}", b"y") == (
        400,
        "DIGEST_INVALID",
    )
    assert site.error("PUT", f"/v2/web/manifests/{digest(b'x')}", manifest) == (
        400,
        "DIGEST_INVALID",
    )
    assert site.error("PUT", "/v2/web/manifests/-", manifest) == (400, "TAG_INVALID")
    for nothing in (
        b"{}",
        b"[]",
        b"\xff",
        '{"config": {}}'.encode("utf-16"),
        b'{"config": 1}',
        b'{"manifests": [{}]}',
    ):
        assert site.error("PUT", "/v2/web/manifests/1", nothing) == (400, "MANIFEST_INVALID")
    lacking = json.dumps({"config": {"digest": digest(b"nowhere")}}).encode()
    assert site.error("PUT", "/v2/web/manifests/1", lacking) == (400, "MANIFEST_BLOB_UNKNOWN")
    empty = json.dumps({"manifests": [{"digest": digest(b"nowhere")}]}).encode()
    assert site.error("PUT", "/v2/web/manifests/1", empty) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert site.error("DELETE", "/v2/web/manifests/1") == (405, "UNSUPPORTED")
    assert site.error("GET", "/v2/web") == (405, "UNSUPPORTED")


def test_ecr_api_and_registry_agree(site):
    manifest = site.image()
    site.put("1.0", manifest)
    answer = site.ecr.describe_images(repositoryName="web")["imageDetails"][0]
    assert (answer["imageDigest"], answer["imageTags"]) == (digest(manifest), ["1.0"])
    wanted = [{"imageDigest": digest(manifest)}]
    assert (
        site.ecr.batch_get_image(repositoryName="web", imageIds=wanted)["images"][0][
            "imageManifest"
        ].encode()
        == manifest
    )
    second = site.ecr.put_image(
        repositoryName="web", imageManifest=manifest.decode(), imageTag="1.1"
    )["image"]
    assert second["imageId"]["imageDigest"] == digest(manifest)
    assert json.loads(site.ask("GET", "/v2/web/tags/list")[2])["tags"] == ["1.0", "1.1"]
    site.ecr.batch_delete_image(repositoryName="web", imageIds=wanted)
    assert site.error("GET", "/v2/web/manifests/1.0") == (404, "MANIFEST_UNKNOWN")


def test_immutable_tags_do_not_move(site):
    one, two = site.image("one"), site.image("two")
    for manifest in (one, one, two):
        assert site.put("1.0", manifest)[0] == 201
    assert site.ask("GET", "/v2/web/manifests/1.0")[2] == two
    assert site.put("1.0", one, repository="fixed")[0] == 201
    assert site.put("1.1", one, repository="fixed")[0] == 201
    for manifest in (two, one):
        assert site.error("PUT", "/v2/fixed/manifests/1.0", manifest) == (400, "TAG_INVALID")
    assert site.ask("GET", "/v2/fixed/manifests/1.0")[2] == one


def test_index_refers_to_pushed_images(site):
    manifest = site.image()
    site.put(digest(manifest), manifest)
    entry = {"digest": digest(manifest), "platform": {"os": "linux", "architecture": "amd64"}}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    assert site.put("1.0", index, INDEX)[0] == 201
    answer = RegistryClient(site.host, None).manifest("web", "1.0")
    assert (answer.digest, list(answer.platforms)) == (digest(index), ["linux/amd64"])
    assert RegistryClient(site.host, None).manifest("web", "2.0") is None


def test_images_survive_restart_but_not_reset(serve, tmp_path):
    site = serve(journal=Journal(tmp_path / "state.jsonl"))
    serve.ecr(site).create_repository(repositoryName="web")
    manifest = site.image()
    site.put("1.0", manifest)
    serve.stop()
    again = serve(journal=Journal(tmp_path / "state.jsonl"))
    assert again.ask("GET", "/v2/web/manifests/1.0")[2] == manifest
    assert again.ask("GET", f"/v2/web/blobs/{digest(b'layer')}")[2] == b"layer"
    assert serve.ecr(again).describe_images(repositoryName="web")["imageDetails"][0][
        "imageTags"
    ] == ["1.0"]
    RunningEmulator(0, again.url).admin("reset")
    assert again.error("GET", "/v2/web/manifests/1.0") == (404, "NAME_UNKNOWN")
    serve.ecr(again).create_repository(repositoryName="web")
    assert again.error("GET", f"/v2/web/blobs/{digest(b'layer')}") == (404, "BLOB_UNKNOWN")


def test_podman_pushes_and_pulls(site, tmp_path):
    podman = registries.podman(tmp_path / "podman")
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("FROM scratch\nCOPY data /data\n")
    (tmp_path / "context/data").write_bytes(bytes(range(256)) * 1000)
    podman("build", "--quiet", "--tag", "localhost/web:1", str(tmp_path / "context"))
    podman("login", "--tls-verify=false", "--username", "AWS", "--password", "x", site.host)
    there = f"{site.host}/web:1"
    podman("push", "--tls-verify=false", "localhost/web:1", there)
    pushed = site.ecr.describe_images(repositoryName="web")["imageDetails"][0]["imageDigest"]
    assert (
        RegistryClient(site.host, Login("AWS", "x", "https://ecr")).manifest("web", "1").digest
        == pushed
    )
    podman("rmi", "--all", "--force")
    podman("pull", "--tls-verify=false", f"{site.host}/web@{pushed}")
    assert (
        podman("image", "inspect", "--format", "{{.Digest}}", f"{site.host}/web@{pushed}") == pushed
    )
