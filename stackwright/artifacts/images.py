"""Push container images to a registry, built from a context or mirrored from a public source, and
resolve tags to digests.

A tag in the registry never moves: an existing tag is not pushed again, and other content under it
is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..aws import PARALLEL, Storage
from ..core import Config, ImageError, InputError, Location, Problem, command_line
from ..emulator import is_local_registry
from .containers import ContainerEngine, Manifest, RegistryClient, is_loopback


class Image(Struct, frozen=True):
    """An entry of ``images``: built from ``context`` (a folder of the project) or mirrored from
    ``source``."""

    name: str
    repository: str
    tag: str
    context: str | None
    source: str | None
    location: Location | None

    @property
    def built(self) -> str:
        """The name of the local image."""
        return f"localhost/{self.repository}:{self.tag}"


class ImageState(StrEnum):
    """Whether the registry has an image that a deployment can use."""

    OK = "ok"
    MISSING = "missing"
    NO_REPOSITORY = "no repository"
    OTHER_PLATFORM = "other platform"


class ImageStatus(Struct, frozen=True):
    """An image in the registry; ``reference`` is ``host/repository@sha256:…`` where it exists, and
    by tag otherwise."""

    image: Image
    state: ImageState
    reference: str
    platforms: tuple[str, ...] = ()


def list_images(config: Config, names: Sequence[str] = ()) -> list[Image]:
    """The images of the parameters, or the named ones. Raises InputError (SW443) for an unknown
    name, or where there are no images."""
    parameters = config.parameters.get("images")
    entries: Mapping[str, Mapping[str, str]] = parameters if isinstance(parameters, dict) else {}
    unknown = [name for name in names if name not in entries]
    if unknown or not entries:
        message = f"no image {', '.join(unknown)}" if unknown else "the parameters name no image"
        hint = (
            f"there are: {', '.join(entries)}"
            if entries
            else "write images: {web: {repository: …, tag: …}}"
        )
        raise InputError.of("SW443", message, hint=hint)
    return [
        _read_image(config, name, entry)
        for name, entry in entries.items()
        if not names or name in names
    ]


def _read_image(config: Config, name: str, entry: Mapping[str, str]) -> Image:
    leaf = config.leaves.get(("images", name, "tag"))
    missing = [key for key in ("repository", "tag") if not entry.get(key)]
    if missing:
        raise InputError.of(
            "SW443", f"images.{name} has no {missing[0]}", *([leaf.location] if leaf else [])
        )
    location = leaf.location if leaf else None
    return Image(
        name,
        entry["repository"],
        str(entry["tag"]),
        entry.get("context"),
        entry.get("source"),
        location,
    )


def task_platform(config: Config) -> str:
    """The platform of the tasks, by the parameter ``architecture`` as ECS writes it."""
    return "linux/arm64" if config.parameters.get("architecture") == "ARM64" else "linux/amd64"


class ImageRegistry:
    """The registry of one environment: ECR, or ``instead`` (``127.0.0.1:5000``), which has the API
    of ECR's registry.

    Images in the emulator's registry have the names that they have in ECR. Raises AwsError.
    """

    def __init__(self, config: Config, aws: Storage, instead: str | None = None) -> None:
        self.environment = config.environment
        self.platform = task_platform(config)
        self._aws = aws
        self._login = aws.registry_login()
        ecr = self._login.endpoint.partition("://")[2]
        self.client = RegistryClient(instead or ecr, self._login)
        # Task definitions name images of the emulator's registry as if they were in ECR.
        self._host = ecr if self.is_local else self.client.host

    @property
    def is_local(self) -> bool:
        """Whether it is the emulator's registry, whose images nothing runs."""
        return is_local_registry(self.client.host)

    def status(self, images: Sequence[Image]) -> list[ImageStatus]:
        """Read whether each image exists for the platform of the tasks. Raises AwsError,
        ImageError."""
        existing = self._aws.repositories(sorted({image.repository for image in images}))
        with ThreadPoolExecutor(max(len(images), 1)) as pool:
            return list(
                pool.map(lambda image: self._status(image, image.repository in existing), images)
            )

    def _status(self, image: Image, exists: bool) -> ImageStatus:
        by_tag = f"{self._host}/{image.repository}:{image.tag}"
        if not exists:
            return ImageStatus(image, ImageState.NO_REPOSITORY, by_tag)
        manifest = self.client.manifest(image.repository, image.tag)
        if manifest is None:
            return ImageStatus(image, ImageState.MISSING, by_tag)
        state = ImageState.OK if self.platform in manifest.platforms else ImageState.OTHER_PLATFORM
        return ImageStatus(
            image, state, self.reference(image, manifest.digest), tuple(sorted(manifest.platforms))
        )

    def reference(self, image: Image, digest: str) -> str:
        """The reference for a task definition: ``host/repository@sha256:…``."""
        return f"{self._host}/{image.repository}@{digest}"

    def manifest(self, image: Image) -> Manifest | None:
        """The manifest of the image's tag; None where it does not exist."""
        return self.client.manifest(image.repository, image.tag)

    @contextmanager
    def pushing(self, engine: ContainerEngine) -> Iterator[Mapping[str, str]]:
        """Log in; yields the environment variables for `ContainerEngine.push`."""
        with engine.login(self.client.host, self._login, insecure=self.client.insecure) as logins:
            yield logins


