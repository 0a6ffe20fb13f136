"""Config and releases -> the root stacks that are deployed, and that the environment does not have
any more.

A name that begins with the prefix is not enough: ``shop-local-two`` may be of the environment
``local-two``. Nor are tags, which anybody can write. One is the environment's where its tags say
so, and a release names it or a change set of ours made it what it is.
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
    """The stacks by what ``stacks:`` called them; ``roots`` are the root stacks that the
    environment has now.

    What the ``releases`` name is asked for one by one. With ``everywhere`` all stacks of the
    account are looked at instead, where that is allowed. Raises AwsError.
    """
    named = {stack: root for each in releases for root, stack in each.left.items()}
    named |= {root.stack: root.root for each in releases for root in each.roots}
    kept = {stack_name(config, root) for root in roots}
    listed = _all(aws) if everywhere else None
    if listed is None:
        listed = [found for name in sorted(named.keys() - kept) if (found := aws.stack(name))]
    ours = [each for each in listed if each.name not in kept and _is_ours(each, config, named)]
    return {
        named.get(each.name) or each.name.removeprefix(f"{config.prefix}-"): each for each in ours
    }


def _all(aws: Stacks) -> list[Stack] | None:
    """All stacks of the account; None where the role may only look at those of its prefix."""
    try:
        return sorted(aws.stacks(), key=lambda each: each.name)
    except AwsError as error:
        if error.problems[0].code == "SW403":
            return None
        raise


def _is_ours(stack: Stack, config: Config, named: Collection[str]) -> bool:
    if stack.status in GONE or stack.parent_id or not stack.name.startswith(f"{config.prefix}-"):
        return False
    wanted = stack_tags(config)
    if wanted["environment"] != config.environment:
        return False  # tags of the parameters hide which environment it is
    if any(stack.tags.get(name) != wanted.get(name) for name in ("environment", "project")):
        return False
    return stack.name in named or _MADE in (stack.change_set or "")
