"""Numbered records of deployments: written by ``deploy``, read by ``history`` and ``rollback``.

``release`` begins, finishes and restores releases, ``record`` is their JSON, ``orphans`` finds root
stacks that left the parameters, ``prune`` finds artifacts that nothing needs any more. A deployment
does not depend on any of it.
"""

from .orphans import find_orphans
from .prune import find_unused, read_live_templates, remove_objects
from .record import History, Release, ReleaseResult
from .release import (
    begin_release,
    find_live_release,
    find_missing_parts,
    find_previous_release,
    finish_release,
    keep_release,
    load_release,
    moved_roots,
    read_history,
    read_last_release,
    records_plan,
    release_targets,
    running_release,
)

__all__ = [
    "History",
    "Release",
    "ReleaseResult",
    "begin_release",
    "find_live_release",
    "find_missing_parts",
    "find_orphans",
    "find_previous_release",
    "find_unused",
    "finish_release",
    "keep_release",
    "load_release",
    "moved_roots",
    "read_history",
    "read_last_release",
    "read_live_templates",
    "records_plan",
    "release_targets",
    "remove_objects",
    "running_release",
]
