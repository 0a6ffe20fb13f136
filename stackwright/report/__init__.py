"""Show results: values become text for a terminal, Markdown, JSON, SARIF or SVG.

A module for each kind of result; ``pages`` are the generated pages of ``docs/``. Functions return
strings, data, or tables for a Rich console; text has Rich markup. Nothing here reads files, calls
AWS or decides.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checks": [
            "format_checks",
            "preflight_as_data",
            "preflight_as_text",
            "summarize_checks",
            "summarize_preflight",
        ],
        "diagram": ["draw_mermaid", "draw_svg"],
        "diff": ["format_diff"],
        "drift": ["format_drift"],
        "markup": ["to_json"],
        "outputs": ["find_output", "format_outputs"],
        "pages": [
            "OptionReference",
            "VerbReference",
            "parameters_page",
            "preflight_page",
            "protections_page",
            "rules_page",
            "verbs_page",
        ],
        "permissions": ["permissions_page", "roles_json", "roles_template"],
        "findings": ["no_option"],
        "plan": ["format_plan"],
        "problems": ["format_problems", "sort_problems", "summarize_problems"],
        "progress": ["show_progress"],
        "rehearsal": ["rehearsal_as_data", "rehearsal_as_text"],
        "releases": [
            "describe_absence",
            "describe_release",
            "history_table",
            "release_result",
            "releases_as_data",
        ],
        "stacks": ["format_events", "format_fates"],
        "status": ["missing_table", "next_steps", "services_table", "stacks_table"],
    },
)
