"""A small project from a dict of files, the real command line, and independent readers of what was
written."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from stackwright.cli import main
from stackwright.config.load import load_config
from stackwright.core.errors import StackwrightError
from stackwright.core.model import Config, Document, Location, Problem, Rendering
from stackwright.render.render import render_templates
from stackwright.render.wire import wire_root
from tests.support.processes import default_signals

REPOSITORY = Path(__file__).parents[2]
RENDER_PY = REPOSITORY / "render.py"

TOPIC = """\
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: {{ title }}
"""
SMALL: Mapping[str, str] = {
    "params/defaults.yaml": "title: news\n",
    "params/dev.yaml": "",
    "templates/main.yaml.j2": TOPIC,
}
"""The smallest project that renders and checks without a finding."""


def free_port() -> int:
    """A port of 127.0.0.1 for a server that cannot choose one itself, and takes it some time later:
    below those that the kernel hands out, to clients at any moment."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(frozen=True)
class Project:
    """A project folder made for one test."""

    folder: Path

    def write(self, files: Mapping[str, str | bytes]) -> Project:
        """Add or replace files; text is written as it is, without translation of line ends."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def load(self, environment: str = "dev", *overrides: str) -> Config:
        """The stage ``load``."""
        return load_config(self.folder, environment, overrides)

    def render(self, environment: str = "dev", *overrides: str) -> Rendering:
        """The stages ``load``, ``render`` and ``wire``."""
        return render_templates(self.load(environment, *overrides), wire_root)

    def document(self, name: str = "main", environment: str = "dev", *overrides: str) -> Document:
        """One rendered template."""
        document = self.render(environment, *overrides).document(name)
        assert document is not None
        return document

    def problems(self, environment: str = "dev", *overrides: str) -> tuple[Problem, ...]:
        """Errors and warnings of ``load`` and ``render``."""
        try:
            return self.render(environment, *overrides).problems
        except StackwrightError as error:
            return error.problems

    def invoke(self, verb: str, *arguments: str) -> Result:
        """The command line in this process."""
        result = CliRunner().invoke(main.main, [verb, *arguments, "--project", str(self.folder)])
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result

    def run(
        self, *arguments: str, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The command line as users start it, in a process of its own."""
        return subprocess.run(
            [sys.executable, str(RENDER_PY), *arguments, "--project", str(self.folder)],
            cwd=cwd or self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line without a terminal, and let it react to signals; its output and
        errors are pipes."""
        command = [sys.executable, str(RENDER_PY), *arguments, "--project", str(self.folder)]
        with default_signals():
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

    def built(self, environment: str = "dev") -> dict[str, bytes]:
        """The files of the build."""
        return files(self.folder / "build" / environment)


def files(folder: Path) -> dict[str, bytes]:
    """Relative path -> bytes of every file below ``folder``."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}


def small(folder: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Project:
    """The project `SMALL` with some files replaced, added, or (None) left out."""
    merged = {**SMALL, **(changes or {})}
    return Project(folder).write(
        {name: content for name, content in merged.items() if content is not None}
    )


def commands(group: click.Group) -> dict[str, click.Command]:
    """The verbs of a group, by name."""
    context = click.Context(group)
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in commands.items() if command is not None}


def places(problem: Problem) -> list[str]:
    """``path:line`` of each place of a problem."""
    return [str(at) for at in problem.where]


def line_with(document: Document, text: str) -> int:
    """The index of the one line of output that contains ``text``."""
    indices = [index for index, line in enumerate(document.text.splitlines()) if text in line]
    assert len(indices) == 1, f"{text!r} is on {len(indices)} lines of\n{document.text}"
    return indices[0]


def origin(document: Document, text: str) -> list[str]:
    """Where the line of output comes from that contains ``text``, innermost first."""
    return [short(at) for at in document.lines[line_with(document, text)].origin]


def short(at: Location) -> str:
    """``main.yaml.j2:3`` for a line of ``templates/main.yaml.j2``."""
    return str(at).removeprefix("templates/")


def yaml_1_1(text: str) -> Any:
    """The data of a template by PyYAML's own resolver, in Python; a short-form tag becomes
    ``{"!Tag": data}``."""
    return _data(yaml.compose(text, Loader=yaml.SafeLoader))


def yaml_1_2(text: str) -> Any:
    """The same by ruamel.yaml, which reads YAML 1.2."""
    return _data(YAML(typ="safe", pure=True).compose(text))


_SCALARS: Mapping[str, Any] = {
    "str": str,
    "int": lambda text: int(text.replace("_", ""), 0),
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "null": lambda _: None,
}


def _data(node: Any) -> Any:
    kind = type(node).__name__
    tag = str(node.tag if isinstance(node.tag, str) else node.tag.value)
    if kind == "ScalarNode":
        known = _SCALARS.get(tag.removeprefix("tag:yaml.org,2002:"), str)
        value = known(node.value)
    elif kind == "SequenceNode":
        value = [_data(item) for item in node.value]
    else:
        keys = [_data(key) for key, _ in node.value]
        assert len(set(keys)) == len(keys)
        value = {_data(key): _data(item) for key, item in node.value}
    return {tag: value} if tag.startswith("!") and tag != "!" else value
