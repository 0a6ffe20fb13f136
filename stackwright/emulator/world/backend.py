"""The services in which the resources of stacks exist."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .clock import Clock
from .faults import FaultPlan
from .identity import Identities
from .provider import Provider, SchemaProvider
from .settings import EmulatorSettings
from .state import DriftedResource

Waiter = Callable[[str, str, Mapping[str, Any], Callable[[str | None], None]], None]
"""Called with an operation, a physical id, the properties, and a callback. The callback gets None
once the resource is stable, or the reason why it does not become stable."""


class DriftReader(Protocol):
    """Reads resources from their services."""

    def read(
        self, type_: str, physical_id: str, properties: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """The properties of a resource; None where it does not exist. KeyError: the type cannot be
        read."""

    def compare(
        self,
        logical_id: str,
        type_: str,
        physical_id: str,
        properties: Mapping[str, Any],
        now: float,
    ) -> DriftedResource:
        """The drift of a resource. KeyError: the type cannot be read."""


@dataclass(frozen=True)
class Backend:
    """The services behind the resource types.

    ``resolve_dynamic`` gives the value of a dynamic reference (service, arguments); events and
    change sets never show it. ``waiters`` are for types whose resources go on changing after their
    service accepted the request.
    """

    provider: Provider
    stored: Mapping[str, str] = field(default_factory=dict)
    resolve_dynamic: Callable[[str, str], str] | None = None
    drift_reader: DriftReader | None = None
    waiters: Mapping[str, Waiter] = field(default_factory=dict)


@dataclass(frozen=True)
class BackendContext:
    """The parts of an emulator that its services share."""

    settings: EmulatorSettings
    clock: Clock
    identities: Identities
    latency: Callable[[str, str], float]
    faults: FaultPlan


def connect_schemas(context: BackendContext) -> Backend:
    """A backend in which resources exist in their stacks only."""
    return Backend(SchemaProvider(context.identities), context.settings.stored)
