"""Print the table of deviations of docs/deviations.md: ``python -m tests.guide.deviations``.

The page holds it between ``<!-- deviations:begin -->`` and ``<!-- deviations:end -->``.
"""

from __future__ import annotations

import sys

from tests.guide.claims import Claim, claims


def groups() -> dict[tuple[str, str], list[Claim]]:
    """Deviation and reason -> the claims that they concern, in the order of the guide."""
    groups: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims():
        if claim.deviation is not None and claim.reason is not None:
            groups.setdefault((claim.deviation, claim.reason), []).append(claim)
    return groups


def table() -> str:
    """The Markdown table, a row a deviation."""
    rows = ["| Guide | says | is built | because |", "|---|---|---|---|"]
    for (deviation, reason), concerned in groups().items():
        numbers = ("§" + c.section[0] if c.section[0].isdigit() else c.section for c in concerned)
        sections = ", ".join(dict.fromkeys(numbers))
        says = "; ".join(dict.fromkeys(c.claim for c in concerned))
        cells = (text.replace("|", "\\|") for text in (sections, says, deviation, reason))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
