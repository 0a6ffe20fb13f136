"""Types and helpers that every stage uses; nothing here knows CloudFormation or AWS.

``errors`` holds the exceptions that carry problems to the user, ``model`` the frozen values that
are handed from stage to stage, ``codes`` the catalogue of the codes that problems carry, ``cache``
a folder of results that can be made again, ``masking`` hides secrets in values that are shown and
``credentials`` knows their forms, ``files`` writes a file whole or not at all,
``project_files`` reads only files of the project, ``state`` is the folder of what a checkout
keeps, ``command`` the name by which the user called the program, ``text`` makes text
from outside safe to show, ``yaml_nodes`` is YAML text with positions.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cache": ["CACHE_FOLDER", "Cache"],
        "codes": ["CODES", "Code"],
        "command": ["command_line", "command_name", "program_name"],
        "credentials": ["looks_secret"],
        "errors": [
            "AwsError",
            "DeployError",
            "EmulatorError",
            "ImageError",
            "InputError",
            "OutputError",
            "StackwrightError",
            "TemplateError",
        ],
        "files": ["write_file"],
        "masking": [
            "HIDDEN",
            "is_secret_name",
            "mask",
            "mask_at",
            "mask_text",
            "secret_arguments",
            "value_keys",
        ],
        "model": [
            "Artifact",
            "Bundle",
            "Config",
            "Declaration",
            "Document",
            "Dotenv",
            "Interface",
            "Leaf",
            "Level",
            "Line",
            "Location",
            "NestedStack",
            "PackagedTemplate",
            "ParameterPath",
            "Problem",
            "Rendering",
            "Report",
            "RootStack",
            "S3Folder",
            "Source",
            "SourceKind",
            "Variable",
            "Waiver",
            "Wiring",
            "dotted",
            "has_errors",
            "key_with_dot",
            "logical_id",
            "url_suffix",
        ],
        "project_files": ["read_file", "require_readable", "walk_files"],
        "text": ["escape_text"],
        "state": ["STATE_FOLDER", "prepare_state", "require_untracked_state"],
        "waivers": [
            "GuardrailWaiver",
            "WAIVABLE_KINDS",
            "is_guardrail_waiver",
            "read_guardrail_waivers",
            "waiver_entries",
        ],
        "yaml_data": [
            "ParameterData",
            "TemplateData",
            "long_intrinsic",
            "scalar_data",
            "template_data",
        ],
        "yaml_nodes": ["compose_yaml", "line_of_path", "mapping_entries", "refuse_aliases"],
        "yaml_scalars": [
            "MAX_DIGITS",
            "core_scalar",
            "decimal_number",
            "has_too_many_digits",
            "whole_number",
        ],
    },
)
