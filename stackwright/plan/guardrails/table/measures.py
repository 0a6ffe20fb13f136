"""Read numbers that stand in several properties: ``{Years: 1}`` is as long as ``{Days: 365}``.

A measure is written as terms joined by `` + ``:

- ``Days*1 + Years*365``: the properties, each times a factor;
- ``Interval*IntervalUnit(DAYS=1|WEEKS=7)``: a property times that of the unit beside it;
- ``NumberOfDays*1 + Unlimited(true=inf)``: a number for each value of a property.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ....cfn import template_to_text

_TERM = re.compile(r"(\w+)(?:\*(\w+))?(?:\((.*)\))?")


class Term(Struct, frozen=True):
    """A part of a measure: a property, and its factor or the property that holds its unit.

    ``numbers`` has the number of each unit, or of each value where there is no unit.
    """

    key: str
    unit: str = ""
    numbers: Mapping[str, float] = {}

    def amount(self, value: Mapping[str, Any]) -> float:
        """Return the part of the property; 0 where it is not set.

        Raises:
            ValueError: the property is no number.
        """
        if self.key not in value:
            return 0
        text = template_to_text(value[self.key])
        if not self.unit:
            return self.numbers.get(text.lower(), 0)
        if self.unit.isdigit():
            return float(text) * float(self.unit)
        unit = template_to_text(value.get(self.unit, "")).lower()
        return float(text) * self.numbers.get(unit, 0)


class Measure(Struct, frozen=True):
    """How a number is read from the properties of a value."""

    terms: tuple[Term, ...]

    def total(self, value: Mapping[str, Any]) -> float | None:
        """Return the number that the properties stand for; None where none of them is set."""
        if not any(term.key in value for term in self.terms):
            return None
        return sum(term.amount(value) for term in self.terms)


def parse_measure(text: str) -> Measure | None:
    """Return the measure that a text describes; None where it describes none."""
    terms = [_TERM.fullmatch(part) for part in text.split(" + ")]
    if "*" not in text or not all(terms):
        return None
    return Measure(tuple(_read_term(*match.groups("")) for match in terms if match))


def _read_term(key: str, unit: str, numbers: str) -> Term:
    pairs = (pair.split("=") for pair in filter(None, numbers.split("|")))
    return Term(key, unit, {name.lower(): float(number) for name, number in pairs})
