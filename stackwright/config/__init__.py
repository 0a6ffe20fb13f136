"""Read the inputs: ``params/<env>.yaml``, ``params/schema.json`` and the dotenv files become one
`Config`.

In: a project folder, an environment's name, overrides. Out: `Config`, in which every value knows
its file and line. Raises `InputError` with all problems at once.
"""

from .dotenv import FORBIDDEN, FUNCTION_LIMIT, looks_secret, matches_pattern, read_dotenv
from .load import list_environments, load_config
from .scaffold import new_environment, run_doctor
from .schema import JsonSchema, parse_schema, schema_properties

__all__ = [
    "FORBIDDEN",
    "FUNCTION_LIMIT",
    "JsonSchema",
    "list_environments",
    "load_config",
    "looks_secret",
    "matches_pattern",
    "new_environment",
    "parse_schema",
    "read_dotenv",
    "run_doctor",
    "schema_properties",
]
