"""Container images to the registry and back to digests: built from a context, or mirrored from a
public source.

A tag in the registry never moves, so what is there is not sent again, and other content under the
same tag is refused.
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
        """What it is called on this machine."""
        return f"localhost/{self.repository}:{self.tag}"


class ImageState(StrEnum):
    """Whether an image is where a deployment takes it from."""

    OK = "ok"
    MISSING = "missing"
    NO_REPOSITORY = "no repository"
    OTHER_PLATFORM = "other platform"


class ImageStatus(Struct, frozen=True):
    """An image in the registry; ``reference`` is ``host/repository@sha256:…`` where it is there,
    else by tag."""

    image: Image
    state: ImageState
    reference: str
    platforms: tuple[str, ...] = ()


def list_images(config: Config, names: Sequence[str] = ()) -> list[Image]:
    """The images of the parameters, or those named; raises InputError for a name that is not among
    them."""
    given = config.parameters.get("images")
    entries: Mapping[str, Mapping[str, str]] = given if isinstance(given, dict) else {}
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
        _image(config, name, entry) for name, entry in entries.items() if not names or name in names
    ]


def _image(config: Config, name: str, entry: Mapping[str, str]) -> Image:
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
    """The registry of one environment: ECR, or ``instead`` (``127.0.0.1:5000``), which is asked as
    ECR would be.

    Images in the emulator's registry have ECR's names, as those in AWS.
    """

    def __init__(self, config: Config, aws: Storage, instead: str | None = None) -> None:
        self.environment = config.environment
        self.platform = task_platform(config)
        self._aws = aws
        self._login = aws.registry_login()
        ecr = self._login.endpoint.partition("://")[2]
        self.registry = RegistryClient(instead or ecr, self._login)
        self._host = (
            ecr if instead and is_local_registry(instead) else self.registry.host
        )  # as tasks name it

    def status(self, wanted: Sequence[Image]) -> list[ImageStatus]:
        """Whether each image is there, for the platform of the tasks."""
        existing = self._aws.repositories(sorted({image.repository for image in wanted}))
        with ThreadPoolExecutor(max(len(wanted), 1)) as pool:
            return list(
                pool.map(lambda image: self._status(image, image.repository in existing), wanted)
            )

    def _status(self, image: Image, exists: bool) -> ImageStatus:
        by_tag = f"{self._host}/{image.repository}:{image.tag}"
        if not exists:
            return ImageStatus(image, ImageState.NO_REPOSITORY, by_tag)
        found = self.registry.manifest(image.repository, image.tag)
        if found is None:
            return ImageStatus(image, ImageState.MISSING, by_tag)
        state = ImageState.OK if self.platform in found.platforms else ImageState.OTHER_PLATFORM
        return ImageStatus(
            image, state, self.reference(image, found.digest), tuple(sorted(found.platforms))
        )

    def reference(self, image: Image, digest: str) -> str:
        """What a task definition names: ``host/repository@sha256:…``."""
        return f"{self._host}/{image.repository}@{digest}"

    def manifest(self, image: Image) -> Manifest | None:
        """What the image's tag holds."""
        return self.registry.manifest(image.repository, image.tag)

    @contextmanager
    def pushing(self, engine: ContainerEngine) -> Iterator[Mapping[str, str]]:
        """Logged in, for `Engine.push`."""
        with engine.login(
            self.registry.host, self._login, insecure=self.registry.insecure
        ) as logins:
            yield logins


def find_tagged_images(config: Config, aws: Storage) -> dict[str, str]:
    """Each image's name -> its reference by digest, where its repository in ECR has the tag.

    The images themselves are not looked at, as by `resolve`: it is enough to tell whether what is
    deployed is what the tags hold. Raises AwsError.
    """
    wanted = list_images(config)
    with ThreadPoolExecutor(len(wanted)) as pool:
        found = pool.map(lambda image: aws.image(image.repository, image.tag), wanted)
        return {
            each.name: reference for each, reference in zip(wanted, found, strict=True) if reference
        }


