"""ECR's registry on the emulator's port: the distribution API under ``/v2/``, so that podman,
docker and every other client push to it and pull from it.

Manifests and tags live in moto's ECR, so that its API and the registry always tell the same; blobs
are files named by their digest, shared by all repositories, and outlast the server. Any login is
good. https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from werkzeug.wrappers import Request, Response

ROOT = "/v2/"
_NAME = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"  # the specification's, and what ECR takes
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_PATHS = tuple(
    (re.compile(ROOT + _NAME + rest), kind)
    for rest, kind in (
        (r"/manifests/(?P<reference>[^/]+)", "manifest"),
        (r"/blobs/uploads/?", "begin"),
        (r"/blobs/uploads/(?P<upload>[a-f0-9-]{36})", "upload"),
        (r"/blobs/(?P<digest>[^/]+)", "blob"),
        (r"/tags/list", "tags"),
    )
)


class _RegistryError(Exception):
    """An answer that is an error: HTTP status, and the specification's code and text."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def is_registry(request: Request) -> bool:
    """Whether a request is for the registry: AWS's own APIs sign theirs, also those whose paths
    begin with ``/v2/``."""
    signed = request.headers.get("Authorization", "").startswith("AWS4-")
    return not signed and (request.path == "/v2" or request.path.startswith(ROOT))


def changes_repository(request: Request) -> bool:
    """Whether a request changes what a repository holds; blobs alone are in no repository yet."""
    return request.method == "PUT" and "/manifests/" in request.path


