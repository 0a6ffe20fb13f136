"""One plan under way: root by root, then the verification and the release record."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from msgspec.structs import replace

from .. import __version__
from ..core import AwsError, DeployError, SourceKind, StackwrightError
from ..plan import DesiredStack, LiveStack, Outcome, Plan, RootAction, RootPlan
from ..releases import Release, begin_release, finish_release, keep_release
from .approvals import Approvals, approve_plan
from .operation import UNGUARDED, guard_stack
from .planner import Planner, RefreshedPlan
from .runner import OperationRunner, is_healthy
from .saved_plan import is_same_state, require_within_plan
from .user import Stopped


class Execution:
    """Carries out a plan: `apply_roots`, then `verify`, then `finish`.

    It holds the plan as it is by now, since repositories, images and secret versions come to be on
    the way, the outcomes so far, and the release record. ``restores`` is the number of the release
    that a rollback restores. A ``saved`` plan is what was approved: existing stacks are not changed
    beyond it.
    """

    def __init__(
        self,
        planner: Planner,
        runner: OperationRunner,
        plan: Plan,
        approvals: Approvals,
        *,
        restores: int | None = None,
        saved: bool = False,
    ) -> None:
        self._planner, self._runner, self._approvals = planner, runner, approvals
        self._environment, self._supplies = planner.environment, planner.supplies
        self._plan, self._restores, self._saved = plan, restores, saved
        self._outcomes: list[Outcome] = []
        self._failure = ""
        self._secrets_put = False
        self._applied = 0
        self.release: Release | None = None

    # --- the roots

    @property
    def roots(self) -> tuple[RootPlan, ...]:
        """The plans of the roots, as they are by now."""
        return self._plan.roots

    @property
    def changed(self) -> bool:
        """Whether an operation on a root has ended, well or not."""
        return bool(self._outcomes)

    def apply_roots(self) -> bool:
        """Apply the roots in order, up to the first that fails. Whether all succeeded.

        Change sets of the others are discarded. Where this is interrupted, the release record gets
        no end.
        """
        try:
            return self._apply_in_order()
        except StackwrightError as error:
            self._failure = self._failure or str(error)
            with suppress(StackwrightError):  # what failed first is raised
                self.finish()
            raise
        finally:
            with suppress(StackwrightError):
                self._planner.discard(self._plan.roots[self._applied :])

    def _apply_in_order(self) -> bool:
        for index in range(len(self._plan.roots)):
            self._begin_release()
            root = self._prepare_root(index)
            ok = self._protect(root) if root.kind is RootAction.NOTHING else self._apply(root)
            self._applied = index + 1
            if not ok:
                return False
        if self._restores is None and not self._secrets_put:  # no root takes a secret's version
            self._supplies.secrets.put(self._plan)
            self._secrets_put = True
        if self.release is None and self._restores is None:  # the last root made the bucket
            self._refresh(images=False)
            self._begin_release()
        return True

    def _begin_release(self) -> None:
        """Take a number for the release as soon as there is a bucket to record it in."""
        if self.release is not None or not self._plan.bucket:
            return
        orphans = self._planner.read_orphans(self._plan.bucket, deployed=True)
        self.release = begin_release(
            self._plan,
            self._environment.aws,
            tool=__version__,
            secret_names=self._supplies.secrets.names(),
            restores=self._restores,
            orphaned={root: stack.name for root, stack in orphans.items()},
        )

    def _prepare_root(self, index: int) -> RootPlan:
        """The plan of a root by what exists now, once its secrets are put, its images pushed and
        its artifacts uploaded."""
        root = self._plan.roots[index]
        if self._restores is not None:
            return root
        name = root.desired.root
        images = self._takes(name, SourceKind.IMAGE)
        self._bring(name, images=images and root.kind is RootAction.LATER)
        now = self._refresh(images=images)
        with ThreadPoolExecutor(1) as pool:
            changes = root.kind is not RootAction.NOTHING
            uploading = pool.submit(self._supplies.artifacts.upload) if changes else None
            self._begin_release()
            if uploading:
                uploading.result()
        if root.kind is RootAction.LATER or not is_same_state(root.desired, now.desired[name]):
            return self._plan_again(index, now.desired[name], now.lives[name])
        return root

    def _takes(self, root: str, kind: SourceKind) -> bool:
        """Whether a Parameter of the root takes its value from that kind of source."""
        sources = self._environment.rendering.wiring[root].sources
        return any(source.kind is kind for source in sources.values())

    def _bring(self, root: str, *, images: bool) -> None:
        """Put the secrets that the root takes, and where asked for push the images, side by
        side."""
        secrets = self._takes(root, SourceKind.SECRET) and not self._secrets_put
        with ThreadPoolExecutor(1) as pool:
            putting = pool.submit(self._supplies.secrets.put, self._plan) if secrets else None
            if images:
                pushed = self._supplies.images.push_missing()
                self._plan = replace(self._plan, images={**pushed, **self._plan.images})
            if putting:
                putting.result()
                self._secrets_put = True

    def _refresh(self, *, images: bool) -> RefreshedPlan:
        """Learn which bucket, and where asked for which images, exist by now."""
        now = self._planner.refresh(self._plan, images=images)
        self._plan = now.plan
        return now

    def _plan_again(self, index: int, desired: DesiredStack, live: LiveStack | None) -> RootPlan:
        """Plan a root whose inputs came to be, or changed, by a change set; an update is shown and
        approved."""
        if desired.missing:
            names = ", ".join(desired.missing)
            raise DeployError.of("SW886", f"no value yet for {names} of {desired.root}")
        before = self._plan.roots[index]
        self._planner.discard([before])
        root = self._planner.plan_root(desired, live)
        roots = (*self._plan.roots[:index], root, *self._plan.roots[index + 1 :])
        self._plan = replace(self._plan, roots=roots)
        if root.kind is RootAction.UPDATE:
            if self._saved:
                require_within_plan(self._plan, before, root)
            self._runner.user.show_plan(replace(self._plan, roots=(root,), secret_changes=()))
            self._approvals = approve_plan(
                self._plan,
                self._approvals,
                self._runner.user,
                self._environment.locate,
                stack=desired.stack,
            )
        return root

    def _protect(self, root: RootPlan) -> bool:
        """Protect a root that does not change: a deployment that was interrupted could not. A
        failure is only told."""
        if self._environment.protects and root.stack_id:
            try:
                guard_stack(root.stack_id, self._environment.aws)
            except AwsError as error:
                self._runner.user.say(f"{root.desired.stack}: {UNGUARDED}: {error}")
        return True

    def _apply(self, root: RootPlan) -> bool:
        self._runner.user.say(f"{root.desired.stack}: {root.kind}")
        outcome = self._runner.apply(root, self._planner.token(root), self._approvals)
        self._outcomes.append(outcome)
        return outcome.ok

    # --- after the roots

    def verify(self) -> bool:
        """Whether services, targets, functions and alarms are well by the deadline; failed checks
        are shown."""
        lives = [live for live in self._environment.read_roots().values() if live]
        checks = self._runner.verify(lives)
        self._runner.user.show_health(checks)
        if not is_healthy(checks):
            self._failure = "verification failed"
        return not self._failure

    def finish(self) -> None:
        """Record how it ended; of a release that was deployed, keep what restores it."""
        if self.release is None:
            return

        def keep(release: Release) -> None:
            registry = self._supplies.images.registry() if release.images else None
            keep_release(release, self._environment.aws, registry)

        self.release = finish_release(
            self.release,
            self._plan,
            self._outcomes,
            self._environment.aws,
            failed=self._failure,
            first=keep,
        )


def apply_approved(
    planner: Planner,
    runner: OperationRunner,
    roots: Sequence[RootPlan],
    approvals: Approvals,
    act: str,
) -> None:
    """Show a plan of these roots alone, have it approved, and apply them in order. ``act`` is what
    the question asks for.

    Nothing is verified or recorded: an import or a reverted drift is no release. Raises Stopped
    where it is not approved, and after the first root that fails.
    """
    plan = planner.assemble_roots(roots)
    runner.user.show_plan(plan)
    approvals = approve_plan(plan, approvals, runner.user, planner.environment.locate, act=act)
    for root in roots:
        if root.changes_anything and not runner.apply(root, planner.token(root), approvals).ok:
            raise Stopped
