"""The verbs around a pipeline: what its roles may do, and what has to hold before it deploys."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from .cli_options import Options, connected, console, for_environment, load_config, make_rendering, show
from .model import Level, Problem, Report


@click.command(short_help="Print the IAM roles that a pipeline needs, least privilege.")
@for_environment
@click.option("--format", "style", type=click.Choice(["yaml", "json", "markdown"]), default="yaml", show_default=True)
@click.option("--repository", metavar="OWNER/NAME", help="GitHub repository that deploys.")
@click.option("--branch", default="main", show_default=True, help="Branch whose commits are planned.")
def permissions(options: Options, style: str, repository: str | None, branch: str) -> None:
    """Print the roles that deploy an environment, from what its templates use: as a CloudFormation template, as IAM's
    JSON, or as a page.

    One role plans, one deploys after the environment's approval, and one is CloudFormation's own; nothing is called.
    """
    from . import report_permissions as report
    from .permissions import permissions as find
    from .permissions import service_role_arn
    from .targets import settings

    config = load_config(options)
    found = find(make_rendering(config), branch)
    if style == "yaml":
        click.echo(report.template(found, repository), nl=False)
    elif style == "markdown":
        click.echo(report.page(found), nl=False)
    else:
        click.echo(json.dumps(report.policies(found, config.account, repository), indent=2))
    if not settings(config).get("role_arn"):
        message = "the stacks have no service role yet: the role that deploys would lack their resources' permissions"
        arn = service_role_arn(config).replace("${AWS::AccountId}", config.account or "ACCOUNT")
        hint = f"once the roles are made: deploy.role_arn = {arn.replace('${AWS::Partition}', 'aws')}"
        show(Report((Problem("SW863", message, (), hint, Level.WARNING),)))
    if found.uncovered:
        message = f"nobody says which permissions these types need: {', '.join(found.uncovered)}"
        hint = "add their permissions to the CloudFormation role by hand"
        show(Report((Problem("SW861", message, (), hint, Level.WARNING),)))


@click.command(short_help="Write packaged templates and .taskcat.yml to a folder.")
@for_environment
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
@click.option("--bucket", help="S3 bucket for tests in an account; nothing else may use it.")
@click.option("--root", "roots", multiple=True, help="Test only this root stack; repeatable.")
@click.option(
    "--region", "regions", multiple=True, help="Test in this Region; repeatable. Default: the parameters' one."
)
def taskcat(options: Options, out: Path, bucket: str | None, roots: tuple[str, ...], regions: tuple[str, ...]) -> None:
    """Package an environment for taskcat, and write the .taskcat.yml that lints and tests it; nothing is sent."""
    from . import package, taskcat_file

    rendering = make_rendering(load_config(options))
    place = taskcat_file.folder(rendering, bucket)
    bundle = package.package(rendering, place)
    text = taskcat_file.configuration(rendering, bundle, place, roots, regions)
    package.write(bundle, out)
    path = out / taskcat_file.NAME
    path.write_text(text, encoding="utf-8")
    click.echo(path)
    for root, names in taskcat_file.needs(rendering).items():
        if names and (not roots or root in roots):
            listed = f"{', '.join(names[:3])}{' …' if names[3:] else ''}"
            click.echo(f"{root} can be linted, but tested only with values for {listed}", err=True)


@click.command(short_help="Look whether the account is ready for a deployment.")
@for_environment
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
def preflight(options: Options, style: str) -> None:
    """Look at everything in the account that has to hold before a deployment, and change nothing.

    Each check is ok, fail or skip, with its reason; exit 1 where one fails. `plan` and `deploy` look at the same.
    """
    from . import report_preflight as report
    from .preflight import State
    from .preflight import preflight as look

    config = load_config(options)
    found = look(config, make_rendering(config), connected(config), env_dir=options.env_dir)
    if style == "json":
        click.echo(json.dumps(report.as_data(found), indent=2))
    else:
        console().print(report.as_text(found))
        click.echo(report.summary(found), err=True)
    if any(each.state is State.FAIL for each in found):
        sys.exit(1)


VERBS = (permissions, preflight, taskcat)
