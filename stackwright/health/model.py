"""What is found of live stacks, as types: checks of a verification, the status at one look,
drift."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from ..aws import Drift, Metric
from ..cfn import stack_status
from .probes import MetricSource


class CheckState(StrEnum):
    """What a check found."""

    OK = "ok"
    FAIL = "fail"
    SKIP = "skip"


class Subject(StrEnum):
    """What is looked at."""

    SERVICE = "service"
    TARGETS = "targets"
    NAME = "name"
    FUNCTION = "function"
    METRIC = "metric"
    ALARM = "alarm"


SIMULATED = frozenset((Subject.FUNCTION, Subject.METRIC))
"""What the local CloudFormation does not play: nothing listens where its tasks are, so that
functions that ask them fail, and there is nothing to measure."""


class HealthCheck(Struct, frozen=True):
    """One thing that was looked at: the resource's address (``app/agent:Service``), and what was
    found, in words."""

    subject: Subject
    address: str
    state: CheckState
    detail: str

    def __str__(self) -> str:
        return f"{self.subject} {self.address}: {self.detail}"


class RootStatus(Struct, frozen=True):
    """A root stack; ``status`` is empty where it is not deployed. ``nested`` counts the stacks
    below it, and ``unwell`` those of them that are not complete, with their status."""

    root: str
    name: str
    status: str = ""
    since: datetime | None = None
    nested: int = 0
    unwell: tuple[tuple[str, str], ...] = ()
    drift: str = ""
    drift_checked: datetime | None = None


class ServiceStatus(Struct, frozen=True):
    """An ECS service: tasks by count, healthy and all targets of its load balancers, None where it
    has none.

    ``work`` is the metric that its template declares as what its tasks work off, and its newest
    value.
    """

    address: str
    name: str
    running: int
    desired: int
    pending: int
    stable: bool
    task_definition: str
    healthy: int | None = None
    targets: int | None = None
    work: MetricSource | None = None
    value: Metric | None = None


class EnvironmentStatus(Struct, frozen=True):
    """All root stacks in their order, and the services in them; ``left`` are those that are
    deployed and no part of the environment any more, as they are without what is nested in them."""

    stacks: tuple[RootStatus, ...]
    services: tuple[ServiceStatus, ...]
    left: tuple[RootStatus, ...] = ()

    @property
    def well(self) -> bool:
        """Whether every stack is deployed and complete, and every service stable."""
        stacks = all(stack_status(each.status).good and not each.unwell for each in self.stacks)
        return stacks and all(each.stable for each in self.services)


class DriftedStack(Struct, frozen=True):
    """Drift of one stack (``app/gateway``): the resources that differ, and how many were and were
    not compared.

    ``failed`` says why the detection did not look at all of them.
    """

    stack: str
    resources: tuple[Drift, ...]
    compared: int
    skipped: int
    failed: str = ""
