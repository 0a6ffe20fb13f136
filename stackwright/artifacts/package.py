"""Package a `Rendering` as a `Bundle`: templates and function zips, each named by its content.
Needs no credentials, and no network except for pip.

Local paths in TemplateURL and Code are replaced in the text by the addresses of artifacts, so that
comments, layout and line numbers stay as reviewed. Nested templates are packaged first: the hash of
a parent covers its children.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from ..cfn import STACK_TYPE
from ..core import (
    Artifact,
    Bundle,
    Document,
    InputError,
    Location,
    OutputError,
    PackagedTemplate,
    Problem,
    Rendering,
    S3Folder,
    StackwrightError,
    compose_yaml,
    line_of_path,
    read_file,
    require_readable,
    write_file,
)
from . import function_zip

_FUNCTION = "AWS::Lambda::Function"
_LOCAL = {STACK_TYPE: "TemplateURL", _FUNCTION: "Code"}
"""Resource type -> the property that may be a local path."""
_ENV_FILES = ("aws.env", ".env")
_BUCKET = re.compile(r"(?!.*(\.\.|\.-|-\.))[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""


def package_rendering(rendering: Rendering, folder: S3Folder | None = None) -> Bundle:
    """Package the templates and functions of a rendering.

    ``folder`` is the place of the upload; without one, addresses are paths relative to a folder
    that holds all artifacts. A function's Code may be a folder (zipped with the packages of
    its ``requirements.txt``, and with the dotenv files that ``Metadata: {stackwright: {env_files:
    [aws.env, .env]}}`` names), a zip, or a single file. Raises InputError with the problems of all
    functions and templates together.
    """
    if folder is not None and not _BUCKET.fullmatch(folder.bucket):
        message = f"{folder.bucket!r} is not a valid name of an S3 bucket"
        raise InputError.of(
            "SW608", message, hint="3 to 63 lower-case letters, digits, dots and hyphens"
        )
    packager = _Packager(rendering, folder)
    for document in rendering.documents:
        packager.template(document)
    if packager.problems:
        raise InputError(dict.fromkeys(packager.problems))
    names = {document.name: packager.template(document) for document in rendering.documents}
    return Bundle(
        rendering.environment, folder, tuple(packager.artifacts.values()), names, packager.functions
    )


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the artifacts, and each root template as ``<stack>.template.yaml``, to a folder.

    Files that are there and have the same content are left as they are. Raises OutputError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for artifact in bundle.artifacts:
            _write(folder / artifact.name, artifact.data)
        for stack, template in bundle.templates.items():
            if "/" not in stack:
                suffix = template.artifact.name.partition(".")[2]
                _write(folder / f"{stack}.{suffix}", template.artifact.data)
    except OSError as error:
        at = Location(str(error.filename or folder))
        hint = "name another folder with --out, or free some space"
        raise OutputError.of(
            "SW607", f"cannot write: {error.strerror or error}", at, hint=hint
        ) from error


def _write(path: Path, data: bytes) -> None:
    if path.is_file() and path.read_bytes() == data:
        return
    write_file(path, data)


class _Packager:
    """Packages one rendering; templates and zips that are used twice are packaged once."""

    def __init__(self, rendering: Rendering, folder: S3Folder | None) -> None:
        self._rendering = rendering
        self._folder = folder
        self._templates: dict[str, PackagedTemplate | None] = {}
        self._zips: dict[tuple[str, ...], Artifact] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.functions: dict[str, Artifact] = {}
        self.problems: list[Problem] = []

    def template(self, document: Document) -> PackagedTemplate:
        """Package a document, after the nested templates and functions that it refers to."""
        if document.name in self._templates:
            packaged = self._templates[document.name]
            if packaged is None:
                raise self._error(document, (), "SW605", "the template refers to itself")
            return packaged
        self._templates[document.name] = None
        data = self._rewrite(document).encode()
        suffix = PurePosixPath(document.path).suffix
        artifact = self._add_artifact(data, f".template{suffix}")
        self._templates[document.name] = packaged = PackagedTemplate(
            document.name,
            artifact,
            self._folder.url(artifact.name) if self._folder else f"./{artifact.name}",
        )
        return packaged

    def _add_artifact(self, data: bytes, suffix: str) -> Artifact:
        digest = hashlib.sha256(data).hexdigest()
        name = f"{digest}{suffix}"
        return self.artifacts.setdefault(name, Artifact(name, digest, data))

    def _rewrite(self, document: Document) -> str:
        """The text with each local path replaced in place; a path that fails is a problem, and
        stays."""
        text, done, pieces = document.text, 0, []
        for name, resource, node in _find_local_paths(document):
            try:
                written = self._address(document, name, resource, node.value)
            except StackwrightError as error:
                self.problems += error.problems
                continue
            pieces += [text[done : node.start_mark.index], written]
            done = node.end_mark.index
        return "".join([*pieces, text[done:]])

    def _address(
        self, document: Document, name: str, resource: Mapping[str, Any], path: str
    ) -> str:
        if resource["Type"] == STACK_TYPE:
            return self._package_nested(document, name, path)
        artifact = self._package_function(document, name, resource, path)
        self.functions[f"{document.name}:{name}"] = artifact
        if self._folder is None:
            return (
                f"./{artifact.name}"
                if document.path.endswith(".yaml")
                else json.dumps(f"./{artifact.name}")
            )
        return json.dumps(
            {"S3Bucket": self._folder.bucket, "S3Key": self._folder.key(artifact.name)}
        )

    def _package_nested(self, document: Document, name: str, path: str) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(document.path), path))
        nested = next(
            (candidate for candidate in self._rendering.documents if candidate.path == target), None
        )
        if nested is None:
            raise self._error(
                document,
                (name, "Properties", "TemplateURL"),
                "SW605",
                f"no stack renders to {target}",
            )
        address = self.template(nested).address
        return address if document.path.endswith(".yaml") else json.dumps(address)

    def _package_function(
        self, document: Document, name: str, resource: Mapping[str, Any], path: str
    ) -> Artifact:
        config = self._rendering.config
        place = (name, "Properties", "Code")
        source = (
            config.project / "build" / self._rendering.environment / document.path
        ).parent / path
        source = Path(posixpath.normpath(source.as_posix()))
        runtime = str(resource["Properties"].get("Runtime", ""))
        architectures = resource["Properties"].get("Architectures") or ["x86_64"]
        architecture = "aarch64" if "arm64" in architectures else "x86_64"
        env_files = self._read_env_files(document, name, resource)
        key = (source.as_posix(), runtime, architecture, *env_files)
        if key not in self._zips:
            if not source.exists():
                raise self._error(
                    document, place, "SW605", f"{path}, the code of {name}, does not exist"
                )
            extra = function_zip.dotenv_files(config.dotenv, env_files)
            data = self._build_code(source, runtime, architecture, extra)
            unzipped = _measure_unzipped(data)
            if unzipped is None:
                raise self._error(
                    document, place, "SW605", f"{path}, the code of {name}, is a damaged zip"
                )
            function_zip.require_limits(data, unzipped, lambda: self._at(document, place))
            self._zips[key] = self._add_artifact(data, ".zip")
        return self._zips[key]

    def _build_code(
        self, source: Path, runtime: str, architecture: str, extra: Mapping[str, bytes]
    ) -> bytes:
        project = self._rendering.config.project
        if not source.is_dir():
            data = read_file(source, project)
            return (
                data
                if zipfile.is_zipfile(io.BytesIO(data))
                else function_zip.make_zip({source.name: data, **extra})
            )
        require_readable(source, project)
        packages = function_zip.install_dependencies(project, source, runtime, architecture)
        own = function_zip.read_source_files(project, source)
        return function_zip.make_zip({**packages, **own, **extra})

    def _read_env_files(
        self, document: Document, name: str, resource: Mapping[str, Any]
    ) -> tuple[str, ...]:
        metadata = resource.get("Metadata")
        settings = metadata.get("stackwright") if isinstance(metadata, dict) else None
        names = settings.get("env_files", []) if isinstance(settings, dict) else []
        if not isinstance(names, list) or any(file not in _ENV_FILES for file in names):
            message = f"env_files of {name} may name aws.env and .env only"
            raise self._error(
                document, (name, "Metadata", "stackwright", "env_files"), "SW606", message
            )
        return tuple(sorted(names))

    def _error(
        self, document: Document, place: tuple[str, ...], code: str, message: str
    ) -> InputError:
        return InputError.of(code, message, *self._at(document, place))

    @staticmethod
    def _at(document: Document, place: tuple[str, ...]) -> tuple[Location, ...]:
        return document.lines[line_of_path(document.text, ("Resources", *place)) - 1].origin


def _measure_unzipped(data: bytes) -> int | None:
    """Size of the unpacked files of a zip in bytes; None where it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:
        return None


def _find_local_paths(
    document: Document,
) -> Iterator[tuple[str, Mapping[str, Any], yaml.ScalarNode]]:
    """Logical ID, resource and node of every property that is a local path, in order of the
    text."""
    resources = document.resources()
    if not any(resource.get("Type") in _LOCAL for resource in resources.values()):
        return  # parsing takes much longer
    root = compose_yaml(document.text, document.path)
    for name, node in _entries(_child(root, "Resources")):
        key = _LOCAL.get(str(resources.get(name, {}).get("Type")))
        value = _child(_child(node, "Properties"), key) if key else None
        if (
            isinstance(value, yaml.ScalarNode)
            and not value.tag.startswith("!")
            and "://" not in value.value
        ):
            yield name, resources[name], value


def _entries(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, value) for key, value in node.value)


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    return next((value for name, value in _entries(node) if name == key), None)
