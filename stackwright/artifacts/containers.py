"""Build, pull, tag and push images with podman or docker, and read manifests from a registry.

The output of the program goes to stderr unchanged. The password of a registry is passed on stdin,
and stored in a temporary folder until the push has ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..aws import PARALLEL, Login
from ..core import ImageError

PROGRAMS = ("podman", "docker")
_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_STDERR = 2
_TIMEOUT = 60
"""Seconds for one request to a registry."""
_TRIES = 4
"""Retries of a request without an answer, or with 429 or 5xx. All requests may be repeated: content
is addressed by its digest."""


class Manifest(Struct, frozen=True):
    """The content of a tag: its digest, and platform (``linux/amd64``) -> the digests of manifest
    and config."""

    digest: str
    platforms: Mapping[str, frozenset[str]]

    @property
    def digests(self) -> frozenset[str]:
        """All digests by which a local image can be recognized."""
        return frozenset((self.digest,)).union(*self.platforms.values())


class ContainerEngine:
    """podman or docker; every method raises ImageError where the program fails."""

    def __init__(self, program: str) -> None:
        self.name = Path(program).name
        self._program = program

    @classmethod
    def find(cls, program_name: str | None = None) -> ContainerEngine:
        """Find ``program_name``, or the first of podman and docker that is installed. Raises
        ImageError (SW440)."""
        for name in [program_name] if program_name else PROGRAMS:
            path = shutil.which(name)
            if path:
                return cls(path)
        names = program_name or " or ".join(PROGRAMS)
        raise ImageError.of(
            "SW440", f"{names} is not installed", hint="for example: apt-get install -y podman"
        )

    def build(self, context: Path, reference: str, platform: str) -> None:
        """Build the folder's Dockerfile (or Containerfile) into the local image ``reference``."""
        self._run("build", "--platform", platform, "--tag", reference, str(context))

    def image_id(self, reference: str) -> str | None:
        """``sha256:…`` of a local image; None where it does not exist."""
        done = subprocess.run(
            [self._program, "image", "inspect", "--format", "{{.Id}}", reference],
            capture_output=True,
            text=True,
            check=False,
        )
        image_id = done.stdout.strip()
        return None if done.returncode else f"sha256:{image_id.removeprefix('sha256:')}"

    def pull(self, reference: str, platform: str, *, insecure: bool = False) -> None:
        """Pull an image, with the user's own logins."""
        self._run("pull", *self._tls_option(insecure), "--platform", platform, reference)

    def tag(self, reference: str, name: str) -> None:
        """Give a local image another name."""
        self._run("tag", reference, name)

    def push(
        self, reference: str, *, insecure: bool = False, logins: Mapping[str, str] | None = None
    ) -> None:
        """Push an image to the registry in its name; ``logins`` is the value of `login`."""
        self._run("push", *self._tls_option(insecure), reference, environment=logins)

    @contextmanager
    def login(
        self, host: str, login: Login, *, insecure: bool = False
    ) -> Iterator[Mapping[str, str]]:
        """Log in to a registry, and out again at the end; yields the environment variables for
        `push`."""
        with tempfile.TemporaryDirectory(prefix="stackwright-") as folder:
            logins = {"REGISTRY_AUTH_FILE": str(Path(folder, "auth.json")), "DOCKER_CONFIG": folder}
            arguments = (
                "login",
                *self._tls_option(insecure),
                "--username",
                login.username,
                "--password-stdin",
                host,
            )
            self._run(*arguments, environment=logins, text=login.password, quiet=True)
            yield logins

    def _tls_option(self, insecure: bool) -> Sequence[str]:
        """The option for plain HTTP: podman requires TLS of a loopback registry, docker does
        not."""
        return ["--tls-verify=false"] if insecure and self.name == "podman" else []

    def _run(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        text: str | None = None,
        quiet: bool = False,
    ) -> None:
        done = subprocess.run(
            [self._program, *arguments],
            env={**os.environ, **(environment or {})},
            input=text,
            text=True,
            check=False,
            stdin=None if text is not None else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else _STDERR,
        )
        if done.returncode:
            message = (
                f"{self.name} {arguments[0]} failed for {arguments[-1]}"
                f" (exit {done.returncode}); its reason is above"
            )
            raise ImageError.of("SW441", message)


def is_loopback(host: str) -> bool:
    """Whether a registry is on this machine, where plain HTTP is as safe as TLS."""
    name = host.rpartition(":")[0] or host
    return name in ("localhost", "127.0.0.1", "[::1]")


