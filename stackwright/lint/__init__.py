"""Check a rendering with cfn-lint and our own rules: a `Rendering` becomes a `Report` of problems
at template lines.

``check`` runs cfn-lint in worker processes (``worker``) and the rules of ``rules``, applies
waivers, and locates each finding in the template and the parameters.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "check": ["Linter", "check_rendering_folders"],
        "rules": ["RULES", "catalogue"],
    },
)
