"""Calls to CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from ..core import AwsError
from .session import Session
from .stack_model import (
    ChangeSet,
    ChangeSetRequest,
    Drift,
    Stack,
    StackEvent,
    StackResource,
    Validation,
    parse_change_set,
    parse_drift,
    parse_event,
    parse_resource,
    parse_stack,
    parse_validation,
)

_MISSING = "does not exist"
_UNUSED = "is not imported by any stack"
CAPABILITIES = ("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")


class Stacks(Protocol):
    """CloudFormation; ``stack`` arguments are names or ids; every method raises AwsError."""

    def stack(self, stack: str) -> Stack | None:
        """DescribeStacks; None where the stack does not exist. A deleted stack is found by its id
        (DELETE_COMPLETE)."""

    def stacks(self) -> list[Stack]:
        """DescribeStacks, all pages: every stack that is not deleted, with nested stacks."""

    def events(self, stack: str, since: str | datetime | None = None) -> list[StackEvent]:
        """DescribeStackEvents, oldest first: events after the event id ``since``, or not before the
        time ``since``, or all."""

    def last_event(self, stack: str) -> StackEvent | None:
        """DescribeStackEvents: the newest event; None where the stack has none yet."""

    def resources(self, stack: str) -> list[StackResource]:
        """ListStackResources, all pages; empty where the stack does not exist."""

    def owner(self, physical_id: str) -> tuple[str, str] | None:
        """DescribeStackResources by a physical ID: the name of the stack that has the resource, and
        its logical ID there; None where no stack has it."""

    def exports(self) -> list[str]:
        """ListExports, all pages: the names of the account's exports in the Region."""

    def importers(self, export: str) -> list[str]:
        """ListImports, all pages: names of the stacks, nested ones included, that import an
        export."""

    def template(self, stack: str) -> str:
        """GetTemplate, stage Original, as text."""

    def create_change_set(self, request: ChangeSetRequest) -> str:
        """CreateChangeSet: the ARN of the change set."""

    def change_set(self, change_set: str, *, values: bool) -> ChangeSet | None:
        """DescribeChangeSet, all pages, with or without IncludePropertyValues; None where it does
        not exist."""

    def change_sets(self, stack: str) -> list[tuple[str, str]]:
        """ListChangeSets: (ARN, name) of each."""

    def delete_change_set(self, change_set: str) -> None:
        """DeleteChangeSet, with the change sets of nested stacks; no error where it does not
        exist."""

    def execute_change_set(self, change_set: str, token: str, *, keep_failed: bool = False) -> None:
        """ExecuteChangeSet; ``keep_failed`` is DisableRollback.

        Otherwise a rollback deletes the resources that it had created, even those with the policy
        Retain: they hold no data yet, and would block the next attempt.
        """

    def delete_stack(self, stack: str, token: str, retain: Sequence[str] = ()) -> None:
        """DeleteStack; ``retain`` may name resources only after a failed deletion."""

    def cancel_update(self, stack: str, token: str) -> None:
        """CancelUpdateStack."""

    def continue_rollback(self, stack: str, token: str, skip: Sequence[str] = ()) -> None:
        """ContinueUpdateRollback; ``skip`` names resources, in nested stacks as
        ``Stack.LogicalId``."""

    def rollback(self, stack: str, token: str) -> None:
        """RollbackStack, for a stack whose creation or update failed without rollback."""

    def stack_policy(self, stack: str) -> str | None:
        """GetStackPolicy; None without a policy, or where the stack does not exist."""

    def set_stack_policy(self, stack: str, policy: str) -> None:
        """SetStackPolicy, JSON text."""

    def set_termination_protection(self, stack: str, *, enabled: bool) -> None:
        """UpdateTerminationProtection."""

    def validations(self, change_set: str) -> list[Validation] | None:
        """DescribeEvents of a change set: the findings of early validation; None where the call is
        not allowed.

        The call has a permission of its own. Without it a plan shows everything else. Source:
        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
        """

    def detect_drift(self, stack: str) -> str:
        """DetectStackDrift: the id of the detection."""

    def drift_detection(self, detection: str) -> tuple[str, str]:
        """DescribeStackDriftDetectionStatus: (DETECTION_IN_PROGRESS | _COMPLETE | _FAILED,
        reason)."""

    def drifts(self, stack: str) -> list[Drift]:
        """DescribeStackResourceDrifts, all pages: the result of the last detection."""


