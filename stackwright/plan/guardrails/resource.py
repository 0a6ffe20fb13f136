"""A changed resource as the access checks see it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ...cfn import LocatedStatement, declared_keys
from ...diff import Effect, PropertyDiff
from ..model import PlannedChange, RootPlan
from .references import follow_references, follows_reference

Statements = list[LocatedStatement]


class ChangedResource:
    """A changed resource, its new properties, and the changes that are its own.

    ``diff`` is the change; ``type`` the resource's type; ``effect`` what happens to it.
    """

    def __init__(self, root: RootPlan, change: PlannedChange) -> None:
        self._root, self.diff = root, change.diff

    @property
    def type(self) -> str:
        """``AWS::IAM::Role``."""
        return self.diff.type

    @property
    def effect(self) -> Effect:
        """What happens to it."""
        return self.diff.effect

    @cached_property
    def properties(self) -> Mapping[str, Any]:
        """The properties as the new template declares them, intrinsic functions unresolved; empty
        where they cannot be read."""
        text = self._root.desired.templates.get(self.diff.stack)
        resource = declared_keys(text).resources.get(self.diff.logical_id) if text else None
        return resource.properties if resource else {}

    @cached_property
    def policies(self) -> Mapping[tuple[str, ...], tuple[Statements, Statements]]:
        """The statements of each policy that differs, before and after, by their path.

        A later value that follows a resource's new identifier reads as the earlier one.
        """
        policies: dict[tuple[str, ...], tuple[Statements, Statements]] = {}
        diff = self.diff.policies
        for statement in diff.before if diff else ():
            policies.setdefault(statement.path, ([], []))[0].append(statement)
        for statement in diff.after if diff else ():
            policies.setdefault(statement.path, ([], []))[1].append(statement)
        for before, after in policies.values():
            after[:] = follow_references(after, before, self._root)
        return policies

    @cached_property
    def changed(self) -> tuple[PropertyDiff, ...]:
        """The properties that differ in place or in a replacement, without those that only follow
        another resource's new identifier; empty for a new or removed resource."""
        if self.diff.effect in (Effect.ADD, Effect.REMOVE):
            return ()
        return tuple(
            leaf for leaf in self.diff.properties if not follows_reference(leaf, self._root)
        )
