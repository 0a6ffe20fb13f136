"""The verbs that prepare a deployment: package, secrets, images."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import to_builtins

from ..core import Bundle, Config, S3Folder, command_line
from .options import Options, for_environment
from .output import console, show_report
from .stages import check_renderings, connect_aws, join_reports, load_config, make_rendering

if TYPE_CHECKING:
    from ..artifacts import ContainerEngine, Image, ImageRegistry, ImageStatus, SecretDifference


_STYLE = click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.command(short_help="Zip the functions and address the templates by content.")
@for_environment
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option(
    "--bucket", help="S3 bucket that the addresses name; without it they are relative paths."
)
@click.option("--prefix", default="", help="Prefix of the keys in the bucket.")
@click.option(
    "--upload",
    "to_bucket",
    is_flag=True,
    help="Upload what is not in the bucket yet; needs credentials.",
)
@click.option("--no-lint", is_flag=True, help="Skip cfn-lint and the rules.")
@_STYLE
def package(
    options: Options,
    out: Path | None,
    bucket: str | None,
    prefix: str,
    to_bucket: bool,
    no_lint: bool,
    style: str,
) -> None:
    """Render and check an environment, zip its functions, and write zips and templates, named by
    content, to a folder.

    The same inputs give the same bytes on every machine. Without --upload nothing is sent and no
    credentials are needed; pip fetches what a function requires the first time.
    """
    from ..artifacts import package_rendering, write_bundle

    if out is None and not to_bucket:
        raise click.UsageError("give --out DIR, or --upload with --bucket NAME")
    if to_bucket and bucket is None:
        raise click.UsageError("--upload needs --bucket NAME")
    with check_renderings(
        options.project, lambda: [make_rendering(load_config(options))], no_lint=no_lint
    ) as staged:
        report = join_reports([each for _, _, each in staged])
        show_report(report)
        if report.failed:
            sys.exit(1)
        rendering = staged[0][0]
    folder = S3Folder(bucket, rendering.config.region, prefix.strip("/")) if bucket else None
    bundle = package_rendering(rendering, folder)
    if out is not None:
        write_bundle(bundle, out)
    told = _upload(bundle, rendering.config) if to_bucket else ""
    click.echo(_listing(bundle, style))
    total = sum(artifact.size for artifact in bundle.artifacts)
    click.echo(f"{len(bundle.artifacts)} artifacts, {total / 1000:,.1f} kB{told}", err=True)


def _upload(bundle: Bundle, config: Config) -> str:
    """Upload with a progress bar on a terminal; how many artifacts went which way."""
    from rich.progress import Progress

    from ..artifacts import Transfer, upload_bundle

    aws = connect_aws(config)
    owner = aws.caller().account
    screen = console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as progress:
        task = progress.add_task(
            "uploading", total=sum(artifact.size for artifact in bundle.artifacts)
        )
        found = upload_bundle(
            bundle, owner, aws, lambda artifact: progress.advance(task, artifact.size)
        )
    return "".join(
        f", {count} {transfer}" for transfer in Transfer if (count := found.count(transfer))
    )


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
        "artifacts": [
            {"name": each.name, "sha256": each.sha256, "size": each.size}
            for each in bundle.artifacts
        ],
    }
    return json.dumps(data, indent=2)


def _print(text: str, data: Any, style: str) -> None:
    click.echo(json.dumps(data, indent=2) if style == "json" else text)


@click.group(short_help="Compare and push the values of keys.env.")
def secrets() -> None:
    """The values of keys.env in Secrets Manager. Names are shown, values never."""


@secrets.command(name="status", short_help="Show which keys the secrets hold.")
@for_environment
@_STYLE
def secrets_status(options: Options, style: str) -> None:
    """Show each secret's current version and the state of each key; exit 1 where a deployment lacks
    one."""
    from ..artifacts import read_secret_status

    config = load_config(options)
    found = read_secret_status(config, connect_aws(config))
    lines: list[str] = []
    for each in found:
        version = (
            f"version {each.version}"
            if each.version
            else "no value yet"
            if each.exists
            else "does not exist"
        )
        lines += [
            f"{each.name}: {version}",
            *(f"  {state.ljust(7)}  {key}" for key, state in each.keys.items()),
        ]
    data = [{**to_builtins(each), "ready": each.ready} for each in found]
    _print("\n".join(lines), data, style)
    if not all(each.ready for each in found):
        push = command_line(f"secrets push --env {options.environment}")
        next_step = (
            push if all(each.exists for each in found) else "deploy the stack that makes the secret"
        )
        click.echo(f"next: {next_step}", err=True)
        sys.exit(1)


@secrets.command(name="diff", short_help="Show what a push would change, by names.")
@for_environment
@_STYLE
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 where there are changes.")
def secrets_diff(options: Options, style: str, detailed_exitcode: bool) -> None:
    """Show which keys of keys.env are added, changed or removed against the secrets."""
    from ..artifacts import compare_secrets, read_keys

    config = load_config(options)
    keys = read_keys(config, _env_folder(options))
    found = compare_secrets(config, keys, connect_aws(config))
    _print(_secret_changes(found), [_difference(each) for each in found], style)
    if detailed_exitcode and not all(each.empty for each in found):
        sys.exit(2)


@secrets.command(name="push", short_help="Put the values of keys.env into the secrets.")
@for_environment
@_STYLE
def secrets_push(options: Options, style: str) -> None:
    """Put keys.env into the secrets as one JSON object; a new version only where something changed.

    Running tasks keep the version they were deployed with; the next deployment binds the new one
    and rolls the services that use it.
    """
    from ..artifacts import compare_secrets, push_secrets, read_keys

    config = load_config(options)
    keys = read_keys(config, _env_folder(options))
    aws = connect_aws(config)
    found = compare_secrets(config, keys, aws)
    pushed = push_secrets(found, keys, aws)
    _print(_secret_changes(found, pushed), [_difference(each, pushed) for each in found], style)


def _env_folder(options: Options) -> Path:
    return options.env_dir or options.project / "env" / options.environment


def _difference(each: SecretDifference, pushed: Mapping[str, str] | None = None) -> dict[str, Any]:
    data = {
        "name": each.name,
        "version": each.version,
        "added": each.added,
        "changed": each.changed,
    }
    return {**data, "removed": each.removed, **({"pushed": pushed[each.name]} if pushed else {})}


def _secret_changes(
    found: Sequence[SecretDifference], pushed: Mapping[str, str] | None = None
) -> str:
    lines: list[str] = []
    for each in found:
        if each.empty:
            lines.append(f"{each.name}: up to date, version {each.version}")
            continue
        lines.append(f"{each.name}: version {pushed[each.name]}" if pushed else f"{each.name}:")
        if each.replaces_text:
            lines.append(
                "  (its value is no JSON object of texts, and stays as the version before)"
            )
        for sign, keys in (("+", each.added), ("~", each.changed), ("-", each.removed)):
            lines += [f"  {sign} {key}" for key in keys]
    return "\n".join(lines)


_NAMES = click.argument("names", nargs=-1)
_ENGINE = click.option(
    "--engine",
    "program",
    type=click.Choice(["podman", "docker"]),
    help="Default: whichever is there.",
)


def _engine(program: str | None) -> ContainerEngine:
    from ..artifacts import ContainerEngine

    return ContainerEngine.find(program)


def _store(config: Config) -> ImageRegistry:
    """ECR, or the registry that STACKWRIGHT_REGISTRY names (``127.0.0.1:5000``), for work without
    AWS."""
    from ..artifacts import ImageRegistry

    return ImageRegistry(config, connect_aws(config), os.environ.get("STACKWRIGHT_REGISTRY"))


@click.group(short_help="Build, push and mirror container images.")
def images() -> None:
    """Container images: built from a context or mirrored from a public source, in ECR under tags
    that never move.

    NAMES are keys of images: in the parameters; without any, all images.
    """


@images.command(name="status", short_help="Show which images are in the registry.")
@_NAMES
@for_environment
@_STYLE
def images_status(options: Options, names: tuple[str, ...], style: str) -> None:
    """Show each image's digest and platforms in the registry; exit 1 where a deployment lacks
    one."""
    from ..artifacts import (
        list_images,
        require_images,
    )

    config = load_config(options)
    wanted = list_images(config, names)
    store = _store(config)
    found = store.status(wanted)
    _print(_image_lines(found), [_image_data(each) for each in found], style)
    require_images(found, store)


@images.command(name="build", short_help="Build the images that have a context.")
@_NAMES
@for_environment
@_ENGINE
def images_build(options: Options, names: tuple[str, ...], program: str | None) -> None:
    """Build with podman or docker, for the platform of the tasks; needs no credentials."""
    from ..artifacts import (
        build_images,
        list_images,
    )

    config = load_config(options)
    wanted = _with("context", list_images(config, names), names)
    for reference in build_images(config, wanted, _engine(program)):
        click.echo(reference)


@images.command(name="push", short_help="Push the images that were built.")
@_NAMES
@for_environment
@_ENGINE
@_STYLE
def images_push(options: Options, names: tuple[str, ...], program: str | None, style: str) -> None:
    """Push what was built and is not in the registry yet; a tag that is there with other content is
    an error."""
    from ..artifacts import (
        push_images,
    )

    _transfer(options, names, program, style, "context", push_images)


@images.command(name="mirror", short_help="Copy the public images into the registry.")
@_NAMES
@for_environment
@_ENGINE
@_STYLE
def images_mirror(
    options: Options, names: tuple[str, ...], program: str | None, style: str
) -> None:
    """Copy the images with a source, for the platform of the tasks, where their tag is not in the
    registry yet."""
    from ..artifacts import (
        mirror_images,
    )

    _transfer(options, names, program, style, "source", mirror_images)


_Transfer = Callable[
    [Sequence["Image"], "ImageRegistry", "ContainerEngine"], Sequence["ImageStatus"]
]


def _transfer(
    options: Options,
    names: tuple[str, ...],
    program: str | None,
    style: str,
    kind: str,
    action: _Transfer,
) -> None:
    from ..artifacts import (
        list_images,
        require_images,
    )

    config = load_config(options)
    wanted = _with(kind, list_images(config, names), names)
    store = _store(config)
    real = _or_stand_in(config, wanted, store, program) if store.is_local else wanted
    found = action(real, store, _engine(program)) if real else []
    found = [*found, *store.status([image for image in wanted if image not in real])]
    _print(_image_lines(found), [_image_data(each) for each in found], style)
    require_images(found, store)


def _or_stand_in(
    config: Config, wanted: Sequence[Image], store: ImageRegistry, program: str | None
) -> list[Image]:
    """What is missing and can be sent from this machine; for the rest something stands in that no
    task will run."""
    from ..artifacts import (
        find_missing_images,
        push_placeholders,
    )

    reasons = find_missing_images(config, wanted, store, program)
    push_placeholders([image for image, reason in reasons.items() if reason], store)
    for image, reason in reasons.items():
        if reason:
            text = "stand-in: the local CloudFormation runs no containers"
            click.echo(f"{image.name}: {text} ({reason})", err=True)
    return [image for image, reason in reasons.items() if not reason]


def _with(kind: str, wanted: Sequence[Image], names: Sequence[str]) -> list[Image]:
    """Those with a context or a source; one that was named and has none is a mistake."""
    found = [image for image in wanted if getattr(image, kind)]
    if names and len(found) < len(wanted):
        lost = next(image for image in wanted if image not in found)
        raise click.UsageError(f"the image {lost.name} has no {kind} in the parameters")
    return found


def _image_lines(found: Sequence[ImageStatus]) -> str:
    width = max((len(each.image.name) for each in found), default=0)
    states = max((len(each.state) for each in found), default=0)
    lines = (
        f"{each.image.name.ljust(width)}  {each.state.ljust(states)}  {each.reference}"
        for each in found
    )
    return "\n".join(
        line + (f"  {', '.join(each.platforms)}" if each.platforms else "")
        for line, each in zip(lines, found, strict=True)
    )


def _image_data(each: ImageStatus) -> dict[str, Any]:
    return {
        "name": each.image.name,
        "state": each.state,
        "reference": each.reference,
        "repository": each.image.repository,
        "tag": each.image.tag,
        "platforms": each.platforms,
    }


VERBS = (package, secrets, images)
