"""Stack policies and termination protection: what CloudFormation itself refuses, whoever asks.

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


class _Inside(Struct, frozen=True):
    """A stack's resources, and its stack policy, if it has one."""

    resources: Sequence[StackResource]
    policy: str | None

    def there(self) -> Iterator[StackResource]:
        """Those that are not deleted."""
        return (each for each in self.resources if each.status != "DELETE_COMPLETE")


def guard_stack(stack: str, aws: Stacks, allowed: Collection[str] = ()) -> None:
    """Let no update replace or delete what holds data, except what is ``allowed`` by its physical
    id or, in every stack that has it, its logical ID; nor anyone delete the stack.

    What is so already is left alone. Termination protection comes last: a stack that has it has its
    policies too. Raises AwsError.
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        reading = pool.submit(aws.stack, stack)
        tree = _tree(stack, aws, pool)
        names = {id_: sorted(_guarded(id_, tree, allowed)) for id_ in tree}
        list(pool.map(lambda id_: _set_policy(id_, names[id_], tree[id_].policy, aws), names))
    root = reading.result()
    if root is not None and root.status not in GONE and not root.protected:
        aws.set_termination_protection(root.id, enabled=True)


def _tree(root: str, aws: Stacks, pool: ThreadPoolExecutor) -> Mapping[str, _Inside]:
    """A stack and all that are nested in it, by id, read level by level; without those that do not
    exist any more."""
    found: dict[str, _Inside] = {}
    level = [root]
    while level:
        listed, policies = pool.map(aws.resources, level), pool.map(aws.stack_policy, level)
        read = {
            id_: _Inside(inside, held)
            for id_, inside, held in zip(level, listed, policies, strict=True)
        }
        found |= {id_: each for id_, each in read.items() if any(each.there())}
        level = [
            each.physical_id
            for inside in read.values()
            for each in inside.resources
            if is_nested(each)
        ]
    return found


def _set_policy(stack: str, names: Sequence[str], present: str | None, aws: Stacks) -> None:
    wanted = stack_policy(names)
    if (names or present) and (present is None or json.loads(present) != wanted):
        aws.set_stack_policy(stack, json.dumps(wanted))


def _guarded(stack: str, tree: Mapping[str, _Inside], allowed: Collection[str]) -> set[str]:
    """What holds data: resources, and nested stacks with such resources, which would go with
    them."""
    holding = (each for each in tree[stack].there() if each.type in STATEFUL)
    own = {
        each.logical_id
        for each in holding
        if not {each.logical_id, each.physical_id} & set(allowed)
    }
    inner = [each for each in tree[stack].there() if each.physical_id in tree]
    return own | {each.logical_id for each in inner if _guarded(each.physical_id, tree, allowed)}


def stack_policy(names: Collection[str]) -> Mapping[str, Any]:
    """The stack policy that guards resources by logical ID; without any it allows everything."""
    guarded = [f"LogicalResourceId/{name}" for name in names]
    actions = ["Update:Replace", "Update:Delete"]
    denied = {"Effect": "Deny", "Action": actions, "Principal": "*", "Resource": guarded}
    return {"Statement": [_EVERYTHING, denied] if guarded else [_EVERYTHING]}
