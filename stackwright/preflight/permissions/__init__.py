"""The IAM roles of a pipeline, least privilege, from the resources of the templates.

Three roles (docs/decisions/0030): the pipeline plans with the first and deploys with the second;
CloudFormation manages the resources with the third, its service role, which the second passes to
it. The calls of the third come from the registry schemas, which list the permissions that the
handlers of each resource type need. Names come from the templates: ``<prefix>-web`` is allowed as
``<prefix>-*``. A resource with a generated ID is allowed by its kind, and may be deleted only with
the tag that CloudFormation gives the resources of a stack.

``calls`` holds the tables of calls, ``resources`` the calls of the resource types, ``names`` the
patterns of names, ``scope`` turns calls into statements, ``roles`` puts the roles together.
"""

from .calls import NAMED_CALLS
from .model import AllowStatement, Permissions, Role
from .resources import service_linked_roles
from .roles import (
    PATH,
    POLICIES_LIMIT,
    POLICY_LIMIT,
    REPOSITORY,
    derive_permissions,
    find_service_role,
)

__all__ = [
    "NAMED_CALLS",
    "PATH",
    "POLICIES_LIMIT",
    "POLICY_LIMIT",
    "REPOSITORY",
    "AllowStatement",
    "Permissions",
    "Role",
    "derive_permissions",
    "find_service_role",
    "service_linked_roles",
]
