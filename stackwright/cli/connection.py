"""Options -> an `Environment`, and the objects that a verb works with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..core import DeployError, Rendering, StackwrightError, command_line
from .options import Options
from .output import echo, show_report
from .stages import connect_aws, load_config, make_rendering, make_report, reach_aws

if TYPE_CHECKING:
    from ..deploy import OperationRunner
    from ..plan import Environment, LiveStack


def connect(options: Options) -> Environment:
    """The environment, connected to the account of its parameters; nothing is rendered. Raises
    InputError, AwsError."""
    from ..plan import Environment

    config = load_config(options)
    return Environment(config, connect_aws(config), env_dir=options.env_dir)


def connect_rendered(options: Options) -> Environment:
    """The environment, connected; rendered too where its templates render, so that problems show
    lines of templates. Raises InputError, AwsError."""
    from ..plan import Environment

    config = load_config(options)
    rendered: Rendering | None
    try:
        rendered = make_rendering(config)
    except StackwrightError:
        rendered = None
    return Environment(config, connect_aws(config), rendered, options.env_dir)


def open_reviewed(options: Options) -> Environment:
    """The environment, rendered and checked, with a build that is what its inputs render to. Exits
    1 where a check fails.

    AWS is not called: the account is compared before anything is changed.
    """
    from ..deploy import LOCAL, require_reviewed_build
    from ..plan import Environment

    if options.environment == LOCAL:
        from ..emulator import make_local_keys

        if make_local_keys(options.project):
            echo("made env/local/keys.env, with made-up values", err=True)
    rendering = make_rendering(load_config(options))
    report = make_report(rendering)
    show_report(report)
    if report.failed:
        sys.exit(1)
    require_reviewed_build(rendering)
    return Environment(
        rendering.config, reach_aws(rendering.config), rendering, env_dir=options.env_dir
    )


def make_runner(environment: Environment, style: str = "text") -> OperationRunner:
    """Runs operations of the environment for the user at this terminal."""
    from ..deploy import OperationRunner
    from .terminal import Terminal

    return OperationRunner(environment, Terminal(environment, style))


def read_deployed(environment: Environment) -> dict[str, LiveStack]:
    """The root stacks that are deployed, by name. Raises DeployError: SW846, there are none."""
    lives = {root: live for root, live in environment.read_roots().items() if live}
    if not lives:
        hint = command_line(f"deploy --env {environment.name}")
        raise DeployError.of("SW846", f"no stack of {environment.name} is deployed", hint=hint)
    return lives
