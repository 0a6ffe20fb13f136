"""What plan, deploy and rollback share: everything that is known of one environment, and its plan,
root by root."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from ..core import (
    AwsError,
    Bundle,
    Cache,
    Config,
    InputError,
    Location,
    Problem,
    Rendering,
    S3Folder,
    SourceKind,
)
from ..plan import (
    RUN,
    DesiredStack,
    Plan,
    RootPlan,
    SecretChange,
    build_desired_stack,
    deploy_settings,
    find_bucket,
    known_values,
    require_own,
    root_documents,
    stack_name,
)
from .options import Options

if TYPE_CHECKING:
    from ..artifacts import ImageRegistry, KeyValues
    from ..aws import Aws, Caller, Stack
    from ..plan import LiveStack
    from ..releases import Release

Say = Callable[[str], None]
"""What is done now, in a few words, for stderr."""


class NoOp(Struct, frozen=True):
    """The plan of a deployment that has nothing to do; ``done`` says that the ``last`` release
    deployed just that and ended well, the stacks protected: not where a deployment was killed
    before its end, or failed."""

    plan: Plan
    done: bool
    last: Release | None = None


class PlanInputs(Struct, frozen=True):
    """What a plan starts from: the stacks that are live, references to images and the versions that
    secrets will have, by their names in the parameters, and what keys.env changes in the
    secrets."""

    lives: Mapping[str, LiveStack | None]
    images: Mapping[str, str]
    secret_changes: tuple[SecretChange, ...]
    secrets: Mapping[str, str]


class RefreshedPlan(Struct, frozen=True):
    """A plan as it is between two roots, what the roots are asked to become by it, and the stacks
    that are live."""

    plan: Plan
    targets: Mapping[str, DesiredStack]
    lives: Mapping[str, LiveStack | None]


@dataclass
class DeploySession:
    """One environment, connected: what was rendered, and what the account holds of it.

    ``images`` and ``secrets`` grow during a deployment, as repositories, images and secret versions
    come to be.
    """

    options: Options
    config: Config
    aws: Aws
    say: Say
    rendered: Rendering | None = None
    run: str = field(default_factory=lambda: f"{RUN}{uuid.uuid4().hex[:12]}")
    _bundles: dict[str | None, Bundle] = field(default_factory=dict)
    _left: dict[str | None, dict[str, Stack]] = field(default_factory=dict)
    _uploaded: set[str] = field(default_factory=set)
    _uploading: Lock = field(default_factory=Lock)

    @property
    def rendering(self) -> Rendering:
        """The templates of the working tree; only what restores a release does without."""
        if self.rendered is None:
            raise ValueError("nothing was rendered")
        return self.rendered

    def require_account(self) -> Caller:
        """Who deploys; raises AwsError (SW404) where that is in another account than the parameters
        name."""
        from ..aws import require_account

        return require_account(self.config.account, self.aws)

    @property
    def caller(self) -> Caller:
        """The same."""
        return self.require_account()

    # --- what the account holds
    # -------------------------------------------------------------------------------

    def live(self, root: str) -> LiveStack | None:
        """The root stack as it is, with its nested stacks."""
        from ..plan import read_stack

        found = read_stack(stack_name(self.config, root), self.aws, root)
        if found:
            require_own(self.config, found.stack)
        return found

    def with_left(
        self, lives: Mapping[str, LiveStack | None], releases: Iterable[Release]
    ) -> dict[str, LiveStack | None]:
        """The root stacks, and those that releases had and the parameters have no more, as they
        are."""
        there = dict.fromkeys(
            root.root for each in releases for root in each.roots if root.root not in lives
        )
        return {**lives, **{root: self.live(root) for root in there}}

    def lives(self) -> dict[str, LiveStack | None]:
        """All root stacks as they are."""
        names = [root.name for root in self.config.stacks]
        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(names, pool.map(self.live, names), strict=True))

    def bucket(self, lives: Mapping[str, LiveStack | None]) -> str | None:
        """The bucket of artifacts and releases; None as long as the stack that makes it is not
        deployed."""
        return find_bucket(self.config, (found.stack for found in lives.values() if found))

    def bundle(self, bucket: str | None) -> Bundle:
        """Templates and zips with addresses in the bucket, or relative ones."""
        if bucket not in self._bundles:
            from ..artifacts import package_rendering

            self._bundles[bucket] = package_rendering(
                self.rendering, S3Folder(bucket, self.config.region) if bucket else None
            )
        return self._bundles[bucket]

    def images(self) -> dict[str, str]:
        """References by digest of the images that are in the registry as they are needed."""
        if not self.config.parameters.get("images"):
            return {}
        from ..artifacts import (
            ImageState,
            list_images,
        )

        found = self.store().status(list_images(self.config))
        return {each.image.name: each.reference for each in found if each.state is ImageState.OK}

    def tagged(self) -> dict[str, str]:
        """The same for images whose platform need not be looked at, since what they are compared
        with is deployed."""
        from ..artifacts import (
            find_tagged_images,
        )
        from ..emulator import REGISTRY, is_local_endpoint

        if not self.config.parameters.get("images"):
            return {}
        instead = os.environ.get(REGISTRY)
        return (
            find_tagged_images(self.config, self.aws)
            if not instead or is_local_endpoint(instead)
            else self.images()
        )

    def store(self) -> ImageRegistry:
        """The registry of the environment's images."""
        from ..artifacts import ImageRegistry
        from ..emulator import REGISTRY

        return ImageRegistry(self.config, self.aws, os.environ.get(REGISTRY))

    def uses_secrets(self) -> bool:
        """Whether the parameters name a secret for keys.env."""
        given = self.config.parameters.get("secrets")
        return bool(given) and bool(self.config.dotenv.secret_names)

    def keys(self) -> KeyValues | None:
        """The values of keys.env; None where there is no such file, as in a pipeline."""
        from ..artifacts import KEYS, read_keys

        folder = self.options.env_dir or self.options.project / "env" / self.options.environment
        return read_keys(self.config, folder) if (folder / KEYS).is_file() else None

    def secrets(self) -> tuple[tuple[SecretChange, ...], dict[str, str]]:
        """What keys.env changes in the secrets, with the ids that the new versions will have; and
        the version that each secret will have then, by its key under ``secrets``. A secret without
        a version is left out."""
        from ..artifacts import compare_secrets, secret_names

        if not self.uses_secrets():
            return (), {}
        names, keys = secret_names(self.config), self.keys()
        if keys is None:
            held = {key: self.aws.secret(name) for key, name in names.items()}
            return (), {
                key: each.current
                for key, each in held.items()
                if each and each.current and not each.deleted
            }
        compared = {
            each.name: each for each in compare_secrets(self.config, keys, self.aws, absent=True)
        }
        changes = {
            each.name: SecretChange(
                each.name, str(uuid.uuid4()), each.version, each.added, each.changed, each.removed
            )
            for each in compared.values()
            if not each.empty
        }
        versions = {
            key: changes[name].version if name in changes else str(compared[name].version)
            for key, name in names.items()
        }
        return tuple(changes.values()), versions

    # --- planning
    # ---------------------------------------------------------------------------------------------

    def idle(self) -> NoOp | None:
        """The plan where there is nothing to do, made by reading alone, all side by side; None
        where that cannot tell, or where a killed deployment has left functions that do not run.
        Raises AwsError as `require_account`.

        Who deploys is asked for only where the credentials do not say of themselves that they are
        of the account.
        """
        from ..plan import plan_noop
        from ..releases import read_last_release, records_plan

        if (
            self.config.account is not None
            and self.config.account != self.aws.credentials_account()
        ):
            self.require_account()
        with ThreadPoolExecutor(len(self.config.stacks) + 6) as pool:
            self.aws.prepare("cloudformation")
            standing, holding = pool.submit(self.lives), pool.submit(self.held)
            self.aws.prepare(
                "secretsmanager"
            )  # making clients takes time, of which others make use
            asking = pool.submit(self.secrets)
            self.aws.prepare("ecr")
            looking = pool.submit(self.tagged)
            self.aws.prepare("s3", "lambda")
            lives = {root: live for root, live in standing.result().items() if live}
            owner = _owner(lives.values())
            here = all(root.name in lives for root in root_documents(self.rendering))
            if not here or owner is None or self.config.account not in (None, owner):
                pool.submit(self.aws.caller)  # is needed next, and the other answers take as long
                return None
            bucket = self.bucket(lives)
            kept = Cache(self.config.project, "releases")
            reading = (
                pool.submit(
                    read_last_release, self.config.environment, bucket, owner, self.aws, kept
                )
                if bucket
                else None
            )
            templates = pool.map(lambda live: live.template, lives.values())
            self.bundle(bucket)  # is needed below, and AWS takes its time
            (changes, versions), images = asking.result(), looking.result()
            if changes:
                return None
            wanted = self.targets(lives, images, versions)
            list(templates)
            roots = [plan_noop(each, lives[root]) for root, each in wanted.items()]
            last, held = reading.result() if reading else None, holding.result()
        found = [each for each in roots if each is not None]
        if len(found) < len(wanted) or held:
            return None
        made = self.planned(found, images, versions, lives)
        return NoOp(
            made, self.protected(lives) and (bucket is None or records_plan(last, made)), last
        )

    def left(self, bucket: str | None, *, deployed: bool) -> dict[str, Stack]:
        """Root stacks that are deployed and no part of the environment any more, by the last
        release in the bucket; where there is none, by all stacks of the account, if the environment
        is ``deployed``. Read once. Raises AwsError."""
        from ..releases import read_last_release

        if bucket not in self._left:
            kept = Cache(self.config.project, "releases")
            place = (
                (self.config.environment, bucket, self.caller.account, self.aws, kept)
                if bucket
                else None
            )
            last = read_last_release(*place) if place else None
            self._left[bucket] = self.left_by(
                (last,) if last else (), everywhere=place is None and deployed
            )
        return self._left[bucket]

    def left_by(self, releases: Sequence[Release], *, everywhere: bool = False) -> dict[str, Stack]:
        """The same by these releases."""
        from ..releases import find_orphans

        here = [each.name for each in root_documents(self.rendering)] if self.rendered else None
        roots = here or [each.name for each in self.config.stacks]
        return find_orphans(self.config, roots, releases, self.aws, everywhere=everywhere)

    def held(self) -> bool:
        """Whether a function that a deployment holds still does not run."""
        from ..deploy import is_any_paused

        roots = [root.name for root in self.config.stacks]
        texts = {
            root: {d.name: d.text for d in self.rendering.documents if d.root == root}
            for root in roots
        }
        return any(
            is_any_paused(stack_name(self.config, root), texts[root], self.aws) for root in roots
        )

    def standing(self) -> PlanInputs:
        """What a plan starts from, as it is now, read side by side."""
        with ThreadPoolExecutor(3) as pool:
            asking, looking, standing = (
                pool.submit(self.secrets),
                pool.submit(self.images),
                pool.submit(self.lives),
            )
            return PlanInputs(standing.result(), looking.result(), *asking.result())

    def plan(self, found: PlanInputs) -> Plan:
        """The plan of all roots, made side by side; roots whose inputs are not there yet are
        predicted.

        Change sets that were made are discarded where another root fails to be planned, or where
        this is interrupted: then the others are waited for, as CloudFormation deletes none that it
        is still creating.
        """
        wanted = self.targets(found.lives, found.images, found.secrets)
        planning: list[Future[RootPlan]] = []
        made: list[RootPlan] = []
        with self.discarding(made):
            try:
                with ThreadPoolExecutor(len(wanted)) as pool:
                    planning += (
                        pool.submit(self.root_plan, each, found.lives[root])
                        for root, each in wanted.items()
                    )
            except BaseException:
                self.say("stopped: change sets that are being made are waited for, and deleted")
                wait(planning)
                raise
            finally:
                made += (each.result() for each in planning if each.done() and not each.exception())
            for each in planning:
                each.result()
        return self.signed(
            self.planned(made, found.images, found.secrets, found.lives, found.secret_changes)
        )

    def root_plan(self, wanted: DesiredStack, found: LiveStack | None) -> RootPlan:
        """The plan of one root: by a change set where all its inputs are known and something may
        change."""
        from ..plan import plan_noop, predict_root, preview_root

        if wanted.missing:
            return predict_root(wanted, found)
        if same := plan_noop(wanted, found):
            return same
        self.upload()
        self.say(f"change set of {wanted.stack}")
        return preview_root(wanted, found, self.aws, run=self.run, description=self.description())

    def description(self) -> str:
        """Who deploys what, for the change set: whoever meets it under way can read it."""
        return f"by {self.caller.arn}" + (f", commit {self._commit}" if self._commit else "")

    @cached_property
    def _commit(self) -> str:
        return git_commit(self.options.project)

    def planned(
        self,
        roots: Sequence[RootPlan],
        images: Mapping[str, str],
        versions: Mapping[str, str],
        lives: Mapping[str, LiveStack | None],
        changes: tuple[SecretChange, ...] = (),
    ) -> Plan:
        """The plan of the roots, made now; it is not `signed`."""
        bucket = self.bucket(lives)
        return Plan(
            environment=self.config.environment,
            account="",
            region=self.config.region,
            caller="",
            commit="",
            made=datetime.now(UTC),
            roots=tuple(roots),
            images=images,
            secrets=versions,
            secret_changes=changes,
            artifacts=self._artifacts(bucket),
            bucket=bucket,
        )

    def signed(self, plan: Plan) -> Plan:
        """The plan with whom it is made by, in which account, and of which git revision: all of it
        takes time to tell."""
        return replace(
            plan, account=self.caller.account, caller=self.caller.arn, commit=self._commit
        )

    def _artifacts(self, bucket: str | None) -> tuple[str, ...]:
        """Names of what is in the bucket for it; of a release that is restored, the record says
        it."""
        return (
            tuple(each.name for each in self.bundle(bucket).artifacts)
            if bucket and self.rendered
            else ()
        )

    def secret_names(self) -> dict[str, str]:
        """The secrets that hold keys.env, by their key under ``secrets``."""
        from ..artifacts import secret_names

        return secret_names(self.config) if self.uses_secrets() else {}

    def token(self, root: RootPlan) -> str:
        """The ClientRequestToken of an operation: whoever meets its events sees whose they are, and
        a repeated call does nothing. Source:
        https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ExecuteChangeSet.html
        """
        return f"{self.run}-{root.desired.root}"

    def protects(self) -> bool:
        """Whether stacks get termination protection and a policy that keeps what holds data
        (``deploy.protect``)."""
        return bool(deploy_settings(self.config).get("protect"))

    def protected(self, lives: Mapping[str, LiveStack | None]) -> bool:
        """Whether the stacks have termination protection, which is set after their policies, where
        they are to."""
        return not self.protects() or all(live.stack.protected for live in lives.values() if live)

    def locate(self, stack: str, logical_id: str) -> Location | None:
        """The line of the template that makes a resource of ``app/gateway``; None where it was not
        rendered here."""
        document = self.rendered.document(stack) if self.rendered else None
        line = document.starts.get(("Resources", logical_id)) if document else None
        return document.lines[line - 1].origin[0] if document and line else None

    def discard(self, roots: Iterable[RootPlan]) -> None:
        """Leave nothing behind of change sets that are not executed. Raises AwsError with all that
        cannot be removed; empty stacks that must not be deleted are told of."""
        from ..plan import discard_change_sets

        problems: list[Problem] = []
        for root in roots:
            try:
                discard_change_sets(root, self.aws)
            except AwsError as error:
                problems += error.problems
        for each in problems:
            if each.code == "SW806":
                self.say(f"left behind: {each.message}; {each.hint}")
        if hard := [each for each in problems if each.code != "SW806"]:
            raise AwsError(hard)

    @contextmanager
    def discarding(self, roots: Iterable[RootPlan]) -> Iterator[None]:
        """Where the block fails or is interrupted, `discard` what is in ``roots`` then; what cannot
        be removed is told of, and what failed first is raised."""
        try:
            yield
        except BaseException:
            try:
                self.discard(roots)
            except AwsError as error:
                self.say(f"left behind: {error}")
            raise

    def upload(self) -> None:
        """Bring to the bucket, where there is one, what it does not hold of the targets' artifacts;
        once in a run."""
        from ..artifacts import Transfer, upload_bundle

        with self._uploading:
            for bucket, bundle in self._bundles.items():
                if bucket is None or bucket in self._uploaded:
                    continue
                found = upload_bundle(bundle, self.caller.account, self.aws)
                self._uploaded.add(bucket)
                if sent := len(found.transfers) - found.count(Transfer.PRESENT):
                    self.say(f"uploaded {sent} of {len(found.transfers)} artifacts")

    # --- between the roots
    # ------------------------------------------------------------------------------------

    def targets(
        self,
        lives: Mapping[str, LiveStack | None],
        images: Mapping[str, str],
        versions: Mapping[str, str],
    ) -> dict[str, DesiredStack]:
        """What every root is asked to become, by what is there now."""
        bundle = self.bundle(self.bucket(lives))
        known = known_values(
            {root: found.stack for root, found in lives.items() if found}, images, versions
        )
        found = root_documents(self.rendering)
        return {
            each.name: build_desired_stack(each, self.rendering, bundle, known) for each in found
        }

    def advanced(self, plan: Plan, *, images: bool) -> RefreshedPlan:
        """The plan with the bucket, and where asked for the images, that came to be since it was
        made."""
        wanted = self.config.parameters.get("images") or {}
        with ThreadPoolExecutor(1) as pool:
            asking = (
                pool.submit(self.images)
                if images and not wanted.keys() <= plan.images.keys()
                else None
            )
            lives = self.lives()
            found = {**asking.result(), **plan.images} if asking else plan.images
        bucket = self.bucket(lives)
        moved = replace(plan, images=found, artifacts=self._artifacts(bucket), bucket=bucket)
        return RefreshedPlan(moved, self.targets(lives, moved.images, moved.secrets), lives)

    def put_secrets(self, plan: Plan) -> None:
        """Put the versions that the plan announces; those that are there already stay."""
        from ..artifacts import put_version, require_usable

        keys = self.keys()
        for change in plan.secret_changes:
            secret = require_usable(change.name, self.aws)
            if change.version in secret.versions:
                continue  # put by a run that was interrupted
            if keys is None:
                raise InputError.of(
                    "SW420", f"there is no keys.env, and the plan puts a version of {change.name}"
                )
            # A secret that the deployment itself has made comes with a first, generated version.
            if change.before is not None and secret.current != change.before:
                hint = "make a new plan"
                raise AwsError.of(
                    "SW884", f"the secret {change.name} has another version than planned", hint=hint
                )
            put_version(secret, change.version, keys, self.aws)
            self.say(f"secret {change.name}: version {change.version}")

    def bring_images(self) -> dict[str, str]:
        """Build, push and mirror what is not in the registry yet, where its repository is there;
        the references by digest of what is there then.

        Images for the local CloudFormation, which runs no containers, are stood in for. Raises
        ImageError.
        """
        from ..artifacts import (
            ContainerEngine,
            ImageState,
            build_images,
            list_images,
            mirror_images,
            push_images,
            push_placeholders,
        )
        from ..emulator import is_local_registry

        if not self.config.parameters.get("images"):
            return {}
        store = self.store()
        found = store.status(list_images(self.config))
        absent = [each.image for each in found if each.state is ImageState.MISSING]
        if absent:
            self.say(f"images to bring: {', '.join(image.name for image in absent)}")
            if is_local_registry(store.registry.host):
                found += push_placeholders(absent, store)
            else:
                engine = ContainerEngine.find()
                build_images(self.config, [image for image in absent if image.context], engine)
                found += [
                    *push_images(absent, store, engine),
                    *mirror_images(absent, store, engine),
                ]
        return {each.image.name: each.reference for each in found if each.state is ImageState.OK}


def _owner(lives: Iterable[LiveStack]) -> str | None:
    """The account of all stacks, by their ids
    (``arn:aws:cloudformation:<region>:<account>:stack/…``)."""
    accounts = {live.stack.id.split(":")[4] for live in lives}
    return accounts.pop() if len(accounts) == 1 else None


def git_commit(project: Path) -> str:
    """The revision of the project, with ``-dirty`` where files differ from it; empty where there is
    none."""
    command = [
        "git",
        "-C",
        str(project),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def uses_source(rendering: Rendering, root: str, kind: SourceKind) -> bool:
    """Whether a Parameter of the root takes its value from that kind of source."""
    return any(source.kind is kind for source in rendering.wiring[root].sources.values())


def same_target(one: DesiredStack, other: DesiredStack) -> bool:
    """Whether both ask CloudFormation for the same."""
    return (one.templates, one.parameters, one.tags) == (
        other.templates,
        other.parameters,
        other.tags,
    )
