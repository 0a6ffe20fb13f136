"""The generated pages of ``docs/``, as Markdown."""

from .codes import rules_page
from .parameters import parameters_page
from .preflight import preflight_page
from .verbs import OptionReference, VerbReference, verbs_page

__all__ = [
    "OptionReference",
    "VerbReference",
    "parameters_page",
    "preflight_page",
    "rules_page",
    "verbs_page",
]
