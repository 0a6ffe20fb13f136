"""Compare what a root grants before and after its change, wherever it is declared.

In: a `RootPlan`. Out: what it opens, in words, by resource. ``side`` holds the resources before and
after; ``statements`` reads their policies, ``memberships`` who is attached to or a member of what,
``network_rules`` the rules of security groups; ``policy_types`` names the types that have policies,
and ``new_resources`` tells which grants of new resources matter.
"""

from .compare import compare_grants
from .memberships import GRANT_TYPES, read_memberships
from .network_rules import read_rules
from .side import Place, Side, build_sides
from .statements import IDENTITY, TRUST, read_grants

__all__ = [
    "GRANT_TYPES",
    "IDENTITY",
    "TRUST",
    "Place",
    "Side",
    "build_sides",
    "compare_grants",
    "read_grants",
    "read_memberships",
    "read_rules",
]
