"""Limits of rendering: time, size of values, and output.

A template comes from a pull request, and may hold a loop or a value without end. Time is checked
at each step of a loop, each call and each filter. Sizes are estimated before the operation that
would make a value, because a single one can fill the memory and cannot be interrupted.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from functools import wraps
from typing import Any

from jinja2 import TemplateRuntimeError
from jinja2.sandbox import MAX_RANGE, safe_range

from ...core import MAX_DIGITS

SECONDS = "STACKWRIGHT_RENDER_SECONDS"
"""The environment variable that replaces `DEFAULT_SECONDS`."""
DEFAULT_SECONDS = 30.0
MAX_VALUE = 10_000_000
"""The size of one value: characters of text; a list or map counts 8 for each item in it."""
MAX_TOTAL = 200_000_000
"""The size of all values that one rendering makes."""
MAX_OUTPUT = 4_000_000
"""Characters that one template prints: four times the limit of CloudFormation.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
_ITEM = 8
_DIGITS = re.compile(r"[0-9]{1,12}")
_NESTED_FIELD = re.compile(r"\{[^{}]*\{")


class LimitError(TemplateRuntimeError):
    """A template exceeds a limit."""


class Limits:
    """The limits of one rendering, and how much of them is used."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = read_seconds() if seconds is None else seconds
        self._deadline = time.monotonic() + self._seconds
        self._total = 0
        self._output = 0

    def start_template(self) -> None:
        """Begin to count the output of another template."""
        self._output = 0

    def check_time(self) -> None:
        """Raise LimitError after the deadline."""
        if time.monotonic() > self._deadline:
            raise LimitError(f"rendering takes longer than {self._seconds:g} seconds")

    def watch(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the items of a loop, checking the time before each."""
        for item in items:
            self.check_time()
            yield item

    def spend(self, size: int) -> None:
        """Count the size of a value that is made; raises LimitError where it is too large."""
        self._total += size
        if size > MAX_VALUE:
            raise LimitError(f"a value is larger than {MAX_VALUE:,} characters")
        if self._total > MAX_TOTAL:
            raise LimitError(f"the values are larger than {MAX_TOTAL:,} characters together")

    def measured(self, value: Any) -> Any:
        """Return the value, after counting its size."""
        self.spend(measure(value))
        return value

    def print_out(self, value: Any) -> None:
        """Count a value or text that a template prints; raises LimitError above `MAX_OUTPUT`."""
        self.check_time()
        self._output += measure(value) + _ITEM
        if self._output > MAX_OUTPUT:
            raise LimitError(f"the template prints more than {MAX_OUTPUT:,} characters")

    def check_operator(self, operator: str, left: Any, right: Any) -> None:
        """Raise LimitError where the result of an operator would be too large."""
        if isinstance(left, int) and isinstance(right, int):
            if _bits(operator, left, right) > _MAX_BITS:
                raise LimitError(f"the result of {operator} is a number with too many digits")
        elif operator == "*":
            number, other = (left, right) if isinstance(left, int) else (right, left)
            if isinstance(number, int):
                self.spend(measure(other) * max(number, 0))
        elif operator == "+":
            self.spend(measure(left) + measure(right))
        elif operator == "%" and isinstance(left, str):
            self.spend(_formatted(left, (right,)))

    def check_call(self, function: Any, arguments: Sequence[Any]) -> None:
        """Raise LimitError where a call would make a value that is too large."""
        self.check_time()
        receiver = getattr(function, "__self__", None)
        if isinstance(receiver, str | bytes) and function.__name__ == "join":
            self.spend(_joined(arguments[0] if arguments else (), (receiver,)))
        elif isinstance(receiver, str | bytes | int):
            self.estimate(function.__name__, receiver, arguments)
        elif isinstance(receiver, list):
            self.spend(measure(arguments))  # append and extend

    def estimate(self, name: str, value: Any, arguments: Sequence[Any]) -> None:
        """Count the estimated size of the result of a method or filter of that name."""
        if name in _ESTIMATES:
            self.spend(_ESTIMATES[name](value, arguments))

    def guard_time(self, test: Callable[..., Any]) -> Callable[..., Any]:
        """Return a test, such as ``in``, that checks the time before."""

        @wraps(test)
        def guarded(*arguments: Any, **options: Any) -> Any:
            self.check_time()
            return test(*arguments, **options)

        return guarded

    def guard(self, name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
        """Return a filter that checks the limits before, and counts its result."""
        first = 1 if hasattr(filter_, "jinja_pass_arg") else 0

        @wraps(filter_)
        def guarded(*arguments: Any, **options: Any) -> Any:
            self.check_time()
            own = (*arguments[first:], *options.values())
            self.estimate(name, own[0], own[1:])
            return self.measured(filter_(*arguments, **options))

        return guarded


def read_seconds() -> float:
    """Return the time limit of a rendering: `SECONDS`, or 30 where it holds no positive number."""
    try:
        seconds = float(os.environ.get(SECONDS, DEFAULT_SECONDS))
    except ValueError:
        return DEFAULT_SECONDS
    return seconds if seconds > 0 else DEFAULT_SECONDS


def limited_range(*arguments: int) -> range:
    """Return a range; raises LimitError for more than 100,000 numbers."""
    try:
        return safe_range(*arguments)
    except OverflowError:
        raise LimitError(f"a range has more than {MAX_RANGE:,} numbers") from None


def measure(value: Any) -> int:
    """Return the size of a value as if it were written out; a little above `MAX_VALUE` where it is
    larger than that."""
    size, pending = 0, [value]
    while pending and size <= MAX_VALUE:
        item = pending.pop()
        if isinstance(item, str | bytes):
            size += len(item)
        elif isinstance(item, dict):
            size += _ITEM * len(item)
            pending += (*dict.keys(item), *dict.values(item))
        elif isinstance(item, list | tuple):
            size += _ITEM * len(item)
            pending += item
    return size


_MAX_BITS = MAX_DIGITS * 10 // 3


def _bits(operator: str, left: int, right: int) -> int:
    """Return the size of an operator's result in bits, at most."""
    if operator == "**":
        return left.bit_length() * right if right > 0 and abs(left) > 1 else 0
    if operator == "*":
        return left.bit_length() + right.bit_length()
    return max(left.bit_length(), right.bit_length()) if operator == "+" else 0


def _numbers(values: Iterable[Any]) -> int:
    """Return the largest number among the arguments, or 0."""
    return max((value for value in values if isinstance(value, int)), default=0)


def _longest(values: Iterable[Any]) -> int:
    """Return the length of the longest text among the arguments, or 0."""
    return max((len(value) for value in values if isinstance(value, str | bytes)), default=0)


def _width(_value: Any, arguments: Sequence[Any]) -> int:
    return _numbers(arguments)


def _rounded(_value: Any, arguments: Sequence[Any]) -> int:
    """Estimate the work of ``round``, which computes ten to the power of its argument."""
    return _numbers(arguments) * 10_000


def _per_line(value: Any, arguments: Sequence[Any]) -> int:
    width = max(_numbers(arguments), _longest(arguments))
    return (str(value).count("\n") + 1) * width


def _per_tab(value: Any, arguments: Sequence[Any]) -> int:
    return int(value.count(b"\t" if isinstance(value, bytes) else "\t")) * _numbers(arguments)


def _per_character(value: Any, arguments: Sequence[Any]) -> int:
    return (measure(value) + 1) * (1 + _longest(arguments))


def _replaced(value: Any, arguments: Sequence[Any]) -> int:
    if len(arguments) < 2:
        return measure(value)
    old, new = map(str, arguments[:2])
    text = str(value)
    return len(text) + text.count(old) * len(new)


def _translated(value: Any, arguments: Sequence[Any]) -> int:
    table = arguments[0] if arguments else ()
    entries = dict.values(table) if isinstance(table, dict) else ()
    return len(value) * (1 + _longest(entries))


def _joined(items: Any, arguments: Sequence[Any]) -> int:
    count = len(items) if isinstance(items, Sized) else MAX_RANGE
    return measure(items) + count * _longest(arguments)


def _formatted(value: Any, arguments: Sequence[Any]) -> int:
    """Estimate a formatted text: each field may print every argument, and a width besides."""
    text = str(value)
    widths = [int(digits) for digits in _DIGITS.findall(text)]
    if "*" in text or _NESTED_FIELD.search(text):
        widths.append(_numbers(_flatten(arguments)))
    fields = text.count("%") + text.count("{")
    return len(text) + fields * (max(widths, default=0) + measure(arguments))


def _flatten(arguments: Sequence[Any]) -> Iterator[Any]:
    for value in arguments:
        if isinstance(value, list | tuple):
            yield from value
        elif isinstance(value, dict):
            yield from dict.values(value)
        else:
            yield value


def _json(value: Any, arguments: Sequence[Any]) -> int:
    return measure(value) * (1 + _numbers(arguments))


def _whole(value: Any, _arguments: Sequence[Any]) -> int:
    return measure(value)


def _summed(value: Any, arguments: Sequence[Any]) -> int:
    """Estimate a sum: lists are copied at each step."""
    if not any(isinstance(argument, list | tuple) for argument in arguments):
        return 0
    count = len(value) if isinstance(value, Sized) else MAX_RANGE
    return count * (measure(value) + measure(arguments))


_ESTIMATES: Mapping[str, Callable[[Any, Sequence[Any]], int]] = {
    **dict.fromkeys(("center", "ljust", "rjust", "zfill", "to_bytes"), _width),
    **dict.fromkeys(("batch", "slice"), _width),
    **dict.fromkeys(("wordwrap", "urlize"), _per_character),
    **dict.fromkeys(("string", "pprint", "urlencode", "xmlattr"), _whole),
    **dict.fromkeys(("format", "format_map"), _formatted),
    "expandtabs": _per_tab,
    "indent": _per_line,
    "join": _joined,
    "replace": _replaced,
    "round": _rounded,
    "sum": _summed,
    "tojson": _json,
    "translate": _translated,
}
"""Name of a method or filter -> the size of its result, by value and arguments."""
