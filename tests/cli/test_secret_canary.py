"""Random values in every place of a secret, every verb with --debug, and then a search of all that
was written."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.bad_days.world import encoded
from tests.support.projects import Project, small

VERBS = [
    ("render",),
    ("lint",),
    ("params", "--origin"),
    ("explain", "app:Topic"),
    ("package", "--out", "dist"),
    ("secrets", "status"),
    ("secrets", "diff"),
    ("preflight",),
    ("plan", "--verbose"),
    ("plan", "--format", "json", "--out", "plan.json"),
    ("diff", "--against", "HEAD"),
    ("deploy", "--yes"),
    ("deploy", "--yes"),
    ("status",),
    ("outputs",),
    ("verify",),
    ("history",),
    ("events",),
    ("drift",),
    ("destroy", "--yes-destroy", "local"),
]
TEMPLATE = """\
Parameters:
  Token: {Type: String, NoEcho: true}
Resources:
  Secret:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      Name: {{ secrets.app.name }}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: {{ title }}
      Tags: [{Key: token, Value: !Ref Token}]
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BucketName: {{ prefix }}-artifacts
      VersioningConfiguration: {Status: Enabled}
Outputs:
  ArtifactBucketName: {Value: !Ref Bucket}
"""
DEFAULTS = """\
region: us-east-2
prefix: news-local
title: news
stacks: [app]
secrets: {app: {name: news-local/app}}
"""


@pytest.fixture
def canaries() -> dict[str, str]:
    return {
        name: f"{secrets.token_urlsafe(18)}/+ '\"{name}" for name in ("plain", "object", "token")
    }


@pytest.fixture
def made(tmp_path: Path, canaries: dict[str, str], cache: Path) -> Iterator[Project]:
    project = small(
        tmp_path / "project",
        {
            "templates/main.yaml.j2": None,
            "templates/app.yaml.j2": TEMPLATE,
            "params/defaults.yaml": DEFAULTS,
            "params/local.yaml": "",
            "params/dev.yaml": None,
            ".gitignore": "keys.env\n.stackwright/\n",
            "env/local/keys.env.example": "API_KEY=\nSERVICE=\n",
            "env/local/keys.env": "",
        },
    )
    write_keys(project, canaries)
    (tmp_path / "token").write_text(canaries["token"])
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(project.folder)]
    project.run("render", "--env", "local")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    yield project
    project.run("emulator", "stop")


def write_keys(project: Project, canaries: dict[str, str]) -> None:
    service = json.dumps({"user": "u", "password": canaries["object"]})
    lines = (("API_KEY", canaries["plain"]), ("SERVICE", service))
    text = "".join("{}='{}'\n".format(name, value.replace("'", "\\'")) for name, value in lines)
    project.write({"env/local/keys.env": text})


def search(project: Project, said: bytes, canaries: dict[str, str]) -> list[str]:
    """Where a value was written: in the output, or in a file that is not for it."""
    texts = {"output": said}
    for folder in (project.folder, project.folder.parent / "cache"):
        for path in folder.rglob("*"):
            private = path.name == "keys.env" or ".stackwright/emulator/state-" in path.as_posix()
            if path.is_file() and not private:
                texts[path.as_posix()] = path.read_bytes()
    return [
        f"{name} in {place}"
        for name, value in canaries.items()
        for form in encoded(value)
        for place, data in texts.items()
        if form in data
    ]


def run(project: Project, *arguments: str) -> bytes:
    done = project.run(
        *arguments[:1], *arguments[1:], "--env", "local", "--debug",
    )  # fmt: skip
    return f"{done.stdout}{done.stderr}".encode()


def test_no_verb_writes_a_secret(made: Project, canaries: dict[str, str], tmp_path: Path) -> None:
    said = b""
    for verb in VERBS:
        given = (
            ("--set-file", f"deploy.parameters.app.Token={tmp_path / 'token'}")
            if verb[0] in ("plan", "deploy")
            else ()
        )
        text = run(made, *verb, *given)
        assert b"Traceback" not in text, text.decode()
        said += text
    assert search(made, said, canaries) == []
    for sign in ("local is deployed: release 1", "nothing to do", "API_KEY", "DELETE_COMPLETE"):
        assert sign in said.decode()
    for path in (made.folder / ".stackwright/emulator").glob("state-*.jsonl"):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "keys",
    [
        "API_KEY={plain}\n{plain}\n{object}=\n",
        "-----BEGIN KEY-----\n{plain}\n{object}\n-----END KEY-----\n",
        "API_KEY='{plain}\nSERVICE={object}\n",
        '{{"API_KEY": "{plain}"}}\n',
        "export {plain}\nAPI_KEY=${{{object}}}\n",
        "API_KEY={plain}\0\n",
    ],
)
def test_malformed_keys_file_is_not_quoted(
    made: Project, canaries: dict[str, str], keys: str, tmp_path: Path
) -> None:
    plain = {name: value.replace("'", "").replace('"', "") for name, value in canaries.items()}
    made.write({"env/local/keys.env": keys.format(**plain)})
    given = ("--set-file", f"deploy.parameters.app.Token={tmp_path / 'token'}")
    said = b"".join(
        run(made, *verb)
        for verb in (
            ("render",),
            ("secrets", "diff"),
            ("plan", *given),
            ("deploy", "--yes", *given),
        )
    )
    assert b"Traceback" not in said, said.decode()
    assert search(made, said, plain) == []


def test_failing_requests_show_no_secret(
    made: Project, canaries: dict[str, str], tmp_path: Path
) -> None:
    given = ("--set-file", f"deploy.parameters.app.Token={tmp_path / 'token'}")
    assert b"local is deployed: release 1" in run(made, "deploy", "--yes", *given)
    canaries["plain"] = f"{secrets.token_urlsafe(18)}/+ changed"
    write_keys(made, canaries)
    said = b""
    for service in ("secretsmanager", "cloudformation", "s3"):
        for kind in ("denied", "error", "drop"):
            made.run(
                "emulator", "fault", "request", "--kind", kind, "--service", service, "--times", "8"
            )
            text = run(made, "deploy", "--yes", *given)
            made.run("emulator", "fault", "clear")
            assert b"Traceback" not in text, text.decode()
            said += text
    assert b"AccessDenied" in said
    assert search(made, said, canaries) == []
    assert os.environ.get("AWS_ENDPOINT_URL") is None
