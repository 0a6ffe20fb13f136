"""The preflight checks: one class each, with id, title, reason and source; a file a domain.

A new check is a class in one of these modules and its name in `CHECKS`.
"""

from .account import AccountMatches
from .base import Check, describe_unknown, is_unknown
from .certificates import Certificates
from .images import Images
from .names import Namespaces, RetainedNames
from .network import FreeAddresses, MountTargets, Routes, SubnetsInVpc, TwoZones, ZonesExist
from .quotas import FargateQuota, LambdaConcurrency
from .references import SecretReferences, StoredParameters
from .roles import ServiceLinkedRoles
from .secrets import Secrets
from .services import RollbackAlarms, ServiceDeployments
from .stacks import UpdatableStack

CHECKS: tuple[type[Check], ...] = (
    AccountMatches,
    UpdatableStack,
    ZonesExist,
    SubnetsInVpc,
    TwoZones,
    MountTargets,
    Routes,
    FreeAddresses,
    Certificates,
    Namespaces,
    RetainedNames,
    Images,
    Secrets,
    StoredParameters,
    SecretReferences,
    ServiceDeployments,
    RollbackAlarms,
    FargateQuota,
    LambdaConcurrency,
    ServiceLinkedRoles,
)
"""All checks, in the order of their results."""

__all__ = ["CHECKS", "Check", "describe_unknown", "is_unknown"]
