"""python -m benchmarks.autoscaling: simulate one environment's autoscaling, or measure the policy
anew."""

from __future__ import annotations

import csv
import json
import math
import random
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import click
import yaml
from configuration import AutoscalerError, configure, settings
from policy import Config
from rich.console import Console
from rich.table import Table

from benchmarks.autoscaling.policies import PRESETS, Bounds, Factory, Fixed, autoscaler, peers
from benchmarks.autoscaling.study import REPORT_SEEDS, Run, summary
from benchmarks.autoscaling.traces import REPORTED, Job, Trace, job_time, trace
from benchmarks.autoscaling.world import World

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
WARM_UP = 120  # seconds before the first arrival, for the first tasks to start


@click.group()
def main() -> None:
    """Simulate the autoscaler: the real policy against KEDA and others."""


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short-form tags read as their text."""


Loader.add_multi_constructor("!", lambda _, suffix, node: f"{suffix} {node.value}")


def environment_of(env: str) -> tuple[Config, str]:
    """The policy's settings and the trigger of a rendered environment. Raises ClickException."""
    path = PROJECT / "build" / env / "app" / "autoscaler.yaml"
    if not path.is_file():
        known = sorted(
            found.parents[1].name for found in PROJECT.glob("build/*/app/autoscaler.yaml")
        )
        raise click.ClickException(
            f"{path.relative_to(PROJECT)} does not exist; run make render ENV={env}, or use one of: {', '.join(known)}"
        )
    resources = yaml.load(path.read_text(), Loader)["Resources"]  # noqa: S506 - Loader is a subclass of SafeLoader
    variables, metrics = (
        resources[name]["Properties"].get("Environment", {}).get("Variables", {})
        for name in ("Autoscaler", "QueueMetrics")
    )
    told = {name: str(value) for name, value in variables.items()}
    values = settings(told, PROJECT / "env" / env if not told else Path("/nonexistent"))
    try:
        return configure(values), "reading" if "AUTOSCALER_FUNCTION" in metrics else "schedule"
    except AutoscalerError as error:
        raise click.ClickException(f"{path.relative_to(PROJECT)}: {error}") from error


