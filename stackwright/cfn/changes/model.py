"""The values of a comparison: the two sides of a stack, and the changes between them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from msgspec import Struct

from ..declarations import Path
from ..intrinsics import Pseudo
from ..schema import Recreation
from ..template import Template
from ..values import Traced, value_text

ATTRIBUTES = (
    "Properties",
    "Metadata",
    "CreationPolicy",
    "UpdatePolicy",
    "DeletionPolicy",
    "UpdateReplacePolicy",
)


class Action(StrEnum):
    """The action on a resource; ``ResourceChange.Action``."""

    ADD = "Add"
    MODIFY = "Modify"
    REMOVE = "Remove"
    IMPORT = "Import"


class Replacement(StrEnum):
    """Whether a modified resource gets a new physical resource; ``ResourceChange.Replacement``."""

    TRUE = "True"
    FALSE = "False"
    CONDITIONAL = "Conditional"


class PhysicalResource(Struct, frozen=True):
    """A physical resource as far as it is known: its id (the value of ``Ref``) and attributes."""

    id: str
    attributes: Mapping[str, Any] = {}


class StackSide(Struct, frozen=True):
    """One side of a comparison: a template with everything that gives it its values.

    ``parameters``: the given values, defaults left out. ``physical``: by logical id; empty where
    nothing is known of AWS, as in a review without credentials. ``nested``: the stacks of
    ``AWS::CloudFormation::Stack`` resources by logical id, whose ``parameters`` are overruled by
    the parent's. ``exports`` and ``stored`` (SSM parameters) are the outside world, by name.
    ``dynamic`` looks up the value of ``{{resolve:ssm:…}}`` by what follows ``ssm:``; where it
    answers None, or is None, the reference stays as it is written.
    ``lenient``: AWS knows more of the stack than is known here, so that a value which cannot be
    resolved is unknown, not an error; a condition that cannot be decided is as ``assumed``.
    """

    template: Template
    parameters: Mapping[str, Any] = {}
    pseudo: Pseudo = Pseudo()
    physical: Mapping[str, PhysicalResource] = {}
    nested: Mapping[str, StackSide] = {}
    exports: Mapping[str, str] = {}
    stored: Mapping[str, Any] = {}
    tags: Mapping[str, str] = {}
    dynamic: Callable[[str], Any] | None = None
    lenient: bool = False
    assumed: bool = False


class ResolvedResource(Struct, frozen=True):
    """A resource with its values; ``reference`` is the value of its ``Ref``, ``attributes`` hold
    ``Properties``, ``Metadata`` … with their dependencies."""

    logical_id: str
    type: str
    reference: Any
    attributes: Mapping[str, Any]


class PropertyChange(Struct, frozen=True):
    """One leaf of a resource that differs. ``path`` starts with the attribute (``Properties``,
    ``Metadata`` …); ``before`` and ``after`` are plain trees, :class:`Unknown` or ``MISSING``."""

    path: Path
    before: Any
    after: Any
    recreation: Recreation
    causes: tuple[str, ...]
    real: bool
    certain: bool
    listed: bool
    secret: bool = False


class Detail(Struct, frozen=True):
    """One ``ResourceChangeDetail``. ``path`` is empty where AWS gives only the attribute."""

    attribute: str
    source: str
    evaluation: str
    recreation: Recreation
    cause: str | None = None
    name: str | None = None
    path: str | None = None
    change: str | None = None
    before: str | None = None
    after: str | None = None

    @property
    def is_stack_tag(self) -> bool:
        """Whether it is about the tags that the resource gets from its stack."""
        return self.attribute == "Tags" and self.path is None

    def to_api(self, include_property_values: bool) -> dict[str, Any]:
        """The JSON shape of the API."""
        target: dict[str, Any] = {
            "Attribute": self.attribute,
            "RequiresRecreation": str(self.recreation),
        }
        if self.name:
            target["Name"] = self.name
        if include_property_values and self.path:
            target |= {"Path": self.path, "AttributeChangeType": self.change}
            values = {"BeforeValue": self.before, "AfterValue": self.after}
            target |= {key: value for key, value in values.items() if value is not None}
        shown = {"Target": target, "Evaluation": self.evaluation, "ChangeSource": self.source}
        return shown | ({"CausingEntity": self.cause} if self.cause else {})


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """The change of one resource, as it will happen and as AWS lists it.

    ``real`` and ``replacement`` tell what will happen, ``listed`` and ``aws_replacement`` what
    AWS's change set says.
    """

    action: Action
    logical_id: str
    type: str
    physical_id: str | None = None
    real: bool = True
    listed: bool = True
    replacement: Replacement | None = None
    aws_replacement: Replacement | None = None
    policy_action: str | None = None
    properties: tuple[PropertyChange, ...] = ()
    details: tuple[Detail, ...] = ()
    before_context: Any = None
    after_context: Any = None
    nested: Prediction | None = None
    before: Mapping[str, Any] = field(default_factory=dict, repr=False)
    after: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The resolved attributes (``Properties``, ``Metadata`` …) of both sides, with their
    dependencies."""

    @property
    def scope(self) -> list[str]:
        """The attributes that change, in the API's order."""
        attributes = {detail.attribute for detail in self.details}
        return [name for name in (*ATTRIBUTES, "Tags") if name in attributes]

    def to_api(self, include_property_values: bool = True) -> dict[str, Any]:
        """The ``ResourceChange`` of ``DescribeChangeSet``; the contexts are JSON in a string."""
        shown: dict[str, Any] = {
            "Action": str(self.action),
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.type,
            "Scope": self.scope,
            "Details": self._api_details(include_property_values),
        }
        optional = {
            "PolicyAction": self.policy_action,
            "PhysicalResourceId": self.physical_id,
            "Replacement": None if self.aws_replacement is None else str(self.aws_replacement),
        }
        if include_property_values:
            contexts = {"BeforeContext": self.before_context, "AfterContext": self.after_context}
            optional |= {
                key: value_text(value) for key, value in contexts.items() if value is not None
            }
        return shown | {key: value for key, value in optional.items() if value is not None}

    def _api_details(self, include_property_values: bool) -> list[dict[str, Any]]:
        shown = [detail.to_api(include_property_values) for detail in self.details]
        return list({json.dumps(detail, sort_keys=True): detail for detail in shown}.values())


@dataclass(frozen=True, slots=True)
class Prediction:
    """All changes of one update, sorted by logical id, and the outputs that differ (before,
    after).

    ``resources`` are all of the new side, changed or not; ``nested`` the predictions of all its
    nested stacks, by logical id.
    """

    changes: tuple[ResourceChange, ...]
    outputs: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    output_values: Mapping[str, Traced] = field(default_factory=dict, repr=False)
    undecided: bool = False
    """Whether a condition of either side could not be decided."""
    resources: tuple[ResolvedResource, ...] = field(default=(), repr=False)
    nested: Mapping[str, Prediction] = field(default_factory=dict, repr=False)

    @property
    def listed(self) -> tuple[ResourceChange, ...]:
        """The changes that AWS's change set holds."""
        return tuple(change for change in self.changes if change.listed)

    @property
    def empty(self) -> bool:
        """Whether AWS says that the submitted information didn't contain changes."""
        return not self.listed and not self.outputs

    def to_api(self, include_property_values: bool = True) -> list[dict[str, Any]]:
        """``DescribeChangeSet.Changes``."""
        return [
            {"Type": "Resource", "ResourceChange": change.to_api(include_property_values)}
            for change in self.listed
        ]
