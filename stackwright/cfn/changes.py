"""A stack before and after an update -> the changes: as AWS's change sets list them, and as they
will happen.

The two differ. AWS's ``DescribeChangeSet`` with property values was recorded to

- leave out a resource that only follows an attribute of another that is updated in place (it will
  be updated),
- print ``KNOWN_AFTER_APPLY``, and replacements, for what follows a replaced resource or a sibling
  stack's output even where the value stays as it was
  (github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/759).

So every change says both: ``listed`` and ``aws_replacement`` are AWS's view, ``real`` and
``replacement`` the truth. Format:
docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from . import graph
from .difference import MISSING, LeafDifference, diff_values, value_at
from .intrinsics import Pseudo, Resolver, parameter_values
from .schema import Recreation, ResourceType, Schemas
from .template import Path, Resource, Template, ValidationError, template_to_text
from .values import (
    KNOWN_AFTER_APPLY,
    ChangeSource,
    Traced,
    Unknown,
    ValueReference,
    canonical_value,
    find_traces,
    plain_data,
    print_value,
    uses_attributes,
    value_text,
)

STACK_TYPE = "AWS::CloudFormation::Stack"


class Action(StrEnum):
    """What happens to a resource; ``ResourceChange.Action``."""

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
    """What is known of a physical resource: its id (what ``Ref`` gives) and attributes by name."""

    id: str
    attributes: Mapping[str, Any] = {}


class StackSide(Struct, frozen=True):
    """One side of a comparison: a template with everything that gives it its values.

    ``parameters``: the given values, defaults left out. ``physical``: by logical id; empty where
    nothing is known of AWS, as in a review without credentials. ``nested``: the stacks of
    ``AWS::CloudFormation::Stack`` resources by logical id, whose ``parameters`` are overruled by
    the parent's. ``exports`` and ``stored`` (SSM parameters) are the outside world, by name.
    """

    template: Template
    parameters: Mapping[str, Any] = {}
    pseudo: Pseudo = Pseudo()
    physical: Mapping[str, PhysicalResource] = {}
    nested: Mapping[str, StackSide] = {}
    exports: Mapping[str, str] = {}
    stored: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}


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
        found = {"Target": target, "Evaluation": self.evaluation, "ChangeSource": self.source}
        return found | ({"CausingEntity": self.cause} if self.cause else {})


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """What an update does to one resource, in truth and as AWS lists it (see the module's
    docstring)."""

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
        found = {detail.attribute for detail in self.details}
        return [name for name in (*_ATTRIBUTES, "Tags") if name in found]

    def to_api(self, include_property_values: bool = True) -> dict[str, Any]:
        """The ``ResourceChange`` of ``DescribeChangeSet``; the contexts are JSON in a string."""
        found: dict[str, Any] = {
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
        return found | {key: value for key, value in optional.items() if value is not None}

    def _api_details(self, include_property_values: bool) -> list[dict[str, Any]]:
        shown = [detail.to_api(include_property_values) for detail in self.details]
        return list({json.dumps(detail, sort_keys=True): detail for detail in shown}.values())


@dataclass(frozen=True, slots=True)
class Prediction:
    """All changes of one update, sorted by logical id, and the outputs that differ (before,
    after)."""

    changes: tuple[ResourceChange, ...]
    outputs: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    output_values: Mapping[str, Traced] = field(default_factory=dict, repr=False)

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


def predict_changes(
    before: StackSide | None, after: StackSide, schemas: Schemas | None = None
) -> Prediction:
    """What updating ``before`` to ``after`` does; ``before=None``: the stack is created.

    Raises:
        ValidationError: CloudFormation would refuse the template or its parameters.
    """
    return _Comparison(before, after, schemas or Schemas(after.pseudo.region)).run()


def predict_removal(before: StackSide, schemas: Schemas | None = None) -> Prediction:
    """What deleting a stack does."""
    known = schemas or Schemas(before.pseudo.region)
    side = _Side(before, known)
    return Prediction(tuple(_removed(side, name) for name in sorted(side.active)))


def output_values(stack: StackSide, schemas: Schemas | None = None) -> Mapping[str, Traced]:
    """The outputs of a stack, by name, as far as they are known."""
    return _Side(stack, schemas or Schemas(stack.pseudo.region)).outputs()


# --- the two sides
# ------------------------------------------------------------------------------------------

_ATTRIBUTES = (
    "Properties",
    "Metadata",
    "CreationPolicy",
    "UpdatePolicy",
    "DeletionPolicy",
    "UpdateReplacePolicy",
)


class _Side:
    """One stack, resolved lazily. It is also the world of its own resolver: what exists in AWS
    already."""

    def __init__(self, stack: StackSide, schemas: Schemas) -> None:
        self.stack, self.schemas = stack, schemas
        self.parameters = parameter_values(stack.template, stack.parameters)
        self.resolver = Resolver(stack.template, self.parameters, stack.pseudo, self)
        self.active = {
            name
            for name, resource in stack.template.resources.items()
            if self.resolver.active(resource.condition, ("Resources", name, "Condition"))
        }
        self._attributes: dict[str, dict[str, Any]] = {}
        self._outputs: dict[str, Mapping[str, Traced]] = {}

    def resource(self, logical_id: str) -> Resource:
        return self.stack.template.resources[logical_id]

    def type(self, logical_id: str) -> ResourceType | None:
        return self.schemas.get(self.resource(logical_id).type)

    def resolved(self, logical_id: str) -> dict[str, Any]:
        """Attribute (``Properties``, ``Metadata`` …) -> resolved tree, absent attributes left
        out."""
        if logical_id not in self._attributes:
            resource, path = self.resource(logical_id), ("Resources", logical_id)
            given = zip(_ATTRIBUTES, _attributes(resource), strict=True)
            self._attributes[logical_id] = {
                name: self.resolver.resolve(value, (*path, name))
                for name, value in given
                if value is not None
            }
        return self._attributes[logical_id]

    def outputs(self) -> dict[str, Traced]:
        found = {}
        for name, output in self.stack.template.outputs.items():
            if self.resolver.active(output.condition, ("Outputs", name, "Condition")):
                value = self.resolver.resolve(output.value, ("Outputs", name, "Value"))
                found[name] = value if isinstance(value, Traced) else Traced(value)
        return found

    def _require(self, logical_id: str) -> None:
        if logical_id not in self.active:
            text = f"Template format error: Unresolved resource dependencies [{logical_id}] in the Resources block"
            raise ValidationError(f"{text} of the template", ("Resources", logical_id))

    def reference(self, logical_id: str) -> Traced:
        self._require(logical_id)
        known = self.stack.physical.get(logical_id)
        value: Any = known.id if known else Unknown(f"${{{logical_id}}}", (logical_id,))
        return Traced(value, frozenset((ValueReference(ChangeSource.RESOURCE, logical_id),)))

    def attribute(self, logical_id: str, name: str) -> Traced:
        self._require(logical_id)
        references = frozenset((ValueReference(ChangeSource.ATTRIBUTE, f"{logical_id}.{name}"),))
        known = self.stack.physical.get(logical_id)
        if known and name in known.attributes:
            return Traced(known.attributes[name], references)
        return Traced(self.model_value(logical_id, name), references)

    def model_value(self, logical_id: str, name: str) -> Any:
        """An attribute that is a property of the resource, or a nested stack's output, else an
        Unknown."""
        if name.startswith("Outputs."):
            output = self.child_outputs(logical_id).get(name.removeprefix("Outputs."))
            if output is not None:
                return plain_data(output)
        value = self.resolved(logical_id)["Properties"].get(name, MISSING)
        if value is not MISSING:
            return plain_data(value)
        return Unknown(f"${{{logical_id}.{name}}}", (f"{logical_id}.{name}",))

    def child_outputs(self, logical_id: str) -> Mapping[str, Traced]:
        if logical_id not in self._outputs:
            child = self.child(logical_id)
            self._outputs[logical_id] = _Side(child, self.schemas).outputs() if child else {}
        return self._outputs[logical_id]

    def child(self, logical_id: str) -> StackSide | None:
        """The nested stack with the parameters that this stack gives it, None where its template is
        not known."""
        child = self.stack.nested.get(logical_id)
        if child is None:
            return None
        given = self.resolved(logical_id)["Properties"].get("Parameters", {})
        return replace(child, parameters=given.value if isinstance(given, Traced) else given)

    def exported(self, name: str) -> Any:
        return self.stack.exports.get(
            name, Unknown(f"${{ImportValue {name}}}", (f"export {name}",))
        )

    def stored(self, name: str) -> Any:
        return self.stack.stored.get(name, Unknown(f"${{ssm:{name}}}", (f"SSM parameter {name}",)))


def _attributes(resource: Resource) -> tuple[Any, ...]:
    return (
        resource.properties,
        resource.metadata,
        resource.creation_policy,
        resource.update_policy,
        resource.deletion_policy,
        resource.update_replace_policy,
    )


class _After(_Side):
    """The new side: references go to what the update makes of a resource, which is compared
    first."""

    def __init__(self, stack: StackSide, schemas: Schemas, comparison: _Comparison) -> None:
        self._comparison = comparison
        super().__init__(stack, schemas)

    def reference(self, logical_id: str) -> Traced:
        self._require(logical_id)
        change, old = self._comparison.outcome(logical_id)
        references = frozenset((ValueReference(ChangeSource.RESOURCE, logical_id),))
        if change is None or old is None:
            return old.reference(logical_id) if old else self._new(logical_id, "", True)
        if change.replacement is Replacement.FALSE:
            seen = change.aws_replacement is Replacement.FALSE
            return Traced(old.reference(logical_id).value, references, unseen=not seen)
        return self._new(logical_id, "", change.replacement is Replacement.TRUE)

    def attribute(self, logical_id: str, name: str) -> Traced:
        self._require(logical_id)
        change, old = self._comparison.outcome(logical_id)
        if old is None:
            return self._new(logical_id, name, True)
        if change is None:
            return old.attribute(logical_id, name)
        if change.nested is not None:
            return self._output(change.nested, old, logical_id, name)
        if Replacement.FALSE not in (change.replacement, change.aws_replacement):
            return self._new(logical_id, name, change.replacement is Replacement.TRUE)
        return self._in_place(change, old, logical_id, name)

    def _in_place(self, change: ResourceChange, old: _Side, logical_id: str, name: str) -> Traced:
        before = old.attribute(logical_id, name)
        unseen = change.aws_replacement is not Replacement.FALSE
        if any(item.real and item.path[:2] == ("Properties", name) for item in change.properties):
            return replace(
                before, value=self.model_value(logical_id, name), unseen=unseen, stale=True
            )
        known = self.type(logical_id)
        if change.real and known is not None and known.changes_in_place(name):
            value = Unknown(f"${{{logical_id}.{name}}}", (f"{logical_id}.{name}",), fresh=True)
            return replace(before, value=value, unseen=unseen, stale=True)
        return replace(before, unseen=unseen)

    def _output(self, nested: Prediction, old: _Side, logical_id: str, name: str) -> Traced:
        """A sibling stack's output: AWS does not look into it once the stack is modified."""
        references = frozenset((ValueReference(ChangeSource.ATTRIBUTE, f"{logical_id}.{name}"),))
        value = nested.output_values.get(name.removeprefix("Outputs."))
        plain_value = (
            plain_data(value) if value is not None else old.attribute(logical_id, name).value
        )
        return Traced(plain_value, references, unseen=bool(nested.listed))

    def _new(self, logical_id: str, name: str, certain: bool) -> Traced:
        """The id or an attribute of a physical resource that does not exist yet."""
        if not name:
            reference = ValueReference(ChangeSource.RESOURCE, logical_id)
            value: Any = Unknown(f"${{{logical_id}}}", (logical_id,), True, certain)
            return Traced(value, frozenset((reference,)), unseen=True)
        reference = ValueReference(ChangeSource.ATTRIBUTE, f"{logical_id}.{name}")
        value = self.model_value(logical_id, name)
        if isinstance(value, Unknown) and value.text == f"${{{logical_id}.{name}}}":
            sure = certain and (name in ("Arn", "Id") or name.endswith(("Arn", "Id")))
            value = replace(value, fresh=True, certain=sure)
        return Traced(value, frozenset((reference,)), unseen=True)


