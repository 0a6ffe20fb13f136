"""Tell whether a property changes only because the resource that it names gets a new identifier."""

from __future__ import annotations

import json
import re

from ...diff import PropertyDiff
from ..model import RootPlan

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[^}]*)?\}")
"""``${LogicalId}`` or ``${LogicalId.Attribute}`` in the text of a value known after apply."""


def follows_reference(leaf: PropertyDiff, root: RootPlan) -> bool:
    """Return whether a property names the same resource as before, which changes itself.

    Its text is the same on both sides, or was the identifier of the resource that it names now.
    """
    if not (leaf.after_apply and leaf.exists_before and leaf.exists_after):
        return False
    before, after = json.dumps(leaf.before), json.dumps(leaf.after)
    return before == after or re.fullmatch(_identifiers_pattern(after, root), before) is not None


def _identifiers_pattern(text: str, root: RootPlan) -> str:
    """Return a regular expression for the text in which every ``${LogicalId}`` stands for the
    present identifier of that resource."""
    pattern, end = "", 0
    for match in _REFERENCE.finditer(text):
        identifiers = {
            change.physical_id
            for change in root.changes
            if change.diff.logical_id == match[1] and change.physical_id
        }
        choices = "|".join(map(re.escape, sorted(identifiers))) or "(?!)"
        pattern += re.escape(text[end : match.start()]) + f"(?:{choices})"
        end = match.end()
    return pattern + re.escape(text[end:])
