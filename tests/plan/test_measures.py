"""Numbers that stand in several properties."""

from __future__ import annotations

import math
from typing import Any

import pytest

from stackwright.plan.guardrails.table.measures import parse_measure

DAYS = "Days*1 + Years*365"
UNITS = "Value*Unit(Days=1|Weeks=7)"
ENDLESS = "NumberOfDays*1 + Unlimited(true=inf)"


@pytest.mark.parametrize(
    ("measure", "value", "total"),
    [
        (DAYS, {"Days": 30}, 30),
        (DAYS, {"Years": "1", "Mode": "COMPLIANCE"}, 365),
        (DAYS, {"Mode": "COMPLIANCE"}, None),
        (UNITS, {"Value": 2, "Unit": "Weeks"}, 14),
        (UNITS, {"Value": 2, "Unit": "weeks"}, 14),
        (ENDLESS, {"NumberOfDays": 3}, 3),
        (ENDLESS, {"Unlimited": True}, math.inf),
        (ENDLESS, {"Unlimited": False, "NumberOfDays": 3}, 3),
    ],
)
def test_measure_adds_properties_in_their_units(
    measure: str, value: dict[str, Any], total: float | None
) -> None:
    parsed = parse_measure(measure)
    assert parsed is not None
    assert parsed.total(value) == total


@pytest.mark.parametrize("text", ["", "-1", "0"])
def test_number_is_no_measure(text: str) -> None:
    assert parse_measure(text) is None
