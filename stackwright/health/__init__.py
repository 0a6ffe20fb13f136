"""Check the deployed system: services, targets, names, functions, metrics and alarms.

In: `LiveStack` values and `aws.Services`. Out: `HealthCheck` values from ``verify_environment``,
which repeats failed checks until a deadline, or an `EnvironmentStatus` from ``read_status``, which
reads once. ``probes`` finds the resources that can be checked.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "model": [
            "CheckState",
            "DriftedStack",
            "EnvironmentStatus",
            "HealthCheck",
            "MissingResource",
            "RootStatus",
            "SIMULATED",
            "ServiceStatus",
            "Subject",
        ],
        "status": ["read_status"],
        "verify": ["DEADLINE", "verify_environment"],
    },
)
