"""The verbs that prepare a deployment: package, secrets, images."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from .cli_options import Options, checked, for_environment, joined, load_config, make_rendering, show
from .model import Bundle, S3Folder


@click.command(short_help="Zip the functions and address the templates by content.")
@for_environment
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
@click.option("--bucket", help="S3 bucket that the addresses name; without it they are relative paths.")
@click.option("--prefix", default="", help="Prefix of the keys in the bucket.")
@click.option("--no-lint", is_flag=True, help="Skip cfn-lint and the rules.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
def package(options: Options, out: Path, bucket: str | None, prefix: str, no_lint: bool, style: str) -> None:
    """Render and check an environment, zip its functions, and write zips and templates, named by content, to a folder.

    The same inputs give the same bytes on every machine. Uploads nothing and needs no credentials; pip fetches what a
    function requires the first time.
    """
    from . import package as stage

    with checked([make_rendering(load_config(options))], no_lint=no_lint) as staged:
        report = joined([each for _, _, each in staged])
        show(report)
        if report.failed:
            sys.exit(1)
        rendering = staged[0][0]
    folder = S3Folder(bucket, rendering.config.region, prefix.strip("/")) if bucket else None
    bundle = stage.package(rendering, folder)
    stage.write(bundle, out)
    click.echo(_listing(bundle, style))
    total = sum(artifact.size for artifact in bundle.artifacts)
    click.echo(f"{out.as_posix()}: {len(bundle.artifacts)} artifacts, {total / 1000:,.1f} kB", err=True)


def _listing(bundle: Bundle, style: str) -> str:
    if style == "text":
        rows = [(stack, each.address) for stack, each in bundle.templates.items()]
        rows += [(function, each.name) for function, each in bundle.functions.items()]
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join(f"{name.ljust(width)}  {address}" for name, address in rows)
    data = {
        "environment": bundle.environment,
        "bucket": bundle.folder.bucket if bundle.folder else None,
        "prefix": bundle.folder.prefix if bundle.folder else None,
        "templates": {stack: each.address for stack, each in bundle.templates.items()},
        "functions": {name: each.name for name, each in bundle.functions.items()},
        "artifacts": [{"name": each.name, "sha256": each.sha256, "size": each.size} for each in bundle.artifacts],
    }
    return json.dumps(data, indent=2)
