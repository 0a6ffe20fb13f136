"""Tell whether the condition of a statement implies another, by operators and values.

A condition is a set of tests that must all hold. A test implies another of its key where its
operator is understood and its values are no wider; a test whose operator is not understood implies
only itself.

Sources, all below https://docs.aws.amazon.com/IAM/latest/UserGuide/:
reference_policies_elements_condition_operators.html (operators, ``IfExists``, missing keys),
reference_policies_condition-logic-multiple-context-keys-or-values.html (values are alternatives,
and those of a negated operator exclude together), reference_policies_condition-single-vs-multi-
valued-context-keys.html (``ForAllValues``, ``ForAnyValue``), reference_policies_elements_condition
.html (keys ignore case).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from ipaddress import ip_network
from typing import Any

from msgspec import Struct

from ..wording import as_list
from .patterns import escape, includes

_COLON = re.compile(r":(?![^{}]*\})")
"""A colon, but for one in ``${aws:username}``."""
Covers = Callable[[str, str], bool]
"""Whether the second value, of one operator, lets through no more than the first."""


class KeyCondition(Struct, frozen=True):
    """One key of a condition: ``StringEquals``, ``aws:sourceaccount`` and its values."""

    operator: str
    key: str
    values: frozenset[str]

    def implies(self, other: KeyCondition) -> bool:
        """Return whether every request that passes this test certainly passes the other."""
        if self == other:
            return True
        if self.key != other.key or not (self.values and other.values):
            return False
        meaning, wanted = _parse_operator(self.operator), _parse_operator(other.operator)
        if meaning is None or wanted is None or meaning.quantifier != wanted.quantifier:
            return False
        if meaning.if_exists and not wanted.if_exists:
            return False
        if meaning.negated != wanted.negated or (meaning.negated and meaning.quantifier):
            return False
        return _narrows(self, meaning, other, wanted)


class _Meaning(Struct, frozen=True):
    """An operator without its prefix, negation and suffix: ``ForAnyValue``, ``StringEquals``."""

    quantifier: str
    base: str
    negated: bool
    if_exists: bool


_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnLike",
    "ArnNotLike": "ArnLike",
}
_SYNONYMS = {"ArnEquals": "ArnLike"}
"""``ArnEquals`` and ``ArnLike`` behave identically."""


def parse_condition(condition: Mapping[str, Any]) -> frozenset[KeyCondition] | None:
    """Return the tests of a ``Condition`` element; None where it cannot be read."""
    tests = []
    for name, keys in condition.items():
        if not isinstance(keys, Mapping):
            return None
        for key, value in keys.items():
            values = [_text(item) for item in as_list(value)]
            texts = [text for text in values if text is not None]
            if len(texts) < len(values):
                return None
            tests.append(KeyCondition(str(name), str(key).lower(), frozenset(texts)))
    return frozenset(tests)


def _text(value: Any) -> str | None:
    """A value as IAM compares it; None where it is not a plain value."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def implies_all(tests: frozenset[KeyCondition], others: frozenset[KeyCondition]) -> bool:
    """Return whether requests that pass all tests certainly pass all others."""
    return all(any(test.implies(other) for test in tests) for other in others)


def split_values(test: KeyCondition) -> Iterator[KeyCondition]:
    """Yield tests of which one holds exactly where the test holds: one a value, for an operator
    whose values are alternatives; else the test itself."""
    meaning = _parse_operator(test.operator)
    alternatives = meaning is not None and not meaning.negated and not meaning.quantifier
    if not alternatives or len(test.values) < 2:
        yield test
        return
    for value in sorted(test.values):
        yield KeyCondition(test.operator, test.key, frozenset((value,)))


def _parse_operator(name: str) -> _Meaning | None:
    """Return the meaning of an operator; None where it is not known."""
    quantifier, separator, rest = name.rpartition(":")
    if separator and quantifier not in ("ForAllValues", "ForAnyValue"):
        return None
    bare = rest.removesuffix("IfExists")
    base = _NEGATED.get(bare, bare)
    base = _SYNONYMS.get(base, base)
    if base not in _COVERS:
        return None
    return _Meaning(quantifier, base, bare in _NEGATED, bare != rest)


def _narrows(test: KeyCondition, meaning: _Meaning, other: KeyCondition, wanted: _Meaning) -> bool:
    """Whether the values of a test are no wider, its operator being understood."""
    covers = _covering(meaning.base, wanted.base)
    if meaning.negated:  # the values are what is shut out: all that the other shuts out must be
        reverse = _covering(wanted.base, meaning.base)
        return all(any(reverse(mine, value) for mine in test.values) for value in other.values)
    return all(any(covers(value, mine) for value in other.values) for mine in test.values)


def _covering(inner: str, outer: str) -> Covers:
    """Return how a value of the outer operator is compared with one of the inner operator."""
    if inner == outer:
        return _COVERS[outer]
    if inner == "StringEquals" and outer in ("StringLike", "ArnLike"):
        return lambda wide, narrow: _COVERS[outer](wide, escape(narrow))
    return lambda _wide, _narrow: False


def _covers_arn(outer: str, inner: str) -> bool:
    """Compare the six components of ARNs one by one.

    ``${…}`` may stand for several components, but for the same ones on both sides.
    """
    wide, narrow = (_COLON.split(value, 5) for value in (outer, inner))
    unknown = "${" in outer and "${" in inner
    if len(wide) != len(narrow) or (len(wide) != 6 and not unknown):
        return outer == inner
    return all(map(includes, wide, narrow))


def _covers_network(outer: str, inner: str) -> bool:
    try:
        wide, narrow = ip_network(outer), ip_network(inner)
    except ValueError:
        return outer == inner
    return wide.version == narrow.version and (
        int(wide.network_address) <= int(narrow.network_address)
        and int(narrow.broadcast_address) <= int(wide.broadcast_address)
    )


def _compare_numbers(in_order: Callable[[Decimal, Decimal], bool]) -> Covers:
    def covers(outer: str, inner: str) -> bool:
        try:
            return outer == inner or in_order(Decimal(inner), Decimal(outer))
        except InvalidOperation:
            return False

    return covers


def _ignore_case(outer: str, inner: str) -> bool:
    return outer == inner or ("${" not in outer + inner and outer.lower() == inner.lower())


_COVERS: Mapping[str, Covers] = {
    "StringEquals": operator.eq,
    "StringEqualsIgnoreCase": _ignore_case,
    "StringLike": includes,
    "ArnLike": _covers_arn,
    "IpAddress": _covers_network,
    "Bool": _ignore_case,
    "BinaryEquals": operator.eq,
    "NumericEquals": operator.eq,
    "NumericLessThan": _compare_numbers(operator.le),
    "NumericLessThanEquals": _compare_numbers(operator.le),
    "NumericGreaterThan": _compare_numbers(operator.ge),
    "NumericGreaterThanEquals": _compare_numbers(operator.ge),
    "DateEquals": operator.eq,
    "DateLessThan": operator.eq,
    "DateLessThanEquals": operator.eq,
    "DateGreaterThan": operator.eq,
    "DateGreaterThanEquals": operator.eq,
}
"""How the values of each understood operator are compared. ``Null`` is not one: it tests whether a
key is there, so it implies only itself."""
