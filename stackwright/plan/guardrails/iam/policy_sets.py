"""Tell what the statements of a policy allow that they did not, and deny no longer, as sets.

A statement is the set of the requests that it matches: a product of actions, resources and
principals, each listed (``Action``) or excluded (``NotAction``), under conditions. Every statement
that allows now must be covered by the statements that allowed before, and every statement that
denied before by the statements that deny now; the rest is wider. A statement is split by its listed
values, so that several statements may cover it together. Whatever is not proved to be covered is
wider: a value that cannot be read, an unknown element, an operator that is not understood.

Sources, all below https://docs.aws.amazon.com/IAM/latest/UserGuide/:
reference_policies_evaluation-logic.html (an explicit deny wins, allowing statements add up),
reference_policies_elements_action.html (case is ignored), reference_policies_elements_notaction
.html, reference_policies_elements_resource.html, reference_policies_elements_principal.html (``*``
and ``{"AWS": "*"}`` are equal, so are an account's ID and the ARN of its root user).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ....cfn import EFFECTS, LocatedStatement
from ....core import HIDDEN
from ..wording import as_list
from .conditions import KeyCondition, implies_all, parse_condition, split_values
from .patterns import excludes, fold, includes

_ROOT_USER = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")
_VARIABLE = re.compile(r"\$\{(?:[^}]*:[^}]*|[*?$])\}")
"""A policy variable, ``${aws:username}`` or ``${*}``."""
_VARIABLES_SINCE = "2012-10-17"
"""The version of the language in which ``${…}`` is a variable."""
_ABSENT = "${}"
"""Stands for an element that the statement has no need of, such as a role's principal."""
_SPLITS = 1024
"""Combinations of the values of conditions that are tried; beyond them, conditions are compared
as a whole."""


class Listed(Struct, frozen=True):
    """The patterns of one element; ``excluded``: all but them."""

    patterns: frozenset[str]
    excluded: bool = False


class StatementSet(Struct, frozen=True):
    """A statement as the set of the requests that it matches.

    ``text`` is the statement in one spelling; where ``readable`` is False, it equals only a
    statement of that text.
    """

    effect: str
    elements: Mapping[str, Any]
    text: str
    readable: bool = False
    actions: Listed = Listed(frozenset())
    resources: Listed = Listed(frozenset())
    principals: Listed = Listed(frozenset())
    conditions: frozenset[KeyCondition] = frozenset()


class Widening(Struct, frozen=True):
    """Elements of a statement that allows more than before, or that denies no longer.

    ``elements`` hold only the actions, resources and principals that are affected. ``certain`` is
    False where the statement's effect is not known; ``by_condition`` says that the conditions alone
    make the difference. ``index`` is the statement's place among the later statements, or among the
    earlier ones for one that denies.
    """

    allows: bool
    certain: bool
    elements: Mapping[str, Any]
    index: int
    by_condition: bool = False

    @property
    def verb(self) -> str:
        """``allows``, ``may allow``, ``no longer denies`` or ``may no longer deny``."""
        if self.allows:
            return "allows" if self.certain else "may allow"
        return "no longer denies" if self.certain else "may no longer deny"


def find_widenings(
    before: Sequence[LocatedStatement], after: Sequence[LocatedStatement]
) -> Iterator[Widening]:
    """Yield what the later statements of one policy allow more, and deny less."""
    old, new = (list(map(parse_statement, statements)) for statements in (before, after))
    for index, statement in enumerate(new):
        if statement.effect != "Deny":
            yield from _find_uncovered(statement, index, old, "Allow")
    for index, statement in enumerate(old):
        if statement.effect != "Allow":
            yield from _find_uncovered(statement, index, new, "Deny")