def find_tagged_images(config: Config, aws: Storage) -> dict[str, str]:
    """Image name -> reference by digest, for images whose repository in ECR has the tag.

    One call an image, without reading manifests: enough to compare deployed digests with the tags.
    Raises AwsError.
    """
    images = list_images(config)
    with ThreadPoolExecutor(len(images)) as pool:
        references = pool.map(lambda image: aws.image(image.repository, image.tag), images)
        return {
            image.name: reference
            for image, reference in zip(images, references, strict=True)
            if reference
        }


def keep_release_images(reference: str, tag: str, registry: ImageRegistry) -> None:
    """Tag an image of a release (``host/repository@sha256:…``), so that lifecycle rules do not
    remove it. Raises ImageError."""
    name, _, digest = reference.partition("@")
    registry.client.keep(name.partition("/")[2], digest, tag)


def require_images(statuses: Sequence[ImageStatus], registry: ImageRegistry) -> None:
    """Raise ImageError with every image that a deployment cannot use (SW444, SW445, SW446)."""
    problems = [problem for status in statuses for problem in _find_problems(status, registry)]
    if problems:
        raise ImageError(problems)


def _find_problems(status: ImageStatus, registry: ImageRegistry) -> Iterator[Problem]:
    image = status.image
    where = (image.location,) if image.location else ()
    if status.state is ImageState.NO_REPOSITORY:
        hint = "deploy the stack that creates it, then push the image"
        yield Problem(
            "SW444", f"{image.name}: the repository {image.repository} does not exist", where, hint
        )
    elif status.state is ImageState.MISSING:
        verb = "mirror" if image.source else "push"
        hint = command_line(f"images {verb} --env {registry.environment} {image.name}")
        yield Problem("SW445", f"{image.name}: {status.reference} does not exist", where, hint)
    elif status.state is ImageState.OTHER_PLATFORM:
        platforms = ", ".join(status.platforms)
        message = (
            f"{image.name}: {status.reference} is for {platforms},"
            f" the tasks are {registry.platform}"
        )
        yield Problem(
            "SW446", message, where, f"build it for {registry.platform} and give it a new tag"
        )


def build_images(config: Config, images: Sequence[Image], engine: ContainerEngine) -> list[str]:
    """Build every image that has a context; returns the local references. Raises ImageError
    (SW441), InputError (SW447)."""
    built = [image for image in images if image.context]
    absent = [image for image in built if not _context_folder(config, image).is_dir()]
    if absent:
        raise InputError(
            Problem(
                "SW447",
                f"{image.name}: its folder {image.context} does not exist",
                (image.location,) if image.location else (),
                "put the service's sources there, or name their folder in"
                f" images.{image.name}.context",
            )
            for image in absent
        )
    for image in built:
        engine.build(_context_folder(config, image), image.built, task_platform(config))
    return [image.built for image in built]


def _context_folder(config: Config, image: Image) -> Path:
    return config.project / (image.context or "")


def push_images(
    images: Sequence[Image], registry: ImageRegistry, engine: ContainerEngine
) -> list[ImageStatus]:
    """Push every image that has a context and whose tag the registry lacks; returns all their
    states.

    Raises ImageError, before anything is pushed, where an image was not built (SW448), or the
    registry has other content under its tag (SW449).
    """
    built = [image for image in images if image.context]
    before = {status.image: status for status in _require_repositories(built, registry)}
    missing = [image for image in built if before[image].state is ImageState.MISSING]
    problems = [
        problem
        for image in built
        for problem in _find_conflicts(image, before[image], registry, engine)
    ]
    if problems:
        raise ImageError(problems)
    _push_all(missing, registry, engine)
    return registry.status(built)


def _require_repositories(images: Sequence[Image], registry: ImageRegistry) -> list[ImageStatus]:
    """The state of each image. Raises ImageError (SW444) where a repository is missing."""
    statuses = registry.status(images)
    missing = [status for status in statuses if status.state is ImageState.NO_REPOSITORY]
    if missing:
        raise ImageError(
            problem for status in missing for problem in _find_problems(status, registry)
        )
    return statuses


