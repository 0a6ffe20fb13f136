"""The simulation: its accounting, its queue against the textbook, and the documented figures."""

from __future__ import annotations

import itertools
import json
import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from configuration import NUMBERS
from hypothesis import given, settings
from hypothesis import strategies as st
from policy import Config

from benchmarks.autoscaling.__main__ import main
from benchmarks.autoscaling.policies import PRESETS, Bounds, Fixed, Keda, autoscaler, peers, preset
from benchmarks.autoscaling.report import BEGIN, END, write_into
from benchmarks.autoscaling.study import percentile, run_all, score, simulate, total
from benchmarks.autoscaling.traces import (
    REPORTED,
    TUNING,
    Job,
    Trace,
    redelivery_storm,
    steady_high,
    trace,
)
from benchmarks.autoscaling.world import TAIL, View, World

DOCS = Path(__file__).parents[2] / "docs" / "autoscaling.md"


def test_runs_repeat_for_one_seed_only() -> None:
    first, again, other = (simulate(steady_high, preset("default"), seed)[0] for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("maker", REPORTED + TUNING, ids=lambda maker: maker.__name__)
@pytest.mark.parametrize("protected", [False, True])
def test_every_job_is_done_once(maker: object, protected: bool) -> None:
    result, made = simulate(maker, preset("default"), 3, protected)  # type: ignore[arg-type]
    assert sorted(result.arrivals) == [job.arrival for job in made.jobs]
    assert min(result.waits) >= 0
    assert not (protected and result.kills)


def test_reported_and_tuning_traces_are_disjoint() -> None:
    assert not set(REPORTED) & set(TUNING)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_one_worker_agrees_with_lindleys_recursion(seed: int) -> None:
    """W(n+1) = max(0, W(n) + S(n) - A(n)) for first come, first served by one (Lindley, 1952)."""
    rng = random.Random(seed)
    arrivals = itertools.accumulate((rng.expovariate(1 / 60) for _ in range(50)), initial=100.0)
    jobs = tuple(Job(arrival, rng.uniform(5, 90)) for arrival in arrivals)
    policy = Fixed(Bounds(1, 1))
    result = World(Trace("one", jobs[-1].arrival + 4000, jobs), policy, seed, False, 1).run()
    expected, free = [], 0.0
    for job in jobs:
        begun = max(job.arrival, free)
        expected.append(begun - job.arrival)
        free = begun + job.duration
    assert result.waits == pytest.approx(expected)


def test_constant_count_costs_its_worker_time() -> None:
    made = Trace("none", 3600, ())
    result = World(made, Fixed(Bounds(4, 4)), 0, False, 4).run()
    assert result.worker_minutes == pytest.approx(4 * (3600 + TAIL) / 60)
    assert result.changes == 0


def test_scaling_in_requeues_work_unless_tasks_are_protected() -> None:
    factory = peers()["proportional"]
    risky, _ = simulate(steady_high, factory, 1)
    safe, _ = simulate(steady_high, factory, 1, protected=True)
    assert risky.kills > 0
    assert risky.wasted_minutes > 0
    assert (safe.kills, safe.wasted_minutes) == (0, 0.0)


def test_lost_connection_is_not_counted_as_a_kill() -> None:
    result, made = simulate(redelivery_storm, lambda _: Fixed(), 1)
    assert result.kills == 0
    assert len(result.waits) == len(made.jobs)


def view(now: float, desired: int, backlog: int) -> View:
    return View(now, desired, desired, (), None, (backlog, 0))


def test_keda_scales_up_by_four_or_double_and_down_after_five_minutes() -> None:
    keda = Keda(Bounds(1, 50))
    assert keda.want(view(0, 1, 40)) == 5
    assert keda.want(view(15, 5, 40)) == 10
    assert keda.want(view(30, 10, 40)) == 20
    assert keda.want(view(45, 40, 0)) == 40
    assert keda.want(view(329, 40, 0)) == 40, "the recommendation of 40 is 299 s old"
    assert keda.want(view(346, 40, 0)) == 1


def test_keda_tolerates_a_deviation_of_a_tenth() -> None:
    assert Keda(Bounds(1, 50)).want(view(0, 20, 21)) == 20
    assert Keda(Bounds(1, 50)).want(view(0, 20, 23)) == 23


def test_percentile_is_by_nearest_rank() -> None:
    assert [percentile([4, 1, 3, 2], share) for share in (0.25, 0.5, 0.95)] == [1, 2, 4]
    assert percentile([], 0.95) == 0


def test_few_seeds_agree_with_the_documented_figures() -> None:
    """The quick profile of the report; its seeds are neither the tuning's nor the report's."""
    seeds = range(500, 506)
    base = run_all(REPORTED, peers()["KEDA"], seeds)
    everything = range(len(seeds))
    reading, schedule, lean, warm = (
        score(run_all(REPORTED, factory, seeds), base, everything)
        for factory in (
            preset("default"),
            preset("default", "schedule"),
            preset("lean"),
            preset("warm"),
        )
    )
    assert (
        reading.wait <= 1.05,
        reading.cost <= 1.07,
        reading.changes <= 0.6,
        reading.wasted <= 0.55,
    ) == (True,) * 4
    assert reading.wait < schedule.wait <= 1.6
    assert lean.cost < reading.cost < warm.cost
    assert warm.wait < reading.wait < lean.wait


def test_age_limit_prevents_stale_scale_in() -> None:
    """Without the limit a tick on CloudWatch's older points undoes what a fresher reading
    decided."""
    seeds = range(500, 506)
    limited = run_all(REPORTED, autoscaler(Config()), seeds)
    from benchmarks.autoscaling.policies import Autoscaler

    unlimited = run_all(REPORTED, lambda _: Autoscaler(Config(), on_reading=True), seeds)
    assert total(limited, range(6), "kills") < total(unlimited, range(6), "kills")


def invoke(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def test_simulate_runs_a_trace_against_an_environment(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("arrival,duration\n" + "".join(f"{i * 30},60\n" for i in range(60)))
    plot = tmp_path / "plot.svg"
    options = ["--trace", str(file), "--plot", str(plot), "--seeds", "2", "--format", "json"]
    code, out, _ = invoke("simulate", "--env", "prod", *options)
    assert code == 0
    answer = json.loads(out)
    assert [row["policy"] for row in answer["results"]] == ["prod", "KEDA", "always the maximum"]
    assert answer["results"][2]["p95"] == 0.0, "eleven workers are there before the first job"
    assert answer["results"][2]["worker_minutes"] > answer["results"][0]["worker_minutes"]
    assert plot.read_text().startswith("<?xml")


def test_simulate_reads_files_mode(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("arrival\n0\n60\n")
    options = [
        "--trace",
        str(file),
        "--plot",
        str(tmp_path / "plot.svg"),
        "--format",
        "json",
        "--seeds",
        "1",
    ]
    code, out, _ = invoke("simulate", "--env", "guide", *options)
    assert code == 0
    assert json.loads(out)["config"]["max_workers"] == 11


BAD_TRACES = {
    "no such column": ("time\n1\n", ":1: the first line must name a column arrival"),
    "not a number": ("arrival\n1\nx\n", ":3: could not convert"),
    "infinite": ("arrival\ninf\n", ":2: arrival must be finite"),
    "no time at all": (
        "arrival,duration\n1,0\n",
        ":2: arrival must be finite and duration above 0",
    ),
    "empty": ("arrival\n", "holds no job"),
    "nothing": ("", ":1: the first line must name"),
}


@pytest.mark.parametrize("case", BAD_TRACES)
def test_invalid_trace_is_refused_with_its_line(case: str, tmp_path: Path) -> None:
    text, message = BAD_TRACES[case]
    (tmp_path / "bad.csv").write_text(text)
    code, out, err = invoke("simulate", "--env", "prod", "--trace", str(tmp_path / "bad.csv"))
    assert (code, out) == (1, "")
    assert message in err


def test_unreadable_trace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"arrival\n\xff\xfe\n")
    for name in ("bad.csv", "none.csv"):
        code, _, err = invoke("simulate", "--env", "prod", "--trace", str(tmp_path / name))
        assert code == 1
        assert name in err


def test_unknown_environment_lists_the_known_ones() -> None:
    code, _, err = invoke("simulate", "--env", "nowhere")
    assert code == 1
    assert "make render ENV=nowhere" in err
    assert "prod" in err


def test_report_replaces_only_the_text_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_into(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="are missing"):
        write_into(page, "new")


def test_documentation_has_every_setting_with_its_default_and_bounds() -> None:
    page = DOCS.read_text()
    derived = {"SCALE_IN_MAX_AGE_SECONDS", "FALLBACK_WORKERS"}
    for name, (_, low, high) in NUMBERS.items():
        row = re.search(rf"^\| `{name}` \|(.*)$", page, re.MULTILINE)
        assert row, f"{name} has no row"
        _, default, bounds, *_ = row[1].split("|")
        if name not in derived:
            assert default.split()[0] == f"{getattr(Config, name.lower()):g}"
        assert bounds.split()[0] == f"{low:g}"
        assert f"{high:g}" in bounds or "`MAX_WORKERS`" in bounds


def test_documentation_has_the_presets() -> None:
    page = DOCS.read_text()
    for name, changed in PRESETS.items():
        config = vars(Config()) | changed
        figures = [config[key] for key in ("scale_window_seconds", "headroom", "scale_in_min_step")]
        cells = " | ".join(f"{float(figure):g}" for figure in figures)
        label = "default" if name == "default" else f"`{name}`"
        assert f"| {label} | {cells} |" in page.replace("1.0", "1")


def test_documentation_shows_figures() -> None:
    _, _, rest = DOCS.read_text().partition(BEGIN)
    assert "| this project, reading |" in rest.partition(END)[0]


def test_trace_is_deterministic() -> None:
    assert trace(steady_high, 5) == trace(steady_high, 5)
