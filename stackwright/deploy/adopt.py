"""Adopts the existing resources that ``imports:`` of the parameters names into the root stacks
whose templates declare them."""

from __future__ import annotations

from collections.abc import Sequence

from ..core import command_line
from ..plan import RootPlan, build_import, preview_root, read_imports
from .approvals import Approvals, count_noun
from .drift import detect_drift
from .execution import apply_approved
from .planner import Planner
from .runner import OperationRunner
from .supplies import Supplies
from .user import Stopped

_IMPORT = "Import"
"""CloudFormation's action for a resource that a stack adopts."""


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
    count = 0
    try:
        with planner.discarding(roots):
            for root, resources in imports.items():
                wanted = build_import(desired[root], lives[root], resources, environment.config)
                if wanted is None:
                    user.say(f"{desired[root].stack} has all of these resources already")
                    continue
                count += len(wanted.resources)
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
                act = f"Adopt {count_noun(count, 'resource')}"
                apply_approved(planner, runner, roots, approvals, act)
    except Stopped:
        return False
    if roots:
        report_import_drift(runner, roots)
        user.say(f"next: {command_line(f'deploy --env {environment.name}')}")
    return True


def report_import_drift(runner: OperationRunner, roots: Sequence[RootPlan]) -> None:
    """Tell where resources that these roots have just imported differ from their templates, and how
    to apply the templates: an import changes no property, and a deployment compares templates only.

    Raises AwsError. Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
    """
    environment, say = runner.environment, runner.user.say
    imported = {
        change.diff.address for root in roots for change in root.changes if change.action == _IMPORT
    }
    lives = [
        environment.read_root(root.desired.root)
        for root in roots
        if any(change.action == _IMPORT for change in root.changes)
    ]
    stacks = detect_drift(filter(None, lives), environment.aws) if imported else []
    differing = [
        (f"{stack.stack}:{drift.logical_id}", drift)
        for stack in stacks
        for drift in stack.resources
        if f"{stack.stack}:{drift.logical_id}" in imported
    ]
    for address, drift in differing:
        for path, expected, actual, _ in drift.differences:
            name = path.strip("/").replace("/", ".")
            say(f"imported {address} differs: {name} is {actual}, and {expected} in the template")
    if differing:
        command = command_line(f"drift --env {environment.name} --revert")
        say(f"a deployment does not change that; to apply the templates: {command}")
