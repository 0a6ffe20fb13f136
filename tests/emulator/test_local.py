"""The environment `local`: commands start the local CloudFormation themselves, and need neither
podman nor sources."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from stackwright.core.errors import EmulatorError
from stackwright.emulator import local
from stackwright.emulator.server import lifecycle
from tests.support.clients import connect
from tests.support.projects import RENDER_PY

PARAMS = """\
title: news
images:
  web: {repository: team/web, tag: '1.0', context: services/web}
  cache: {repository: team/cache, tag: '7', source: 127.0.0.1:1/library/cache}
"""
FOREIGN = {
    "AWS_PROFILE": "mine",
    "AWS_ENDPOINT_URL_S3": "http://s3.example",
    "AWS_SESSION_TOKEN": "real",
    "HOME": "/x",
}


@pytest.fixture
def made(project, monkeypatch):
    """A project with an environment `local`; nothing of this machine's AWS set-up, and no podman or
    docker."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "STACKWRIGHT_"))]:
        monkeypatch.delenv(name)
    local_project = project({"params/defaults.yaml": PARAMS, "params/local.yaml": ""})
    yield local_project
    lifecycle.stop_emulator(local.local_folder(local_project.folder))


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A PATH with nothing on it."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def repositories(url):
    with contextlib.closing(connect(url, "ecr")) as ecr:
        for name in ("team/web", "team/cache"):
            ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")


def test_local_variables_point_to_emulator_until_exit(made):
    variables = dict(FOREIGN)
    with local.local_environment(made.load("local"), variables) as started:
        assert variables["AWS_ENDPOINT_URL"] == started.url
        assert variables["STACKWRIGHT_REGISTRY"] == started.url.removeprefix("http://")
        assert (
            variables["AWS_CONFIG_FILE"] == variables["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
        )
        assert {"AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"}.isdisjoint(variables)
        assert local.is_local_registry(variables["STACKWRIGHT_REGISTRY"], variables)
        assert not local.is_local_registry("127.0.0.1:1", variables)
        inner = dict(variables)
        with local.local_environment(made.load("local"), inner) as again:
            assert (again, inner) == (None, variables)
    assert variables == FOREIGN
    with local.local_environment(made.load("local"), variables) as emulator:
        assert emulator is None
        assert variables["AWS_ENDPOINT_URL"] == started.url
    assert variables == FOREIGN


def test_other_environments_keep_their_variables(made):
    made.write({"params/dev.yaml": ""})
    variables = dict(FOREIGN)
    with local.local_environment(made.load("dev"), variables) as started:
        assert (started, variables) == (None, FOREIGN)
    assert lifecycle.find_emulator(local.local_folder(made.folder)) is None
    assert not local.is_local_registry("example.com", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert not local.is_local_registry("127.0.0.1:1", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})


def test_concurrent_starts_share_one_emulator(made):
    command = [
        sys.executable,
        str(RENDER_PY),
        "emulator",
        "start",
        "--format",
        "json",
        "--project",
        str(made.folder),
    ]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert len({json.loads(process.communicate()[0])["pid"] for process in both}) == 1


def test_emulator_for_another_region_is_refused(made):
    local.start_local(made.load("local"))
    with pytest.raises(
        EmulatorError, match="runs for 123456789012 in us-east-1, not for 123456789012 in eu-west-1"
    ):
        local.start_local(made.load("local", "region=eu-west-1"))


def test_placeholder_image_without_a_source(made, path):
    """Without podman and sources: the first command starts the emulator, what is there stays."""
    refused = made.invoke("images", "push", "--env", "local")
    assert "started the local CloudFormation at http://127.0.0.1:" in refused.stderr
    assert "SW444 web: the repository team/web does not exist" in refused.stderr
    assert "AWS_ENDPOINT_URL" not in os.environ
    repositories(lifecycle.find_emulator(local.local_folder(made.folder)).url)

    host, references = "123456789012.dkr.ecr.us-east-1.amazonaws.com", {}
    for verb, name in (("push", "web"), ("mirror", "cache")):
        done = made.invoke("images", verb, "--env", "local", "--format", "json")
        text = f"{name}: stand-in: the local CloudFormation runs no containers (podman or docker is not installed)\n"
        assert (done.exit_code, done.stderr) == (0, text)
        (status,) = json.loads(done.stdout)
        assert (status["state"], status["platforms"]) == ("ok", ["linux/amd64"])
        references[name] = status["reference"]
        assert references[name].startswith(f"{host}/team/{name}@sha256:")
        again = made.invoke("images", verb, "--env", "local", "--format", "json")
        assert (again.exit_code, again.stderr, json.loads(again.stdout)) == (0, "", [status])
    assert references["web"][-64:] != references["cache"][-64:]
    assert made.invoke("emulator", "reset").exit_code == 0
    repositories(lifecycle.find_emulator(local.local_folder(made.folder)).url)
    assert made.invoke("images", "push", "--env", "local").exit_code == 0
    status = made.invoke("images", "status", "web", "--env", "local", "--format", "json")
    assert status.exit_code == 0, status.stderr
    after = json.loads(status.stdout)
    assert [image["reference"] for image in after] == [references["web"]]


def test_placeholder_image_for_unreachable_source(made, path):
    (path / "podman").write_text("#!/bin/sh\nexit 1\n")
    (path / "podman").chmod(0o755)
    (path / "sh").symlink_to(shutil.which("sh", path="/bin:/usr/bin"))
    repositories(local.start_local(made.load("local")).url)
    done = made.invoke("images", "mirror", "--env", "local")
    assert done.exit_code == 0, done.stderr
    assert (
        "cache: stand-in: the local CloudFormation runs no containers (podman pull failed for"
        in done.stderr
    )
    done = made.invoke("images", "push", "--env", "local")
    assert "(its folder services/web does not exist)" in done.stderr


def test_no_placeholder_image_outside_local(made, path, monkeypatch):
    with local.local_environment(made.load("local")) as started:
        repositories(started.url)
        monkeypatch.setenv(
            "STACKWRIGHT_REGISTRY", started.url.replace("http://127.0.0.1", "localhost")
        )
        done = made.invoke("images", "push", "--env", "local")
    assert done.exit_code == 1
    assert "SW440 podman or docker is not installed" in done.stderr


def test_placeholder_keys_are_written_once(made):
    example = "env/local/keys.env.example"
    assert not local.make_local_keys(made.folder)
    made.write({example: "# names\nAPI_KEY=\n\nTOKEN=\n"})
    assert local.make_local_keys(made.folder)
    file = made.folder / "env/local/keys.env"
    assert file.read_text() == "API_KEY=local-api_key\nTOKEN=local-token\n"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("API_KEY=mine\n")
    assert not local.make_local_keys(made.folder)
    assert file.read_text() == "API_KEY=mine\n"


def test_proxy_is_bypassed_for_this_machine(made, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "example.com")
    with local.local_environment(made.load("local")) as started:
        assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "example.com,127.0.0.1"
        repositories(started.url)
    assert os.environ["no_proxy"] == "example.com"
