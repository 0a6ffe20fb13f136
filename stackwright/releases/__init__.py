"""Numbered records of deployments, written by ``deploy``, read by ``history`` and ``rollback``: a
`Plan` and its outcomes become a `Release`.

``release`` begins and finishes a release, ``record`` is its JSON, ``history`` reads releases,
``restore`` turns one into desired stacks, ``orphans`` finds root stacks that left the parameters,
``overview`` does all of that for an `Environment`, ``prune`` finds artifacts that are no longer
used. A deployment does not depend on any of it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "history": [
            "find_previous_release",
            "find_root_release",
            "load_release",
            "read_history",
            "read_last_release",
        ],
        "overview": [
            "ReleaseList",
            "ReleaseOverview",
            "find_orphaned_stacks",
            "list_releases",
            "read_last_of",
            "read_orphaned_stacks",
            "read_overview",
            "with_former_roots",
        ],
        "prune": ["find_unused_artifacts", "remove_objects"],
        "record": ["History", "Release", "ReleaseResult", "RootRelease"],
        "release": [
            "begin_release",
            "finish_release",
            "has_same_content",
            "keep_release",
            "records_plan",
        ],
        "restore": ["build_restored_stacks", "find_missing_parts"],
    },
)
