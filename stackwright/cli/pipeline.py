"""The verbs around a pipeline: permissions, preflight, taskcat."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..core import Config, Level, Problem, Report, write_file
from .options import STYLE, Options, for_environment
from .output import console, echo, echo_json, show_report
from .stages import connect_aws, load_config, make_rendering

if TYPE_CHECKING:
    from ..preflight import Permissions


@click.command(short_help="Print the least-privilege IAM roles of a pipeline.")
@for_environment
@click.option(
    "--format",
    "style",
    type=click.Choice(["yaml", "json", "markdown"]),
    default="yaml",
    show_default=True,
)
@click.option("--repository", metavar="OWNER/NAME", help="GitHub repository that deploys.")
@click.option("--branch", default="main", show_default=True, help="Branch that is planned.")
def permissions(options: Options, style: str, repository: str | None, branch: str) -> None:
    """Print the roles that deploy an environment, derived from its templates: as a CloudFormation
    template, as IAM policies in JSON, or as a page. AWS is not called.

    One role plans, one deploys after the environment's approval, and one is the service role of
    CloudFormation.
    """
    from ..preflight import derive_permissions
    from ..report import permissions_page, roles_json, roles_template

    config = load_config(options)
    roles = derive_permissions(make_rendering(config), branch)
    if style == "yaml":
        click.echo(roles_template(roles, repository), nl=False)
    elif style == "markdown":
        echo(permissions_page(roles), nl=False)
    else:
        echo_json(roles_json(roles, config.account, repository))
    show_report(Report(tuple(_warnings(config, roles))))


def _warnings(config: Config, roles: Permissions) -> Iterator[Problem]:
    from ..plan import deploy_settings
    from ..preflight import find_service_role

    if not deploy_settings(config).get("role_arn"):
        arn = find_service_role(config).replace("${AWS::AccountId}", config.account or "ACCOUNT")
        message = (
            "the stacks have no service role: the deploying role needs every permission itself"
        )
        hint = (
            f"create the roles, then set deploy.role_arn: {arn.replace('${AWS::Partition}', 'aws')}"
        )
        yield Problem("SW863", message, (), hint, Level.WARNING)
    if roles.uncovered:
        message = f"permissions of these types are not known: {', '.join(roles.uncovered)}"
        hint = "add their permissions to the CloudFormation role by hand"
        yield Problem("SW861", message, (), hint, Level.WARNING)


@click.command(short_help="Write packaged templates and .taskcat.yml to a folder.")
@for_environment
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write to.",
)
@click.option("--bucket", help="S3 bucket for tests in an account, and for nothing else.")
@click.option("--root", "roots", multiple=True, help="Test only this root stack; repeatable.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    help="Test in this Region; repeatable. By default the Region of the parameters.",
)
def taskcat(
    options: Options,
    out: Path,
    bucket: str | None,
    roots: tuple[str, ...],
    regions: tuple[str, ...],
) -> None:
    """Package an environment for taskcat, and write the .taskcat.yml that lints and tests it.
    Nothing is sent."""
    from ..artifacts import package_rendering, write_bundle
    from ..preflight import (
        TASKCAT_FILE,
        parameters_without_default,
        taskcat_configuration,
        taskcat_folder,
    )

    rendering = make_rendering(load_config(options))
    folder = taskcat_folder(rendering, bucket)
    bundle = package_rendering(rendering, folder)
    text = taskcat_configuration(rendering, bundle, folder, roots, regions)
    write_bundle(bundle, out)
    write_file(out / TASKCAT_FILE, text)
    echo(str(out / TASKCAT_FILE))
    for root, names in parameters_without_default(rendering).items():
        if names and (not roots or root in roots):
            listed = f"{', '.join(names[:3])}{' …' if names[3:] else ''}"
            echo(f"{root} can be linted, but tested only with values for {listed}", err=True)


@click.command(short_help="Check the account before a deployment.")
@for_environment
@STYLE
def preflight(options: Options, style: str) -> None:
    """Check everything in the account that a deployment needs, and change nothing.

    Each check is ok, fail or skip, with its reason; exit 1 where one fails. plan and deploy run
    the same checks.
    """
    from ..health import CheckState
    from ..preflight import run_preflight
    from ..report import preflight_as_data, preflight_as_text, summarize_preflight

    config = load_config(options)
    checks = run_preflight(
        config, make_rendering(config), connect_aws(config), env_dir=options.env_dir
    )
    if style == "json":
        echo_json(preflight_as_data(checks))
    else:
        console().print(preflight_as_text(checks))
        echo(summarize_preflight(checks), err=True)
    if any(check.state is CheckState.FAIL for check in checks):
        sys.exit(1)


VERBS = (permissions, preflight, taskcat)
