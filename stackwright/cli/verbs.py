"""Which module has which verb, and under which heading ``--help`` lists it."""

from __future__ import annotations

from collections.abc import Mapping

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Change": {
        "render": "render",
        "lint": "render",
        "diff": "render",
        "plan": "deploy",
        "deploy": "deploy",
        "rollback": "deploy",
    },
    "See": {
        "status": "status",
        "verify": "verify",
        "history": "status",
        "events": "verify",
        "outputs": "status",
        "drift": "verify",
    },
    "Recover": {
        "watch": "recover",
        "repair": "recover",
        "import": "maintain",
        "prune": "maintain",
        "destroy": "recover",
    },
    "Project": {
        "new": "project",
        "init": "project",
        "params": "explain",
        "explain": "explain",
        "graph": "explain",
        "package": "package",
        "images": "images",
        "secrets": "secrets",
        "preflight": "pipeline",
        "permissions": "pipeline",
        "taskcat": "pipeline",
        "rehearse": "rehearse",
        "emulator": "emulator",
        "doctor": "project",
        "docs": "project",
        "completion": "project",
    },
}
"""Group of --help -> its verbs -> the module whose ``VERBS`` has the verb; a module is imported
when one of its verbs is asked for."""

MODULES = {verb: module for verbs in GROUPS.values() for verb, module in verbs.items()}
"""Verb -> its module."""
