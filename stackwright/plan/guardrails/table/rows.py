"""Read the table of protections.

``protections.tsv`` has one row a fact, and these columns:

- ``type``: a resource type, or a pattern of types (``Custom::*``, ``*``).
- ``path``: the property. ``Rules[Id].Status`` is the status of each rule, where the rules before
  and after are paired by their Id; ``Rules[*]`` pairs the rules that are most alike, and
  ``Attributes[Key=idle].Value`` is that of one item, and ``Parameters."rds.force_ssl"`` a key with
  a full stop. ``**.RoleArn`` is every property of that name, at any depth, but for those that have
  a row of their type. ``-`` is the resource itself, ``@Name`` an attribute beside Properties
  (``@DeletionPolicy``), and ``*`` all properties. A
  path also leads into text in JSON, and ``Text[Name=key].Value`` to the value in a line
  ``key=value``.
- ``direction``: the change that weakens; see `Direction`.
- ``values``: for ``order``, the values from strong to weak, ``a|b > c > *``: ``|`` joins equally
  strong ones, ``*`` is any other value and ``-`` none, and ``@name`` a list in ``orders.tsv``. For
  ``shorter`` and ``longer``, the number that stands for no end, ``-1``, or a measure, ``Days*1 +
  Years*365``, where the number stands in several properties; see `measures`.
- ``kind``: the kind of danger, a `FindingKind`.
- ``default``: the value that a missing property stands for; ``never`` is an endless time.
- ``new``: ``yes`` where a new resource is judged too, as if it had been all closed before; ``no``
  where not even a new item of a list is.
- ``when``: conditions on the resource as it will be (as it was, where it is removed), joined by
  ``&``: ``Egress!=true``, ``.Status=Enabled`` for the item of the list that holds the value,
  ``Logs=-`` for a property that is not set. Values may be patterns, joined by ``|``.
- ``says``: the predicate of the finding, ``no longer keeps old versions``.
- ``source``: published controls (``FSBP S3.8`` is a control of AWS Security Hub, ``CKV_AWS_53`` one
  of checkov, ``GUARD …`` one of cfn-guard's rules registry) or the page of the documentation.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from msgspec import Struct

from ..finding import FindingKind
from .measures import Measure, parse_measure

_FOLDER = Path(__file__).parent
_STEP = re.compile(r'\[([^\]=]+)(?:=([^\]]*))?\]|"([^"]+)"|([^.\[\]"]+)')
_ITEM = re.compile(r"\[[^\]]*\]")
_RESOURCE = "-"
_DEEP = "**"
_DOCUMENTED = "doc"
_PAGES = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-"


class Direction(StrEnum):
    """The change of a value that weakens a protection."""

    ON = "on"
    """It was true, and no longer is."""
    OFF = "off"
    """It was not true, and becomes true."""
    ORDER = "order"
    """It moves to a weaker value of an ordered list."""
    SHORTER = "shorter"
    """The number falls."""
    LONGER = "longer"
    """The number grows."""
    FEWER = "fewer"
    """The list loses an item."""
    MORE = "more"
    """The list gains an item."""
    REMOVED = "removed"
    """It was given, and no longer is."""
    ADDED = "added"
    """It was not given, and now is."""
    CHANGED = "changed"
    """It gets another value."""
    WIDER = "wider"
    """An address range lets in addresses that were outside."""
    BROADER = "broader"
    """The prefix matches names that it did not match."""
    NARROWER = "narrower"
    """The prefix no longer matches some names."""


_DEFAULTS = {Direction.OFF: "false", Direction.BROADER: "", Direction.NARROWER: ""}


class RowStep(Struct, frozen=True):
    """A step of a path: into a map by its ``key``, into a list, or to any depth.

    ``identity`` is the key that pairs the items of a list (``*``: none does), ``item`` the identity
    of the only item that counts. ``deep`` says that the rest of the path may start at any depth.
    """

    key: str = ""
    deep: bool = False
    identity: str = ""
    item: str | None = None


class RowCondition(Struct, frozen=True):
    """A condition of a row: the value at a path is, or is not, one of the patterns.

    ``inner`` says that the path starts at the item of the list that holds the judged value.
    """

    path: tuple[str, ...]
    patterns: tuple[str, ...]
    negated: bool
    inner: bool


class Protection(Struct, frozen=True):
    """A fact: one change of one property weakens a protection.

    ``kept_items`` says that only items of lists count that were there before.
    """

    type: str
    path: str
    direction: Direction
    kind: FindingKind
    says: str
    source: str
    ranks: tuple[tuple[str, ...], ...] = ()
    endless: str = ""
    default: str | None = None
    measure: Measure | None = None
    new: bool = False
    kept_items: bool = False
    conditions: tuple[RowCondition, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is about the resource itself, not a property."""
        return self.path == _RESOURCE

    @property
    def deep(self) -> bool:
        """Whether it is about all properties of a name, at any depth."""
        return _DEEP in self.path

    @property
    def steps(self) -> tuple[RowStep, ...]:
        """The steps from the resource's attributes to the value."""
        return parse_steps(self.path)


