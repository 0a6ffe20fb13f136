"""The page of every protection whose weakening needs an approval."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from ...plan import Protection, read_protections
from .markdown import page_head, table_head, table_row

_DIRECTIONS = {
    "on": "it was true, and no longer is",
    "off": "it becomes true",
    "order": "it moves to a weaker value",
    "shorter": "the number falls",
    "longer": "the number grows",
    "fewer": "the list loses an item",
    "more": "the list gains an item",
    "removed": "it is removed",
    "added": "it is added",
    "changed": "it gets another value",
    "wider": "an address range grows",
    "broader": "a prefix matches more",
    "narrower": "a prefix matches less",
}
_LONGEST = 5
"""Values of an order that are written out."""


def protections_page() -> str:
    """Return the table of protections, as Markdown: counts, then the rows of each type."""
    rows = read_protections()
    lines = page_head("Protections", "stackwright/plan/guardrails/table/protections.tsv")
    types = len({row.type for row in rows})
    lines += [
        f"{len(rows)} changes of properties of {types} resource types that need an approval: see",
        "[guardrails](guardrails.md) for how it is given. The columns are explained in",
        "`stackwright/plan/guardrails/table/rows.py`. A row marked **new** also judges new",
        "resources. Sources: `FSBP` is a control of AWS Security Hub, `CKV` a rule of checkov,",
        "`GUARD` a rule of the registry of cfn-guard.",
        "",
    ]
    lines += [*_counts(rows), ""]
    for type_, group in groupby(rows, key=lambda row: row.type):
        lines += [f"## {'Every type' if type_ == '*' else type_}", ""]
        lines += table_head("property", "weaker", "kind", "the resource …", "source")
        lines += [*map(_row, group), ""]
    return "\n".join(lines)


def _counts(rows: tuple[Protection, ...]) -> list[str]:
    counts = Counter(str(row.kind) for row in rows)
    types = {kind: len({row.type for row in rows if row.kind == kind}) for kind in counts}
    body = [table_row((kind, str(counts[kind]), str(types[kind]))) for kind in sorted(counts)]
    return [*table_head("kind", "rows", "types"), *body]


def _row(row: Protection) -> str:
    path = "the resource itself" if row.whole else f"`{row.path}`"
    weaker = _DIRECTIONS[row.direction]
    if row.ranks:
        weaker = " > ".join(" or ".join(rank) for rank in row.ranks)
        weaker = f"`{weaker}`" if len(row.ranks) <= _LONGEST else "it moves to a weaker value"
    new = " (**new**)" if row.new else ""
    return table_row((path, f"{weaker}{new}", row.kind, row.says, _sources(row.source)))


def _sources(text: str) -> str:
    links = (f"[AWS]({part})" if part.startswith("https") else part for part in text.split(", "))
    return ", ".join(links)
