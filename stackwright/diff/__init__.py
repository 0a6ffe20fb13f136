"""Compare two builds: which resources are added, changed, replaced or removed, and which data is
lost with them.

In: the files of two builds, or the predicted changes of a stack. Out: a `Diff`. Nothing here calls
AWS.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "builds": ["read_build_folder", "read_build_revision", "rename_environment"],
        "collect": ["DiffCollector", "describe_declaration_change", "diff_tags"],
        "diff": ["diff_builds"],
        "model": [
            "DataLoss",
            "Diff",
            "Effect",
            "OutputDiff",
            "PARAMETER",
            "PropertyDiff",
            "ResourceDiff",
            "TagDiff",
            "TextDiff",
            "UnchangedResource",
            "mask_all",
            "merge_diffs",
        ],
        "unread": ["describe_templates", "diff_unread"],
    },
)
