"""Check a rendering with cfn-lint and our own rules: a `Rendering` becomes a `Report` of problems
at template lines.

``check`` runs cfn-lint in worker processes (``worker``) and the rules of ``rules``, applies
waivers, and locates each finding in the template and the parameters.
"""

from .check import Linter, check_rendering_folders
from .rules import RULES, catalogue

__all__ = ["RULES", "Linter", "catalogue", "check_rendering_folders"]
