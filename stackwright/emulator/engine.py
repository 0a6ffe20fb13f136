"""The actions of CloudFormation's API on the emulator's state. Arguments and results have the API's
own shapes.

docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/. Error codes and texts are AWS's where
publicly known.
"""

from __future__ import annotations

import json
import posixpath
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from ..cfn import (
    Parameter,
    PhysicalResource,
    Prediction,
    Pseudo,
    Schemas,
    StackSide,
    Template,
    ValidationError,
    canonical_value,
    parameter_values,
    parse_template,
    predict_changes,
    stack_status,
    template_to_text,
    validate_template,
)
from . import history, imports, policy, reverting
from .clock import Clock
from .drift import DriftedResource, Drifts
from .durations import typical
from .faults import AnyFault, Kill, RequestFault, Unhealthy, die
from .foreseen import predicted_changes, shown_parameters
from .identity import Identities
from .operations import Operations, export_in_use
from .resources import Fault, Provider, SchemaProvider
from .state import (
    STACK_TYPE,
    ChangeSetState,
    Definition,
    EmulatorState,
    Event,
    ResourceState,
    StackDriftState,
    StackState,
)

Arguments = Mapping[str, Any]
Result = dict[str, Any]

_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_IAM_KINDS = "AccessKey Group InstanceProfile ManagedPolicy Policy Role User UserToGroupAddition"
_IAM_TYPES = frozenset(f"AWS::IAM::{kind}" for kind in _IAM_KINDS.split())
_IAM_NAMES = {"GroupName", "InstanceProfileName", "ManagedPolicyName", "RoleName", "UserName"}


_NOTHING = ResourceState("", "", "", "", 0.0)


