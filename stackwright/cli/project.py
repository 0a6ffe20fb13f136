"""The verbs for the project itself: new, init, doctor, docs, completion."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins

from ..core import command_line, escape_text, program_name, read_file, write_file
from .options import PROJECT, STYLE, Options, completion_variable
from .output import echo, echo_json
from .stages import load_config, make_rendering

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"
"""The pins of a checkout; an installed package has none."""


@click.command(short_help="Write a new project that renders and deploys.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--example",
    type=click.Choice(["minimal", "nested", "ecs"]),
    default="minimal",
    show_default=True,
    help="Project to start from: one stack, nested stacks, or a Fargate service.",
)
def new(folder: Path, example: str) -> None:
    """Write a small project into DIR, which must not exist or be empty. The folder's name becomes
    the project's.

    It renders at once, and deploys to a local CloudFormation on this machine, without an AWS
    account.
    """
    from ..config import new_project

    for path in new_project(folder, example):
        echo((folder / path).as_posix())
    echo(f"next: {command_line(f'deploy --project {shlex.quote(str(folder))}')}", err=True)


@click.command(short_help="Write the files of a new environment.")
@click.argument("environment")
@PROJECT
def init(environment: str, project: Path) -> None:
    """Write params/ENVIRONMENT.yaml, with every parameter as a comment, and examples of its dotenv
    files; let git ignore keys.env."""
    from ..config import new_environment

    folder = project.resolve()
    for path in new_environment(folder, environment, _read_schema(folder)):
        echo(path.as_posix())
    render = command_line(f"render --env {environment}")
    echo(f"next: edit params/{environment}.yaml, then {render}", err=True)


def _read_schema(project: Path) -> Any:
    from ..config import parse_schema

    name = "params/schema.json"
    path = project / name
    return parse_schema(read_file(path, project).decode(), name) if path.exists() else None


@click.command(short_help="Check which programs and packages are installed.")
@PROJECT
@STYLE
def doctor(project: Path, style: str) -> None:
    """Check which programs, packages and files are there, and say how to get the missing ones.

    Exit 1 where a needed one is missing.
    """
    from ..config import run_doctor

    lines = list(run_doctor(project.resolve(), REQUIREMENTS))
    if style == "json":
        echo_json([to_builtins(line) for line in lines])
    else:
        colours = {"ok": "green", "missing": "red", "optional": "yellow"}
        for line in lines:
            state = click.style(line.state, fg=colours[line.state]) + "]"
            padding = " " * (11 - len(line.state))
            rest = escape_text(f"{line.name}  {line.detail}".rstrip())
            click.echo(f"[{state}{padding}{rest}")
    if any(line.state == "missing" for line in lines):
        sys.exit(1)


@click.command(short_help="List the rules, or write the generated pages of docs/.")
@PROJECT
@click.option("--write", is_flag=True, help="Write the generated pages.")
def docs(project: Path, write: bool) -> None:
    """Print the rules and messages; with --write, write the generated pages of docs/ and the
    schema of parameters files for editors."""
    from ..report import rules_page

    folder = project.resolve()
    if not write:
        echo(rules_page(), nl=False)
        return
    for name, text in _pages(folder).items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_file(folder / name, text)
        echo(name)


def _pages(project: Path) -> dict[str, str]:
    from ..config import OVERLAY, list_environments, overlay_text
    from ..core import ParameterData, compose_yaml
    from ..report import (
        draw_svg,
        parameters_page,
        preflight_page,
        protections_page,
        rules_page,
        verbs_page,
    )
    from .main import main
    from .reference import read_verbs

    pages = {"docs/rules.md": rules_page(), "docs/preflight.md": preflight_page()}
    pages["docs/protections.md"] = protections_page()
    pages["docs/verbs.md"] = verbs_page(read_verbs(main))
    schema = _read_schema(project)
    defaults = project / "params/defaults.yaml"
    if schema is not None:
        text = read_file(defaults, project).decode() if defaults.exists() else ""
        data = ParameterData(
            compose_yaml(text, "params/defaults.yaml"), "params/defaults.yaml"
        ).data
        pages[OVERLAY] = overlay_text(schema)
        pages["docs/parameters.md"] = parameters_page(schema, data)
    if "prod" in list_environments(project):
        rendering = make_rendering(load_config(Options(project, "prod")))
        pages["docs/stacks.svg"] = draw_svg(rendering)
    return pages


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script, for example: stackwright completion bash >> ~/.bashrc"""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    if script is None:
        raise click.ClickException(f"there is no completion for {shell}")
    main = click.get_current_context().find_root().command
    click.echo(script(main, {}, program_name(), completion_variable()).source())


VERBS = (new, init, doctor, docs, completion)
