"""Check the account before a deployment, and derive the permissions that a deployment needs.

In: a `Config`, a `Rendering` and `Aws`. Out: `PreflightCheck` values in a fixed order, from the
checks in `CHECKS` (one class each, in ``checks/``). ``derive_permissions`` turns a `Rendering` into
the IAM roles of a pipeline, ``taskcat_configuration`` turns a `Bundle` into the file for taskcat.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checks": ["CHECKS", "Check"],
        "model": ["PreflightCheck"],
        "permissions": [
            "AllowStatement",
            "PATH",
            "Permissions",
            "REPOSITORY",
            "Role",
            "derive_permissions",
            "find_service_role",
        ],
        "preflight": ["run_preflight"],
        "taskcat": [
            "TASKCAT_FILE",
            "parameters_without_default",
            "taskcat_configuration",
            "taskcat_folder",
        ],
    },
)