@cache
def parse_steps(path: str) -> tuple[RowStep, ...]:
    """Return the steps of a row's path, from the resource's attributes on."""
    if path.startswith("@"):
        return (RowStep(path[1:]),)
    if path == "*":
        return (RowStep("Properties"),)
    return (RowStep("Properties"), *(_read_step(*match.groups()) for match in _STEP.finditer(path)))


def _read_step(identity: str | None, item: str | None, quoted: str | None, key: str) -> RowStep:
    if identity:
        return RowStep(identity=identity, item=item)
    return RowStep(deep=True) if key == _DEEP else RowStep(key=quoted or key)


@cache
def read_protections() -> tuple[Protection, ...]:
    """Return all rows of the table."""
    orders = {line["name"]: line["values"] for line in _read_lines("orders.tsv")}
    return tuple(_read_row(line, orders) for line in _read_lines("protections.tsv"))


def find_rows(type_: str) -> Sequence[Protection]:
    """Return the rows of a resource type; a row of its own replaces that of a pattern."""
    exact, patterns = _index()
    own = exact.get(type_, ())
    paths = {(row.path, row.direction) for row in own}
    matching = [
        row
        for row in patterns
        if (row.path, row.direction) not in paths and fnmatchcase(type_, row.type)
    ]
    return [*own, *matching]


@cache
def list_own_paths(type_: str) -> frozenset[str]:
    """Return the paths that rows of this very type judge, without the items of lists."""
    exact, _ = _index()
    return frozenset(drop_items(row.path) for row in exact.get(type_, ()))


def drop_items(path: str) -> str:
    """``Rules["a"].Status`` is the path ``Rules.Status``."""
    return _ITEM.sub("", path)


@cache
def _index() -> tuple[Mapping[str, Sequence[Protection]], Sequence[Protection]]:
    exact: dict[str, list[Protection]] = {}
    for row in read_protections():
        exact.setdefault(row.type, []).append(row)
    patterns = [row for type_ in exact if "*" in type_ for row in exact[type_]]
    return exact, patterns


def _read_lines(name: str) -> Iterator[Mapping[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def _read_row(line: Mapping[str, str], orders: Mapping[str, str]) -> Protection:
    direction, values = Direction(line["direction"]), line["values"]
    ordered = direction is Direction.ORDER
    if values.startswith("@"):
        values = orders[values[1:]]
    measure = None if ordered else parse_measure(values)
    return Protection(
        type=line["type"],
        path=line["path"],
        direction=direction,
        kind=FindingKind(line["kind"]),
        says=line["says"],
        source=", ".join(_expand(part, line["type"]) for part in line["source"].split(", ")),
        ranks=tuple(tuple(rank.split("|")) for rank in values.split(" > ")) if ordered else (),
        endless="" if ordered or measure else values,
        default=line["default"] or _DEFAULTS.get(direction),
        measure=measure,
        new=line["new"] == "yes",
        kept_items=line["new"] == "no",
        conditions=tuple(_read_conditions(line["when"])),
    )


def _expand(source: str, type_: str) -> str:
    """Return a source in full: for ``doc``, the page of the type."""
    if source != _DOCUMENTED:
        return source
    _, service, name = type_.lower().split("::")
    return f"{_PAGES}{service}-{name}.html"


def _read_conditions(text: str) -> Iterator[RowCondition]:
    for part in filter(None, text.split("&")):
        path, _, patterns = part.partition("=")
        name = path.removesuffix("!")
        yield RowCondition(
            path=tuple(name.removeprefix(".").split(".")),
            patterns=tuple(patterns.split("|")),
            negated=path.endswith("!"),
            inner=name.startswith("."),
        )
