"""The verbs for stacks that are deployed: watch, events, repair, destroy."""

from __future__ import annotations

import signal
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from ..core import (
    AwsError,
    Config,
    DeployError,
    InputError,
    Location,
    Rendering,
    StackwrightError,
    command_line,
)
from ..plan import Outcome
from .options import Options, connect_aws, console, for_environment, load_config, make_rendering

if TYPE_CHECKING:
    from ..aws import Aws, Stack
    from ..deploy import Follower, StuckStack
    from ..plan import LiveStack

_AGAIN = 5.0
"""Seconds in which a second Ctrl-C asks whether to cancel."""

_ROOT = click.option("--root", metavar="STACK", help="Only this root stack, as stacks: calls it.")


def say(text: str) -> None:
    """One line on stderr."""
    click.echo(text, err=True)


@dataclass(frozen=True, slots=True)
class Deployed:
    """The stacks of an environment. ``rendering`` is None where the inputs do not render now: what
    is deployed can be looked after all the same, only without lines of templates."""

    config: Config
    aws: Aws
    rendering: Rendering | None = field(repr=False)

    def found(self, root: str | None = None) -> list[tuple[str, Stack]]:
        """Root stacks that are there, in order, with their names in ``stacks:``. Raises InputError,
        AwsError."""
        from ..plan import require_own

        names = [each.name for each in self.config.stacks]
        if root is not None and root not in names:
            hint = f"one of: {', '.join(names)}"
            raise InputError.of(
                "SW032", f"{self.config.environment} has no root stack {root}", hint=hint
            )
        wanted = [root] if root else names
        pairs = ((name, self.aws.stack(f"{self.config.prefix}-{name}")) for name in wanted)
        found = [(name, stack) for name, stack in pairs if stack]
        for _, stack in found:
            require_own(self.config, stack)
        return found

    def left(self, found: Collection[Stack]) -> list[tuple[str, Stack]]:
        """Root stacks that are there and no part of the environment any more, with what ``stacks:``
        called them; ``found`` are those that are. Raises AwsError."""
        from ..plan import find_bucket
        from ..releases import find_orphans, read_last_release

        config, last = self.config, None
        if place := find_bucket(config, found):
            with suppress(AwsError):  # the stacks themselves tell most of it
                last = read_last_release(
                    config.environment, place, self.aws.caller().account, self.aws
                )
        roots = [each.name for each in config.stacks]
        return list(
            find_orphans(config, roots, (last,) if last else (), self.aws, everywhere=True).items()
        )

    def locate(self, stack: str, logical_id: str) -> Location | None:
        """The line of the template that makes a resource."""
        document = self.rendering.document(stack) if self.rendering else None
        line = document.starts.get(("Resources", logical_id)) if document else None
        return document.lines[line - 1].origin[0] if document and line else None

    def templates(self, root: str) -> Mapping[str, str]:
        """Rendered templates of a root and its nested stacks, by path."""
        documents = self.rendering.documents if self.rendering else ()
        return {
            each.name: each.text
            for each in documents
            if each.name == root or each.name.startswith(f"{root}/")
        }

    def follow(self, root: str, stack: str, operate: Callable[[Follower], Outcome]) -> Outcome:
        """Begin or attach to an operation, show it to its end, and say how it ended."""
        from ..deploy import Follower
        from ..report import show_progress

        screen, environment = console(stderr=True), self.config.environment
        with detachable(stack, environment, self.aws), show_progress(screen, stack) as watcher:
            return operate(
                Follower(
                    watcher, self.locate, tuple(self.templates(root)), attach_to_stacks(environment)
                )
            )

    def release_all_held(self, roots: Collection[str] | None = None) -> None:
        """Let functions run again that a killed deployment held. Raises AwsError."""
        from ..deploy import resume_paused

        for each in self.config.stacks:
            if roots is None or each.name in roots:
                name = f"{self.config.prefix}-{each.name}"
                resume_paused(
                    name,
                    self.templates(each.name),
                    self.aws,
                    lambda told: say(getattr(told, "text", "")),
                )


def open_deployed(options: Options) -> Deployed:
    """The environment, connected. Raises InputError, AwsError."""
    config = load_config(options)
    try:
        rendering = make_rendering(config)
    except StackwrightError:
        rendering = None
    return Deployed(config, connect_aws(config), rendering)


def attach_to_stacks(environment: str) -> str:
    """The command that follows an operation again."""
    return command_line(f"watch --env {environment}")


# --- interruptions
# ------------------------------------------------------------------------------------------------