class ApiError(Exception):
    """An error answer: CloudFormation's code, text and HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message)


@dataclass
class LocalCloudFormation:
    """A local CloudFormation for one account and Region.

    ``fetch`` reads a ``TemplateURL`` (raises OSError), ``source`` is the time in seconds since the
    epoch, ``page`` the number of entries on a page (clients must follow ``NextToken``), ``latency``
    the seconds that an operation on a type takes; where ``realistic`` is above 0 it is that many
    times what AWS takes, about. Without ``pulls`` ECS tasks start although their image or secret is
    not there. ``die`` ends the server where a :class:`Kill` asks for it.
    """

    pseudo: Pseudo = field(default_factory=Pseudo)
    fetch: Callable[[str], str] | None = None
    source: Callable[[], float] = time.time
    seed: int = 0
    page: int = 100
    latency: Callable[[str, str], float] = lambda _type, _operation: 0.0
    provider: Provider | None = None
    stored: Mapping[str, str] = field(default_factory=dict)
    pulls: bool = True
    realistic: float = 0.0
    die: Callable[[], None] = die

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.clock = Clock(self.source)
        self.store = EmulatorState()
        self._tokens: dict[tuple[str, str], tuple[tuple[str, Arguments], Result]] = {}
        self.identities = Identities(self.seed)
        self.schemas = Schemas(self.pseudo.region)
        provider = self.provider or SchemaProvider(self.identities)
        self.operations = Operations(
            self.clock,
            self.store,
            self.identities,
            self.schemas,
            provider,
            self.pseudo,
            self.seconds,
            self.stored,
        )
        self.operations.told = self._watch
        self.operations.importers = self._importers
        self.clear_faults()
        self.drifts: Drifts | None = None

    def seconds(self, type_: str, operation: str) -> float:
        """How long an operation on a type takes here."""
        return (
            self.realistic * typical(type_, operation)
            if self.realistic
            else self.latency(type_, operation)
        )

    def call(self, action: str, arguments: Arguments) -> Result:
        """Answer one action.

        Raises:
            ApiError: the answer is an error.
        """
        handler = _ACTIONS.get(action)
        if handler is None:
            raise ApiError(
                "InvalidAction", f"Could not find operation {action} for version 2010-05-15"
            )
        self.clock.advance()
        try:
            return self._once(action, handler, arguments)
        except ValidationError as error:
            raise _invalid(error.message) from None
        finally:
            self.clock.advance()

    def _once(
        self,
        action: str,
        handler: Callable[[LocalCloudFormation, Arguments], Result],
        arguments: Arguments,
    ) -> Result:
        """Answer a repeated request with the same ``ClientRequestToken`` as before, without doing
        it again."""
        token = arguments.get("ClientRequestToken")
        if token is None:
            return handler(self, arguments)
        key, asked = (
            (arguments.get("StackName", arguments.get("ChangeSetName", "")), token),
            (action, arguments),
        )
        if key in self._tokens:
            known, answer = self._tokens[key]
            if known != asked:
                raise ApiError(
                    "TokenAlreadyExistsException", "A client request token already exists."
                )
            return answer
        answer = handler(self, arguments)
        self._tokens[key] = (asked, answer)
        return answer

    def fault(self, fault: AnyFault) -> None:
        """Let a later operation or request fail, or the server end."""
        if isinstance(fault, Fault):
            self.operations.faults.append(fault)
        elif isinstance(fault, Kill):
            self.kills.append(fault)
        elif isinstance(fault, Unhealthy):
            self.unhealthy.append(fault)
        else:
            self.request_faults.append(fault)

    def clear_faults(self) -> None:
        """Forget all faults."""
        self.request_faults: list[RequestFault] = []
        self.kills: list[Kill] = []
        self.unhealthy: list[Unhealthy] = []
        self.operations.faults.clear()

    def is_unhealthy(self, service: str, images: list[str]) -> bool:
        """Whether tasks of an ECS service with these images are to fail their health checks."""
        return any(fault.strikes(service, images) for fault in self.unhealthy)

    def _watch(self, event: Event) -> None:
        if any([kill.strikes(event) for kill in self.kills]):
            self.die()

    # --- what is asked for
    # --------------------------------------------------------------------------------------

    def definition(self, arguments: Arguments, stack: StackState | None) -> Definition:
        """The template with its nested ones, parameters and tags of a request, validated."""
        old = stack.definition if stack else None
        text = self._text(arguments, old)
        template = parse_template(text)
        validate_template(template, self.schemas)
        parameters = _parameters(arguments.get("Parameters", ()), template, old)
        parameter_values(template, parameters)
        tags = {tag["Key"]: tag["Value"] for tag in arguments.get("Tags", ())}
        if "Tags" not in arguments and old is not None:
            tags = dict(old.tags)
        capabilities = tuple(arguments.get("Capabilities", ()))
        nested = self._nested(template, arguments.get("TemplateURL", ""))
        _capabilities(template, capabilities)
        arns = tuple(arguments.get("NotificationARNs", old.notification_arns if old else ()))
        return Definition(
            text, template, parameters, tags, nested, capabilities, arns, arguments.get("RoleARN")
        )

    def _text(self, arguments: Arguments, old: Definition | None) -> str:
        if arguments.get("UsePreviousTemplate") and old is not None:
            return old.text
        if "TemplateBody" in arguments:
            body: str = arguments["TemplateBody"]
            if len(body.encode()) > 51_200:
                text = "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must"
                raise _invalid(f"{text} have length less than or equal to 51200")
            return body
        if "TemplateURL" not in arguments:
            raise _invalid("Either Template URL or Template Body must be specified.")
        return self._fetched(arguments["TemplateURL"])

    def _fetched(self, url: str) -> str:
        if self.fetch is None or not url.startswith(("http://", "https://", "s3://", "file://")):
            raise _invalid("TemplateURL must be a supported URL.")
        try:
            text = self.fetch(url)
        except OSError as error:
            raise _invalid(f"S3 error: {error}") from None
        if len(text.encode()) > 1_000_000:
            raise _invalid("Template may not exceed 1000000 bytes in size.")
        return text

    def _nested(self, template: Template, base: str) -> dict[str, Definition]:
        found = {}
        for name, resource in template.resources.items():
            url = resource.properties.get("TemplateURL")
            if resource.type != STACK_TYPE or not isinstance(url, str):
                continue
            text = self._fetched(url)
            inner = parse_template(text)
            validate_template(inner, self.schemas)
            found[name] = Definition(
                text, inner, nested=self._nested(inner, posixpath.dirname(base))
            )
        return found

    def _side(self, stack: StackState, definition: Definition) -> StackSide:
        """A stack as the prediction of changes wants it."""
        physical = {
            state.logical_id: PhysicalResource(state.physical_id, state.attributes)
            for state in stack.resources.values()
            if state.physical_id
        }
        nested = {}
        for name, inner in definition.nested.items():
            known = stack.resources.get(name)
            child = self.store.stacks.get(known.physical_id) if known else None
            nested[name] = self._side(child or StackState("", "", 0, ""), inner)
        exports = {name: value for name, (value, _) in self.store.exports().items()}
        return StackSide(
            definition.template, definition.parameters, self._pseudo(stack), physical, nested, exports, self.stored,
            definition.tags,
        )  # fmt: skip

    def _pseudo(self, stack: StackState) -> Pseudo:
        return replace(self.pseudo, stack_name=stack.name or "nested", stack_id=stack.id or None)

    def _before(self, stack: StackState) -> StackSide | None:
        return self._side(stack, stack.definition) if stack.definition else None

    # --- finding
    # ------------------------------------------------------------------------------------------------

    def stack(self, arguments: Arguments, operation: str = "") -> StackState:
        """The stack that is named.

        Raises:
            ApiError: there is none.
        """
        name = arguments.get("StackName", "")
        found = self.store.stack(name)
        if found is None:
            if operation == "DescribeStackEvents":
                raise _invalid(f"Stack [{name}] does not exist")
            if operation == "DescribeStackResource":
                raise _invalid(f"Stack '{name}' does not exist")
            raise _invalid(f"Stack with id {name} does not exist")
        return found

    def _change_set(self, arguments: Arguments) -> ChangeSetState:
        name = arguments["ChangeSetName"]
        found = self.store.change_sets.get(name)
        if found is not None and self.store.stacks[found.stack_id].status != "DELETE_COMPLETE":
            return found
        if name.startswith("arn:"):
            raise ApiError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)
        if "StackName" not in arguments:
            raise _invalid(
                "StackName must be specified if ChangeSetName is not specified as an ARN."
            )
        stack = self.stack(arguments)
        for found in self.store.change_sets.values():
            if (
                found.name == name
                and found.stack_id == stack.id
                and found.execution != "EXECUTE_COMPLETE"
            ):
                return found
        raise ApiError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)

    # --- stacks
    # -------------------------------------------------------------------------------------------------

    def create_stack(self, arguments: Arguments) -> Result:
        name = _named(arguments)
        existing = self.store.stack(name)
        if existing is not None:
            raise ApiError("AlreadyExistsException", f"Stack [{name}] already exists")
        if _true(arguments.get("DisableRollback")) and "OnFailure" in arguments:
            raise _invalid("Either DisableRollback or OnFailure can be specified, not both.")
        definition, protection = (
            self.definition(arguments, None),
            self._policy(arguments, "StackPolicy"),
        )
        _expandable(definition)
        self._resolvable(name, definition)
        stack = self.operations.new_stack(name)
        stack.on_failure = arguments.get("OnFailure", "ROLLBACK")
        stack.disable_rollback = _true(arguments.get("DisableRollback"))
        stack.retain_except_on_create = _true(arguments.get("RetainExceptOnCreate"))
        stack.termination_protection = _true(arguments.get("EnableTerminationProtection"))
        stack.policy, stack.token = protection, arguments.get("ClientRequestToken")
        self.operations.create(stack, definition)
        return {"StackId": stack.id}

    def update_stack(self, arguments: Arguments) -> Result:
        stack = self.stack(arguments)
        _updatable(stack)
        definition = self.definition(arguments, stack)
        _expandable(definition)
        prediction = predict_changes(
            self._before(stack), self._side(stack, definition), self.schemas
        )
        if (
            not any(change.real or change.listed for change in prediction.changes)
            and not prediction.outputs
        ):
            raise _invalid("No updates are to be performed.")
        stack.disable_rollback = _true(arguments.get("DisableRollback"))
        stack.retain_except_on_create = _true(arguments.get("RetainExceptOnCreate"))
        for other in self.store.change_sets.values():
            if other.stack_id == stack.id and other.execution == "AVAILABLE":
                other.execution = "OBSOLETE"
        stack.policy = self._policy(arguments, "StackPolicy") or stack.policy
        stack.token = arguments.get("ClientRequestToken")
        protection = self._policy(arguments, "StackPolicyDuringUpdate")
        self.operations.update(stack, definition, policy=protection)
        return {"StackId": stack.id}

    def _resolvable(self, name: str, definition: Definition) -> None:
        """Resolve what can be before anything exists: what is wrong there is refused. What is wrong
        in a nested stack fails that stack."""
        side = self._side(StackState("", name, 0, ""), replace(definition, nested={}))
        predict_changes(None, side, self.schemas)

    def _policy(self, arguments: Arguments, name: str) -> str | None:
        """The stack policy of a request, validated; nothing where there is none."""
        text = arguments.get(f"{name}Body")
        if text is None and f"{name}URL" in arguments:
            text = self._fetched(arguments[f"{name}URL"])
        if text:
            policy.parsed(text)
        return text or None

    def delete_stack(self, arguments: Arguments) -> Result:
        stack = self.store.stack(arguments["StackName"])
        if stack is None or not stack.alive:
            return {}
        root = self.store.stacks.get(stack.root_id or "", stack)
        if root.termination_protection:
            text = f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            raise _invalid(text)
        if stack.busy and stack.status not in ("CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS"):
            text = f"Stack [{stack.name}] cannot be deleted while in status {stack.status}"
            raise _invalid(text)
        if stack.status == "REVIEW_IN_PROGRESS":
            stack.deleted = self.clock.now
            self.operations.stack_event(stack, "DELETE_COMPLETE")
            return {}
        used = self._imported(stack)
        if used:
            self.operations.stack_event(stack, stack.status, used)
        elif stack.status != "DELETE_IN_PROGRESS":
            stack.token = arguments.get("ClientRequestToken")
            self.operations.delete(stack, arguments.get("RetainResources", ()))
        return {}

    def _imported(self, stack: StackState) -> str | None:
        """Why the stack's exports cannot go."""
        for output in stack.outputs:
            users = self._importers(output.export) if output.export else []
            if users:
                return export_in_use(output.export or "", users)
        return None

    def _importers(self, export: str) -> list[str]:
        found = []
        for stack in self.store.stacks.values():
            if stack.alive and stack.definition and export in _imports(self.operations, stack):
                found.append(stack.name)
        return found

    def describe_stacks(self, arguments: Arguments) -> Result:
        if "StackName" in arguments:
            return {"Stacks": [self._described(self.stack(arguments))]}
        alive = [stack for stack in self.store.stacks.values() if stack.alive]
        return self._paged("Stacks", [self._described(s) for s in reversed(alive)], arguments)

    def _described(self, stack: StackState) -> Result:
        definition = stack.definition
        found: Result = {
            "StackId": stack.id,
            "StackName": stack.name,
            "CreationTime": _time(stack.created),
            "StackStatus": stack.status,
            "DisableRollback": stack.disable_rollback,
            "EnableTerminationProtection": self.store.stacks.get(
                stack.root_id or "", stack
            ).termination_protection,
            "NotificationARNs": list(definition.notification_arns) if definition else [],
            "RollbackConfiguration": {},
            "DriftInformation": _stack_drift(stack),
            "LastOperations": history.last_operations(stack),
            "Tags": _pairs(definition.tags, "Key", "Value") if definition else [],
            "Outputs": [_output(output) for output in stack.outputs],
        }
        if definition:
            found["Parameters"] = shown_parameters(definition)
            found["Capabilities"] = list(definition.capabilities)
            found |= (
                {"Description": definition.template.description}
                if definition.template.description
                else {}
            )
            found |= {"RoleARN": definition.role_arn} if definition.role_arn else {}
        optional = {
            "StackStatusReason": stack.reason,
            "ParentId": stack.parent_id,
            "RootId": stack.root_id,
            "ChangeSetId": stack.executed_change_set,
            "LastUpdatedTime": None if stack.updated is None else _time(stack.updated),
            "DeletionTime": None if stack.deleted is None else _time(stack.deleted),
        }
        return found | {key: value for key, value in optional.items() if value is not None}

    def list_stacks(self, arguments: Arguments) -> Result:
        wanted = arguments.get("StackStatusFilter")
        stacks = [
            s for s in reversed(self.store.stacks.values()) if not wanted or s.status in wanted
        ]
        keys = ("StackId", "StackName", "CreationTime", "LastUpdatedTime", "DeletionTime", "StackStatus",
                "StackStatusReason", "ParentId", "RootId", "DriftInformation")  # fmt: skip
        shown = [self._described(stack) for stack in stacks]
        return self._paged(
            "StackSummaries", [{k: s[k] for k in keys if k in s} for s in shown], arguments
        )

    def describe_stack_events(self, arguments: Arguments) -> Result:
        stack = self.stack(arguments, "DescribeStackEvents")
        return self._paged(
            "StackEvents", [_event(event) for event in reversed(stack.events)], arguments
        )

    def describe_events(self, arguments: Arguments) -> Result:
        if "OperationId" in arguments:
            found = history.of_operation(self.store.stacks, arguments["OperationId"])
        elif "ChangeSetName" in arguments:
            found = [history.of_change_set(self._change_set(arguments))]
        elif "StackName" in arguments:
            found = list(history.of_stack(self.stack(arguments)))
        else:
            raise _invalid("One of ChangeSetName, OperationId or StackName must be specified.")
        if _true(arguments.get("Filters", {}).get("FailedEvents")):
            found = [
                each
                for each in found
                if each["EventType"] in ("PROVISIONING_ERROR", "VALIDATION_ERROR")
            ]
        return self._paged("OperationEvents", found, arguments)

    # --- drift
    # --------------------------------------------------------------------------------------------------

    def detect_stack_drift(self, arguments: Arguments) -> Result:
        stack = self.stack(arguments)
        if not stack.status.endswith("_COMPLETE") or stack.status == "DELETE_COMPLETE":
            raise _invalid(
                f"Drift cannot be detected on stack [{stack.name}] in status {stack.status}."
            )
        wanted = set(arguments.get("LogicalResourceIds", ())) or set(stack.resources)
        unknown = sorted(wanted - set(stack.resources))
        if unknown:
            raise _invalid(f"Resources [{', '.join(unknown)}] do not exist for stack {stack.name}")
        kept = (
            dict(stack.drift.resources)
            if stack.drift and arguments.get("LogicalResourceIds")
            else {}
        )
        for state in _by_name(stack):
            found = self._compared(state) if state.logical_id in wanted else None
            if found:
                kept[state.logical_id] = found
        ready = self.clock.now + self.seconds(STACK_TYPE, "drift")
        stack.drift = StackDriftState(self.identities.uuid(), stack.id, ready, kept)
        self.store.drifts[stack.drift.id] = stack.drift
        return {"StackDriftDetectionId": stack.drift.id}

    def _compared(self, state: ResourceState) -> DriftedResource | None:
        """The drift of one resource; nothing where its type is not read."""
        if self.drifts is None or not state.physical_id:
            return None
        try:
            return self.drifts.compare(
                state.logical_id, state.type, state.physical_id, state.properties, self.clock.now
            )
        except KeyError:
            return None

    def describe_stack_drift_detection_status(self, arguments: Arguments) -> Result:
        found = self.store.drifts.get(arguments["StackDriftDetectionId"])
        if found is None:
            raise _invalid(
                f"StackDriftDetectionId [{arguments['StackDriftDetectionId']}] does not exist"
            )
        shown = {
            "StackId": found.stack_id,
            "StackDriftDetectionId": found.id,
            "Timestamp": _time(found.ready),
        }
        if self.clock.now < found.ready:
            return shown | {"DetectionStatus": "DETECTION_IN_PROGRESS"}
        rest = {"StackDriftStatus": found.status, "DriftedStackResourceCount": found.drifted}
        return shown | rest | {"DetectionStatus": "DETECTION_COMPLETE"}

    def describe_stack_resource_drifts(self, arguments: Arguments) -> Result:
        stack = self.stack(arguments)
        wanted = arguments.get("StackResourceDriftStatusFilters")
        drifts = stack.drift.resources.values() if stack.drift else ()
        found = [
            _drift(stack.id, stack.resources[each.logical_id], each)
            for each in drifts
            if each.logical_id in stack.resources and (not wanted or each.status in wanted)
        ]
        return self._paged("StackResourceDrifts", found, arguments)

    def detect_stack_resource_drift(self, arguments: Arguments) -> Result:
        name = arguments["LogicalResourceId"]
        self.detect_stack_drift({"StackName": arguments["StackName"], "LogicalResourceIds": [name]})
        stack = self.stack(arguments)
        found = stack.drift.resources.get(name) if stack.drift else None
        if found is None:
            raise _invalid(
                f"Drift of resource {name} cannot be detected: its type does not support it."
            )
        return {"StackResourceDrift": _drift(stack.id, stack.resources[name], found)}

    # --- resources
    # ----------------------------------------------------------------------------------------------

    def list_stack_resources(self, arguments: Arguments) -> Result:
        stack = self.stack(arguments)
        found = [_summary(stack, state) for state in _by_name(stack)]
        return self._paged("StackResourceSummaries", found, arguments)

    def describe_stack_resources(self, arguments: Arguments) -> Result:
        stacks: Iterable[StackState]
        if "StackName" in arguments:
            stacks = [self.stack(arguments)]
        else:
            wanted = arguments.get("PhysicalResourceId")
            stacks = [
                s
                for s in self.store.stacks.values()
                if any(r.physical_id == wanted for r in _by_name(s))
            ]
            if not stacks:
                raise _invalid(f"Stack for {wanted} does not exist")
        logical = arguments.get("LogicalResourceId")
        return {
            "StackResources": [
                _resource(stack, state) for stack in stacks for state in _by_name(stack)
                if logical in (None, state.logical_id)
            ]
        }  # fmt: skip

    def describe_stack_resource(self, arguments: Arguments) -> Result:
        stack, name = self.stack(arguments, "DescribeStackResource"), arguments["LogicalResourceId"]
        state = stack.resources.get(name)
        if state is None:
            raise _invalid(f"Resource {name} does not exist for stack {stack.name}")
        found = _resource(stack, state) | {"LastUpdatedTimestamp": _time(state.timestamp)}
        del found["Timestamp"]
        return {"StackResourceDetail": found}

    # --- templates
    # ----------------------------------------------------------------------------------------------

    def get_template(self, arguments: Arguments) -> Result:
        definition: Definition | None
        if "ChangeSetName" in arguments:
            definition = self._change_set(arguments).definition
        else:
            definition = self.stack(arguments).definition
        if definition is None:
            raise _invalid(f"Stack with id {arguments.get('StackName')} does not exist")
        return {"TemplateBody": definition.text, "StagesAvailable": ["Original", "Processed"]}

    def validate_template(self, arguments: Arguments) -> Result:
        template = parse_template(self._text(arguments, None))
        validate_template(template, self.schemas)
        needed = _needed(template)
        found: Result = {
            "Parameters": [_template_parameter(p) for p in template.parameters.values()]
        }
        if needed:
            found |= {"Capabilities": [needed], "CapabilitiesReason": _reason(template)}
        return found | ({"Description": template.description} if template.description else {})

    def get_template_summary(self, arguments: Arguments) -> Result:
        old = self.stack(arguments).definition if "StackName" in arguments else None
        template = parse_template(old.text if old else self._text(arguments, None))
        validate_template(template, self.schemas)
        needed = _needed(template)
        found: Result = {
            "Parameters": [_declaration(each) for each in template.parameters.values()],
            "ResourceTypes": list(dict.fromkeys(r.type for r in template.resources.values())),
            "Version": template_to_text(
                template.data.get("AWSTemplateFormatVersion", "2010-09-09")
            ),
            "ResourceIdentifierSummaries": list(self._identifiers(template)),
        }
        found |= (
            {"Metadata": json.dumps(template.data["Metadata"])}
            if template.data.get("Metadata")
            else {}
        )
        if needed:
            found |= {"Capabilities": [needed], "CapabilitiesReason": _reason(template)}
        return found | ({"Description": template.description} if template.description else {})

    def _identifiers(self, template: Template) -> Iterable[Result]:
        """What identifies the resources of each importable type, and which there are."""
        names: dict[str, list[str]] = {}
        for resource in template.resources.values():
            names.setdefault(resource.type, []).append(resource.logical_id)
        for type_, logical_ids in names.items():
            known = self.schemas.get(type_)
            keys = [str(path[-1]) for path in known.primary_identifier] if known else []
            if keys:
                yield {
                    "ResourceType": type_,
                    "LogicalResourceIds": logical_ids,
                    "ResourceIdentifiers": keys,
                }

    # --- change sets
    # --------------------------------------------------------------------------------------------

    def create_change_set(self, arguments: Arguments) -> Result:
        name, kind = _named(arguments), arguments.get("ChangeSetType", "UPDATE")
        stack = self.store.stack(name)
        if kind == "CREATE":
            if stack is not None and stack.status != "REVIEW_IN_PROGRESS":
                text = f"Stack [{stack.name}] already exists and cannot be created again with the changeSet"
                raise _invalid(f"{text} [{arguments['ChangeSetName']}].")
        elif kind == "IMPORT":
            if stack is not None and stack.status != "REVIEW_IN_PROGRESS":
                _updatable(stack)
        elif stack is None:
            raise _invalid(f"Stack [{name}] does not exist")
        else:
            _updatable(stack)
        definition = self.definition(arguments, stack)
        taken = self._imports(stack, definition, arguments) if kind == "IMPORT" else {}
        if stack is None:
            stack = self.operations.new_stack(name, status="REVIEW_IN_PROGRESS")
            self.operations.stack_event(stack, "REVIEW_IN_PROGRESS", "User Initiated")
        made = self._new_change_set(stack, definition, kind, arguments)
        self.store.change_sets[made["Id"]].imports = taken
        return made

    def _imports(
        self, stack: StackState | None, definition: Definition, arguments: Arguments
    ) -> Mapping[str, Mapping[str, str]]:
        found = imports.wanted(arguments.get("ResourcesToImport", ()), definition, self.schemas)
        known = stack or StackState(arguments["StackName"], "", 0, "")
        prediction = predict_changes(
            self._before(known), self._side(known, definition), self.schemas
        )
        imports.check(found, known, definition, prediction)
        return found

    def _new_change_set(
        self, stack: StackState, definition: Definition, kind: str, arguments: Arguments
    ) -> Result:
        name = arguments["ChangeSetName"]
        for other in self.store.change_sets.values():
            if (other.name, other.stack_id) == (
                name,
                stack.id,
            ) and other.execution != "EXECUTE_COMPLETE":
                token = arguments.get("ClientToken")
                if token is not None and other.token == token:
                    return {"Id": other.id, "StackId": stack.id}
                raise ApiError("AlreadyExistsException", f"ChangeSet {name} already exists")
        prediction = predict_changes(
            self._before(stack), self._side(stack, definition), self.schemas
        )
        reverts = arguments.get("DeploymentMode") == reverting.MODE and kind == "UPDATE"
        drifted = reverting.drifted(stack, self.store, self._compared) if reverts else None
        made = self._stored_change_set(stack, name, definition, kind, prediction, drifted)
        made.operation_id = self.identities.uuid()
        made.description, made.token = arguments.get("Description"), arguments.get("ClientToken")
        made.include_nested = _true(arguments.get("IncludeNestedStacks"))
        made.on_stack_failure = arguments.get("OnStackFailure")
        if made.include_nested:
            self._child_change_sets(made, stack, prediction)
        return {"Id": made.id, "StackId": stack.id}

    def _stored_change_set(
        self,
        stack: StackState,
        name: str,
        definition: Definition,
        kind: str,
        prediction: Prediction,
        drifted: reverting.Drifted | None,
    ) -> ChangeSetState:
        p = self.pseudo
        mark = self.identities.uuid()
        id_ = f"arn:{p.partition}:cloudformation:{p.region}:{p.account_id}:changeSet/{name}/{mark}"
        made = ChangeSetState(
            name, id_, stack.id, kind, self.clock.now, definition, prediction=prediction
        )
        made.drifted = drifted
        if prediction.empty and not drifted and kind != "CREATE":
            made.status, made.execution, made.reason = "FAILED", "UNAVAILABLE", _NO_CHANGES
        self.store.change_sets[id_] = made
        return made

    def _child_change_sets(
        self, made: ChangeSetState, stack: StackState, prediction: Prediction
    ) -> None:
        for change in prediction.listed:
            inner = made.definition.nested.get(change.logical_id)
            if change.nested is None or inner is None:
                continue
            known = stack.resources.get(change.logical_id)
            child = self.store.stacks.get(known.physical_id) if known else None
            if child is None:
                child = self.operations.new_child(stack, change.logical_id, "REVIEW_IN_PROGRESS")
                self.operations.stack_event(child, "REVIEW_IN_PROGRESS")
            wanted = predicted_changes(inner, change.after)
            self._child_change_set(
                made, child, change.logical_id, str(change.action), wanted, change.nested
            )
        for name, child in reverting.affected(stack, self.store, made.drifted or {}).items():
            if name not in made.children and child.definition is not None:
                self._child_change_set(
                    made, child, name, "Modify", child.definition, Prediction(())
                )

    def _child_change_set(
        self,
        made: ChangeSetState,
        child: StackState,
        logical_id: str,
        kind: str,
        wanted: Definition,
        prediction: Prediction,
    ) -> None:
        name = f"{made.name}-{logical_id}"
        inside = self._stored_change_set(child, name, wanted, kind, prediction, made.drifted)
        inside.status, inside.execution, inside.reason = "CREATE_COMPLETE", "AVAILABLE", None
        inside.include_nested, inside.parent_id = True, made.id
        inside.root_id = made.root_id or made.id
        made.children[logical_id] = inside.id
        self._child_change_sets(inside, child, prediction)

    def describe_change_set(self, arguments: Arguments) -> Result:
        found = self._change_set(arguments)
        stack = self.store.stacks[found.stack_id]
        values = _true(arguments.get("IncludePropertyValues"))
        changes = (
            found.prediction.to_api(values) if found.prediction and found.status != "FAILED" else []
        )
        if found.imports:
            changes = imports.to_api(found.imports, found.definition)
        if found.drifted is not None:
            nested = reverting.affected(stack, self.store, found.drifted)
            changes = reverting.with_drift(changes, stack, found.drifted, nested, self.schemas)
        for change in changes:
            inner = found.children.get(change["ResourceChange"]["LogicalResourceId"])
            if inner:
                change["ResourceChange"]["ChangeSetId"] = inner
        shown = self._change_set_summary(found) | {
            "Parameters": shown_parameters(found.definition),
            "NotificationARNs": list(found.definition.notification_arns),
            "RollbackConfiguration": {},
            "Capabilities": list(found.definition.capabilities),
            "Tags": _pairs(found.definition.tags, "Key", "Value"),
            "StackName": stack.name,
        }
        if found.on_stack_failure:
            shown["OnStackFailure"] = found.on_stack_failure
        if found.drifted is not None:
            shown["DeploymentMode"] = reverting.MODE
            shown["StackDriftStatus"] = "DRIFTED" if stack.id in found.drifted else "IN_SYNC"
        return shown | self._paged("Changes", changes, arguments)

    def _change_set_summary(self, found: ChangeSetState) -> Result:
        shown: Result = {
            "ChangeSetName": found.name,
            "ChangeSetId": found.id,
            "StackId": found.stack_id,
            "StackName": self.store.stacks[found.stack_id].name,
            "CreationTime": _time(found.created),
            "ExecutionStatus": found.execution,
            "Status": found.status,
            "IncludeNestedStacks": found.include_nested,
        }
        optional = {
            "StatusReason": found.reason,
            "Description": found.description,
            "ParentChangeSetId": found.parent_id,
            "RootChangeSetId": found.root_id,
        }
        return shown | {key: value for key, value in optional.items() if value is not None}

    def list_change_sets(self, arguments: Arguments) -> Result:
        stack = self.stack(arguments)
        found = [
            each
            for each in self.store.change_sets.values()
            if each.stack_id == stack.id and each.execution != "EXECUTE_COMPLETE"
        ]
        return self._paged(
            "Summaries", [self._change_set_summary(each) for each in found], arguments
        )

    def delete_change_set(self, arguments: Arguments) -> Result:
        found = self._change_set(arguments)
        if found.parent_id is not None:
            raise ApiError(
                "InvalidChangeSetStatus", f"ChangeSet [{found.id}] belongs to a root change set"
            )
        self._drop(found)
        return {}

    def _drop(self, found: ChangeSetState) -> None:
        for inner in found.children.values():
            if inner in self.store.change_sets:
                self._drop(self.store.change_sets[inner])
        stack = self.store.stacks[found.stack_id]
        if found.parent_id is not None and stack.status == "REVIEW_IN_PROGRESS":
            self.operations.stack_event(stack, "DELETE_COMPLETE")
        del self.store.change_sets[found.id]

    def execute_change_set(self, arguments: Arguments) -> Result:
        found = self._change_set(arguments)
        stack = self.store.stacks[found.stack_id]
        if found.execution != "AVAILABLE" or found.parent_id is not None:
            text = f"ChangeSet [{found.id}] cannot be executed in its current status of [{found.status}]"
            if found.execution == "OBSOLETE":
                text = f"ChangeSet [{found.id}] cannot be executed in its current execution status of [OBSOLETE]"
            raise ApiError("InvalidChangeSetStatus", text)
        if stack.busy:
            raise _invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
        stack.executed_change_set = found.id
        stack.disable_rollback = _true(arguments.get("DisableRollback"))
        stack.retain_except_on_create = _true(arguments.get("RetainExceptOnCreate"))
        if found.on_stack_failure:
            stack.on_failure = found.on_stack_failure
        definition = found.definition
        self._adopt(found, stack)
        found.execution = "EXECUTE_COMPLETE"
        self._forget(stack)
        stack.token = arguments.get("ClientRequestToken")
        if found.imports:
            self.operations.take_in(stack, definition, found.imports, self._exists)
        elif stack.status == "REVIEW_IN_PROGRESS":
            self.operations.create(stack, definition)
        else:
            self.operations.update(stack, definition, drifted=found.drifted)
        return {}

    def _exists(self, type_: str, physical_id: str, properties: Mapping[str, Any]) -> bool:
        """Whether a resource to import is there; taken for granted where its type is not read."""
        try:
            return (
                self.drifts is None or self.drifts.read(type_, physical_id, properties) is not None
            )
        except KeyError:
            return True

    def _adopt(self, found: ChangeSetState, stack: StackState) -> None:
        """The nested stacks that the preview made become those of the execution."""
        for logical_id, inner in found.children.items():
            change_set = self.store.change_sets.pop(inner)
            child = self.store.stacks[change_set.stack_id]
            if child.status == "REVIEW_IN_PROGRESS":
                self.operations.previewed[stack.id, logical_id] = child
            self._adopt(change_set, child)
        found.children = {}

    def _forget(self, stack: StackState) -> None:
        """The other change sets of the stack are gone; stacks kept for a preview too. The executed
        one can still be described by its id (user guide, "Execute a change set")."""
        for other in [c for c in self.store.change_sets.values() if c.stack_id == stack.id]:
            if other.id in self.store.change_sets and other.execution != "EXECUTE_COMPLETE":
                self._drop(other)

    # --- the rest
    # -----------------------------------------------------------------------------------------------

    def cancel_update_stack(self, arguments: Arguments) -> Result:
        stack = self.stack(arguments)
        work = self.operations.work.get(stack.id)
        if stack.status != "UPDATE_IN_PROGRESS" or work is None or work.current is None:
            text = "CancelUpdateStack cannot be called from current stack status"
            raise _invalid(text)
        work.failed["outputs"] = ["User Initiated"]
        work.current.stop()
        return {}

    def continue_update_rollback(self, arguments: Arguments) -> Result:
        stack = self.stack(arguments)
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            text = f"Stack:{stack.id} is in {stack.status} state and can not continue rolling back an update."
            raise _invalid(text)
        skip = arguments.get("ResourcesToSkip", ())
        wrong = [
            name
            for name in skip
            if not stack.resources.get(name, _NOTHING).status.endswith("_FAILED")
        ]
        if wrong:
            text = f"Skipping resources [{', '.join(wrong)}] is not possible: only resources in a FAILED state can be"
            raise _invalid(f"{text} skipped.")
        stack.token = arguments.get("ClientRequestToken")
        self.operations.continue_rollback(stack, skip)
        return {}

    def rollback_stack(self, arguments: Arguments) -> Result:
        stack = self.stack(arguments)
        if stack.status not in ("CREATE_FAILED", "UPDATE_FAILED"):
            text = f"Stack:{stack.id} is in {stack.status} state and can not be rolled back."
            raise _invalid(text)
        stack.token = arguments.get("ClientRequestToken")
        stack.retain_except_on_create = _true(arguments.get("RetainExceptOnCreate"))
        self.operations.roll_back_failed(stack)
        return {"StackId": stack.id}

    def update_termination_protection(self, arguments: Arguments) -> Result:
        stack = self.stack(arguments)
        if stack.parent_id is not None:
            raise _invalid(
                "Termination protection of a nested stack is that of its root stack and cannot be updated."
            )
        stack.termination_protection = _true(arguments["EnableTerminationProtection"])
        return {"StackId": stack.id}

    def set_stack_policy(self, arguments: Arguments) -> Result:
        self.stack(arguments).policy = self._policy(arguments, "StackPolicy")
        return {}

    def get_stack_policy(self, arguments: Arguments) -> Result:
        policy = self.stack(arguments).policy
        return {"StackPolicyBody": policy} if policy else {}

    def list_exports(self, arguments: Arguments) -> Result:
        found = [
            {"ExportingStackId": stack.id, "Name": name, "Value": value}
            for name, (value, stack) in sorted(self.store.exports().items())
        ]
        return self._paged("Exports", found, arguments)

    def list_imports(self, arguments: Arguments) -> Result:
        name = arguments["ExportName"]
        found = self._importers(name)
        if not found:
            raise _invalid(f"Export '{name}' is not imported by any stack.")
        return self._paged("Imports", found, arguments)

    def _paged(self, key: str, entries: Sequence[Any], arguments: Arguments) -> Result:
        start = _token(arguments.get("NextToken"), len(entries))
        end = start + min(self.page, int(arguments.get("MaxResults", self.page)))
        return {key: list(entries[start:end])} | (
            {"NextToken": f"page-{end}"} if end < len(entries) else {}
        )