# --- the comparison
# -----------------------------------------------------------------------------------------


class _Comparison:
    """Compares resource by resource in the order of dependence, so that consequences follow their
    causes."""

    def __init__(self, before: StackSide | None, after: StackSide, schemas: Schemas) -> None:
        self.schemas = schemas
        self.order = graph.order_resources(after.template)
        self.old = _Side(before, schemas) if before else None
        self._changes: dict[str, ResourceChange | None] = {}
        self.new = _After(after, schemas, self)
        self._changed_parameters = self._parameters()

    def run(self) -> Prediction:
        for name in self.order:
            if name in self.new.active:
                self.outcome(name)
        self._retyped()
        found = {name: change for name, change in self._changes.items() if change is not None}
        if self.old:
            gone = self.old.active - self.new.active
            found |= {name: _removed(self.old, name) for name in gone}
        outputs = self.new.outputs()
        changed = dict(self._outputs(outputs))
        return Prediction(tuple(found[name] for name in sorted(found)), changed, outputs)

    def outcome(self, logical_id: str) -> tuple[ResourceChange | None, _Side | None]:
        """The change of a resource of the new template (None: none), and the old side if it exists
        there."""
        old = self.old if self.old and logical_id in self.old.active else None
        if logical_id not in self._changes:
            self._changes[logical_id] = (
                self._modified(logical_id, old) if old else self._added(logical_id)
            )
        return self._changes[logical_id], old

    def _retyped(self) -> None:
        if self.old is None:
            return
        both = sorted(self.old.active & self.new.active)
        names = [
            name for name in both if self.old.resource(name).type != self.new.resource(name).type
        ]
        if names:
            text = "Update of resource type is not permitted. The new template modifies resource type of the following"
            raise ValidationError(
                f"{text} resources: [{', '.join(names)}]", ("Resources", names[0], "Type")
            )

    def _parameters(self) -> dict[str, bool]:
        """Parameter -> whether its value differs, or a change set cannot see it."""
        old = self.old.parameters if self.old else {}
        return {
            name: name not in old
            or canonical_value(old[name]) != canonical_value(value)
            or (isinstance(value, Traced) and value.unseen)
            for name, value in self.new.parameters.items()
        }

    def _outputs(self, outputs: Mapping[str, Traced]) -> Iterator[tuple[str, tuple[Any, Any]]]:
        before = self.old.outputs() if self.old else {}
        for name in sorted({**before, **outputs}):
            values = before.get(name, MISSING), outputs.get(name, MISSING)
            if canonical_value(values[0]) != canonical_value(values[1]) or self._export(name):
                yield name, (plain_data(values[0]), plain_data(values[1]))

    def _export(self, name: str) -> bool:
        old = self.old.stack.template.outputs.get(name) if self.old else None
        new = self.new.stack.template.outputs.get(name)
        return (
            old is not None
            and new is not None
            and (old.export, old.description) != (new.export, new.description)
        )

    def _added(self, name: str) -> ResourceChange:
        kept = self.old is not None and bool(self.old.active & self.new.active)
        after = self.new.resolved(name)
        return ResourceChange(
            action=Action.ADD,
            logical_id=name,
            type=self.new.resource(name).type,
            # Recorded: "True" for an addition to a stack that goes on, nothing where no resource is
            # kept.
            aws_replacement=Replacement.TRUE if kept else None,
            after_context=print_value(after, attributes=False),
            nested=self._nested(name, None),
            after=after,
        )

    def _nested(self, name: str, old: _Side | None) -> Prediction | None:
        child = self.new.child(name) if self.new.resource(name).type == STACK_TYPE else None
        if child is None:
            return None
        before = old.child(name) if old else None
        return predict_changes(before, child, self.schemas)

    def _modified(self, name: str, old: _Side) -> ResourceChange | None:
        before, after = old.resolved(name), self.new.resolved(name)
        known = self.new.type(name)
        unequal = list(diff_values(before, after))
        found = [_property_change(item, known) for item in unequal]
        details = list(self._listed(unequal, before, after, known))
        details += self._stack_tags(known)
        nested = self._nested(name, old)
        if self.new.resource(name).type == STACK_TYPE:
            details = _stack_details(details, nested)
        if not details and not any(item.real for item in found) and not (nested and nested.changes):
            return None
        return self._change(name, old, known, tuple(found), tuple(details), nested)

    def _change(
        self,
        name: str,
        old: _Side,
        known: ResourceType | None,
        properties: tuple[PropertyChange, ...],
        details: tuple[Detail, ...],
        nested: Prediction | None,
    ) -> ResourceChange:
        physical = old.stack.physical.get(name)
        replacement = _aws_replacement(details)
        real = any(item.real for item in properties) or bool(self._stack_tags(known))
        if nested is not None:
            real = real or any(change.real for change in nested.changes)
        before, after = old.resolved(name), self.new.resolved(name)
        return ResourceChange(
            action=Action.MODIFY,
            logical_id=name,
            type=self.new.resource(name).type,
            physical_id=physical.id if physical else None,
            real=real,
            listed=bool(details),
            replacement=self._replaced(properties, known),
            aws_replacement=replacement,
            policy_action=_policy_action(self.new, name)
            if replacement is Replacement.TRUE
            else None,
            properties=properties,
            details=details,
            before_context=print_value(before),
            after_context=_context(before, after),
            nested=nested,
            before=before,
            after=after,
        )

    def _replaced(
        self, properties: tuple[PropertyChange, ...], known: ResourceType | None
    ) -> Replacement:
        """The truth of a replacement: by a property, or by tags of the stack that the type cannot
        change in place."""
        if any(detail.recreation is Recreation.ALWAYS for detail in self._stack_tags(known)):
            return Replacement.TRUE
        return _replacement(properties)

    def _listed(
        self, unequal: list[LeafDifference], before: Any, after: Any, known: ResourceType | None
    ) -> Iterator[Detail]:
        """The details of all that AWS sees differ; free-form JSON differs as a whole."""
        documents = set()
        for item in unequal:
            document = (
                known.document(item.path[1:]) if known and item.path[0] == "Properties" else None
            )
            if not item.listed or document in documents:
                continue
            if document is None:
                yield from self._details(item, known)
            else:
                documents.add(document)
                path = (item.path[0], *document)
                yield from _document_details(
                    LeafDifference(path, value_at(before, path), value_at(after, path)), known
                )

    def _details(self, item: LeafDifference, known: ResourceType | None) -> Iterator[Detail]:
        """One detail for each cause outside of the resource, and one ``DirectModification``, which
        is Dynamic where the value comes from elsewhere. AWS's own order is that of a hash; ours is
        parameters, direct, resources."""
        base = _detail(item, known)
        causes = sorted(reference for reference in item.references if self._moves(reference))
        own = [cause for cause in causes if cause.source is ChangeSource.PARAMETER]
        others = [cause for cause in causes if cause.source is not ChangeSource.PARAMETER]
        for cause in own:
            yield replace(base, source=str(cause.source), cause=cause.entity)
        hidden = bool(causes) or any(uses_attributes(node) for node in find_traces(item.after))
        yield replace(base, evaluation="Dynamic" if hidden else "Static")
        for cause in others:
            evaluation = "Static" if self._settled(cause) else "Dynamic"
            yield replace(base, source=str(cause.source), cause=cause.entity, evaluation=evaluation)

    def _moves(self, reference: ValueReference) -> bool:
        """Whether AWS takes what is referred to for changed."""
        name = reference.logical_id
        if reference.source is ChangeSource.PARAMETER:
            return self._changed_parameters.get(name, False)
        change, old = self.outcome(name)
        if change is None or old is None:
            return old is None
        if change.nested is not None or change.type == STACK_TYPE:
            return change.listed and reference.source is ChangeSource.ATTRIBUTE
        return change.aws_replacement is not Replacement.FALSE

    def _settled(self, reference: ValueReference) -> bool:
        """Whether the referenced value surely changes: its resource is new or replaced."""
        change, old = self.outcome(reference.logical_id)
        return old is None or (change is not None and change.aws_replacement is Replacement.TRUE)

    def _stack_tags(self, known: ResourceType | None) -> list[Detail]:
        """Tags of the stack are tags of every resource that can have them."""
        old = self.old.stack.tags if self.old else {}
        if old == self.new.stack.tags or known is None or known.tags_property is None:
            return []
        recreation = Recreation.NEVER if known.updatable_tags else Recreation.ALWAYS
        return [Detail("Tags", "DirectModification", "Static", recreation)]