def _find_uncovered(
    statement: StatementSet, index: int, others: Sequence[StatementSet], effect: str
) -> Iterator[Widening]:
    """Yield what a statement matches that no other one of that effect certainly matches."""
    peers = [other for other in others if other.effect in (effect, statement.effect)]
    allows, certain = effect == "Allow", statement.effect == effect
    if any(peer.text == statement.text for peer in peers) and HIDDEN not in statement.text:
        return
    if not statement.readable:
        yield Widening(allows, certain, statement.elements, index)
        return
    covering = [peer for peer in peers if peer.readable]
    missing = _uncovered_parts(statement, covering)
    if missing:
        bare = [replace(peer, conditions=frozenset()) for peer in (statement, *covering)]
        by_condition = not _uncovered_parts(bare[0], bare[1:])
        selected = _select(statement.elements, missing)
        yield Widening(allows, certain, selected, index, by_condition)


# --- covering: a set of statements as the bits of a number

_Parts = Mapping[str, frozenset[str]]
"""The patterns of each element that are not covered; an excluding element has none."""


def _uncovered_parts(statement: StatementSet, peers: Sequence[StatementSet]) -> _Parts:
    """Return the listed patterns of the parts that no peer covers; empty where all are covered.

    Each pattern of each element has the set of the peers that cover it there. A part, one pattern
    of each element, is covered where a peer is in all of its sets.
    """
    axes = {
        "Action": _covering_peers(statement.actions, [peer.actions for peer in peers], _PATTERNS),
        "Resource": _covering_peers(
            statement.resources, [peer.resources for peer in peers], _PATTERNS
        ),
        "Principal": _covering_peers(
            statement.principals, [peer.principals for peer in peers], _PRINCIPALS
        ),
        "Condition": {bits: {""} for bits in _implied_peers(statement.conditions, peers)},
    }
    missing: dict[str, set[str]] = {}
    for part in itertools.product(*axes.values()):
        bits = part[0]
        for more in part[1:]:
            bits &= more
        if not bits:
            for (name, axis), chosen in zip(axes.items(), part, strict=True):
                missing.setdefault(name, set()).update(axis[chosen])
    return {name: frozenset(patterns) for name, patterns in missing.items()}


class _PolicyComparison(Struct, frozen=True):
    """How two patterns of an element are compared: by inclusion, and by having nothing in
    common."""

    includes: Callable[[str, str], bool]
    excludes: Callable[[str, str], bool]


_PATTERNS = _PolicyComparison(includes, excludes)
_PRINCIPALS = _PolicyComparison(
    includes=lambda outer, inner: outer in ("*", inner), excludes=lambda _one, _other: False
)
"""Principals have no wildcards but ``*``, which is everybody. One caller has several names
(account, role, session), so that no two of them are certainly apart."""


def _covering_peers(
    inner: Listed, outers: Sequence[Listed], compare: _PolicyComparison
) -> dict[int, set[str]]:
    """Return the patterns of an element by the peers that cover them, as bits."""
    axis: dict[int, set[str]] = {}
    for pattern in {""} if inner.excluded else inner.patterns:
        bits = 0
        for place, outer in enumerate(outers):
            if inner.excluded:
                covered = _covers_complement(inner, outer, compare)
            else:
                covered = _covers_pattern(pattern, outer, compare)
            bits |= covered << place
        axis.setdefault(bits, set()).add(pattern)
    return axis


def _covers_pattern(pattern: str, outer: Listed, compare: _PolicyComparison) -> bool:
    if outer.excluded:
        return all(compare.excludes(pattern, wide) for wide in outer.patterns)
    return any(compare.includes(wide, pattern) for wide in outer.patterns)


def _covers_complement(inner: Listed, outer: Listed, compare: _PolicyComparison) -> bool:
    """Whether all but the inner patterns belongs to the outer element."""
    if not outer.excluded:
        return "*" in outer.patterns
    return all(
        any(compare.includes(mine, wide) for mine in inner.patterns) for wide in outer.patterns
    )


