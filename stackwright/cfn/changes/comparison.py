"""Two sides of a stack -> the changes, each resource after those that it depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from ..declarations import STACK_TYPE, ValidationError, template_to_text
from ..difference import MISSING, LeafDifference, diff_values, value_at
from ..graph import order_resources
from ..schema import Recreation, ResourceType, Schemas
from ..values import (
    ChangeSource,
    Traced,
    Unknown,
    ValueReference,
    canonical_value,
    find_traces,
    plain_data,
    print_value,
    uses_attributes,
)
from .details import (
    aws_replacement,
    context_after,
    describe_difference,
    describe_document,
    describe_nested_stack,
    property_change,
    real_replacement,
)
from .model import (
    Action,
    Detail,
    Prediction,
    PropertyChange,
    Replacement,
    ResourceChange,
    StackSide,
)
from .resolution import ResolvedStack, deletion_policy


def predict_changes(
    before: StackSide | None, after: StackSide, schemas: Schemas | None = None
) -> Prediction:
    """The changes of an update from ``before`` to ``after``; ``before=None``: of a creation.

    Raises:
        ValidationError: CloudFormation would refuse the template or its parameters.
    """
    return _Comparison(before, after, schemas or Schemas(after.pseudo.region)).run()


def predict_removal(before: StackSide, schemas: Schemas | None = None) -> Prediction:
    """The changes of a stack's deletion."""
    known = schemas or Schemas(before.pseudo.region)
    side = ResolvedStack(before, known)
    removed = tuple(_removed(side, name) for name in sorted(side.active))
    return Prediction(removed, undecided=side.resolver.undecided)


def output_values(stack: StackSide, schemas: Schemas | None = None) -> Mapping[str, Traced]:
    """The outputs of a stack, by name, as far as they are known."""
    return ResolvedStack(stack, schemas or Schemas(stack.pseudo.region)).outputs()


class _UpdatedStack(ResolvedStack):
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

    def _in_place(
        self, change: ResourceChange, old: ResolvedStack, logical_id: str, name: str
    ) -> Traced:
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

    def _output(self, nested: Prediction, old: ResolvedStack, logical_id: str, name: str) -> Traced:
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
        own_texts = (f"${{{logical_id}.{name}}}", f"${{{logical_id}}}")
        if isinstance(value, Unknown) and value.text in own_texts:
            sure = certain and (name in ("Arn", "Id") or name.endswith(("Arn", "Id")))
            value = replace(value, fresh=True, certain=sure)
        return Traced(value, frozenset((reference,)), unseen=True)