# --- shapes
# -------------------------------------------------------------------------------------------------------


def _token(token: str | None, count: int) -> int:
    if token is None:
        return 0
    number = token.removeprefix("page-")
    if not number.isdigit() or int(number) > count:
        raise _invalid("The nextToken is invalid.")
    return int(number)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _true(value: Any) -> bool:
    return value is True or value == "true"


def _pairs(values: Mapping[str, Any], key: str, value: str) -> list[Result]:
    return [{key: name, value: template_to_text(held)} for name, held in values.items()]


def _event(event: Event) -> Result:
    found: Result = {
        "StackId": event.stack_id,
        "EventId": event.id,
        "StackName": event.stack_name,
        "LogicalResourceId": event.logical_id,
        "PhysicalResourceId": event.physical_id,
        "ResourceType": event.type,
        "Timestamp": _time(event.timestamp),
        "ResourceStatus": event.status,
    }
    optional = {
        "ResourceStatusReason": event.reason,
        "ResourceProperties": event.properties,
        "ClientRequestToken": event.token,
        "OperationId": event.operation_id,
    }
    return found | {key: value for key, value in optional.items() if value is not None}


def _output(output: Any) -> Result:
    found = {"OutputKey": output.key, "OutputValue": output.value}
    optional = {"Description": output.description, "ExportName": output.export}
    return found | {key: value for key, value in optional.items() if value is not None}


