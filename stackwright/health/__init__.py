"""Look at what is deployed: services, targets, names, functions, metrics and alarms.

``verify`` waits until all of it is well, ``status`` reads it once, ``probes`` finds the resources
that can be checked.
"""

from .findings import (
    SIMULATED,
    CheckState,
    DriftedStack,
    EnvironmentStatus,
    HealthCheck,
    RootStatus,
    ServiceStatus,
    Subject,
)
from .readiness import PreflightCheck
from .status import read_status
from .verify import DEADLINE, verify_environment

__all__ = [
    "DEADLINE",
    "SIMULATED",
    "CheckState",
    "DriftedStack",
    "EnvironmentStatus",
    "HealthCheck",
    "PreflightCheck",
    "RootStatus",
    "ServiceStatus",
    "Subject",
    "read_status",
    "verify_environment",
]
