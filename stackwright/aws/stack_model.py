"""Stacks, change sets, events and drift as values, and how they are read from answers of the
API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from ..cfn import stack_status
from ..core import mask_text


class Stack(Struct, frozen=True):
    """A stack as DescribeStacks returns it; values of NoEcho parameters are ``****``."""

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
    """ARN of the change set that was executed last."""
    drift: str = ""
    """The result of the last detection: IN_SYNC, DRIFTED, UNKNOWN or NOT_CHECKED."""
    drift_checked: datetime | None = None
    exports: tuple[str, ...] = ()
    """Names under which other stacks import its outputs."""
    resolved: Mapping[str, str] = {}
    """What was read from Parameter Store for Parameters of an SSM type (``ResolvedValue``), by
    Parameter."""

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return not stack_status(self.status).final


class StackEvent(Struct, frozen=True):
    """An event of a stack; ``token`` is the ClientRequestToken of its operation."""

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
        """Whether it concerns the stack itself, not one of its resources."""
        return self.physical_id == self.stack_id


class StackResource(Struct, frozen=True):
    """A resource of a stack; ``physical_id`` is empty where it was not created."""

    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str = ""
    changed: datetime | None = None
    drift: str = ""
    """What the last drift detection found: IN_SYNC, MODIFIED, DELETED or NOT_CHECKED."""


class ChangeSet(Struct, frozen=True):
    """A change set with all its pages. ``changes`` are the ``ResourceChange`` objects of the API.

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
    """The arguments of CreateChangeSet, with either ``body`` (at most 51,200 bytes) or ``url``.

    ``kept`` names parameters that keep their value (UsePreviousValue). ``imports`` are
    ResourcesToImport, ``import_existing`` is ImportExistingResources; ``revert_drift`` is
    DeploymentMode REVERT_DRIFT. A repeated call with an equal ``token`` returns the existing change
    set.
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
    import_existing: bool = False
    revert_drift: bool = False
    role: str | None = None


class Validation(Struct, frozen=True):
    """A finding of CloudFormation's early validation about one resource; ``path`` is a JSON pointer
    into the template, empty where it gives none. A ``warning`` does not fail the change set.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
    """

    logical_id: str
    type: str
    reason: str
    path: str = ""
    warning: bool = False

    def __str__(self) -> str:
        """``Bucket (AWS::S3::Bucket): it exists already, at /Resources/Bucket``."""
        where = f", at {self.path}" if self.path else ""
        return f"{self.logical_id} ({self.type}): {self.reason}{where}"


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


def parse_stack(data: Mapping[str, Any]) -> Stack:
    """A stack of DescribeStacks."""
    return Stack(
        id=data["StackId"],
        name=data["StackName"],
        status=data["StackStatus"],
        reason=mask_text(data.get("StackStatusReason", "")),
        parameters={
            parameter["ParameterKey"]: parameter.get("ParameterValue", "")
            for parameter in data.get("Parameters") or ()
        },
        outputs={
            output["OutputKey"]: output["OutputValue"] for output in data.get("Outputs") or ()
        },
        tags={tag["Key"]: tag["Value"] for tag in data.get("Tags") or ()},
        parent_id=data.get("ParentId"),
        root_id=data.get("RootId"),
        created=data.get("CreationTime"),
        updated=data.get("LastUpdatedTime"),
        protected=bool(data.get("EnableTerminationProtection")),
        role=data.get("RoleARN"),
        drift=(data.get("DriftInformation") or {}).get("StackDriftStatus", ""),
        drift_checked=(data.get("DriftInformation") or {}).get("LastCheckTimestamp"),
        change_set=data.get("ChangeSetId"),
        exports=tuple(
            output["ExportName"] for output in data.get("Outputs") or () if output.get("ExportName")
        ),
        resolved={
            parameter["ParameterKey"]: parameter["ResolvedValue"]
            for parameter in data.get("Parameters") or ()
            if "ResolvedValue" in parameter
        },
    )


def parse_validation(data: Mapping[str, Any]) -> Validation:
    """A result of early validation of DescribeEvents."""
    return Validation(
        logical_id=data.get("LogicalResourceId", ""),
        type=data.get("ResourceType", ""),
        reason=mask_text(str(data.get("ValidationStatusReason", "")).rstrip(".")),
        path=data.get("ValidationPath", ""),
        warning=data.get("ValidationFailureMode") == "WARN",
    )


def parse_event(data: Mapping[str, Any]) -> StackEvent:
    """An event of DescribeStackEvents."""
    return StackEvent(
        id=data.get("EventId", ""),
        stack_id=data.get("StackId", ""),
        stack_name=data.get("StackName", ""),
        logical_id=data.get("LogicalResourceId", ""),
        physical_id=data.get("PhysicalResourceId", ""),
        type=data.get("ResourceType", ""),
        status=data.get("ResourceStatus", ""),
        reason=mask_text(data.get("ResourceStatusReason", "")),
        time=data["Timestamp"],
        token=data.get("ClientRequestToken", ""),
    )


def parse_change_set(data: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> ChangeSet:
    """A change set of DescribeChangeSet, with the changes of all its pages."""
    return ChangeSet(
        id=data["ChangeSetId"],
        name=data["ChangeSetName"],
        stack_id=data["StackId"],
        stack_name=data["StackName"],
        status=data["Status"],
        execution=data.get("ExecutionStatus", ""),
        reason=mask_text(data.get("StatusReason", "")),
        changes=tuple(changes),
        parameters={
            parameter["ParameterKey"]: parameter.get("ParameterValue", "")
            for parameter in data.get("Parameters") or ()
        },
        description=data.get("Description", ""),
        created=data.get("CreationTime"),
    )


def parse_resource(data: Mapping[str, Any]) -> StackResource:
    """A resource of ListStackResources."""
    return StackResource(
        data["LogicalResourceId"],
        data.get("PhysicalResourceId", ""),
        data["ResourceType"],
        data["ResourceStatus"],
        mask_text(data.get("ResourceStatusReason", "")),
        data.get("LastUpdatedTimestamp"),
        data.get("DriftInformation", {}).get("StackResourceDriftStatus", ""),
    )


def parse_drift(data: Mapping[str, Any]) -> Drift:
    """The drift of a resource of DescribeStackResourceDrifts."""
    return Drift(
        data["StackId"],
        data["LogicalResourceId"],
        data.get("PhysicalResourceId", ""),
        data["ResourceType"],
        data["StackResourceDriftStatus"],
        tuple(
            (
                difference["PropertyPath"],
                difference["ExpectedValue"],
                difference["ActualValue"],
                difference["DifferenceType"],
            )
            for difference in data.get("PropertyDifferences") or ()
        ),
    )
