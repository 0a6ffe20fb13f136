"""How many agents the queue needs: pure, typed, without a clock, an AWS call or state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PERIOD = 60  # seconds between two points of a standard-resolution CloudWatch metric


@dataclass(frozen=True)
class Point:
    """The queue at one time (Unix seconds): messages waiting, messages in work, acknowledgements a
    second."""

    timestamp: float
    ready: float
    unacknowledged: float
    ack_rate: float | None = None


@dataclass(frozen=True)
class History:
    """Points, oldest first, at most one a minute; `complete` is False where some were withheld,
    and `dropped` counts values that were no measurements."""

    now: float
    points: tuple[Point, ...]
    complete: bool = True
    dropped: int = 0


@dataclass(frozen=True)
class Service:
    """The ECS service: tasks wanted, tasks running, whether a deployment is in progress."""

    desired: int
    running: int
    deploying: bool


@dataclass(frozen=True)
class Config:
    """Counts in tasks, durations in seconds; docs/autoscaling.md explains each and gives its
    bounds."""

    min_workers: int = 1
    max_workers: int = 11
    messages_per_worker: float = 1.0
    target_wait_seconds: float = 0.0
    scale_window_seconds: int = 840
    headroom: float = 0.45
    scale_in_min_step: int = 2
    scale_in_max_busy: float = 0.25
    scale_in_max_age_seconds: int = 300
    max_metric_age_seconds: int = 300
    fallback_workers: int = 6

    def clip(self, workers: int) -> int:
        return min(max(workers, self.min_workers), self.max_workers)


@dataclass(frozen=True)
class Decision:
    """`desired` is the count to set; `need` is None where nothing is known; `held`: not followed
    yet."""

    desired: int
    need: int | None
    reason: str
    held: bool = False


def decide(history: History, service: Service, config: Config) -> Decision:
    """Out at once; in only on sufficient, recent data and a service at rest; missing data is never
    zero.

    A count outside of the bounds, set by hand, comes back by the same rules: from below the minimum
    at once, from above the maximum when scaling in is allowed.
    """
    now, oldest = history.now, history.now - config.scale_window_seconds
    points = [p for p in history.points if oldest <= p.timestamp <= now + PERIOD]
    if not points or now - points[-1].timestamp > config.max_metric_age_seconds:
        fallback = config.clip(config.fallback_workers)
        if service.desired < fallback:
            return Decision(fallback, None, "metric stale: lifted to the fallback")
        return Decision(service.desired, None, "metric stale", held=True)
    demands = demand(points, config)
    need = staffing(points, demands, history.now, config)
    if need > service.desired:
        return Decision(need, need, "scale out")
    if need == service.desired:
        return Decision(need, need, "need met")
    hold = (
        reason_to_wait(service)
        or reason_to_doubt(points, history, config)
        or reason_to_spare(points[-1], demands, need, service, config)
    )
    if hold:
        return Decision(service.desired, need, hold, held=True)
    return Decision(need, need, "scale in")


def demand(points: Sequence[Point], config: Config) -> list[float]:
    """Workers that each point asked for: those at work, and some for the messages that wait."""
    per_worker = messages_per_worker(points, config)
    return [point.unacknowledged + point.ready / per_worker for point in points]


def staffing(points: Sequence[Point], demands: Sequence[float], now: float, config: Config) -> int:
    """Workers for the newest demand, or for the window's mean with headroom for its randomness.

    The mean's weights fall linearly with age, to forget a burst sooner than to follow noise.
    Square-root staffing: an offered load of m Erlang needs about m + c * sqrt(m) servers (Halfin,
    Whitt, "Heavy-Traffic Limits for Queues with Many Exponential Servers", Operations Research
    29(3), 1981).
    """
    weights = [config.scale_window_seconds + PERIOD - (now - point.timestamp) for point in points]
    loads = [
        weight * min(asked, config.max_workers)
        for weight, asked in zip(weights, demands, strict=True)
    ]
    mean = math.fsum(loads) / math.fsum(weights)
    need = max(demands[-1], mean + config.headroom * math.sqrt(mean))
    return config.clip(
        math.ceil(need - 1e-9)
    )  # 1e-9: a sum of fractions may end just above a whole number


def messages_per_worker(points: Sequence[Point], config: Config) -> float:
    """Ready messages that count as one worker; with jobs of S seconds a target wait T allows T / S
    of them.

    S is the number of jobs in work divided by the acknowledgements a second (Little's law).
    """
    known = [p for p in points if p.ack_rate is not None]
    in_work = math.fsum(p.unacknowledged for p in known)
    acks = math.fsum(p.ack_rate or 0.0 for p in known)
    allowed = config.target_wait_seconds * acks / in_work if in_work else 0.0
    return max(config.messages_per_worker, allowed)


def reason_to_wait(service: Service) -> str | None:
    """What ECS is still doing, before which going down is premature."""
    if service.deploying:
        return "deployment in progress"
    if service.running < service.desired:
        return "running below desired"
    return None


def reason_to_doubt(points: Sequence[Point], history: History, config: Config) -> str | None:
    """What in the data forbids scaling in."""
    if not history.complete:
        return "CloudWatch's answer is incomplete"
    if 2 * len(points) * PERIOD < config.scale_window_seconds:
        return "less than half of the window's points"
    if history.now - points[-1].timestamp > config.scale_in_max_age_seconds:
        return "newest point too old to scale in"  # a fresher reading may have scaled out since
    return None


def reason_to_spare(
    newest: Point, demands: Sequence[float], need: int, service: Service, config: Config
) -> str | None:
    """Why scaling in now would cost more than it saves: ECS stops arbitrary tasks, busy ones
    too."""
    step = config.scale_in_min_step
    if service.desired > config.max_workers:
        return None
    if service.desired - need < step and need > config.min_workers:
        return "step too small"
    busy = newest.unacknowledged > config.scale_in_max_busy * service.desired
    if (
        busy and max(demands) > service.desired - step
    ):  # a surplus all through the window is not waited for
        return "too many workers are busy"
    return None