def _find_conflicts(
    image: Image, status: ImageStatus, registry: ImageRegistry, engine: ContainerEngine
) -> Iterator[Problem]:
    where = (image.location,) if image.location else ()
    local = engine.image_id(image.built)
    if status.state is ImageState.MISSING:
        if local is None:
            hint = command_line(f"images build --env {registry.environment} {image.name}")
            yield Problem(
                "SW448", f"{image.name}: {image.built} is not built on this machine", where, hint
            )
        return
    manifest = registry.manifest(image)
    known = manifest.digests if manifest else frozenset()
    if local is not None and local not in known:
        message = (
            f"{image.name}: the registry has another image under the tag {image.tag},"
            " and tags never move"
        )
        yield Problem(
            "SW449", message, where, f"give the new image a new tag: images.{image.name}.tag"
        )


def _push_all(images: Sequence[Image], registry: ImageRegistry, engine: ContainerEngine) -> None:
    if not images:
        return
    host, insecure = registry.client.host, registry.client.insecure
    with registry.pushing(engine) as logins:
        for image in images:
            target = f"{host}/{image.repository}:{image.tag}"
            engine.tag(image.built, target)
            engine.push(target, insecure=insecure, logins=logins)


def mirror_images(
    images: Sequence[Image], registry: ImageRegistry, engine: ContainerEngine
) -> list[ImageStatus]:
    """Copy every image that has a source and whose tag the registry lacks, for the tasks' platform;
    returns all their states. Raises ImageError."""
    mirrored = [image for image in images if image.source]
    missing = [
        status.image
        for status in _require_repositories(mirrored, registry)
        if status.state is ImageState.MISSING
    ]
    for image in missing:
        engine.tag(_pull(image, registry, engine), image.built)
    _push_all(missing, registry, engine)
    return registry.status(mirrored)


def _pull(image: Image, registry: ImageRegistry, engine: ContainerEngine) -> str:
    """Pull an image from its source; returns its name there."""
    source = f"{image.source}:{image.tag}"
    engine.pull(source, registry.platform, insecure=is_loopback(source.partition("/")[0]))
    return source


# --- placeholders

_OCI = "application/vnd.oci.image"
_LAYER = bytes(1024)
"""An empty tar archive: its two closing blocks."""


def find_missing_images(
    config: Config, images: Sequence[Image], registry: ImageRegistry, program: str | None = None
) -> dict[Image, str]:
    """Images that the registry lacks -> the reason why this machine cannot push them: neither
    podman nor docker, no folder to build from, a public source that cannot be reached. The reason
    is empty where it can. Raises ImageError (SW444) where a repository is missing."""
    missing = [
        status.image
        for status in _require_repositories(images, registry)
        if status.state is ImageState.MISSING
    ]
    try:
        engine = ContainerEngine.find(program)
    except ImageError as error:
        return dict.fromkeys(missing, str(error))
    return {image: _find_obstacle(config, image, registry, engine) for image in missing}


def _find_obstacle(
    config: Config, image: Image, registry: ImageRegistry, engine: ContainerEngine
) -> str:
    if image.context:
        exists = _context_folder(config, image).is_dir()
        return "" if exists else f"its folder {image.context} does not exist"
    try:
        _pull(image, registry, engine)
    except ImageError as error:
        return str(error)
    return ""


def push_placeholders(images: Sequence[Image], registry: ImageRegistry) -> list[ImageStatus]:
    """Push valid images without content under the tags of missing images, side by side.

    Only for a registry whose images nothing runs. The digest depends on repository, tag and
    platform only; the label ``org.opencontainers.image.ref.name`` names the missing image. Raises
    ImageError. Source: https://github.com/opencontainers/image-spec/blob/main/manifest.md
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(lambda image: _push_placeholder(image, registry), images))


def _push_placeholder(image: Image, registry: ImageRegistry) -> ImageStatus:
    system, _, architecture = registry.platform.partition("/")
    labels = {"org.opencontainers.image.ref.name": f"{image.repository}:{image.tag}"}
    layers = {"type": "layers", "diff_ids": [_describe(_LAYER, "")["digest"]]}
    config = _encode(
        {"architecture": architecture, "os": system, "config": {"Labels": labels}, "rootfs": layers}
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _describe(config, "config.v1+json"),
        "layers": [_describe(_LAYER, "layer.v1.tar")],
    }
    text = _encode(manifest)
    registry.client.push(image.repository, image.tag, (config, _LAYER), text)
    digest = _describe(text, "manifest.v1+json")["digest"]
    return ImageStatus(
        image, ImageState.OK, registry.reference(image, digest), (registry.platform,)
    )


def _describe(data: bytes, kind: str) -> dict[str, Any]:
    """A content descriptor of the image specification."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return {"mediaType": f"{_OCI}.{kind}", "digest": digest, "size": len(data)}


def _encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