# --- details
# ------------------------------------------------------------------------------------------------


def _recreation(path: Path, known: ResourceType | None) -> Recreation:
    if path[0] != "Properties" or known is None:
        return Recreation.NEVER
    return known.recreation(path[1:])


def _property_change(item: LeafDifference, known: ResourceType | None) -> PropertyChange:
    return PropertyChange(
        path=item.path,
        before=MISSING if item.before is MISSING else plain_data(item.before),
        after=MISSING if item.after is MISSING else plain_data(item.after),
        recreation=_recreation(item.path, known),
        causes=tuple(sorted(reference.entity for reference in item.references)),
        real=item.real,
        certain=item.certain,
        listed=item.listed,
        secret=any(node.secret for side in (item.before, item.after) for node in find_traces(side)),
    )


def _detail(item: LeafDifference, known: ResourceType | None) -> Detail:
    attribute, name = str(item.path[0]), str(item.path[1]) if len(item.path) > 1 else None
    if attribute != "Properties":
        name = None
    elif known is not None and name == known.tags_property:
        attribute, name = "Tags", None
    change = "Add" if item.before is MISSING else "Remove" if item.after is MISSING else "Modify"
    return Detail(
        attribute=attribute,
        source="DirectModification",
        evaluation="Static",
        recreation=_recreation(item.path, known),
        name=name,
        path="/" + "/".join(str(part) for part in item.path),
        change=change,
        before=None if item.before is MISSING else value_text(print_value(item.before)),
        after=None
        if item.after is MISSING
        else value_text(print_value(item.after, attributes=False)),
    )


