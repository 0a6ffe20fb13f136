"""Stack policies and termination protection, by which CloudFormation refuses to delete data.

A stack policy counts for the resources of its own stack only, so each nested stack gets one
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html);
termination protection is the root's, and holds for all nested in it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import Struct

from ...aws import PARALLEL, StackResource, Stacks
from ...cfn import STATEFUL
from ...plan import GONE, is_nested

UNGUARDED = "cannot set the stack policy and termination protection"
_EVERYTHING = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


class _GuardedStack(Struct, frozen=True):
    """A stack's resources, and its stack policy, if it has one."""

    resources: Sequence[StackResource]
    policy: str | None

    def existing(self) -> Iterator[StackResource]:
        """The resources that are not deleted."""
        return (resource for resource in self.resources if resource.status != "DELETE_COMPLETE")


def guard_stack(stack: str, aws: Stacks, allowed: Collection[str] = ()) -> None:
    """Set stack policies that forbid updates to replace or delete resources that hold data, and
    termination protection.

    Resources in ``allowed`` are excepted, by physical id or, in every stack that has it, by logical
    ID. A policy that is right already is not set again. Termination protection is set last: a stack
    that has it has its policies too. Raises AwsError.
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        reading = pool.submit(aws.stack, stack)
        tree = _tree(stack, aws, pool)
        names = {id_: sorted(_guarded(id_, tree, allowed)) for id_ in tree}
        list(pool.map(lambda id_: _set_policy(id_, names[id_], tree[id_].policy, aws), names))
    root = reading.result()
    if root is not None and root.status not in GONE and not root.protected:
        aws.set_termination_protection(root.id, enabled=True)


def _tree(root: str, aws: Stacks, pool: ThreadPoolExecutor) -> Mapping[str, _GuardedStack]:
    """The contents of a stack and of all nested in it, by stack id, read level by level; without
    stacks that are empty."""
    contents: dict[str, _GuardedStack] = {}
    level = [root]
    while level:
        listed, policies = pool.map(aws.resources, level), pool.map(aws.stack_policy, level)
        read = {
            id_: _GuardedStack(resources, policy)
            for id_, resources, policy in zip(level, listed, policies, strict=True)
        }
        contents |= {id_: stack for id_, stack in read.items() if any(stack.existing())}
        level = [
            resource.physical_id
            for stack in read.values()
            for resource in stack.resources
            if is_nested(resource)
        ]
    return contents


def _set_policy(stack: str, names: Sequence[str], present: str | None, aws: Stacks) -> None:
    policy = stack_policy(names)
    if (names or present) and (present is None or json.loads(present) != policy):
        aws.set_stack_policy(stack, json.dumps(policy))


def _guarded(stack: str, tree: Mapping[str, _GuardedStack], allowed: Collection[str]) -> set[str]:
    """Logical IDs of resources that hold data, and of nested stacks that have such resources."""
    resources = list(tree[stack].existing())
    own = {
        resource.logical_id
        for resource in resources
        if resource.type in STATEFUL
        and not {resource.logical_id, resource.physical_id} & set(allowed)
    }
    nested = {
        resource.logical_id
        for resource in resources
        if resource.physical_id in tree and _guarded(resource.physical_id, tree, allowed)
    }
    return own | nested


def stack_policy(names: Collection[str]) -> Mapping[str, Any]:
    """The stack policy that protects resources by logical ID; without any it allows everything."""
    guarded = [f"LogicalResourceId/{name}" for name in names]
    actions = ["Update:Replace", "Update:Delete"]
    denied = {"Effect": "Deny", "Action": actions, "Principal": "*", "Resource": guarded}
    return {"Statement": [_EVERYTHING, denied] if guarded else [_EVERYTHING]}
