"""Compare patterns of IAM, such as ``s3:Get*``, by inclusion and by overlap.

Both functions answer True only with a proof: `includes` where every text of one pattern belongs to
the other, `excludes` where no text belongs to both. Text in ``${…}`` is a policy variable or a
value that is known after apply: it equals itself, and may be anything.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
(wildcards), https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from ..wording import as_list

_TOKEN = re.compile(r"\$\{[^}]*\}|\*+|.", re.DOTALL)
_WIDE = "**"
"""A star at the end of a segment of an ARN, which matches beyond colons. Whether a star in the
middle of a segment does is not documented: it is supposed to where it widens."""


def is_covered(inner: Any, outer: Any, *, fold_case: bool = False) -> bool:
    """Return whether each of the inner patterns means no more than one of the outer ones."""
    return all(
        any(_covers(pattern, wider, fold_case) for wider in as_list(outer))
        for pattern in as_list(inner)
    )


def _covers(inner: Any, outer: Any, fold_case: bool) -> bool:
    if not (isinstance(inner, str) and isinstance(outer, str)):
        return bool(inner == outer)
    return includes(fold(outer), fold(inner)) if fold_case else includes(outer, inner)


def fold(pattern: str) -> str:
    """Return a pattern in lower case; what stands in ``${…}`` keeps its case."""
    return "".join(
        token if token.startswith("${") else token.lower() for token in _TOKEN.findall(pattern)
    )


def escape(text: str) -> str:
    """Return a pattern for a text in which ``*`` and ``?`` have no meaning."""
    return re.sub(r"[*?]", lambda wildcard: f"${{{wildcard[0]}}}", text)


@lru_cache(maxsize=100_000)
def includes(outer: str, inner: str) -> bool:
    """Return whether every text of the inner pattern certainly belongs to the outer one."""
    wide, narrow = _tokens(outer), _tokens(inner)
    places = _skip_stars(wide, {0})
    for token in narrow:
        after = {place for place in places if place < len(wide) and _absorbs(wide[place], token)}
        matched = {place + 1 for place in places if wide[place : place + 1] == (token,)}
        single = {
            place + 1
            for place in places
            if wide[place : place + 1] == ("?",) and not token.startswith(("*", "${"))
        }
        places = _skip_stars(wide, after | matched | single)
    return len(wide) in places


def _absorbs(star: str, token: str) -> bool:
    """Whether a token stands for no more than a star."""
    if star == _WIDE:
        return True
    return star == "*" and token not in (":", _WIDE) and not token.startswith("${")


def _skip_stars(tokens: tuple[str, ...], places: set[int]) -> set[int]:
    """Return the places, and those behind stars that match nothing."""
    reached = set(places)
    for place, token in enumerate(tokens):
        if place in reached and token.startswith("*"):
            reached.add(place + 1)
    return reached


@lru_cache(maxsize=100_000)
def excludes(one: str, other: str) -> bool:
    """Return whether certainly no text belongs to both patterns, in whatever case it is written."""
    left, right = (
        ["*" if token.startswith(("*", "${")) else token.lower() for token in _tokens(pattern)]
        for pattern in (one, other)
    )
    reached, todo = {(0, 0)}, [(0, 0)]
    while todo:
        place = todo.pop()
        if place == (len(left), len(right)):
            return False
        for following in _advance(left, right, *place):
            if following not in reached:
                reached.add(following)
                todo.append(following)
    return True


def _advance(left: list[str], right: list[str], i: int, j: int) -> set[tuple[int, int]]:
    """Return the places in both patterns that one more character, or none, may lead to."""
    one, other = left[i : i + 1], right[j : j + 1]
    following = set()
    if one == ["*"]:
        following |= {(i + 1, j), *([(i, j + 1)] if other else [])}
    if other == ["*"]:
        following |= {(i, j + 1), *([(i + 1, j)] if one else [])}
    if one and other and (one == other or "?" in (one[0], other[0])):
        following.add((i + 1, j + 1))
    return following


@lru_cache(maxsize=100_000)
def _tokens(pattern: str) -> tuple[str, ...]:
    """Return characters, ``?``, stars (`_WIDE` where they may match colons) and ``${…}``."""
    texts = _TOKEN.findall(pattern)
    return tuple(
        (_WIDE if texts[place + 1 : place + 2] in ([], [":"]) else "*") if "*" in text[:1] else text
        for place, text in enumerate(texts)
    )
