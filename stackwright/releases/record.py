"""A release, as types and as the JSON of its two records. Pure.

``releases/<environment>/000012/started.json`` is written before the first change and never
overwritten: it takes the number. ``ended.json`` beside it says how it went, and what was deployed
in the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import DecodeError, Struct, field, to_builtins
from msgspec.json import Decoder

from ..cfn import replace_non_ascii
from ..core import Problem

VERSION = 1
"""Of the records' form; a reader refuses newer ones."""
STARTED, ENDED = "started.json", "ended.json"


class ReleaseResult(StrEnum):
    """How a release ended."""

    DEPLOYED = "deployed"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"
    INTERRUPTED = "interrupted"
    """Its record has no end, and no operation is in progress."""
    RUNNING = "running"


class StoredTemplate(Struct, frozen=True):
    """A template in the bucket: its address, and the SHA-256 of its text in hex."""

    url: str
    sha256: str


class RootRelease(Struct, frozen=True):
    """What a release made of one root stack.

    ``templates`` holds the root (``app``) and its nested stacks (``app/network``); ``body`` the
    root's own text where it was deployed before there was a bucket. ``parameters`` are those that
    are known not to be NoEcho, ``hidden`` names the others. ``kind`` is what was planned (create,
    update, nothing …), ``status`` the stack's at the end, empty where it was not reached; ``ok``
    whether it ended as asked for; ``seconds`` what it took. ``digest`` is the root's
    `template_digest`.
    """

    root: str
    stack: str
    templates: Mapping[str, StoredTemplate]
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    kind: str
    hidden: tuple[str, ...] = ()
    inline: bool = False
    body: str = ""
    digest: str = ""
    status: str = ""
    ok: bool = False
    seconds: float = 0.0


class Release(Struct, frozen=True):
    """One deployment of an environment: who, when, of what, with which result (None: its record has
    no end).

    ``images`` are references by digest, by name; ``secrets`` (name, version id) by key;
    ``artifacts`` keys of zips and templates in ``bucket``. ``changes`` counts resources by add,
    change, replace and remove, and new secret versions. ``restores`` is the release that it went
    back to, ``run`` a random name that tells two simultaneous deployments apart, ``cause`` why it
    failed, in a sentence. ``orphaned`` are root stacks of earlier releases that still existed and
    are no part of it, by their former name in ``stacks:``.
    """

    number: int
    environment: str
    account: str
    region: str
    bucket: str
    started: datetime
    by: str
    commit: str
    tool: str
    roots: tuple[RootRelease, ...] = ()
    images: Mapping[str, str] = {}
    secrets: Mapping[str, tuple[str, str]] = {}
    artifacts: tuple[str, ...] = ()
    changes: Mapping[str, int] = {}
    restores: int | None = None
    run: str = ""
    ended: datetime | None = None
    result: ReleaseResult | None = None
    cause: str = ""
    orphaned: Mapping[str, str] = field(default_factory=dict, name="left")

    @property
    def seconds(self) -> float | None:
        """How long it took; None where its record has no end."""
        return (self.ended - self.started).total_seconds() if self.ended else None


class History(Struct, frozen=True):
    """Releases, newest first, and what is wrong with records that cannot be read."""

    releases: tuple[Release, ...]
    problems: tuple[Problem, ...] = ()


def template_digest(text: str) -> str:
    """SHA-256 of a template as GetTemplate gives it: botocore parses JSON, so its layout is lost on
    the way, and characters beyond ASCII are question marks."""
    text = replace_non_ascii(text)
    with contextlib.suppress(ValueError):
        text = json.dumps(json.loads(text), sort_keys=True)
    return hashlib.sha256(text.strip().encode()).hexdigest()


def records_prefix(environment: str) -> str:
    """Prefix of the keys of an environment's records."""
    return f"releases/{environment}/"


def record_key(environment: str, number: int, name: str) -> str:
    """Key of one record; six digits, so that they sort."""
    return f"{records_prefix(environment)}{number:06d}/{name}"


def number_of(object_key: str) -> int | None:
    """The release that a record's key belongs to; None for any other object."""
    number, _, name = object_key.rpartition("/")
    digits = number.rpartition("/")[2]
    return int(digits) if name in (STARTED, ENDED) and digits.isdecimal() else None


def record_to_json(release: Release) -> bytes:
    """A record; the same release gives the same bytes."""
    data = {"version": VERSION, **to_builtins(release)}
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False).encode()


class _Header(Struct, frozen=True):
    """What every version of a record has."""

    version: int


# A decoder reads the annotations of its type when it is made. Threads that do so at once crash the
# interpreter (msgspec 0.22), and records are read in threads: so both are made here.
_HEADER, _RELEASE = Decoder(_Header), Decoder(Release)


def record_from_json(data: bytes) -> Release:
    """Raises ValueError where it is no record of a version that is known here."""
    try:
        if _HEADER.decode(data).version > VERSION:
            raise ValueError("a newer version of this tool wrote it")
        return _RELEASE.decode(data)
    except DecodeError as error:
        raise ValueError(f"it is no release record ({error})") from error
