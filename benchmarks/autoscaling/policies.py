"""The autoscaler's own `decide` and its peers, each as a Policy of world.py."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from policy import PERIOD, Config, History, Service, decide

from benchmarks.autoscaling.traces import Trace
from benchmarks.autoscaling.world import Policy, View

MINIMUM, MAXIMUM = 1, 11


def clip(workers: float) -> int:
    return min(max(math.ceil(workers), MINIMUM), MAXIMUM)


@dataclass
class Autoscaler:
    """This project's function: CloudWatch as history, every two minutes or also with each fresh reading."""

    config: Config
    on_reading: bool
    every: float = 120.0

    def want(self, view: View) -> int:
        points = {point.timestamp // PERIOD: point for point in view.points}
        if view.reading:
            points[view.reading.timestamp // PERIOD] = view.reading
        history = History(view.now, tuple(points[minute] for minute in sorted(points)))
        return decide(history, Service(view.desired, view.running, False), self.config).desired


@dataclass
class Proportional:
    """One worker for five waiting messages, from CloudWatch, every two minutes: the usual first script."""

    every: float = 120.0
    on_reading: bool = False

    def want(self, view: View) -> int:
        return clip(view.points[-1].ready / 5) if view.points else view.desired


@dataclass
class Thresholds:
    """Step scaling: one more above five waiting messages, one less below one, every two minutes."""

    every: float = 120.0
    on_reading: bool = False

    def want(self, view: View) -> int:
        if not view.points:
            return view.desired
        ready = view.points[-1].ready
        return clip(view.desired + (ready > 5) - (ready < 1))


@dataclass
class TargetTracking:
    """AWS target tracking on the backlog per task, target 1.

    Alarms on one-minute points: out after 3 of 3 above the target, in after 15 of 15 below 0.9 of it, each
    with a cool-down of 300 s.
    https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
    """

    every: float = 60.0
    on_reading: bool = False
    changed: float = -math.inf
    ratios: dict[float, float] = field(default_factory=dict)

    def want(self, view: View) -> int:
        for point in view.points:  # the metric is divided by the tasks that run when it is published
            backlog = point.ready + point.unacknowledged
            self.ratios.setdefault(point.timestamp, backlog / max(view.running, 1))
        recent = [self.ratios[key] for key in sorted(self.ratios)[-15:]]
        self.ratios = {key: self.ratios[key] for key in sorted(self.ratios)[-60:]}
        if len(recent) < 15 or view.now - self.changed < 300:
            return view.desired
        wanted = view.desired
        if min(recent[-3:]) > 1:
            wanted = clip(view.desired * recent[-1])
        elif max(recent) < 0.9:
            wanted = clip(view.desired * max(recent))
        if wanted != view.desired:
            self.changed = view.now
        return wanted


@dataclass
class Keda:
    """KEDA's RabbitMQ scaler and the HPA, with value 1 and the documented defaults otherwise.

    Queue length with unacknowledged messages (protocol http), AverageValue 1, a sync every 15 s without lag,
    10 % tolerance, up by at most 4 pods or 100 % in 15 s, down to the highest recommendation of 300 s.
    https://keda.sh/docs/latest/scalers/rabbitmq-queue/
    https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
    """

    every: float = 15.0
    on_reading: bool = False
    recommended: deque[tuple[float, int]] = field(default_factory=deque)

    def want(self, view: View) -> int:
        backlog = sum(view.live)
        within_tolerance = abs(backlog / view.desired - 1) <= 0.1
        self.recommended.append((view.now, view.desired if within_tolerance else clip(backlog)))
        while self.recommended[0][0] < view.now - 300:
            self.recommended.popleft()
        latest = self.recommended[-1][1]
        if latest > view.desired:
            return min(latest, view.desired + max(4, view.desired))
        return min(view.desired, max(count for _, count in self.recommended))


class Clairvoyant:
    """A bound: knows every arrival and duration, and has a worker there when a job needs it, if it may.

    The jobs are served first come, first served by MAXIMUM workers that are always there; wanted is the
    highest number of these at work between now and the time that a task takes to start.
    """

    every = 5.0
    on_reading = False
    lead = 95

    def __init__(self, trace: Trace) -> None:
        free = [0.0] * MAXIMUM
        busy = [0] * (int(trace.length) + 7200)
        for job in trace.jobs:
            start = max(job.arrival, heappop(free))
            heappush(free, start + job.duration)
            for second in range(int(start), min(int(start + job.duration) + 1, len(busy))):
                busy[second] += 1
        self.busy = busy

    def want(self, view: View) -> int:
        now = int(view.now)
        return clip(max(*self.busy[now : now + self.lead], min(sum(view.live), MAXIMUM), 0))


Factory = Callable[[Trace], Policy]
READING = Config(scale_in_max_age_seconds=90)
PRESETS: dict[str, Config] = {"default": READING}


def autoscaler(config: Config, trigger: str = "reading") -> Factory:
    return lambda _: Autoscaler(config, on_reading=trigger == "reading")


PEERS: dict[str, Factory] = {
    "proportional": lambda _: Proportional(),
    "thresholds": lambda _: Thresholds(),
    "target tracking": lambda _: TargetTracking(),
    "KEDA": lambda _: Keda(),
    "clairvoyant": Clairvoyant,
}
