"""Arrival traces: the load of a few hours, made from a seed.

The kinds in REPORTED were never used to choose a default; those in TUNING are of other kinds and
other seeds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

HOUR = 3600.0
Rate = Callable[[float], float]


@dataclass(frozen=True)
class Job:
    """Published at `arrival`, in work for `duration`; both in seconds."""

    arrival: float
    duration: float


@dataclass(frozen=True)
class Trace:
    """Jobs in order of arrival within `length` seconds, and what goes wrong meanwhile."""

    name: str
    length: float
    jobs: tuple[Job, ...]
    outages: tuple[tuple[float, float], ...] = ()  # no metric is published from .. to
    disconnects: tuple[
        float, ...
    ] = ()  # every consumer loses its connection: work begun is redelivered


def job_time(rng: random.Random) -> float:
    """Heavy-tailed: log-normal with median 75 s, held within 20 s and 10 min; the mean is about 100
    s."""
    return min(max(rng.lognormvariate(math.log(75), 0.8), 20.0), 600.0)


def poisson(rng: random.Random, length: float, rate: Rate, peak: float) -> Iterator[float]:
    """Arrival times with `rate(t)` jobs a minute, at most `peak` (thinning: Lewis and Shedler,
    1979)."""
    now = 0.0
    while (now := now + rng.expovariate(peak / 60)) < length:
        if rng.random() * peak < rate(now):
            yield now


def constant(value: float) -> Rate:
    return lambda _: value


def made(
    rng: random.Random,
    name: str,
    hours: float,
    rate: Rate,
    peak: float,
    extra: tuple[float, ...] = (),
    outages: tuple[tuple[float, float], ...] = (),
    disconnects: tuple[float, ...] = (),
) -> Trace:
    times = sorted([*poisson(rng, hours * HOUR, rate, peak), *extra])
    jobs = tuple(Job(time, job_time(rng)) for time in times)
    return Trace(name, hours * HOUR, jobs, outages, disconnects)


def steady_low(rng: random.Random) -> Trace:
    return made(rng, "steady low", 4, constant(0.6), 0.6)


def steady_high(rng: random.Random) -> Trace:
    return made(rng, "steady high", 4, constant(4.0), 4.0)


def step(rng: random.Random) -> Trace:
    start = rng.uniform(1.2, 1.8) * HOUR
    return made(rng, "step", 4, lambda t: 0.8 if t < start else 4.2, 4.2)


def burst(rng: random.Random) -> Trace:
    start = rng.uniform(1.2, 1.8) * HOUR
    return made(
        rng, "burst of 50", 3, constant(0.5), 0.5, extra=tuple(start + i * 0.1 for i in range(50))
    )


def diurnal(rng: random.Random) -> Trace:
    phase = rng.uniform(0, 2 * math.pi)
    return made(
        rng, "diurnal", 8, lambda t: 2.2 + 1.9 * math.sin(2 * math.pi * t / (8 * HOUR) + phase), 4.1
    )


def flash_crowd(rng: random.Random) -> Trace:
    start = rng.uniform(0.8, 1.4) * HOUR
    return made(
        rng,
        "flash crowd",
        4,
        lambda t: 0.8 if t < start else 0.8 + 8 * math.exp(-(t - start) / 900),
        8.8,
    )


def sawtooth(rng: random.Random) -> Trace:
    phase = rng.uniform(0, HOUR)
    return made(rng, "sawtooth", 5, lambda t: 0.3 + 4.5 * ((t + phase) % HOUR) / HOUR, 4.8)


def rare_jobs(rng: random.Random) -> Trace:
    return made(rng, "rare jobs", 8, constant(0.05), 0.05)


def metric_outage(rng: random.Random) -> Trace:
    start = rng.uniform(1.2, 1.8) * HOUR
    return made(rng, "metric outage", 4, constant(2.5), 2.5, outages=((start, start + 900),))


def redelivery_storm(rng: random.Random) -> Trace:
    start = rng.uniform(1.2, 1.8) * HOUR
    return made(
        rng,
        "redelivery storm",
        4,
        constant(2.5),
        2.5,
        disconnects=tuple(start + 180 * i for i in range(5)),
    )


def switching(rng: random.Random) -> Trace:
    """A rate that jumps among four levels, after exponential times of 25 minutes on average."""
    changes = [(0.0, 1.0)]
    while changes[-1][0] < 4 * HOUR:
        changes.append(
            (changes[-1][0] + rng.expovariate(1 / 1500), rng.choice((0.2, 1.2, 3.0, 5.0)))
        )
    return made(
        rng, "switching", 4, lambda t: [rate for time, rate in changes if time <= t][-1], 5.0
    )


def square_wave(rng: random.Random) -> Trace:
    phase = rng.uniform(0, 1)
    return made(rng, "square wave", 4, lambda t: 0.4 if (t / 2400 + phase) % 1 < 0.5 else 3.6, 3.6)


def small_bursts(rng: random.Random) -> Trace:
    extra = tuple(i * 2700 + rng.uniform(0, 1800) + j * 0.2 for i in range(6) for j in range(15))
    return made(rng, "bursts of 15", 5, constant(0.4), 0.4, extra=extra)


def trapezoid(rng: random.Random) -> Trace:
    shift = rng.uniform(-0.3, 0.3)

    def rate(t: float) -> float:
        return min(max(0.3, 4.0 * (1.6 - abs(t / HOUR - 2.5 - shift))), 4.6)

    return made(rng, "trapezoid", 5, rate, 4.6)


def medium(rng: random.Random) -> Trace:
    level = rng.uniform(1.2, 3.4)
    return made(rng, "medium", 4, constant(level), level)


def sparse(rng: random.Random) -> Trace:
    return made(rng, "sparse", 6, constant(0.15), 0.15)


def short_outage(rng: random.Random) -> Trace:
    start = rng.uniform(1.0, 2.0) * HOUR
    return made(rng, "short outage", 4, constant(1.8), 1.8, outages=((start, start + 720),))


Maker = Callable[[random.Random], Trace]
REPORTED: tuple[Maker, ...] = (
    steady_low, steady_high, step, burst, diurnal, flash_crowd, sawtooth, rare_jobs, metric_outage,
    redelivery_storm,
)  # fmt: skip
TUNING: tuple[Maker, ...] = (
    switching,
    square_wave,
    small_bursts,
    trapezoid,
    medium,
    sparse,
    short_outage,
)


def trace(maker: Maker, seed: int) -> Trace:
    """The same jobs for every policy that is measured with this seed."""
    return maker(random.Random(f"{maker.__name__} {seed}"))
