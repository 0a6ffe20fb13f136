"""Unquoted scalars of YAML to values: by YAML 1.2 in parameters, by YAML 1.1 in templates.

Which of the two holds where, and why, is docs/decisions/0039.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)?\.?[0-9]+([eE][-+]?[0-9]+)?")
MAX_DIGITS = 640
"""The number of digits that every Python converts, whatever PYTHONINTMAXSTRDIGITS says.

Source: https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
"""
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")


def core_scalar(text: str) -> Any:
    """The value of an unquoted scalar by the core schema of YAML 1.2.

    Raises ValueError for a number with too many digits. What would surprise in parameters stays
    text: numbers with a leading zero (twelve digits are an account), octal and hexadecimal numbers,
    ``.inf`` and ``.nan``.

    Source: https://yaml.org/spec/1.2.2/#103-core-schema
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return whole_number(text)
    if _FLOAT.fullmatch(text) and not _LEADING_ZERO.match(text):
        return decimal_number(text)
    return text


def whole_number(text: str) -> int:
    """The integer that decimal digits spell; raises ValueError above `MAX_DIGITS`.

    Python itself refuses more than 4,300 digits, and takes long for fewer.
    """
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits; {MAX_DIGITS} are allowed")
    return int(text)


def has_too_many_digits(value: int) -> bool:
    """Return whether a number has more than about `MAX_DIGITS` digits, without writing them."""
    return value.bit_length() > MAX_DIGITS * 10 // 3


def decimal_number(text: str) -> float:
    """The number that a decimal fraction spells; raises ValueError where it is too large."""
    value = float(text)
    if not math.isfinite(value):
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise ValueError(f"{shown} is a number that JSON, and so CloudFormation, cannot hold")
    return value


_PREFIX = "tag:yaml.org,2002:"
_YAML_1_1: Any = yaml.SafeLoader.yaml_implicit_resolvers
"""First character -> (tag, pattern) of the scalars that YAML 1.1 takes for another type than
text."""
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_CONSTRUCT = {
    f"{_PREFIX}null": _CONSTRUCTOR.construct_yaml_null,
    f"{_PREFIX}bool": _CONSTRUCTOR.construct_yaml_bool,
    f"{_PREFIX}int": _CONSTRUCTOR.construct_yaml_int,
    f"{_PREFIX}float": _CONSTRUCTOR.construct_yaml_float,
}
"""The types that CloudFormation knows; all others, timestamps among them, stay text."""


def template_scalar(text: str, tag: str = "") -> Any:
    """The value of an unquoted scalar of a template by YAML 1.1; ``tag`` is its explicit tag.

    Raises ValueError where the text is no value of its tag, or a number that JSON cannot hold.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
    """
    tag = tag or _implicit_tag(text)
    construct = _CONSTRUCT.get(tag)
    if construct is None:
        return text
    try:
        value = construct(yaml.ScalarNode(tag, text))
    except (ValueError, KeyError, IndexError):
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise ValueError(f"{shown!r} is no {tag.removeprefix(_PREFIX)}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{text} is a number that JSON, and so CloudFormation, cannot hold")
    if isinstance(value, int) and has_too_many_digits(value):
        raise ValueError(f"a number of {len(text):,} characters is too large; quote it as text")
    return value


def _implicit_tag(text: str) -> str:
    for tag, pattern in _YAML_1_1.get(text[:1], ()):
        if pattern.match(text):
            return str(tag)
    return f"{_PREFIX}str"
