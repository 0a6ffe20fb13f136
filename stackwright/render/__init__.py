"""Render the templates: a `Config` becomes a `Rendering`, and that becomes ``build/<env>``.

``render`` prints each template through ``jinja``, ``text`` and ``emit`` keep the origin of every
line, ``wire`` connects nested stacks by name, ``build_folder`` replaces a build as a whole,
``memo`` keeps renderings by the hash of their inputs, ``explain`` says where a value comes from.
"""

from .build_folder import find_stale, stage_apart, stage_build, write_build
from .explain import Explanation, explain_value
from .memo import LINT_CONFIG, cached_rendering, cached_report
from .quoting import BlockDumper
from .render import render_templates
from .wire import wire_root

__all__ = [
    "LINT_CONFIG",
    "BlockDumper",
    "Explanation",
    "cached_rendering",
    "cached_report",
    "explain_value",
    "find_stale",
    "render_templates",
    "stage_apart",
    "stage_build",
    "wire_root",
    "write_build",
]
