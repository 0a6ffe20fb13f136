"""Show results: values become text for a terminal, Markdown, JSON, SARIF or SVG.

A module for each kind of result; ``pages`` are the generated pages of ``docs/``. Functions return
strings, data, or tables for a Rich console; text has Rich markup. Nothing here reads files, calls
AWS or decides.
"""

from .checks import (
    format_checks,
    preflight_as_data,
    preflight_as_text,
    summarize_checks,
    summarize_preflight,
)
from .diagram import draw_mermaid, draw_svg
from .diff import format_diff
from .drift import format_drift
from .markup import to_json
from .outputs import find_output, format_outputs
from .pages import (
    OptionReference,
    VerbReference,
    parameters_page,
    preflight_page,
    rules_page,
    verbs_page,
)
from .permissions import permissions_page, roles_json, roles_template
from .plan import format_plan
from .problems import format_problems, sort_problems, summarize_problems
from .progress import show_progress
from .rehearsal import rehearsal_as_data, rehearsal_as_text
from .releases import describe_absence, history_table, release_result, releases_as_data
from .stacks import format_events, format_fates
from .status import services_table, stacks_table

__all__ = [
    "OptionReference",
    "VerbReference",
    "describe_absence",
    "draw_mermaid",
    "draw_svg",
    "find_output",
    "format_checks",
    "format_diff",
    "format_drift",
    "format_events",
    "format_fates",
    "format_outputs",
    "format_plan",
    "format_problems",
    "history_table",
    "parameters_page",
    "permissions_page",
    "preflight_as_data",
    "preflight_as_text",
    "preflight_page",
    "rehearsal_as_data",
    "rehearsal_as_text",
    "release_result",
    "releases_as_data",
    "roles_json",
    "roles_template",
    "rules_page",
    "services_table",
    "show_progress",
    "sort_problems",
    "stacks_table",
    "summarize_checks",
    "summarize_preflight",
    "summarize_problems",
    "to_json",
    "verbs_page",
]
