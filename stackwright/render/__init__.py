"""Render the templates: a `Config` becomes a `Rendering`, and that becomes ``build/<env>``.

``render`` prints each template through ``jinja``, ``text`` and ``emit`` keep the origin of every
line, ``wire`` connects nested stacks by name, ``build_folder`` replaces a build as a whole,
``memo`` keeps renderings by the hash of their inputs, ``explain`` says where a value comes from.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "build_folder": ["find_stale", "stage_apart", "stage_build", "write_build"],
        "explain": ["Explanation", "explain_value"],
        "memo": ["LINT_CONFIG", "cached_rendering", "cached_report"],
        "quoting": ["BlockDumper"],
        "render": ["render_templates"],
        "wire": ["wire_root"],
    },
)
