"""Calls to CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from msgspec import Struct

from ..cfn import stack_status
from ..core import AwsError
from .session import Session

_MISSING = "does not exist"
_UNUSED = "is not imported by any stack"
CAPABILITIES = ("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")


class Stack(Struct, frozen=True):
    """One stack as DescribeStacks gives it; values of NoEcho parameters are ``****``."""

    id: str
    name: str
    status: str
    reason: str = ""
    parameters: Mapping[str, str] = {}
    outputs: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}
    parent_id: str | None = None
    root_id: str | None = None
    created: datetime | None = None
    updated: datetime | None = None
    protected: bool = False
    role: str | None = None
    change_set: str | None = None
    """The change set that was executed last (ARN)."""
    drift: str = ""
    """What the last detection found: IN_SYNC, DRIFTED, UNKNOWN or NOT_CHECKED."""
    drift_checked: datetime | None = None
    exports: tuple[str, ...] = ()
    """Names under which other stacks import its outputs."""

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return not stack_status(self.status).final


class StackEvent(Struct, frozen=True):
    """One event of a stack; ``token`` is the ClientRequestToken of the operation that it belongs
    to."""

    id: str
    stack_id: str
    stack_name: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str
    time: datetime
    token: str = ""

    @property
    def of_stack(self) -> bool:
        """Whether it is about the stack itself, not a resource of it."""
        return self.physical_id == self.stack_id


class StackResource(Struct, frozen=True):
    """One resource of a stack; ``physical_id`` is empty where it was not made."""

    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str = ""
    changed: datetime | None = None


class ChangeSet(Struct, frozen=True):
    """A change set, all pages of it. ``changes`` are the ``ResourceChange`` objects of the API.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeChangeSet.html
    """

    id: str
    name: str
    stack_id: str
    stack_name: str
    status: str
    execution: str
    reason: str
    changes: tuple[Mapping[str, Any], ...]
    parameters: Mapping[str, str]
    description: str = ""
    created: datetime | None = None


class ChangeSetRequest(Struct, frozen=True):
    """What CreateChangeSet is asked for. Exactly one of ``body`` (at most 51,200 bytes) and ``url``
    is given.

    ``kept`` names parameters whose previous value stays (UsePreviousValue). ``imports`` are
    ResourcesToImport; ``revert_drift`` is DeploymentMode REVERT_DRIFT. ``token`` makes a repeated
    call give the first one's change set.
    """

    stack: str
    name: str
    kind: Literal["CREATE", "UPDATE", "IMPORT"]
    token: str
    body: str | None = None
    url: str | None = None
    parameters: Mapping[str, str] = {}
    kept: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    description: str = ""
    nested: bool = True
    imports: tuple[Mapping[str, Any], ...] = ()
    revert_drift: bool = False
    role: str | None = None


class Drift(Struct, frozen=True):
    """Drift of one resource: ``status`` is IN_SYNC, MODIFIED, DELETED or NOT_CHECKED.

    ``differences`` are (property path, expected, actual, ADD | REMOVE | NOT_EQUAL).
    """

    stack_id: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    differences: tuple[tuple[str, str, str, str], ...] = ()


class Stacks(Protocol):
    """CloudFormation; ``stack`` arguments are names or ids; every method raises AwsError."""

    def stack(self, stack: str) -> Stack | None:
        """DescribeStacks; None where there is none. By id, a deleted stack is found as well
        (DELETE_COMPLETE)."""

    def stacks(self) -> list[Stack]:
        """DescribeStacks of all that are not deleted, nested ones included, all pages."""

    def events(self, stack: str, since: str | datetime | None = None) -> list[StackEvent]:
        """DescribeStackEvents, oldest first: those after the event id ``since``, not before that
        time, or all."""

    def last_event(self, stack: str) -> StackEvent | None:
        """DescribeStackEvents, the newest; None where the stack has none yet."""

    def resources(self, stack: str) -> list[StackResource]:
        """ListStackResources, all pages; nothing where there is no such stack."""

    def importers(self, export: str) -> list[str]:
        """ListImports, all pages: names of the stacks, nested ones included, that import an
        export."""

    def template(self, stack: str) -> str:
        """GetTemplate, stage Original, as text."""

    def create_change_set(self, request: ChangeSetRequest) -> str:
        """CreateChangeSet; the change set's ARN."""

    def change_set(self, change_set: str, *, values: bool) -> ChangeSet | None:
        """DescribeChangeSet, all pages, with or without IncludePropertyValues; None where there is
        none."""

    def change_sets(self, stack: str) -> list[tuple[str, str]]:
        """ListChangeSets: (ARN, name) of each."""

    def delete_change_set(self, change_set: str) -> None:
        """DeleteChangeSet, with those of nested stacks; one that is gone already is no error."""

    def execute_change_set(self, change_set: str, token: str, *, keep_failed: bool = False) -> None:
        """ExecuteChangeSet; ``keep_failed`` is DisableRollback. Without it a rollback deletes what
        it had created, also with the policy Retain: nothing holds data yet, and would be in the way
        of the next try."""

    def delete_stack(self, stack: str, token: str, retain: Sequence[str] = ()) -> None:
        """DeleteStack; ``retain`` may name resources only where a deletion failed."""

    def cancel_update(self, stack: str, token: str) -> None:
        """CancelUpdateStack."""

    def continue_rollback(self, stack: str, token: str, skip: Sequence[str] = ()) -> None:
        """ContinueUpdateRollback; ``skip`` names resources, those of nested stacks as
        ``Stack.LogicalId``."""

    def rollback(self, stack: str, token: str) -> None:
        """RollbackStack, of a stack that stayed where its creation or update failed."""

    def stack_policy(self, stack: str) -> str | None:
        """GetStackPolicy; None where there is none, or no such stack."""

    def set_stack_policy(self, stack: str, policy: str) -> None:
        """SetStackPolicy, JSON text."""

    def set_termination_protection(self, stack: str, *, enabled: bool) -> None:
        """UpdateTerminationProtection."""

    def validation_errors(self, change_set: str) -> list[str] | None:
        """DescribeEvents of a change set: what early validation found, each a sentence; None where
        it is not allowed.

        The call has a permission of its own, whose absence must not stand in the way of what else
        is known. Source:
        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
        """

    def detect_drift(self, stack: str) -> str:
        """DetectStackDrift; the detection's id."""

    def drift_detection(self, detection: str) -> tuple[str, str]:
        """DescribeStackDriftDetectionStatus: (DETECTION_IN_PROGRESS | _COMPLETE | _FAILED,
        reason)."""

    def drifts(self, stack: str) -> list[Drift]:
        """DescribeStackResourceDrifts, all pages: what the last detection found."""


