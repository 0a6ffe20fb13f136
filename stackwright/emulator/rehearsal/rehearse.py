"""Rehearsing a deployment, and a rollback of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...cfn import STACK_TYPE, Pseudo
from ...core import EmulatorError
from ..world.faults import Fault
from .build import Files, RehearsalBuild
from .model import Phase, Rehearsal, RehearsalStep, Rollback
from .world import RehearsalWorld

INJECTED = "Injected by the rehearsal"
_CHANGED = ("create", "update")


def rehearse(before: Files, after: Files, region: str, account_id: str = "") -> Rehearsal:
    """Deploy ``before``, then ``after`` over it as change sets; then again, with a failure of the
    slowest changed resource, to see the rollback.

    Raises:
        TemplateError: a file is not a template.
        EmulatorError: ``before`` itself does not deploy.
    """
    pseudo = Pseudo(region=region, account_id=account_id or "123456789012")
    old, new = RehearsalBuild(before), RehearsalBuild(after)
    phases = tuple(_deploy_roots(_deploy_base(old, pseudo), new))
    if not all(phase.ok for phase in phases):
        return Rehearsal(phases)
    changed = [(phase, step) for phase in phases for step in phase.steps if _is_change(step)]
    if not changed:
        return Rehearsal(phases)
    phase, slowest = max(changed, key=lambda pair: pair[1].ended - pair[1].began)
    return Rehearsal(phases, _roll_back(old, new, pseudo, phase, slowest))


def _is_change(step: RehearsalStep) -> bool:
    return step.type != STACK_TYPE and step.operation in _CHANGED


def _deploy_base(build: RehearsalBuild, pseudo: Pseudo) -> RehearsalWorld:
    world = RehearsalWorld(pseudo)
    for phase in _deploy_roots(world, build):
        if not phase.ok:
            cause = next(
                (f"{step.address}: {step.reason}" for step in phase.failures),
                phase.reason or phase.status,
            )
            hint = "the base does not deploy either; compare with one that does (--against)"
            raise EmulatorError.of("SW703", f"the base cannot be deployed: {cause}", hint=hint)
    return world


def _deploy_roots(
    world: RehearsalWorld, build: RehearsalBuild, until: str | None = None
) -> Iterator[Phase]:
    """Deploy the root stacks in order, up to ``until`` without it, or to the first that fails."""
    for root in build.order:
        if root == until:
            return
        phase = world.deploy(build, root)
        if phase is not None:
            yield phase
            if not phase.ok:
                return


def _roll_back(
    old: RehearsalBuild, new: RehearsalBuild, pseudo: Pseudo, phase: Phase, step: RehearsalStep
) -> Rollback:
    """Let a step fail, and compare the state after the rollback with the state before."""
    alike = [
        other
        for other in phase.steps
        if (other.logical_id, other.type) == (step.logical_id, step.type)
        and other.operation == step.operation
    ]
    # A fault names no stack, and nested stacks may use the same logical id.
    for nth in range(1, len(alike) + 1):
        world = _deploy_base(old, pseudo)
        list(_deploy_roots(world, new, until=phase.root))
        snapshot = world.snapshot()
        world.engine.fault(Fault(INJECTED, step.operation, step.type, step.logical_id, nth))
        failed = world.deploy(new, phase.root)
        if failed and any(failure.address == step.address for failure in failed.failures):
            differences = tuple(_differences(snapshot, world.snapshot()))
            return Rollback(step, failed, len(snapshot), differences)
    raise EmulatorError.of(
        "SW704", f"the failure could not be injected in {step.address}", hint="report this defect"
    )


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            kind = "is new" if name not in before else "is gone" if name not in after else "differs"
            yield f"{name} {kind}"