def _by_name(stack: StackState) -> list[ResourceState]:
    return [stack.resources[name] for name in sorted(stack.resources)]


def _stack_drift(stack: StackState) -> Result:
    if stack.drift is None:
        return {"StackDriftStatus": "NOT_CHECKED"}
    return {"StackDriftStatus": stack.drift.status, "LastCheckTimestamp": _time(stack.drift.ready)}


def _resource_drift(stack: StackState, logical_id: str) -> Result:
    found = stack.drift.resources.get(logical_id) if stack.drift else None
    if found is None:
        return {"StackResourceDriftStatus": "NOT_CHECKED"}
    return {"StackResourceDriftStatus": found.status, "LastCheckTimestamp": _time(found.timestamp)}


def _drift(stack_id: str, state: ResourceState, found: DriftedResource) -> Result:
    shown: Result = {
        "StackId": stack_id,
        "LogicalResourceId": found.logical_id,
        "PhysicalResourceId": state.physical_id,
        "ResourceType": state.type,
        "ExpectedProperties": json.dumps(canonical_value(found.expected), sort_keys=True),
        "StackResourceDriftStatus": found.status,
        "Timestamp": _time(found.timestamp),
        "PropertyDifferences": [
            {
                "PropertyPath": each.path,
                "ExpectedValue": each.expected,
                "ActualValue": each.actual,
                "DifferenceType": each.kind,
            }
            for each in found.differences
        ],
    }
    gone = found.status == "DELETED"
    return shown | (
        {} if gone else {"ActualProperties": json.dumps(found.actual, sort_keys=True, default=str)}
    )


