"""The verbs that render and check: render, lint, diff."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from ..core import (
    InputError,
    OutputError,
    Problem,
    Rendering,
    Report,
    StackwrightError,
    command_line,
)
from .options import FORMAT, VERBOSE, Options, for_environment
from .output import console, echo, echo_as, problems_in, show_report
from .stages import check_renderings, connect_aws, join_reports, load_config, make_rendering

if TYPE_CHECKING:
    from ..diff import Diff

_ALL = click.option("--all", "every", is_flag=True, help="Every environment.")


def _make_renderings(options: Options, *, every: bool) -> list[Rendering]:
    """Render one environment or every one. Raises StackwrightError with the problems of all."""
    from ..config import list_environments

    names = list_environments(options.project) if every else [options.environment]
    renderings: list[Rendering] = []
    problems: list[Problem] = []
    for name in names:
        try:
            renderings.append(make_rendering(load_config(replace(options, environment=name))))
        except StackwrightError as error:
            problems += error.problems
    if problems:
        raise StackwrightError(problems)
    return renderings


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
    """Render and check an environment. Where no check fails, replace build/<env>/ as a whole."""
    make = partial(_make_renderings, options, every=every)
    checks = check_renderings(make, no_lint=no_lint, to_write=not only_check)
    finish = _compare_build if only_check else _write_build
    with problems_in(style), checks as staged:
        report = join_reports([report for _, _, report in staged])
        show_report(report, style)
        if report.failed:
            sys.exit(1)
        good = [finish(*rendered) for rendered in staged]
    if not all(good):
        sys.exit(1)


def _write_build(rendering: Rendering, folder: Path, report: Report) -> bool:
    from ..render import write_build

    changed = write_build(rendering, folder)
    echo(f"{_summary(rendering, report)}, {'written' if changed else 'unchanged'}", err=True)
    return True


def _compare_build(rendering: Rendering, _folder: Path, report: Report) -> bool:
    """Show how the committed build differs; returns whether it is up to date."""
    from ..render import find_stale

    diff = find_stale(rendering)
    if not diff:
        echo(f"{_summary(rendering, report)}, up to date", err=True)
        return True
    echo(diff, nl=False)
    message = f"build/{rendering.environment} is not what the inputs render to"
    hint = f"run {command_line(f'render --env {rendering.environment}')}, and commit the result"
    show_report(Report(OutputError.of("SW031", message, hint=hint).problems))
    return False


def _summary(rendering: Rendering, report: Report) -> str:
    from ..report import summarize_problems

    count = len(rendering.documents)
    return f"build/{rendering.environment}: {count} templates, {summarize_problems(report)}"


@click.command(short_help="Check without writing.")
@for_environment
@_ALL
@FORMAT
@click.option("--waivers", is_flag=True, help="List the waived findings and the reasons.")
def lint(options: Options, every: bool, style: str, waivers: bool) -> None:
    """Render an environment in memory, and show the findings of cfn-lint and of the rules; exit 1
    where one is an error."""
    from ..report import summarize_problems

    make = partial(_make_renderings, options, every=every)
    with problems_in(style), check_renderings(make) as staged:
        report = join_reports([report for _, _, report in staged])
    show_report(report, style, verbose=waivers)
    echo(summarize_problems(report), err=True)
    if report.failed:
        sys.exit(1)


@click.command(name="diff", short_help="Show what deploying the build would change.")
@for_environment
@click.option(
    "--against",
    metavar="REF|DIR|ENV|deployed",
    required=True,
    help="Git revision, build folder, environment, or the deployed stacks.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 where there are changes.")
@VERBOSE
def diff_(
    options: Options, against: str, style: str, detailed_exitcode: bool, verbose: bool
) -> None:
    """Show, resource by resource, what deploying the environment over another build would change.

    Replacements, and their consequences in other stacks, are predicted; losses of data come first.
    Only --against deployed needs credentials: it reads the stacks, and makes no change sets.
    """
    from ..report import format_diff

    diff = _diff(options, against)
    text = format_diff(diff, style, verbose=verbose)
    if style == "text":
        console().print(text)
    else:
        echo_as(style, text)
    if detailed_exitcode and not diff.empty:
        sys.exit(2)


def _diff(options: Options, against: str) -> Diff:
    from ..diff import diff_builds

    rendering = make_rendering(load_config(options))
    config = rendering.config
    if against == "deployed":
        from ..deploy import diff_with_deployed
        from ..plan import Environment

        return diff_with_deployed(Environment(config, connect_aws(config), rendering))
    after = {document.path: document.text for document in rendering.documents}
    return diff_builds(_read_build(options, against), after, config.region, config.account or "")


def _read_build(options: Options, against: str) -> dict[str, str]:
    """Return path -> text of a build folder, of another environment under this one's name, or of
    this environment's build in a git revision.

    Raises:
        InputError: SW501 a folder holds no build; SW502 there is no such revision.
    """
    from ..config import list_environments
    from ..diff import read_build_folder, read_build_revision, rename_environment

    if Path(against).is_dir():
        if build := read_build_folder(Path(against)):
            return build
        hint = "name the folder of a build, such as build/prod, a git revision or an environment"
        raise InputError.of("SW501", f"{against} is not a build: it holds no template", hint=hint)
    if against in list_environments(options.project):
        other = make_rendering(load_config(replace(options, environment=against)))
        files = {document.path: document.text for document in other.documents}
        return rename_environment(files, against, options.environment)
    path = f"build/{options.environment}"
    build = read_build_revision(options.project, against, path)
    if not build:
        click.echo(f"{against} has no templates in {path}: everything is new", err=True)
    return build


VERBS = (render, lint, diff_)
