"""Deploys an environment.

A deployment has five stages, which `Deployer.deploy` runs in order:

1. Find the work. Where reading alone tells that nothing changes, there is none (`noop`). Else stuck
   stacks are recovered, images are pushed, preflight checks the account, and every root stack is
   planned: by a change set, or by a prediction where its inputs do not exist yet. A saved plan is
   read and compared with the account instead.
2. Have it approved. The plan is shown; dangerous changes need an approval of their own.
3. Apply it, root stack by root stack in the order of ``stacks:``. Before each root its secrets are
   put, its images pushed and its artifacts uploaded; a root that was only predicted is planned now.
4. Verify that services, targets, functions and alarms are well.
5. Record the release, so that `rollback` can restore it.

The deployer knows neither a terminal nor a clock: `User` asks and tells, `Timing` waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ..aws import Stack
from ..core import StackwrightError
from ..plan import NO_BUCKET, Environment, Plan, RootAction, RootPlan, require_unblocked
from ..releases import find_orphaned_stacks, read_last_release, records_plan
from .adopt import report_import_drift
from .approvals import Approvals, approve_plan
from .noop import find_noop, is_protected
from .planner import PlanInputs, Planner
from .runner import OperationRunner, Timing
from .supplies import Supplies
from .user import Stopped, User


class Work(Struct, frozen=True):
    """What a deployment has to do.

    ``done`` says that the last release deployed just this and ended well. ``ours`` are the roots
    whose change sets this run made: those of a saved plan stay where it is refused.
    """

    plan: Plan
    done: bool
    ours: Sequence[RootPlan] = ()


class PlanResult(Struct, frozen=True):
    """What `Deployer.plan` found; ``ready`` is False where preflight failed, or CloudFormation
    cannot carry out the plan."""

    plan: Plan
    ready: bool


class Deployer:
    """Plans, deploys and rolls back one environment, for one user."""

    def __init__(
        self,
        environment: Environment,
        user: User,
        approvals: Approvals | None = None,
        timing: Timing | None = None,
        *,
        import_existing: bool = False,
    ) -> None:
        self._environment, self._user = environment, user
        self._approvals = approvals or Approvals()
        self._supplies = Supplies.of(environment, user.say)
        self._planner = Planner(
            environment,
            self._supplies,
            user.say,
            import_existing=import_existing,
            ask_hidden=self._ask_hidden,
        )
        self._runner = OperationRunner(environment, user, timing or Timing())

    def _ask_hidden(self, question: str) -> str:
        """Ask for a value that is not shown; empty where nobody can answer."""
        return self._user.ask_hidden(question) if self._user.interactive else ""

    # --- the three verbs

    def deploy(self, saved: Path | None = None) -> bool:
        """Deploy the rendered environment, or what the plan in the file ``saved`` says. Whether it
        is deployed and well. Raises StackwrightError."""
        try:
            work = self._find_work(saved)
            if work.plan.empty:
                self._user.show_no_changes(work.plan)
                if work.done:
                    self._user.say("nothing to do")
                    return True
            plan, approvals = self._approve(work)
            return self._carry_out(plan, approvals, saved=saved is not None)
        except Stopped:
            return False

    def plan(self, out: Path | None = None, *, keep: bool = False) -> PlanResult:
        """Plan a deployment and show it. The change sets are deleted again, unless ``keep``; the
        plan is saved to the file ``out``. Raises StackwrightError."""
        from .saved_plan import without_change_sets, write_saved_plan

        self._environment.require_account()
        ready, inputs = self._check_account(skipped=True)
        plan = self._with_notes(self._planner.plan(inputs.result()))
        keep = keep and ready
        with self._planner.discarding(plan.roots):
            self._user.show_plan(plan)
            self._report_orphans(plan.bucket, deployed=any(root.live for root in plan.roots))
            if out:
                self._report_unbound(plan)
                write_saved_plan(out, plan if keep else without_change_sets(plan))
        if not keep:
            self._planner.discard(plan.roots)
        if self._supplies.artifacts.sent:
            self._user.say(
                f"the uploaded artifacts stay in s3://{plan.bucket}; prune deletes unused ones"
            )
        return PlanResult(plan, ready and not plan.blockers)

    def rollback(self, number: int | None = None, *, allow_failed: bool = False) -> bool:
        """Restore the release of that number, by default the last one before what is live. Whether
        it is deployed and well. ``allow_failed`` restores a release whose deployment failed, too.
        Raises StackwrightError."""
        from .rollback import act_of, describe_release, find_release, plan_rollback

        lives = self._environment.read_roots()
        release = find_release(self._planner, lives, number, allow_failed=allow_failed)
        describe_release(release, lives, self._user.say)
        plan = plan_rollback(self._planner, release)
        try:
            with self._planner.discarding(plan.roots):
                self._user.show_plan(plan)
                if plan.empty:
                    self._user.say(
                        f"nothing to do: release {release.number} is live; name an "
                        "earlier one, see history"
                    )
                    return True
                approvals = self._have_approved(plan, act_of(release))
            return self._carry_out(plan, approvals, restores=release.number)
        except Stopped:
            return False

    # --- 1. find the work

    def _find_work(self, saved: Path | None) -> Work:
        """What there is to do, by reading alone where that tells that nothing changes."""
        self._supplies.secrets.keys()  # whatever keys.env lacks is told before anything is done
        noop = find_noop(self._planner) if saved is None else None
        if noop is None:
            return self._find_changes(saved)
        releases = (noop.last,) if noop.last else ()
        self._report(find_orphaned_stacks(self._environment, releases))
        return Work(noop.plan, noop.done)

    def _find_changes(self, saved: Path | None) -> Work:
        """What there is to do, by change sets or by a saved plan. Raises Stopped where preflight
        fails."""
        from .recover import recover_before_deployment
        from .saved_plan import read_saved_plan

        self._environment.require_account()
        recover_before_deployment(self._runner)
        if saved is None:
            self._supplies.images.push_missing()
        ready, reading = self._check_account()
        if not ready:
            raise Stopped
        inputs = reading.result()
        # Told before change sets are made: a failure here would leave them behind.
        bucket = self._environment.find_bucket(inputs.lives.values())
        self._report_orphans(bucket, deployed=any(inputs.lives.values()))
        if saved is not None:
            plan, ours = read_saved_plan(saved, self._planner)
        else:
            plan = self._with_notes(self._planner.plan(inputs))
            ours = list(plan.roots)
        done = plan.empty and is_protected(self._environment, inputs.lives) and self._recorded(plan)
        return Work(plan, done, ours)

    def _check_account(self, *, skipped: bool = False) -> tuple[bool, Future[PlanInputs]]:
        """Whether preflight passes, and side by side with it what a plan starts from, or what kept
        that from being read. Failed checks are shown, and where asked for ``skipped`` ones."""
        from ..health import CheckState
        from ..preflight import run_preflight

        environment = self._environment
        shown = (CheckState.FAIL, CheckState.SKIP) if skipped else (CheckState.FAIL,)
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(self._planner.read_inputs)
            checks = run_preflight(
                environment.config,
                environment.rendering,
                environment.aws,
                env_dir=environment.env_dir,
                import_existing=self._planner.import_existing,
            )
            self._user.show_preflight(checks, shown)
        return all(check.state is not CheckState.FAIL for check in checks), reading

    def _recorded(self, plan: Plan) -> bool:
        """Whether the last release did what the plan says, or there is no bucket to record it
        in."""
        if plan.bucket is None:
            return True
        last = read_last_release(plan.environment, plan.bucket, plan.account, self._environment.aws)
        return records_plan(last, plan)

    def _with_notes(self, plan: Plan) -> Plan:
        """The plan with a note where it takes back the last rollback."""
        from .rollback import describe_last_rollback

        with self._planner.discarding(plan.roots):
            note = describe_last_rollback(plan, self._environment.aws)
        return replace(plan, notes=(*plan.notes, note)) if note else plan

    def _report_orphans(self, bucket: str | None, *, deployed: bool) -> None:
        self._report(self._planner.read_orphans(bucket, deployed=deployed))

    def _report(self, orphans: Mapping[str, Stack]) -> None:
        """Report root stacks that are deployed but no longer in `stacks:`."""
        for root, stack in orphans.items():
            text = (
                f"{stack.name} is deployed, but {root} is no longer a root stack of "
                f"{self._environment.name}"
            )
            command = f"aws cloudformation delete-stack --stack-name {stack.name}"
            self._user.say(f"note: {text}; to delete it: {command}")

    def _report_unbound(self, plan: Plan) -> None:
        """Values that a saved plan does not hold, of stacks that exist: what is approved is the
        change that they make."""
        for root in plan.roots:
            awaited = dict.fromkeys((*root.desired.missing, *root.awaited))
            if root.kind is RootAction.LATER and root.live and awaited:
                names = f"{', '.join(awaited)} of {root.desired.stack}"
                self._user.say(f"not fixed by the plan: {names}, known only during the deployment")

    # --- 2. have it approved

    def _approve(self, work: Work) -> tuple[Plan, Approvals]:
        """The plan to carry out, and the approvals for it. Raises Stopped, DeployError."""
        if work.plan.empty:
            self._user.say("verifying the live stacks, and recording them as a release")
            return self._planner.sign(work.plan), self._approvals
        with self._planner.discarding(work.ours):
            self._user.show_plan(work.plan)
            return work.plan, self._have_approved(work.plan)

    def _have_approved(self, plan: Plan, act: str = "") -> Approvals:
        locate = self._environment.locate
        require_unblocked(plan.blockers, locate)
        return approve_plan(plan, self._approvals, self._user, locate, act=act)

    # --- 3. to 5. apply, verify, record

    def _carry_out(
        self,
        plan: Plan,
        approvals: Approvals,
        *,
        restores: int | None = None,
        saved: bool = False,
    ) -> bool:
        """Apply the roots of a plan, verify them and record the release. Whether all went well."""
        from .execution import Execution

        execution = Execution(
            self._planner, self._runner, plan, approvals, restores=restores, saved=saved
        )
        try:
            applied = execution.apply_roots()
            if applied:
                report_import_drift(self._runner, execution.roots)
            ok = applied and execution.verify()
            execution.finish()
        except (StackwrightError, Stopped):
            if execution.changed:
                self._tell_what_runs(verified=True)
            raise
        if ok and execution.release:
            self._user.say(f"{plan.environment} is deployed: release {execution.release.number}")
        elif ok:
            self._user.say(f"{plan.environment} is deployed; no release is recorded: {NO_BUCKET}")
        elif execution.release:
            release = execution.release
            self._user.say(f"release {release.number} is recorded as {release.result}")
        if not ok:
            self._tell_what_runs(verified=not applied)
        return ok

    def _tell_what_runs(self, *, verified: bool) -> None:
        """Tell after a failure what runs now, and what to do next; nothing where AWS does not
        answer. ``verified`` is False where only the verification failed."""
        from .overview import describe_failure

        with suppress(StackwrightError):
            for line in describe_failure(self._environment, verified=verified):
                self._user.say(line)
