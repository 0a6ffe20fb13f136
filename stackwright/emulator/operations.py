"""Creating, updating, deleting and rolling back a stack, with AWS's statuses, events and reasons in
its order.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html and
.../using-cfn-updating-stacks-update-behaviors.html; the order of events as recorded in
``tests/cfn/recorded``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec.structs import replace

from ..cfn import (
    ChangeSource,
    Pseudo,
    Recreation,
    Resolver,
    Resource,
    ResourceType,
    Schemas,
    Traced,
    ValidationError,
    ValueReference,
    canonical_value,
    deletion_policy,
    diff_values,
    find_dependencies,
    order_resources,
    parameter_values,
    plain_data,
    resolve_dynamic,
    template_to_text,
)
from .clock import Clock
from .identity import Identities, Identity
from .policy import refusal
from .resources import Fault, Provider, Refused, Request
from .reverting import Drifted, affected
from .state import (
    STACK_TYPE,
    Definition,
    EmulatorState,
    Event,
    OperationState,
    OutputState,
    ResourceState,
    StackState,
)

USER = "User Initiated"
Exists = Callable[[str, str, Mapping[str, Any]], bool]
"""Whether there is a resource of this type, physical id and properties."""
_ATTRIBUTES = (
    "Properties",
    "Metadata",
    "CreationPolicy",
    "UpdatePolicy",
    "DeletionPolicy",
    "UpdateReplacePolicy",
)
Done = Callable[[bool], None]
Settle = Callable[[str, str, Mapping[str, Any], Callable[[str | None], None]], None]
"""Operation, physical id, properties, and what to call when the resource is stable (None) or will
not be (why)."""


class Pass:
    """Steps in the order of their dependencies, as many side by side as possible.

    ``begin(name, finish)`` starts one step and calls ``finish(ok)`` when it ended. After a failure
    nothing more is started, ``cancel`` is told of what is under way, and ``done(ok)`` ends it.
    """

    def __init__(
        self,
        needs: Mapping[str, Iterable[str]],
        begin: Callable[[str, Done], None],
        done: Done,
        cancel: Callable[[str], None] | None = None,
    ) -> None:
        self._waiting = {
            name: {need for need in wanted if need in needs} for name, wanted in needs.items()
        }
        self._running: dict[str, None] = {}
        self._begin, self._done, self._cancel = begin, done, cancel
        self._ended = False

    def start(self) -> None:
        """Start whatever is ready."""
        while not self._ended:
            name = next((name for name, needs in self._waiting.items() if not needs), None)
            if name is None:
                break
            del self._waiting[name]
            self._running[name] = None
            self._begin(name, partial(self._finish, name))
        if not self._waiting and not self._running:
            self._end(True)

    def _finish(self, name: str, ok: bool) -> None:
        if self._ended or name not in self._running:
            return
        del self._running[name]
        if not ok:
            self._cancel_running()
            self._end(False)
            return
        for needs in self._waiting.values():
            needs.discard(name)
        self.start()

    def _end(self, ok: bool) -> None:
        if not self._ended:
            self._ended = True
            self._done(ok)

    def stop(self) -> None:
        """End as failed: somebody cancelled."""
        self._cancel_running()
        self._end(False)

    def abandon(self) -> None:
        """End without a word to who waits for it: something else takes over."""
        self._ended = True
        self._cancel_running()

    def _cancel_running(self) -> None:
        for other in list(self._running):
            if self._cancel:
                self._cancel(other)


@dataclass
class Work:
    """An operation under way on one stack: what it returns to, what it left behind, what failed."""

    before: Definition | None = None
    resources: dict[str, ResourceState] = field(default_factory=dict)
    outputs: tuple[OutputState, ...] = ()
    obsolete: list[ResourceState] = field(default_factory=list)
    failed: dict[str, list[str]] = field(default_factory=dict)
    current: Pass | None = None
    children: dict[str, StackState] = field(default_factory=dict)
    touched: list[str] = field(default_factory=list)
    restored: set[str] = field(default_factory=set)
    policy: str | None = None
    drifted: Drifted = field(default_factory=dict)


@dataclass
class Operations:
    """Runs operations on stacks. ``latency`` gives the seconds that an operation on a type
    takes."""

    clock: Clock
    store: EmulatorState
    identities: Identities
    schemas: Schemas
    provider: Provider
    pseudo: Pseudo
    latency: Callable[[str, str], float] = lambda _type, _operation: 0.0
    stored: Mapping[str, str] = field(default_factory=dict)
    dynamic: Callable[[str, str], str] | None = None
    """Gives the values of dynamic references to services; events and change sets never show
    them."""
    faults: list[Fault] = field(default_factory=list)
    settling: dict[str, Settle] = field(default_factory=dict)
    """Types whose resources go on changing after their service accepted the request."""
    told: Callable[[Event], None] = lambda _event: None
    """Called with every event."""
    importers: Callable[[str], list[str]] = lambda _export: []
    """Names of the stacks that import an export."""
    work: dict[str, Work] = field(default_factory=dict)
    previewed: dict[tuple[str, str], StackState] = field(default_factory=dict)
    """Nested stacks that exist since a change set previewed them, by parent's id and logical id."""

    # --- events
    # -------------------------------------------------------------------------------------------------

    def begin(self, stack: StackState, type_: str) -> None:
        """A new operation on the stack, to which all events belong from now on; one under way has
        failed."""
        self._ended(stack, "FAILED")
        token = self.store.stacks.get(stack.root_id or "", stack).token
        stack.operations.append(
            OperationState(self.identities.uuid(), type_, self.clock.now, token)
        )

    def _ended(self, stack: StackState, status: str) -> None:
        if stack.operations and stack.operations[-1].end is None:
            stack.operations[-1].status, stack.operations[-1].end = status, self.clock.now

    def stack_event(self, stack: StackState, status: str, reason: str | None = None) -> None:
        """Give the stack a status, and tell."""
        stack.status, stack.reason = status, reason
        self._event(stack, stack.name, stack.id, STACK_TYPE, status, reason, None)
        if not status.endswith("_IN_PROGRESS"):
            self._ended(stack, "FAILED" if status.endswith("_FAILED") else "SUCCEEDED")

    def _event(
        self,
        stack: StackState,
        logical_id: str,
        physical_id: str,
        type_: str,
        status: str,
        reason: str | None,
        properties: Mapping[str, Any] | None,
    ) -> None:
        own = physical_id == stack.id
        operation = stack.operations[-1] if stack.operations else None
        mark = self.identities.uuid()
        stack.events.append(
            Event(
                id=mark if own else f"{logical_id}-{status}-{mark}",
                stack_id=stack.id,
                stack_name=stack.name,
                logical_id=logical_id,
                physical_id=physical_id,
                type=type_,
                status=status,
                timestamp=self.clock.now,
                reason=reason,
                properties=None
                if properties is None
                else json.dumps(canonical_value(properties), sort_keys=True),
                operation_id=operation.id if operation else None,
                token=operation.token if operation else None,
            )
        )
        self.told(stack.events[-1])

    def _resource(
        self, stack: StackState, state: ResourceState, status: str, reason: str | None = None
    ) -> None:
        """Give a resource a status, and tell. Deletions carry no properties."""
        state = replace(state, status=status, reason=reason, timestamp=self.clock.now)
        stack.resources[state.logical_id] = state
        self._tell(stack, state, status, reason)

    def _tell(
        self, stack: StackState, state: ResourceState, status: str, reason: str | None = None
    ) -> None:
        shown = None if status.startswith("DELETE") else state.properties
        self._event(stack, state.logical_id, state.physical_id, state.type, status, reason, shown)

    # --- values
    # -------------------------------------------------------------------------------------------------

    def pseudo_of(self, stack: StackState) -> Pseudo:
        """The pseudo parameters of one stack."""
        arns = stack.definition.notification_arns if stack.definition else ()
        return replace(
            self.pseudo, stack_name=stack.name, stack_id=stack.id, notification_arns=arns
        )

    def resolver(self, stack: StackState) -> Resolver:
        """Resolves a stack's template against what exists now."""
        definition = _defined(stack)
        values = parameter_values(definition.template, definition.parameters)
        return Resolver(
            definition.template, values, self.pseudo_of(stack), PhysicalWorld(self, stack)
        )

    def active(self, stack: StackState) -> set[str]:
        """The logical ids whose conditions hold."""
        resolver, template = self.resolver(stack), _defined(stack).template
        return {
            name
            for name, resource in template.resources.items()
            if resolver.active(resource.condition)
        }

    def needs(self, stack: StackState) -> dict[str, frozenset[str]]:
        """Logical id -> what it needs first, for the active resources, in the template's order of
        dependence."""
        active, template = self.active(stack), _defined(stack).template
        found = find_dependencies(template)
        return {name: found[name] & active for name in order_resources(template) if name in active}

    # --- creating
    # -----------------------------------------------------------------------------------------------

    def create(self, stack: StackState, definition: Definition, done: Done | None = None) -> None:
        """Create all resources of a stack; on failure do what ``on_failure`` says."""
        stack.definition = definition
        work = self.work[stack.id] = Work()
        self.begin(stack, "CREATE_STACK")
        self.stack_event(stack, "CREATE_IN_PROGRESS", USER if stack.parent_id is None else None)

        def ended(ok: bool) -> None:
            if ok and self._outputs(stack):
                self.stack_event(stack, "CREATE_COMPLETE")
                self._over(stack, True, done)
            else:
                self._creation_failed(stack, work, done)

        self._run(
            stack,
            work,
            self.needs(stack),
            lambda name, end: self._create(stack, work, name, end),
            ended,
        )

    def _run(
        self,
        stack: StackState,
        work: Work,
        needs: Mapping[str, Iterable[str]],
        begin: Callable[[str, Done], None],
        done: Done,
    ) -> None:
        work.current = Pass(needs, begin, done, lambda name: self._cancelled(stack, work, name))
        self.clock.after(0, work.current.start)

    def _over(self, stack: StackState, ok: bool, done: Done | None) -> None:
        self.work.pop(stack.id, None)
        if done:
            done(ok)

    def _cancelled(self, stack: StackState, work: Work, name: str) -> None:
        state = stack.resources[name]
        verb = state.status.partition("_")[0]
        noun = {"CREATE": "creation", "UPDATE": "update"}.get(verb, "deletion")
        self._resource(stack, state, f"{verb}_FAILED", f"Resource {noun} cancelled")
        inner = self.work.get(work.children[name].id) if name in work.children else None
        if inner and inner.current:
            inner.current.stop()

    def _create(self, stack: StackState, work: Work, name: str, end: Done) -> None:
        resource = _defined(stack).template.resources[name]
        state = ResourceState(name, resource.type, "", "CREATE_IN_PROGRESS", self.clock.now)
        work.touched.append(name)
        try:
            state = self._with_values(stack, state, resource)
            self._resource(stack, state, "CREATE_IN_PROGRESS")
            if resource.type == STACK_TYPE:
                self._create_child(stack, work, state, end)
                return
            identity = self._provide("create", stack, state)
        except (Refused, ValidationError) as error:
            self._failed(stack, work, state, "CREATE", str(error), end)
            return
        state = replace(state, physical_id=identity.id, attributes=identity.attributes)
        self._resource(stack, state, "CREATE_IN_PROGRESS", "Resource creation Initiated")
        self._settle(stack, work, state, "create", "CREATE", end)

    def _later(
        self, stack: StackState, state: ResourceState, operation: str, then: Callable[[], None]
    ) -> None:
        """Call ``then`` once the operation took its time, unless it was cancelled meanwhile."""
        planned = stack.resources.get(state.logical_id)

        def due() -> None:
            if stack.resources.get(state.logical_id) is planned:
                then()

        self.clock.after(self.latency(state.type, operation), due)

    def _settle(
        self,
        stack: StackState,
        work: Work,
        state: ResourceState,
        operation: str,
        verb: str,
        end: Done,
    ) -> None:
        """Wait for what the service goes on doing; a cancelled or replaced wait ends without a
        word."""
        name, settle = state.logical_id, self.settling.get(state.type)
        planned = stack.resources.get(name)
        if settle is None:
            self._later(
                stack,
                state,
                operation,
                lambda: self._completed(stack, name, f"{verb}_COMPLETE", end),
            )
            return

        def over(reason: str | None) -> None:
            if stack.resources.get(name) is not planned or planned is None:
                return
            if reason is None:
                self._completed(stack, name, f"{verb}_COMPLETE", end)
            else:
                self._failed(stack, work, planned, verb, reason, end)

        settle(operation, state.physical_id, state.properties, over)

    def _completed(self, stack: StackState, name: str, status: str, end: Done) -> None:
        state = stack.resources.get(name)
        if state is not None and state.status == status.replace("COMPLETE", "IN_PROGRESS"):
            self._resource(stack, state, status)
            end(True)

    def _failed(
        self, stack: StackState, work: Work, state: ResourceState, verb: str, reason: str, end: Done
    ) -> None:
        work.failed.setdefault(verb.lower(), []).append(state.logical_id)
        self._resource(stack, state, f"{verb}_FAILED", reason)
        end(False)

    def _with_values(
        self, stack: StackState, state: ResourceState, resource: Resource
    ) -> ResourceState:
        """The state with its properties and attributes resolved against what exists now."""
        resolver, path = self.resolver(stack), ("Resources", resource.logical_id)
        given = (resource.properties, resource.metadata, resource.creation_policy, resource.update_policy,
                 resource.deletion_policy, resource.update_replace_policy)  # fmt: skip
        resolved = {
            name: plain_data(resolver.resolve(value, (*path, name)))
            for name, value in zip(_ATTRIBUTES, given, strict=True)
            if value is not None
        }
        policy = deletion_policy(resource, resolved)
        return replace(
            state, properties=resolved["Properties"], resolved=resolved, deletion_policy=policy
        )

    def _provide(self, operation: str, stack: StackState, state: ResourceState) -> Identity:
        """Do it in the service behind the type, unless a fault strikes."""
        self._strike(operation, state)
        known = self._type(state.type)
        identity = Identity(state.physical_id, state.attributes) if state.physical_id else None
        properties = (
            resolve_dynamic(state.properties, self.dynamic) if self.dynamic else state.properties
        )
        request = Request(known, state.logical_id, properties, self.pseudo_of(stack), identity)
        if operation == "create":
            return self.provider.create(replace(request, identity=None))
        return self.provider.update(request)

    def _strike(self, operation: str, state: ResourceState) -> None:
        for fault in self.faults:
            if fault.strikes(operation, state.type, state.logical_id):
                raise Refused(fault.reason)

    def _type(self, name: str) -> ResourceType:
        known = self.schemas.get(name)
        if known is None:
            raise Refused(f"Template format error: Unrecognized resource types: [{name}]")
        return known

    def _creation_failed(self, stack: StackState, work: Work, done: Done | None) -> None:
        reason = _failures(work)
        self._forget_previews(stack)
        if (
            stack.disable_rollback
            or stack.on_failure == "DO_NOTHING"
            or stack.parent_id is not None
        ):
            self.stack_event(stack, "CREATE_FAILED", reason)
            self._over(stack, False, done)
            return
        if stack.on_failure == "DELETE":
            self.delete(stack, reason=reason, done=done)
            return
        self.begin(stack, "ROLLBACK")
        self.stack_event(
            stack, "ROLLBACK_IN_PROGRESS", f"{reason.rstrip('.')}. Rollback requested by user."
        )

        def ended(ok: bool) -> None:
            self.stack_event(
                stack,
                "ROLLBACK_COMPLETE" if ok else "ROLLBACK_FAILED",
                None if ok else _failures(work),
            )
            stack.outputs = ()
            self._over(stack, False, done)

        self._delete_all(stack, work, list(stack.resources.values()), ended, rollback=True)

    def _forget_previews(self, stack: StackState) -> None:
        """Nested stacks that were previewed and never begun go with their parent's creation."""
        for parent_id, logical_id in [key for key in self.previewed if key[0] == stack.id]:
            child = self.previewed.pop((parent_id, logical_id))
            self._forget_previews(child)
            self.stack_event(child, "DELETE_COMPLETE")

    def _outputs(self, stack: StackState) -> bool:
        """Resolve the outputs; False, with the reason, where one cannot be."""
        work = self.work[stack.id]
        try:
            found = tuple(self._resolved_outputs(stack))
            self._guard_exports(stack.outputs, found)
            stack.outputs = found
        except ValidationError as error:
            work.failed["outputs"] = [error.message]
            return False
        return True

    def _guard_exports(self, before: Iterable[OutputState], after: Iterable[OutputState]) -> None:
        """An export that is imported can neither go nor become another value."""
        values = {each.export: each.value for each in after}
        for each in before:
            if each.export is None or values.get(each.export) == each.value:
                continue
            if users := self.importers(each.export):
                text = (
                    f"Export {each.export} cannot be updated as it is in use by {', '.join(users)}"
                )
                gone = each.export not in values
                raise ValidationError(
                    export_in_use(each.export, users) if gone else text, ("Outputs", each.key)
                )

    def _resolved_outputs(self, stack: StackState) -> Iterable[OutputState]:
        resolver, taken = self.resolver(stack), self.store.exports()
        for name, output in _defined(stack).template.outputs.items():
            if not resolver.active(output.condition):
                continue
            path = ("Outputs", name)
            value = plain_data(resolver.resolve(output.value, (*path, "Value")))
            if isinstance(value, dict | list):
                text = "Template format error: The Value field of every Outputs member must evaluate to a String."
                raise ValidationError(text, path)
            export = None
            if output.export is not None:
                export = template_to_text(
                    plain_data(resolver.resolve(output.export, (*path, "Export")))
                )
                if export in taken and taken[export][1] is not stack:
                    text = f"Export with name {export} is already exported by stack {taken[export][1].name}"
                    raise ValidationError(text, path)
            description = (
                None
                if output.description is None
                else template_to_text(plain_data(resolver.resolve(output.description)))
            )
            yield OutputState(name, template_to_text(value), description, export)

    # --- nested stacks
    # ------------------------------------------------------------------------------------------

    def child_definition(self, stack: StackState, state: ResourceState) -> Definition:
        """What a nested stack is asked to be, with the parameters of its parent."""
        nested = _defined(stack).nested.get(state.logical_id)
        if nested is None:
            raise Refused(
                f"S3 error: the template {state.properties.get('TemplateURL')} cannot be read"
            )
        parameters = state.properties.get("Parameters", {})
        own = {
            tag["Key"]: template_to_text(tag["Value"]) for tag in state.properties.get("Tags", ())
        }
        return replace(nested, parameters=parameters, tags={**_defined(stack).tags, **own})

    def _create_child(self, stack: StackState, work: Work, state: ResourceState, end: Done) -> None:
        definition = self.child_definition(stack, state)
        self._strike("create", state)
        parameter_values(definition.template, definition.parameters)
        previewed = self.previewed.pop((stack.id, state.logical_id), None)
        child = previewed or self.new_child(stack, state.logical_id)
        work.children[state.logical_id] = child
        state = replace(state, physical_id=child.id)
        self._resource(stack, state, "CREATE_IN_PROGRESS", "Resource creation Initiated")

        def ended(ok: bool) -> None:
            if ok:
                self._completed(stack, state.logical_id, "CREATE_COMPLETE", end)
            elif stack.resources[state.logical_id].status == "CREATE_IN_PROGRESS":
                reason = f"Embedded stack {child.id} was not successfully created: {child.reason}"
                self._failed(stack, work, state, "CREATE", reason, end)

        self.create(child, definition, ended)

    def new_child(
        self, stack: StackState, logical_id: str, status: str = "CREATE_IN_PROGRESS"
    ) -> StackState:
        """A nested stack, named as AWS names them."""
        mark = self.identities.characters("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 12)
        return self.new_stack(f"{stack.name}-{logical_id}-{mark}", stack, status)

    def new_stack(
        self, name: str, parent: StackState | None = None, status: str = "CREATE_IN_PROGRESS"
    ) -> StackState:
        """A stack without resources, known to the store."""
        p = self.pseudo
        id_ = f"arn:{p.partition}:cloudformation:{p.region}:{p.account_id}:stack/{name}/{self.identities.uuid()}"
        stack = StackState(name, id_, self.clock.now, status)
        if parent:
            stack.parent_id, stack.root_id = parent.id, parent.root_id or parent.id
        self.store.stacks[id_] = stack
        return stack

    # --- deleting
    # -----------------------------------------------------------------------------------------------

    def delete(
        self,
        stack: StackState,
        retain: Iterable[str] = (),
        reason: str | None = USER,
        done: Done | None = None,
    ) -> None:
        """Delete a stack's resources, dependents first, but for those that are retained; what is
        being made is cancelled."""
        making = self.work.get(stack.id)
        if making and making.current and stack.status == "CREATE_IN_PROGRESS":
            making.current.abandon()
        work = self.work[stack.id] = Work()
        self.begin(stack, "DELETE_STACK")
        self.stack_event(stack, "DELETE_IN_PROGRESS", reason)
        kept = set(retain)

        def ended(ok: bool) -> None:
            if ok:
                stack.deleted, stack.outputs = self.clock.now, ()
                self.stack_event(stack, "DELETE_COMPLETE")
            else:
                self.stack_event(stack, "DELETE_FAILED", _failures(work))
            self._over(stack, ok, done)

        gone = [state for state in stack.resources.values() if state.status != "DELETE_COMPLETE"]
        self._delete_all(stack, work, gone, ended, kept=kept)

    def _delete_all(
        self,
        stack: StackState,
        work: Work,
        gone: list[ResourceState],
        done: Done,
        kept: Iterable[str] = (),
        rollback: bool = False,
    ) -> None:
        states = {state.logical_id: state for state in gone if state.status != "DELETE_COMPLETE"}
        needs = find_dependencies(_defined(stack).template)
        dependents = {name: {o for o in states if name in needs.get(o, ())} for name in states}

        def begin(name: str, end: Done) -> None:
            self._delete(stack, work, states[name], end, keep=name in kept, rollback=rollback)

        ordered = {name: dependents[name] for name in reversed(list(states))}
        self._run(stack, work, ordered, begin, done)

    def _delete(
        self,
        stack: StackState,
        work: Work,
        state: ResourceState,
        end: Done,
        keep: bool = False,
        rollback: bool = False,
    ) -> None:
        """Delete one physical resource. One that was never made is gone already."""
        retained = (
            self._kept_on_rollback(stack, state) if rollback else state.deletion_policy == "Retain"
        )
        retained = retained or keep
        if retained and state.physical_id:
            self._resource(stack, state, "DELETE_SKIPPED")
            end(True)
            return
        if not state.physical_id:
            self._resource(stack, state, "DELETE_COMPLETE")
            end(True)
            return
        self._resource(stack, state, "DELETE_IN_PROGRESS")
        self._deleted(
            stack, state, lambda reason: self._delete_ended(stack, work, state, reason, end)
        )

    def _kept_on_rollback(self, stack: StackState, state: ResourceState) -> bool:
        """Whether a resource outlives the rollback of the operation that made it."""
        root = self.store.stacks.get(stack.root_id or "", stack)
        transient = (
            root.retain_except_on_create
            or state.resolved.get("DeletionPolicy") == "RetainExceptOnCreate"
        )
        return state.deletion_policy == "Retain" and not transient

    def _delete_ended(
        self, stack: StackState, work: Work, state: ResourceState, reason: str | None, end: Done
    ) -> None:
        if reason is not None:
            self._failed(stack, work, state, "DELETE", reason, end)
            return
        self._completed(stack, state.logical_id, "DELETE_COMPLETE", end)

    def _deleted(
        self, stack: StackState, state: ResourceState, then: Callable[[str | None], None]
    ) -> None:
        """Remove what is behind a resource; ``then`` gets None, or why it could not be."""
        try:
            self._strike("delete", state)
            if state.type == STACK_TYPE:
                child = self.store.stacks[state.physical_id]
                text = f"Embedded stack {child.id} was not successfully deleted"
                self.delete(child, reason=None, done=lambda ok: then(None if ok else text))
                return
            identity = Identity(state.physical_id, state.attributes)
            known, pseudo = self._type(state.type), self.pseudo_of(stack)
            self.provider.delete(
                Request(known, state.logical_id, state.properties, pseudo, identity)
            )
        except Refused as error:
            then(str(error))
            return
        settle = self.settling.get(state.type)
        if settle is None:
            self._later(stack, state, "delete", lambda: then(None))
        else:
            settle("delete", state.physical_id, state.properties, then)

    # --- updating
    # -----------------------------------------------------------------------------------------------

    def update(
        self,
        stack: StackState,
        definition: Definition,
        done: Done | None = None,
        policy: str | None = None,
        drifted: Drifted | None = None,
    ) -> None:
        """Bring a stack to a new definition; on failure everything returns to what it was.

        A nested stack's clean-up waits for its root's, so that a failure elsewhere can still undo
        it. ``policy`` stands in for the stack's own while the update runs. What is ``drifted``
        becomes again what the template says.
        """
        work = Work(
            stack.definition, dict(stack.resources), stack.outputs, policy=policy or stack.policy
        )
        work.drifted = drifted or {}
        self.work[stack.id] = work
        stack.definition, stack.updated = definition, self.clock.now
        self.begin(stack, "UPDATE_STACK")
        self.stack_event(stack, "UPDATE_IN_PROGRESS", USER if stack.parent_id is None else None)

        def ended(ok: bool) -> None:
            if not ok or not self._outputs(stack):
                self._update_failed(stack, work, done)
                return
            self.stack_event(stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            if stack.parent_id is not None and done:
                done(True)
            else:
                self._clean_up(stack, work, lambda: self._finished(stack, "UPDATE_COMPLETE", done))

        needs = self.needs(stack)
        if self._removals_denied(stack, work, needs):
            self.clock.after(0, lambda: ended(False))
            return
        self._run(stack, work, needs, lambda name, end: self._change(stack, work, name, end), ended)

    def _removals_denied(self, stack: StackState, work: Work, kept: Iterable[str]) -> bool:
        """Whether the stack policy keeps a resource from being removed; tells so."""
        names = set(kept)
        for state in [state for name, state in stack.resources.items() if name not in names]:
            try:
                self._permit(work, "Update:Delete", state)
            except Refused as error:
                work.touched.append(state.logical_id)
                self._failed(stack, work, state, "UPDATE", str(error), lambda _ok: None)
        return bool(work.failed)

    def _permit(self, work: Work, action: str, state: ResourceState) -> None:
        denied = refusal(work.policy, action, state.logical_id, state.type)
        if denied:
            raise Refused(denied)

    def _finished(self, stack: StackState, status: str, done: Done | None) -> None:
        self.stack_event(stack, status)
        self._over(stack, status == "UPDATE_COMPLETE", done)

    def _change(self, stack: StackState, work: Work, name: str, end: Done) -> None:
        old = stack.resources.get(name)
        drift = work.drifted.get(stack.id, {}).get(name)
        if old is not None and drift is not None and drift.status == "DELETED":
            self._forgotten(stack, old)
            old = None
        if old is None or old.status in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
            self._create(stack, work, name, end)
            return
        resource = _defined(stack).template.resources[name]
        try:
            state = self._with_values(stack, old, resource)
            if resource.type == STACK_TYPE:
                self._change_child(stack, work, old, state, end)
                return
            unequal = list(diff_values(old.resolved, state.resolved))
            if not unequal and drift is None:
                stack.resources[name] = state
                end(True)
                return
            known = self._type(state.type)
            parts = [item.path[1:] for item in unequal if item.path[0] == "Properties"]
            new = any(known.recreation(path) is Recreation.ALWAYS for path in parts)
            self._permit(work, "Update:Replace" if new else "Update:Modify", old)
        except (Refused, ValidationError) as error:
            work.touched.append(name)
            self._failed(stack, work, old, "UPDATE", str(error), end)
            return
        work.touched.append(name)
        if new:
            self._replace(stack, work, old, state, end)
        else:
            self._update(stack, work, state, end)

    def _forgotten(self, stack: StackState, state: ResourceState) -> None:
        """Somebody deleted what is behind a resource: its name is free again."""
        identity = Identity(state.physical_id, state.attributes)
        request = Request(
            self._type(state.type),
            state.logical_id,
            state.properties,
            self.pseudo_of(stack),
            identity,
        )
        with suppress(Refused):
            self.provider.delete(request)

    def _update(self, stack: StackState, work: Work, state: ResourceState, end: Done) -> None:
        self._resource(stack, state, "UPDATE_IN_PROGRESS")
        try:
            identity = self._provide("update", stack, state)
        except Refused as error:
            self._failed(stack, work, state, "UPDATE", str(error), end)
            return
        state = replace(stack.resources[state.logical_id], attributes=identity.attributes)
        stack.resources[state.logical_id] = state
        self._settle(stack, work, state, "update", "UPDATE", end)

    def _replace(
        self, stack: StackState, work: Work, old: ResourceState, state: ResourceState, end: Done
    ) -> None:
        """The new physical resource is made first; the old one goes in the clean-up."""
        reason = (
            "Requested update requires the creation of a new physical resource; hence creating one."
        )
        self._resource(stack, state, "UPDATE_IN_PROGRESS", reason)
        try:
            identity = self._provide("create", stack, state)
        except Refused as error:
            self._failed(stack, work, state, "UPDATE", str(error), end)
            return
        policy = template_to_text(old.resolved.get("UpdateReplacePolicy", "Delete"))
        work.obsolete.append(replace(old, deletion_policy=policy))
        state = replace(state, physical_id=identity.id, attributes=identity.attributes)
        self._resource(stack, state, "UPDATE_IN_PROGRESS", "Resource creation Initiated")
        self._settle(stack, work, state, "create", "UPDATE", end)

    def _change_child(
        self, stack: StackState, work: Work, old: ResourceState, state: ResourceState, end: Done
    ) -> None:
        child, name = self.store.stacks[old.physical_id], state.logical_id
        definition = self.child_definition(stack, state)
        same = not _different(child, definition) and not list(
            diff_values(old.resolved, state.resolved)
        )
        if same and child.id not in work.drifted and not affected(child, self.store, work.drifted):
            end(True)
            return
        self._permit(work, "Update:Modify", old)
        work.touched.append(name)
        work.children[name] = child
        self._resource(stack, state, "UPDATE_IN_PROGRESS")

        def ended(ok: bool) -> None:
            if ok:
                self._completed(stack, name, "UPDATE_COMPLETE", end)
            elif stack.resources[name].status == "UPDATE_IN_PROGRESS":
                reason = f"Embedded stack {child.id} was not successfully updated. Currently in {child.status}"
                self._failed(
                    stack, work, state, "UPDATE", f"{reason} with reason: {child.reason}", end
                )

        self.update(child, definition, ended, drifted=work.drifted)

    def _clean_up(self, stack: StackState, work: Work, done: Callable[[], None]) -> None:
        """Delete what the update left behind: replaced resources, and those that left the
        template."""
        active = self.active(stack)
        removed = [state for name, state in stack.resources.items() if name not in active]
        old = [state for state in work.obsolete if state.deletion_policy != "Retain"]
        steps: dict[str, ResourceState] = {
            f"{s.logical_id} {s.physical_id}": s for s in [*old, *removed]
        }
        before = find_dependencies(work.before.template) if work.before else {}
        needs = {
            key: {
                other
                for other, s in steps.items()
                if state.logical_id in before.get(s.logical_id, ())
            }
            for key, state in reversed(steps.items())
        }

        def begin(key: str, end: Done) -> None:
            state = steps[key]
            if state in removed:
                if state.status not in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
                    self._delete(stack, work, state, lambda _ok: self._dropped(stack, state, end))
                else:
                    end(True)
                return
            self._tell(stack, state, "DELETE_IN_PROGRESS")
            self._deleted(stack, state, lambda reason: self._old_gone(stack, state, reason, end))

        def children(_ok: bool) -> None:
            self._each_child(work, self._clean_child, done)

        work.current = Pass(needs, begin, children)
        self.clock.after(0, work.current.start)

    def _dropped(self, stack: StackState, state: ResourceState, end: Done) -> None:
        """A removed resource leaves the stack; that it could not be deleted does not fail the
        update."""
        stack.resources.pop(state.logical_id, None)
        end(True)

    def _old_gone(
        self, stack: StackState, state: ResourceState, reason: str | None, end: Done
    ) -> None:
        self._tell(stack, state, "DELETE_FAILED" if reason else "DELETE_COMPLETE", reason)
        end(True)

    def _clean_child(self, child: StackState, done: Callable[[], None]) -> None:
        work = self.work.get(child.id)
        if work is None or child.status != "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS":
            done()
            return

        def ended() -> None:
            self._finished(child, "UPDATE_COMPLETE", None)
            done()

        self._clean_up(child, work, ended)

    def _each_child(
        self,
        work: Work,
        act: Callable[[StackState, Callable[[], None]], None],
        done: Callable[[], None],
    ) -> None:
        """Act on every nested stack that took part, one after the other."""
        waiting = list(work.children.values())

        def following() -> None:
            if waiting:
                act(waiting.pop(0), following)
            else:
                done()

        following()

    # --- importing
    # ----------------------------------------------------------------------------------------------

    def take_in(
        self,
        stack: StackState,
        definition: Definition,
        imports: Mapping[str, Mapping[str, str]],
        exists: Exists,
    ) -> None:
        """Make existing resources part of the stack; where one is not there, none is."""
        before, kept = stack.definition, dict(stack.resources)
        stack.definition = definition
        self.begin(stack, "UPDATE_STACK")
        self.stack_event(stack, "IMPORT_IN_PROGRESS", USER)
        failed = [
            name
            for name in self.needs(stack)
            if name in imports and not self._took(stack, name, imports, exists)
        ]
        if not failed:
            for name in imports:
                reason = "Apply stack-level tags to imported resource if applicable."
                self._resource(stack, stack.resources[name], "UPDATE_IN_PROGRESS", reason)
                self._resource(stack, stack.resources[name], "UPDATE_COMPLETE")
            self.stack_event(stack, "IMPORT_COMPLETE")
            return
        self.begin(stack, "ROLLBACK")
        reason = f"The following resource(s) failed to import: [{', '.join(failed)}]."
        self.stack_event(stack, "IMPORT_ROLLBACK_IN_PROGRESS", reason)
        for name in [name for name in imports if name in stack.resources and name not in failed]:
            self._resource(stack, stack.resources[name], "IMPORT_ROLLBACK_IN_PROGRESS")
            self._resource(stack, stack.resources[name], "IMPORT_ROLLBACK_COMPLETE")
        stack.definition, stack.resources = before, kept
        self.stack_event(stack, "IMPORT_ROLLBACK_COMPLETE")

    def _took(
        self, stack: StackState, name: str, imports: Mapping[str, Mapping[str, str]], exists: Exists
    ) -> bool:
        """Whether the resource is there and now the stack's."""
        resource, identifier = _defined(stack).template.resources[name], imports[name]
        id_ = "|".join(identifier.values())
        state = ResourceState(name, resource.type, id_, "IMPORT_IN_PROGRESS", self.clock.now)
        self._resource(stack, state, "IMPORT_IN_PROGRESS", "Resource import started.")
        try:
            state = self._with_values(stack, state, resource)
            known = self._type(state.type)
            if not exists(state.type, id_, state.properties):
                text = f"Resource of type '{state.type}' with identifier '{json.dumps(dict(identifier))}' was not found."
                raise Refused(f"{text} (HandlerErrorCode: NotFound)")
        except (Refused, ValidationError) as error:
            self._resource(stack, state, "IMPORT_FAILED", str(error))
            return False
        made = self.identities.make(
            known, name, {**state.properties, **identifier}, self.pseudo_of(stack)
        )
        attributes = {
            key: id_ if value == made.id else value for key, value in made.attributes.items()
        }
        state = replace(state, attributes={**attributes, **identifier})
        self._resource(stack, state, "IMPORT_COMPLETE", "Resource import completed.")
        return True

    # --- rolling back an update
    # ---------------------------------------------------------------------------------

    def _update_failed(self, stack: StackState, work: Work, done: Done | None) -> None:
        reason = _failures(work)
        if stack.disable_rollback:
            self.stack_event(
                stack, "UPDATE_FAILED", reason
            )  # the work is kept for a later rollback
            if done:
                done(False)
            return
        if stack.parent_id is not None and done:
            self.stack_event(stack, "UPDATE_FAILED", reason)  # the parent tells it to roll back
            done(False)
            return
        self.roll_back(stack, work, reason, lambda: done(False) if done else None)

    def roll_back(
        self, stack: StackState, work: Work, reason: str | None, done: Callable[[], None]
    ) -> None:
        """Return to the state before the update: resources, nested stacks, outputs, definition."""
        self.begin(
            stack, "CONTINUE_ROLLBACK" if stack.status == "UPDATE_ROLLBACK_FAILED" else "ROLLBACK"
        )
        self.stack_event(stack, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
        touched = [name for name in dict.fromkeys(work.touched) if name in work.resources]
        created = [
            stack.resources[n] for n in dict.fromkeys(work.touched) if n not in work.resources
        ]
        obsolete = {state.logical_id for state in work.obsolete}
        new = [stack.resources[name] for name in touched if name in obsolete]
        if work.before is not None:
            stack.definition = work.before

        def begin(name: str, end: Done) -> None:
            if name in work.restored:
                end(True)
                return
            self._restore(stack, work, name, partial(self._restored, work, name, end))

        def ended(ok: bool) -> None:
            if not ok:
                self.stack_event(stack, "UPDATE_ROLLBACK_FAILED", _failures(work))
                done()
                return
            self._rolled_back(stack, work, [*created, *new], done)

        work.failed = {}
        needs = {name: self.needs(stack).get(name, frozenset()) & set(touched) for name in touched}
        work.current = Pass(needs, begin, ended)
        self.clock.after(0, work.current.start)

    def _restored(self, work: Work, name: str, end: Done, ok: bool) -> None:
        if ok:
            work.restored.add(name)
        end(ok)

    def continue_rollback(self, stack: StackState, skip: Iterable[str] = ()) -> None:
        """Try a failed rollback again, leaving out the resources to skip, which count as rolled
        back."""
        work = self.work[stack.id]
        for name in skip:
            if name in work.resources:
                work.restored.add(name)
                stack.resources[name] = replace(work.resources[name], status="UPDATE_COMPLETE")
        self.roll_back(stack, work, None, lambda: None)

    def roll_back_failed(self, stack: StackState) -> None:
        """Roll back what was left as it failed (``DisableRollback``)."""
        work = self.work.setdefault(stack.id, Work())
        if stack.status == "UPDATE_FAILED":
            self.roll_back(stack, work, None, lambda: None)
            return
        self.begin(stack, "ROLLBACK")
        self.stack_event(stack, "ROLLBACK_IN_PROGRESS")

        def ended(ok: bool) -> None:
            self.stack_event(stack, "ROLLBACK_COMPLETE" if ok else "ROLLBACK_FAILED")
            self._over(stack, False, None)

        self._delete_all(stack, work, list(stack.resources.values()), ended, rollback=True)

    def _restore(self, stack: StackState, work: Work, name: str, end: Done) -> None:
        old = work.resources[name]
        if old.type == STACK_TYPE:
            child = work.children.get(name)
            inner = self.work.get(child.id) if child else None
            self._resource(stack, old, "UPDATE_IN_PROGRESS")
            if child is None or inner is None:
                self._completed(stack, name, "UPDATE_COMPLETE", end)
                return
            reason = child.reason if child.status == "UPDATE_FAILED" else None
            self.roll_back(
                child, inner, reason, lambda: self._child_restored(stack, work, name, child, end)
            )
            return
        self._resource(stack, old, "UPDATE_IN_PROGRESS")
        try:
            self._provide("update", stack, old)
        except Refused as error:
            self._failed(stack, work, old, "UPDATE", str(error), end)
            return
        self._settle(stack, work, old, "update", "UPDATE", end)

    def _child_restored(
        self, stack: StackState, work: Work, name: str, child: StackState, end: Done
    ) -> None:
        if child.status == "UPDATE_ROLLBACK_COMPLETE":
            self._completed(stack, name, "UPDATE_COMPLETE", end)
        else:
            reason = f"Embedded stack {child.id} was not successfully rolled back: {child.reason}"
            self._failed(stack, work, stack.resources[name], "UPDATE", reason, end)

    def _rolled_back(
        self, stack: StackState, work: Work, gone: list[ResourceState], done: Callable[[], None]
    ) -> None:
        """The resources that the update made are deleted last."""
        self.stack_event(stack, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        stack.outputs = work.outputs
        steps = {f"{state.logical_id} {state.physical_id}": state for state in reversed(gone)}

        def begin(key: str, end: Done) -> None:
            state = steps[key]
            made = state.logical_id not in work.resources
            if made:
                stack.resources.pop(state.logical_id, None)
            kept = made and state.physical_id and self._kept_on_rollback(stack, state)
            if kept or not state.physical_id:
                self._tell(stack, state, "DELETE_SKIPPED" if kept else "DELETE_COMPLETE")
                end(True)
                return
            self._tell(stack, state, "DELETE_IN_PROGRESS")
            self._deleted(stack, state, lambda reason: self._old_gone(stack, state, reason, end))

        def ended(_ok: bool) -> None:
            self.stack_event(stack, "UPDATE_ROLLBACK_COMPLETE")
            self._over(stack, False, None)
            done()

        work.current = Pass({key: () for key in steps}, begin, ended)
        self.clock.after(0, work.current.start)


class PhysicalWorld:
    """What exists now, as the values of ``Ref``, ``GetAtt`` and imports."""

    def __init__(self, operations: Operations, stack: StackState) -> None:
        self._operations, self._stack = operations, stack

    def _state(self, logical_id: str) -> ResourceState:
        state = self._stack.resources.get(logical_id)
        if state is None or not state.physical_id:
            text = f"Template format error: Unresolved resource dependencies [{logical_id}] in the Resources block"
            raise ValidationError(f"{text} of the template")
        return state

    def reference(self, logical_id: str) -> Traced:
        value = self._state(logical_id).physical_id
        return Traced(value, frozenset((ValueReference(ChangeSource.RESOURCE, logical_id),)))

    def attribute(self, logical_id: str, name: str) -> Traced:
        state = self._state(logical_id)
        references = frozenset((ValueReference(ChangeSource.ATTRIBUTE, f"{logical_id}.{name}"),))
        if state.type == STACK_TYPE and name.startswith("Outputs."):
            child = self._operations.store.stacks[state.physical_id]
            values = {output.key: output.value for output in child.outputs}
            if name.removeprefix("Outputs.") in values:
                return Traced(values[name.removeprefix("Outputs.")], references)
        elif name in state.attributes:
            return Traced(state.attributes[name], references)
        elif name in state.properties:
            return Traced(state.properties[name], references)
        text = f"Template error: resource {logical_id} does not support attribute type {name} in Fn::GetAtt"
        raise ValidationError(text)

    def exported(self, name: str) -> Any:
        found = self._operations.store.exports().get(name)
        if found is None:
            raise ValidationError(f"No export named {name} found")
        return found[0]

    def stored(self, name: str) -> Any:
        if name not in self._operations.stored:
            raise ValidationError(
                f"Unable to fetch parameters [{name}] from parameter store for this account."
            )
        return self._operations.stored[name]


def _defined(stack: StackState) -> Definition:
    if stack.definition is None:
        raise ValidationError(f"Stack [{stack.name}] has no template yet")
    return stack.definition


def _different(child: StackState, definition: Definition) -> bool:
    """Whether a nested stack, or one below it, is asked to be something else."""
    old = _defined(child)
    if old.template.data != definition.template.data or dict(old.tags) != dict(definition.tags):
        return True
    if canonical_value(dict(old.parameters)) != canonical_value(dict(definition.parameters)):
        return True
    names = old.nested.keys() | definition.nested.keys()
    return any(
        _texts(old.nested.get(name)) != _texts(definition.nested.get(name)) for name in names
    )


def _texts(definition: Definition | None) -> Any:
    if definition is None:
        return None
    return definition.template.data, {
        name: _texts(each) for name, each in definition.nested.items()
    }


def export_in_use(export: str, users: Iterable[str]) -> str:
    """Why an export cannot go, in CloudFormation's words."""
    return f"Delete canceled. Cannot delete export {export} as it is in use by {', '.join(users)}."


def _failures(work: Work) -> str:
    """``The following resource(s) failed to create: [A, B].``"""
    parts = [
        f"The following resource(s) failed to {verb}: [{', '.join(names)}]."
        for verb, names in work.failed.items()
        if verb != "outputs"
    ]
    return " ".join([*parts, *work.failed.get("outputs", ())]) or "Resource operation cancelled"
