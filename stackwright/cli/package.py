"""The verb package: the files that a deployment uploads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..core import Bundle, Config, Rendering, S3Folder
from .options import STYLE, Options, for_environment
from .output import console, echo, show_data, show_report
from .stages import check_renderings, connect_aws, join_reports, load_config, make_rendering


@click.command(short_help="Package templates and functions, named by content.")
@for_environment
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option("--bucket", help="S3 bucket of the addresses; without it they are relative paths.")
@click.option("--prefix", default="", help="Prefix of the keys in the bucket.")
@click.option(
    "--upload", is_flag=True, help="Upload what the bucket does not have; needs credentials."
)
@click.option("--no-lint", is_flag=True, help="Skip cfn-lint and the rules.")
@STYLE
def package(
    options: Options,
    out: Path | None,
    bucket: str | None,
    prefix: str,
    upload: bool,
    no_lint: bool,
    style: str,
) -> None:
    """Render and check an environment, zip its functions, and write zips and templates to a folder.
    Each file is named by its content.

    Equal inputs give equal bytes on every machine. Without --upload nothing is sent, and no
    credentials are needed; pip downloads the packages of functions once.
    """
    from ..artifacts import package_rendering, write_bundle

    if out is None and not upload:
        raise click.UsageError("give --out DIR, or --upload with --bucket NAME")
    if upload and bucket is None:
        raise click.UsageError("--upload needs --bucket NAME")
    rendering = _render(options, no_lint=no_lint)
    folder = S3Folder(bucket, rendering.config.region, prefix.strip("/")) if bucket else None
    bundle = package_rendering(rendering, folder)
    if out is not None:
        write_bundle(bundle, out)
    uploaded = _upload(bundle, rendering.config) if upload else ""
    show_data(_bundle_text(bundle), _bundle_data(bundle), style)
    total = sum(artifact.size for artifact in bundle.artifacts)
    echo(f"{len(bundle.artifacts)} artifacts, {total / 1000:,.1f} kB{uploaded}", err=True)


def _render(options: Options, *, no_lint: bool) -> Rendering:
    """Render and check an environment; exits 1 where a check fails."""
    with check_renderings(
        lambda: [make_rendering(load_config(options))], no_lint=no_lint
    ) as staged:
        report = join_reports([report for _, _, report in staged])
        show_report(report)
        if report.failed:
            sys.exit(1)
        return staged[0][0]


def _upload(bundle: Bundle, config: Config) -> str:
    """Upload, with a progress bar on a terminal; returns the number of each kind of transfer."""
    from rich.progress import Progress

    from ..artifacts import Transfer, upload_bundle

    aws = connect_aws(config)
    owner = aws.caller().account
    screen = console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as progress:
        total = sum(artifact.size for artifact in bundle.artifacts)
        task = progress.add_task("uploading", total=total)
        transfers = upload_bundle(
            bundle, owner, aws, lambda artifact: progress.advance(task, artifact.size)
        )
    counts = ((transfer, transfers.count(transfer)) for transfer in Transfer)
    return "".join(f", {count} {transfer}" for transfer, count in counts if count)


def _bundle_text(bundle: Bundle) -> str:
    rows = [(stack, template.address) for stack, template in bundle.templates.items()]
    rows += [(function, artifact.name) for function, artifact in bundle.functions.items()]
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name.ljust(width)}  {address}" for name, address in rows)


def _bundle_data(bundle: Bundle) -> dict[str, Any]:
    return {
        "environment": bundle.environment,
        "bucket": bundle.folder.bucket if bundle.folder else None,
        "prefix": bundle.folder.prefix if bundle.folder else None,
        "templates": {stack: template.address for stack, template in bundle.templates.items()},
        "functions": {name: artifact.name for name, artifact in bundle.functions.items()},
        "artifacts": [
            {"name": artifact.name, "sha256": artifact.sha256, "size": artifact.size}
            for artifact in bundle.artifacts
        ],
    }


VERBS = (package,)
