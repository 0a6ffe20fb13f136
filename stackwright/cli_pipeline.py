"""The verbs around a pipeline: what its roles may do, and what has to hold before it deploys."""

from __future__ import annotations

import json

import click

from .cli_options import Options, for_environment, load_config, make_rendering, show
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

    config = load_config(options)
    found = find(make_rendering(config), branch)
    if style == "yaml":
        click.echo(report.template(found, repository), nl=False)
    elif style == "markdown":
        click.echo(report.page(found), nl=False)
    else:
        account = config.parameters.get("account_id")
        click.echo(json.dumps(report.policies(found, str(account) if account else None, repository), indent=2))
    if found.uncovered:
        message = f"nobody says which permissions these types need: {', '.join(found.uncovered)}"
        hint = "add their permissions to the CloudFormation role by hand"
        show(Report((Problem("SW861", message, (), hint, Level.WARNING),)))
