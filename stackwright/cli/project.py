"""The verbs for the project itself: init, doctor, docs, completion."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..core import command_line
from .options import PROJECT, Options, load_config, make_rendering

HERE = Path(__file__).resolve().parents[2]


@click.command(short_help="Make the files of a new environment.")
@click.argument("environment")
@PROJECT
def init(environment: str, project: Path) -> None:
    """Make params/ENVIRONMENT.yaml, commented, and examples of its dotenv files; let git ignore
    keys.env."""
    from ..config import new_environment

    folder = project.resolve()
    for path in new_environment(folder, environment, _schema(folder)):
        click.echo(path.as_posix())
    click.echo(
        f"next: edit params/{environment}.yaml, then {command_line(f'render --env {environment}')}",
        err=True,
    )


def _schema(project: Path) -> Any:
    from ..config import parse_schema

    path = project / "params/schema.json"
    return (
        parse_schema(path.read_text(encoding="utf-8"), "params/schema.json")
        if path.is_file()
        else None
    )


@click.command(short_help="Look at what is installed and configured.")
@PROJECT
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def doctor(project: Path, style: str) -> None:
    """Say what is installed and configured, what is missing, and how to get it."""
    from ..config import run_doctor as look

    found = list(look(project.resolve(), HERE / "requirements.txt"))
    if style == "json":
        click.echo(
            json.dumps(
                [{"name": f.name, "state": f.state, "detail": f.detail} for f in found], indent=2
            )
        )
    else:
        colours = {"ok": "green", "missing": "red", "optional": "yellow"}
        for each in found:
            state = click.style(each.state, fg=colours[each.state]) + "]"
            click.echo(f"[{state}{' ' * (11 - len(each.state))}{each.name}  {each.detail}".rstrip())
    if any(each.state == "missing" for each in found):
        sys.exit(1)


@click.command(short_help="List the rules, or write the generated pages of docs/.")
@PROJECT
@click.option("--write", is_flag=True, help="Write the generated pages.")
def docs(project: Path, write: bool) -> None:
    """Print the rules and messages; with --write, write the generated pages of docs/."""
    from ..report import rules_page

    folder = project.resolve()
    if not write:
        click.echo(rules_page(), nl=False)
        return
    for name, text in _pages(folder).items():
        (folder / "docs").mkdir(exist_ok=True)
        (folder / "docs" / name).write_text(text, encoding="utf-8")
        click.echo(f"docs/{name}")


def _pages(project: Path) -> dict[str, str]:
    from ..config import list_environments
    from ..core import ParameterData, compose_yaml
    from ..preflight import derive_permissions
    from ..report import draw_svg, parameters_page, permissions_page, preflight_page, rules_page

    pages = {"rules.md": rules_page(), "preflight.md": preflight_page()}
    schema = _schema(project)
    defaults = project / "params/defaults.yaml"
    if schema is not None:
        text = defaults.read_text(encoding="utf-8") if defaults.is_file() else ""
        data = ParameterData(
            compose_yaml(text, "params/defaults.yaml"), "params/defaults.yaml"
        ).data
        pages["parameters.md"] = parameters_page(schema, data)
    if "prod" in list_environments(project):
        rendering = make_rendering(load_config(Options(project, "prod")))
        pages["stacks.svg"] = draw_svg(rendering)
        pages["deploy-policy.md"] = permissions_page(derive_permissions(rendering))
    return pages


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script; for example: ./render.py completion bash >> ~/.bashrc"""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"no completion for {shell}")
    main = click.get_current_context().find_root().command
    click.echo(found(main, {}, "render.py", "_RENDER_PY_COMPLETE").source())


VERBS = (init, doctor, docs, completion)
