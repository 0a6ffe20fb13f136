"""The first stages in order, for verbs: load, render, check; and the connection to AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..core import Config, Rendering, Report, command_line
from .debug import timed
from .options import Options
from .output import echo

if TYPE_CHECKING:
    from ..aws import Aws


def load_config(options: Options) -> Config:
    """Load the inputs of an environment. Raises InputError."""
    from ..config import SET_ENV, SET_FILE, TextOverride, load_config

    texts = [TextOverride(SET_FILE, argument) for argument in options.files]
    texts += [TextOverride(SET_ENV, argument) for argument in options.variables]
    with timed(f"load {options.environment}"):
        return load_config(
            options.project, options.environment, options.overrides, options.env_dir, texts
        )


def make_rendering(config: Config) -> Rendering:
    """Render and wire the templates, or return the cached rendering of equal inputs. Raises
    TemplateError, WiringError."""
    from ..render import cached_rendering

    with timed(f"render {config.environment}"):
        rendering = cached_rendering(config, _render)
    if any(path[:2] == ("deploy", "parameters") for path in config.leaves):
        from ..plan import find_exposed_parameters
        from .output import show_report

        show_report(Report(tuple(find_exposed_parameters(rendering))))
    return rendering


def _render(config: Config) -> Rendering:
    from ..render import render_templates, wire_root

    return render_templates(config, wire_root)


def make_report(rendering: Rendering) -> Report:
    """Check a rendering, or return the cached report of an equal one."""
    from ..render import cached_report

    with timed(f"check {rendering.environment}"):
        return cached_report(rendering, _check)


def _check(rendering: Rendering) -> Report:
    with check_renderings(lambda: [rendering]) as ((_, _, report),):
        return report


@contextmanager
def check_renderings(
    renderings: Callable[[], Sequence[Rendering]],
    *,
    no_lint: bool = False,
    to_write: bool = False,
) -> Iterator[list[tuple[Rendering, Path, Report]]]:
    """Write each rendering to a temporary folder and check it; give rendering, folder and report.

    With ``to_write`` the folder lies beside the build, so that a rename can replace it.
    """
    from ..render import stage_apart, stage_build

    place = stage_build if to_write else stage_apart
    with ExitStack() as stack:
        if no_lint:
            staged = [(made, stack.enter_context(place(made))) for made in renderings()]
            reports = [Report(rendering.problems) for rendering, _ in staged]
        else:
            from ..lint import Linter, check_rendering_folders

            # Before rendering: it may begin to load cfn-lint.
            linter = stack.enter_context(Linter())
            staged = [(made, stack.enter_context(place(made))) for made in renderings()]
            with timed("check"):
                reports = check_rendering_folders(staged, linter)
        yield [(*pair, report) for pair, report in zip(staged, reports, strict=True)]


def join_reports(reports: Sequence[Report]) -> Report:
    """Return one report with the problems and waivers of all."""
    return Report(
        tuple(problem for report in reports for problem in report.problems),
        tuple(waiver for report in reports for waiver in report.waivers),
    )


def connect_aws(config: Config) -> Aws:
    """Connect to AWS, and compare account and Region with the parameters. Raises AwsError."""
    from ..aws import require_account

    aws = reach_aws(config)
    require_account(config.account, aws)
    return aws


def reach_aws(config: Config) -> Aws:
    """Return AWS without calling it. For the environment ``local`` it is the local CloudFormation:
    started if it is not running, and used until the command ends."""
    from ..aws import Boto
    from ..core import Cache
    from ..emulator import local_environment

    started = click.get_current_context().with_resource(local_environment(config))
    if started:
        stop = command_line("emulator stop")
        echo(f"started the local CloudFormation at {started.url}; to stop it: {stop}", err=True)
    return Boto(config.region, Cache("botocore"))
