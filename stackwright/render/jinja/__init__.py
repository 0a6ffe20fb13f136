"""Jinja, with every printed value held out of the text as a token.

``compiler`` gives each piece of output its template line, ``environment`` notes the parameters that
an expression reads, ``loader`` reads templates and keeps compiled ones, ``limits`` bounds
time and sizes, ``functions`` are the names that templates call, ``errors`` turn exceptions into
problems at template lines.
"""

from .environment import JinjaEnvironment
from .errors import Failure, RuntimeMistake, code_of, template_problems
from .functions import dynref, sub_var

__all__ = [
    "Failure",
    "JinjaEnvironment",
    "RuntimeMistake",
    "code_of",
    "dynref",
    "sub_var",
    "template_problems",
]