def _implied_peers(
    conditions: frozenset[KeyCondition], peers: Sequence[StatementSet]
) -> Iterator[int]:
    """Yield, for each way to choose among the alternatives of the conditions, the peers whose
    conditions hold then, as bits."""
    choices = [list(split_values(condition)) for condition in sorted(conditions, key=repr)]
    count = 1
    for values in choices:
        count *= len(values)
    ways = itertools.product(*choices) if count <= _SPLITS else [tuple(conditions)]
    for way in ways:
        tests = frozenset(way)
        # a value of its own may fit less than the whole: what implies the peer may do so unsplit
        yield sum(
            (implies_all(tests | conditions, peer.conditions)) << place
            for place, peer in enumerate(peers)
        )


def _select(elements: Mapping[str, Any], missing: _Parts) -> Mapping[str, Any]:
    """Return a statement's elements with only the patterns that are not covered, as written."""
    selected = dict(elements)
    for name, patterns in missing.items():
        if name in ("Action", "Resource") and name in elements:
            values = [text for text in as_list(elements[name]) if _spell(name, text) in patterns]
            selected[name] = values if isinstance(elements[name], list) else elements[name]
        elif name == "Principal" and isinstance(elements.get(name), Mapping):
            selected[name] = {
                kind: [one for one in as_list(names) if _spell_principal(kind, one) in patterns]
                for kind, names in elements[name].items()
            }
    return selected


# --- reading a statement


def parse_statement(statement: LocatedStatement) -> StatementSet:
    """Return a statement as a set; not readable where an element is not understood."""
    elements = {name: value for name, value in statement.elements.items() if name != "Sid"}
    said = elements.get("Effect")
    effect = said if said in EFFECTS else json.dumps(said, sort_keys=True, default=str)
    text = json.dumps([elements, statement.version], sort_keys=True, default=str)
    opaque = StatementSet(effect, statement.elements, text)
    named = ["Action", "Resource", "Principal"]
    known = {"Effect", "Condition", *named, *(f"Not{name}" for name in named)}
    if "Effect" not in elements or HIDDEN in text or not known.issuperset(elements):
        return opaque
    actions, resources, principals = (_read_element(elements, name) for name in named)
    condition = elements.get("Condition", {})
    tests = parse_condition(condition) if isinstance(condition, Mapping) else None
    if actions is None or resources is None or principals is None or tests is None:
        return opaque
    if statement.version != _VARIABLES_SINCE and _VARIABLE.search(text):
        tests |= {KeyCondition("Version", statement.version, frozenset())}  # implies only itself
    return StatementSet(
        effect, statement.elements, text, True, actions, resources, principals, tests
    )


def _read_element(elements: Mapping[str, Any], name: str) -> Listed | None:
    """Return the patterns of an element or of its negation; None where they cannot be read."""
    names = [key for key in (name, f"Not{name}") if key in elements]
    if not names:
        return Listed(frozenset((_ABSENT,)))
    if len(names) > 1:
        return None
    value = elements[names[0]]
    patterns = _read_principals(value) if name == "Principal" else _read_patterns(name, value)
    return None if not patterns else Listed(patterns, excluded=names[0] != name)


def _read_patterns(name: str, value: Any) -> frozenset[str] | None:
    values = as_list(value)
    if not all(isinstance(item, str) for item in values):
        return None
    return frozenset(_spell(name, item) for item in values)


def _spell(name: str, pattern: Any) -> str:
    """Return a pattern in the spelling in which it is compared."""
    text = re.sub(r"\*+", "*", pattern)
    if name == "Action":
        text = fold(text)
        return "*" if text == "*:*" else text
    return text


def _read_principals(value: Any) -> frozenset[str] | None:
    kinds = value if isinstance(value, Mapping) else {"AWS": value}
    names = [(kind, one) for kind, several in kinds.items() for one in as_list(several)]
    if not all(isinstance(one, str | int) for _, one in names):
        return None
    return frozenset(_spell_principal(kind, one) for kind, one in names)


def _spell_principal(kind: str, name: Any) -> str:
    """Return ``*`` for everybody, ``AWS 123456789012`` for an account, else kind and name."""
    if kind == "AWS" and name == "*":
        return "*"
    account = _ROOT_USER.fullmatch(str(name))
    return f"{kind} {account[1] if account else name}"
