"""Compare two builds: which resources are added, changed, replaced or removed, and which data is
lost with them.

In: the files of two builds, or the predicted changes of a stack. Out: a `Diff`. Nothing here calls
AWS.
"""

from .builds import read_build_folder, read_build_revision, rename_environment
from .collect import DiffCollector, describe_declaration_change
from .diff import diff_builds
from .model import (
    HIDDEN,
    PARAMETER,
    DataLoss,
    Diff,
    Effect,
    OutputDiff,
    PolicyDiff,
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
    "PolicyDiff",
    "PropertyDiff",
    "ResourceDiff",
    "describe_declaration_change",
    "diff_builds",
    "mask",
    "merge_diffs",
    "read_build_folder",
    "read_build_revision",
    "rename_environment",
]
