"""The table of protections: every row finds the change that it describes, and only that one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from stackwright.cfn import Schemas
from stackwright.core import HIDDEN
from stackwright.diff.model import Diff, Effect, PropertyDiff, ResourceDiff, mask_all
from stackwright.plan.guardrails import FindingKind
from stackwright.plan.guardrails.table import Direction, Protection, find_weakened, read_protections
from stackwright.plan.model import (
    Certainty,
    DesiredStack,
    ListedChange,
    PlannedChange,
    RootAction,
    RootPlan,
)
from tests.support.protections import has_path, weaken

ROWS = read_protections()
PROPERTY_ROWS = [row for row in ROWS if not row.whole]
WHOLE_ROWS = [row for row in ROWS if row.whole]


def concrete(row: Protection) -> str:
    return row.type.replace("*", "Thing") if row.type != "*" else "AWS::S3::Bucket"


def plan_of(*diffs: ResourceDiff) -> RootPlan:
    changes = tuple(PlannedChange(diff, ListedChange.BOTH, Certainty.CERTAIN) for diff in diffs)
    desired = DesiredStack("app", "news-dev-app", {}, {}, {}, {})
    return RootPlan(desired, RootAction.UPDATE, Diff(diffs), changes)


def findings(type_: str, before: Any, after: Any, effect: Effect = Effect.CHANGE) -> list[Any]:
    sides = [mask_all(side) for side in (before, after)]
    diff = ResourceDiff("app", "X", type_, effect, before=sides[0], after=sides[1])
    root = plan_of(diff)
    return list(find_weakened(root, root.changes[0]))


def texts_of(*arguments: Any) -> list[str]:
    return [finding.description for finding in findings(*arguments)]


def fails(rows: Sequence[Protection], holds: Callable[[Protection, Any, Any], bool]) -> list[str]:
    """Rows that a statement does not hold for; one test for all keeps the suite quick."""
    return [
        f"{row.type} {row.path} {row.direction}: {weaken(row)}"
        for row in rows
        if not holds(row, *weaken(row))
    ]


def test_every_row_finds_a_weaker_property() -> None:
    def is_found(row: Protection, before: Any, after: Any) -> bool:
        return any(
            row.says in finding.description and finding.kind is row.kind and finding.source
            for finding in findings(concrete(row), before, after)
        )

    assert fails(PROPERTY_ROWS, is_found) == []


def test_no_row_finds_a_stronger_property() -> None:
    said = Counter((row.type, row.says) for row in ROWS)

    def is_silent(row: Protection, before: Any, after: Any) -> bool:
        if row.direction is Direction.CHANGED or said[row.type, row.says] > 1:
            return True  # both ways are dangerous
        return not any(row.says in text for text in texts_of(concrete(row), after, before))

    assert fails(PROPERTY_ROWS, is_silent) == []


def test_no_row_finds_a_value_that_stays() -> None:
    def is_silent(row: Protection, before: Any, after: Any) -> bool:
        return not any(findings(concrete(row), side, side) for side in (before, after))

    assert fails(PROPERTY_ROWS, is_silent) == []


def test_rows_of_new_resources_find_an_open_one() -> None:
    def is_found(row: Protection, _: Any, after: Any) -> bool:
        return any(row.says in text for text in texts_of(concrete(row), {}, after, Effect.ADD))

    assert fails([row for row in PROPERTY_ROWS if row.new], is_found) == []


def test_other_rows_find_nothing_in_a_new_resource() -> None:
    def is_silent(row: Protection, _: Any, after: Any) -> bool:
        return not any(row.says in text for text in texts_of(concrete(row), {}, after, Effect.ADD))

    added = [row for row in WHOLE_ROWS if row.direction is Direction.ADDED]
    said = {(row.type, row.says) for row in ROWS if row.new or row in added}
    rows = [row for row in PROPERTY_ROWS if (row.type, row.says) not in said]
    assert fails(rows, is_silent) == []


def test_rows_of_whole_resources_find_their_removal_or_addition() -> None:
    effects = {Direction.REMOVED: Effect.REMOVE, Direction.ADDED: Effect.ADD}

    def is_found(row: Protection, before: Any, _: Any) -> bool:
        sides = ({}, before) if row.direction is Direction.ADDED else (before, {})
        return row.says in texts_of(concrete(row), *sides, effects[row.direction])

    assert fails(WHOLE_ROWS, is_found) == []


# --- the table itself


def test_table_is_as_large_as_it_says() -> None:
    assert len(ROWS) >= 300
    assert len({row.type for row in ROWS}) >= 80
    assert {row.kind for row in ROWS} >= {
        FindingKind.DATA,
        FindingKind.ACCESS,
        FindingKind.ENCRYPTION,
        FindingKind.LOGGING,
        FindingKind.AVAILABILITY,
    }


def test_types_and_paths_of_the_table_exist() -> None:
    schemas = Schemas()
    wrong = [
        f"{row.type} {row.path}"
        for row in ROWS
        if "*" not in row.type
        and not (
            (schema := schemas.get(row.type)) and (row.whole or has_path(schema, row.steps[1:]))
        )
    ]
    assert wrong == []


def test_rows_are_in_order_and_without_repetition() -> None:
    keys = [
        (row.type, row.path, row.direction, str(row.ranks), str(row.conditions)) for row in ROWS
    ]
    assert [key[:2] for key in keys] == sorted(key[:2] for key in keys)
    assert len(keys) == len(set(keys))


def test_numbers_have_a_default() -> None:
    directions = (Direction.SHORTER, Direction.LONGER)
    assert [row for row in ROWS if row.direction in directions and row.default is None] == []


def test_sources_are_controls_rules_or_pages() -> None:
    pattern = re.compile(
        r"FSBP [A-Za-z0-9]+\.\d+|CKV2?_AWS_\d+|GUARD [A-Z0-9_]+|https://docs\.aws\.amazon\.com/\S+\.html"
    )
    sources = {source for row in ROWS for source in row.source.split(", ")}
    assert [source for source in sorted(sources) if not pattern.fullmatch(source)] == []


# --- the engine


def test_changed_secret_of_custom_resource_is_found_though_both_sides_are_hidden() -> None:
    sides = {"Properties": {"Password": HIDDEN}}
    leaf = PropertyDiff("Password", HIDDEN, HIDDEN)
    diff = ResourceDiff(
        "app", "X", "Custom::Thing", Effect.CHANGE, properties=(leaf,), before=sides, after=sides
    )
    root = plan_of(diff)
    assert [finding.kind for finding in find_weakened(root, root.changes[0])] == [FindingKind.DATA]