@contextmanager
def detachable(stack: str, environment: str, aws: Aws) -> Iterator[None]:
    """Ctrl-C leaves the operation to itself, and says how to follow it again; a second one within
    five seconds asks whether to cancel an update. A closed terminal leaves it to itself too; what
    was held is released first.

    Exits 130 where it was left.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed twice at once it is one
        _detach(stack, environment, aws)
        raise click.exceptions.Exit(130) from None
    finally:
        signal.signal(signal.SIGINT, before)


def _detach(stack: str, environment: str, aws: Aws) -> None:
    say(
        f"\ndetached: what happens to {stack} goes on in CloudFormation; follow it again: {attach_to_stacks(environment)}"
    )
    if not sys.stdin.isatty():
        return
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say(f"press Ctrl-C again within {_AGAIN:.0f} s to cancel it instead")
        time.sleep(_AGAIN)
    except KeyboardInterrupt:
        _cancel(stack, environment, aws)


def _cancel(stack: str, environment: str, aws: Aws) -> None:
    """Cancel an update, if that is meant; nothing else can be cancelled.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CancelUpdateStack.html
    """
    found = aws.stack(stack)
    if found is None or found.status != "UPDATE_IN_PROGRESS":
        status = found.status if found else "no longer there"
        say(
            f"\n{stack} is {status}: only an update in progress can be cancelled. To give up a first creation, and"
        )
        say(f"remove what it has made so far: aws cloudformation delete-stack --stack-name {stack}")
    elif click.confirm(f"\nCancel the update of {stack} and roll it back?", err=True):
        aws.cancel_update(found.id, _token("cancel"))
        say(
            f"the update is cancelled and is being rolled back; follow that: {attach_to_stacks(environment)}"
        )


def _token(verb: str) -> str:
    return f"{verb}-{uuid.uuid4().hex[:12]}"


# --- watch and events
# ---------------------------------------------------------------------------------------------


@click.command(short_help="Follow what is under way, from its beginning.")
@for_environment
@_ROOT
def watch(options: Options, root: str | None) -> None:
    """Follow the operations that are under way on the stacks of an environment, whoever began them;
    exit 1 where one does not end in the state that was asked for. Ctrl-C leaves them to
    themselves."""
    deployed = open_deployed(options)
    found = deployed.found(root)
    if not found:
        raise DeployError.of(
            "SW826",
            f"{options.environment} has no stacks yet",
            hint=command_line(f"deploy --env {options.environment}"),
        )
    moving = [(name, stack) for name, stack in found if stack.busy]
    failed = False
    for name, stack in moving:
        failed = not _attached(deployed, name, stack).ok or failed
    deployed.release_all_held([name for name, _ in found])
    if not moving:
        for _, stack in found:
            since = stack.updated or stack.created
            say(
                f"{stack.name}: {stack.status}"
                + (f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else "")
            )
        say("nothing is under way")
    if failed:
        sys.exit(1)
    if moving:
        say(
            f"a deployment verifies and records it: {command_line(f'deploy --env {options.environment}')}"
        )


def _attached(deployed: Deployed, root: str, stack: Stack) -> Outcome:
    from ..deploy import attach_to_operation as follow

    return deployed.follow(root, stack.name, lambda how: follow(stack, deployed.aws, root, how))


@click.command(short_help="Show what happened in the last operation.")
@for_environment
@_ROOT
@click.option("--failed", is_flag=True, help="Failures only.")
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def events(options: Options, root: str | None, failed: bool, style: str) -> None:
    """Show the events of the last operation on each root stack of an environment, nested stacks
    included, oldest first."""
    from ..deploy import read_steps
    from ..report import format_events

    deployed = open_deployed(options)
    steps = [
        step
        for name, stack in deployed.found(root)
        for step in read_steps(stack.id, name, deployed.aws)
    ]
    shown = [step for step in steps if not step.nested and (step.failed or not failed)]
    text = format_events(shown, style)
    if style == "json":
        click.echo(text)
    elif text:
        console().print(text)
    else:
        say("no failures" if failed and steps else f"{options.environment} has no stacks yet")


# --- repair
# ---------------------------------------------------------------------------------------------------------


class Approvals(Struct, frozen=True):
    """What the user allows beforehand: everything that loses nothing, and deletions of stacks by
    name."""

    yes: bool = False
    delete: str | None = None
    skip: tuple[str, ...] = ()
    retain: tuple[str, ...] = ()


@click.command(short_help="Bring stuck stacks back into a state that can be deployed to.")
@for_environment
@_ROOT
@click.option("--yes", is_flag=True, help="Do not ask before what loses nothing.")
@click.option(
    "--yes-delete", "delete", metavar="NAME", help="Delete the stack of this name without asking."
)
@click.option(
    "--skip",
    multiple=True,
    metavar="ADDRESS",
    help="Leave this resource out of a rollback; repeatable.",
)
@click.option(
    "--retain",
    multiple=True,
    metavar="LOGICAL_ID",
    help="Leave this resource out of a deletion; repeatable.",
)
def repair(
    options: Options,
    root: str | None,
    yes: bool,
    delete: str | None,
    skip: tuple[str, ...],
    retain: tuple[str, ...],
) -> None:
    """Look at each root stack of an environment, and offer the way out where no deployment can
    change it: a failed first creation is deleted, a change set that was never executed discarded, a
    rollback that failed continued, a deletion that failed tried again, and an operation under way
    followed."""
    deployed = open_deployed(options)
    leave = Approvals(yes, delete, skip, retain)
    results = [recover_stacks(deployed, name, stack, leave) for name, stack in deployed.found(root)]
    if not any(found for found in results):
        say("nothing to repair")
    if any(outcome is not None and not outcome.ok for outcome in results):
        sys.exit(1)


def recover_stacks(deployed: Deployed, root: str, stack: Stack, leave: Approvals) -> Outcome | None:
    """The way out of a stack's state, gone; None where it needs none. Raises DeployError (SW827)
    where that is not confirmed."""
    from ..cfn import Recovery
    from ..deploy import continue_rollback, find_recovery

    aws = deployed.aws
    state = find_recovery(root, stack, aws)
    if state.recovery is Recovery.NOTHING:
        return None
    say(f"{stack.name} is in {stack.status}: {state.explanation}")
    for each in state.failed:
        say(f"  {each.address} ({each.type}): {each.reason}")
    if state.recovery is Recovery.WATCH:
        return _attached(deployed, root, stack)
    if state.recovery is Recovery.SUPPORT and leave.delete is None:
        hint = f"if the stack may go, delete it: --yes-delete {stack.name}"
        raise DeployError.of("SW801", f"{stack.name} is not repaired", hint=hint)
    if state.recovery in (Recovery.DELETE, Recovery.DELETE_AGAIN, Recovery.SUPPORT):
        return _deleted(deployed, state, leave)
    if state.recovery is Recovery.DISCARD:
        return _discarded(deployed, state, leave)
    _confirm(
        "Continue the rollback?", leave.yes, "--yes; what cannot be rolled back: --skip ADDRESS"
    )
    return deployed.follow(
        root, stack.name,
        lambda how: continue_rollback(state, aws, token=_token("repair"), skip=leave.skip, following=how),
    )  # fmt: skip


def recover_stack(deployed: Deployed) -> None:
    """Before a deployment: release what a killed one held, and at a terminal offer the way out of
    stuck states.

    Elsewhere the deployment itself refuses, and names it. Raises DeployError (SW827), AwsError.
    """
    from ..cfn import Recovery
    from ..deploy import find_recovery

    deployed.release_all_held()
    if not sys.stdin.isatty():
        return
    for root, stack in deployed.found():
        way = find_recovery(root, stack, deployed.aws).recovery
        if way in (Recovery.NOTHING, Recovery.DISCARD, Recovery.SUPPORT):
            continue  # a plan takes a stack under review, and refuses one that only AWS can restore
        if way is Recovery.WATCH:
            say(f"{stack.name} is in {stack.status}: somebody else's operation is under way")
            _confirm("Follow it to its end, and then go on?", False, "")
        recover_stacks(deployed, root, stack, Approvals())


def _deleted(deployed: Deployed, state: StuckStack, leave: Approvals) -> Outcome:
    _show_fates([_read(deployed, state.root, state.stack)])
    _typed(
        state.stack.name,
        leave.delete,
        f"delete {state.stack.name}",
        f"--yes-delete {state.stack.name}",
    )
    return _destroyed(deployed, state.root, state.stack, leave.retain)


def _discarded(deployed: Deployed, state: StuckStack, leave: Approvals) -> Outcome:
    from datetime import UTC, datetime

    from ..deploy import delete_review_stack

    _confirm("Discard it?", leave.yes, "--yes")
    delete_review_stack(state.stack, deployed.aws)
    say(f"{state.stack.name} is discarded")
    now = datetime.now(UTC)
    return Outcome(state.root, state.stack.name, "DELETE_COMPLETE", True, now, now)


def _confirm(question: str, yes: bool, flag: str) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise DeployError.of(
            "SW827", "nobody can be asked whether to go on", hint=f"look at it, then add {flag}"
        )
    if not click.confirm(question, err=True):
        raise DeployError.of("SW827", "not confirmed: nothing was done")


def _typed(name: str, given: str | None, deed: str, flag: str) -> None:
    """Let nobody do it who has not typed the name."""
    if given is None and sys.stdin.isatty():
        given = click.prompt(f"To {deed}, type {name}", default="", show_default=False, err=True)
    if given is None:
        raise DeployError.of(
            "SW827", "nobody can be asked whether to go on", hint=f"look at it, then add {flag}"
        )
    if given != name:
        raise DeployError.of(
            "SW827", f"not confirmed: {given!r} is not {name!r}; nothing was deleted"
        )


# --- destroy
# --------------------------------------------------------------------------------------------------------


@click.command(short_help="Delete the stacks of an environment.")
@for_environment
@click.option(
    "--yes-destroy", "given", metavar="NAME", help="The environment's name, in place of typing it."
)
def destroy(options: Options, given: str | None) -> None:
    """List what is lost with the stacks of an environment and what stays, ask for the environment's
    name, and delete them in reverse order, those too that are no root stacks of it any more. What
    is imported goes after what imports it. Nothing is emptied: what holds something that
    CloudFormation does not delete stops it."""
    deployed = open_deployed(options)
    found = deployed.found()[::-1]
    left = deployed.left([stack for _, stack in found])
    if not found and not left:
        say(f"{options.environment} has no stacks")
        return
    environment = options.environment
    ordered = _in_order(deployed, [*left, *found])
    told = dict.fromkeys((name for name, _ in left), f"  (no longer a root stack of {environment})")
    _show_fates(ordered, told)
    where = f"account {deployed.aws.caller().account}, {deployed.config.region}"
    _typed(environment, given, f"destroy {environment} ({where})", f"--yes-destroy {environment}")
    for name, stack, _ in ordered:
        outcome = _destroyed(deployed, name, stack)
        if not outcome.ok:
            sys.exit(1)
    say(f"{environment} is destroyed")


_Found = tuple[str, "Stack", "LiveStack | None"]
"""A root stack's name in ``stacks:``, it, and what is in it; None where that is nothing."""


