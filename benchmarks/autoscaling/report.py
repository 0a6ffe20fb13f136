"""The measured part of docs/autoscaling.md: what is run, and the Markdown made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from policy import Config

from benchmarks.autoscaling.policies import Factory, autoscaler, peers, preset
from benchmarks.autoscaling.study import (
    Run,
    Runs,
    Score,
    intervals,
    median_interval,
    score,
    study,
    total,
)
from benchmarks.autoscaling.traces import REPORTED

BEGIN, END = (
    "<!-- measured: begin (python -m benchmarks.autoscaling report --write) -->",
    "<!-- measured: end -->",
)
READING, SCHEDULE = "this project, reading", "this project, schedule"
LEAN, WARM = "this project, lean", "this project, warm"


def protected(name: str) -> str:
    return f"{name}, protected"


def policies() -> dict[str, tuple[Factory, bool]]:
    """Everything that is measured: the policy, and whether tasks protect themselves."""
    ours = {
        READING: preset("default"),
        SCHEDULE: preset("default", "schedule"),
        LEAN: preset("lean"),
        WARM: preset("warm"),
    }
    plain = {name: (factory, name == "clairvoyant") for name, factory in (peers() | ours).items()}
    safe = {protected(name): (plain[name][0], True) for name in (READING, SCHEDULE, "KEDA")}
    return plain | safe


@dataclass(frozen=True)
class Measured:
    """All runs, and each policy's score against KEDA's with its 95 % intervals."""

    seeds: Sequence[int]
    runs: dict[str, Runs]
    scores: dict[str, tuple[Score, dict[str, tuple[float, float]]]]


def measure(seeds: Iterable[int]) -> Measured:
    seeds = list(seeds)
    runs = study(REPORTED, policies(), seeds)
    return Measured(
        seeds, runs, {name: intervals(found, runs["KEDA"]) for name, found in runs.items()}
    )


def curve(
    seeds: Sequence[int], base: Runs, headrooms: Sequence[float]
) -> list[tuple[float, float]]:
    """(cost, wait) of the default policy with other headrooms."""
    points = []
    for headroom in headrooms:
        factory = autoscaler(Config(headroom=headroom))
        found = study(REPORTED, {"": (factory, False)}, seeds)[""]
        result = score(found, base, range(len(seeds)))
        points.append((result.cost, result.wait))
    return points


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_interval(value: float, bounds: tuple[float, float]) -> str:
    return f"{value:.2f} ({bounds[0]:.2f}–{bounds[1]:.2f})"


def scores_table(measured: Measured) -> str:
    header = ["policy", "wait", "cost", "worst trace", "wasted", "changes", "kills", "reversals"]
    rows = []
    for name, (result, bounds) in measured.scores.items():
        figures = [with_interval(getattr(result, key), bounds[key]) for key in ("wait", "cost")]
        figures += [f"{result.worst:.2f}", f"{result.wasted:.2f}", f"{result.changes:.2f}"]
        everything = range(len(measured.seeds))
        figures += [
            f"{total(measured.runs[name], everything, key):.0f}" for key in ("kills", "reversals")
        ]
        rows.append([name, *figures])
    return table(header, rows)


Pick = Callable[[Run], float]


def trace_table(measured: Measured, names: Sequence[str], pick: Pick) -> str:
    """Medians over the seeds with 95 % intervals; a row a trace, a column a policy."""
    rows = []
    for trace in measured.runs[names[0]]:
        row = [trace.replace("_", " ")]
        for name in names:
            middle, low, high = median_interval([pick(run) for run in measured.runs[name][trace]])
            row.append(f"{middle:.0f} ({low:.0f}–{high:.0f})")
        rows.append(row)
    return table(["trace", *names], rows)


def details_table(measured: Measured, name: str) -> str:
    """All figures of one policy: medians over the seeds."""
    header = [
        "trace",
        "p50 s",
        "p95 s",
        "p99 s",
        "worker-minutes",
        "kills",
        "wasted minutes",
        "changes",
    ]
    keys = ["p50", "p95", "p99", "worker_minutes", "kills", "wasted_minutes", "changes"]
    rows = [
        [
            trace.replace("_", " "),
            *(f"{median(getattr(run, key) for run in runs):.0f}" for key in keys),
        ]
        for trace, runs in measured.runs[name].items()
    ]
    return table(header, rows)


def goals_table(measured: Measured) -> str:
    """Each goal, what was measured, and whether it is met."""
    reading, schedule = measured.scores[READING][0], measured.scores[SCHEDULE][0]
    lean = measured.scores[LEAN][0]
    everything = range(len(measured.seeds))
    kills = total(measured.runs[protected(READING)], everything, "kills")
    outage = median(run.p95 for run in measured.runs[READING]["metric_outage"])
    blind = median(run.outage_p95 for run in measured.runs[READING]["metric_outage"])
    goals = [
        ("schedule: wait", schedule.wait, 1.55),
        ("schedule: cost", schedule.cost, 1.09),
        ("reading: wait", reading.wait, 1.00),
        ("reading: cost", reading.cost, 1.05),
        ("reading: worst trace", reading.worst, 1.25),
        ("reading: changes, of KEDA's", reading.changes, 0.6),
        ("schedule: changes, of KEDA's", schedule.changes, 0.6),
        ("reading: wasted work without protection, of KEDA's", reading.wasted, 0.5),
        ("schedule: wasted work without protection, of KEDA's", schedule.wasted, 0.5),
        ("kills with protection", kills, 0),
        ("trace with a metric outage of 15 minutes: p95, s", outage, 300),
        ("the same, jobs published during the outage only: p95, s", blind, 300),
        ("lean: wait", lean.wait, 1.25),
        ("lean: cost", lean.cost, 0.96),
    ]
    rows = [
        [text, f"≤ {goal:g}", f"{found:.3g}", "yes" if found <= goal else "**no**"]
        for text, found, goal in goals
    ]
    return table(["goal", "bound", "measured", "met"], rows)


def markdown(measured: Measured) -> str:
    """The section between the markers of docs/autoscaling.md."""
    shown = ["KEDA", READING, SCHEDULE, "AWS target tracking", "clairvoyant"]
    seeds = f"{len(measured.seeds)} seeds ({measured.seeds[0]} to {measured.seeds[-1]})"
    parts = [
        f"Figures over {seeds} and {len(REPORTED)} traces; in brackets 95 % bootstrap intervals.",
        "### Against KEDA",
        scores_table(measured),
        "### Goals",
        goals_table(measured),
        "### Wait, p95 in seconds",
        trace_table(measured, shown, lambda run: run.p95),
        "### Cost in worker-minutes",
        trace_table(measured, shown, lambda run: run.worker_minutes),
        "### All figures, trigger `reading`",
        details_table(measured, READING),
        "### All figures, KEDA",
        details_table(measured, "KEDA"),
    ]
    return "\n\n".join(parts)


def write_into(path: Path, text: str) -> None:
    """Replace what stands between the markers. Raises ValueError where there are none."""
    old = path.read_text()
    head, found, rest = old.partition(BEGIN)
    _, closed, tail = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{path}: the lines {BEGIN!r} and {END!r} are missing")
    path.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}")