def _summary(stack: StackState, state: ResourceState) -> Result:
    found: Result = {
        "LogicalResourceId": state.logical_id,
        "PhysicalResourceId": state.physical_id,
        "ResourceType": state.type,
        "LastUpdatedTimestamp": _time(state.timestamp),
        "ResourceStatus": state.status,
        "DriftInformation": _resource_drift(stack, state.logical_id),
    }
    return found | ({"ResourceStatusReason": state.reason} if state.reason else {})


def _resource(stack: StackState, state: ResourceState) -> Result:
    found = _summary(stack, state)
    found["Timestamp"] = found.pop("LastUpdatedTimestamp")
    return {"StackName": stack.name, "StackId": stack.id, **found}


def _template_parameter(parameter: Parameter) -> Result:
    found: Result = {"ParameterKey": parameter.name, "NoEcho": parameter.no_echo}
    found |= {"DefaultValue": parameter.default} if parameter.default is not None else {}
    return found | ({"Description": parameter.description} if parameter.description else {})


def _declaration(parameter: Parameter) -> Result:
    constraints = (
        {"AllowedValues": list(parameter.allowed_values)} if parameter.allowed_values else {}
    )
    rest = {"ParameterType": parameter.type, "ParameterConstraints": constraints}
    return _template_parameter(parameter) | rest


