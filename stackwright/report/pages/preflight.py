"""The page of every preflight check."""

from __future__ import annotations

from ...preflight import CHECKS
from .markdown import page_head, table_head, table_row


def preflight_page() -> str:
    """Return every preflight check, in the order of the results, as Markdown."""
    lines = page_head("Preflight checks", "the classes in stackwright/preflight/checks/")
    lines += [
        "`preflight` and `deploy` read the account before anything is changed. A result is `ok`,",
        "`fail` (the deployment ends before it changes anything) or `skip` (the deployment takes",
        "care of it, or the call is not allowed). A check that does not apply to the templates",
        "prints nothing.",
        "",
    ]
    lines += table_head("check", "what must hold", "otherwise", "source")
    for check in CHECKS:
        source = f"[AWS]({check.source})"
        lines.append(table_row((check.id, check.title, check.reason, source)))
    return "\n".join(lines) + "\n"