def _document_details(item: LeafDifference, known: ResourceType | None) -> Iterator[Detail]:
    """Recorded for policies (github.com/aws/aws-cdk, cloudformation-diff's recorded change sets,
    and change sets of nested stacks): one static detail without causes; a key whose value holds
    something unknown is left out of it and listed as an addition, even where it was there
    before."""
    whole = _detail(item, known)
    shown = print_value(item.after, attributes=False) if isinstance(item.after, Mapping) else {}
    unknown = [key for key in sorted(shown) if KNOWN_AFTER_APPLY in value_text(shown[key])]
    if item.before is MISSING or not unknown:
        yield whole
        return
    yield replace(
        whole, after=value_text({key: value for key, value in shown.items() if key not in unknown})
    )
    for key in unknown:
        yield replace(
            whole,
            path=f"{whole.path}/{key}",
            change="Add",
            before=None,
            after=value_text(shown[key]),
        )


def _stack_details(details: list[Detail], nested: Prediction | None) -> list[Detail]:
    """A nested stack is listed where its own template or properties change, or where that cannot be
    known."""
    direct = [detail for detail in details if detail.after != KNOWN_AFTER_APPLY]
    if not direct and nested is not None and not nested.listed and not nested.outputs:
        return []
    return [*direct, Detail("Properties", "Automatic", "Dynamic", Recreation.NEVER)]


