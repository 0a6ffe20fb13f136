"""Environment -> `Plan`: every root stack by a change set where all of its inputs are known, by a
prediction elsewhere.

Change sets stay in CloudFormation until they are executed, or discarded by `Planner.discard`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from ..cfn import parse_template
from ..core import AwsError, Problem, Source, url_suffix
from ..plan import (
    RUN,
    Blocker,
    DesiredStack,
    Environment,
    KnownValues,
    LiveStack,
    Plan,
    RootForecast,
    RootPlan,
    StoredValues,
    UpcomingValues,
    build_desired_stack,
    find_hidden_parameters_without_value,
    find_moved_references,
    known_values,
    pseudo_parameters,
    root_documents,
)
from .supplies import SecretVersions, Supplies
from .user import Say

if TYPE_CHECKING:
    from ..aws import Stack
    from ..cfn import Pseudo, Template
    from ..plan import RootChange

_LEFT_BEHIND = "SW806"
"""An empty stack under review that must not be deleted: told, and no failure."""


class PlanInputs(Struct, frozen=True):
    """What a plan starts from: the live root stacks, references of images by name, and the versions
    of secrets."""

    lives: Mapping[str, LiveStack | None]
    images: Mapping[str, str]
    secrets: SecretVersions


class RefreshedPlan(Struct, frozen=True):
    """A plan between two of its roots, with the live and the desired stacks as they are then."""

    plan: Plan
    desired: Mapping[str, DesiredStack]
    lives: Mapping[str, LiveStack | None]


def _new_run() -> str:
    return f"{RUN}{uuid.uuid4().hex[:12]}"


@dataclass
class Planner:
    """Makes the plans of one run; ``run`` begins the names of its change sets and its tokens."""

    environment: Environment
    supplies: Supplies
    say: Say
    run: str = field(default_factory=_new_run)
    import_existing: bool = False
    """Whether resources that exist already are imported by their names."""
    ask_hidden: Callable[[str], str] | None = None
    """Asks for a value without showing it; an empty answer gives none."""
    _answers: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    _orphans: dict[str | None, dict[str, Stack]] = field(default_factory=dict)

    # --- reading

    def read_inputs(self) -> PlanInputs:
        """What a plan starts from, read side by side. Raises AwsError, InputError."""
        with ThreadPoolExecutor(3) as pool:
            secrets = pool.submit(self.supplies.secrets.read)
            images = pool.submit(self.supplies.images.read)
            lives = pool.submit(self.environment.read_roots)
            return PlanInputs(lives.result(), images.result(), secrets.result())

    def read_orphans(self, bucket: str | None, *, deployed: bool) -> dict[str, Stack]:
        """Root stacks that are deployed and no part of the environment any more, read once for each
        bucket; see `releases.read_orphaned_stacks`."""
        from ..releases import read_orphaned_stacks

        if bucket not in self._orphans:
            orphans = read_orphaned_stacks(self.environment, bucket, deployed=deployed)
            self._orphans[bucket] = orphans
        return self._orphans[bucket]

    def desired_stacks(
        self,
        lives: Mapping[str, LiveStack | None],
        images: Mapping[str, str],
        versions: Mapping[str, str],
    ) -> dict[str, DesiredStack]:
        """What every root stack is asked to become, by what is known now."""
        rendering = self.environment.rendering
        bundle = self.supplies.artifacts.bundle(self.environment.find_bucket(lives.values()))
        stacks = {root: live.stack for root, live in lives.items() if live}
        known = known_values(stacks, images, versions)
        self._ask_for_values(known)
        known = replace(known, answers=self._answers)
        return {
            root.name: replace(
                build_desired_stack(root, rendering, bundle, known),
                import_existing=self.import_existing,
            )
            for root in root_documents(rendering)
        }

    def _ask_for_values(self, known: KnownValues) -> None:
        """Ask once for each NoEcho Parameter that nothing gives a value."""
        rendering = self.environment.rendering
        for root in root_documents(rendering) if self.ask_hidden else ():
            answers = self._answers.setdefault(root.name, {})
            for name in find_hidden_parameters_without_value(root, rendering, known):
                if self.ask_hidden and name not in answers:
                    answer = self.ask_hidden(f"value of the Parameter {name} of {root.name}")
                    answers.update({name: answer} if answer else {})

    # --- planning

    def plan(self, inputs: PlanInputs) -> Plan:
        """The plan of all roots, made side by side.

        Where one root cannot be planned, or this is interrupted, the change sets of the others are
        discarded: they are waited for first, as CloudFormation deletes none that it is creating.
        """
        desired = self.desired_stacks(inputs.lives, inputs.images, inputs.secrets.versions)
        wiring = self.environment.rendering.wiring
        sources = {root: wiring[root].sources for root in desired}
        forecasts = self.forecast_roots(desired, inputs.lives, sources)
        blockers = self.find_blockers(forecasts)
        exports = self._find_awaited_exports(forecasts)
        blocked = {blocker.root for blocker in blockers}
        first = self._repeats_first(inputs)
        planning: dict[str, Future[RootPlan]] = {}
        planned: list[RootPlan] = []
        with self.discarding(planned):
            try:
                with ThreadPoolExecutor(len(desired)) as pool:
                    for root, forecast in forecasts.items():
                        earlier = [planning[name] for name in forecast.roots]
                        if root in exports:
                            planning[root] = pool.submit(
                                self._predict_forecast, forecast, exports[root]
                            )
                            continue
                        planning[root] = pool.submit(
                            self._plan_after, earlier, forecast, root in blocked
                        )
            except BaseException:
                self.say(
                    "interrupted: waiting for change sets that are being created, to delete them"
                )
                wait(planning.values())
                raise
            finally:
                planned += (
                    future.result()
                    for future in planning.values()
                    if future.done() and not future.exception()
                )
            roots = [future.result() for future in planning.values()]
            noted = [self._note_moved_references(root, inputs.lives) for root in roots]
        return self.sign(replace(self.assemble(noted, inputs), blockers=blockers, first=first))

    def _note_moved_references(
        self, root: RootPlan, lives: Mapping[str, LiveStack | None]
    ) -> RootPlan:
        """The plan of a root with a note for each secure value that CloudFormation does not
        follow."""
        live = lives[root.desired.root]
        if live is None:
            return root
        notes = find_moved_references(root, live, self.environment.aws)
        return replace(root, notes=(*root.notes, *notes))

    def _repeats_first(self, inputs: PlanInputs) -> bool:
        """Whether a root is new, releases of the environment are recorded, and none of them was
        deployed. Raises AwsError."""
        from ..releases import ReleaseResult, read_history

        bucket = self.environment.find_bucket(inputs.lives.values())
        if bucket is None or all(inputs.lives.values()):
            return False
        account, aws = self.environment.caller.account, self.environment.aws
        releases = read_history(self.environment.name, bucket, account, aws).releases
        deployed = any(release.result is ReleaseResult.DEPLOYED for release in releases)
        return bool(releases) and not deployed

    def forecast_roots(
        self,
        desired: Mapping[str, DesiredStack],
        lives: Mapping[str, LiveStack | None],
        sources: Mapping[str, Mapping[str, Source]],
        *,
        parse: Callable[[str], Template] = parse_template,
    ) -> dict[str, RootForecast]:
        """What is known of each root before any is deployed, with the values that the roots before
        it will have changed; nothing in AWS changes.

        ``sources`` say where the Parameters of each root come from; without them no Output flows.
        ``parse`` reads the text of a template.
        Raises AwsError, and DeployError (SW886) where an Output that a root takes will be gone.
        """
        upcoming = UpcomingValues(StoredValues(self.environment.aws), self._place(lives), parse)
        with ThreadPoolExecutor(len(desired)) as pool:  # each live stack keeps its template
            list(pool.map(lambda live: live.template, filter(None, lives.values())))
        forecasts = {}
        for root, stack in desired.items():
            forecast = upcoming.predict(stack, lives[root], sources.get(root))
            forecasts[root] = forecast
            if forecast.unchanged() is None:
                upcoming.add(root, lives[root], forecast.prediction())
        return forecasts

    def find_blockers(
        self, forecasts: Mapping[str, RootForecast], *, new: bool = False
    ) -> tuple[Blocker, ...]:
        """The changes of these roots that CloudFormation cannot carry out; nothing in AWS changes.

        Names of roots that are not deployed yet, which preflight checks, are looked up only where
        ``new``. Raises AwsError.
        """
        from ..plan import find_blockers

        environment, changes = self.environment, _list_changes(forecasts)
        return find_blockers(changes, environment.aws, environment.config.region, new=new)

    def _find_awaited_exports(
        self, forecasts: Mapping[str, RootForecast]
    ) -> dict[str, dict[str, str]]:
        """The exports that roots import and earlier roots make only in this deployment: importing
        root -> export -> exporting root. Raises AwsError."""
        from ..cfn import Schemas
        from ..plan import find_awaited_exports

        schemas = Schemas(self.environment.config.region)
        changes = _list_changes(forecasts)
        return find_awaited_exports(changes, self.environment.aws.exports, schemas)

    def _place(self, lives: Mapping[str, LiveStack | None]) -> Pseudo:
        """The account and Region of roots that are not deployed yet."""
        from ..cfn import Pseudo

        for live in lives.values():
            if live:
                return pseudo_parameters(live.stack)
        region, caller = self.environment.config.region, self.environment.caller
        return Pseudo(
            region=region,
            account_id=caller.account,
            partition=caller.arn.split(":")[1],
            url_suffix=url_suffix(region),
        )

    def plan_root(
        self, desired: DesiredStack, live: LiveStack | None, *, blocked: bool = False
    ) -> RootPlan:
        """The plan of one root whose earlier roots are deployed: a prediction where inputs are
        missing or CloudFormation cannot carry it out, nothing where reading tells that nothing
        changes, else a change set."""
        upcoming = UpcomingValues(
            StoredValues(self.environment.aws), self._place({desired.root: live})
        )
        return self._plan_forecast(upcoming.predict(desired, live), blocked)

    def _plan_after(
        self, earlier: Sequence[Future[RootPlan]], forecast: RootForecast, blocked: bool
    ) -> RootPlan:
        """The plan of a root; without a forecast of its inputs where none of the ``earlier`` roots
        that could change them turns out to change."""
        if earlier and not any(planning.result().changes_anything for planning in earlier):
            return self.plan_root(forecast.desired, forecast.live, blocked=blocked)
        return self._plan_forecast(forecast, blocked)

    def _plan_forecast(self, forecast: RootForecast, blocked: bool) -> RootPlan:
        """The plan of a root: nothing where reading tells that, a prediction where its inputs are
        not final or CloudFormation cannot carry it out, else a change set."""
        from ..plan import preview_root

        desired, live = forecast.desired, forecast.live
        if unchanged := forecast.unchanged():
            return unchanged
        if blocked or desired.missing or forecast.roots:
            return self._predict_forecast(forecast)
        self.supplies.artifacts.upload()
        self.say(f"creating change set for {desired.stack}")
        return preview_root(
            desired,
            live,
            self.environment.aws,
            run=self.run,
            description=self.description(),
            predict=forecast.prediction,
            locate=self.environment.locate_path,
        )

    def _predict_forecast(
        self, forecast: RootForecast, exports: Mapping[str, str] | None = None
    ) -> RootPlan:
        """The plan of a root by its prediction alone; ``exports`` are imports that earlier roots
        make, with those roots."""
        from ..plan import predict_root

        coming = exports or {}
        return predict_root(
            forecast.desired,
            forecast.live,
            forecast.prediction(),
            after=tuple(dict.fromkeys((*forecast.roots, *coming.values()))),
            awaited=(*forecast.awaited, *(f"the export {name}" for name in coming)),
        )

    def refresh(self, plan: Plan, *, images: bool) -> RefreshedPlan:
        """The plan with the bucket, and where asked for the images, that exist by now."""
        wanted = images and not set(self.supplies.images.names) <= plan.images.keys()
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(self.supplies.images.read) if wanted else None
            lives = self.environment.read_roots()
            pushed = {**reading.result(), **plan.images} if reading else plan.images
        bucket = self.environment.find_bucket(lives.values())
        names = self.supplies.artifacts.names(bucket)
        refreshed = replace(plan, images=pushed, artifacts=names, bucket=bucket)
        desired = self.desired_stacks(lives, refreshed.images, refreshed.secrets)
        return RefreshedPlan(refreshed, desired, lives)

    def assemble(self, roots: Sequence[RootPlan], inputs: PlanInputs) -> Plan:
        """The plan of these roots, made now. It is not signed yet, see `sign`."""
        bucket = self.environment.find_bucket(inputs.lives.values())
        return Plan(
            environment=self.environment.name,
            account="",
            region=self.environment.config.region,
            caller="",
            commit="",
            made=datetime.now(UTC),
            roots=tuple(roots),
            images=inputs.images,
            secrets=inputs.secrets.versions,
            secret_changes=inputs.secrets.changes,
            artifacts=self.supplies.artifacts.names(bucket),
            bucket=bucket,
        )

    def assemble_roots(self, roots: Sequence[RootPlan]) -> Plan:
        """The signed plan of these roots alone, without images and secrets."""
        return self.sign(self.assemble(roots, PlanInputs({}, {}, SecretVersions())))

    def sign(self, plan: Plan) -> Plan:
        """The plan with the account, the caller and the git revision, all of which take time to
        find out."""
        caller = self.environment.caller
        return replace(
            plan, account=caller.account, caller=caller.arn, commit=self.environment.commit
        )

    def description(self) -> str:
        """The description of a change set: whoever finds it reads who deploys which revision."""
        commit = self.environment.commit
        return f"by {self.environment.caller.arn}" + (f", commit {commit}" if commit else "")

    def token(self, root: RootPlan) -> str:
        """The ClientRequestToken of a root's operation: its events carry it, and a repeated call
        does nothing. Source:
        https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ExecuteChangeSet.html
        """
        return f"{self.run}-{root.desired.root}"

    # --- discarding

    def discard(self, roots: Iterable[RootPlan]) -> None:
        """Delete change sets that are not executed, and empty stacks that they made. Raises
        AwsError with everything that cannot be removed."""
        from ..plan import discard_change_sets

        problems: list[Problem] = []
        for root in roots:
            try:
                discard_change_sets(root, self.environment.aws)
            except AwsError as error:
                problems += error.problems
        for problem in problems:
            if problem.code == _LEFT_BEHIND:
                self.say(f"not removed: {problem.message}; {problem.hint}")
        if failures := [problem for problem in problems if problem.code != _LEFT_BEHIND]:
            raise AwsError(failures)

    @contextmanager
    def discarding(self, roots: Iterable[RootPlan]) -> Iterator[None]:
        """`discard` what ``roots`` holds then, where the block fails or is interrupted. A change
        set that cannot be removed is told; the block's own failure is raised."""
        try:
            yield
        except BaseException:
            try:
                self.discard(roots)
            except AwsError as error:
                self.say(f"not removed: {error}")
            raise


def _list_changes(forecasts: Mapping[str, RootForecast]) -> list[RootChange]:
    """The roots as they are, as they are to be, and the changes between, in their order."""
    from ..plan import RootChange

    return [
        RootChange(forecast.desired, forecast.live, forecast.changes())
        for forecast in forecasts.values()
    ]
