"""Collect the predicted changes of a stack and its nested stacks into a `Diff`.

``cfn`` predicts which changes replace a resource and which follow another change; here the changes
of all stacks come together, with the properties compared by ``properties``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..cfn import (
    MISSING,
    STACK_TYPE,
    Action,
    Prediction,
    Replacement,
    ResourceChange,
    Schemas,
    StackSide,
    find_traces,
    holds_data,
    plain_data,
    template_to_text,
)
from ..core import mask
from .model import (
    DataLoss,
    Diff,
    Effect,
    OutputDiff,
    PropertyDiff,
    ResourceDiff,
    TagDiff,
    UnchangedResource,
    mask_all,
)
from .properties import diff_properties, displayed_value


@dataclass
class DiffCollector:
    """Collects the changes of resources; nested stacks are walked, and do not count as
    resources."""

    schemas: Schemas
    name: Callable[[str, str], str] | None = None
    """Returns the name of a nested stack (``app/network``) from its parent's name and its logical
    ID; by default the file in TemplateURL names it."""
    resources: list[ResourceDiff] = field(default_factory=list)
    outputs: list[OutputDiff] = field(default_factory=list)
    losses: list[DataLoss] = field(default_factory=list)
    tags: list[TagDiff] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    """Names of the root stacks that do not exist yet."""
    unchanged: list[UnchangedResource] = field(default_factory=list)

    def result(self) -> Diff:
        """Return everything collected."""
        return Diff(
            tuple(self.resources),
            tuple(self.outputs),
            tuple(self.losses),
            tuple(self.tags),
            tuple(self.created),
            unchanged=tuple(self.unchanged),
        )

    def collect_root(
        self,
        name: str,
        stack: StackSide | None,
        prediction: Prediction,
        tags: Sequence[TagDiff] = (),
    ) -> None:
        """Collect a root stack's changes, nested stacks included; ``stack`` is the new side, or the
        old one of a stack that is removed. ``tags`` are those of the stack that differ."""
        self.tags += tags
        self._collect_stack(name, stack, prediction, {})
        self._collect_unchanged(name, prediction)
        for output, (before, after) in prediction.outputs.items():
            sides = [None if side is MISSING else displayed_value(side) for side in (before, after)]
            if sides[0] != sides[1]:
                self.outputs.append(
                    OutputDiff(name, output, *(mask(side, output) for side in sides))
                )

    def _collect_stack(
        self, name: str, stack: StackSide | None, prediction: Prediction, wires: Mapping[str, str]
    ) -> None:
        for change in prediction.changes:
            if change.real and not (change.type == STACK_TYPE and change.nested):
                self._collect_resource(name, stack, change, wires)
        logical_ids = list(stack.template.resources) if stack else []
        order = {logical_id: index for index, logical_id in enumerate(logical_ids)}
        removed = len(logical_ids)  # after all others
        for change in sorted(
            prediction.changes, key=lambda change: order.get(change.logical_id, removed)
        ):
            if change.nested:
                child = stack.nested.get(change.logical_id) if stack else None
                inner = self._nested_name(name, change.logical_id, change.after or change.before)
                self._collect_stack(inner, child, change.nested, _wired_sources(change))

    def _nested_name(self, parent: str, logical_id: str, attributes: Mapping[str, Any]) -> str:
        if self.name:
            return self.name(parent, logical_id)
        return f"{parent}/{_file_name(attributes) or logical_id}"

    def _collect_unchanged(self, name: str, prediction: Prediction) -> None:
        changed = {change.logical_id for change in prediction.changes if change.real}
        for resource in prediction.resources:
            logical_id, attributes = resource.logical_id, resource.attributes
            if logical_id in prediction.nested:
                inner = self._nested_name(name, logical_id, attributes)
                self._collect_unchanged(inner, prediction.nested[logical_id])
            elif logical_id not in changed:
                reference = template_to_text(displayed_value(resource.reference))
                shown = mask_all(displayed_value(attributes))
                self.unchanged.append(
                    UnchangedResource(name, logical_id, resource.type, reference, shown)
                )

    def _collect_resource(
        self, name: str, stack: StackSide | None, change: ResourceChange, wires: Mapping[str, str]
    ) -> None:
        schema = self.schemas.get(change.type)
        modified = change.action is Action.MODIFY
        retagged = modified and any(detail.is_stack_tag for detail in change.details)
        properties = tuple(diff_properties(change, schema, wires)) if modified else ()
        if retagged and schema is not None and not schema.updatable_tags:
            properties += tuple(self._replacing_tags(name))
        effect = _effect(change)
        certain = any(difference.certain for difference in properties) or not modified or retagged
        resource = ResourceDiff(
            stack=name,
            logical_id=change.logical_id,
            type=change.type,
            effect=effect,
            certain=certain,
            may_replace=change.replacement is Replacement.CONDITIONAL,
            properties=properties,
            line=stack.template.line(("Resources", change.logical_id)) if stack else 0,
            before=mask_all(displayed_value(change.before)),
            after=mask_all(displayed_value(change.after)),
            physical_id=change.physical_id or "",
            retagged=retagged,
        )
        self.resources.append(resource)
        if holds_data(change.type, change.before.get("Properties", {})):
            self.losses += _data_loss(resource, change)

    def _replacing_tags(self, stack: str) -> Iterator[PropertyDiff]:
        """Yield the tags of the root stack that differ, for a resource that they replace."""
        root = stack.partition("/")[0]
        for tag in self.tags:
            if tag.root == root:
                yield PropertyDiff(
                    path=f'Tags["{tag.key}"].Value',
                    before=tag.before,
                    after=tag.after,
                    exists_before=tag.before is not None,
                    exists_after=tag.after is not None,
                    replaces="yes",
                )


def diff_tags(root: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[TagDiff]:
    """Yield the tags of a root stack that differ, by key; values of secret names are masked."""
    for key in sorted({**before, **after}):
        if before.get(key) != after.get(key):
            yield TagDiff(root, key, mask(before.get(key), key), mask(after.get(key), key))


def _file_name(attributes: Mapping[str, Any]) -> str:
    """Return ``network`` for a nested stack from ``./app/network.yaml``; empty where the file is
    not known."""
    url = plain_data(attributes.get("Properties", {}).get("TemplateURL"))
    return posixpath.basename(url).split(".")[0] if isinstance(url, str) else ""


def _wired_sources(change: ResourceChange) -> dict[str, str]:
    """Return the sources of a nested stack's Parameters, such as ``Network.Outputs.VpcId``."""
    given = change.after.get("Properties", {}).get("Parameters", {})
    sources = {}
    for name, value in given.items() if isinstance(given, Mapping) else ():
        names = sorted(
            reference.entity for node in find_traces(value) for reference in node.references
        )
        if names:
            sources[name] = ", ".join(dict.fromkeys(names))
    return sources