class _Comparison:
    """Compares resource by resource in the order of dependence, so that consequences follow their
    causes."""

    def __init__(self, before: StackSide | None, after: StackSide, schemas: Schemas) -> None:
        self.schemas = schemas
        self.order = order_resources(after.template)
        self.old = ResolvedStack(before, schemas) if before else None
        self._changes: dict[str, ResourceChange | None] = {}
        self._predictions: dict[str, Prediction] = {}
        self.new = _UpdatedStack(after, schemas, self)
        self._changed_parameters = self._parameters()

    def run(self) -> Prediction:
        for name in self.order:
            if name in self.new.active:
                self.outcome(name)
        self._retyped()
        changes = {name: change for name, change in self._changes.items() if change is not None}
        if self.old:
            gone = self.old.active - self.new.active
            changes |= {name: _removed(self.old, name) for name in gone}
        outputs = self.new.outputs()
        changed = dict(self._outputs(outputs))
        sides = [side for side in (self.old, self.new) if side]
        undecided = any(side.resolver.undecided for side in sides) or any(
            change.nested is not None and change.nested.undecided for change in changes.values()
        )
        ordered = tuple(changes[name] for name in sorted(changes))
        resources = self.new.resources()
        return Prediction(ordered, changed, outputs, undecided, resources, self._predictions)

    def outcome(self, logical_id: str) -> tuple[ResourceChange | None, ResolvedStack | None]:
        """The change of a resource of the new template (None: none), and the old side if it exists
        there."""
        old = self.old if self.old and logical_id in self.old.active else None
        if logical_id not in self._changes:
            self._changes[logical_id] = (
                self._modified(logical_id, old) if old else self._added(logical_id)
            )
        return self._changes[logical_id], old

    def _retyped(self) -> None:
        if self.old is None or self._expanded_by_aws():
            return
        both = sorted(self.old.active & self.new.active)
        names = [
            name for name in both if self.old.resource(name).type != self.new.resource(name).type
        ]
        if names:
            text = (
                "Update of resource type is not permitted. The new template modifies resource type "
                "of the following"
            )
            raise ValidationError(
                f"{text} resources: [{', '.join(names)}]", ("Resources", names[0], "Type")
            )

    def _expanded_by_aws(self) -> bool:
        """Whether a macro may give a resource another type than the template says."""
        return any(side.stack.template.macros for side in (self.old, self.new) if side)

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

    def _nested(self, name: str, old: ResolvedStack | None) -> Prediction | None:
        child = self.new.child(name) if self.new.resource(name).type == STACK_TYPE else None
        if child is None:
            return None
        before = old.child(name) if old else None
        self._predictions[name] = predict_changes(before, child, self.schemas)
        return self._predictions[name]

    def _modified(self, name: str, old: ResolvedStack) -> ResourceChange | None:
        before, after = old.resolved(name), self.new.resolved(name)
        known = self.new.type(name)
        unequal = list(diff_values(before, after))
        properties = [property_change(item, known, before, after) for item in unequal]
        details = list(self._listed(unequal, before, after, known))
        details += self._stack_tags(known)
        nested = self._nested(name, old)
        if self.new.resource(name).type == STACK_TYPE:
            details = describe_nested_stack(details, nested)
        if (
            not details
            and not any(item.real for item in properties)
            and not (nested and nested.changes)
        ):
            return None
        return self._change(name, old, known, tuple(properties), tuple(details), nested)

    def _change(
        self,
        name: str,
        old: ResolvedStack,
        known: ResourceType | None,
        properties: tuple[PropertyChange, ...],
        details: tuple[Detail, ...],
        nested: Prediction | None,
    ) -> ResourceChange:
        physical = old.stack.physical.get(name)
        replacement = aws_replacement(details)
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
            after_context=context_after(before, after),
            nested=nested,
            before=before,
            after=after,
        )

    def _replaced(
        self, properties: tuple[PropertyChange, ...], known: ResourceType | None
    ) -> Replacement:
        """Whether the resource will be replaced, because of a property or of stack tags that the
        type cannot change in place."""
        if any(detail.recreation is Recreation.ALWAYS for detail in self._stack_tags(known)):
            return Replacement.TRUE
        return real_replacement(properties)

    def _listed(
        self, unequal: list[LeafDifference], before: Any, after: Any, known: ResourceType | None
    ) -> Iterator[Detail]:
        """The details of the differences that AWS sees; free-form JSON differs as a whole."""
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
                yield from describe_document(
                    LeafDifference(path, value_at(before, path), value_at(after, path)), known
                )

    def _details(self, item: LeafDifference, known: ResourceType | None) -> Iterator[Detail]:
        """One detail for each cause outside of the resource, and one ``DirectModification``, which
        is Dynamic where the value comes from elsewhere. AWS's own order is that of a hash; ours is
        parameters, direct, resources."""
        base = describe_difference(item, known)
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
        """Whether the target of a reference changes, as AWS sees it."""
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


def _policy_action(side: ResolvedStack, name: str) -> str:
    given = plain_data(side.resolved(name).get("UpdateReplacePolicy", "Delete"))
    return f"ReplaceAnd{template_to_text(given)}"


def _removed(side: ResolvedStack, name: str) -> ResourceChange:
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
