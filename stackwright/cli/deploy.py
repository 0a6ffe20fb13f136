"""The verbs that change what runs: plan, deploy, rollback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from msgspec import Struct
from msgspec.structs import replace

from .. import __version__
from ..core import (
    AwsError,
    DeployError,
    Location,
    OutputError,
    Problem,
    Rendering,
    SourceKind,
    StackwrightError,
    command_line,
)
from ..diff import Effect
from ..plan import Certainty, DesiredStack, Outcome, Plan, PlannedChange, RootAction, RootPlan
from .options import (
    Options,
    connect_aws,
    console,
    for_environment,
    load_config,
    make_rendering,
    make_report,
    reach_aws,
    show_report,
)
from .session import DeploySession, PlanInputs, RefreshedPlan, same_target, uses_source

if TYPE_CHECKING:
    from ..aws import Stack
    from ..plan import GuardrailFinding, LiveStack
    from ..releases import Release

LOCAL = "local"
"""The environment whose build may be written by a deployment: nobody reviews it."""

_STYLE = click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
)
_YES = click.option(
    "--yes", is_flag=True, help="Do not ask; what is dangerous still needs its own flag."
)
_REPLACE = click.option(
    "--allow-replace", "replaced", multiple=True, metavar="LOGICAL_ID", help="May be replaced."
)
_LOSS = click.option(
    "--allow-data-loss",
    "loss",
    is_flag=True,
    help="Data may be lost with what is replaced or removed.",
)
_ACCESS = click.option(
    "--allow-broader-access", "access", is_flag=True, help="Roles and security groups may open up."
)


def say(text: str) -> None:
    """One line on stderr."""
    click.echo(text, err=True)


@contextmanager
def open_session(options: Options) -> Iterator[DeploySession]:
    """The environment, rendered, checked and within reach; its build is what the inputs render to.
    Whose account it is in, `Session.caller` tells, and is looked at before anything is changed."""
    if options.environment == LOCAL:
        from ..emulator import make_local_keys

        if make_local_keys(options.project):
            say("made env/local/keys.env, with made-up values")
    rendering = make_rendering(load_config(options))
    report = make_report(rendering)
    show_report(report)
    if report.failed:
        sys.exit(1)
    _require_build(rendering)
    yield DeploySession(options, rendering.config, reach_aws(rendering.config), say, rendering)


def _require_build(rendering: Rendering) -> None:
    """What is deployed is what was reviewed: the committed build."""
    from ..render import find_stale, stage_build, write_build

    environment = rendering.environment
    if not find_stale(rendering):
        return
    if environment == LOCAL:
        with stage_build(rendering) as folder:
            write_build(rendering, folder)
    else:
        hint = (
            f"{command_line(f'render --env {environment}')}, commit build/{environment},"
            " and have the change reviewed"
        )
        raise OutputError.of(
            "SW031", f"build/{environment} is not what the inputs render to", hint=hint
        )


# --- plan
# -----------------------------------------------------------------------------------------------------------


@click.command(short_help="Show what a deployment would change.")
@for_environment
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Seal the plan into a file, for deploy.",
)
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the change sets, so that deploy --plan executes these very ones.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 where there are changes.")
@_STYLE
def plan(
    options: Options, out: Path | None, keep: bool, detailed_exitcode: bool, style: str
) -> None:
    """Look at the account, make change sets, and show what they would do; then delete them
    again."""
    from ..plan import save_plan

    with open_session(options) as session:
        session.require_account()
        ready, standing = _looked_up(session, skipped=True)
        made = session.plan(standing.result())
        with session.discarding(made.roots):
            print_plan(made, style)
            _tell_left(
                session.left(made.bucket, deployed=any(root.live for root in made.roots)), session
            )
            if out:
                _tell_unbound(made)
                _write(out, save_plan(made if keep and ready else _without_change_sets(made)))
        if not (keep and ready):
            session.discard(made.roots)
    if not ready:
        sys.exit(1)
    if detailed_exitcode and not made.empty:
        sys.exit(2)


def _tell_unbound(made: Plan) -> None:
    """Which values a sealed plan does not hold, of stacks that exist: what is approved is what
    changes by them."""
    for root in made.roots:
        if root.kind is RootAction.LATER and root.live:
            names = ", ".join(root.desired.missing)
            say(
                f"not bound by the plan: {names} of {root.desired.stack}, not known before the deployment"
            )


def collect_plan_inputs(session: DeploySession, *, skipped: bool = False) -> bool:
    """What has to be right in the account before anything is changed; False where something is not.
    It is shown, and where asked for what was ``skipped``, with the reason."""
    from ..health import CheckState
    from ..preflight import run_preflight
    from ..report import preflight_as_text, summarize_preflight

    found = run_preflight(
        session.config, session.rendering, session.aws, env_dir=session.options.env_dir
    )
    states = (CheckState.FAIL, CheckState.SKIP) if skipped else (CheckState.FAIL,)
    if shown := [each for each in found if each.state in states]:
        console(stderr=True).print(preflight_as_text(shown))
    say(f"preflight: {summarize_preflight(found)}")
    return all(each.state is not CheckState.FAIL for each in found)


def _looked_up(session: DeploySession, *, skipped: bool = False) -> tuple[bool, Future[PlanInputs]]:
    """`look`, and side by side with it what a plan starts from, or what kept that from being
    read."""
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(session.standing)
        return collect_plan_inputs(session, skipped=skipped), reading


def print_plan(made: Plan, style: str = "text", *, aside: bool = False) -> None:
    """The plan on stdout; ``aside``, as text on stderr, where stdout holds something else for a
    machine."""
    from ..report import format_plan

    text = format_plan(made, style)
    if style == "text":
        console(stderr=aside).print(text)
    else:
        click.echo(text)


def _without_change_sets(made: Plan) -> Plan:
    return replace(
        made, roots=tuple(replace(each, change_set=None, made_stack=False) for each in made.roots)
    )


def _tell_left(left: Mapping[str, Stack], session: DeploySession) -> None:
    """Root stacks that no deployment changes any more, and which nobody may miss."""
    for root, stack in left.items():
        text = f"{stack.name} is deployed, but {root} is no root stack of {session.config.environment} any more"
        say(
            f"note: {text}; to remove it: aws cloudformation delete-stack --stack-name {stack.name}"
        )


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError.of(
            "SW885", f"cannot be written: {error.strerror}", Location(path.as_posix())
        ) from error


# --- deploy
# ---------------------------------------------------------------------------------------------------------


@click.command(short_help="Take what was reviewed to a running system.")
@for_environment
@click.option(
    "--plan",
    "sealed",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Do what a sealed plan says.",
)
@_YES
@_REPLACE
@_LOSS
@_ACCESS
def deploy(
    options: Options,
    sealed: Path | None,
    yes: bool,
    replaced: tuple[str, ...],
    loss: bool,
    access: bool,
) -> None:
    """Show what will change, ask, apply it root by root, verify it, and keep a release that can be
    restored."""
    allowed = Approvals(yes, frozenset(replaced), loss, access)
    with open_session(options) as session:
        made, done, ours = _to_be_done(session, sealed)
        if made.empty:
            click.echo(
                "No changes: "
                + ", ".join(f"{each.desired.root} ({each.desired.stack})" for each in made.roots)
            )
            if done:
                say("nothing to do")
                return
            say("what is live is verified, and recorded as a release")
            made = session.signed(made)
        with session.discarding(ours):
            if not made.empty:
                print_plan(made)
                allowed = confirm(made, allowed, session)
        carry_out_plan(session, made, allowed, sealed=sealed is not None)


def _to_be_done(
    session: DeploySession, sealed: Path | None
) -> tuple[Plan, bool, Sequence[RootPlan]]:
    """The plan, of a file or made now, whether all that it says was done by the last release, and
    the roots whose change sets this run made: those of a file stay where it is refused. Where only
    reading tells that nothing is to be done, no more than that."""
    session.keys()  # what keys.env lacks is told before anything is done
    if sealed is None and (idle := session.idle()):
        _tell_left(session.left_by((idle.last,) if idle.last else ()), session)
        return idle.plan, idle.done, ()
    return _by_change_sets(session, sealed)


def _by_change_sets(
    session: DeploySession, sealed: Path | None
) -> tuple[Plan, bool, Sequence[RootPlan]]:
    """The same where reading does not tell, by change sets."""
    from .stacks import Deployed, recover_stack

    session.require_account()
    recover_stack(Deployed(session.config, session.aws, session.rendered))
    if sealed is None:
        session.bring_images()
    ready, standing = _looked_up(session)
    if not ready:
        sys.exit(1)
    lives = (
        standing.result().lives
    )  # what is told of them comes before change sets are made, which it would leave
    _tell_left(session.left(session.bucket(lives), deployed=any(lives.values())), session)
    if sealed is not None:
        made, ours = read_saved_plan(sealed, session)
    else:
        made = session.plan(standing.result())
        ours = made.roots
    return made, made.empty and session.protected(lives) and _recorded(made, session), ours


def _recorded(made: Plan, session: DeploySession) -> bool:
    """Whether the last release did what the plan says, or there is no bucket to record it in."""
    from ..releases import (
        read_last_release,
        records_plan,
    )

    if made.bucket is None:
        return True
    return records_plan(
        read_last_release(made.environment, made.bucket, made.account, session.aws), made
    )


def read_saved_plan(path: Path, session: DeploySession) -> tuple[Plan, Sequence[RootPlan]]:
    """The plan of a sealed file, if it still holds: the same inputs, and stacks that did not move
    since.

    A root without a change set of its own (the plan was made without --keep) is planned again, and
    must change the same; these are told besides. Raises DeployError with everything that does not
    hold.
    """
    from ..plan import read_plan

    try:
        sealed = read_plan(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError.of(
            "SW888", f"the plan cannot be read: {error}", Location(path.as_posix())
        ) from None
    places = (session.config.environment, session.caller.account, session.config.region)
    if places != (sealed.environment, sealed.account, sealed.region):
        message = (
            f"the plan is for {sealed.environment} in account {sealed.account}, {sealed.region}"
        )
        raise DeployError.of(
            "SW888", f"{message}, not for {', '.join(places)}", Location(path.as_posix())
        )
    lives = session.lives()
    wanted = session.targets(lives, sealed.images, sealed.secrets)
    if [each.desired.root for each in sealed.roots] != list(wanted):
        were = ", ".join(each.desired.root for each in sealed.roots)
        message = f"the plan is stale: its root stacks are {were}, those of the parameters {', '.join(wanted)}"
        raise DeployError.of("SW888", message, hint="make a new plan")
    sealed = replace(
        sealed, roots=tuple(_completed(each, wanted[each.desired.root]) for each in sealed.roots)
    )
    moved = _moved(sealed, session, lives, wanted)
    problems = [
        Problem("SW888", f"the plan is stale: {each}", (), "make a new plan") for each in moved
    ]
    if problems:
        raise DeployError(problems)
    fresh: list[RootPlan] = []
    with session.discarding(fresh):
        roots = [_planned_again(each, session, fresh) for each in sealed.roots]
    return replace(sealed, roots=tuple(roots)), fresh


def _completed(root: RootPlan, wanted: DesiredStack) -> RootPlan:
    """The root with the values that no file holds, as they are asked for now: of parameters that
    may be NoEcho."""
    from ..cfn import ValidationError, declared_keys

    try:
        known = {
            name
            for name, each in declared_keys(root.desired.body).parameters.items()
            if not each.no_echo
        }
    except ValidationError:
        return root
    values = {name: value for name, value in wanted.parameters.items() if name not in known}
    return replace(
        root, desired=replace(root.desired, parameters={**values, **root.desired.parameters})
    )


def _moved(
    sealed: Plan,
    session: DeploySession,
    lives: Mapping[str, LiveStack | None],
    wanted: Mapping[str, DesiredStack],
) -> Iterator[str]:
    """What is no longer as it was when the plan was made."""
    from ..plan import find_stale_reasons

    changes, _ = session.secrets()
    now = {(e.name, e.before, e.added, e.changed, e.removed) for e in changes}
    if now != {(e.name, e.before, e.added, e.changed, e.removed) for e in sealed.secret_changes}:
        yield "keys.env or the secrets changed"
    for root in sealed.roots:
        if not same_target(root.desired, wanted[root.desired.root]):
            yield f"the templates or parameters of {root.desired.root} changed"
        elif root.kind is not RootAction.LATER:
            reason = find_stale_reasons(root, lives[root.desired.root], session.aws)
            if reason:
                yield reason


def _planned_again(root: RootPlan, session: DeploySession, fresh: list[RootPlan]) -> RootPlan:
    """The root with a change set, which is among ``fresh`` then where it has none of its own."""
    if root.change_set is not None or root.kind not in (RootAction.CREATE, RootAction.UPDATE):
        return root
    again = session.root_plan(root.desired, session.live(root.desired.root))
    fresh.append(again)
    if again.changes != root.changes:
        message = f"the plan is stale: {root.desired.stack} would change otherwise than it says"
        raise DeployError.of("SW888", message, hint="make a new plan")
    return again


class Approvals(Struct, frozen=True):
    """What the user allows beforehand, or by typing when asked; ``typed`` holds the dangers that
    were shown then."""

    yes: bool
    replace: frozenset[str] = frozenset()
    loss: bool = False
    access: bool = False
    typed: frozenset[GuardrailFinding] = frozenset()

    def missing(self, found: Sequence[GuardrailFinding]) -> list[GuardrailFinding]:
        """The dangers that nothing allows."""
        from ..plan import find_unapproved

        left = find_unapproved(
            found, replace=self.replace, data_loss=self.loss, broader_access=self.access
        )
        return [each for each in left if each not in self.typed]


def confirm(
    made: Plan, allowed: Approvals, session: DeploySession, *, stack: str | None = None
) -> Approvals:
    """Ask, unless --yes; what is dangerous needs its flag, or the name of its stack, typed. What is
    allowed then.

    ``stack``: the name in CloudFormation of the only root that is asked about; all of the plan
    tells names apart.

    Exits 1 where the answer is no; raises DeployError where nobody can be asked.
    """
    from ..plan import find_dangerous_changes, require_approval

    dangers = allowed.missing(
        [each for each in find_dangerous_changes(made) if stack in (None, each.root)]
    )
    if allowed.yes or not sys.stdin.isatty():
        require_approval(dangers, locate=session.locate)
        if not allowed.yes:
            raise DeployError.of(
                "SW883", "nobody can be asked whether to go on", hint="look at it, then add --yes"
            )
        return allowed
    stacks = dict.fromkeys(each.root for each in dangers)
    for name in stacks:
        for each in dangers:
            if each.root == name:
                click.secho(each.text, fg="red", err=True)
        if (
            click.prompt(f"To allow this, type {name}", default="", show_default=False, err=True)
            != name
        ):
            _refuse()
    where = f"account {made.account}, {made.region}"
    if not click.confirm(f"Deploy {made.environment} ({where})?", err=True):
        _refuse()
    return replace(allowed, typed=allowed.typed | set(dangers))


def _refuse() -> NoReturn:
    say("not confirmed: nothing more is changed")
    sys.exit(1)


def carry_out_plan(
    session: DeploySession,
    made: Plan,
    allowed: Approvals,
    *,
    restores: int | None = None,
    sealed: bool = False,
) -> None:
    """Do what the plan says, root by root, verify it and keep the release; exit 1 where it did not
    get there.

    Where it is ``sealed``, what exists is not changed otherwise than it says: it is what was
    approved.
    """
    run = _Run(session, made, allowed, restores, sealed)
    ok = run.roots() and run.verified()
    run.finish()
    if not ok:
        sys.exit(1)
    say(
        f"{made.environment} is deployed"
        + (f": release {run.release.number}" if run.release else "")
    )


def _require_approved(sealed: RootPlan, now: RootPlan) -> None:
    """Refuse what a sealed plan does not say of a root whose inputs came to be; their values it
    could not know."""
    if sealed.kind is not RootAction.LATER:
        message = f"the plan is stale: the parameters of {now.desired.stack} moved while it was carried out"
        raise DeployError.of("SW888", message, hint="make a new plan")
    known = {each.diff.address: each for each in sealed.changes}
    beyond = [each for each in now.changes if _beyond(each, known.get(each.diff.address))]
    if beyond:
        said = ", ".join(f"{each.diff.address} ({each.effect})" for each in beyond)
        hint = "make a new plan: what it did not know is there by now"
        raise DeployError.of(
            "SW888", f"the plan does not say that {now.desired.stack} changes so: {said}", hint=hint
        )


def _beyond(change: PlannedChange, known: PlannedChange | None) -> bool:
    """Whether a change is more than what was known of it. A revision is always made anew."""
    from ..plan import REVISIONS

    if change.certainty is Certainty.SPURIOUS:
        return False
    if known is None:
        return True
    grave = change.effect in (Effect.REPLACE, Effect.REMOVE) and change.diff.type not in REVISIONS
    return grave and not (known.effect is change.effect or known.diff.may_replace)


class _Run:
    """One deployment under way: the plan as it is by now, the outcomes so far, and the record of
    its release."""

    def __init__(
        self,
        session: DeploySession,
        made: Plan,
        allowed: Approvals,
        restores: int | None,
        sealed: bool,
    ) -> None:
        self._session, self._plan, self._allowed = session, made, allowed
        self._restores, self._sealed = restores, sealed
        self._outcomes: list[Outcome] = []
        self._failed = ""
        self._secrets_put = False
        self._done = 0
        self.release: Release | None = None

    def roots(self) -> bool:
        """Apply the roots in order, up to the first that fails; nothing is left of what was planned
        of the others."""
        try:
            return self._in_order()
        except StackwrightError as error:  # one that is interrupted has no end in its record
            self._failed = self._failed or str(error)
            with suppress(StackwrightError):  # what failed first is told
                self.finish()
            raise
        finally:
            with suppress(StackwrightError):
                self._session.discard(self._plan.roots[self._done :])

    def _in_order(self) -> bool:
        for index in range(len(self._plan.roots)):
            self._begin()
            root = self._ready(index)
            ok = self._as_it_is(root) if root.kind is RootAction.NOTHING else self._applied(root)
            self._done = index + 1
            if not ok:
                return False
        if self.release is None and self._restores is None:  # the last root made the bucket
            self._learn(images=False)
            self._begin()
        return True

    def _begin(self) -> None:
        """Take a number for the release as soon as there is a bucket to keep it in."""
        from ..releases import (
            begin_release,
        )

        if self.release is None and self._plan.bucket:
            names = self._session.secret_names()
            left = self._session.left(self._plan.bucket, deployed=True)
            self.release = begin_release(
                self._plan, self._session.aws, tool=__version__, secret_names=names, restores=self._restores,
                left={root: stack.name for root, stack in left.items()},
            )  # fmt: skip

    def _ready(self, index: int) -> RootPlan:
        """The plan of a root by what is there now, with the secrets and images that it takes."""
        root = self._plan.roots[index]
        if self._restores is not None:
            return root
        name = root.desired.root
        images = uses_source(self._session.rendering, name, SourceKind.IMAGE)
        self._bring(name, images=images and root.kind is RootAction.LATER)
        now = self._learn(images=images)
        with ThreadPoolExecutor(1) as pool:
            sending = (
                pool.submit(self._session.upload) if root.kind is not RootAction.NOTHING else None
            )
            self._begin()
            if sending:
                sending.result()
        if root.kind is RootAction.LATER or not same_target(root.desired, now.targets[name]):
            return self._again(index, now.targets[name], now.lives[name])
        return root

    def _bring(self, name: str, *, images: bool) -> None:
        """Put the secrets that the root takes, and where asked for send the images, side by
        side."""
        secrets = (
            uses_source(self._session.rendering, name, SourceKind.SECRET) and not self._secrets_put
        )
        with ThreadPoolExecutor(1) as pool:
            putting = pool.submit(self._session.put_secrets, self._plan) if secrets else None
            if images:
                brought = self._session.bring_images()
                self._plan = replace(self._plan, images={**brought, **self._plan.images})
            if putting:
                putting.result()
                self._secrets_put = True

    def _learn(self, *, images: bool) -> RefreshedPlan:
        """What is there by now; the plan knows the bucket that came to be, and where asked for the
        images."""
        now = self._session.advanced(self._plan, images=images)
        self._plan = now.plan
        return now

    def _again(self, index: int, wanted: DesiredStack, live: LiveStack | None) -> RootPlan:
        """A root whose inputs came to be, or moved: planned by a change set, and shown where it was
        there before."""
        if wanted.missing:
            names = ", ".join(wanted.missing)
            raise DeployError.of("SW886", f"nothing gives {names} of {wanted.root} a value yet")
        session, old = self._session, self._plan.roots[index]
        session.discard([old])
        root = session.root_plan(wanted, live)
        self._plan = replace(
            self._plan, roots=(*self._plan.roots[:index], root, *self._plan.roots[index + 1 :])
        )
        if root.kind is RootAction.UPDATE:
            if self._sealed:
                _require_approved(old, root)
            only = replace(self._plan, roots=(root,), secret_changes=())
            print_plan(only)
            self._allowed = confirm(self._plan, self._allowed, session, stack=root.desired.stack)
        return root

    def _as_it_is(self, root: RootPlan) -> bool:
        """A root that stays: protected all the same, which a deployment that was interrupted could
        not do any more."""
        from ..deploy import UNGUARDED, guard_stack

        if self._session.protects() and root.stack_id:
            try:
                guard_stack(root.stack_id, self._session.aws)
            except AwsError as error:
                say(f"{root.desired.stack}: {UNGUARDED}: {error}")
        return True

    def _applied(self, root: RootPlan) -> bool:
        from ..deploy import apply_plan
        from .stacks import Deployed

        session, name = self._session, root.desired.stack
        click.echo(f"{name}: {root.kind}", err=True)
        outcome = Deployed(session.config, session.aws, session.rendered).follow(
            root.desired.root, name,
            lambda how: apply_plan(
                root, session.aws, token=session.token(root), following=how, protect=session.protects(),
                allowed=self._allowed.replace,
            ),
        )  # fmt: skip
        self._outcomes.append(outcome)
        return outcome.ok

    def verified(self) -> bool:
        """Whether what runs is well, by a deadline."""
        from .releases import run_verification

        if not run_verification(self._session):
            self._failed = "what runs is not well"
        return not self._failed

    def finish(self) -> None:
        """Keep how it went, and what has to stay so that it can be restored."""
        from ..releases import (
            finish_release,
            keep_release,
        )

        if self.release is None:
            return
        session = self._session

        def keep(ended: Release) -> None:
            keep_release(ended, session.aws, session.store() if ended.images else None)

        self.release = finish_release(
            self.release, self._plan, self._outcomes, session.aws, failed=self._failed, first=keep
        )


# --- rollback
# -------------------------------------------------------------------------------------------------------


@click.command(short_help="Restore an earlier release.")
@for_environment
@click.argument("number", metavar="[RELEASE]", type=int, required=False)
@_YES
@_REPLACE
@_LOSS
@_ACCESS
def rollback(
    options: Options,
    number: int | None,
    yes: bool,
    replaced: tuple[str, ...],
    loss: bool,
    access: bool,
) -> None:
    """Deploy the stored templates, parameters, image digests and secret versions of RELEASE,
    previewed like any other.

    Without RELEASE: the last one that was deployed before what is live. See history for the
    numbers.
    """
    allowed = Approvals(yes, frozenset(replaced), loss, access)
    config = load_config(options)
    aws = connect_aws(config)
    session = DeploySession(options, config, aws, say)
    lives = session.lives()
    wanted = _restorable(session, lives, number)
    say(
        f"release {wanted.number} of {wanted.started:%Y-%m-%d %H:%M}, by {wanted.by}, commit {wanted.commit or '-'}"
    )
    for root in wanted.roots:
        if root.hidden:
            say(
                f"not in any record, and kept as they are live: {', '.join(root.hidden)} of {root.stack}"
            )
    kept = {root.root for root in wanted.roots}
    if others := [live.stack.name for root, live in lives.items() if live and root not in kept]:
        say(f"not in release {wanted.number}, and left as they are: {', '.join(others)}")
    made = _restoring(session, wanted)
    with session.discarding(made.roots):
        print_plan(made)
        if made.empty:
            say(
                f"release {wanted.number} is what is live: nothing to do; an earlier one has to be named, see history"
            )
            return
        allowed = confirm(made, allowed, session)
    carry_out_plan(session, made, allowed, restores=wanted.number)


def _restorable(
    session: DeploySession, lives: Mapping[str, LiveStack | None], number: int | None
) -> Release:
    """The release to go back to, of which everything still exists."""
    from ..releases import (
        find_missing_parts,
        find_previous_release,
        load_release,
        read_history,
    )

    bucket = session.bucket(lives)
    if bucket is None:
        raise DeployError.of(
            "SW887", f"{session.config.environment} is not deployed: there is no release to restore"
        )
    place = (session.config.environment, bucket, session.caller.account, session.aws)
    if number is None:
        past = read_history(*place, limit=None).releases
        earlier = find_previous_release(past, session.with_left(lives, past))
        if earlier is None:
            hint = f"see: {command_line(f'history --env {session.config.environment}')}"
            raise DeployError.of("SW887", "there is no earlier release to restore", hint=hint)
        number = earlier.number
    found = load_release(number, *place)
    if problems := find_missing_parts(found, session.aws):
        raise DeployError(problems)
    return found


def _restoring(session: DeploySession, wanted: Release) -> Plan:
    from ..releases import (
        release_targets,
    )

    made: list[RootPlan] = []
    with session.discarding(made):
        for each in release_targets(wanted, session.aws):
            made.append(session.root_plan(each, session.live(each.root)))
    versions = {key: version for key, (_, version) in wanted.secrets.items()}
    names = tuple(each.rpartition("/")[2] for each in wanted.artifacts)
    plan = session.signed(session.planned(made, wanted.images, versions, {}))
    return replace(plan, artifacts=names, bucket=wanted.bucket)


VERBS = (plan, deploy, rollback)
