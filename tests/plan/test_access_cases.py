"""Changes of single resources that open access, encrypt less or log less need an approval; those that
do not, in whatever shape, need none. The cases are in ``guardrails/*.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from stackwright.plan.guardrails import FindingKind, GuardrailFinding, find_dangerous_changes
from tests.plan.test_guardrails import plan_of

FOLDER = Path(__file__).parent / "guardrails"
TEMPLATES = "templates"
PROTECTION = {FindingKind.ACCESS, FindingKind.ENCRYPTION, FindingKind.LOGGING}
OTHER_KINDS = {
    "AWS::ApiGateway::UsagePlan, throttle removed": FindingKind.AVAILABILITY,
    "AWS::ECR::Repository, tags mutable": FindingKind.DATA,
    "AWS::KMS::Alias, another key": FindingKind.DATA,
    "AWS::Shield::Protection, removed": FindingKind.AVAILABILITY,
}
"""Dangers that the table counts to another kind."""

Resources = Mapping[str, Any]


def read_cases(name: str) -> Iterator[tuple[str, Resources, Resources]]:
    """Yield the name of each case, and the resources before and after the change."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    for type_, changes in yaml.safe_load(text).items():
        for change, (before, after) in changes.items():
            sides = (before, after)
            if type_ != TEMPLATES:
                sides = tuple(_wrap(type_, properties) for properties in sides)
            yield f"{type_}, {change}", *sides


def _wrap(type_: str, properties: Any) -> Resources:
    return {} if properties is None else {"X": {"Type": type_, "Properties": properties}}


def find(before: Resources, after: Resources) -> list[GuardrailFinding]:
    return find_dangerous_changes(plan_of(before, after))


def is_wanted(name: str, finding: GuardrailFinding) -> bool:
    return finding.kind in PROTECTION or finding.kind is OTHER_KINDS.get(name)


def test_weaker_protection_needs_approval() -> None:
    missed = [
        name
        for name, before, after in read_cases("access_dangers.yaml")
        if not any(is_wanted(name, finding) for finding in find(before, after))
    ]
    assert missed == []


def test_equal_or_stronger_protection_needs_none() -> None:
    alarms = [
        (name, [finding.text for finding in findings])
        for name, before, after in read_cases("harmless_access.yaml")
        if (findings := find(before, after))
    ]
    assert alarms == []


def test_cases_are_many() -> None:
    dangers, harmless = (
        [name.partition(",")[0] for name, *_ in read_cases(file)]
        for file in ("access_dangers.yaml", "harmless_access.yaml")
    )
    assert len(dangers) >= 650
    assert len(set(dangers)) >= 350
    assert len(harmless) >= 160
