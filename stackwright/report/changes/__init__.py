"""Pieces that diffs and plans are shown with: counts, lines of properties, and short values."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "counts": [
            "Count",
            "count_changes",
            "describe_counts",
            "is_revision",
            "summarize_diff",
        ],
        "lines": ["PropertyLine", "identify", "list_lines"],
        "tags": ["describe_tags", "is_only_tagged"],
        "values": ["AFTER_APPLY", "format_value"],
    },
)