def resolve_digests(config: Config, store: ImageRegistry) -> dict[str, str]:
    """Each image's name -> its reference by digest; raises ImageError with all that cannot be
    deployed."""
    found = store.status(list_images(config))
    require_images(found, store)
    return {status.image.name: status.reference for status in found}


def keep_release_images(reference: str, tag: str, store: ImageRegistry) -> None:
    """Tag what a release runs (``host/repository@sha256:…``), so that lifecycle rules do not remove
    it."""
    name, _, digest = reference.partition("@")
    store.registry.keep(name.partition("/")[2], digest, tag)


def require_images(found: Sequence[ImageStatus], store: ImageRegistry) -> None:
    """Raise ImageError where an image is not as a deployment needs it."""
    problems = [problem for status in found for problem in _problems(status, store)]
    if problems:
        raise ImageError(problems)


def _problems(status: ImageStatus, store: ImageRegistry) -> Iterator[Problem]:
    image = status.image
    where = (image.location,) if image.location else ()
    if status.state is ImageState.NO_REPOSITORY:
        hint = "deploy the stack that makes it; images are pushed afterwards"
        yield Problem(
            "SW444", f"{image.name}: there is no repository {image.repository}", where, hint
        )
    elif status.state is ImageState.MISSING:
        hint = command_line(
            f"images {'mirror' if image.source else 'push'} --env {store.environment} {image.name}"
        )
        yield Problem("SW445", f"{image.name}: {status.reference} does not exist", where, hint)
    elif status.state is ImageState.OTHER_PLATFORM:
        held = ", ".join(status.platforms)
        message = f"{image.name}: {status.reference} is for {held}, the tasks are {store.platform}"
        yield Problem(
            "SW446", message, where, f"build it for {store.platform} and give it a new tag"
        )


def build_images(config: Config, wanted: Sequence[Image], engine: ContainerEngine) -> list[str]:
    """Build every wanted image that has a context; the local references. Raises ImageError,
    InputError."""
    mine = [image for image in wanted if image.context]
    absent = [image for image in mine if not _context(config, image).is_dir()]
    if absent:
        raise InputError(
            Problem(
                "SW447",
                f"{image.name}: there is no folder {image.context} to build it from",
                (image.location,) if image.location else (),
                f"put the service's sources there, or name their folder in images.{image.name}.context",
            )
            for image in absent
        )
    for image in mine:
        engine.build(_context(config, image), image.built, task_platform(config))
    return [image.built for image in mine]


def _context(config: Config, image: Image) -> Path:
    return config.project / (image.context or "")


def push_images(
    wanted: Sequence[Image], store: ImageRegistry, engine: ContainerEngine
) -> list[ImageStatus]:
    """Push every wanted image that has a context and whose tag the registry does not have.

    Raises ImageError, before anything is pushed, where one was not built, or where the registry has
    other content under its tag.
    """
    mine = [image for image in wanted if image.context]
    before = {status.image: status for status in _in_repositories(mine, store)}
    missing = [image for image in mine if before[image].state is ImageState.MISSING]
    problems = [
        problem for image in mine for problem in _conflicts(image, before[image], store, engine)
    ]
    if problems:
        raise ImageError(problems)
    _send(missing, store, engine)
    return store.status(mine)


def _in_repositories(wanted: Sequence[Image], store: ImageRegistry) -> list[ImageStatus]:
    """The status of each; raises ImageError where a repository is missing."""
    found = store.status(wanted)
    lost = [status for status in found if status.state is ImageState.NO_REPOSITORY]
    if lost:
        raise ImageError(problem for status in lost for problem in _problems(status, store))
    return found


def _conflicts(
    image: Image, status: ImageStatus, store: ImageRegistry, engine: ContainerEngine
) -> Iterator[Problem]:
    where = (image.location,) if image.location else ()
    local = engine.image_id(image.built)
    if status.state is ImageState.MISSING:
        if local is None:
            hint = command_line(f"images build --env {store.environment} {image.name}")
            yield Problem(
                "SW448", f"{image.name}: {image.built} is not built on this machine", where, hint
            )
        return
    manifest = store.manifest(image)
    held = (
        {digest for each in manifest.platforms.values() for digest in each} | {manifest.digest}
        if manifest
        else set()
    )
    if local is not None and local not in held:
        message = f"{image.name}: the registry has another image under the tag {image.tag}, and tags never move"
        yield Problem(
            "SW449", message, where, f"give the new image a new tag: images.{image.name}.tag"
        )


