"""Compare patterns of IAM, such as ``s3:Get*``, by inclusion."""

from __future__ import annotations

import re
from typing import Any

from .wording import as_list


def is_covered(inner: Any, outer: Any) -> bool:
    """Return whether each of the inner patterns means no more than one of the outer ones."""
    return all(
        any(_matches(pattern, wider) for wider in as_list(outer)) for pattern in as_list(inner)
    )


def _matches(value: Any, pattern: Any) -> bool:
    if value == pattern or not (isinstance(value, str) and isinstance(pattern, str)):
        return bool(value == pattern)
    wildcards = {"*": ".*", "?": "."}
    expression = "".join(wildcards.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(expression, value, re.IGNORECASE | re.DOTALL) is not None
