"""Show results: values become text for a terminal, Markdown, JSON, SARIF, HTML or SVG. Nothing here
reads or decides."""

from .diagram import draw_svg
from .diff import format_diff
from .docs import parameters_page, preflight_page, rules_page
from .outputs import find_output, format_outputs
from .permissions import permissions_page, roles_json, roles_template
from .plan import format_plan
from .preflight import preflight_as_data, preflight_as_text, summarize_preflight
from .problems import draw_mermaid, format_problems, sort_problems, summarize_problems
from .progress import show_progress
from .rehearsal import rehearsal_as_data, rehearsal_as_text
from .releases import describe_absence, releases_as_data
from .stacks import format_events, format_fates
from .status import (
    format_checks,
    format_drift,
    history_table,
    release_result,
    services_table,
    stacks_table,
    summarize_checks,
    to_json,
)
from .verbs import OptionReference, VerbReference, verbs_page

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
