"""The verbs around a pipeline: what its roles may do, and what has to hold before it deploys."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ..core import Level, Problem, Report
from .options import Options, for_environment
from .output import console, show_report
from .stages import connect_aws, load_config, make_rendering


@click.command(short_help="Print the IAM roles that a pipeline needs, least privilege.")
@for_environment
@click.option(
    "--format",
    "style",
    type=click.Choice(["yaml", "json", "markdown"]),
    default="yaml",
    show_default=True,
)
@click.option("--repository", metavar="OWNER/NAME", help="GitHub repository that deploys.")
@click.option(
    "--branch", default="main", show_default=True, help="Branch whose commits are planned."
)
def permissions(options: Options, style: str, repository: str | None, branch: str) -> None:
    """Print the roles that deploy an environment, from what its templates use: as a CloudFormation
    template, as IAM's JSON, or as a page.

    One role plans, one deploys after the environment's approval, and one is CloudFormation's own;
    nothing is called.
    """
    from ..plan import deploy_settings
    from ..preflight import derive_permissions as find
    from ..preflight import find_service_role
    from ..report import permissions_page, roles_json, roles_template

    config = load_config(options)
    found = find(make_rendering(config), branch)
    if style == "yaml":
        click.echo(roles_template(found, repository), nl=False)
    elif style == "markdown":
        click.echo(permissions_page(found), nl=False)
    else:
        click.echo(json.dumps(roles_json(found, config.account, repository), indent=2))
    if not deploy_settings(config).get("role_arn"):
        message = "the stacks have no service role yet: the role that deploys would lack their resources' permissions"
        arn = find_service_role(config).replace("${AWS::AccountId}", config.account or "ACCOUNT")
        hint = (
            f"once the roles are made: deploy.role_arn = {arn.replace('${AWS::Partition}', 'aws')}"
        )
        show_report(Report((Problem("SW863", message, (), hint, Level.WARNING),)))
    if found.uncovered:
        message = f"nobody says which permissions these types need: {', '.join(found.uncovered)}"
        hint = "add their permissions to the CloudFormation role by hand"
        show_report(Report((Problem("SW861", message, (), hint, Level.WARNING),)))


@click.command(short_help="Write packaged templates and .taskcat.yml to a folder.")
@for_environment
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write to.",
)
@click.option("--bucket", help="S3 bucket for tests in an account; nothing else may use it.")
@click.option("--root", "roots", multiple=True, help="Test only this root stack; repeatable.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    help="Test in this Region; repeatable. Default: the parameters' one.",
)
def taskcat(
    options: Options,
    out: Path,
    bucket: str | None,
    roots: tuple[str, ...],
    regions: tuple[str, ...],
) -> None:
    """Package an environment for taskcat, and write the .taskcat.yml that lints and tests it;
    nothing is sent."""
    from ..artifacts import package_rendering, write_bundle
    from ..preflight import (
        TASKCAT_FILE,
        parameters_without_default,
        taskcat_configuration,
        taskcat_folder,
    )

    rendering = make_rendering(load_config(options))
    place = taskcat_folder(rendering, bucket)
    bundle = package_rendering(rendering, place)
    text = taskcat_configuration(rendering, bundle, place, roots, regions)
    write_bundle(bundle, out)
    path = out / TASKCAT_FILE
    path.write_text(text, encoding="utf-8")
    click.echo(path)
    for root, names in parameters_without_default(rendering).items():
        if names and (not roots or root in roots):
            listed = f"{', '.join(names[:3])}{' …' if names[3:] else ''}"
            click.echo(f"{root} can be linted, but tested only with values for {listed}", err=True)


@click.command(short_help="Look whether the account is ready for a deployment.")
@for_environment
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def preflight(options: Options, style: str) -> None:
    """Look at everything in the account that has to hold before a deployment, and change nothing.

    Each check is ok, fail or skip, with its reason; exit 1 where one fails. `plan` and `deploy`
    look at the same.
    """
    from ..health import CheckState
    from ..preflight import run_preflight as look
    from ..report import preflight_as_data, preflight_as_text, summarize_preflight

    config = load_config(options)
    found = look(config, make_rendering(config), connect_aws(config), env_dir=options.env_dir)
    if style == "json":
        click.echo(json.dumps(preflight_as_data(found), indent=2))
    else:
        console().print(preflight_as_text(found))
        click.echo(summarize_preflight(found), err=True)
    if any(each.state is CheckState.FAIL for each in found):
        sys.exit(1)


VERBS = (permissions, preflight, taskcat)
