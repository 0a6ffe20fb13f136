"""Results as values: checks of a verification, the status of an environment, drift."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from ..aws import Drift, Metric
from ..cfn import stack_status
from .probes import MetricSource


class CheckState(StrEnum):
    """The state of one check."""

    OK = "ok"
    FAIL = "fail"
    SKIP = "skip"


class Subject(StrEnum):
    """The kinds of things that a verification checks."""

    SERVICE = "service"
    TARGETS = "targets"
    NAME = "name"
    FUNCTION = "function"
    METRIC = "metric"
    ALARM = "alarm"


SIMULATED = frozenset((Subject.FUNCTION, Subject.METRIC))
"""Subjects that the local CloudFormation does not simulate: no container listens at the addresses
of its tasks, so that functions that call them fail, and nothing writes metrics."""


class HealthCheck(Struct, frozen=True):
    """One checked thing: the address of its resource (``app/agent:Service``), its state, and the
    facts in words."""

    subject: Subject
    address: str
    state: CheckState
    detail: str
    gone: bool = False
    """Whether the resource does not exist: no later check can be better."""

    def __str__(self) -> str:
        return f"{self.subject} {self.address}: {self.detail}"


class RootStatus(Struct, frozen=True):
    """A root stack; ``status`` is empty where it is not deployed.

    ``nested`` counts the stacks below it; ``incomplete`` holds name and status of those that did
    not end well.
    """

    root: str
    name: str
    status: str = ""
    since: datetime | None = None
    nested: int = 0
    incomplete: tuple[tuple[str, str], ...] = ()
    drift: str = ""
    drift_checked: datetime | None = None


class ServiceStatus(Struct, frozen=True):
    """An ECS service: counts of its tasks, and of the targets of its load balancers (healthy and
    all; None without a load balancer).

    ``metric`` is the metric of its work that the template declares, ``metric_value`` its newest
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
    metric: MetricSource | None = None
    metric_value: Metric | None = None


class MissingResource(Struct, frozen=True):
    """A resource of a stack that was deleted outside of CloudFormation."""

    address: str
    type: str
    physical_id: str


class EnvironmentStatus(Struct, frozen=True):
    """The root stacks in order of deployment, their services, and their resources that are
    ``missing``.

    ``orphaned`` are deployed root stacks that ``stacks:`` does not name any more, without their
    nested stacks.
    """

    stacks: tuple[RootStatus, ...]
    services: tuple[ServiceStatus, ...]
    orphaned: tuple[RootStatus, ...] = ()
    missing: tuple[MissingResource, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether every stack is deployed and complete, every service stable, and no resource
        missing."""
        complete = all(
            stack_status(root.status).good and not root.incomplete for root in self.stacks
        )
        stable = all(service.stable for service in self.services)
        return complete and stable and not self.missing


class DriftedStack(Struct, frozen=True):
    """Drift of one stack (``app/gateway``): the resources that differ, and how many resources were
    and were not compared.

    ``failed`` is the reason why the detection did not compare all of them.
    """

    stack: str
    resources: tuple[Drift, ...]
    compared: int
    skipped: int
    failed: str = ""
