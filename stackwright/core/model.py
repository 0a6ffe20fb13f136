"""The frozen types that flow through the pipeline; see the package docstring for the order.

Nothing here reads, writes or decides: a stage takes these values and makes new ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

ParameterPath = tuple[str | int, ...]
"""Keys and indexes from the root of the merged parameters, e.g. ``("gateway", "cpu")``."""


def dotted(path: ParameterPath) -> str:
    """``("network", "azs", 0)`` as ``network.azs[0]``, the way users write it."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def key_with_dot(path: ParameterPath) -> tuple[str, str] | None:
    """The message and hint about the first key of a path that is itself written like a path,
    ``worker.memory: 5``; None where there is no such key."""
    for index, key in enumerate(path):
        parts = str(key).split(".")
        if len(parts) > 1 and all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", part) for part in parts):
            owner = f" of {dotted(path[:index])}" if index else ""
            message = (
                f"{key!r}{owner}: with a dot in it, that is one key, not {parts[-1]} in "
                f"{'.'.join(parts[:-1])}"
            )
            return message, f"write {' below '.join(f'{part}:' for part in reversed(parts))}"
    return None


def logical_id(name: str) -> str:
    """``url-secrets`` as ``UrlSecrets``: a logical ID is alphanumeric.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resources-section-structure.html
    """
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", str(name)))


class Level(StrEnum):
    """How much a problem matters; only ``ERROR`` fails a command."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Location(Struct, frozen=True, order=True):
    """A place in a file of the project: POSIX path relative to the project, lines from 1 (0: the
    whole file)."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class Problem(Struct, frozen=True):
    """One thing that is wrong, or worth a look.

    ``where`` lists the places to edit, best first; ``output`` is the generated line that shows it.
    """

    code: str
    message: str
    where: tuple[Location, ...] = ()
    hint: str = ""
    level: Level = Level.ERROR
    output: Location | None = None


class Waiver(Struct, frozen=True):
    """A rule switched off for one resource, with the reason its author gave."""

    code: str
    resource: str
    reason: str
    where: Location


class Leaf(Struct, frozen=True):
    """One merged parameter value, where it was given, and the leaf it overrode (newest first)."""

    path: ParameterPath
    value: Any
    location: Location
    overrode: Leaf | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """One line of a dotenv file."""

    name: str
    value: str = field(repr=False)
    location: Location


class Dotenv(Struct, frozen=True):
    """The dotenv files of one environment after classification; secrets are names only, never
    values."""

    plain: Mapping[str, str]
    secret_names: tuple[str, ...]
    function: Mapping[str, str]
    aws: Mapping[str, str]
    locations: Mapping[str, Location]


class NestedStack(Struct, frozen=True):
    """One entry below a root in ``stacks:``.

    ``template`` is the file's stem in the root's folder, ``when`` a Jinja expression over the
    parameters that switches it, ``variables`` extra names the template sees, ``after`` earlier
    stacks that must stand first although nothing is taken from them.
    """

    name: str
    template: str
    when: str | None
    variables: Mapping[str, Any]
    after: tuple[str, ...]
    location: Location


class RootStack(Struct, frozen=True):
    """One root stack and its nested stacks, in the order in which they depend on one another."""

    name: str
    template: str
    when: str | None
    variables: Mapping[str, Any]
    location: Location
    nested: tuple[NestedStack, ...] = ()


class Config(Struct, frozen=True):
    """Everything that was read for one environment, merged and checked."""

    project: Path
    environment: str
    parameters: Mapping[str, Any]
    leaves: Mapping[ParameterPath, Leaf]
    stacks: tuple[RootStack, ...]
    dotenv: Dotenv
    problems: tuple[Problem, ...] = ()

    @property
    def region(self) -> str:
        """The AWS Region the stacks are for; ``us-east-1`` where the project names none."""
        return str(self.parameters.get("region") or "us-east-1")

    @property
    def account(self) -> str | None:
        """The account's twelve digits, from the parameter ``account_id``; None where it is not
        given."""
        account = self.parameters.get("account_id")
        return str(account) if account else None

    @property
    def prefix(self) -> str:
        """The start of the stacks' names: the parameter ``prefix``, or
        ``<project>-<environment>``."""
        parts = (self.parameters.get("project"), self.environment)
        return str(self.parameters.get("prefix") or "-".join(str(part) for part in parts if part))


class Line(Struct, frozen=True):
    """Where one line of output came from.

    ``origin`` is the template line, followed by the lines that called or included it, innermost
    first; ``parameters`` are the parameters printed on it.
    """

    origin: tuple[Location, ...]
    parameters: tuple[ParameterPath, ...] = ()


class Declaration(Struct, frozen=True):
    """A template Parameter or Output: its logical ID, its body in long form, and its line of
    output."""

    name: str
    body: Mapping[str, Any]
    line: int


class Document(Struct, frozen=True):
    """One rendered template.

    ``name`` is ``app`` or ``app/network``; ``path`` is relative to ``build/<env>``; ``body`` holds
    the parsed template with intrinsics in long form; ``lines[n]`` tells where line ``n + 1`` of
    ``text`` came from.
    """

    name: str
    template: str
    path: str
    text: str
    body: Mapping[str, Any]
    lines: tuple[Line, ...]
    starts: Mapping[tuple[str, str], int] = {}
    """Section and logical ID -> line of output (from 1)."""

    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """Logical ID -> resource."""
        resources = self.body.get("Resources")
        return (
            {k: v for k, v in resources.items() if isinstance(v, dict)}
            if isinstance(resources, dict)
            else {}
        )

    @property
    def root(self) -> str:
        """The root stack it belongs to."""
        return self.name.partition("/")[0]


