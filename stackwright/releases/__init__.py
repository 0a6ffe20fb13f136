"""Numbered records of deployments, written by ``deploy``, read by ``history`` and ``rollback``: a
`Plan` and its outcomes become a `Release`.

``release`` begins and finishes a release, ``record`` is its JSON, ``history`` reads releases,
``restore`` turns one into desired stacks, ``orphans`` finds root stacks that left the parameters,
``overview`` does all of that for an `Environment`, ``prune`` finds artifacts that are no longer
used. A deployment does not depend on any of it.
"""

from .history import (
    find_previous_release,
    load_release,
    read_history,
    read_last_release,
)
from .overview import (
    ReleaseList,
    ReleaseOverview,
    find_orphaned_stacks,
    list_releases,
    read_last_of,
    read_orphaned_stacks,
    read_overview,
    with_former_roots,
)
from .prune import find_unused_artifacts, remove_objects
from .record import History, Release, ReleaseResult
from .release import begin_release, finish_release, keep_release, records_plan
from .restore import build_restored_stacks, find_missing_parts

__all__ = [
    "History",
    "Release",
    "ReleaseList",
    "ReleaseOverview",
    "ReleaseResult",
    "begin_release",
    "build_restored_stacks",
    "find_missing_parts",
    "find_orphaned_stacks",
    "find_previous_release",
    "find_unused_artifacts",
    "finish_release",
    "keep_release",
    "list_releases",
    "load_release",
    "read_history",
    "read_last_of",
    "read_last_release",
    "read_orphaned_stacks",
    "read_overview",
    "records_plan",
    "remove_objects",
    "with_former_roots",
]
