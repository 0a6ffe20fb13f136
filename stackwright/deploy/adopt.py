"""Adopts the existing resources that ``imports:`` of the parameters names into the root stacks
whose templates declare them."""

from __future__ import annotations

from ..core import command_line
from ..plan import RootPlan, build_import, preview_root, read_imports
from .approvals import Approvals
from .execution import apply_approved
from .planner import Planner
from .runner import OperationRunner
from .supplies import Supplies
from .user import Stopped


def adopt_resources(runner: OperationRunner, approvals: Approvals) -> bool:
    """Import the resources by import change sets, which are shown and approved first. Whether all
    went well.

    Raises InputError: SW845, the parameters name nothing to import, or what cannot be imported.
    """
    environment, user = runner.environment, runner.user
    environment.require_account()
    planner = Planner(environment, Supplies.of(environment, user.say), user.say)
    imports = read_imports(environment.config)
    lives = environment.read_roots()
    desired = planner.desired_stacks(lives, {}, {})
    roots: list[RootPlan] = []
    try:
        with planner.discarding(roots):
            for root, resources in imports.items():
                wanted = build_import(desired[root], lives[root], resources, environment.config)
                if wanted is None:
                    user.say(f"{desired[root].stack} has all of these resources already")
                    continue
                roots.append(
                    preview_root(
                        wanted.desired,
                        lives[root],
                        environment.aws,
                        run=planner.run,
                        description=planner.description(),
                        imports=wanted.resources,
                    )
                )
            if roots:
                apply_approved(planner, runner, roots, approvals)
    except Stopped:
        return False
    if roots:
        user.say(f"next: {command_line(f'deploy --env {environment.name}')}")
    return True