class Blobs:
    """Content by digest in a folder, or in one of its own that goes with :meth:`close`."""

    def __init__(self, folder: Path | None = None) -> None:
        self._own = TemporaryDirectory(prefix="stackwright-") if folder is None else None
        self._folder = Path(self._own.name) if self._own else folder or Path()

    def path(self, digest: str) -> Path:
        """The file of a digest, which may not be there."""
        return self._folder / digest.replace(":", "-")

    def upload(self, name: str) -> Path:
        """The file of an upload under way."""
        return self._folder / "uploads" / name

    def keep(self, upload: Path, digest: str) -> bool:
        """Take what was uploaded, if it has the digest."""
        found = hashlib.sha256(upload.read_bytes()).hexdigest()
        if digest == f"sha256:{found}":
            upload.replace(self.path(digest))
        return digest == f"sha256:{found}"

    def forget(self) -> None:
        """Remove all."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """Remove what is not to be kept."""
        if self._own:
            self._own.cleanup()


class LocalRegistry:
    """Answers requests; ``backend`` gives moto's ECR of the account and Region."""

    def __init__(self, blobs: Blobs, backend: Callable[[], Any]) -> None:
        self._blobs, self._backend = blobs, backend

    def answer(self, request: Request) -> Response:
        """The answer to any request under ``/v2/``; errors are the specification's."""
        try:
            return self._answered(request)
        except _RegistryError as error:
            body = {"errors": [{"code": error.code, "message": str(error)}]}
            return Response(json.dumps(body), error.status, mimetype="application/json")

    def _answered(self, request: Request) -> Response:
        if request.path in ("/v2", ROOT):
            return Response("{}", headers={"Docker-Distribution-Api-Version": "registry/2.0"})
        for pattern, kind in _PATHS:
            found = pattern.fullmatch(request.path)
            handler = _HANDLERS.get((kind, "GET" if request.method == "HEAD" else request.method))
            if found and handler:
                given = found.groupdict()
                return handler(self, request, self._repository(given.pop("name")), **given)
        raise _RegistryError(
            405, "UNSUPPORTED", f"{request.method} {request.path} is not supported"
        )

    def _repository(self, name: str) -> Any:
        backend = self._backend()
        if name not in backend.repositories:
            where = f"in the registry with id '{backend.account_id}'"
            raise _RegistryError(
                404, "NAME_UNKNOWN", f"The repository with name '{name}' does not exist {where}"
            )
        return backend.repositories[name]

    # --- blobs
    # --------------------------------------------------------------------------------------------------

    def _blob(self, _request: Request, repository: Any, digest: str) -> Response:
        file = self._blobs.path(digest)
        if not _DIGEST.fullmatch(digest) or not file.is_file():
            raise _RegistryError(404, "BLOB_UNKNOWN", f"{repository.name} has no blob {digest}")
        return Response(
            file.read_bytes(), headers=_digested(digest), mimetype="application/octet-stream"
        )

    def _begin(self, request: Request, repository: Any) -> Response:
        """Begin an upload; a blob that another repository has need not be sent, and one may be sent
        at once."""
        wanted = request.args.get("mount", "")
        if _DIGEST.fullmatch(wanted) and self._blobs.path(wanted).is_file():
            return _created(repository, "blobs", wanted)
        name = str(uuid.uuid4())
        file = self._blobs.upload(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        if "digest" in request.args:
            return self._end(request, repository, name)
        return _under_way(repository, name, 0)

    def _append(self, request: Request, repository: Any, upload: str) -> Response:
        with self._open(upload).open("ab") as stream:
            stream.write(request.get_data())
            return _under_way(repository, upload, stream.tell())

    def _end(self, request: Request, repository: Any, upload: str) -> Response:
        file, digest = self._open(upload), request.args.get("digest", "")
        with file.open("ab") as stream:
            stream.write(request.get_data())
        if not self._blobs.keep(file, digest):
            file.unlink()
            raise _RegistryError(
                400, "DIGEST_INVALID", f"what was uploaded has not the digest {digest!r}"
            )
        return _created(repository, "blobs", digest)

    def _open(self, upload: str) -> Path:
        file = self._blobs.upload(upload)
        if not file.is_file():
            raise _RegistryError(404, "BLOB_UPLOAD_UNKNOWN", f"there is no upload {upload}")
        return file

    # --- manifests
    # ----------------------------------------------------------------------------------------------

    def _manifest(self, _request: Request, repository: Any, reference: str) -> Response:
        found = _image(repository, reference)
        if found is None:
            raise _RegistryError(
                404, "MANIFEST_UNKNOWN", f"{repository.name} has no image {reference}"
            )
        kind = found.image_manifest_media_type or _OCI_MANIFEST
        return Response(
            found.image_manifest.encode(), headers=_digested(found.image_digest), content_type=kind
        )

    def _put(self, request: Request, repository: Any, reference: str) -> Response:
        data = request.get_data()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        tag = None if _DIGEST.fullmatch(reference) else reference
        document = _document(data)
        if tag is None and reference != digest:
            raise _RegistryError(
                400, "DIGEST_INVALID", f"the manifest has not the digest {reference}"
            )
        if tag is not None and not _TAG.fullmatch(tag):
            raise _RegistryError(400, "TAG_INVALID", f"{tag!r} is no tag")
        self._complete(repository, document)
        self._keep(
            repository,
            data,
            digest,
            tag,
            request.mimetype or str(document.get("mediaType", _OCI_MANIFEST)),
        )
        return _created(repository, "manifests", digest)

    def _complete(self, repository: Any, document: Mapping[str, Any]) -> None:
        """Refuse a manifest that names what was not pushed."""
        for blob in _blobs_of(document):
            if not self._blobs.path(blob).is_file():
                raise _RegistryError(
                    400, "MANIFEST_BLOB_UNKNOWN", f"{repository.name} has no blob {blob}"
                )
        for entry in document.get("manifests") or ():
            if _image(repository, entry["digest"]) is None:
                raise _RegistryError(
                    400,
                    "MANIFEST_BLOB_UNKNOWN",
                    f"{repository.name} has no image {entry['digest']}",
                )

    def _keep(self, repository: Any, data: bytes, digest: str, tag: str | None, kind: str) -> None:
        """Put it into ECR, whose immutable tags never take anything again, not even the same."""
        held = _image(repository, tag) if tag else None
        if held is not None and repository.is_tag_immutable():
            text = f"The image tag '{tag}' already exists in the '{repository.name}' repository"
            raise _RegistryError(
                400,
                "TAG_INVALID",
                f"{text} and cannot be overwritten because the tag is immutable.",
            )
        known = held if tag else _image(repository, digest)
        if known is None or known.image_digest != digest:
            self._backend().put_image(repository.name, data.decode(), tag, kind, digest)

    def _tags(self, _request: Request, repository: Any) -> Response:
        tags = sorted(tag for image in repository.images for tag in image.image_tags)
        return Response(
            json.dumps({"name": repository.name, "tags": tags}), mimetype="application/json"
        )


_HANDLERS: Mapping[tuple[str, str], Callable[..., Response]] = {
    ("manifest", "GET"): LocalRegistry._manifest,
    ("manifest", "PUT"): LocalRegistry._put,
    ("blob", "GET"): LocalRegistry._blob,
    ("begin", "POST"): LocalRegistry._begin,
    ("upload", "PATCH"): LocalRegistry._append,
    ("upload", "PUT"): LocalRegistry._end,
    ("tags", "GET"): LocalRegistry._tags,
}


def _image(repository: Any, reference: str) -> Any:
    """moto's image of a tag or digest; None where there is none."""
    found = (
        each for each in repository.images if reference in (*each.image_tags, each.image_digest)
    )
    return next(found, None)


def _document(data: bytes) -> Mapping[str, Any]:
    """A manifest, whose descriptors all have a digest."""
    try:
        found = json.loads(data.decode())
        digests = [
            *_blobs_of(found),
            *(str(each["digest"]) for each in found.get("manifests") or ()),
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        digests = []
    if not digests:
        raise _RegistryError(400, "MANIFEST_INVALID", "this is no manifest of an image or an index")
    return dict(found)


def _blobs_of(document: Mapping[str, Any]) -> Iterator[str]:
    for each in (document.get("config"), *(document.get("layers") or ())):
        if each is not None:
            yield str(each["digest"])


def _digested(digest: str) -> dict[str, str]:
    return {"Docker-Content-Digest": digest, "ETag": f'"{digest}"'}


def _created(repository: Any, kind: str, digest: str) -> Response:
    location = f"{ROOT}{repository.name}/{kind}/{digest}"
    return Response(status=201, headers={"Location": location, **_digested(digest)})


def _under_way(repository: Any, upload: str, size: int) -> Response:
    location = f"{ROOT}{repository.name}/blobs/uploads/{upload}"
    shown = {"Location": location, "Docker-Upload-UUID": upload, "Range": f"0-{max(0, size - 1)}"}
    return Response(status=202, headers=shown)
