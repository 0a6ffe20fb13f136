"""Check the account before a deployment, and derive the permissions that a deployment needs.

In: a `Config`, a `Rendering` and `Aws`. Out: `PreflightCheck` values, one for each thing that was
checked.
"""

from .checks import CHECKS, Check
from .model import PreflightCheck
from .permissions import (
    PATH,
    REPOSITORY,
    AllowStatement,
    Permissions,
    Role,
    derive_permissions,
    find_service_role,
)
from .preflight import run_preflight
from .taskcat import NAME, parameters_without_default, taskcat_configuration, taskcat_folder

__all__ = [
    "CHECKS",
    "NAME",
    "PATH",
    "REPOSITORY",
    "AllowStatement",
    "Check",
    "Permissions",
    "PreflightCheck",
    "Role",
    "derive_permissions",
    "find_service_role",
    "parameters_without_default",
    "run_preflight",
    "taskcat_configuration",
    "taskcat_folder",
]
