"""The deployment guide, claim by claim, held against ``build/guide``.

``claims.yaml`` is the table; its head explains the columns. A path is followed through the template
in long form (``!Ref X`` is ``{"Ref": "X"}``); whatever it cannot follow is a miss, never a match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from stackwright.cfn.template import parse_template

PROJECT = Path(__file__).parents[2]
BUILD = PROJECT / "build" / "guide"
MISSING = object()
"""Value of a path that does not exist; not None, which a template can hold."""


@dataclass(frozen=True)
class Claim:
    """One row. ``expected`` is ``("value" | "contains" | "absent", what)``."""

    section: str
    claim: str
    at: str
    expected: tuple[str, Any]
    deviation: str | None = None
    reason: str | None = None

    @property
    def data(self) -> Any:
        """The document in which ``at`` is."""
        return document(self.at.partition(":")[0])

    def __str__(self) -> str:
        return f"{self.section} | {self.claim}"


@cache
def claims() -> tuple[Claim, ...]:
    """All rows in the order of the guide. Raises ValueError for a row that says too little or too
    much."""
    text = Path(__file__).with_name("claims.yaml").read_text(encoding="utf-8")
    return tuple(
        _claim(group["section"], row) for group in yaml.safe_load(text) for row in group["claims"]
    )


def _claim(section: str, row: dict[str, Any]) -> Claim:
    kinds = [kind for kind in ("value", "contains", "absent") if kind in row]
    known = {"claim", "at", "deviation", "reason", *kinds}
    if len(kinds) != 1 or set(row) - known or ("deviation" in row) != ("reason" in row):
        raise ValueError(
            f"{section}: {row}: one of value, contains or absent; deviation with its reason"
        )
    expected = (kinds[0], row[kinds[0]])
    return Claim(
        section, row["claim"], row["at"], expected, row.get("deviation"), row.get("reason")
    )


@cache
def document(file: str) -> Any:
    """What ``at`` begins with: a template of the build, a dotenv file, or any other file as
    text."""
    path = PROJECT / file
    if path.suffix == ".txt":
        return path.read_text(encoding="utf-8")
    if path.name.endswith(".env"):
        return dotenv_values(path, interpolate=False)
    data = parse_template((BUILD / f"{file}.yaml").read_text(encoding="utf-8")).data
    others = {section: data.get(section, {}) for section in ("Parameters", "Outputs")}
    return {**data["Resources"], **others}


def steps(path: str) -> list[str]:
    """``A.B[Name=x].*`` as ``["A", "B", "[Name=x]", "*"]``."""
    return re.findall(r"\[[^\]]+\]|[^.\[]+", path)


def follow(data: Any, path: list[str]) -> Any:
    """What stands at the end of ``path``: MISSING, one value, or after ``*`` a list of those there
    are."""
    for index, step in enumerate(path):
        if step == "*" or step == "[*]" or (step.startswith("[") and isinstance(data, Mapping)):
            return _all(data, step, path[index + 1 :])
        data = _one(data, step)
        if data is MISSING:
            return MISSING
    return data


def _all(data: Any, step: str, rest: list[str]) -> Any:
    """Every item of a list or map. ``*[Key=value]`` keeps those that have that value."""
    items = list(data.values()) if isinstance(data, Mapping) else list(data)
    items = [item for item in items if isinstance(item, Mapping)]
    if rest and "=" in rest[0]:
        items = [item for item in items if _has(item, rest[0])]
        rest = rest[1:]
    elif step not in ("*", "[*]"):
        return MISSING
    # Parameters and Outputs stand beside the resources, and are none.
    values = [follow(item, rest) for item in items if "Type" in item or step == "[*]"]
    return [value for value in values if value is not MISSING]


def _one(data: Any, step: str) -> Any:
    if not step.startswith("["):
        return data.get(step, MISSING) if isinstance(data, Mapping) else MISSING
    if not isinstance(data, list):
        return MISSING
    if "=" in step:
        return next((item for item in data if _has(item, step)), MISSING)
    return data[int(step[1:-1])] if int(step[1:-1]) < len(data) else MISSING


def _has(item: Any, selector: str) -> bool:
    key, _, value = selector[1:-1].partition("=")
    return isinstance(item, Mapping) and str(item.get(key)) == value


def problem(claim: Claim, data: Any) -> str | None:
    """Why ``claim`` does not hold in ``data``, which is ``claim.data`` or a changed copy; None if
    it does."""
    path = steps(claim.at.partition(":")[2])
    value = follow(data, path)
    kind, wanted = claim.expected
    if kind == "absent":
        parent = follow(data, path[:-1])
        if parent is MISSING or parent in ({}, []):
            return f"{claim.at}: not even the parent is there"
        return None if value is MISSING else f"{claim.at}: {value!r} should not be there"
    if value is MISSING:
        return f"{claim.at}: nothing is there"
    holds = (
        value == wanted and type(value) is type(wanted)
        if kind == "value"
        else _contains(value, wanted)
    )
    return None if holds else f"{claim.at}: found {value!r}, expected {kind} {wanted!r}"


def _contains(value: Any, wanted: Any) -> bool:
    if isinstance(value, Mapping):
        return isinstance(wanted, Mapping) and all(
            value.get(key) == part for key, part in wanted.items()
        )
    return isinstance(value, (list, str)) and wanted in value
