"""Failures on request: of operations on resources, of requests, of ECS tasks, and of the server.

They are deterministic: equal seeds and requests fail alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from random import Random
from typing import Any

from .state import Event

KINDS = ("throttle", "error", "slow", "drop", "expired", "denied", "skewed")


@dataclass
class Fault:
    """The ``nth`` matching operation on a resource (1: the next) fails with ``reason``."""

    reason: str
    operation: str | None = None
    type: str | None = None
    logical_id: str | None = None
    nth: int = 1

    def strikes(self, operation: str, type_: str, logical_id: str) -> bool:
        """Whether this operation fails; counts down."""
        pairs = ((self.operation, operation), (self.type, type_), (self.logical_id, logical_id))
        if self.nth < 1 or any(wanted not in (None, actual) for wanted, actual in pairs):
            return False
        self.nth -= 1
        return self.nth == 0


@dataclass
class RequestFault:
    """A failure of requests: ``kind`` is one of :data:`KINDS`.

    ``service`` (``cloudformation``, ``ecs`` … as in a request's signature) and ``action``
    (``DescribeStacks``; the HTTP method where a service has no actions) select the requests. Every
    ``every``-th of them, from the ``every``-th on, fails with ``probability``, at most ``times``
    times. ``seconds`` is the delay of ``slow``, ``status`` the HTTP status of ``error``. With
    ``after`` the request is served and only its answer is lost (``drop``), wrong or late.

    Raises:
        ValueError: a field is out of its range.
    """

    kind: str
    service: str | None = None
    action: str | None = None
    every: int = 1
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    seconds: float = 1.0
    status: int | None = None
    after: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"kind is {self.kind!r}, not one of {', '.join(KINDS)}, kill, unhealthy"
            )
        if self.every < 1 or not 0 <= self.probability <= 1 or self.seconds < 0:
            raise ValueError("every is at least 1, probability between 0 and 1, seconds at least 0")
        self._count, self._random = 0, Random(self.seed)  # noqa: S311 - reproducible, not secret

    @property
    def seen(self) -> int:
        """The number of requests that have matched."""
        return self._count

    def resume(self, seen: int) -> None:
        """Continue as if ``seen`` requests had matched."""
        self._count = seen
        for _ in range(seen // self.every):
            self._random.random()

    def strikes(self, service: str, action: str) -> bool:
        """Whether this request fails; counts."""
        if (
            self.service not in (None, service)
            or self.action not in (None, action)
            or self.times == 0
        ):
            return False
        self._count += 1
        if self._count % self.every or self._random.random() >= self.probability:
            return False
        self.times = None if self.times is None else self.times - 1
        return True


@dataclass
class Kill:
    """The server ends at once, as by ``kill -9``, at the ``nth`` event with this logical id and
    status."""

    logical_id: str | None = None
    status: str | None = None
    nth: int = 1

    def strikes(self, event: Event) -> bool:
        """Whether this event ends the server; counts down."""
        if self.logical_id not in (None, event.logical_id) or self.status not in (
            None,
            event.status,
        ):
            return False
        self.nth -= 1
        return self.nth == 0


@dataclass
class Unhealthy:
    """Tasks of this ``service`` whose image name contains ``image`` start, and then fail their
    health checks."""

    service: str | None = None
    image: str | None = None

    def strikes(self, service: str, images: Iterable[str]) -> bool:
        """Whether a task of this service with these images is unhealthy."""
        return self.service in (None, service) and (
            self.image is None or any(self.image in image for image in images)
        )


AnyFault = Fault | RequestFault | Kill | Unhealthy
_CLASSES: Mapping[str | None, type[AnyFault]] = {None: Fault, "kill": Kill, "unhealthy": Unhealthy}


@dataclass
class FaultPlan:
    """The faults still to come, by kind."""

    resources: list[Fault] = field(default_factory=list)
    requests: list[RequestFault] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    unhealthy: list[Unhealthy] = field(default_factory=list)

    def add(self, fault: AnyFault) -> None:
        """Let a later operation or request fail, tasks be unhealthy, or the server end."""
        if isinstance(fault, Fault):
            self.resources.append(fault)
        elif isinstance(fault, Kill):
            self.kills.append(fault)
        elif isinstance(fault, Unhealthy):
            self.unhealthy.append(fault)
        else:
            self.requests.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        for faults in (self.resources, self.requests, self.kills, self.unhealthy):
            faults.clear()

    def is_killed_by(self, event: Event) -> bool:
        """Whether the server ends at this event; every kill counts it."""
        return any([kill.strikes(event) for kill in self.kills])

    def is_unhealthy(self, service: str, images: Iterable[str]) -> bool:
        """Whether tasks of an ECS service with these images fail their health checks."""
        return any(fault.strikes(service, images) for fault in self.unhealthy)

    def serialize(self) -> list[dict[str, Any]]:
        """The faults of requests and the kills still to come, as JSON for
        :func:`restore_faults`."""
        requests = [{**asdict(fault), "seen": fault.seen} for fault in self.requests]
        return [*requests, *({"kind": "kill", **asdict(k)} for k in self.kills if k.nth > 0)]


def restore_faults(data: Iterable[Mapping[str, Any]]) -> Iterator[AnyFault]:
    """The faults that :meth:`FaultPlan.serialize` wrote, as they were."""
    for entry in data:
        fault = parse_fault({key: value for key, value in entry.items() if key != "seen"})
        if isinstance(fault, RequestFault):
            fault.resume(int(entry.get("seen", 0)))
        yield fault


def parse_fault(body: Any) -> AnyFault:
    """A fault from JSON; without ``kind`` it is a :class:`Fault` of an operation on a resource.

    Raises:
        ValueError: it is not a fault.
    """
    if not isinstance(body, dict):
        raise ValueError("a fault is a JSON object")
    given = dict(body)
    fault_class = _CLASSES.get(given.get("kind"), RequestFault)
    if fault_class is not RequestFault:
        given.pop("kind", None)
    names = [item.name for item in fields(fault_class)]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(names)}")
    try:
        return fault_class(**given)
    except TypeError as error:
        raise ValueError(str(error)) from None
