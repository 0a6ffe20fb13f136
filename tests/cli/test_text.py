"""Values and names of a hostile pull request, in every form of output, and terminals that lack
characters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.support.projects import RENDER_PY, Project

Make = Callable[..., Project]
HOSTILE = "\u202esecret\u2066 \x1b[2J\x07\r\n::error::owned\n##[error]x"
TEMPLATE = """\
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: {{ title }}
"""
SCHEMA = '{"properties": {"region": {}, "title": {}, "stacks": {}, "environment": {}}, "additionalProperties": false}'


def quoted(text: str) -> str:
    """As YAML writes it, in double quotes."""
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


def safe(text: str) -> None:
    """Check that text is inert; a machine reads JSON, not GitHub's runner."""
    text = text if not text.startswith(("{", "[")) else json.dumps(text)
    for line in text.split("\n"):
        assert line.replace("\t", "").isprintable(), line
        assert not line.lstrip().startswith("::"), line
        assert "##[" not in line or line.startswith('"')


@pytest.fixture
def hostile(project: Make) -> Project:
    made = project(
        {"templates/main.yaml.j2": TEMPLATE, "params/defaults.yaml": "title: harmless\n"}
    )
    assert made.run("render", "--env", "dev").returncode == 0
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(made.folder)]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    made.write({"params/defaults.yaml": f"title: {quoted(HOSTILE)}\n"})
    return made


@pytest.mark.parametrize(
    "command",
    [
        ("params", "--env", "dev"),
        ("params", "--env", "dev", "--origin"),
        ("params", "--env", "dev", "--format", "json"),
        ("explain", "title", "--env", "dev"),
        ("explain", "main:Topic.DisplayName", "--env", "dev"),
        ("diff", "--env", "dev", "--against", "HEAD"),
        ("diff", "--env", "dev", "--against", "HEAD", "--format", "markdown"),
        ("diff", "--env", "dev", "--against", "HEAD", "--format", "json"),
        ("render", "--env", "dev", "--check"),
        ("lint", "--env", "dev"),
    ],
    ids=" ".join,
)
def test_hostile_value_is_escaped(command: tuple[str, ...], hostile: Project) -> None:
    run = hostile.run(*command)
    assert "Traceback" not in run.stderr
    safe(run.stdout)
    safe(run.stderr)


@pytest.mark.parametrize("style", ["text", "json", "sarif"])
def test_hostile_key_is_escaped(style: str, project: Make) -> None:
    made = project({"params/schema.json": SCHEMA, "params/dev.yaml": f"{quoted(HOSTILE)}: 1\n"})
    run = made.run("lint", "--env", "dev", "--format", style)
    assert run.returncode == 1
    assert "owned" in run.stdout + run.stderr
    safe(run.stdout)
    safe(run.stderr)


def test_hostile_key_makes_one_annotation(project: Make) -> None:
    made = project({"params/schema.json": SCHEMA, "params/dev.yaml": f"{quoted(HOSTILE)}: 1\n"})
    lines = made.run("lint", "--env", "dev", "--format", "github").stdout.splitlines()
    assert lines
    assert all(line.startswith("::error file=params/dev.yaml,line=1,") for line in lines)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize(
    "command",
    [
        ("params", "--env", "dev"),
        ("diff", "--env", "dev", "--against", "HEAD"),
        ("lint", "--env", "dev"),
        ("explain", "SW012"),
    ],
    ids=" ".join,
)
def test_terminal_that_lacks_characters_gets_others(
    encoding: str, command: tuple[str, ...], hostile: Project
) -> None:
    hostile.write({"params/defaults.yaml": "title: Grüße → 🚀\n"})
    run = subprocess.run(
        [sys.executable, str(RENDER_PY), *command, "--project", str(hostile.folder)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        check=False,
    )
    assert (run.returncode, b"Traceback" in run.stderr) == (0, False)
    if "diff" in command and encoding == "latin-1":
        assert "Grüße -> \\U0001f680" in run.stdout.decode(encoding)
