"""A real podman with storage of its own, and real registries on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.projects import free_port

TOKEN = "123456789012-auth-token"
"""The password that moto's ECR hands out; HASH is its bcrypt hash, for the registry's htpasswd
file."""
HASH = "$2b$04$VFGwDER0w/9If6JXMycozO3JUEKt0FG.Tn25tbhq3MBj.Y7ARlLDy"
_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def need(program: str, package: str) -> None:
    """Skip where a program that pip cannot install is missing, saying how to get it; fail in CI."""
    if shutil.which(program):
        return
    message = f"needs {program}: apt-get install -y {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def registry(folder: Path, *, locked: bool) -> Iterator[str]:
    """Debian's docker-registry; ``locked`` asks for ECR's login. Gives its host and port."""
    need("docker-registry", "docker-registry")
    port = free_port()
    folder.mkdir()
    text = _CONFIG.format(folder=folder, port=port)
    if locked:
        (folder / "htpasswd").write_text(f"AWS:{HASH}\n")
        text += f"auth: {{htpasswd: {{realm: r, path: {folder}/htpasswd}}}}\n"
    (folder / "config.yml").write_text(text)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=output, stderr=output
        )
    try:
        _wait(f"http://127.0.0.1:{port}/v2/", process, folder / "output")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - loopback
        except urllib.error.HTTPError as error:
            error.close()
            return  # 401: it is up, and locked
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the registry did not start: {output.read_text()}")


@dataclass(frozen=True)
class Podman:
    """podman in a folder of its own; ``environment`` makes any podman use it."""

    environment: Mapping[str, str]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            ["podman", *arguments],
            env={**os.environ, **self.environment},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def podman(folder: Path) -> Podman:
    """Storage by plain copies and builds without namespaces: works in a container too."""
    need("podman", "podman")
    folder.mkdir()
    settings = f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
    (folder / "storage.conf").write_text(settings)
    made = {"CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"), "BUILDAH_ISOLATION": "chroot"}
    return Podman({**made, "XDG_RUNTIME_DIR": str(folder)})
