"""Values in a line: whole where they are short, else cut, folded, or as a sentence."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...diff import PropertyDiff
from ...plan import describe_statement

AFTER_APPLY = "(known after apply)"
_WIDTH = 200
"""Characters of one changed value; JSON holds all of it."""
_BEFORE, _CHANGED, _AFTER = 32, 40, 12
"""Characters shown of two long values: before the difference, of it, and after it."""
_TEXT = 60
"""Characters of a text in a folded value."""
_END = 40
"""Characters shown of the end of a long identifier."""
_REFERENCE = re.compile(r"\$\{[^{}]+\}")
_NAMES = ("Name", "PolicyName", "Key", "Id", "Sid", "DeviceName", "AttributeName", "IndexName")
"""Keys by which an item of a list is named."""


def format_sides(change: PropertyDiff) -> str:
    """Return ``"a" → "b"``, or the one side that exists."""
    before, after = _sides(change)
    if change.after_apply:
        unknown = change.before == change.after or _REFERENCE.fullmatch(str(change.after))
        after = AFTER_APPLY if unknown else f"{after} {AFTER_APPLY}"
        if unknown and isinstance(change.before, str):
            before = _quote(cut_start(change.before))
    if not change.exists_before:
        return after
    return f"{before} → {after}" if change.exists_after else before


def _sides(change: PropertyDiff) -> tuple[str, str]:
    """Return both values; of two long texts, the difference and a little around it."""
    before, after = change.before, change.after
    both = (
        change.exists_before
        and change.exists_after
        and isinstance(before, str)
        and isinstance(after, str)
    )
    if not both or len(before) + len(after) <= _WIDTH:
        return format_value(before), format_value(after)
    start = len(posixpath.commonprefix([before, after]))
    end = len(posixpath.commonprefix([before[start:][::-1], after[start:][::-1]]))
    return _excerpt(before, start, len(before) - end), _excerpt(after, start, len(after) - end)


def _excerpt(text: str, start: int, end: int) -> str:
    """Return the text from ``start`` to ``end`` and a little around it,
    ``"…gateway@sha256:0123…"``."""
    head = text[max(0, start - _BEFORE) : start]
    middle, tail = text[start:end], text[end : end + _AFTER]
    if len(middle) > _CHANGED:
        middle, tail = f"{middle[:_CHANGED]}…", ""
    first = "…" * (start > _BEFORE)
    last = "…" * (end + _AFTER < len(text) and not middle.endswith("…"))
    return _quote(f"{first}{head}{middle}{tail}{last}")


def format_value(value: Any) -> str:
    """Return a value as JSON; its beginning and its length where it is long."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 20]}… ({len(text)} characters)"


def cut_start(text: str) -> str:
    """Return the end of a long identifier, from a separator on: ``…/news-dev-web:4``."""
    if len(text) <= _END + 10:
        return text
    end = text[-_END:]
    start = re.search(r"[:/]", end[: _END // 2])
    return f"…{end[start.start() + 1 if start else 0 :]}"


def _quote(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def fold_value(value: Any, width: int) -> str:
    """Return a value in about ``width`` characters: long texts are cut, policies become sentences,
    and what does not fit is counted."""
    if statements := list(policy_sentences(value)):
        return _join_fitting(statements, width, "; ")
    if isinstance(value, str):
        return _quote(value if len(value) <= _TEXT else f"{value[:_TEXT]}…")
    if isinstance(value, Mapping):
        return _fold_map(value, width)
    if isinstance(value, list):
        return _fold_list(value, width)
    return _quote(value)


def _fold_map(value: Mapping[str, Any], width: int) -> str:
    items = sorted(value.items())
    whole = [f"{key}: {fold_value(item, width)}" for key, item in items]
    if sum(len(part) + 2 for part in whole) <= width:
        return f"{{{', '.join(whole)}}}"
    scalars_first = sorted(items, key=lambda pair: isinstance(pair[1], list | Mapping))
    folded = [f"{key}: {_fold_inner(item)}" for key, item in scalars_first]
    return f"{{{_join_fitting(folded, width)}}}"


def _fold_list(value: list[Any], width: int) -> str:
    whole = [fold_value(item, width) for item in value]
    if sum(len(part) + 2 for part in whole) <= width:
        return f"[{', '.join(whole)}]"
    names = [item_name(item) or _fold_inner(item) for item in value]
    return f"[{_join_fitting(names, width)}]"


def _fold_inner(value: Any) -> str:
    if isinstance(value, Mapping) and len(_quote(value)) > _TEXT:
        return f"{{{len(value)} values}}"
    if isinstance(value, list) and len(_quote(value)) > _TEXT:
        return f"[{len(value)} values]"
    return fold_value(value, _TEXT)


def _join_fitting(parts: list[str], width: int, separator: str = ", ") -> str:
    """Return as many parts as fit, at least one, and the number of the others."""
    shown, length = 0, 0
    while shown < len(parts) and (not shown or length + len(parts[shown]) <= width):
        length += len(parts[shown]) + len(separator)
        shown += 1
    rest = [f"… {len(parts) - shown} more"] if shown < len(parts) else []
    return separator.join([*parts[:shown], *rest])


def item_name(item: Any) -> str:
    """Return the name by which a list shows an item; empty where it has none."""
    keys = _NAMES if isinstance(item, Mapping) else ()
    return next((item[key] for key in keys if isinstance(item.get(key), str)), "")


def policy_sentences(value: Any) -> Iterator[str]:
    """Yield ``allows s3:GetObject on arn:aws:s3:::news/*`` for each statement of a policy, or of
    the policy in ``PolicyDocument``; nothing for any other value."""
    document = _parse(value.get("PolicyDocument", value) if isinstance(value, Mapping) else value)
    statements = document.get("Statement") if isinstance(document, Mapping) else None
    for statement in statements if isinstance(statements, list) else [statements]:
        if isinstance(statement, Mapping) and "Effect" in statement:
            verb = "denies" if statement["Effect"] == "Deny" else "allows"
            condition = " under a condition" if statement.get("Condition") else ""
            yield describe_statement(statement, verb) + condition


def _parse(value: Any) -> Any:
    """Return JSON text as the data that it holds, anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
