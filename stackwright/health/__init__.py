"""Look at what is deployed: services, targets, names, functions, metrics and alarms.

``verify`` waits until all of it is well, ``status`` reads it once, ``probes`` finds the resources
that can be checked.
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
