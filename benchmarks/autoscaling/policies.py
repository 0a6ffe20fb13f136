"""The autoscaler's own `decide` and its peers, each as a Policy of world.py."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from statistics import fmean

from policy import PERIOD, Config, History, Point, Service, decide

from benchmarks.autoscaling.traces import Trace
from benchmarks.autoscaling.world import Policy, View


@dataclass(frozen=True)
class Bounds:
    """The least and the most tasks that a policy may ask for."""

    minimum: int = 1
    maximum: int = 11

    def clip(self, workers: float) -> int:
        return min(max(math.ceil(workers), self.minimum), self.maximum)


def known(view: View) -> tuple[Point, ...]:
    """CloudWatch's points, and the reading in the place of the point of its minute."""
    points = {point.timestamp // PERIOD: point for point in view.points}
    if view.reading:
        points[view.reading.timestamp // PERIOD] = view.reading
    return tuple(points[minute] for minute in sorted(points))


@dataclass
class Autoscaler:
    """This project's function: CloudWatch as history, every two minutes or also with each fresh
    reading."""

    config: Config
    on_reading: bool
    every: float = 120.0

    def want(self, view: View) -> int:
        service = Service(view.desired, view.running, deploying=False)
        return int(decide(History(view.now, known(view)), service, self.config).desired)


@dataclass
class PlainStaffing:
    """What the policy started from: square-root staffing on the plain mean of ten minutes, with
    headroom 1.

    It scales in by two or more, with half of the points, whoever is busy and however old the newest
    point is.
    """

    on_reading: bool
    bounds: Bounds = Bounds()
    every: float = 120.0

    def want(self, view: View) -> int:
        points = [point for point in known(view) if view.now - point.timestamp <= 600]
        if not points or view.now - points[-1].timestamp > 300:
            return max(view.desired, self.bounds.clip(self.bounds.maximum / 2))
        demands = [point.ready + point.unacknowledged for point in points]
        mean = fmean(min(demand, self.bounds.maximum) for demand in demands)
        need = self.bounds.clip(max(demands[-1], mean + math.sqrt(mean)))
        small = view.desired - need < 2 and need > self.bounds.minimum
        if need < view.desired and (small or view.running < view.desired or len(points) < 5):
            return view.desired
        return need


@dataclass
class Proportional:
    """One worker for five waiting messages, from CloudWatch, every two minutes: the usual first
    script."""

    bounds: Bounds = Bounds()
    every: float = 120.0
    on_reading: bool = False

    def want(self, view: View) -> int:
        return self.bounds.clip(view.points[-1].ready / 5) if view.points else view.desired


@dataclass
class Thresholds:
    """Step scaling: one more above five waiting messages, one less below one, every two minutes."""

    bounds: Bounds = Bounds()
    every: float = 120.0
    on_reading: bool = False

    def want(self, view: View) -> int:
        if not view.points:
            return view.desired
        ready = view.points[-1].ready
        return self.bounds.clip(view.desired + (ready > 5) - (ready < 1))


@dataclass
class TargetTracking:
    """AWS target tracking on the backlog per task, target 1.

    Alarms on one-minute points: out after 3 of 3 above the target, in after 15 of 15 below 0.9 of
    it, each with a cool-down of 300 s.
    https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
    """

    bounds: Bounds = Bounds()
    every: float = 60.0
    on_reading: bool = False
    changed: float = -math.inf
    ratios: dict[float, float] = field(default_factory=dict)

    def want(self, view: View) -> int:
        for (
            point
        ) in view.points:  # the metric is divided by the tasks that run when it is published
            backlog = point.ready + point.unacknowledged
            self.ratios.setdefault(point.timestamp, backlog / max(view.running, 1))
        recent = [self.ratios[key] for key in sorted(self.ratios)[-15:]]
        self.ratios = {key: self.ratios[key] for key in sorted(self.ratios)[-60:]}
        if len(recent) < 15 or view.now - self.changed < 300:
            return view.desired
        wanted = view.desired
        if min(recent[-3:]) > 1:
            wanted = self.bounds.clip(view.desired * recent[-1])
        elif max(recent) < 0.9:
            wanted = self.bounds.clip(view.desired * max(recent))
        if wanted != view.desired:
            self.changed = view.now
        return wanted


@dataclass
class Keda:
    """KEDA's RabbitMQ scaler and the HPA, with value 1 and the documented defaults otherwise.

    Queue length with unacknowledged messages (protocol http), AverageValue 1, a sync every 15 s
    without lag, 10 % tolerance, up by at most 4 pods or 100 % in 15 s, down to the highest
    recommendation of 300 s. https://keda.sh/docs/latest/scalers/rabbitmq-queue/
    https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
    """

    bounds: Bounds = Bounds()
    every: float = 15.0
    on_reading: bool = False
    recommended: deque[tuple[float, int]] = field(default_factory=deque)

    def want(self, view: View) -> int:
        backlog = sum(view.live)
        within_tolerance = abs(backlog / max(view.desired, 1) - 1) <= 0.1
        self.recommended.append(
            (view.now, view.desired if within_tolerance else self.bounds.clip(backlog))
        )
        while self.recommended[0][0] < view.now - 300:
            self.recommended.popleft()
        latest = self.recommended[-1][1]
        if latest > view.desired:
            return min(latest, view.desired + max(4, view.desired))
        return min(view.desired, max(count for _, count in self.recommended))


class Clairvoyant:
    """A bound: knows every arrival and duration, and has a worker there when a job needs it, if it
    may.

    The jobs are served first come, first served by the most workers allowed, all always there;
    wanted is the highest number of these at work between now and the time that a task takes to
    start.
    """

    every = 5.0
    on_reading = False
    lead = 95

    def __init__(self, trace: Trace, bounds: Bounds = Bounds()) -> None:
        self.bounds = bounds
        free = [0.0] * bounds.maximum
        busy = [0] * (int(trace.length) + 7200)
        for job in trace.jobs:
            start = max(job.arrival, heappop(free))
            heappush(free, start + job.duration)
            for second in range(int(start), min(int(start + job.duration) + 1, len(busy))):
                busy[second] += 1
        self.busy = busy

    def want(self, view: View) -> int:
        now = int(view.now)
        return self.bounds.clip(
            max(*self.busy[now : now + self.lead], min(sum(view.live), self.bounds.maximum), 0)
        )


@dataclass
class Fixed:
    """A constant count: the maximum, always."""

    bounds: Bounds = Bounds()
    every: float = 30.0
    on_reading: bool = False

    def want(self, view: View) -> int:  # noqa: ARG002 - Policy passes it to all
        return self.bounds.maximum


Factory = Callable[[Trace], Policy]
READING_AGE = 90  # seconds; SCALE_IN_MAX_AGE_SECONDS as the templates set it for trigger "reading"
PRESETS: dict[str, dict[str, float]] = {
    "default": {},
    "lean": {"scale_window_seconds": 420, "headroom": 0.0},
    "warm": {"scale_window_seconds": 1200, "headroom": 1.0, "scale_in_min_step": 3},
}


def autoscaler(config: Config, trigger: str = "reading") -> Factory:
    """The function with these settings, woken by each reading and every two minutes, or by the
    latter only."""
    if trigger == "schedule":
        return lambda _: Autoscaler(config, on_reading=False)
    fresh = replace(config, scale_in_max_age_seconds=READING_AGE)
    return lambda _: Autoscaler(fresh, on_reading=True)


def preset(name: str, trigger: str = "reading") -> Factory:
    return autoscaler(replace(Config(), **PRESETS[name]), trigger)


def peers(bounds: Bounds = Bounds()) -> dict[str, Factory]:
    """The other policies, by the name that the report gives them."""
    return {
        "KEDA": lambda _: Keda(bounds),
        "plain staffing, reading": lambda _: PlainStaffing(True, bounds),
        "plain staffing, schedule": lambda _: PlainStaffing(False, bounds),
        "AWS target tracking": lambda _: TargetTracking(bounds),
        "proportional": lambda _: Proportional(bounds),
        "plus or minus one": lambda _: Thresholds(bounds),
        "clairvoyant": lambda trace: Clairvoyant(trace, bounds),
    }
