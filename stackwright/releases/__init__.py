"""Numbered records of deployments: written by ``deploy``, read by ``history`` and ``rollback``.

``release`` begins, finishes and restores releases, ``record`` is their JSON, ``orphans`` finds root
stacks that left the parameters, ``prune`` finds artifacts that nothing needs any more. A deployment
does not depend on any of it.
"""

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
from .release import (
    begin_release,
    find_missing_parts,
    find_previous_release,
    finish_release,
    keep_release,
    load_release,
    read_history,
    read_last_release,
    records_plan,
    release_targets,
)

__all__ = [
    "History",
    "Release",
    "ReleaseList",
    "ReleaseOverview",
    "ReleaseResult",
    "begin_release",
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
    "release_targets",
    "remove_objects",
    "with_former_roots",
]
