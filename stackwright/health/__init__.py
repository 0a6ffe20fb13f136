"""Check the deployed system: services, targets, names, functions, metrics and alarms.

In: `LiveStack` values and `aws.Services`. Out: `HealthCheck` values from ``verify_environment``,
which repeats failed checks until a deadline, or an `EnvironmentStatus` from ``read_status``, which
reads once. ``probes`` finds the resources that can be checked.
"""

from .model import (
    SIMULATED,
    CheckState,
    DriftedStack,
    EnvironmentStatus,
    HealthCheck,
    RootStatus,
    ServiceStatus,
    Subject,
)
from .status import read_status
from .verify import DEADLINE, verify_environment

__all__ = [
    "DEADLINE",
    "SIMULATED",
    "CheckState",
    "DriftedStack",
    "EnvironmentStatus",
    "HealthCheck",
    "RootStatus",
    "ServiceStatus",
    "Subject",
    "read_status",
    "verify_environment",
]