def _send(wanted: Sequence[Image], store: ImageRegistry, engine: ContainerEngine) -> None:
    if not wanted:
        return
    host, insecure = store.registry.host, store.registry.insecure
    with store.pushing(engine) as logins:
        for image in wanted:
            target = f"{host}/{image.repository}:{image.tag}"
            engine.tag(image.built, target)
            engine.push(target, insecure=insecure, logins=logins)


def mirror_images(
    wanted: Sequence[Image], store: ImageRegistry, engine: ContainerEngine
) -> list[ImageStatus]:
    """Copy every wanted image that has a source, and whose tag the registry does not have, for the
    tasks' platform."""
    mine = [image for image in wanted if image.source]
    missing = [
        status.image
        for status in _in_repositories(mine, store)
        if status.state is ImageState.MISSING
    ]
    for image in missing:
        engine.tag(_pull(image, store, engine), image.built)
    _send(missing, store, engine)
    return store.status(mine)


def _pull(image: Image, store: ImageRegistry, engine: ContainerEngine) -> str:
    """Fetch an image from its source; what it is called there."""
    source = f"{image.source}:{image.tag}"
    engine.pull(source, store.platform, insecure=is_loopback(source.partition("/")[0]))
    return source


# --- images that nobody runs
# ----------------------------------------------------------------------------------------

_OCI = "application/vnd.oci.image"
_LAYER = bytes(1024)
"""A tar archive of nothing: its two closing blocks."""


def find_missing_images(
    config: Config, wanted: Sequence[Image], store: ImageRegistry, program: str | None = None
) -> dict[Image, str]:
    """The images that the registry does not have, each with what keeps this machine from sending
    it: no podman or docker, no folder to build from, no way to the public source; empty where
    nothing does. Raises ImageError where a repository is missing."""
    found = [
        status.image
        for status in _in_repositories(wanted, store)
        if status.state is ImageState.MISSING
    ]
    try:
        engine = ContainerEngine.find(program)
    except ImageError as error:
        return dict.fromkeys(found, str(error))
    return {image: _lack(config, image, store, engine) for image in found}


def _lack(config: Config, image: Image, store: ImageRegistry, engine: ContainerEngine) -> str:
    if image.context:
        return (
            ""
            if _context(config, image).is_dir()
            else f"there is no folder {image.context} to build it from"
        )
    try:
        _pull(image, store, engine)
    except ImageError as error:
        return str(error)
    return ""


def push_placeholders(absent: Sequence[Image], store: ImageRegistry) -> list[ImageStatus]:
    """Push valid images without content under the tags of images that the registry does not have,
    side by side.

    Only for a registry whose images nobody runs. A digest depends on repository, tag and platform
    alone; the label ``org.opencontainers.image.ref.name`` tells what an image stands for. Raises
    ImageError. https://github.com/opencontainers/image-spec/blob/main/manifest.md
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(lambda image: _push_nothing(image, store), absent))


def _push_nothing(image: Image, store: ImageRegistry) -> ImageStatus:
    system, _, architecture = store.platform.partition("/")
    labels = {"org.opencontainers.image.ref.name": f"{image.repository}:{image.tag}"}
    layers = {"type": "layers", "diff_ids": [_described(_LAYER, "")["digest"]]}
    config = _json(
        {"architecture": architecture, "os": system, "config": {"Labels": labels}, "rootfs": layers}
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _described(config, "config.v1+json"),
        "layers": [_described(_LAYER, "layer.v1.tar")],
    }
    text = _json(manifest)
    store.registry.push(image.repository, image.tag, (config, _LAYER), text)
    digest = _described(text, "manifest.v1+json")["digest"]
    return ImageStatus(image, ImageState.OK, store.reference(image, digest), (store.platform,))


def _described(data: bytes, kind: str) -> dict[str, Any]:
    """A descriptor of the image specification."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return {"mediaType": f"{_OCI}.{kind}", "digest": digest, "size": len(data)}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
