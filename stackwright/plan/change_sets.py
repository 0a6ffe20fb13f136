"""Making a change set with those of its nested stacks, waiting for it, and reading all of it.

CloudFormation answers three ways: there are changes, there are none (a change set that FAILED with
one of several sentences), or it refuses; the reason is then often in the change set of a nested
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

from ..aws import PARALLEL, ChangeSet, ChangeSetRequest, Polling, Stacks
from ..core import AwsError, Problem

NOTHING = re.compile(
    r"didn't contain changes|No updates are to be performed|There are no changes to", re.IGNORECASE
)
"""What CloudFormation says where there is nothing to change; the first of change sets, the second
where it compared templates only (https://github.com/ansible-collections/amazon.aws/pull/507)."""

_NESTED = re.compile(r"Nested change set (arn:[^\s]+) was not successfully created")
_CANNOT_LOOK_INSIDE = re.compile(
    r"Fn::Select\s+cannot select nonexistent value|Fn::Select requires|ChangeSet limit exceeded",
    re.IGNORECASE,
)
"""Failures of nested change sets that the execution does not share: values that only exist then
(https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/759), and old failed
change sets of nested stacks that pile up and cannot be deleted
(https://github.com/aws/copilot-cli/issues/5614)."""

_UNFINISHED = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
_Api = Mapping[str, Any]


class DescribedChangeSet(Struct, frozen=True):
    """A change set as it was read. ``changes`` are ``ResourceChange`` objects by logical ID,
    ``nested`` the change sets of nested stacks by the logical ID of the stack."""

    id: str
    stack_id: str
    changes: Mapping[str, _Api] = {}
    nested: Mapping[str, DescribedChangeSet] = {}


class CreatedChangeSet(Struct, frozen=True):
    """A change set that is there: ``empty`` where CloudFormation found nothing to change, ``blind``
    is the reason why it does not look into nested stacks, if it does not."""

    id: str
    stack_id: str
    empty: bool = False
    blind: str = ""


def create_change_set(
    request: ChangeSetRequest,
    aws: Stacks,
    expected: Callable[[], bool],
    progress: Callable[[str], None] | None = None,
) -> CreatedChangeSet:
    """Create a change set and wait for its end; a second one without nested stacks where only those
    cannot be read.

    ``expected`` tells whether changes are predicted: it is asked where a nested stack without
    changes failed all. Raises AwsError: SW803 CloudFormation refuses it (nothing is left behind),
    SW804 somebody deleted it meanwhile.
    """
    try:
        id_ = _created(request, aws)
    except AwsError:
        raise
    except BaseException:
        with suppress(AwsError):  # it may have been made all the same
            for arn, name in aws.change_sets(request.stack):
                if name.startswith(f"{request.name}-"):
                    delete_change_set(arn, aws)
        raise
    try:
        made = _finished(id_, aws, progress)
        if made.status == "CREATE_COMPLETE":
            return CreatedChangeSet(made.id, made.stack_id)
        cause = _cause(made, aws)
        inside, nothing = cause.id != made.id, bool(NOTHING.search(cause.reason))
        if nothing and not (inside and expected()):
            return CreatedChangeSet(made.id, made.stack_id, empty=True)
        invalid = [] if nothing else aws.validation_errors(cause.id)
    except BaseException:
        with suppress(AwsError):  # what happened first is told
            delete_change_set(id_, aws)
        raise
    delete_change_set(id_, aws)
    if inside and (nothing or _CANNOT_LOOK_INSIDE.search(cause.reason)):
        again = replace(
            request, nested=False, token=f"{request.token}-flat", name=f"{request.name}-flat"
        )
        return replace(create_change_set(again, aws, expected, progress), blind=cause.reason)
    raise _refused(made, cause, invalid)


def delete_change_set(id_: str, aws: Stacks, deadline: float = 300.0) -> bool:
    """Delete a change set with those of its nested stacks; False for one that is executed, which
    stays.

    CloudFormation deletes none that is still being created (InvalidChangeSetStatus), so its end is
    waited for, at most ``deadline`` seconds. Raises AwsError. Source:
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
        found = aws.change_set(id_, values=False)
        if found is None or found.status not in _UNFINISHED:
            return found is None
    raise refused or AssertionError("polling asks at least once")


def wait_until_deleted(id_: str, aws: Stacks, deadline: float = 60.0) -> bool:
    """Wait until a deleted change set is gone with those of its nested stacks; False where that
    takes too long.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteChangeSet.html
    """
    return any(aws.change_set(id_, values=False) is None for _ in Polling(deadline=deadline))


def _created(request: ChangeSetRequest, aws: Stacks) -> str:
    """The ARN; the next number is taken where one of the same name is there."""
    stem, number = request.name, 1
    while True:
        try:
            return aws.create_change_set(replace(request, name=f"{stem}-{number}"))
        except AwsError as error:
            if error.code != "AlreadyExistsException":
                raise
            number += 1


def client_token() -> str:
    """A ClientToken: a call that is repeated because its answer was lost gives the first one's
    change set."""
    return uuid.uuid4().hex


def _finished(id_: str, aws: Stacks, progress: Callable[[str], None] | None = None) -> ChangeSet:
    for elapsed in Polling(longest=2.0):
        found = aws.change_set(id_, values=False)
        if found is None:
            message = f"the change set {_name(id_)} was deleted while it was being created"
            raise AwsError.of(
                "SW804", message, hint="see who else works on the stack, then run it again"
            )
        if found.status not in _UNFINISHED:
            return found
        if progress:
            progress(f"{found.status}, {elapsed:.0f} s")
    raise AssertionError("polling without a deadline does not end")


def _cause(made: ChangeSet, aws: Stacks) -> ChangeSet:
    """The change set that failed of itself: the nested one that the reason names, and so on."""
    while match := _NESTED.search(made.reason):
        inner = _finished(match[1], aws)
        if not inner.reason:
            break
        made = inner
    return made


def _refused(made: ChangeSet, cause: ChangeSet, invalid: list[str] | None) -> AwsError:
    """``invalid`` is what early validation says of single resources; None where nobody may read
    it."""
    which = f" (in the nested stack {cause.stack_name})" if cause.id != made.id else ""
    said = cause.reason.strip().rstrip(".") or f"no reason, status {cause.status}"
    hint = "nothing was changed; correct the templates or parameters, then run it again"
    if invalid is None and "EarlyValidation" in cause.reason:
        hint += "; the permission cloudformation:DescribeEvents would show which resource it is"
    message = f"CloudFormation refuses the change to {made.stack_name}{which}: {said}"
    problems = [
        Problem("SW803", message, hint=hint),
        *(Problem("SW803", each) for each in invalid or ()),
    ]
    return AwsError(problems)


def _name(arn: str) -> str:
    """``arn:aws:cloudformation:…:changeSet/<name>/<id>``."""
    return arn.split("/")[1] if arn.count("/") >= 2 else arn


def describe_change_set(id_: str, aws: Stacks) -> DescribedChangeSet:
    """All of a change set: with and without property values, every page, nested ones too, side by
    side.

    With values whole resources may be left out (https://github.com/aws/aws-cdk-cli/issues/1780), so
    both are read. Raises AwsError.
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        found: dict[str, tuple[ChangeSet, dict[str, _Api]]] = {}
        level = [id_]
        while level:
            bare = pool.map(lambda each: aws.change_set(each, values=False), level)
            full = pool.map(lambda each: aws.change_set(each, values=True), level)
            merged = [_merged(a, b) for a, b in zip(bare, full, strict=True)]
            found |= {key: each for key, each in zip(level, merged, strict=True) if each}
            changes = [change for each in merged if each for change in each[1].values()]
            level = [change["ChangeSetId"] for change in changes if change.get("ChangeSetId")]
    if id_ not in found:
        raise AwsError.of("SW804", f"the change set {_name(id_)} was deleted", hint="run it again")
    return _tree(id_, found)


def _tree(id_: str, found: Mapping[str, tuple[ChangeSet, dict[str, _Api]]]) -> DescribedChangeSet:
    change_set, changes = found[id_]
    inner = {
        name: change["ChangeSetId"] for name, change in changes.items() if change.get("ChangeSetId")
    }
    nested = {name: _tree(each, found) for name, each in inner.items() if each in found}
    return DescribedChangeSet(id_, change_set.stack_id, changes, nested)


def _merged(
    bare: ChangeSet | None, full: ChangeSet | None
) -> tuple[ChangeSet, dict[str, _Api]] | None:
    """Every resource of both, with the details of both; None where it is gone."""
    if bare is None:
        return None
    sides = [
        {each["LogicalResourceId"]: each for each in side.changes} for side in (bare, full) if side
    ]
    names = dict.fromkeys(name for side in sides for name in side)
    return bare, {name: _one([side[name] for side in sides if name in side]) for name in names}


def _one(sides: Sequence[_Api]) -> _Api:
    """The last (with values), and details that only the other has."""
    details = list(sides[-1].get("Details") or ())
    known = {_target(detail) for detail in details}
    for side in sides[:-1]:
        details += [each for each in side.get("Details") or () if _target(each) not in known]
    return {**sides[0], **sides[-1], "Details": details}


def _target(detail: _Api) -> tuple[str, str]:
    target = detail.get("Target") or {}
    return str(target.get("Attribute", "")), str(target.get("Name", ""))
