"""Whether a deployment has nothing to do, found out by reading alone (see
docs/decisions/0034).

`read_state` reads side by side, in the order that takes the least time; `decide` is pure: it says
whether what was read needs no deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from ..plan import (
    DesiredStack,
    Environment,
    LiveStack,
    Plan,
    RootPlan,
    StoredValues,
    plan_noop,
    root_documents,
)
from ..releases import Release, read_last_of, records_plan
from .operation import is_any_paused
from .planner import PlanInputs, Planner


class NoOp(Struct, frozen=True):
    """The plan of a deployment that has nothing to do.

    ``done`` says that the ``last`` release deployed just that and ended well, with its stacks
    protected: not so where a deployment was killed before its end, or failed.
    """

    plan: Plan
    done: bool
    last: Release | None = None


class DeployedState(Struct, frozen=True):
    """What was read: the live root stacks, all of which exist, their desired states, and
    the inputs.

    ``bucket`` holds the releases, of which ``last`` is the newest. ``paused`` says that functions
    are still stopped by a deployment that was killed. ``store`` reads Parameter Store.
    """

    inputs: PlanInputs
    desired: Mapping[str, DesiredStack]
    bucket: str | None
    last: Release | None
    paused: bool
    store: StoredValues | None = None


def find_noop(planner: Planner) -> NoOp | None:
    """The plan where there is nothing to do; None where reading cannot tell that, or there is
    something. Raises AwsError: SW404, the credentials are of another account."""
    state = read_state(planner)
    roots = decide(state) if state else None
    if state is None or roots is None:
        return None
    plan = planner.assemble(roots, state.inputs)
    recorded = state.bucket is None or records_plan(state.last, plan)
    done = recorded and is_protected(planner.environment, state.inputs.lives)
    return NoOp(plan, done, state.last)


def decide(state: DeployedState) -> list[RootPlan] | None:
    """The plans of the roots where each is as desired, no secret changes and no
    function is paused; else None."""
    if state.inputs.secrets.changes or state.paused:
        return None
    roots = [
        plan_noop(stack, state.inputs.lives[root], state.store)
        for root, stack in state.desired.items()
    ]
    unchanged = [root for root in roots if root is not None]
    return unchanged if len(unchanged) == len(roots) else None


def read_state(planner: Planner) -> DeployedState | None:
    """Read everything that `decide` needs; None as soon as something tells that a deployment is
    needed.

    Making a client takes time, during which the answers to other calls arrive: so each client is
    made just before its first call, the slowest call first. The caller is asked for only where the
    credentials do not say themselves that they are of the account.
    """
    environment, supplies = planner.environment, planner.supplies
    aws, account = environment.aws, environment.config.account
    if account is not None and account != aws.credentials_account():
        environment.require_account()
    with ThreadPoolExecutor(len(environment.roots) + 6) as pool:
        aws.prepare("cloudformation")
        reading_roots = pool.submit(environment.read_roots)
        reading_paused = pool.submit(read_paused, environment)
        aws.prepare("secretsmanager")
        reading_secrets = pool.submit(supplies.secrets.read)
        aws.prepare("ecr")
        reading_images = pool.submit(supplies.images.read_tagged)
        aws.prepare("s3", "lambda")
        lives = {root: live for root, live in reading_roots.result().items() if live}
        owner = find_owner(lives.values())
        complete = all(root.name in lives for root in root_documents(environment.rendering))
        if not complete or owner is None or account not in (None, owner):
            pool.submit(aws.caller)  # is needed next, and the other answers take as long
            return None
        bucket = environment.find_bucket(lives.values())
        reading_last = pool.submit(read_last_of, environment, bucket, owner) if bucket else None
        reading_templates = pool.map(lambda live: live.template, lives.values())
        supplies.artifacts.bundle(bucket)  # `desired_stacks` needs it; AWS takes its time meanwhile
        secrets, images = reading_secrets.result(), reading_images.result()
        if secrets.changes:
            return None
        desired = planner.desired_stacks(lives, images, secrets.versions)
        list(reading_templates)  # each live stack keeps its own
        last = reading_last.result() if reading_last else None
        inputs = PlanInputs(lives, images, secrets)
        store = StoredValues(aws)
        return DeployedState(inputs, desired, bucket, last, reading_paused.result(), store)


def read_paused(environment: Environment) -> bool:
    """Whether a function that a deployment has paused is still stopped. Raises AwsError."""
    return any(
        is_any_paused(environment.stack_name(root), environment.templates(root), environment.aws)
        for root in environment.roots
    )


def is_protected(environment: Environment, lives: Mapping[str, LiveStack | None]) -> bool:
    """Whether the stacks have termination protection, which is set after their policies, where
    ``deploy.protect`` asks for it."""
    stacks: Sequence[LiveStack] = [live for live in lives.values() if live]
    return not environment.protects or all(live.stack.protected for live in stacks)


def find_owner(lives: Iterable[LiveStack]) -> str | None:
    """The account of all stacks, by their ids; None where there are none, or of several accounts.

    An id is ``arn:aws:cloudformation:<region>:<account>:stack/…``.
    """
    accounts = {live.stack.id.split(":")[4] for live in lives}
    return accounts.pop() if len(accounts) == 1 else None
