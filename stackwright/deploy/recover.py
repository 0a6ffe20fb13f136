"""Recovers root stacks that no deployment can change, and follows operations in progress."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from ..aws import Aws, Stack
from ..cfn import STACK_TYPE, Recovery, stack_status
from ..core import DeployError, command_line
from ..plan import Environment, LiveStack, Outcome, read_stack
from ..releases import read_last_of
from .approvals import Approvals, require_typed, require_yes
from .destroy import destroy_root, discard_root, show_deletion
from .operation import Follower, follow_operation
from .runner import OperationRunner, new_token, watch_command
from .user import User


class FailedResource(Struct, frozen=True):
    """A resource that failed: its address, type and reason, and its name in a ``call``."""

    address: str
    type: str
    reason: str
    call: str


class StuckStack(Struct, frozen=True):
    """A root stack, how to recover it, why, and the resources that failed."""

    root: str
    stack: Stack
    recovery: Recovery
    explanation: str
    failed: tuple[FailedResource, ...] = ()


_READS_FAILURES = (Recovery.CONTINUE, Recovery.DELETE_AGAIN, Recovery.SUPPORT)


def find_recovery(root: str, stack: Stack, aws: Aws) -> StuckStack:
    """How to recover a root stack, and what failed in it. Raises AwsError."""
    status = stack_status(stack.status)
    live = read_stack(stack.id, aws, root) if status.recovery in _READS_FAILURES else None
    failed = tuple(_failed(live)) if live else ()
    return StuckStack(root, stack, status.recovery, status.explanation, failed)


def _failed(live: LiveStack) -> Sequence[FailedResource]:
    """Resources that failed, without nested stacks that only contain them.

    A call names a resource of a nested stack as ``NestedStackName.LogicalId``. Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html
    """
    failed: list[FailedResource] = []
    for stack in live.walk():
        prefix = f"{stack.stack.name}." if stack is not live else ""
        failed += [
            FailedResource(
                f"{stack.name}:{name}", resource.type, resource.reason, f"{prefix}{name}"
            )
            for name, resource in stack.resources.items()
            if resource.status.endswith("_FAILED")
            and not (resource.type == STACK_TYPE and name in stack.nested)
        ]
    return failed


def continue_rollback(
    state: StuckStack,
    aws: Aws,
    *,
    token: str,
    skip: Sequence[str] = (),
    follower: Follower | None = None,
) -> Outcome:
    """Continue a failed rollback, or roll a failed update back, and follow that to its end.

    ``skip`` names resources that stay as they are, by address (``app/web:Service``), by logical ID,
    or as the call names them. Raises AwsError.
    """
    names = {resource.address: resource.call for resource in state.failed}
    names |= {resource.address.rpartition(":")[2]: resource.call for resource in state.failed}
    last = aws.last_event(state.stack.id)
    if state.recovery is Recovery.ROLL_BACK:
        aws.rollback(state.stack.id, token)
    else:
        aws.continue_rollback(state.stack.id, token, [names.get(name, name) for name in skip])
    return follow_operation(
        state.stack.id, aws, state.root, since=last.id if last else None, follower=follower
    )


# --- with the user


def recover_root(
    runner: OperationRunner,
    root: str,
    stack: Stack,
    approvals: Approvals,
    *,
    skip: Sequence[str] = (),
    retain: Sequence[str] = (),
) -> Outcome | None:
    """Bring a root stack into a state that can be deployed to, once that is approved; None where
    it is in one.

    ``skip`` names resources that a continued rollback leaves as they are, ``retain`` resources that
    a deletion leaves. Raises DeployError: SW827, it is not approved.
    """
    aws, user = runner.environment.aws, runner.user
    state = find_recovery(root, stack, aws)
    if state.recovery is Recovery.NOTHING:
        return None
    if state.recovery is Recovery.WATCH:
        user.say(describe_operation(runner.environment, stack))
        return runner.attach(root, stack)
    user.say(f"{stack.name} is in {stack.status}: {state.explanation}")
    for resource in state.failed:
        user.say(f"  {resource.address} ({resource.type}): {resource.reason}")
    if state.recovery is Recovery.SUPPORT and approvals.delete is None:
        hint = f"if the stack may go, delete it: --yes-delete {stack.name}"
        raise DeployError.of("SW801", f"{stack.name} is not repaired", hint=hint)
    if state.recovery in (Recovery.DELETE, Recovery.DELETE_AGAIN, Recovery.SUPPORT):
        show_deletion(user, stack, read_stack(stack.id, aws, root))
        action, option = f"delete {stack.name}", f"--yes-delete {stack.name}"
        require_typed(stack.name, action, approvals, user, option)
        return destroy_root(runner, root, stack, retain)
    if state.recovery is Recovery.DISCARD:
        require_yes(f"Discard {stack.name}?", approvals, user, "--yes")
        return discard_root(runner, root, stack)
    option = "--yes; what cannot be rolled back: --skip ADDRESS"
    require_yes(f"Continue the rollback of {stack.name}?", approvals, user, option)
    return runner.follow(
        root,
        stack.name,
        lambda follower: continue_rollback(
            state, aws, token=new_token("repair"), skip=skip, follower=follower
        ),
    )


def recover_before_deployment(runner: OperationRunner) -> None:
    """Resume functions that a killed deployment left paused, and where the user can be asked offer
    to recover stuck stacks.

    Elsewhere the plan of the stack fails, and names the command. Raises DeployError: SW827, it is
    not approved; AwsError.
    """
    runner.resume_paused()
    user, aws = runner.user, runner.environment.aws
    if not user.interactive:
        return
    for root, stack in runner.environment.list_stacks():
        recovery = find_recovery(root, stack, aws).recovery
        if recovery in (Recovery.NOTHING, Recovery.DISCARD, Recovery.SUPPORT):
            continue  # a plan takes a stack under review, and refuses one that only AWS can restore
        if recovery is Recovery.WATCH:
            user.say(describe_operation(runner.environment, stack))
            require_yes("Follow it to its end, then deploy?", Approvals(), user, "")
            runner.attach(root, stack)
            continue
        recover_root(runner, root, stack, Approvals())


def describe_operation(environment: Environment, stack: Stack) -> str:
    """``news-dev-app is being updated for 12 s (release 4, by ada)``; without a release record, the
    description of the change set that is executed. Raises AwsError."""
    aws = environment.aws
    bucket = environment.find_bucket(environment.read_roots().values())
    last = read_last_of(environment, bucket, environment.caller.account) if bucket else None
    owner = ""
    if last and last.result is None and any(root.stack == stack.name for root in last.roots):
        owner = f" (release {last.number}, by {last.by.partition('/')[2] or last.by})"
    elif stack.change_set and (running := aws.change_set(stack.change_set, values=False)):
        owner = f" ({running.description})" if running.description else ""
    began = stack.updated or stack.created
    seconds = (datetime.now(UTC) - began).total_seconds() if began else 0
    duration = f" for {_format_duration(seconds)}" if seconds >= 1 else ""
    return f"{stack.name} {stack_status(stack.status).activity}{duration}{owner}"


def _format_duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def watch_operations(runner: OperationRunner, root: str | None = None) -> bool:
    """Follow the operations in progress on the root stacks, whoever began them. Whether none
    failed. Raises DeployError: SW826, there are no stacks."""
    environment, user = runner.environment, runner.user
    stacks = environment.list_stacks(root)
    deploy = command_line(f"deploy --env {environment.name}")
    if not stacks:
        raise DeployError.of("SW826", f"{environment.name} has no stacks yet", hint=deploy)
    busy = [(name, stack) for name, stack in stacks if stack.busy]
    failed = False
    for name, stack in busy:
        failed = not runner.attach(name, stack).ok or failed
    runner.resume_paused([name for name, _ in stacks])
    if not busy:
        for _, stack in stacks:
            since = stack.updated or stack.created
            at = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""
            user.say(f"{stack.name}: {stack.status}{at}")
        user.say("no operation is in progress")
    elif not failed:
        user.say(f"to verify and record it: {deploy}")
    return not failed


def repair_stacks(
    runner: OperationRunner,
    approvals: Approvals,
    root: str | None = None,
    *,
    skip: Sequence[str] = (),
    retain: Sequence[str] = (),
) -> bool:
    """Recover every root stack that is stuck, or the one named ``root``. Whether each of them is
    recovered. Raises DeployError: SW827, it is not approved."""
    outcomes = [
        recover_root(runner, name, stack, approvals, skip=skip, retain=retain)
        for name, stack in runner.environment.list_stacks(root)
    ]
    if not any(outcomes):
        runner.user.say("nothing to repair")
    return all(outcome is None or outcome.ok for outcome in outcomes)


def cancel_update(stack: str, environment: Environment, user: User) -> None:
    """Cancel the update of a stack, if the user confirms it; nothing else can be cancelled.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CancelUpdateStack.html
    """
    existing = environment.aws.stack(stack)
    if existing is None or existing.status != "UPDATE_IN_PROGRESS":
        status = existing.status if existing else "no longer there"
        user.say(
            f"\n{stack} is {status}: only an update in progress can be cancelled. To give "
            "up a first"
            " creation, and delete what it has made so far: aws cloudformation delete-stack"
            f" --stack-name {stack}"
        )
    elif user.confirm(f"\nCancel the update of {stack} and roll it back?"):
        environment.aws.cancel_update(existing.id, new_token("cancel"))
        watch = watch_command(environment.name)
        user.say(f"the update is cancelled and is being rolled back; follow that: {watch}")
