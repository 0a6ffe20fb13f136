"""What the verbs share: their options, how problems are shown, and the first stages in order."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from msgspec import Struct
from msgspec.structs import replace

from ..core import Config, Rendering, Report, StackwrightError, program_name
from .debug import DEBUG

if TYPE_CHECKING:
    from ..aws import Aws


class Options(Struct, frozen=True):
    """What every verb takes that reads one environment."""

    project: Path
    environment: str
    overrides: tuple[str, ...] = ()
    env_dir: Path | None = None


PROJECT = click.option(
    "--project",
    default=Path(),
    show_default="this folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that holds templates/ and params/.",
)
SET = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a parameter; repeatable.",
)
ENV_DIR = click.option(
    "--env-dir", type=click.Path(path_type=Path), help="Folder of aws.env, .env and keys.env."
)


def _complete_environment(ctx: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    from ..config import list_environments

    return [
        name
        for name in list_environments(Path(ctx.params.get("project") or "."))
        if name.startswith(start)
    ]


ENV = click.option(
    "-e",
    "--env",
    "environment",
    default="local",
    show_default=True,
    shell_complete=_complete_environment,
    help="Environment: the name of a file in params/.",
)
FORMAT = click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
)


STYLE = click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)


def completion_variable() -> str:
    """Return the name of the variable by which a completion script asks the program for words."""
    return f"_{program_name()}_COMPLETE".replace(".", "_").upper()


def for_environment(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of an environment, as one `Options`."""

    @functools.wraps(command)
    def wrapped(
        project: Path,
        environment: str,
        overrides: tuple[str, ...],
        env_dir: Path | None,
        **rest: Any,
    ) -> None:
        folder = env_dir.resolve() if env_dir else None
        command(Options(project.resolve(), environment, overrides, folder), **rest)

    for option in (DEBUG, ENV_DIR, SET, PROJECT, ENV):
        option(wrapped)
    return wrapped


def console(*, stderr: bool = False, width: int | None = None) -> Any:
    """rich's console for text that is laid out already: nothing is wrapped, nothing but markup
    coloured. ``width`` in columns, by default the terminal's."""
    from rich.console import Console

    colours: Literal["auto"] | None = (
        None if os.environ.get("NO_COLOR") else "auto"
    )  # https://no-color.org
    return Console(
        stderr=stderr, width=width, soft_wrap=True, highlight=False, emoji=False, color_system=colours
    )  # fmt: skip


def show_report(report: Report, style: str = "text", *, verbose: bool = False) -> None:
    """Problems as text on stderr, or on stdout in a form that machines read."""
    if style == "text" and not report.problems and not (verbose and report.waivers):
        return
    from ..report import format_problems, sort_problems

    shown = replace(report, problems=sort_problems(report.problems))
    text = format_problems(shown, style, verbose=verbose)
    if style == "text":
        console(stderr=True).print(text)
    elif text:
        click.echo(text)


@contextlib.contextmanager
def problems_as(style: str) -> Iterator[None]:
    """What is wrong with inputs or templates, in the form asked for: annotations must show it
    too."""
    try:
        yield
    except StackwrightError as error:
        if style == "text":
            raise
        show_report(Report(error.problems), style)
        raise click.exceptions.Exit(1) from None


def load_config(options: Options) -> Config:
    """The stage `load`; raises InputError."""
    from ..config import load_config

    return load_config(options.project, options.environment, options.overrides, options.env_dir)


def make_rendering(config: Config) -> Rendering:
    """The stages `render` and `wire`, or what they made of the same inputs before; raises
    TemplateError or WiringError."""
    from ..render import cached_rendering

    return cached_rendering(config, _rendered)


def _rendered(config: Config) -> Rendering:
    from ..render import render_templates, wire_root

    return render_templates(config, wire_root)


def make_report(rendering: Rendering) -> Report:
    """The stage `check`, or what it found in the same rendering before."""
    from ..render import cached_report

    return cached_report(rendering, _checked)


def _checked(rendering: Rendering) -> Report:
    with check_or_exit(rendering.config.project, lambda: [rendering]) as ((_, _, report),):
        return report


@contextlib.contextmanager
def check_or_exit(
    project: Path,
    renderings: Callable[[], Sequence[Rendering]],
    *,
    no_lint: bool = False,
    to_write: bool = False,
) -> Iterator[list[tuple[Rendering, Path, Report]]]:
    """What ``renderings()`` makes, each in a folder, with its report; where it is ``to_write``,
    beside its build."""
    from ..render import stage_apart, stage_build

    place = stage_build if to_write else stage_apart
    with ExitStack() as stack:
        if no_lint:
            staged = [(each, stack.enter_context(place(each))) for each in renderings()]
            reports = [Report(rendering.problems) for rendering, _ in staged]
        else:
            from ..lint import Linter, check_rendering_folders

            linter = stack.enter_context(
                Linter(project)
            )  # before rendering: it may begin to load cfn-lint
            staged = [(each, stack.enter_context(place(each))) for each in renderings()]
            reports = check_rendering_folders(staged, linter)
        yield [(*pair, report) for pair, report in zip(staged, reports, strict=True)]


def join_rendering(reports: Sequence[Report]) -> Report:
    """The reports as one."""
    return Report(
        tuple(problem for report in reports for problem in report.problems),
        tuple(waiver for report in reports for waiver in report.waivers),
    )


def connect_aws(config: Config) -> Aws:
    """AWS, after the account and the Region were compared with the parameters; see `reached`."""
    from ..aws import require_account

    aws = reach_aws(config)
    require_account(config.account, aws)
    return aws


def reach_aws(config: Config) -> Aws:
    """AWS, not asked anything yet; for the environment `local` the local CloudFormation, which is
    started unless it runs, until the command ends."""
    from ..aws import Boto
    from ..core import Cache
    from ..emulator import local_environment

    started = click.get_current_context().with_resource(local_environment(config))
    if started:
        click.echo(f"started the local CloudFormation at {started.url}", err=True)
    return Boto(config.region, Cache(config.project, "botocore"))