def _effect(change: ResourceChange) -> Effect:
    if change.action is Action.MODIFY:
        return Effect.REPLACE if change.replacement is Replacement.TRUE else Effect.CHANGE
    return Effect.REMOVE if change.action is Action.REMOVE else Effect.ADD


def _data_loss(resource: ResourceDiff, change: ResourceChange) -> Iterator[DataLoss]:
    if resource.effect is Effect.REMOVE:
        policy = change.policy_action or "Delete"
    elif resource.effect is Effect.REPLACE or resource.may_replace:
        policy = template_to_text(plain_data(change.after.get("UpdateReplacePolicy", "Delete")))
    else:
        return
    yield DataLoss(resource, policy, kept=policy != "Delete", physical_id=change.physical_id or "")


_IMAGE = re.compile(r"(?:[\w.-]+(?::\d+)?/)?[a-z0-9][a-z0-9._/-]*(?::\w[\w.-]*|@sha256:[0-9a-f]+)")
"""A container image with its tag or digest, as a word of a Description."""


def describe_declaration_change(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> str:
    """Return why a Parameter whose value comes later will have another one, such as
    `` (web:1.0 → web:1.1)`` from the image that its Description names; empty where it is as
    before. ``old`` and ``new`` are the Parameters of both templates.
    """
    if name not in old:
        return " (new parameter)"
    before, after = (_find_images(side[name]) for side in (old, new))
    if not before or not after or before == after:
        return ""
    return f" ({' '.join(before)} → {' '.join(after)})"


def _find_images(declaration: Any) -> list[str]:
    description = declaration.get("Description") if isinstance(declaration, Mapping) else None
    words = (word.strip(".,;()") for word in str(description or "").split())
    return [word for word in words if _IMAGE.fullmatch(word)]
