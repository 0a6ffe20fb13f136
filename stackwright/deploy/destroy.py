"""Deletes the root stacks of an environment; resources stay where their templates retain them.

Nothing is emptied: CloudFormation does not delete a bucket that holds objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

from ..aws import PARALLEL, Aws, Stack
from ..cfn import (
    STACK_TYPE,
    Resolver,
    Resource,
    ValidationError,
    declared_keys,
    deletion_policy,
    holds_data,
)
from ..core import AwsError, DeployError, Problem, command_line
from ..plan import (
    LiveStack,
    Outcome,
    find_bucket,
    pseudo_parameters,
    read_stack,
)
from ..releases import find_orphaned_stacks, read_last_of
from .approvals import Approvals, require_typed
from .operation import Fate, Follower, attach_to_operation, follow_operation
from .runner import OperationRunner, new_token
from .user import Display

_SOLUTIONS: Sequence[tuple[str, str, str]] = (
    (
        "AWS::S3::Bucket",
        "not empty",
        "if its objects may be deleted: aws s3 rb s3://{id} --force (a versioned one: "
        "empty it in the console)",
    ),
    (
        "AWS::ECR::Repository",
        "not empty|contains images|force",
        "if its images may be deleted: aws ecr delete-repository --force --repository-name {id}",
    ),
    (
        "",
        "in use by|is imported|has a dependent object|dependency",
        "delete the resource that uses it first",
    ),
)
"""(Resource type, pattern of the reason, what to do)."""


def list_fates(live: LiveStack) -> list[Fate]:
    """What a deletion does to each resource of a root and its nested stacks: losses of data first,
    then retained resources. Raises AwsError."""
    return sorted(_fates(live, ""), key=lambda fate: (not fate.lost, not fate.kept))


def _fates(live: LiveStack, above: str) -> Iterator[Fate]:
    template = declared_keys(live.template)
    resolver = Resolver(template, live.stack.parameters, pseudo_parameters(live.stack))
    for name, resource in live.resources.items():
        if not resource.physical_id:
            continue
        type_, address = resource.type, f"{live.name}:{name}"
        declared = template.resources.get(name)
        kept = above or (_find_policy(declared, resolver, live.stack) if declared else "")
        if type_ == STACK_TYPE and name in live.nested:
            yield from _fates(live.nested[name], kept)
        else:
            holding = holds_data(type_, declared.properties if declared else {})
            yield Fate(address, type_, resource.physical_id, kept, holding)


def _find_policy(resource: Resource, resolver: Resolver, stack: Stack) -> str:
    """``Retain`` or ``Snapshot``; empty where the resource is deleted, or its policy cannot be
    resolved."""
    given = resource.deletion_policy
    try:
        policy = deletion_policy(resource, {"DeletionPolicy": resolver.resolve(given)})
    except ValidationError:
        return ""
    only_after_creation = "ExceptOnCreate" in json.dumps(given)
    if only_after_creation and stack.status.startswith("ROLLBACK"):
        return ""
    return policy if policy in ("Retain", "Snapshot") else ""


def delete_stack(
    stack: Stack,
    aws: Aws,
    root: str,
    *,
    token: str,
    follower: Follower | None = None,
    retain: Sequence[str] = (),
) -> Outcome:
    """Delete a root stack, termination protection included, and follow the deletion to its end.

    ``retain`` names resources of the root that stay, which CloudFormation accepts only after a
    deletion that failed. A deletion in progress is followed.

    Raises:
        DeployError: SW802, another operation is in progress. AwsError: AWS refuses a call; SW824,
        the deletion can no longer be followed, and continues.
    """
    if stack.status == "DELETE_IN_PROGRESS":
        return attach_to_operation(stack, aws, root, follower)
    if stack.busy:
        hint = "follow it with the verb watch, and run this again when it has ended"
        raise DeployError.of("SW802", f"{stack.name} is in {stack.status}", hint=hint)
    if stack.protected:
        aws.set_termination_protection(stack.id, enabled=False)
    last = aws.last_event(stack.id)
    aws.delete_stack(stack.id, token, retain)
    return follow_operation(stack.id, aws, root, since=last.id if last else None, follower=follower)


def order_deletions(lives: Sequence[LiveStack], aws: Aws) -> list[LiveStack]:
    """The root stacks in an order in which they can be deleted: as given, but a stack that imports
    an export before the one that exports it.

    Without permission for ListImports the order stays as given. Raises DeployError: SW828, another
    stack imports an export; AwsError.
    """
    owners = {stack.stack.name: root.name for root in lives for stack in root.walk()}
    users: dict[str, set[str]] = {root.name: set() for root in lives}
    problems: list[Problem] = []
    for root, stack, export, importer in _imports(lives, aws):
        if importer in owners:
            users[root].add(owners[importer])
        else:
            message = f"{stack} exports {export}, which {importer} imports: it cannot be deleted"
            hint = f"remove the import from {importer} first; nothing was deleted"
            problems.append(Problem("SW828", message, (), hint))
    if problems:
        raise DeployError(problems)
    remaining, ordered = list(lives), list[LiveStack]()
    while remaining:
        names = {root.name for root in remaining}
        unused = (root for root in remaining if not users[root.name] & (names - {root.name}))
        deletable = next(unused, remaining[0])
        remaining.remove(deletable)
        ordered.append(deletable)
    return ordered


def _imports(lives: Sequence[LiveStack], aws: Aws) -> Iterator[tuple[str, str, str, str]]:
    """(Root, stack, export, importing stack); none without permission for ListImports."""
    exports = [
        (root.name, live.stack.name, name)
        for root in lives
        for live in root.walk()
        for name in live.stack.exports
    ]
    try:
        with ThreadPoolExecutor(PARALLEL) as pool:
            importers = list(pool.map(aws.importers, (name for _, _, name in exports)))
    except AwsError as error:
        if error.problems[0].code == "SW403":
            return
        raise
    for export, stacks in zip(exports, importers, strict=True):
        yield from ((*export, stack) for stack in stacks)


def explain_failed_deletion(outcome: Outcome) -> str:
    """What to do about a deletion that failed; empty where only its reason is known."""
    cause = outcome.cause
    if cause is None:
        return ""
    name = cause.address.rpartition(":")[2]
    ids = (event.physical_id for event in outcome.events if event.logical_id == name)
    physical_id = next(filter(None, ids), "")
    for type_, pattern, solution in _SOLUTIONS:
        if type_ in ("", cause.type) and re.search(pattern, cause.reason, re.IGNORECASE):
            return solution.format(id=physical_id)
    return ""


def delete_review_stack(stack: Stack, aws: Aws) -> None:
    """Delete a stack that holds change sets only (REVIEW_IN_PROGRESS). Raises AwsError."""
    for change_set, _ in aws.change_sets(stack.id):
        aws.delete_change_set(change_set)
    live = aws.stack(stack.id)
    if live is None or live.status == "DELETE_COMPLETE":
        return
    if live.status != "REVIEW_IN_PROGRESS":
        message = f"{stack.name} has changed to {live.status}"
        raise AwsError.of("SW802", message, hint="run the command again")
    aws.delete_stack(stack.id, f"discard-{stack.id.rpartition('/')[2]}")


# --- with the user


def destroy_environment(runner: OperationRunner, approvals: Approvals) -> bool:
    """Show what is lost and what stays, have the environment's name typed, and delete its root
    stacks in reverse order, orphaned ones too. Whether all are deleted.

    Raises DeployError: SW827, it is not approved; SW828, another stack imports something.
    """
    environment, user = runner.environment, runner.user
    stacks = environment.list_stacks()[::-1]
    orphans = _find_orphans(runner, [stack for _, stack in stacks])
    if not stacks and not orphans:
        user.say(f"{environment.name} has no stacks")
        return True
    ordered = _in_order(runner, [*orphans, *stacks])
    former = {root for root, _ in orphans}
    for root, stack, live in ordered:
        note = f"  (no longer a root stack of {environment.name})" if root in former else ""
        show_deletion(user, stack, live, note)
    where = f"account {environment.aws.caller().account}, {environment.config.region}"
    action, option = f"destroy {environment.name} ({where})", f"--yes-destroy {environment.name}"
    require_typed(environment.name, action, approvals, user, option)
    if not all(destroy_root(runner, root, stack).ok for root, stack, _ in ordered):
        return False
    user.say(f"{environment.name} is destroyed")
    return True


def _find_orphans(runner: OperationRunner, stacks: Sequence[Stack]) -> list[tuple[str, Stack]]:
    environment, last = runner.environment, None
    if bucket := find_bucket(environment.config, stacks):
        with suppress(AwsError):  # the tags of the stacks tell most of it
            last = read_last_of(environment, bucket, environment.aws.caller().account)
    releases = (last,) if last else ()
    return list(find_orphaned_stacks(environment, releases, everywhere=True).items())


def _in_order(
    runner: OperationRunner, stacks: Sequence[tuple[str, Stack]]
) -> list[tuple[str, Stack, LiveStack | None]]:
    """(Root name, stack, its contents) in an order in which they can be deleted. Raises DeployError
    (SW828), AwsError."""
    aws = runner.environment.aws
    read = [(root, stack, read_stack(stack.id, aws, root)) for root, stack in stacks]
    ordered = order_deletions([live for _, _, live in read if live], aws)
    places = {live.stack.id: place for place, live in enumerate(ordered)}
    return sorted(read, key=lambda entry: places.get(entry[1].id, -1))


def show_deletion(display: Display, stack: Stack, live: LiveStack | None, note: str = "") -> None:
    """Show a stack that is going to be deleted, with what happens to its resources."""
    display.show_deletion(stack, list_fates(live) if live else [], note)


def destroy_root(
    runner: OperationRunner, root: str, stack: Stack, retain: Sequence[str] = ()
) -> Outcome:
    """Delete a root stack and follow that to its end; where it fails, tell what to do. ``retain``
    names resources that stay."""
    if stack.status == "REVIEW_IN_PROGRESS":
        return discard_root(runner, root, stack)
    aws = runner.environment.aws
    outcome = runner.follow(
        root,
        stack.name,
        lambda follower: delete_stack(
            stack, aws, root, token=new_token("destroy"), follower=follower, retain=retain
        ),
    )
    if not outcome.ok:
        again = "then run this command again"
        if (
            outcome.status == "DELETE_FAILED"
        ):  # only then does CloudFormation accept RetainResources
            again += f", or retain it: {_retain_command(runner, root, stack)} LOGICAL_ID"
        explanation = explain_failed_deletion(outcome)
        runner.user.say(f"{explanation}\n{again}" if explanation else again)
    return outcome


def discard_root(runner: OperationRunner, root: str, stack: Stack) -> Outcome:
    """Delete a stack that holds change sets only. Raises AwsError."""
    delete_review_stack(stack, runner.environment.aws)
    runner.user.say(f"{stack.name} is discarded")
    now = datetime.now(UTC)
    return Outcome(root, stack.name, "DELETE_COMPLETE", True, now, now)


def _retain_command(runner: OperationRunner, root: str, stack: Stack) -> str:
    """The command that deletes a stack without a resource; `repair` knows only the root stacks that
    the parameters have."""
    if root in runner.environment.roots:
        return command_line(f"repair --env {runner.environment.name} --retain")
    return f"aws cloudformation delete-stack --stack-name {stack.name} --retain-resources"