def _aws_replacement(details: tuple[Detail, ...]) -> Replacement:
    if any(d.recreation is Recreation.ALWAYS and d.evaluation == "Static" for d in details):
        return Replacement.TRUE
    if any(d.recreation is not Recreation.NEVER for d in details):
        return Replacement.CONDITIONAL
    return Replacement.FALSE


def _replacement(properties: tuple[PropertyChange, ...]) -> Replacement:
    real = [item for item in properties if item.real]
    if any(item.recreation is Recreation.ALWAYS and item.certain for item in real):
        return Replacement.TRUE
    if any(item.recreation is not Recreation.NEVER for item in real):
        return Replacement.CONDITIONAL
    return Replacement.FALSE


def _context(before: Any, after: Any) -> Any:
    """The tree after the update as AWS prints it: what it does not see changing keeps its old
    value."""
    if isinstance(after, Traced):
        if after.unseen:
            return print_value(after)
        if before is not MISSING and (
            after.stale or canonical_value(before) == canonical_value(after)
        ):
            return print_value(before)
        return print_value(after, attributes=False)
    if isinstance(after, Mapping):
        old = before if isinstance(before, Mapping) else {}
        return {key: _context(old.get(key, MISSING), item) for key, item in after.items()}
    if isinstance(after, list):
        items = before if isinstance(before, list) else []
        return [
            _context(items[i] if i < len(items) else MISSING, item) for i, item in enumerate(after)
        ]
    return print_value(after)


