"""Types and helpers that every stage uses; nothing here knows CloudFormation or AWS.

``errors`` holds the exceptions that carry problems to the user, ``model`` the frozen values that
are handed from stage to stage, ``codes`` the catalogue of the codes that problems carry, ``cache``
a folder of results that can be made again, ``files`` writes a file whole or not at all, ``command``
the name by which the user called the program, ``yaml_nodes`` YAML text with positions.
"""

from .cache import Cache
from .codes import CODES, Code
from .command import command_line, command_name, program_name
from .errors import (
    AwsError,
    DeployError,
    EmulatorError,
    ImageError,
    InputError,
    OutputError,
    StackwrightError,
    TemplateError,
)
from .files import write_file
from .model import (
    Artifact,
    Bundle,
    Config,
    Declaration,
    Document,
    Dotenv,
    Interface,
    Leaf,
    Level,
    Line,
    Location,
    NestedStack,
    PackagedTemplate,
    ParameterPath,
    Problem,
    Rendering,
    Report,
    RootStack,
    S3Folder,
    Source,
    SourceKind,
    Variable,
    Waiver,
    Wiring,
    dotted,
    has_errors,
    key_with_dot,
    logical_id,
    url_suffix,
)
from .yaml_data import (
    ParameterData,
    TemplateData,
    long_intrinsic,
    scalar_data,
    template_data,
)
from .yaml_nodes import compose_yaml, line_of_path, mapping_entries, refuse_aliases
from .yaml_scalars import core_scalar

__all__ = [
    "CODES",
    "Artifact",
    "AwsError",
    "Bundle",
    "Cache",
    "Code",
    "Config",
    "Declaration",
    "DeployError",
    "Document",
    "Dotenv",
    "EmulatorError",
    "ImageError",
    "InputError",
    "Interface",
    "Leaf",
    "Level",
    "Line",
    "Location",
    "NestedStack",
    "OutputError",
    "PackagedTemplate",
    "ParameterData",
    "ParameterPath",
    "Problem",
    "Rendering",
    "Report",
    "RootStack",
    "S3Folder",
    "Source",
    "SourceKind",
    "StackwrightError",
    "TemplateData",
    "TemplateError",
    "Variable",
    "Waiver",
    "Wiring",
    "command_line",
    "command_name",
    "compose_yaml",
    "core_scalar",
    "dotted",
    "has_errors",
    "key_with_dot",
    "line_of_path",
    "logical_id",
    "long_intrinsic",
    "mapping_entries",
    "program_name",
    "refuse_aliases",
    "scalar_data",
    "template_data",
    "url_suffix",
    "write_file",
]