class StackCalls(Session):
    """`Stacks` by botocore."""

    def stack(self, stack: str) -> Stack | None:
        """See `Stacks`."""
        try:
            answer = self._cfn("describe_stacks", StackName=stack)
        except AwsError as error:
            if _is_missing(error):
                return None
            raise
        return _stack(answer["Stacks"][0]) if answer["Stacks"] else None

    def stacks(self) -> list[Stack]:
        """See `Stacks`."""
        return [_stack(each) for each in self._pages("cloudformation", "describe_stacks", "Stacks")]

    def events(self, stack: str, since: str | datetime | None = None) -> list[StackEvent]:
        """See `Stacks`."""
        found: list[StackEvent] = []
        for page in self._event_pages(stack):
            for each in page:
                if (
                    each["Timestamp"] < since
                    if isinstance(since, datetime)
                    else each["EventId"] == since
                ):
                    return found[::-1]
                found.append(_event(each))
        return found[::-1]

    def last_event(self, stack: str) -> StackEvent | None:
        """See `Stacks`."""
        return next((_event(each) for page in self._event_pages(stack) for each in page), None)

    def _event_pages(self, stack: str) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Newest first; a caller that has seen enough asks for no more pages."""
        token: dict[str, str] = {}
        while True:
            answer = self._cfn("describe_stack_events", StackName=stack, **token)
            yield answer["StackEvents"]
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def resources(self, stack: str) -> list[StackResource]:
        """See `Stacks`."""
        try:
            found = self._pages(
                "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack
            )
        except AwsError as error:
            if _is_missing(error):
                return []
            raise
        return [
            StackResource(
                each["LogicalResourceId"],
                each.get("PhysicalResourceId", ""),
                each["ResourceType"],
                each["ResourceStatus"],
                each.get("ResourceStatusReason", ""),
                each.get("LastUpdatedTimestamp"),
            )
            for each in found
        ]

    def importers(self, export: str) -> list[str]:
        """See `Stacks`."""
        try:
            return [
                str(each)
                for each in self._pages(
                    "cloudformation", "list_imports", "Imports", ExportName=export
                )
            ]
        except AwsError as error:
            if error.code == "ValidationError" and _UNUSED in str(error):
                return []
            raise

    def template(self, stack: str) -> str:
        """See `Stacks`."""
        body = self._cfn("get_template", StackName=stack, TemplateStage="Original")["TemplateBody"]
        return (
            body if isinstance(body, str) else json.dumps(body, default=str)
        )  # botocore parses JSON

    def create_change_set(self, request: ChangeSetRequest) -> str:
        """See `Stacks`."""
        parameters: list[dict[str, Any]] = [
            *(
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in request.parameters.items()
            ),
            *({"ParameterKey": key, "UsePreviousValue": True} for key in request.kept),
        ]
        optional = {
            "TemplateBody": request.body,
            "TemplateURL": request.url,
            "Description": request.description[:1024],
            "ResourcesToImport": list(request.imports),
            "RoleARN": request.role,
            "DeploymentMode": "REVERT_DRIFT" if request.revert_drift else None,
        }
        answer = self._cfn(
            "create_change_set",
            StackName=request.stack,
            ChangeSetName=request.name,
            ChangeSetType=request.kind,
            ClientToken=request.token,
            Parameters=parameters,
            Capabilities=list(CAPABILITIES),
            Tags=[{"Key": k, "Value": v} for k, v in sorted(request.tags.items())],
            IncludeNestedStacks=request.nested,
            **{key: value for key, value in optional.items() if value},
        )
        return str(answer["Id"])

    def change_set(self, change_set: str, *, values: bool) -> ChangeSet | None:
        """See `Stacks`."""
        changes: list[Mapping[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            arguments = {"ChangeSetName": change_set, "IncludePropertyValues": values, **token}
            answer = self._find(
                "ChangeSetNotFound", "cloudformation", "describe_change_set", **arguments
            )
            if answer is None:
                return None
            changes += [
                each["ResourceChange"]
                for each in answer.get("Changes") or ()
                if "ResourceChange" in each
            ]
            if not answer.get("NextToken"):
                return _change_set(answer, changes)
            token = {"NextToken": answer["NextToken"]}

    def change_sets(self, stack: str) -> list[tuple[str, str]]:
        """See `Stacks`."""
        found = self._pages("cloudformation", "list_change_sets", "Summaries", StackName=stack)
        return [(each["ChangeSetId"], each["ChangeSetName"]) for each in found]

    def delete_change_set(self, change_set: str) -> None:
        """See `Stacks`."""
        self._find(
            "ChangeSetNotFound", "cloudformation", "delete_change_set", ChangeSetName=change_set
        )

    def execute_change_set(self, change_set: str, token: str, *, keep_failed: bool = False) -> None:
        """See `Stacks`."""
        # RetainExceptOnCreate may not stand beside DisableRollback.
        extra = {"DisableRollback": True} if keep_failed else {"RetainExceptOnCreate": True}
        self._cfn("execute_change_set", ChangeSetName=change_set, ClientRequestToken=token, **extra)

    def delete_stack(self, stack: str, token: str, retain: Sequence[str] = ()) -> None:
        """See `Stacks`."""
        extra = {"RetainResources": list(retain)} if retain else {}
        self._cfn("delete_stack", StackName=stack, ClientRequestToken=token, **extra)

    def cancel_update(self, stack: str, token: str) -> None:
        """See `Stacks`."""
        self._cfn("cancel_update_stack", StackName=stack, ClientRequestToken=token)

    def continue_rollback(self, stack: str, token: str, skip: Sequence[str] = ()) -> None:
        """See `Stacks`."""
        extra = {"ResourcesToSkip": list(skip)} if skip else {}
        self._cfn("continue_update_rollback", StackName=stack, ClientRequestToken=token, **extra)

    def rollback(self, stack: str, token: str) -> None:
        """See `Stacks`."""
        self._cfn("rollback_stack", StackName=stack, ClientRequestToken=token)

    def stack_policy(self, stack: str) -> str | None:
        """See `Stacks`."""
        try:
            found = self._cfn("get_stack_policy", StackName=stack).get("StackPolicyBody")
        except AwsError as error:
            if _is_missing(error):
                return None
            raise
        return str(found) if found else None

    def set_stack_policy(self, stack: str, policy: str) -> None:
        """See `Stacks`."""
        self._cfn("set_stack_policy", StackName=stack, StackPolicyBody=policy)

    def set_termination_protection(self, stack: str, *, enabled: bool) -> None:
        """See `Stacks`."""
        self._cfn(
            "update_termination_protection", StackName=stack, EnableTerminationProtection=enabled
        )

    def validation_errors(self, change_set: str) -> list[str] | None:
        """See `Stacks`."""
        arguments = {"ChangeSetName": change_set, "Filters": {"FailedEvents": True}}
        try:
            found = self._pages("cloudformation", "describe_events", "OperationEvents", **arguments)
        except AwsError as error:
            if error.problems[0].code == "SW403":
                return None
            raise
        return [_validation(each) for each in found if each.get("EventType") == "VALIDATION_ERROR"]

    def detect_drift(self, stack: str) -> str:
        """See `Stacks`."""
        return str(self._cfn("detect_stack_drift", StackName=stack)["StackDriftDetectionId"])

    def drift_detection(self, detection: str) -> tuple[str, str]:
        """See `Stacks`."""
        answer = self._cfn("describe_stack_drift_detection_status", StackDriftDetectionId=detection)
        return answer["DetectionStatus"], answer.get("DetectionStatusReason", "")

    def drifts(self, stack: str) -> list[Drift]:
        """See `Stacks`."""
        found = self._pages(
            "cloudformation",
            "describe_stack_resource_drifts",
            "StackResourceDrifts",
            StackName=stack,
        )
        return [
            Drift(
                each["StackId"],
                each["LogicalResourceId"],
                each.get("PhysicalResourceId", ""),
                each["ResourceType"],
                each["StackResourceDriftStatus"],
                tuple(
                    (
                        one["PropertyPath"],
                        one["ExpectedValue"],
                        one["ActualValue"],
                        one["DifferenceType"],
                    )
                    for one in each.get("PropertyDifferences") or ()
                ),
            )
            for each in found
        ]

    def _cfn(self, operation: str, **arguments: Any) -> Any:
        return self._call("cloudformation", operation, **arguments)


def _is_missing(error: AwsError) -> bool:
    return error.code == "ValidationError" and _MISSING in str(error)


def _stack(data: Mapping[str, Any]) -> Stack:
    return Stack(
        id=data["StackId"],
        name=data["StackName"],
        status=data["StackStatus"],
        reason=data.get("StackStatusReason", ""),
        parameters={
            p["ParameterKey"]: p.get("ParameterValue", "") for p in data.get("Parameters") or ()
        },
        outputs={o["OutputKey"]: o["OutputValue"] for o in data.get("Outputs") or ()},
        tags={t["Key"]: t["Value"] for t in data.get("Tags") or ()},
        parent_id=data.get("ParentId"),
        root_id=data.get("RootId"),
        created=data.get("CreationTime"),
        updated=data.get("LastUpdatedTime"),
        protected=bool(data.get("EnableTerminationProtection")),
        role=data.get("RoleARN"),
        drift=(data.get("DriftInformation") or {}).get("StackDriftStatus", ""),
        drift_checked=(data.get("DriftInformation") or {}).get("LastCheckTimestamp"),
        change_set=data.get("ChangeSetId"),
        exports=tuple(o["ExportName"] for o in data.get("Outputs") or () if o.get("ExportName")),
    )


def _validation(data: Mapping[str, Any]) -> str:
    """``Bucket (AWS::S3::Bucket): it exists already, at /Resources/Bucket``."""
    where = f", at {data['ValidationPath']}" if data.get("ValidationPath") else ""
    which = f"{data.get('LogicalResourceId', '')} ({data.get('ResourceType', '')})"
    return f"{which}: {str(data.get('ValidationStatusReason', '')).rstrip('.')}{where}"


def _event(data: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        id=data.get("EventId", ""),
        stack_id=data.get("StackId", ""),
        stack_name=data.get("StackName", ""),
        logical_id=data.get("LogicalResourceId", ""),
        physical_id=data.get("PhysicalResourceId", ""),
        type=data.get("ResourceType", ""),
        status=data.get("ResourceStatus", ""),
        reason=data.get("ResourceStatusReason", ""),
        time=data["Timestamp"],
        token=data.get("ClientRequestToken", ""),
    )


def _change_set(data: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> ChangeSet:
    return ChangeSet(
        id=data["ChangeSetId"],
        name=data["ChangeSetName"],
        stack_id=data["StackId"],
        stack_name=data["StackName"],
        status=data["Status"],
        execution=data.get("ExecutionStatus", ""),
        reason=data.get("StatusReason", ""),
        changes=tuple(changes),
        parameters={
            p["ParameterKey"]: p.get("ParameterValue", "") for p in data.get("Parameters") or ()
        },
        description=data.get("Description", ""),
        created=data.get("CreationTime"),
    )
