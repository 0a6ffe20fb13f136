"""Waivers of guardrails in templates: a weakness that a reviewed template justifies, for a time.

```yaml
Metadata:
  stackwright:
    waive:
      - {kind: access, reason: the partner calls from anywhere, until: 2027-03-01}
```

Only weaknesses can be waived. Loss of data, replacement and removal are events: a standing waiver
would let a later change, which nobody has seen, delete the data.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from msgspec import Struct

WAIVABLE_KINDS = ("access", "encryption", "logging", "availability")
"""Kinds of findings that a template can waive."""
_EVENTS = ("data", "replacement", "removal")
_LONGEST = timedelta(days=366)


class GuardrailWaiver(Struct, frozen=True):
    """One waiver: findings of the ``kind`` on its resource need no approval up to and including the
    day ``until``. ``problem`` says why it does not count; empty where it does."""

    kind: str
    reason: str
    until: str
    problem: str = ""


def waiver_entries(metadata: Any) -> list[Any]:
    """Return the entries of ``{stackwright: {waive: […]}}`` in the Metadata of a resource."""
    settings = metadata.get("stackwright") if isinstance(metadata, Mapping) else None
    entries = settings.get("waive", []) if isinstance(settings, Mapping) else []
    return entries if isinstance(entries, list) else [entries]


def is_guardrail_waiver(entry: Any) -> bool:
    """Return whether an entry waives a guardrail, not a lint rule."""
    return (
        isinstance(entry, Mapping) and "id" not in entry and {"kind", "until"} & set(entry) != set()
    )


def read_guardrail_waivers(entries: list[Any], today: date) -> Iterator[GuardrailWaiver]:
    """Yield the waivers of guardrails among the entries, with their problems on a day."""
    for entry in filter(is_guardrail_waiver, entries):
        texts = (str(entry.get(key) or "").strip() for key in ("kind", "reason", "until"))
        waiver = GuardrailWaiver(*texts)
        yield GuardrailWaiver(
            waiver.kind, waiver.reason, waiver.until, _find_problem(waiver, today)
        )


def _find_problem(waiver: GuardrailWaiver, today: date) -> str:
    if waiver.kind in _EVENTS:
        return f"{waiver.kind} cannot be waived: approve each such change with --approve"
    if waiver.kind not in WAIVABLE_KINDS:
        close = difflib.get_close_matches(waiver.kind, WAIVABLE_KINDS, 1)
        known = f"did you mean {close[0]}?" if close else f"kinds: {', '.join(WAIVABLE_KINDS)}"
        return f"unknown kind {waiver.kind!r}; {known}"
    if not waiver.reason:
        return "a waiver needs a reason"
    try:
        until = date.fromisoformat(waiver.until)
    except ValueError:
        return "a waiver needs its last day, as until: YYYY-MM-DD"
    if until < today:
        return f"the waiver expired on {until}"
    if until > today + _LONGEST:
        return f"until {until} is more than a year ahead"
    return ""
