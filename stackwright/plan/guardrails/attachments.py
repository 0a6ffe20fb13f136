"""Describe who gains or loses policies: holders and targets of policies, members of groups, roles
of instances.

The policies of a group or role may stand elsewhere, and are not read here.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...cfn import read_statements
from ...diff import Effect, PropertyDiff
from .paths import parse_path
from .resource import ChangedResource
from .wording import describe_statement, join_texts, shorten

ATTACHED_POLICIES = frozenset(
    (
        "AWS::IAM::Policy",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::RolePolicy",
        "AWS::IAM::UserPolicy",
        "AWS::IAM::GroupPolicy",
    )
)
"""Types of policies that are attached to others, which their properties name."""

_HOLDERS = {
    "Roles": "role",
    "Users": "user",
    "Groups": "group",
    "RoleName": "role",
    "UserName": "user",
    "GroupName": "group",
}
"""Properties that name whom a policy is attached to."""
_TARGETS = {
    "AWS::S3::BucketPolicy": ("Bucket", "bucket"),
    "AWS::SQS::QueuePolicy": ("Queues", "queue"),
    "AWS::SQS::QueueInlinePolicy": ("Queue", "queue"),
    "AWS::SNS::TopicPolicy": ("Topics", "topic"),
    "AWS::SNS::TopicInlinePolicy": ("TopicArn", "topic"),
    "AWS::SecretsManager::ResourcePolicy": ("SecretId", "secret"),
}
"""The property of a resource policy that names the resources it guards, and their kind."""
RESOURCE_POLICIES = frozenset(_TARGETS)
"""Types of policies that say who may use the resources that their properties name."""
_USER = "AWS::IAM::User"
_ADDITION = "AWS::IAM::UserToGroupAddition"
_PROFILE = "AWS::IAM::InstanceProfile"
_MEMBERSHIPS = {_USER: ("Groups",), _ADDITION: ("Users", "GroupName"), _PROFILE: ("Roles",)}
"""Properties that make somebody a member of what has policies."""


def describe_attachments(resource: ChangedResource) -> Iterator[str]:
    """Yield who gains permissions, and who is no longer denied anything."""
    if resource.effect is Effect.ADD:
        yield from _describe_new_members(resource)
    elif resource.effect is Effect.REMOVE and resource.type == _ADDITION:
        yield "takes users out of a group, whose policies may deny them something"
    for leaf in resource.changed:
        if is_attachment(resource.type, leaf):
            yield from _describe_changed(resource, leaf)


def is_attachment(type_: str, leaf: PropertyDiff) -> bool:
    """Return whether a changed property says whom policies apply to."""
    path = parse_path(leaf.path)
    names = _MEMBERSHIPS.get(type_, _TARGETS.get(type_, ())[:1])
    if type_ in ATTACHED_POLICIES:
        names = tuple(_HOLDERS)
    is_list_or_item = path.steps[:1] == (path.name,) and len(path.steps) <= 2
    return path.name in names and is_list_or_item and not path.order


def _describe_new_members(resource: ChangedResource) -> Iterator[str]:
    properties = resource.properties
    if resource.type == _ADDITION:
        group = shorten(properties.get("GroupName"))
        yield f"adds {shorten(properties.get('Users'))} to the group {group}"
    elif resource.type == _USER and properties.get("Groups"):
        yield f"joins the groups {shorten(properties['Groups'])}"


def _describe_changed(resource: ChangedResource, leaf: PropertyDiff) -> Iterator[str]:
    if resource.type in ATTACHED_POLICIES:
        yield from _describe_holder(resource, leaf, _HOLDERS[parse_path(leaf.path).name])
    elif resource.type in _TARGETS:
        yield from _describe_holder(resource, leaf, _TARGETS[resource.type][1])
    elif resource.type == _USER:
        yield from _describe_user(leaf)
    elif resource.type == _ADDITION:
        yield from _describe_addition(resource, leaf)
    elif leaf.exists_after:  # instances without a role can do nothing
        yield f"gives its instances the role {shorten(leaf.after)}"


def _describe_user(leaf: PropertyDiff) -> Iterator[str]:
    if leaf.exists_before:
        yield f"leaves the group {shorten(leaf.before)}, whose policies may deny it something"
    if leaf.exists_after:
        yield f"joins the group {shorten(leaf.after)}"


def _describe_addition(resource: ChangedResource, leaf: PropertyDiff) -> Iterator[str]:
    group = shorten(resource.properties.get("GroupName"))
    if parse_path(leaf.path).name == "GroupName":
        yield f"moves its users from the group {shorten(leaf.before)} to {shorten(leaf.after)}"
        return
    if leaf.exists_before:
        users = shorten(leaf.before)
        yield f"takes {users} out of the group {group}, whose policies may deny them something"
    if leaf.exists_after:
        yield f"adds {shorten(leaf.after)} to the group {group}"


def _describe_holder(resource: ChangedResource, leaf: PropertyDiff, kind: str) -> Iterator[str]:
    """Describe another holder or target: one that is added gains what the policy allows, one that
    is removed loses what it denies."""
    properties = resource.properties
    if not properties:
        yield f"may apply to another {kind}; its statements are not known"
        return
    allowed = [describe_statement(statement) for statement in read_statements(properties, "Allow")]
    denied = [
        describe_statement(statement, "denies") for statement in read_statements(properties, "Deny")
    ]
    if leaf.exists_after and allowed:
        yield f"is attached to the {kind} {shorten(leaf.after)}: {join_texts(allowed)}"
    if leaf.exists_before and denied:
        yield f"is no longer attached to the {kind} {shorten(leaf.before)}: {join_texts(denied)}"
