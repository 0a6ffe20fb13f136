"""Compare two builds: which resources are added, changed, replaced or removed, and what is lost
with them.

In: the files of two builds, or a live stack and a target. Out: a `Diff`. Nothing here calls AWS.
"""

from .collect import DiffCollector, describe_new_default
from .diff import diff_builds, read_build_folder, read_build_revision, rename_environment
from .model import (
    HIDDEN,
    PARAMETER,
    DataLoss,
    Diff,
    Effect,
    OutputDiff,
    PropertyDiff,
    ResourceDiff,
    mask,
    merge_diffs,
)

__all__ = [
    "HIDDEN",
    "PARAMETER",
    "DataLoss",
    "Diff",
    "DiffCollector",
    "Effect",
    "OutputDiff",
    "PropertyDiff",
    "ResourceDiff",
    "describe_new_default",
    "diff_builds",
    "mask",
    "merge_diffs",
    "read_build_folder",
    "read_build_revision",
    "rename_environment",
]
