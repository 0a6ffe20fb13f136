"""moto's services behind the stacks of one emulator."""

from __future__ import annotations

from functools import partial

from ..world.backend import Backend, BackendContext
from .drift_reader import MotoDriftReader
from .ecs.context import EcsContext
from .ecs.rollout import SERVICE
from .ecs.rollouts import SCALABLE_TARGET, ServiceRollouts
from .moto_services import MotoServices, StoredParameters, look_up_dynamic
from .provider import MotoProvider


def connect_moto(
    context: BackendContext, services: MotoServices
) -> tuple[Backend, ServiceRollouts]:
    """The backend whose resources exist in moto, and the rollouts of its ECS services."""
    settings = context.settings
    rollouts = ServiceRollouts(
        EcsContext(
            context.clock,
            services,
            settings.pseudo,
            context.latency,
            context.identities.uuid,
            settings.pulls,
            context.faults.is_unhealthy,
        )
    )
    backend = Backend(
        provider=MotoProvider(context.identities, services),
        stored=StoredParameters(services),
        resolve_dynamic=partial(look_up_dynamic, services),
        drift_reader=MotoDriftReader(services),
        waiters={
            SERVICE: rollouts.wait_for_service,
            SCALABLE_TARGET: rollouts.wait_for_scaling,
        },
    )
    return backend, rollouts
