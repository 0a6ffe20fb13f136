"""Config and releases -> orphaned stacks: deployed root stacks that left the parameters.

The prefix of a name does not prove it: ``shop-local-two`` may belong to the environment
``local-two``. Tags do not either, as anybody can write them. A stack belongs to the environment
where its tags say so, and a release names it or a change set of this tool made it what it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..aws import Stack, Stacks
from ..core import AwsError, Config
from ..plan import GONE, RUN, stack_name, stack_tags
from .record import Release

_MADE = f":changeSet/{RUN}"


def find_orphans(
    config: Config,
    roots: Collection[str],
    releases: Sequence[Release],
    aws: Stacks,
    *,
    everywhere: bool = False,
) -> dict[str, Stack]:
    """Orphaned stacks by their former name in ``stacks:``; ``roots`` are the root stacks that the
    environment has now.

    Stacks that the ``releases`` name are read one by one. With ``everywhere`` all stacks of the
    account are listed instead, where that is permitted. Raises AwsError.
    """
    former = {stack: root for release in releases for root, stack in release.orphaned.items()}
    former |= {root.stack: root.root for release in releases for root in release.roots}
    current = {stack_name(config, root) for root in roots}
    stacks = _list_stacks(aws) if everywhere else None
    if stacks is None:
        names = sorted(former.keys() - current)
        stacks = [stack for name in names if (stack := aws.stack(name))]
    return {
        former.get(stack.name) or stack.name.removeprefix(f"{config.prefix}-"): stack
        for stack in stacks
        if stack.name not in current and _is_ours(stack, config, former)
    }


def _list_stacks(aws: Stacks) -> list[Stack] | None:
    """All stacks of the account; None where the role may only read those of its prefix."""
    try:
        return sorted(aws.stacks(), key=lambda stack: stack.name)
    except AwsError as error:
        if error.problems[0].code == "SW403":
            return None
        raise


def _is_ours(stack: Stack, config: Config, named: Collection[str]) -> bool:
    if stack.status in GONE or stack.parent_id or not stack.name.startswith(f"{config.prefix}-"):
        return False
    tags = stack_tags(config)
    if tags["environment"] != config.environment:
        return False  # the parameters set another environment in the tags
    if any(stack.tags.get(name) != tags.get(name) for name in ("environment", "project")):
        return False
    return stack.name in named or _MADE in (stack.change_set or "")
