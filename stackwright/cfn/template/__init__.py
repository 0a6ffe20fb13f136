"""CloudFormation templates as values: parsed from YAML or JSON, with the line of every key.

``parse`` reads a whole template and refuses what CloudFormation refuses, in its words; ``sections``
reads the declarations of each section; ``unexpanded`` reads as much as can be read of a template
whose macros only AWS can run.
"""

from ..declarations import ValidationError, template_to_text
from .parse import Template, parse_template, template_from_data
from .unexpanded import declared_keys, parse_unexpanded, readable_template

__all__ = [
    "Template",
    "ValidationError",
    "declared_keys",
    "parse_template",
    "parse_unexpanded",
    "readable_template",
    "template_from_data",
    "template_to_text",
]