def deletion_policy(resource: Resource, resolved: Mapping[str, Any]) -> str:
    """``Delete``, ``Retain`` or ``Snapshot``: what becomes of the physical resource when it leaves
    the stack.

    Databases default to a snapshot:
    docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html.
    """
    given = plain_data(resolved.get("DeletionPolicy"))
    if given is not None:
        return template_to_text(given).removesuffix("ExceptOnCreate")
    single = (
        resource.type == "AWS::RDS::DBInstance" and "DBClusterIdentifier" not in resource.properties
    )
    return "Snapshot" if single or resource.type == "AWS::RDS::DBCluster" else "Delete"


def _policy_action(side: _Side, name: str) -> str:
    given = plain_data(side.resolved(name).get("UpdateReplacePolicy", "Delete"))
    return f"ReplaceAnd{template_to_text(given)}"


def _removed(side: _Side, name: str) -> ResourceChange:
    resource, physical = side.resource(name), side.stack.physical.get(name)
    child = side.child(name) if resource.type == STACK_TYPE else None
    return ResourceChange(
        action=Action.REMOVE,
        logical_id=name,
        type=resource.type,
        physical_id=physical.id if physical else None,
        policy_action=deletion_policy(resource, side.resolved(name)),
        before_context=print_value(side.resolved(name), attributes=False),
        nested=predict_removal(child, side.schemas) if child else None,
        before=side.resolved(name),
    )