class RegistryClient:
    """Reads and writes manifests by the HTTP API of registries, which ECR has as well. Every method
    raises ImageError.

    Sources: https://github.com/opencontainers/distribution-spec/blob/main/spec.md,
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
    """

    def __init__(self, host: str, login: Login | None) -> None:
        self.host = host
        self.insecure = is_loopback(host)
        self._login = login

    def manifest(self, repository: str, tag: str) -> Manifest | None:
        """Read a tag; None where the tag or its repository does not exist."""
        data = self._fetch(f"{repository}/manifests/{tag}", _MEDIA_TYPES)
        if data is None:
            return None
        digest = _digest(data)
        document = json.loads(data)
        if "manifests" in document:
            return Manifest(digest, self._read_index(repository, document["manifests"]))
        config = document["config"]["digest"]
        return Manifest(
            digest, {self._read_platform(repository, config): frozenset((digest, config))}
        )

    def keep(self, repository: str, digest: str, tag: str) -> None:
        """Add a tag to a digest, so that lifecycle rules for untagged images do not remove it. A
        tag that exists already is no error."""
        data = self._fetch(f"{repository}/manifests/{digest}", _MEDIA_TYPES)
        if data is None:
            raise ImageError.of("SW445", f"{self.host}/{repository}@{digest} does not exist")
        document = json.loads(data)
        kind = document.get("mediaType", _MEDIA_TYPES[0 if "manifests" in document else 2])
        path = f"{repository}/manifests/{tag}"
        if self._fetch(path, _MEDIA_TYPES) == data:
            return
        try:
            self._request(path, {"Content-Type": str(kind)}, data)
        except ImageError:
            # The first answer may have been lost, and ECR refuses to put an equal manifest again.
            if self._fetch(path, _MEDIA_TYPES) != data:
                raise

    def push(self, repository: str, tag: str, blobs: Sequence[bytes], manifest: bytes) -> None:
        """Push an image of these blobs, each in one request, which not every registry accepts."""
        for blob in blobs:
            path = f"{repository}/blobs/uploads/?digest={_digest(blob)}"
            self._request(path, {"Content-Type": "application/octet-stream"}, blob, "POST")
        kind = str(json.loads(manifest)["mediaType"])
        self._request(f"{repository}/manifests/{tag}", {"Content-Type": kind}, manifest)

    def _read_index(
        self, repository: str, entries: Sequence[Mapping[str, Any]]
    ) -> dict[str, frozenset[str]]:
        platforms = {}
        for entry in entries:
            named = entry.get("platform", {})
            platform = f"{named.get('os')}/{named.get('architecture')}"
            if platform == "unknown/unknown":  # BuildKit's attestations
                continue
            data = self._fetch(f"{repository}/manifests/{entry['digest']}", _MEDIA_TYPES)
            config = json.loads(data)["config"]["digest"] if data else ""
            platforms[platform] = frozenset((entry["digest"], config))
        return platforms

    def _read_platform(self, repository: str, config: str) -> str:
        data = self._fetch(f"{repository}/blobs/{config}", ())
        if data is None or _digest(data) != config:
            message = (
                f"the configuration {config} of a manifest in {self.host}/{repository}"
                " is missing or damaged"
            )
            raise ImageError.of("SW442", message, hint="push the image again under a new tag")
        named = json.loads(data)
        return f"{named.get('os')}/{named.get('architecture')}"

    def _fetch(self, path: str, accepted: Sequence[str]) -> bytes | None:
        return self._request(path, {"Accept": ", ".join(accepted)} if accepted else {})

    def _request(
        self, path: str, headers: Mapping[str, str], data: bytes | None = None, sent: str = "PUT"
    ) -> bytes | None:
        """Make a GET, or send ``data`` with the method ``sent``; the body of the answer, None for a
        GET with 404."""
        from requests import RequestException

        url = f"{'http' if self.insecure else 'https'}://{self.host}/v2/{path}"
        try:
            method = "GET" if data is None else sent
            answer = self._session.request(
                method, url, data=data, headers=dict(headers), timeout=_TIMEOUT
            )
            if answer.ok:
                return bytes(answer.content)
            if answer.status_code == 404 and data is None:
                return None
            reason = f"{answer.status_code} {answer.reason}"
        except RequestException as error:
            reason = str(getattr(error.args[0], "reason", error) if error.args else error)
        hint = "check the network, HTTPS_PROXY and your login, then run the command again"
        verb = "return" if data is None else "accept"
        raise ImageError.of(
            "SW442", f"the registry {self.host} failed to {verb} {path}: {reason}", hint=hint
        )

    @cached_property
    def _session(self) -> Any:
        """A session that retries. requests sends the login to the registry's host only; ECR
        redirects readers to S3."""
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        session = requests.Session()
        session.trust_env = not self.insecure  # no proxy, no ~/.netrc for this machine
        if self._login is not None:
            session.auth = (self._login.username, self._login.password)
        retries = Retry(
            _TRIES,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
            redirect=10,
        )
        adapter = HTTPAdapter(pool_maxsize=PARALLEL, max_retries=retries)
        session.mount(f"{'http' if self.insecure else 'https'}://", adapter)
        return session


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
