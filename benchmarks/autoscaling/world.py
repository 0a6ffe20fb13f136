"""RabbitMQ, CloudWatch and ECS as the autoscaler meets them (SimPy).

What is modelled: a FIFO queue whose interrupted work goes back to its head; workers with prefetch 1
that take 45 to 90 s to start; ECS stopping arbitrary tasks when it scales in, or, with task
protection, only idle ones; a metric a minute that CloudWatch shows 60 to 120 s later and sometimes
loses.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Protocol

import simpy
from policy import Point

from benchmarks.autoscaling.traces import HOUR, Job, Trace

PERIOD = 60.0  # seconds between readings of the queue
LAG = (60.0, 120.0)  # seconds until CloudWatch shows a point
LOSS = 0.01  # share of points that never arrive
START = (45.0, 90.0)  # seconds from a new desired count to a consuming task
TAIL = HOUR  # seconds simulated after the last arrival


@dataclass(frozen=True)
class View:
    """What a policy may look at. `live` is the queue now (ready, in work): a poller without lag has
    it."""

    now: float
    desired: int
    running: int
    points: tuple[Point, ...]
    reading: Point | None
    live: tuple[int, int]


class Policy(Protocol):
    """Asked every `every` seconds and, where `on_reading`, with each fresh reading of the queue."""

    every: float
    on_reading: bool

    def want(self, view: View) -> int: ...


@dataclass
class Result:
    """`waits`: seconds from publication (`arrivals`) to the start of the attempt that finished."""

    waits: list[float] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    worker_minutes: float = 0.0
    kills: int = 0
    wasted_minutes: float = 0.0
    changes: int = 0
    reversals: int = 0
    timeline: list[tuple[float, int, int, int]] = field(
        default_factory=list
    )  # time, desired, running, backlog


@dataclass(eq=False)
class Worker:
    """A task: starting, idle or busy; billed from the moment that ECS is told to start it."""

    ordered: float
    process: simpy.Process | None = None
    state: str = "starting"
    wake: simpy.Event | None = None


class World:
    def __init__(
        self, trace: Trace, policy: Policy, seed: int, protected: bool, initial: int
    ) -> None:
        self.env = simpy.Environment()
        self.trace, self.policy, self.protected = trace, policy, protected
        self.rng = random.Random(f"world {trace.name} {seed}")
        self.queue: deque[Job] = deque()
        self.workers: list[Worker] = []
        self.acks = 0
        self.points: deque[tuple[float, Point]] = deque(
            maxlen=90
        )  # shown by CloudWatch at .., the point
        self.desired = 0
        self.direction = 0
        self.result = Result()
        self.set_desired(initial)
        self.result.changes = 0

    def run(self) -> Result:
        self.env.process(self.publish())
        self.env.process(self.measure())
        self.env.process(self.poll())
        for time in self.trace.disconnects:
            self.env.process(self.disconnect(time))
        end = self.trace.length + TAIL
        self.env.run(until=end)
        for worker in self.workers:
            self.bill(worker)
        for job in self.queue:
            self.note(job, end)
        return self.result

    def publish(self) -> Generator[simpy.Event, None, None]:
        for job in self.trace.jobs:
            yield self.env.timeout(job.arrival - self.env.now)
            self.queue.append(job)
            self.wake_one()

    def wake_one(self) -> None:
        idle = next(
            (w for w in self.workers if w.state == "idle" and w.wake and not w.wake.triggered), None
        )
        if idle and idle.wake:
            idle.wake.succeed()

    def work(self, worker: Worker) -> Generator[simpy.Event, None, None]:
        """A worker's life; an interrupt is SIGKILL (cause None) or a lost connection."""
        job: Job | None = None
        begun = 0.0
        try:
            yield self.env.timeout(self.rng.uniform(*START))
        except simpy.Interrupt:
            return
        while True:
            try:
                while not self.queue:
                    worker.state, worker.wake = "idle", self.env.event()
                    yield worker.wake
                worker.state, job, begun = "busy", self.queue.popleft(), self.env.now
                yield self.env.timeout(job.duration)
            except simpy.Interrupt as interrupt:
                if job:
                    self.queue.appendleft(job)
                if interrupt.cause is None:
                    self.result.kills += job is not None
                    self.result.wasted_minutes += (self.env.now - begun) / 60 if job else 0
                    self.wake_one()
                    return
                job = None
                continue
            self.note(job, begun)
            self.acks += 1
            job = None
            if len(self.workers) > self.desired:  # protection ended: ECS stops the surplus task now
                self.bill(worker)
                self.workers.remove(worker)
                return

    def note(self, job: Job, begun: float) -> None:
        self.result.waits.append(begun - job.arrival)
        self.result.arrivals.append(job.arrival)

    def bill(self, worker: Worker) -> None:
        self.result.worker_minutes += (self.env.now - worker.ordered) / 60

    def set_desired(self, count: int) -> None:
        if count == self.desired:
            return
        direction = 1 if count > self.desired else -1
        self.result.changes += 1
        self.result.reversals += direction == -self.direction
        self.direction, self.desired = direction, count
        while len(self.workers) < count:
            worker = Worker(self.env.now)
            worker.process = self.env.process(self.work(worker))
            self.workers.append(worker)
        victims = [w for w in self.workers if not (self.protected and w.state == "busy")]
        self.rng.shuffle(victims)
        while len(self.workers) > count and victims:
            victim = victims.pop()
            self.bill(victim)
            self.workers.remove(victim)
            if victim.process:
                victim.process.interrupt()

    def measure(self) -> Generator[simpy.Event, None, None]:
        """Publish a point a minute, but not in an outage; hand it to a policy that takes
        readings."""
        yield self.env.timeout(self.rng.uniform(0, PERIOD))
        while True:
            before = self.acks
            yield self.env.timeout(PERIOD)
            now = self.env.now
            if any(start <= now < end for start, end in self.trace.outages):
                continue
            point = Point(now, len(self.queue), self.in_work(), (self.acks - before) / PERIOD)
            shown = now + self.rng.uniform(*LAG)
            if self.rng.random() >= LOSS:
                minute = Point(
                    now // PERIOD * PERIOD, point.ready, point.unacknowledged, point.ack_rate
                )
                self.points.append((shown, minute))
            if self.policy.on_reading:
                self.ask(point)

    def poll(self) -> Generator[simpy.Event, None, None]:
        yield self.env.timeout(self.rng.uniform(0, self.policy.every))
        while True:
            self.ask(None)
            yield self.env.timeout(self.policy.every)

    def ask(self, reading: Point | None) -> None:
        now = self.env.now
        view = View(
            now=now,
            desired=self.desired,
            running=sum(worker.state != "starting" for worker in self.workers),
            points=tuple(point for shown, point in self.points if shown <= now),
            reading=reading,
            live=(len(self.queue), self.in_work()),
        )
        self.set_desired(self.policy.want(view))
        self.result.timeline.append((now, self.desired, view.running, sum(view.live)))

    def in_work(self) -> int:
        return sum(worker.state == "busy" for worker in self.workers)

    def disconnect(self, time: float) -> Generator[simpy.Event, None, None]:
        yield self.env.timeout(time)
        for worker in self.workers:
            if worker.state == "busy" and worker.process:
                worker.process.interrupt("connection lost")