class StackCalls(Session):
    """`Stacks` by botocore."""

    def stack(self, stack: str) -> Stack | None:
        """Call DescribeStacks; a ValidationError that says "does not exist" gives None."""
        try:
            answer = self._cfn("describe_stacks", StackName=stack)
        except AwsError as error:
            if _is_missing(error):
                return None
            raise
        return parse_stack(answer["Stacks"][0]) if answer["Stacks"] else None

    def stacks(self) -> list[Stack]:
        """Call DescribeStacks for all pages."""
        return [
            parse_stack(stack)
            for stack in self._pages("cloudformation", "describe_stacks", "Stacks")
        ]

    def events(self, stack: str, since: str | datetime | None = None) -> list[StackEvent]:
        """Call DescribeStackEvents, newest first, until ``since`` is reached."""
        events: list[StackEvent] = []
        for page in self._event_pages(stack):
            for event in page:
                if (
                    event["Timestamp"] < since
                    if isinstance(since, datetime)
                    else event["EventId"] == since
                ):
                    return events[::-1]
                events.append(parse_event(event))
        return events[::-1]

    def last_event(self, stack: str) -> StackEvent | None:
        """Call DescribeStackEvents for the first page."""
        return next(
            (parse_event(event) for page in self._event_pages(stack) for event in page), None
        )

    def _event_pages(self, stack: str) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Pages of events, newest first; a page is requested only when the caller needs it."""
        token: dict[str, str] = {}
        while True:
            answer = self._cfn("describe_stack_events", StackName=stack, **token)
            yield answer["StackEvents"]
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def resources(self, stack: str) -> list[StackResource]:
        """Call ListStackResources for all pages; a ValidationError that says "does not exist" gives
        none."""
        try:
            summaries = self._pages(
                "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack
            )
        except AwsError as error:
            if _is_missing(error):
                return []
            raise
        return [parse_resource(summary) for summary in summaries]

    def owner(self, physical_id: str) -> tuple[str, str] | None:
        """Call DescribeStackResources; a ValidationError that says "does not exist" gives None."""
        try:
            answer = self._cfn("describe_stack_resources", PhysicalResourceId=physical_id)
        except AwsError as error:
            if _is_missing(error):
                return None
            raise
        # It answers with all resources of the stack.
        return next(
            (
                (str(resource["StackName"]), str(resource["LogicalResourceId"]))
                for resource in answer["StackResources"]
                if _same_physical_id(resource.get("PhysicalResourceId", ""), physical_id)
                and not resource["ResourceStatus"].startswith("DELETE_")
            ),
            None,
        )

    def exports(self) -> list[str]:
        """Call ListExports for all pages."""
        return [
            str(export["Name"])
            for export in self._pages("cloudformation", "list_exports", "Exports")
        ]

    def importers(self, export: str) -> list[str]:
        """Call ListImports for all pages; AWS refuses the call for an export without importers."""
        try:
            return [
                str(name)
                for name in self._pages(
                    "cloudformation", "list_imports", "Imports", ExportName=export
                )
            ]
        except AwsError as error:
            if error.code == "ValidationError" and _UNUSED in str(error):
                return []
            raise

    def template(self, stack: str) -> str:
        """Call GetTemplate; botocore parses a JSON template, so that it is written as JSON
        again."""
        body = self._cfn("get_template", StackName=stack, TemplateStage="Original")["TemplateBody"]
        return (
            body if isinstance(body, str) else json.dumps(body, default=str)
        )  # botocore parses JSON

    def create_change_set(self, request: ChangeSetRequest) -> str:
        """Call CreateChangeSet."""
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
            "ImportExistingResources": request.import_existing,
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
        """Call DescribeChangeSet for all pages; ChangeSetNotFound gives None."""
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
                change["ResourceChange"]
                for change in answer.get("Changes") or ()
                if "ResourceChange" in change
            ]
            if not answer.get("NextToken"):
                return parse_change_set(answer, changes)
            token = {"NextToken": answer["NextToken"]}

    def change_sets(self, stack: str) -> list[tuple[str, str]]:
        """Call ListChangeSets for all pages."""
        summaries = self._pages("cloudformation", "list_change_sets", "Summaries", StackName=stack)
        return [(summary["ChangeSetId"], summary["ChangeSetName"]) for summary in summaries]

    def delete_change_set(self, change_set: str) -> None:
        """Call DeleteChangeSet; ChangeSetNotFound is no error."""
        self._find(
            "ChangeSetNotFound", "cloudformation", "delete_change_set", ChangeSetName=change_set
        )

    def execute_change_set(self, change_set: str, token: str, *, keep_failed: bool = False) -> None:
        """Call ExecuteChangeSet with RetainExceptOnCreate, or with DisableRollback."""
        # RetainExceptOnCreate and DisableRollback exclude each other.
        extra = {"DisableRollback": True} if keep_failed else {"RetainExceptOnCreate": True}
        self._cfn("execute_change_set", ChangeSetName=change_set, ClientRequestToken=token, **extra)

    def delete_stack(self, stack: str, token: str, retain: Sequence[str] = ()) -> None:
        """Call DeleteStack."""
        extra = {"RetainResources": list(retain)} if retain else {}
        self._cfn("delete_stack", StackName=stack, ClientRequestToken=token, **extra)

    def cancel_update(self, stack: str, token: str) -> None:
        """Call CancelUpdateStack."""
        self._cfn("cancel_update_stack", StackName=stack, ClientRequestToken=token)

    def continue_rollback(self, stack: str, token: str, skip: Sequence[str] = ()) -> None:
        """Call ContinueUpdateRollback."""
        extra = {"ResourcesToSkip": list(skip)} if skip else {}
        self._cfn("continue_update_rollback", StackName=stack, ClientRequestToken=token, **extra)

    def rollback(self, stack: str, token: str) -> None:
        """Call RollbackStack."""
        self._cfn("rollback_stack", StackName=stack, ClientRequestToken=token)

    def stack_policy(self, stack: str) -> str | None:
        """Call GetStackPolicy; a ValidationError that says "does not exist" gives None."""
        try:
            policy = self._cfn("get_stack_policy", StackName=stack).get("StackPolicyBody")
        except AwsError as error:
            if _is_missing(error):
                return None
            raise
        return str(policy) if policy else None

    def set_stack_policy(self, stack: str, policy: str) -> None:
        """Call SetStackPolicy."""
        self._cfn("set_stack_policy", StackName=stack, StackPolicyBody=policy)

    def set_termination_protection(self, stack: str, *, enabled: bool) -> None:
        """Call UpdateTerminationProtection."""
        self._cfn(
            "update_termination_protection", StackName=stack, EnableTerminationProtection=enabled
        )

    def validations(self, change_set: str) -> list[Validation] | None:
        """Call DescribeEvents for all pages, and take the events of early validation. Without a
        filter: a warning is no failed event."""
        arguments = {"ChangeSetName": change_set}
        try:
            events = self._pages(
                "cloudformation", "describe_events", "OperationEvents", **arguments
            )
        except AwsError as error:
            if error.problems[0].code == "SW403":
                return None
            raise
        return [
            parse_validation(event)
            for event in events
            if event.get("EventType") == "VALIDATION_ERROR"
            and event.get("ValidationStatus") != "SKIPPED"
        ]

    def detect_drift(self, stack: str) -> str:
        """Call DetectStackDrift."""
        return str(self._cfn("detect_stack_drift", StackName=stack)["StackDriftDetectionId"])

    def drift_detection(self, detection: str) -> tuple[str, str]:
        """Call DescribeStackDriftDetectionStatus."""
        answer = self._cfn("describe_stack_drift_detection_status", StackDriftDetectionId=detection)
        return answer["DetectionStatus"], answer.get("DetectionStatusReason", "")

    def drifts(self, stack: str) -> list[Drift]:
        """Call DescribeStackResourceDrifts for all pages."""
        key = "StackResourceDrifts"
        drifts = self._pages(
            "cloudformation", "describe_stack_resource_drifts", key, StackName=stack
        )
        return [parse_drift(drift) for drift in drifts]

    def _cfn(self, operation: str, **arguments: Any) -> Any:
        return self._call("cloudformation", operation, **arguments)


def _same_physical_id(one: str, other: str) -> bool:
    """Whether two physical IDs are of one resource: the host in the URL of a queue depends on the
    endpoint that answered."""
    if "://" in one and "://" in other:
        return urlsplit(one).path == urlsplit(other).path
    return one == other


def _is_missing(error: AwsError) -> bool:
    return error.code == "ValidationError" and _MISSING in str(error)