# --- requests
# -----------------------------------------------------------------------------------------------------


def _named(arguments: Arguments) -> str:
    name = str(arguments.get("StackName", ""))
    if name.startswith("arn:"):
        return name
    if not _STACK_NAME.fullmatch(name):
        text = f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must"
        raise _invalid(f"{text} satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*")
    return name


def _updatable(stack: StackState) -> None:
    if stack.status == "CREATE_FAILED" and stack.on_failure == "DO_NOTHING":
        text = "This stack cannot be updated from [CREATE_FAILED] state because it contains [on-failure: DO_NOTHING]."
        raise _invalid(f"{text} Please use disable-rollback option instead during stack creation.")
    # AWS also takes up a creation that failed without a rollback; the emulator does not
    if stack.status == "CREATE_FAILED" or not stack_status(stack.status).updatable:
        raise _invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")


def _parameters(
    given: Iterable[Arguments], template: Template, old: Definition | None
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in given:
        name = each["ParameterKey"]
        if not _true(each.get("UsePreviousValue")):
            found[name] = each.get("ParameterValue", "")
        elif old is None or name not in old.template.parameters:
            text = f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter"
            raise _invalid(f"{text} key not in the previous template")
        elif name in old.parameters and name in template.parameters:
            found[name] = old.parameters[name]
    return found


def _needed(template: Template) -> str | None:
    """The capability that the template's IAM resources ask for."""
    iam = [resource for resource in template.resources.values() if resource.type in _IAM_TYPES]
    if any(_IAM_NAMES & set(resource.properties) for resource in iam):
        return "CAPABILITY_NAMED_IAM"
    return "CAPABILITY_IAM" if iam else None


def _reason(template: Template) -> str:
    types = sorted({r.type for r in template.resources.values() if r.type in _IAM_TYPES})
    return f"The following resource(s) require capabilities: [{', '.join(types)}]"


def _capabilities(template: Template, given: Sequence[str]) -> None:
    needed = _needed(template)
    enough = {
        "CAPABILITY_IAM": {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"},
        "CAPABILITY_NAMED_IAM": {"CAPABILITY_NAMED_IAM"},
    }
    if needed and not enough[needed] & set(given):
        raise ApiError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")


def _expandable(definition: Definition) -> None:
    """A stack is made of what macros make of a template only where that is acknowledged; a change
    set shows it first."""
    if definition.template.transforms and "CAPABILITY_AUTO_EXPAND" not in definition.capabilities:
        raise ApiError(
            "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"
        )


def _imports(operations: Operations, stack: StackState) -> set[str]:
    """The exports that a stack imports, resolved."""
    resolver, definition = operations.resolver(stack), stack.definition
    assert definition is not None  # noqa: S101 - the caller looked
    found = set()
    for name in operations.active(stack):
        for argument in _import_arguments(definition.template.resources[name].properties):
            try:
                found.add(template_to_text(resolver.resolve(argument)))
            except ValidationError:
                continue
    return found


def _import_arguments(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Fn::ImportValue":
                yield item
            yield from _import_arguments(item)
    elif isinstance(value, list):
        for item in value:
            yield from _import_arguments(item)


_ACTIONS: Mapping[str, Callable[[LocalCloudFormation, Arguments], Result]] = {
    "CancelUpdateStack": LocalCloudFormation.cancel_update_stack,
    "ContinueUpdateRollback": LocalCloudFormation.continue_update_rollback,
    "CreateChangeSet": LocalCloudFormation.create_change_set,
    "CreateStack": LocalCloudFormation.create_stack,
    "DeleteChangeSet": LocalCloudFormation.delete_change_set,
    "DeleteStack": LocalCloudFormation.delete_stack,
    "DescribeChangeSet": LocalCloudFormation.describe_change_set,
    "DescribeEvents": LocalCloudFormation.describe_events,
    "DescribeStackDriftDetectionStatus": LocalCloudFormation.describe_stack_drift_detection_status,
    "DescribeStackEvents": LocalCloudFormation.describe_stack_events,
    "DescribeStackResource": LocalCloudFormation.describe_stack_resource,
    "DescribeStackResourceDrifts": LocalCloudFormation.describe_stack_resource_drifts,
    "DescribeStackResources": LocalCloudFormation.describe_stack_resources,
    "DescribeStacks": LocalCloudFormation.describe_stacks,
    "DetectStackDrift": LocalCloudFormation.detect_stack_drift,
    "DetectStackResourceDrift": LocalCloudFormation.detect_stack_resource_drift,
    "ExecuteChangeSet": LocalCloudFormation.execute_change_set,
    "GetStackPolicy": LocalCloudFormation.get_stack_policy,
    "GetTemplate": LocalCloudFormation.get_template,
    "GetTemplateSummary": LocalCloudFormation.get_template_summary,
    "ListChangeSets": LocalCloudFormation.list_change_sets,
    "ListExports": LocalCloudFormation.list_exports,
    "ListImports": LocalCloudFormation.list_imports,
    "ListStackResources": LocalCloudFormation.list_stack_resources,
    "ListStacks": LocalCloudFormation.list_stacks,
    "RollbackStack": LocalCloudFormation.rollback_stack,
    "SetStackPolicy": LocalCloudFormation.set_stack_policy,
    "UpdateStack": LocalCloudFormation.update_stack,
    "UpdateTerminationProtection": LocalCloudFormation.update_termination_protection,
    "ValidateTemplate": LocalCloudFormation.validate_template,
}
