"""Many seeds of every policy on every trace, and the measures computed from them.

wait: geometric mean over the traces of (p95 + 30 s) / (KEDA's p95 + 30 s); cost: the same of the
worker-minutes. Per trace, the median over the seeds is taken first. 95 % intervals: percentile
bootstrap over the seeds, all policies and traces resampled together, since one seed gives every
policy the same jobs.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from benchmarks.autoscaling.policies import Factory
from benchmarks.autoscaling.traces import Maker, Trace, trace
from benchmarks.autoscaling.world import Result, World

GRACE = (
    30.0  # seconds added to both waits of a ratio, so that a ratio of two small waits says little
)
TUNING_SEEDS = range(1000, 1030)  # what the defaults were chosen on
REPORT_SEEDS = range(100, 140)  # what is reported


def percentile(waits: Sequence[float], share: float) -> float:
    """The smallest wait that `share` of them do not exceed; 0 where there is none."""
    ordered = sorted(waits)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0


@dataclass(frozen=True)
class Run:
    """One policy on one trace with one seed; `outage_p95` is of the jobs published while no metric
    was."""

    p50: float
    p95: float
    p99: float
    worker_minutes: float
    kills: int
    wasted_minutes: float
    changes: int
    reversals: int
    outage_p95: float


def summary(result: Result, made: Trace) -> Run:
    p50, p95, p99 = (percentile(result.waits, share) for share in (0.5, 0.95, 0.99))
    spent = result.worker_minutes, result.kills, result.wasted_minutes
    blind = [
        wait
        for wait, arrival in zip(result.waits, result.arrivals, strict=True)
        if any(start <= arrival < end for start, end in made.outages)
    ]
    return Run(p50, p95, p99, *spent, result.changes, result.reversals, percentile(blind, 0.95))


def simulate(
    maker: Maker, factory: Factory, seed: int, protected: bool = False
) -> tuple[Result, Trace]:
    made = trace(maker, seed)
    return World(made, factory(made), seed, protected, initial=1).run(), made


Runs = dict[str, list[Run]]  # by trace, one for each seed


def run_all(
    makers: Iterable[Maker], factory: Factory, seeds: Iterable[int], protected: bool = False
) -> Runs:
    seeds = list(seeds)
    return {
        maker.__name__: [summary(*simulate(maker, factory, seed, protected)) for seed in seeds]
        for maker in makers
    }


def geometric_mean(values: Iterable[float]) -> float:
    return math.exp(fmean(math.log(value) for value in values))


@dataclass(frozen=True)
class Score:
    """A policy against a base; wait, cost, and the ratios of the sums of wasted minutes and
    changes."""

    wait: float
    cost: float
    worst: float
    wasted: float
    changes: float


def score(runs: Runs, base: Runs, picked: Sequence[int]) -> Score:
    waits = [ratio(runs[name], base[name], picked, "p95", GRACE) for name in runs]
    costs = [ratio(runs[name], base[name], picked, "worker_minutes", 0.0) for name in runs]
    return Score(
        geometric_mean(waits),
        geometric_mean(costs),
        max(waits),
        total(runs, picked, "wasted_minutes") / total(base, picked, "wasted_minutes"),
        total(runs, picked, "changes") / total(base, picked, "changes"),
    )


def ratio(
    runs: list[Run], base: list[Run], picked: Sequence[int], name: str, grace: float
) -> float:
    ours = median(getattr(runs[i], name) for i in picked)
    theirs = median(getattr(base[i], name) for i in picked)
    return float((ours + grace) / (theirs + grace))


def total(runs: Runs, picked: Sequence[int], name: str) -> float:
    return math.fsum(getattr(of_trace[i], name) for of_trace in runs.values() for i in picked)


def intervals(
    runs: Runs, base: Runs, rounds: int = 400
) -> tuple[Score, dict[str, tuple[float, float]]]:
    """The score, and the 95 % interval of each of its figures."""
    count = len(next(iter(runs.values())))
    rng = random.Random(1)
    samples = [score(runs, base, rng.choices(range(count), k=count)) for _ in range(rounds)]
    bounds = {}
    for name in Score.__dataclass_fields__:
        values = sorted(getattr(sample, name) for sample in samples)
        bounds[name] = (values[int(0.025 * rounds)], values[int(0.975 * rounds) - 1])
    return score(runs, base, range(count)), bounds


def median_interval(values: Sequence[float], rounds: int = 400) -> tuple[float, float, float]:
    """The median and its 95 % bootstrap interval."""
    rng = random.Random(2)
    medians = sorted(median(rng.choices(values, k=len(values))) for _ in range(rounds))
    return median(values), medians[int(0.025 * rounds)], medians[int(0.975 * rounds) - 1]


def study(
    makers: Sequence[Maker], policies: Mapping[str, tuple[Factory, bool]], seeds: Iterable[int]
) -> dict[str, Runs]:
    """Every policy (a factory, and whether tasks are protected) on every trace and seed."""
    seeds = list(seeds)
    return {name: run_all(makers, factory, seeds, on) for name, (factory, on) in policies.items()}
