"""Read the inputs: ``params/<env>.yaml``, ``params/schema.json`` and the dotenv files become one
`Config`.

In: a project folder, an environment's name, overrides. Out: `Config`, in which every value knows
its file and line. Raises `InputError` with all problems at once.
"""

from .doctor import run_doctor
from .dotenv import (
    FORBIDDEN,
    FUNCTION_LIMIT,
    find_undeclared,
    looks_secret,
    matches_pattern,
    read_dotenv,
)
from .layers import SET, SET_ENV, SET_FILE, TextOverride, hide_values
from .load import list_environments, load_config
from .scaffold import new_environment, new_project
from .schema import JsonSchema, parse_schema, schema_properties

__all__ = [
    "FORBIDDEN",
    "FUNCTION_LIMIT",
    "SET",
    "SET_ENV",
    "SET_FILE",
    "JsonSchema",
    "TextOverride",
    "find_undeclared",
    "hide_values",
    "list_environments",
    "load_config",
    "looks_secret",
    "matches_pattern",
    "new_environment",
    "new_project",
    "parse_schema",
    "read_dotenv",
    "run_doctor",
    "schema_properties",
]