def _read(deployed: Deployed, root: str, stack: Stack) -> _Found:
    from ..plan import read_stack

    return root, stack, read_stack(stack.id, deployed.aws, root)


def _in_order(deployed: Deployed, found: Sequence[tuple[str, Stack]]) -> list[_Found]:
    """The root stacks in an order in which they can be deleted. Raises DeployError (SW828),
    AwsError."""
    from ..deploy import order_deletions

    held = [_read(deployed, *each) for each in found]
    ordered = order_deletions([live for _, _, live in held if live], deployed.aws)
    places = {live.stack.id: place for place, live in enumerate(ordered)}
    return sorted(held, key=lambda each: places.get(each[1].id, -1))


def _show_fates(found: Sequence[_Found], told: Mapping[str, str] | None = None) -> None:
    from ..deploy import list_fates
    from ..report import format_fates

    screen = console(stderr=True)
    for name, stack, live in found:
        notes = "  (termination protection is on)" * stack.protected + (told or {}).get(name, "")
        screen.print(f"[bold]{stack.name}[/]  {stack.status}{notes}")
        text = format_fates(list_fates(live)) if live else ""
        screen.print(
            "\n".join(f"  {line}" for line in text.splitlines()) if text else "  holds nothing"
        )


def _destroyed(deployed: Deployed, root: str, stack: Stack, retain: Sequence[str] = ()) -> Outcome:
    from ..deploy import delete_stack, explain_failed_deletion

    if stack.status == "REVIEW_IN_PROGRESS":
        return _discarded(deployed, _state(root, stack), Approvals(yes=True))
    outcome = deployed.follow(
        root, stack.name,
        lambda how: delete_stack(
            stack, deployed.aws, root, token=_token("destroy"), following=how, retain=retain
        ),
    )  # fmt: skip
    if not outcome.ok:
        again = "then run the same command again"
        if outcome.status == "DELETE_FAILED":  # only then may resources be left out
            again += f", or leave it out: {_leaving_out(deployed, root, stack)} LOGICAL_ID"
        say("\n".join(filter(None, (explain_failed_deletion(outcome), again))))
    return outcome


def _leaving_out(deployed: Deployed, root: str, stack: Stack) -> str:
    """The command that deletes a stack without a resource; `repair` knows the root stacks of
    now."""
    if any(each.name == root for each in deployed.config.stacks):
        return command_line(f"repair --env {deployed.config.environment} --retain")
    return f"aws cloudformation delete-stack --stack-name {stack.name} --retain-resources"


def _state(root: str, stack: Stack) -> StuckStack:
    from ..cfn import Recovery
    from ..deploy import StuckStack

    return StuckStack(root, stack, Recovery.DISCARD, "")


VERBS = (watch, events, repair, destroy)
