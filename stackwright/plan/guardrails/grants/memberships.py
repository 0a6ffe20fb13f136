"""Read grants that are no statements: who is attached to, a member of or assigned to what."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..wording import as_list, shorten
from .policy_types import IDENTITY_POLICIES, OPAQUE_POLICIES, PRINCIPALS
from .side import Place, Side, SideResource

ATTACHES, BOUNDARY, MEMBER, PROFILE = "attaches", "boundary", "member", "profile"
"""Kinds of memberships that are told in words of their own."""


class Membership(Struct, frozen=True):
    """A fact that gives somebody access: ``parts`` are equal where the fact is.

    ``text`` tells it as the predicate of a sentence, ``lost`` what its end opens: an end that opens
    nothing has none.
    """

    kind: str
    parts: tuple[str, ...]
    place: Place
    text: str
    lost: str = ""


def read_memberships(side: Side) -> Iterator[Membership]:
    """Yield every attachment, membership, assignment and share of one side."""
    for resource in side:
        if resource.type in PRINCIPALS:
            yield from _read_attachments(resource, side)
        if resource.type in ("AWS::IAM::User", "AWS::IAM::UserToGroupAddition"):
            yield from _read_group_members(resource, side)
        if resource.type == "AWS::IAM::InstanceProfile":
            for role in as_list(resource.properties.get("Roles")):
                parts = (resource.address, side.identify(resource.stack, role))
                text = f"gives its instances the role {shorten(role)}"
                yield Membership(PROFILE, parts, resource.place, text)
        if resource.type in _ASSIGNMENTS:
            yield from _read_assignments(resource, side, *_ASSIGNMENTS[resource.type])
        if resource.type in OPAQUE_POLICIES:
            yield from _read_opaque(resource)


def _read_attachments(resource: SideResource, side: Side) -> Iterator[Membership]:
    properties = resource.properties
    listed = ("ManagedPolicyArns", "ManagedPolicies", "CustomerManagedPolicyReferences")
    own = {other.address for other in side if other.type in IDENTITY_POLICIES}
    for name in listed:
        for policy in as_list(properties.get(name)):
            identity = side.identify(resource.stack, _spell(policy))
            if identity not in own:  # its statements are compared
                text = f"attaches {shorten(policy)}"
                yield Membership(ATTACHES, (resource.address, identity), resource.place, text)
    boundary = properties.get("PermissionsBoundary")
    if boundary:
        parts = (resource.address, side.identify(resource.stack, _spell(boundary)))
        lost = f"removes its permissions boundary {shorten(boundary)}"
        yield Membership(BOUNDARY, parts, resource.place, "", lost)


def _read_group_members(resource: SideResource, side: Side) -> Iterator[Membership]:
    properties = resource.properties
    if resource.type == "AWS::IAM::User":
        pairs = [(resource.address, "", group) for group in as_list(properties.get("Groups"))]
    else:
        group = properties.get("GroupName")
        users = as_list(properties.get("Users"))
        pairs = [(side.identify(resource.stack, user), user, group) for user in users]
    for identity, user, group in pairs:
        parts = (identity, side.identify(resource.stack, group))
        name = shorten(group)
        denied = "whose policies may deny"
        if user:
            text = f"adds {shorten(user)} to the group {name}"
            lost = f"takes {shorten(user)} out of the group {name}, {denied} them something"
        else:
            text = f"joins the group {name}"
            lost = f"leaves the group {name}, {denied} it something"
        yield Membership(MEMBER, parts, resource.place, text, lost)


_ASSIGNMENTS: Mapping[str, tuple[Sequence[str], str]] = {
    "AWS::SSO::Assignment": (
        ("PrincipalType", "PrincipalId", "PermissionSetArn", "TargetId", "InstanceArn"),
        "gives the {0} {1} the permission set {2} in the account {3}",
    ),
    "AWS::RAM::ResourceShare": (
        ("ResourceArns", "Principals", "PermissionArns"),
        "shares {0} with {1}",
    ),
    "AWS::EKS::AccessEntry": (
        ("PrincipalArn", "ClusterName", "AccessPolicies", "KubernetesGroups", "Type"),
        "gives {0} access to the cluster {1}: {2} {3}",
    ),
    "AWS::EKS::PodIdentityAssociation": (
        ("RoleArn", "ClusterName", "Namespace", "ServiceAccount"),
        "gives the service account {2}/{3} of the cluster {1} the role {0}",
    ),
    "AWS::LakeFormation::PrincipalPermissions": (
        ("Principal", "Resource", "Permissions", "PermissionsWithGrantOption"),
        "gives {0} {2} on {1}",
    ),
    "AWS::LakeFormation::Permissions": (
        ("DataLakePrincipal", "Resource", "Permissions", "PermissionsWithGrantOption"),
        "gives {0} {2} on {1}",
    ),
    "AWS::EC2::VPCEndpointServicePermissions": (
        ("ServiceId", "AllowedPrincipals"),
        "lets {1} connect to the endpoint service {0}",
    ),
    "AWS::Redshift::EndpointAuthorization": (
        ("Account", "ClusterIdentifier", "VpcIds"),
        "lets the account {0} connect to the cluster {1}",
    ),
}
"""Types that are grants themselves: the properties that make one, and its words. A list stands for
a grant with each of its items."""

GRANT_TYPES = frozenset(
    (
        *_ASSIGNMENTS,
        *OPAQUE_POLICIES,
        "AWS::IoT::Policy",
        "AWS::Organizations::Policy",
        "AWS::SSO::PermissionSet",
    )
)
"""Types whose grants are told here in full, so that no row of the table needs to tell them."""


def _read_assignments(
    resource: SideResource, side: Side, names: Sequence[str], words: str
) -> Iterator[Membership]:
    values = [as_list(resource.properties.get(name)) or [""] for name in names]
    for combination in itertools.product(*values):
        texts = [shorten(value) for value in combination]
        parts = tuple(side.identify(resource.stack, _spell(value)) for value in combination)
        yield Membership(resource.type, parts, resource.place, words.format(*texts).rstrip(": "))


def _read_opaque(resource: SideResource) -> Iterator[Membership]:
    name = OPAQUE_POLICIES[resource.type]
    value = resource.properties.get(name)
    if value:
        text = f"has another {name}, in a language that is not compared: it may allow more"
        lost = f"loses a {name}, in a language that is not compared: it may have denied something"
        parts = (resource.address, _spell(value))
        yield Membership(resource.type, parts, resource.place, text, lost)


def _spell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
