"""Create a change set with those of its nested stacks, wait for it, and read all of it.

CloudFormation answers in three ways: there are changes; there are none (a change set that FAILED
with one of several sentences); or it refuses, often with the reason in the change set of a nested
stack.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..aws import PARALLEL, ChangeSet, ChangeSetRequest, Polling, Stacks, Validation
from ..core import AwsError, Level, Location, Problem

NOTHING = re.compile(
    r"didn't contain changes|No updates are to be performed|There are no changes to", re.IGNORECASE
)
"""CloudFormation's reasons where nothing changes; the second is given where it compared templates
only (https://github.com/ansible-collections/amazon.aws/pull/507)."""

_NESTED = re.compile(r"Nested change set (arn:[^\s]+) was not successfully created")
_CANNOT_LOOK_INSIDE = re.compile(
    r"Fn::Select\s+cannot select nonexistent value|Fn::Select requires|ChangeSet limit exceeded",
    re.IGNORECASE,
)
"""Failures of nested change sets that the execution does not have: values that exist only then
(https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/759), and old failed
change sets of nested stacks that pile up and cannot be deleted
(https://github.com/aws/copilot-cli/issues/5614)."""

_UNFINISHED = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
_Api = Mapping[str, Any]
LocateFinding = Callable[[str, Validation], Location | None]
"""Returns the template line of a finding, by the name of its stack in CloudFormation."""


class DescribedChangeSet(Struct, frozen=True):
    """A change set with all its changes.

    ``changes`` are ``ResourceChange`` objects by logical ID,
    ``nested`` the change sets of nested stacks by the logical ID of the stack."""

    id: str
    stack_id: str
    changes: Mapping[str, _Api] = {}
    nested: Mapping[str, DescribedChangeSet] = {}


class CreatedChangeSet(Struct, frozen=True):
    """A change set that exists in CloudFormation.

    ``empty`` says that CloudFormation found nothing to change; ``blind`` is the reason why it does
    not look into nested stacks, empty where it does. ``warnings`` are of its early validation.
    """

    id: str
    stack_id: str
    empty: bool = False
    blind: str = ""
    warnings: tuple[Validation, ...] = ()


def create_change_set(
    request: ChangeSetRequest,
    aws: Stacks,
    expected: Callable[[], bool],
    progress: Callable[[str], None] | None = None,
    locate: LocateFinding | None = None,
) -> CreatedChangeSet:
    """Create a change set and wait until it is complete.

    Where only the change sets of nested stacks fail, a second one is created without them.
    ``expected`` returns whether changes are predicted: a nested stack without changes fails the
    whole change set although others may change. ``progress`` gets the status once a poll;
    ``locate`` gives the template line of a finding of early validation. An error leaves nothing
    behind.

    Raises:
        AwsError: SW803 CloudFormation refuses the change; SW804 somebody deleted the change set.
    """
    try:
        id_ = _create_numbered(request, aws)
    except AwsError:
        raise
    except BaseException:
        with suppress(AwsError):  # it may have been created although no answer came
            for arn, name in aws.change_sets(request.stack):
                if name.startswith(f"{request.name}-"):
                    delete_change_set(arn, aws)
        raise
    try:
        made = _wait_until_finished(id_, aws, progress)
        if made.status == "CREATE_COMPLETE":
            warnings = tuple(aws.validations(made.id) or ())
            return CreatedChangeSet(made.id, made.stack_id, warnings=warnings)
        cause = _find_cause(made, aws)
        inside, nothing = cause.id != made.id, bool(NOTHING.search(cause.reason))
        if nothing and not (inside and expected()):
            return CreatedChangeSet(made.id, made.stack_id, empty=True)
        invalid = [] if nothing else aws.validations(cause.id)
    except BaseException:
        with suppress(AwsError):  # the first error is reported
            delete_change_set(id_, aws)
        raise
    delete_change_set(id_, aws)
    if inside and (nothing or _CANNOT_LOOK_INSIDE.search(cause.reason)):
        again = replace(
            request, nested=False, token=f"{request.token}-flat", name=f"{request.name}-flat"
        )
        flat = create_change_set(again, aws, expected, progress, locate)
        return replace(flat, blind=cause.reason)
    raise _describe_refusal(made, cause, invalid, locate)


def delete_change_set(id_: str, aws: Stacks, deadline: float = 300.0) -> bool:
    """Delete a change set with those of its nested stacks; returns False for one that is being
    executed, which stays.

    CloudFormation deletes no change set that is still being created (InvalidChangeSetStatus), so
    this waits for its end, at most ``deadline`` seconds. Raises AwsError. Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteChangeSet.html
    """
    refused: AwsError | None = None
    for _ in Polling(longest=2.0, deadline=deadline):
        try:
            aws.delete_change_set(id_)
        except AwsError as error:
            if error.code != "InvalidChangeSetStatus":
                raise
            refused = error
        else:
            return True
        change_set = aws.change_set(id_, values=False)
        if change_set is None or change_set.status not in _UNFINISHED:
            return change_set is None
    raise refused or AssertionError("polling asks at least once")


def wait_until_deleted(id_: str, aws: Stacks, deadline: float = 60.0) -> bool:
    """Wait until a deleted change set is gone with those of its nested stacks; returns False after
    ``deadline`` seconds.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteChangeSet.html
    """
    return any(aws.change_set(id_, values=False) is None for _ in Polling(deadline=deadline))


def _create_numbered(request: ChangeSetRequest, aws: Stacks) -> str:
    """Create a change set with the first number that is free in its name; returns its ARN."""
    stem, number = request.name, 1
    while True:
        try:
            return aws.create_change_set(replace(request, name=f"{stem}-{number}"))
        except AwsError as error:
            if error.code != "AlreadyExistsException":
                raise
            number += 1


def client_token() -> str:
    """Return a new ClientToken: a call that is repeated with it after a lost answer returns the
    change set of the first call."""
    return uuid.uuid4().hex


def _wait_until_finished(
    id_: str, aws: Stacks, progress: Callable[[str], None] | None = None
) -> ChangeSet:
    for elapsed in Polling(longest=2.0):
        change_set = aws.change_set(id_, values=False)
        if change_set is None:
            message = f"the change set {_name(id_)} was deleted while it was being created"
            raise AwsError.of(
                "SW804", message, hint="find out who else works on the stack, then run this again"
            )
        if change_set.status not in _UNFINISHED:
            return change_set
        if progress:
            progress(f"{change_set.status}, {elapsed:.0f} s")
    raise AssertionError("polling without a deadline does not end")


def _find_cause(made: ChangeSet, aws: Stacks) -> ChangeSet:
    """Follow the reasons of failed change sets down to the nested one that failed first."""
    while match := _NESTED.search(made.reason):
        inner = _wait_until_finished(match[1], aws)
        if not inner.reason:
            break
        made = inner
    return made


def _describe_refusal(
    made: ChangeSet,
    cause: ChangeSet,
    invalid: Sequence[Validation] | None,
    locate: LocateFinding | None,
) -> AwsError:
    """Return the error of a refused change set. ``invalid`` holds the findings of early validation
    for single resources; None where they may not be read."""
    place = f" (in the nested stack {cause.stack_name})" if cause.id != made.id else ""
    reason = cause.reason.strip().rstrip(".") or f"no reason, status {cause.status}"
    hint = "nothing was changed; correct the templates or parameters, then run it again"
    if invalid is None and "EarlyValidation" in cause.reason:
        hint += "; the permission cloudformation:DescribeEvents would show which resource it is"
    message = f"CloudFormation refuses the change to {made.stack_name}{place}: {reason}"
    problems = [
        Problem("SW803", message, hint=hint),
        *(_describe_finding(finding, cause.stack_name, locate) for finding in invalid or ()),
    ]
    return AwsError(problems)


def _describe_finding(
    finding: Validation, stack_name: str, locate: LocateFinding | None
) -> Problem:
    where = locate(stack_name, finding) if locate else None
    level = Level.WARNING if finding.warning else Level.ERROR
    return Problem("SW803", str(finding), (where,) if where else (), level=level)


def _name(arn: str) -> str:
    """Return the name in ``arn:aws:cloudformation:…:changeSet/<name>/<id>``."""
    return arn.split("/")[1] if arn.count("/") >= 2 else arn


def describe_change_set(id_: str, aws: Stacks) -> DescribedChangeSet:
    """Return a change set with all its pages and those of its nested stacks, read in parallel.

    It is read with and without property values, because whole resources may be missing where values
    are asked for (https://github.com/aws/aws-cdk-cli/issues/1780).

    Raises:
        AwsError: SW804 somebody deleted the change set.
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        read: dict[str, tuple[ChangeSet, dict[str, _Api]]] = {}
        level = [id_]
        while level:
            bare = pool.map(lambda arn: aws.change_set(arn, values=False), level)
            full = pool.map(lambda arn: aws.change_set(arn, values=True), level)
            merged = [_merge(*sides) for sides in zip(bare, full, strict=True)]
            read |= {arn: side for arn, side in zip(level, merged, strict=True) if side}
            changes = [change for side in merged if side for change in side[1].values()]
            level = [change["ChangeSetId"] for change in changes if change.get("ChangeSetId")]
    if id_ not in read:
        raise AwsError.of(
            "SW804", f"the change set {_name(id_)} was deleted", hint="run this again"
        )
    return _build_tree(id_, read)


def _build_tree(
    id_: str, read: Mapping[str, tuple[ChangeSet, dict[str, _Api]]]
) -> DescribedChangeSet:
    change_set, changes = read[id_]
    inner = {
        name: change["ChangeSetId"] for name, change in changes.items() if change.get("ChangeSetId")
    }
    nested = {name: _build_tree(arn, read) for name, arn in inner.items() if arn in read}
    return DescribedChangeSet(id_, change_set.stack_id, changes, nested)


def _merge(
    bare: ChangeSet | None, full: ChangeSet | None
) -> tuple[ChangeSet, dict[str, _Api]] | None:
    """Return the resources and details of both answers; None where the change set is gone."""
    if bare is None:
        return None
    sides = [
        {change["LogicalResourceId"]: change for change in side.changes}
        for side in (bare, full)
        if side
    ]
    names = dict.fromkeys(name for side in sides for name in side)
    return bare, {
        name: _merge_resource([side[name] for side in sides if name in side]) for name in names
    }


def _merge_resource(sides: Sequence[_Api]) -> _Api:
    """Return the last answer (with values), and the details that only the other has."""
    details = list(sides[-1].get("Details") or ())
    known = {_target(detail) for detail in details}
    for side in sides[:-1]:
        details += [detail for detail in side.get("Details") or () if _target(detail) not in known]
    return {**sides[0], **sides[-1], "Details": details}


def _target(detail: _Api) -> tuple[str, str]:
    target = detail.get("Target") or {}
    return str(target.get("Attribute", "")), str(target.get("Name", ""))
