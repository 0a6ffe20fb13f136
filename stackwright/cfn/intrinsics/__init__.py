"""Template, parameters and the world outside -> values: intrinsic functions, conditions, mappings.

``Resolver`` resolves trees of one template; ``world`` says what it may ask, ``parameters`` checks
the given values, ``dynamic_references`` replaces what CloudFormation looks up last.
"""

from .dynamic_references import (
    DYNAMIC_REFERENCE,
    SecretReference,
    dynamic_references,
    resolve_dynamic,
    resolve_stored,
)
from .parameters import parameter_values
from .resolver import Resolver
from .world import UNKNOWN_ACCOUNT, Pseudo, ResolverWorld, UnknownWorld

__all__ = [
    "DYNAMIC_REFERENCE",
    "UNKNOWN_ACCOUNT",
    "Pseudo",
    "Resolver",
    "ResolverWorld",
    "SecretReference",
    "UnknownWorld",
    "dynamic_references",
    "parameter_values",
    "resolve_dynamic",
    "resolve_stored",
]
