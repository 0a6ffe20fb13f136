"""Read the inputs: ``params/<env>.yaml``, ``params/schema.json`` and the dotenv files become one
`Config`.

In: a project folder, an environment's name, overrides. Out: `Config`, in which every value knows
its file and line. Raises `InputError` with all problems at once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "doctor": ["run_doctor"],
        "dotenv": [
            "FORBIDDEN",
            "FUNCTION_LIMIT",
            "find_undeclared",
            "matches_pattern",
            "read_dotenv",
        ],
        "layers": ["SET", "SET_ENV", "SET_FILE", "TextOverride", "hide_values"],
        "load": ["list_environments", "load_config"],
        "overlay": ["OVERLAY", "overlay_text"],
        "scaffold": ["new_environment", "new_project"],
        "schema": ["JsonSchema", "parse_schema", "schema_properties"],
    },
)