def read_trace(path: Path, seed: int) -> Trace:
    """Jobs from a CSV file: `arrival` in seconds, and optionally `duration`. Raises ClickException
    with the line."""
    rng = random.Random(f"durations {seed}")
    jobs = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if "arrival" not in (rows.fieldnames or ()):
                raise click.ClickException(
                    f"{path}:1: the first line must name a column arrival (and, if you like, duration)"
                )
            for row in rows:
                jobs.append(job_of(row, rng, f"{path}:{rows.line_num}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise click.ClickException(f"{path}: {error}") from error
    if not jobs:
        raise click.ClickException(f"{path}: holds no job; give a line for each, e.g. 12.5,90")
    jobs.sort(key=lambda job: job.arrival)
    first = jobs[0].arrival
    moved = tuple(Job(job.arrival - first + WARM_UP, job.duration) for job in jobs)
    return Trace(path.stem, moved[-1].arrival + 60, moved)


def job_of(row: dict[str, Any], rng: random.Random, where: str) -> Job:
    """One line's job; without a duration, one of the traces' log-normal distribution (mean about
    100 s)."""
    try:
        arrival = float(row["arrival"])
        duration = float(row["duration"]) if row.get("duration") else job_time(rng)
    except (TypeError, ValueError) as error:
        raise click.ClickException(f"{where}: {error}; give seconds as numbers") from error
    if not (math.isfinite(arrival) and 0 < duration < math.inf):
        raise click.ClickException(f"{where}: arrival must be finite and duration above 0")
    return Job(arrival, duration)


@main.command()
@click.option(
    "--env", default="local", show_default=True, help="environment, as rendered in build/ENV"
)
@click.option(
    "--trace",
    "trace_file",
    type=click.Path(path_type=Path),
    help="CSV: arrival[,duration] in seconds",
)
@click.option(
    "--trigger", type=click.Choice(["reading", "schedule"]), help="instead of the environment's own"
)
@click.option(
    "--preset",
    type=click.Choice(sorted(PRESETS)),
    help="change the environment's settings to these",
)
@click.option("--protected", is_flag=True, help="tasks use ECS scale-in protection")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1, 1000))
@click.option(
    "--plot", type=click.Path(path_type=Path), default="build/simulation.svg", show_default=True
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def simulate(
    env: str,
    trace_file: Path | None,
    trigger: str | None,
    preset: str | None,
    protected: bool,
    seeds: int,
    plot: Path,
    form: str,
) -> None:
    """What wait and what cost ENV's parameters give, for your trace or for the built-in ones."""
    config, own = environment_of(env)
    config = Config(**asdict(config) | PRESETS[preset or "default"])
    policies = compared(env, config, trigger or own)
    if trace_file:
        traces = {trace_file.stem: [read_trace(trace_file, seed) for seed in range(seeds)]}
    else:
        traces = {
            made[0].name: made
            for made in ([trace(maker, s) for s in range(seeds)] for maker in REPORTED)
        }
    answers = [
        answer(name, factory, of_trace, protected, config.min_workers)
        for of_trace in traces.values()
        for name, factory in policies.items()
    ]
    if form == "json":
        click.echo(
            json.dumps(
                {
                    "env": env,
                    "trigger": trigger or own,
                    "config": asdict(config),
                    "results": answers,
                }
            )
        )
    else:
        show(
            answers,
            f"{env}: trigger {trigger or own}, {config.min_workers} to {config.max_workers} workers",
        )
    if trace_file:
        draw(policies, next(iter(traces.values()))[0], protected, config.min_workers, plot)
        click.echo(f"plot: {plot}", err=True)


def compared(env: str, config: Config, trigger: str) -> dict[str, Factory]:
    bounds = Bounds(config.min_workers, config.max_workers)
    found = {env: autoscaler(config, trigger), "KEDA": peers(bounds)["KEDA"]}
    return found | {"always the maximum": lambda _: Fixed(bounds)}


def answer(
    name: str, factory: Factory, traces: list[Trace], protected: bool, initial: int
) -> dict[str, str | float]:
    """Medians over the seeds; waits in seconds."""
    runs = [
        summary(World(made, factory(made), seed, protected, initial).run(), made)
        for seed, made in enumerate(traces)
    ]
    figures = {
        key: round(median(getattr(run, key) for run in runs), 1) for key in Run.__dataclass_fields__
    }
    if not traces[0].outages:
        del figures["outage_p95"]
    return {"trace": traces[0].name, "policy": name} | figures


def show(answers: list[dict[str, str | float]], title: str) -> None:
    table = Table(title=title, title_justify="left")
    columns = {"trace": "trace", "policy": "policy", "p50": "p50 s", "p95": "p95 s", "p99": "p99 s"}
    columns |= {"worker_minutes": "worker-minutes", "kills": "kills", "changes": "changes"}
    for key, header in columns.items():
        table.add_column(header, justify="left" if key in ("trace", "policy") else "right")
    for found in answers:
        table.add_row(
            *(
                f"{found[key]:.0f}" if isinstance(found[key], float) else str(found[key])
                for key in columns
            )
        )
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def draw(
    policies: dict[str, Factory], made: Trace, protected: bool, initial: int, path: Path
) -> None:
    from benchmarks.autoscaling import plots

    path.parent.mkdir(parents=True, exist_ok=True)
    results = {
        name: World(made, make(made), 0, protected, initial).run()
        for name, make in policies.items()
    }
    plots.one_trace(results, made, path)


@main.command()
@click.option("--seeds", default=len(REPORT_SEEDS), show_default=True, type=click.IntRange(2, 1000))
@click.option(
    "--write", is_flag=True, help="put tables and plots into docs/, instead of the tables on stdout"
)
def report(seeds: int, write: bool) -> None:
    """Measure the policy against its peers on the seeds and traces that it was not tuned on
    (minutes)."""
    from benchmarks.autoscaling import plots
    from benchmarks.autoscaling import report as reporting
    from benchmarks.autoscaling.traces import burst, flash_crowd, metric_outage

    measured = reporting.measure(range(REPORT_SEEDS.start, REPORT_SEEDS.start + seeds))
    text = reporting.markdown(measured)
    if not write:
        click.echo(text)
        return
    reporting.write_into(DOCS / "autoscaling.md", text)
    line = reporting.curve(
        measured.seeds, measured.runs["KEDA"], [0, 0.15, 0.3, 0.45, 0.6, 0.8, 1, 1.3, 1.6, 2]
    )
    plots.frontier(measured, line, DOCS / "autoscaling-frontier.svg")
    plots.waits(measured, DOCS / "autoscaling-waits.svg")
    shown = {"KEDA": peers()["KEDA"], "this project": autoscaler(Config())}
    path = DOCS / "autoscaling-timelines.svg"
    plots.timelines((burst, flash_crowd, metric_outage), shown, REPORT_SEEDS.start, path)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.autoscaling")
