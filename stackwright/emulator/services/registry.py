"""ECR's registry on the emulator's port: the distribution API under ``/v2/``, to which podman,
docker and other clients push, and from which they pull.

Manifests and tags are in moto's ECR, so that its API and the registry always agree; blobs are files
named by their digest, shared by all repositories, and outlast the server. Any login is accepted.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md
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
    """An error answer: HTTP status, and the specification's code and text."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def is_registry(request: Request) -> bool:
    """Whether a request is for the registry. Requests to AWS's APIs, some of which also have paths
    under ``/v2/``, are signed."""
    signed = request.headers.get("Authorization", "").startswith("AWS4-")
    return not signed and (request.path == "/v2" or request.path.startswith(ROOT))


def changes_repository(request: Request) -> bool:
    """Whether a request changes a repository; a blob alone is in no repository yet."""
    return request.method == "PUT" and "/manifests/" in request.path


class Blobs:
    """Files by digest in a folder; without one in a temporary folder, until :meth:`close`."""

    def __init__(self, folder: Path | None = None) -> None:
        self._temporary = TemporaryDirectory(prefix="stackwright-") if folder is None else None
        self._folder = Path(self._temporary.name) if self._temporary else folder or Path()

    def path(self, digest: str) -> Path:
        """The file of a digest, which may not exist."""
        return self._folder / digest.replace(":", "-")

    def upload(self, name: str) -> Path:
        """The file of an upload under way."""
        return self._folder / "uploads" / name

    def keep(self, upload: Path, digest: str) -> bool:
        """Keep an upload where it has the digest; returns whether it has."""
        actual = hashlib.sha256(upload.read_bytes()).hexdigest()
        if digest == f"sha256:{actual}":
            upload.replace(self.path(digest))
        return digest == f"sha256:{actual}"

    def forget(self) -> None:
        """Delete all files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """Delete a temporary folder."""
        if self._temporary:
            self._temporary.cleanup()


class LocalRegistry:
    """Answers requests; ``backend`` returns moto's ECR of the account and Region."""

    def __init__(self, blobs: Blobs, backend: Callable[[], Any]) -> None:
        self._blobs, self._backend = blobs, backend

    def answer(self, request: Request) -> Response:
        """The answer to any request under ``/v2/``; errors are the specification's."""
        try:
            return self._dispatch(request)
        except _RegistryError as error:
            body = {"errors": [{"code": error.code, "message": str(error)}]}
            return Response(json.dumps(body), error.status, mimetype="application/json")

    def _dispatch(self, request: Request) -> Response:
        if request.path in ("/v2", ROOT):
            return Response("{}", headers={"Docker-Distribution-Api-Version": "registry/2.0"})
        for pattern, kind in _PATHS:
            match = pattern.fullmatch(request.path)
            handler = _HANDLERS.get((kind, "GET" if request.method == "HEAD" else request.method))
            if match and handler:
                parts = match.groupdict()
                return handler(self, request, self._find_repository(parts.pop("name")), **parts)
        raise _RegistryError(
            405, "UNSUPPORTED", f"{request.method} {request.path} is not supported"
        )

    def _find_repository(self, name: str) -> Any:
        backend = self._backend()
        if name not in backend.repositories:
            where = f"in the registry with id '{backend.account_id}'"
            raise _RegistryError(
                404, "NAME_UNKNOWN", f"The repository with name '{name}' does not exist {where}"
            )
        return backend.repositories[name]

    # --- blobs

    def _blob(self, _request: Request, repository: Any, digest: str) -> Response:
        file = self._blobs.path(digest)
        if not _DIGEST.fullmatch(digest) or not file.is_file():
            raise _RegistryError(404, "BLOB_UNKNOWN", f"{repository.name} has no blob {digest}")
        return Response(
            file.read_bytes(), headers=_digest_headers(digest), mimetype="application/octet-stream"
        )

    def _begin(self, request: Request, repository: Any) -> Response:
        """Begin an upload. A blob that another repository has is not uploaded again; a small one
        may come with this request."""
        digest = request.args.get("mount", "")
        if _DIGEST.fullmatch(digest) and self._blobs.path(digest).is_file():
            return _created(repository, "blobs", digest)
        name = str(uuid.uuid4())
        file = self._blobs.upload(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        if "digest" in request.args:
            return self._end(request, repository, name)
        return _accepted(repository, name, 0)

    def _append(self, request: Request, repository: Any, upload: str) -> Response:
        with self._open(upload).open("ab") as stream:
            stream.write(request.get_data())
            return _accepted(repository, upload, stream.tell())

    def _end(self, request: Request, repository: Any, upload: str) -> Response:
        file, digest = self._open(upload), request.args.get("digest", "")
        with file.open("ab") as stream:
            stream.write(request.get_data())
        if not self._blobs.keep(file, digest):
            file.unlink()
            raise _RegistryError(
                400, "DIGEST_INVALID", f"the upload does not have the digest {digest!r}"
            )
        return _created(repository, "blobs", digest)

    def _open(self, upload: str) -> Path:
        file = self._blobs.upload(upload)
        if not file.is_file():
            raise _RegistryError(404, "BLOB_UPLOAD_UNKNOWN", f"there is no upload {upload}")
        return file

    # --- manifests

    def _manifest(self, _request: Request, repository: Any, reference: str) -> Response:
        image = _find_image(repository, reference)
        if image is None:
            raise _RegistryError(
                404, "MANIFEST_UNKNOWN", f"{repository.name} has no image {reference}"
            )
        kind = image.image_manifest_media_type or _OCI_MANIFEST
        return Response(
            image.image_manifest.encode(),
            headers=_digest_headers(image.image_digest),
            content_type=kind,
        )

    def _put(self, request: Request, repository: Any, reference: str) -> Response:
        data = request.get_data()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        tag = None if _DIGEST.fullmatch(reference) else reference
        document = _parse_manifest(data)
        if tag is None and reference != digest:
            raise _RegistryError(
                400, "DIGEST_INVALID", f"the manifest does not have the digest {reference}"
            )
        if tag is not None and not _TAG.fullmatch(tag):
            raise _RegistryError(400, "TAG_INVALID", f"{tag!r} is not a tag")
        self._check_complete(repository, document)
        self._keep(
            repository,
            data,
            digest,
            tag,
            request.mimetype or str(document.get("mediaType", _OCI_MANIFEST)),
        )
        return _created(repository, "manifests", digest)

    def _check_complete(self, repository: Any, document: Mapping[str, Any]) -> None:
        """Refuse a manifest whose blobs or images were not pushed."""
        for blob in _blob_digests(document):
            if not self._blobs.path(blob).is_file():
                raise _RegistryError(
                    400, "MANIFEST_BLOB_UNKNOWN", f"{repository.name} has no blob {blob}"
                )
        for entry in document.get("manifests") or ():
            if _find_image(repository, entry["digest"]) is None:
                raise _RegistryError(
                    400,
                    "MANIFEST_BLOB_UNKNOWN",
                    f"{repository.name} has no image {entry['digest']}",
                )

    def _keep(self, repository: Any, data: bytes, digest: str, tag: str | None, kind: str) -> None:
        """Put a manifest into ECR, which never moves an immutable tag, even to the same image."""
        tagged = _find_image(repository, tag) if tag else None
        if tagged is not None and repository.is_tag_immutable():
            text = f"The image tag '{tag}' already exists in the '{repository.name}' repository"
            raise _RegistryError(
                400,
                "TAG_INVALID",
                f"{text} and cannot be overwritten because the tag is immutable.",
            )
        known = tagged if tag else _find_image(repository, digest)
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


def _find_image(repository: Any, reference: str) -> Any:
    """moto's image with a tag or digest; None where there is none."""
    for image in repository.images:
        if reference in (*image.image_tags, image.image_digest):
            return image
    return None


def _parse_manifest(data: bytes) -> Mapping[str, Any]:
    """A manifest or an index, in which every descriptor has a digest.

    Raises:
        _RegistryError: it is neither.
    """
    try:
        document = json.loads(data.decode())
        manifests = [str(entry["digest"]) for entry in document.get("manifests") or ()]
        digests = [*_blob_digests(document), *manifests]
    except (ValueError, TypeError, KeyError, AttributeError):
        digests = []
    if not digests:
        raise _RegistryError(
            400, "MANIFEST_INVALID", "this is neither a manifest of an image nor an index"
        )
    return dict(document)


def _blob_digests(document: Mapping[str, Any]) -> Iterator[str]:
    for descriptor in (document.get("config"), *(document.get("layers") or ())):
        if descriptor is not None:
            yield str(descriptor["digest"])


def _digest_headers(digest: str) -> dict[str, str]:
    return {"Docker-Content-Digest": digest, "ETag": f'"{digest}"'}


def _created(repository: Any, kind: str, digest: str) -> Response:
    location = f"{ROOT}{repository.name}/{kind}/{digest}"
    return Response(status=201, headers={"Location": location, **_digest_headers(digest)})


def _accepted(repository: Any, upload: str, size: int) -> Response:
    location = f"{ROOT}{repository.name}/blobs/uploads/{upload}"
    headers = {"Location": location, "Docker-Upload-UUID": upload, "Range": f"0-{max(0, size - 1)}"}
    return Response(status=202, headers=headers)
