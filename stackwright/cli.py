"""The verbs and the order of the stages: the only place that prints or exits.

Data goes to stdout, everything else to stderr. Exit 0: success; 1: any problem.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from .errors import StackwrightError
from .model import Config, Rendering, Report


@dataclass(frozen=True, slots=True)
class Options:
    """What every verb takes."""

    project: Path
    environment: str
    overrides: tuple[str, ...]
    env_dir: Path | None


class _Group(click.Group):
    """Turns our errors into messages and exit code 1; a traceback is never the user's to read."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StackwrightError as error:
            _show(Report(error.problems))
            ctx.exit(1)
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Jinja-templated CloudFormation: render, check, review."""


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every verb that reads one environment."""

    @click.option("--env", "environment", default="local", show_default=True, help="Environment: params/<env>.yaml.")
    @click.option("--project", default=".", show_default=True, type=click.Path(path_type=Path, file_okay=False),
                  help="Folder that holds templates/ and params/.")
    @click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a parameter; repeatable.")
    @click.option("--env-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder of the dotenv files.")
    @click.pass_context
    def wrapped(ctx: click.Context, environment: str, project: Path, overrides: tuple[str, ...],
                env_dir: Path | None, **rest: Any) -> Any:
        folder = env_dir.resolve() if env_dir else None
        return ctx.invoke(command, Options(project.resolve(), environment, overrides, folder), **rest)

    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    if hasattr(command, "__click_params__"):
        wrapped.__click_params__ += command.__click_params__  # type: ignore[attr-defined]
    return wrapped


def _console(*, stderr: bool = False) -> Any:
    from rich.console import Console

    return Console(stderr=stderr, soft_wrap=True, highlight=False, emoji=False)


def _show(report: Report, style: str = "text", *, verbose: bool = False) -> None:
    """Problems: text on stderr, what machines read on stdout."""
    from . import report as reports

    sorted_report = replace(report, problems=reports.sorted_problems(report.problems))
    text = reports.problems(sorted_report, style, verbose=verbose)
    if style == "text":
        if text:
            _console(stderr=True).print(text)
    elif text:
        click.echo(text)


def _load(options: Options) -> Config:
    from .load import load

    return load(options.project, options.environment, options.overrides, options.env_dir)


def _render(options: Options) -> Rendering:
    from .render import render
    from .wire import wire

    return render(_load(options), wire)


@main.command(short_help="Render and check; write build/<env>/.")
@_common
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 with a diff if build/ is stale.")
@click.option("--all", "every", is_flag=True, help="All environments.")
@click.option("--no-lint", is_flag=True, help="Skip cfn-lint and the rules.")
@click.option("--format", "style", type=click.Choice(["text", "json", "sarif", "github"]), default="text")
def render(options: Options, only_check: bool, every: bool, no_lint: bool, style: str) -> None:
    """Render and check an environment, and replace build/<env>/ if all is well."""
    from . import output
    from .load import environments

    names = environments(options.project) if every else [options.environment]
    renderings = [_render(replace(options, environment=name)) for name in names]
    with ExitStack() as stack:
        staged = [(each, stack.enter_context(output.staged(each))) for each in renderings]
        reports = _checked(staged, no_lint=no_lint)
        _show(_joined(reports), style)
        if any(report.failed for report in reports):
            raise SystemExit(1)
        for (rendering, folder), report in zip(staged, reports, strict=True):
            _finish(rendering, folder, report, only_check=only_check)


def _checked(staged: Sequence[tuple[Rendering, Path]], *, no_lint: bool) -> list[Report]:
    if no_lint:
        return [Report(rendering.problems) for rendering, _ in staged]
    from .check import check

    return check(staged)


def _joined(reports: Sequence[Report]) -> Report:
    return Report(
        tuple(problem for report in reports for problem in report.problems),
        tuple(waiver for report in reports for waiver in report.waivers),
    )


def _finish(rendering: Rendering, folder: Path, report: Report, *, only_check: bool) -> None:
    from . import output
    from .report import summary

    target = f"build/{rendering.environment}"
    if only_check:
        diff = output.stale(rendering)
        if diff:
            click.echo(diff, nl=False)
            raise StackwrightError.of("SW031", f"{target} is stale", hint=f"make render ENV={rendering.environment}")
        click.echo(f"{target} is up to date", err=True)
        return
    changed = output.write(rendering, folder)
    count = f"{len(rendering.documents)} templates"
    click.echo(f"{target}: {count}, {summary(report)}, {'written' if changed else 'unchanged'}", err=True)