class SourceKind(StrEnum):
    """Where a stack's Parameter takes its value."""

    GIVEN = "given"
    SIBLING = "sibling output"
    ROOT = "root parameter"
    OUTPUT = "output of an earlier root"
    IMAGE = "image"
    SECRET = "secret version"  # noqa: S105 - the name of a kind, not a secret


class Source(Struct, frozen=True):
    """The one place a Parameter takes its value from.

    ``stack`` and ``name`` identify it: a sibling's logical ID and Output, a root's name and Output,
    the root's own Parameter, or the key in ``images`` or ``secrets``.
    """

    kind: SourceKind
    name: str
    stack: str = ""


class Interface(Struct, frozen=True):
    """The Parameters and Outputs of a stack.

    ``reads`` holds the Outputs of its nested stacks that it reads, as (logical ID, Output).
    """

    name: str
    parameters: Mapping[str, Declaration]
    outputs: Mapping[str, Declaration]
    reads: frozenset[tuple[str, str]] = frozenset()
    lines: tuple[Line, ...] = ()


class Wiring(Struct, frozen=True):
    """How one root and its nested stacks are connected.

    ``nested`` maps a nested stack's name to its Parameters' sources; ``parameters`` are the
    declarations the root needs besides its own; ``sources`` says where the root's own Parameters
    come from (a Parameter that is not in it is bound by hand or has a Default).
    """

    nested: Mapping[str, Mapping[str, Source]] = {}
    parameters: Mapping[str, Declaration] = {}
    sources: Mapping[str, Source] = {}
    problems: tuple[Problem, ...] = ()


class Rendering(Struct, frozen=True):
    """All templates of one environment: roots in deployment order, each followed by its nested
    stacks."""

    config: Config
    documents: tuple[Document, ...]
    wiring: Mapping[str, Wiring]
    problems: tuple[Problem, ...] = ()
    local_paths: tuple[str, ...] = ()
    """Files and folders of the project that its templates name by ``local_path``."""
    inputs: str = ""
    """The hash of all inputs; empty where it was not computed."""

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.config.environment

    def document(self, name: str) -> Document | None:
        """The document called ``app`` or ``app/network``, if it is there."""
        return next((document for document in self.documents if document.name == name), None)


class Report(Struct, frozen=True):
    """The result of ``check``: problems sorted by place, and the waivers in force."""

    problems: tuple[Problem, ...]
    waivers: tuple[Waiver, ...] = ()
    unchanged: int = 0
    """How many templates were not linted again because nothing that they depend on changed."""

    @property
    def failed(self) -> bool:
        """Whether anything is an error."""
        return has_errors(self.problems)


def has_errors(problems: Sequence[Problem]) -> bool:
    """Whether any of the problems is an error."""
    return any(problem.level is Level.ERROR for problem in problems)


class S3Folder(Struct, frozen=True):
    """Where artifacts are uploaded: a bucket, its Region, and a prefix without slashes at its
    ends."""

    bucket: str
    region: str
    prefix: str = ""

    def key(self, name: str) -> str:
        """The object key of a file."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def url(self, name: str) -> str:
        """The address that TemplateURL takes.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
        """
        return f"https://{self.bucket}.s3.{self.region}.{url_suffix(self.region)}/{self.key(name)}"


_URL_SUFFIXES = {
    "cn": "amazonaws.com.cn",
    "eusc": "amazonaws.eu",
    "us-iso": "c2s.ic.gov",
    "us-isob": "sc2s.sgov.gov",
    "eu-isoe": "cloud.adc-e.uk",
    "us-isof": "csp.hci.ic.gov",
}
"""First part of a Region's name -> domain, for the partitions whose domain is not amazonaws.com.

Source: botocore's data/partitions.json, which takes long to read.
"""


def url_suffix(region: str) -> str:
    """The domain of AWS's addresses in a Region, which ``AWS::URLSuffix`` holds.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
    """
    suffixes = (suffix for start, suffix in _URL_SUFFIXES.items() if region.startswith(f"{start}-"))
    return next(suffixes, "amazonaws.com")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file to upload, named by its content: ``<sha256>.zip`` or ``<sha256>.template.yaml``
    (``.json``)."""

    name: str
    sha256: str
    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)


class PackagedTemplate(Struct, frozen=True):
    """A template whose local paths have become the addresses of artifacts; ``address`` is its
    own."""

    stack: str
    artifact: Artifact
    address: str

    @property
    def text(self) -> str:
        """The text of the template."""
        return self.artifact.data.decode()


class Bundle(Struct, frozen=True):
    """Everything to upload for one environment.

    ``artifacts`` holds each file once, what others refer to first; ``templates`` has the stacks
    ``app`` and ``app/network`` in deployment order; ``functions`` has the zip of each function
    whose Code was a local path, by stack and logical ID (``app/autoscaler:Autoscaler``); ``folder``
    is None where the addresses are relative paths.
    """

    environment: str
    folder: S3Folder | None
    artifacts: tuple[Artifact, ...]
    templates: Mapping[str, PackagedTemplate]
    functions: Mapping[str, Artifact]
