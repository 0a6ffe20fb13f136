"""The verbs that render, check and explain: render, lint, params, explain, graph, diff."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from ..core import Leaf, Problem, Rendering, Report, StackwrightError, command_line, dotted
from .options import (
    FORMAT,
    Options,
    check_or_exit,
    connect_aws,
    console,
    for_environment,
    join_rendering,
    load_config,
    make_rendering,
    problems_as,
    show_report,
)

if TYPE_CHECKING:
    pass


def _renderings(options: Options, *, every: bool) -> list[Rendering]:
    """The rendering of one environment or of all; the problems of all are shown together."""
    from ..config import list_environments

    names = list_environments(options.project) if every else [options.environment]
    made: list[Rendering] = []
    problems: list[Problem] = []
    for name in names:
        try:
            made.append(make_rendering(load_config(replace(options, environment=name))))
        except StackwrightError as error:
            problems += error.problems
    if problems:
        raise StackwrightError(problems)
    return made


_ALL = click.option("--all", "every", is_flag=True, help="All environments.")


@click.command(short_help="Render and check; write build/<env>/.")
@for_environment
@_ALL
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Write nothing; exit 1 with a diff if build/ is stale.",
)
@click.option("--no-lint", is_flag=True, help="Skip cfn-lint and the rules.")
@FORMAT
def render(options: Options, every: bool, only_check: bool, no_lint: bool, style: str) -> None:
    """Render and check an environment, and replace build/<env>/ if all is well."""
    made = functools.partial(_renderings, options, every=every)
    looked = check_or_exit(options.project, made, no_lint=no_lint, to_write=not only_check)
    with problems_as(style), looked as staged:
        report = join_rendering([each for _, _, each in staged])
        show_report(report, style)
        if report.failed:
            sys.exit(1)
        stale = [_finish(*each, only_check=only_check) for each in staged]
    if any(stale):
        sys.exit(1)


def _finish(rendering: Rendering, folder: Path, report: Report, *, only_check: bool) -> bool:
    """Write, or compare; True where the build is stale."""
    from ..render import find_stale, write_build
    from ..report import summarize_problems

    target = f"build/{rendering.environment}"
    counted = f"{target}: {len(rendering.documents)} templates, {summarize_problems(report)}"
    if not only_check:
        changed = write_build(rendering, folder)
        click.echo(f"{counted}, {'written' if changed else 'unchanged'}", err=True)
        return False
    diff = find_stale(rendering)
    if diff:
        click.echo(diff, nl=False)
        hint = f"run {command_line(f'render --env {rendering.environment}')}, and commit the result"
        show_report(
            Report(
                StackwrightError.of(
                    "SW031", f"{target} is not what the inputs render to", hint=hint
                ).problems
            )
        )
        return True
    click.echo(f"{counted}, up to date", err=True)
    return False


@click.command(short_help="Check without writing.")
@for_environment
@_ALL
@FORMAT
@click.option("--waivers", is_flag=True, help="List the waivers in force and their reasons.")
def lint(options: Options, every: bool, style: str, waivers: bool) -> None:
    """Render in memory, run cfn-lint and the rules, and show what they find."""
    from ..report import summarize_problems

    made = functools.partial(_renderings, options, every=every)
    with problems_as(style), check_or_exit(options.project, made) as staged:
        report = join_rendering([each for _, _, each in staged])
    show_report(report, style, verbose=waivers)
    click.echo(summarize_problems(report), err=True)
    if report.failed:
        sys.exit(1)


@click.command(short_help="Show the merged parameters.")
@for_environment
@click.option(
    "--origin", is_flag=True, help="One line a value, with the file and line that gives it."
)
@click.option(
    "--format", "style", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True
)
def params(options: Options, origin: bool, style: str) -> None:
    """Show the parameters of an environment after merging."""
    config = load_config(options)
    if style == "json":
        data = (
            [_leaf_data(leaf) for leaf in config.leaves.values()] if origin else config.parameters
        )
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif origin:
        for leaf in sorted(config.leaves.values(), key=lambda each: dotted(each.path)):
            if not isinstance(leaf.value, list):
                click.echo(f"{_leaf(leaf)}{_overrode(leaf)}")
    else:
        import yaml

        from ..render import BlockDumper

        click.echo(
            yaml.dump(config.parameters, Dumper=BlockDumper, sort_keys=False, allow_unicode=True),
            nl=False,
        )


def _leaf(leaf: Leaf) -> str:
    return f"{dotted(leaf.path)} = {json.dumps(leaf.value, ensure_ascii=False)}  # {leaf.location}"


def _overrode(leaf: Leaf) -> str:
    return (
        f", overrides {json.dumps(leaf.overrode.value, ensure_ascii=False)} at {leaf.overrode.location}"
        if leaf.overrode
        else ""
    )


def _leaf_data(leaf: Leaf) -> dict[str, Any]:
    return {
        "path": dotted(leaf.path),
        "value": leaf.value,
        "where": str(leaf.location),
        "overrode": _leaf_data(leaf.overrode) if leaf.overrode else None,
    }


@click.command(short_help="Tell where a value comes from.")
@for_environment
@click.argument("what")
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def explain(options: Options, what: str, style: str) -> None:
    """Tell where WHAT comes from: a parameter such as gateway.cpu, or a property such as
    app/gateway:TaskDefinition.Properties.Cpu."""
    from ..render import explain_value as find

    config = load_config(options)
    found = find(what, config, make_rendering(config) if ":" in what else None)
    if style == "json":
        data = {
            "what": found.what,
            "value": found.value,
            "output": str(found.output) if found.output else None,
            "template": [str(at) for at in found.template],
            "parameters": [_leaf_data(leaf) for leaf in found.leaves],
        }
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    click.echo(f"{found.what} = {json.dumps(found.value, ensure_ascii=False)}")
    if found.output:
        click.echo(f"  output     {found.output}")
    for index, at in enumerate(found.template):
        click.echo(f"  {'template' if not index else 'called at':9}  {at}")
    for leaf in found.leaves:
        click.echo(f"  parameter  {_leaf(leaf)}")
        previous = leaf.overrode
        while previous:
            click.echo(f"  overrode   {_leaf(previous)}")
            previous = previous.overrode


@click.command(short_help="Draw the stacks and what connects them.")
@for_environment
@click.option(
    "--format", "style", type=click.Choice(["mermaid", "svg"]), default="mermaid", show_default=True
)
def graph(options: Options, style: str) -> None:
    """Draw the stacks of an environment and the values they hand on."""
    rendering = make_rendering(load_config(options))
    if style == "svg":
        from ..report import draw_svg

        click.echo(draw_svg(rendering), nl=False)
    else:
        from ..report import draw_mermaid

        click.echo(draw_mermaid(rendering), nl=False)


@click.command(name="diff", short_help="Tell what deploying the build would change.")
@for_environment
@click.option(
    "--against",
    metavar="REF|DIR|ENV|deployed",
    required=True,
    help="Git revision, build folder, environment, or what is deployed.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 where there are changes.")
def diff_(options: Options, against: str, style: str, detailed_exitcode: bool) -> None:
    """Render an environment and tell, resource by resource, what deploying it over another build
    would do.

    Needs credentials only for --against deployed, which reads the stacks and makes no change sets.
    Replacements, and what follows from them in other stacks, are predicted; losses of data come
    first.
    """
    from ..diff import diff_builds
    from ..report import format_diff

    rendering = make_rendering(load_config(options))
    if against == "deployed":
        from ..deploy import diff_with_deployed
        from ..plan import Environment

        found = diff_with_deployed(
            Environment(rendering.config, connect_aws(rendering.config), rendering)
        )
    else:
        config, after = (
            rendering.config,
            {document.path: document.text for document in rendering.documents},
        )
        found = diff_builds(_build(options, against), after, config.region, config.account or "")
    text = format_diff(found, style)
    if style == "text":
        console().print(text)
    else:
        click.echo(text)
    if detailed_exitcode and not found.empty:
        sys.exit(2)


def _build(options: Options, against: str) -> dict[str, str]:
    """The build to compare with: a folder, another environment under this one's name, or a git
    revision."""
    from ..config import list_environments
    from ..diff import read_build_folder, read_build_revision, rename_environment

    if Path(against).is_dir():
        return read_build_folder(Path(against))
    if against in list_environments(options.project):
        other = make_rendering(load_config(replace(options, environment=against)))
        files = {document.path: document.text for document in other.documents}
        return rename_environment(files, against, options.environment)
    return read_build_revision(options.project, against, f"build/{options.environment}")


VERBS = (render, lint, params, explain, graph, diff_)
