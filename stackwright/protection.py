"""Stack policies and termination protection: what CloudFormation itself refuses, whoever asks.

A stack policy counts for the resources of its own stack only, so each nested stack gets one
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html); termination protection is
the root's, and holds for all nested in it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .aws import PARALLEL, Stacks
from .cfn.schema import STATEFUL
from .live import Live, read

_EVERYTHING = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def guard(stack: str, aws: Stacks, allowed: Collection[str] = ()) -> None:
    """Let no update replace or delete what holds data, except the logical IDs ``allowed``, nor anyone delete the stack.

    What is so already is left alone. Raises AwsError.
    """
    live = read(stack, aws)
    if live is None:
        return
    with ThreadPoolExecutor(PARALLEL) as pool:
        protecting = pool.submit(_set_termination_protection, live, aws)
        list(pool.map(lambda each: _set_policy(each, aws, allowed), live.walk()))
        protecting.result()


def _set_termination_protection(live: Live, aws: Stacks) -> None:
    if not live.stack.protected:
        aws.set_termination_protection(live.stack.id, enabled=True)


def _set_policy(live: Live, aws: Stacks, allowed: Collection[str]) -> None:
    names = sorted(_guarded(live, allowed))
    present = aws.stack_policy(live.stack.id)
    wanted = policy(names)
    if (names or present) and (present is None or json.loads(present) != wanted):
        aws.set_stack_policy(live.stack.id, json.dumps(wanted))


def _guarded(live: Live, allowed: Collection[str]) -> set[str]:
    """What holds data: resources, and nested stacks with such resources, which would go with them."""
    own = {each.logical_id for each in live.resources.values() if each.type in STATEFUL} - set(allowed)
    return own | {name for name, child in live.nested.items() if _guarded(child, allowed)}


def policy(names: Collection[str]) -> Mapping[str, Any]:
    """The stack policy that guards resources by logical ID; without any it allows everything."""
    guarded = [f"LogicalResourceId/{name}" for name in names]
    actions = ["Update:Replace", "Update:Delete"]
    denied = {"Effect": "Deny", "Action": actions, "Principal": "*", "Resource": guarded}
    return {"Statement": [_EVERYTHING, denied] if guarded else [_EVERYTHING]}
