"""The verb images: container images, built, pushed and mirrored."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..core import Config
from .options import STYLE, Options, for_environment
from .output import echo, show_data
from .stages import connect_aws, load_config

if TYPE_CHECKING:
    from ..artifacts import ContainerEngine, Image, ImageRegistry, ImageStatus

_NAMES = click.argument("names", nargs=-1)
_ENGINE = click.option(
    "--engine",
    "program",
    type=click.Choice(["podman", "docker"]),
    help="Container engine; by default the installed one.",
)


def _find_engine(program: str | None) -> ContainerEngine:
    from ..artifacts import ContainerEngine

    return ContainerEngine.find(program)


def _open_registry(config: Config) -> ImageRegistry:
    """Open ECR, or the registry at STACKWRIGHT_REGISTRY, such as ``127.0.0.1:5000``."""
    from ..artifacts import ImageRegistry

    return ImageRegistry(config, connect_aws(config), os.environ.get("STACKWRIGHT_REGISTRY"))


@click.group(short_help="Build, push and mirror container images.")
def images() -> None:
    """Build container images from a context, or mirror them from a public registry, into ECR. A tag
    never moves to another image.

    NAMES are keys of images: in the parameters; without any, all images.
    """


@images.command(name="status", short_help="Show which images are in the registry.")
@_NAMES
@for_environment
@STYLE
def images_status(options: Options, names: tuple[str, ...], style: str) -> None:
    """Show the digest and the platforms of each image in the registry; exit 1 where a deployment
    needs one that is missing."""
    from ..artifacts import list_images, require_images

    config = load_config(options)
    registry = _open_registry(config)
    statuses = registry.status(list_images(config, names))
    _show(statuses, style)
    require_images(statuses, registry)


@images.command(name="build", short_help="Build the images that have a context.")
@_NAMES
@for_environment
@_ENGINE
def images_build(options: Options, names: tuple[str, ...], program: str | None) -> None:
    """Build images with podman or docker, for the platform of the tasks; needs no credentials."""
    from ..artifacts import build_images

    config = load_config(options)
    wanted = _list_images_with("context", config, names)
    for reference in build_images(config, wanted, _find_engine(program)):
        echo(reference)


@images.command(name="push", short_help="Push the images that were built.")
@_NAMES
@for_environment
@_ENGINE
@STYLE
def images_push(options: Options, names: tuple[str, ...], program: str | None, style: str) -> None:
    """Push the built images that the registry does not have; exit 1 where a tag is another
    image's already."""
    from ..artifacts import push_images

    config = load_config(options)
    _transfer(config, _list_images_with("context", config, names), program, style, push_images)


@images.command(name="mirror", short_help="Copy the public images into the registry.")
@_NAMES
@for_environment
@_ENGINE
@STYLE
def images_mirror(
    options: Options, names: tuple[str, ...], program: str | None, style: str
) -> None:
    """Copy the images that have a source, for the platform of the tasks, where the registry does
    not have their tag."""
    from ..artifacts import mirror_images

    config = load_config(options)
    _transfer(config, _list_images_with("source", config, names), program, style, mirror_images)


_Transfer = Callable[
    [Sequence["Image"], "ImageRegistry", "ContainerEngine"], Sequence["ImageStatus"]
]


def _transfer(
    config: Config, wanted: Sequence[Image], program: str | None, style: str, transfer: _Transfer
) -> None:
    from ..artifacts import require_images

    registry = _open_registry(config)
    available = wanted
    if registry.is_local:
        available = _push_placeholders(config, wanted, registry, program)
    statuses = list(transfer(available, registry, _find_engine(program))) if available else []
    statuses += registry.status([image for image in wanted if image not in available])
    _show(statuses, style)
    require_images(statuses, registry)


def _push_placeholders(
    config: Config, wanted: Sequence[Image], registry: ImageRegistry, program: str | None
) -> list[Image]:
    """Push a placeholder for each missing image that this machine cannot send: the local
    CloudFormation runs no containers. Returns the missing images that it can send."""
    from ..artifacts import find_missing_images, push_placeholders

    reasons = find_missing_images(config, wanted, registry, program)
    push_placeholders([image for image, reason in reasons.items() if reason], registry)
    for image, reason in reasons.items():
        if reason:
            text = "stand-in: the local CloudFormation runs no containers"
            echo(f"{image.name}: {text} ({reason})", err=True)
    return [image for image, reason in reasons.items() if not reason]


def _list_images_with(kind: str, config: Config, names: Sequence[str]) -> list[Image]:
    """List the images with a ``context`` or a ``source``. Raises UsageError for an image that was
    named and has none."""
    from ..artifacts import list_images

    wanted = list_images(config, names)
    without = [image.name for image in wanted if not getattr(image, kind)]
    if names and without:
        raise click.UsageError(f"the image {without[0]} has no {kind} in the parameters")
    return [image for image in wanted if getattr(image, kind)]


def _show(statuses: Sequence[ImageStatus], style: str) -> None:
    width = max((len(status.image.name) for status in statuses), default=0)
    states = max((len(status.state) for status in statuses), default=0)
    lines = []
    for status in statuses:
        name, state = status.image.name.ljust(width), status.state.ljust(states)
        lines.append("  ".join([name, state, status.reference, ", ".join(status.platforms)]))
    text = "\n".join(line.rstrip() for line in lines)
    show_data(text, [_data(status) for status in statuses], style)


def _data(status: ImageStatus) -> dict[str, Any]:
    return {
        "name": status.image.name,
        "state": status.state,
        "reference": status.reference,
        "repository": status.image.repository,
        "tag": status.image.tag,
        "platforms": status.platforms,
    }


VERBS = (images,)
