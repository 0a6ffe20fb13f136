"""Find resources that get a name which another resource has, or that keep theirs while they are
replaced.

CloudFormation creates before it deletes: within an update of a root, the old owner of a name still
exists when the new one is created. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from msgspec import Struct

from ...cfn import (
    Action,
    CustomName,
    Replacement,
    ResourceChange,
    Schemas,
    ValidationError,
    custom_name,
    is_importable_by_name,
    parse_template,
    predict_removal,
)
from ..live_stack import LiveStack
from ..model import Blocker, BlockerKind, DesiredStack
from ..prediction import Place, PredictedPlan, flatten_changes

NameKey = tuple[str, tuple[str, ...]]
"""`CustomName.key`: equal for two resources that cannot exist side by side."""
_MOVED = "CloudFormation will fail with AlreadyExists"


class RootChange(Struct, frozen=True):
    """A root stack as it is, as it is to be, and the changes between the two."""

    desired: DesiredStack
    live: LiveStack | None
    prediction: PredictedPlan


class NamedResource(Struct, frozen=True):
    """A resource with a name of its own. ``root`` is the place of its root in the order of
    deployment, ``released`` says that the deployment of that root makes the name available."""

    root: int
    place: Place
    type: str
    name: CustomName
    released: bool = False
    retained: bool = False

    @property
    def address(self) -> str:
        """``app/data:Jobs``."""
        return ":".join(self.place)


def list_created(change: RootChange, schemas: Schemas, root: int = 0) -> Iterator[NamedResource]:
    """Yield the resources that a root creates under a name of their own; replacements too."""
    for place, resource in change.prediction.changes.items():
        if resource.real and _creates(resource):
            known = schemas.get(resource.type)
            if name := custom_name(known, resource.after.get("Properties", {})):
                yield NamedResource(root, place, resource.type, name)


def find_name_blockers(
    changes: Sequence[RootChange],
    owners: Mapping[NameKey, Sequence[NamedResource]],
    schemas: Schemas,
) -> Iterator[Blocker]:
    """Yield a blocker for each resource that keeps its name while it is replaced, and for each
    pair of stacks between which resources seem to move. ``owners`` are of `list_owners`."""
    created = [
        resource
        for root, change in enumerate(changes)
        for resource in list_created(change, schemas, root)
    ]
    moves = []
    for new in created:
        known = owners.get(new.name.key, [])
        if any(owner.place == new.place for owner in known):
            yield _keeps_name(new, changes[new.root])
            continue
        taken = [owner for owner in known if not (owner.released and owner.root < new.root)]
        taken = taken or [
            other for other in created if other.name.key == new.name.key and other.place < new.place
        ]
        moves += [(taken[0], new)] if taken else []
    moves.sort(key=lambda pair: (pair[0].place[0], pair[1].place[0]))
    for _, group in groupby(moves, lambda pair: (pair[0].place[0], pair[1].place[0])):
        yield from _describe_moves(list(group), changes, schemas)


def _creates(change: ResourceChange) -> bool:
    return change.action is Action.ADD or change.replacement is Replacement.TRUE


def list_owners(
    changes: Sequence[RootChange], schemas: Schemas
) -> dict[NameKey, list[NamedResource]]:
    """Return the live resources by their names, where a root creates something under a name;
    those of a stack with macros are left out, which only CloudFormation can read. Raises
    AwsError."""
    owners: dict[NameKey, list[NamedResource]] = {}
    if not any(any(list_created(change, schemas)) for change in changes):
        return owners
    for root, change in enumerate(changes):
        if change.live is None:
            continue
        try:
            all_ = predict_removal(change.live.as_cfn(), schemas)
        except ValidationError:
            continue
        for place, resource in flatten_changes(change.desired.root, all_, change.prediction.names):
            known, properties = schemas.get(resource.type), resource.before.get("Properties", {})
            name = custom_name(known, properties, resource.physical_id or "")
            if name is None:
                continue
            coming = change.prediction.changes.get(place)
            policy = coming.policy_action if coming else None
            gone = coming is not None and (
                coming.action is Action.REMOVE or coming.replacement is Replacement.TRUE
            )
            released = gone and not str(policy or "").endswith("Retain")
            retained = resource.policy_action == "Retain"
            owner = NamedResource(root, place, resource.type, name, released, retained)
            owners.setdefault(name.key, []).append(owner)
    return owners


def _keeps_name(resource: NamedResource, change: RootChange) -> Blocker:
    replaced = change.prediction.changes[resource.place]
    causes = dict.fromkeys(
        str(leaf.path[1])
        for leaf in replaced.properties
        if leaf.real and leaf.path[0] == "Properties" and str(leaf.recreation) != "Never"
    )
    changed = ", ".join(causes) or "the stack's tags"
    verb = "change" if len(causes) != 1 else "changes"
    naming = resource.name.naming
    return Blocker(
        BlockerKind.CUSTOM_NAME,
        change.desired.root,
        (resource.address,),
        f"{resource.address} cannot be replaced ({changed} {verb}) while its {naming} stays "
        f"`{resource.name}`: CloudFormation cannot update a stack when a custom-named resource "
        "requires replacing",
        f"give it another {naming} in this change, too; or take back the change of {changed}",
    )


def _describe_moves(
    pairs: Sequence[tuple[NamedResource, NamedResource]],
    changes: Sequence[RootChange],
    schemas: Schemas,
) -> Iterator[Blocker]:
    """Yield one blocker for resources that move between two stacks, or one each within a stack."""
    old, new = pairs[0]
    root = changes[new.root].desired.root
    if old.place[0] == new.place[0]:
        for old, new in pairs:
            yield _same(
                root,
                [(old, new)],
                f"{old.place[1]} and {new.place[1]}",
                f"keep the logical ID {old.place[1]}",
                _describe_steps(old, new, changes[new.root], schemas),
                prefix=f"{new.place[0]}: ",
            )
        return
    if len(pairs) == 1:
        which = f"{old.address} and {new.address}"
    else:
        which = f"{old.place[0]} and {new.place[0]}"
    keep = f"leave {'it' if len(pairs) == 1 else 'them'} in {old.place[0]}"
    if old.root == new.root and _is_gone(old.place[0], changes[old.root]):
        keep = f"keep the name of the stack {old.place[0]}"
    yield _same(root, pairs, which, keep, _describe_steps(old, new, changes[new.root], schemas))


def _same(
    root: str,
    pairs: Sequence[tuple[NamedResource, NamedResource]],
    which: str,
    keep: str,
    steps: str,
    prefix: str = "",
) -> Blocker:
    names = ", ".join(f"{type_noun(new.type)}, `{new.name}`" for _, new in pairs[:1])
    same = f"are the same {names}"
    if len(pairs) > 1:
        names = "; ".join(f"{type_noun(new.type)} `{new.name}`" for _, new in pairs)
        same = f"have the same {len(pairs)} resources ({names})"
    addresses = [new.address for _, new in pairs] + [old.address for old, _ in pairs]
    return Blocker(
        BlockerKind.SAME_NAME,
        root,
        tuple(addresses),
        f"{prefix}{which} {same}: {_MOVED}",
        f"{keep}, or choose another name; {steps}",
    )


def _is_gone(stack: str, change: RootChange) -> bool:
    return stack not in {change.desired.root, *change.prediction.names.values()}


def _describe_steps(
    old: NamedResource, new: NamedResource, change: RootChange, schemas: Schemas
) -> str:
    """Return how to move a resource without losing it.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/refactor-stacks.html
    """
    retain = "" if old.retained else f"set DeletionPolicy: Retain on {old.address} and deploy, "
    known = schemas.get(new.type)
    if known and is_importable_by_name(known) and is_static_name(change.desired, new):
        adopt = f"add {new.address} with --import-existing"
    elif "/" not in new.place[0]:
        adopt = f"adopt it as {new.address} with imports: and the verb import"
    else:
        return "to move it, use a stack refactor (aws cloudformation create-stack-refactor)"
    return f"to move it: {retain}remove {old.address} and deploy, then {adopt}"


def is_static_name(desired: DesiredStack, resource: NamedResource) -> bool:
    """Return whether the template gives the name as plain text, without a function.

    CloudFormation imports only such resources by their names:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
    """
    stack, logical_id = resource.place
    try:
        declared = parse_template(desired.templates[stack]).resources[logical_id].properties
    except (KeyError, ValidationError):
        return False
    return isinstance(declared.get(resource.name.naming), str)


def type_noun(type_: str) -> str:
    """Return the noun of a resource type: ``log group`` for ``AWS::Logs::LogGroup``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type_.rpartition("::")[2])
    return words if words.isupper() or words[:2].isupper() else words.lower()
