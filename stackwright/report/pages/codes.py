"""The page of every code that a problem can carry."""

from __future__ import annotations

from ...lint import RULES, catalogue
from .markdown import page_head, table_head, table_row


def rules_page() -> str:
    """Return every code that a problem can carry, as Markdown."""
    levels = {rule.id: f" ({rule.level})" for rule in RULES}
    lines = page_head("Rules and messages", "stackwright/core/codes/ and stackwright/lint/rules/")
    lines += ["A rule (SW3…) can be waived for one resource, with a reason, in the template:", ""]
    lines += ["```yaml", "Metadata:", "  stackwright:", "    waive:", "      - id: SW340"]
    lines += ["        reason: ecr:GetAuthorizationToken supports no resources", "```", ""]
    lines += table_head("code", "problem", "reason", "next step", "source")
    for code in catalogue().values():
        source = f"[AWS]({code.source})" if code.source else ""
        title = f"{code.title}{levels.get(code.id, '')}"
        lines.append(table_row((code.id, title, code.reason, code.action, source)))
    return "\n".join(lines) + "\n"
