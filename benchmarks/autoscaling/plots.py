"""Plots as SVG, the same bytes for the same figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt

from benchmarks.autoscaling.report import LEAN, READING, SCHEDULE, WARM, Measured
from benchmarks.autoscaling.study import simulate
from benchmarks.autoscaling.traces import Maker, Trace
from benchmarks.autoscaling.world import Result

mpl.rcParams.update(
    {"svg.hashsalt": "euglena", "svg.fonttype": "none", "font.size": 9, "axes.grid": True}
)
mpl.rcParams.update({"grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})
COLOURS = {
    "KEDA": "#7f7f7f",
    READING: "#1f77b4",
    SCHEDULE: "#17becf",
    "AWS target tracking": "#d62728",
}


def save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def frontier(measured: Measured, line: Sequence[tuple[float, float]], path: Path) -> None:
    """Wait against cost: the policies with their intervals, and the curve of headrooms."""
    figure, axes = plt.subplots(figsize=(7.2, 4.6))
    axes.plot(
        [cost for cost, _ in line],
        [wait for _, wait in line],
        "-",
        color="#1f77b4",
        alpha=0.5,
        lw=1.2,
    )
    names = [
        "KEDA",
        READING,
        SCHEDULE,
        LEAN,
        WARM,
        "AWS target tracking",
        "proportional",
        "plus or minus one",
    ]
    for name in [*names, "clairvoyant"]:
        result, bounds = measured.scores[name]
        error = [[[value - bounds[key][0]], [bounds[key][1] - value]] for key, value in
                 (("cost", result.cost), ("wait", result.wait))]  # fmt: skip
        axes.errorbar(
            result.cost,
            result.wait,
            error[1],
            error[0],
            "o",
            ms=5,
            color=COLOURS.get(name, "#333333"),
            capsize=2,
        )
        below, left = name in (READING, WARM), name == LEAN
        axes.annotate(
            name,
            (result.cost, result.wait),
            xytext=(-6 if left else 6, -11 if below else 5),
            textcoords="offset points",
            ha="right" if left else "left",
        )
    axes.set_yscale("log")
    ticks = [0.5, 0.7, 1, 1.5, 2, 3, 5]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(0.6, 1.35)
    axes.set_xlabel("cost: worker-minutes, relative to KEDA")
    axes.set_ylabel("wait: p95 + 30 s, relative to KEDA")
    axes.set_title(
        "Less is better in both; the line is this policy with headroom 0 to 2",
        loc="left",
        fontsize=9,
    )
    save(figure, path)


def waits(measured: Measured, path: Path) -> None:
    """p95 per trace: a dot a seed, a bar at the median."""
    names = ["KEDA", READING, SCHEDULE, "AWS target tracking"]
    traces = list(measured.runs["KEDA"])
    figure, axes = plt.subplots(figsize=(8.4, 4.2))
    for number, name in enumerate(names):
        for place, trace in enumerate(traces):
            values = sorted(run.p95 for run in measured.runs[name][trace])
            x = place + (number - 1.5) * 0.19
            axes.plot([x] * len(values), values, ".", ms=2.5, alpha=0.35, color=COLOURS[name])
            axes.plot([x - 0.08, x + 0.08], [values[len(values) // 2]] * 2, "-", lw=2, color=COLOURS[name],
                      label=name if place == 0 else None)  # fmt: skip
    axes.set_yscale("symlog", linthresh=10)
    axes.set_ylim(0, 3000)
    axes.set_yticks([0, 10, 30, 100, 300, 1000], ["0", "10", "30", "100", "300", "1000"])
    axes.set_xticks(range(len(traces)), [trace.replace("_", "\n") for trace in traces], fontsize=8)
    axes.set_ylabel("p95 of the wait, s")
    axes.legend(loc="upper right", ncols=4, fontsize=8, frameon=False)
    save(figure, path)


def timeline(
    axes: Any, result: Result, trace: Trace, label: str, limits: tuple[float, float] = (0, math.inf)
) -> None:
    """Desired and running workers, and the backlog, over the minutes of a trace."""
    shown = [row for row in result.timeline if limits[0] <= row[0] / 60 <= limits[1]]
    minutes = [row[0] / 60 for row in shown]
    backlog = [row[3] for row in shown]
    top = axes.twinx()
    top.fill_between(minutes, backlog, color="#ff7f0e", alpha=0.25, step="post", lw=0)
    top.set_ylim(0, max(24, 1.1 * max(backlog)))
    top.set_ylabel("backlog", color="#b35806")
    top.grid(visible=False)
    axes.step(
        minutes, [row[1] for row in shown], where="post", color="#1f77b4", lw=1.2, label="desired"
    )
    axes.step(
        minutes, [row[2] for row in shown], where="post", color="#2ca02c", lw=0.8, label="running"
    )
    for start, end in trace.outages:
        axes.axvspan(start / 60, end / 60, color="#d62728", alpha=0.12, lw=0)
    axes.set_ylim(0, 1.15 * max(max(row[1], row[2]) for row in shown) + 1)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel("workers")
    axes.set_title(label, loc="left", fontsize=9)
    axes.set_zorder(top.get_zorder() + 1)
    axes.patch.set_visible(False)


def timelines(makers: Sequence[Maker], shown: Mapping[str, Any], seed: int, path: Path) -> None:
    """The same jobs under each policy, a row a trace."""
    figure, grid = plt.subplots(
        len(makers), len(shown), figsize=(9.6, 2.3 * len(makers)), sharex="row"
    )
    for row, maker in zip(grid, makers, strict=True):
        for axes, (name, factory) in zip(row, shown.items(), strict=True):
            result, made = simulate(maker, factory, seed)
            timeline(axes, result, made, f"{made.name}: {name}", (40, 160))
    for axes in grid[-1]:
        axes.set_xlabel("minutes")
    grid[0][0].legend(loc="upper left", fontsize=8, frameon=False)
    save(figure, path)


def one_trace(results: Mapping[str, Result], trace: Trace, path: Path) -> None:
    """One trace under each policy, one below the other."""
    figure, column = plt.subplots(
        len(results), 1, figsize=(8, 2.3 * len(results)), sharex=True, squeeze=False
    )
    for axes, (name, result) in zip(column[:, 0], results.items(), strict=True):
        timeline(axes, result, trace, f"{trace.name}: {name}")
    column[-1, 0].set_xlabel("minutes")
    column[0, 0].legend(loc="upper left", fontsize=8, frameon=False)
    save(figure, path)
