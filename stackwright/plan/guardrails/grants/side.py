"""The resources of a root on one side of its change, and the names by which they are known."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ....cfn import KNOWN_AFTER_APPLY, declared_keys
from ....core import HIDDEN
from ....diff import Effect, UnchangedResource
from ...model import Certainty, PlannedChange, RootPlan
from ..references import References

Place = tuple[str, str]
"""Path of a stack (``app/network``) and logical ID."""

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z0-9.]+)?\}")
"""``${LogicalId}`` or ``${LogicalId.Attribute}``: a value known after apply."""


class SideResource(Struct, frozen=True):
    """A resource with its resolved properties, and the texts by which others name it."""

    stack: str
    logical_id: str
    type: str
    names: tuple[str, ...]
    properties: Mapping[str, Any]

    @property
    def place(self) -> Place:
        """Path of its stack, logical ID."""
        return self.stack, self.logical_id

    @property
    def address(self) -> str:
        """``app/network:Group``."""
        return f"{self.stack}:{self.logical_id}"


class Side:
    """All resources of a root before or after its change."""

    def __init__(self, resources: Iterable[SideResource]) -> None:
        self.resources = {resource.place: resource for resource in resources}
        self._by_name: dict[str, set[str]] = defaultdict(set)
        self._stacks: dict[str, set[str]] = defaultdict(set)
        for resource in self.resources.values():
            self._stacks[resource.logical_id].add(resource.stack)
            for name in resource.names:
                self._by_name[name].add(resource.address)

    def __iter__(self) -> Iterator[SideResource]:
        return iter(self.resources.values())

    def identify(self, stack: str, value: Any) -> str:
        """Return the address of the resource that a value in that stack names, else its text.

        An attribute, an ARN and a name of a resource are the resource.
        """
        text = str(value)
        if match := _REFERENCE.fullmatch(text):
            stacks = self._stacks.get(match[1], set())
            owner = stack if stack in stacks else next(iter(stacks)) if len(stacks) == 1 else None
            return text if owner is None else f"{owner}:{match[1]}"
        for name in (text, re.split(r"[/:]", text)[-1] if text.startswith("arn:") else text):
            if len(addresses := self._by_name.get(name, set())) == 1:
                return next(iter(addresses))
        return text


def build_sides(root: RootPlan, references: References) -> tuple[Side, Side]:
    """Return the resources of a root before and after its change.

    A removed resource that is retained is on both sides: what it grants remains. A renamed one
    keeps its former logical ID.
    """
    changes = {
        (change.diff.stack, change.diff.logical_id): change
        for change in root.changes
        if change.certainty is not Certainty.SPURIOUS
    }
    unchanged = [
        _read_unchanged(resource)
        for resource in root.diff.unchanged
        if (resource.stack, resource.logical_id) not in changes
    ]
    before, after = list(unchanged), list(unchanged)
    for change in changes.values():
        if change.effect is not Effect.ADD:
            before.append(_read_before(change))
        if former := references.renamed.get((change.diff.stack, change.diff.logical_id)):
            after.append(_read_before(former))
        elif change.effect is not Effect.REMOVE:
            resource = _read_after(change, root)
            properties = references.restore_names(resource.properties)
            after.append(replace(resource, properties=properties))
        elif _is_retained(change):
            after.append(_read_before(change))
    return Side(before), Side(after)


def _read_unchanged(resource: UnchangedResource) -> SideResource:
    properties = resource.attributes.get("Properties", {})
    names = (resource.reference, *_own_names(resource.type, properties))
    return SideResource(resource.stack, resource.logical_id, resource.type, names, properties)


def _read_before(change: PlannedChange) -> SideResource:
    diff, properties = change.diff, change.diff.before.get("Properties", {})
    names = tuple(filter(None, (change.physical_id, *_own_names(diff.type, properties))))
    return SideResource(diff.stack, diff.logical_id, diff.type, names, _hide(properties))


def _read_after(change: PlannedChange, root: RootPlan) -> SideResource:
    diff, properties = change.diff, change.diff.after.get("Properties", {})
    if not diff.after and diff.effect is Effect.ADD:  # nothing is predicted, as with a macro
        properties = _read_declared(change, root)
    stays = change.physical_id if diff.effect is Effect.CHANGE else ""
    names = tuple(filter(None, (stays, *_own_names(diff.type, properties))))
    return SideResource(diff.stack, diff.logical_id, diff.type, names, _hide(properties))


def _read_declared(change: PlannedChange, root: RootPlan) -> Mapping[str, Any]:
    text = root.desired.templates.get(change.diff.stack)
    resource = declared_keys(text).resources.get(change.diff.logical_id) if text else None
    return resource.properties if resource else {}


def _own_names(type_: str, properties: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the name that a resource is given: ``RoleName`` of a role, ``TopicName`` of a
    topic."""
    kind = type_.rpartition("::")[2]
    keys = (f"{kind}Name", "Name")
    return tuple(name for key in keys if isinstance(name := properties.get(key), str))


def _hide(value: Any) -> Any:
    """Return properties with each value that CloudFormation does not tell hidden."""
    if isinstance(value, Mapping):
        return {key: _hide(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hide(item) for item in value]
    return HIDDEN if isinstance(value, str) and KNOWN_AFTER_APPLY in value else value


def _is_retained(change: PlannedChange) -> bool:
    policy = change.policy_action or str(change.diff.before.get("DeletionPolicy", ""))
    return policy.startswith("Retain")
