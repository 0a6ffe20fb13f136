"""Check the account before a deployment, and derive the permissions that a deployment needs.

In: a `Config`, a `Rendering` and `Aws`. Out: `PreflightCheck` values in a fixed order, from the
checks in `CHECKS` (one class each, in ``checks/``). ``derive_permissions`` turns a `Rendering` into
the IAM roles of a pipeline, ``taskcat_configuration`` turns a `Bundle` into the file for taskcat.
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
from .taskcat import TASKCAT_FILE, parameters_without_default, taskcat_configuration, taskcat_folder

__all__ = [
    "CHECKS",
    "PATH",
    "REPOSITORY",
    "TASKCAT_FILE",
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
