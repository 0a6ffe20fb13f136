"""The policy: tables of situations, then properties over any history."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from policy import Config, History, Point, Service, decide

NOW = 1_767_225_600.0


def history(*demands: tuple[float, float], age: float = 30, complete: bool = True) -> History:
    """(ready, unacknowledged) a minute, the last `age` seconds ago."""
    last = len(demands) - 1
    points = [Point(NOW - age - 60 * (last - i), *demand) for i, demand in enumerate(demands)]
    return History(NOW, tuple(points), complete)


def steady(ready: float, unacknowledged: float, minutes: int = 10) -> History:
    return history(*[(ready, unacknowledged)] * minutes)


def config(**changed: float) -> Config:
    """Round figures, to compute with: a window of ten minutes, a headroom of one."""
    return replace(Config(scale_window_seconds=600, headroom=1.0), **changed)  # type: ignore[arg-type]


REST = Service(desired=6, running=6, deploying=False)

CASES = {
    "idle goes to the minimum": (steady(0, 0), REST, config(), 1, "scale in"),
    "idle goes to zero where that is the minimum": (steady(0, 0), REST, config(min_workers=0), 0, "scale in"),
    "from zero on the first message": (
        history(*[(0, 0)] * 9, (1, 0)), Service(0, 0, False), config(min_workers=0), 1,
        "scale out"),
    "a burst gets the maximum at once": (
        history((0, 1), (50, 1)), Service(1, 1, False), config(), 11, "scale out"),
    "busy workers count though nothing waits": (steady(0, 6), REST, config(headroom=0), 6, "need met"),
    "load 4 gets 4 + sqrt(4)": (steady(0, 4), REST, config(), 6, "need met"),
    "several messages a worker": (
        steady(20, 0), REST, config(messages_per_worker=10, headroom=0), 2, "scale in"),
    "a target wait of two job times": (  # 6 in work at 0.1/s: jobs of 60 s, so 120 s allow 2 a worker
        History(NOW, tuple(Point(NOW - 60 * (9 - i), 10, 6, 0.1) for i in range(10))),
        REST, config(target_wait_seconds=120, headroom=0), 11, "scale out"),
    "a step too small is not taken": (steady(0, 5), REST, config(headroom=0), 6, "step too small"),
    "busy workers are not put at risk": (
        history(*[(0, 7)] * 5, *[(0, 3)] * 5), Service(8, 8, False), config(headroom=0), 8,
        "too many workers are busy"),
    "an idle moment is used": (
        history(*[(0, 7)] * 5, *[(0, 3)] * 4, (0, 2)), Service(8, 8, False), config(headroom=0), 4,
        "scale in"),
    "a surplus all through the window is taken at any moment": (
        steady(0, 4), Service(8, 8, False), config(), 6, "scale in"),
    "all may be busy where the tasks protect themselves": (
        history((0, 6), *[(0, 4)] * 9), Service(8, 8, False), config(scale_in_max_busy=1.0, headroom=0.5), 6,
        "scale in"),
    "a burst is forgotten sooner than it would be by the plain mean": (
        history(*[(0, 10)] * 5, *[(0, 1)] * 5), Service(10, 10, False), config(), 6, "scale in"),
    "the last step to the minimum is always taken": (
        steady(0, 0), Service(2, 2, False), config(), 1, "scale in"),
    "never in during a deployment": (
        steady(0, 0), Service(6, 6, True), config(), 6, "deployment in progress"),
    "out during a deployment": (steady(9, 6), Service(6, 6, True), config(), 11, "scale out"),
    "never in while running is below desired": (
        steady(0, 0), Service(6, 5, False), config(), 6, "running below desired"),
    "never in on an incomplete answer": (
        replace(steady(0, 0), complete=False), REST, config(), 6, "CloudWatch's answer is incomplete"),
    "never in on four of ten points": (
        steady(0, 0, minutes=4), REST, config(), 6, "less than half of the window's points"),
    "in on five of ten points": (steady(0, 0, minutes=5), REST, config(), 1, "scale in"),
    "never in on a point that a fresher tick may have outrun": (
        history(*[(0, 0)] * 8, age=120), REST, config(scale_in_max_age_seconds=90), 6,
        "newest point too old to scale in"),
    "no point: lifted": (History(NOW, ()), Service(2, 2, False), config(), 6,
                         "metric stale: lifted to the fallback"),
    "no point: held, not lowered": (History(NOW, ()), Service(9, 9, False), config(), 9, "metric stale"),
    "an old point is no point": (
        history((50, 5), age=301), Service(2, 2, False), config(), 6, "metric stale: lifted to the fallback"),
    "a zero that is old is not zero": (history((0, 0), age=400), REST, config(), 6, "metric stale"),
    "the fallback stays within the bounds": (
        History(NOW, ()), Service(1, 1, False), config(max_workers=4, fallback_workers=9), 4,
        "metric stale: lifted to the fallback"),
    "points of the future are not looked at": (
        history((50, 5), age=-3600), REST, config(), 6, "metric stale"),
    "a clock that is some seconds ahead is forgiven": (
        history((50, 5), age=-20), REST, config(), 11, "scale out"),
    "lowered by hand below the minimum": (
        steady(0, 0), Service(0, 0, False), config(min_workers=2), 2, "scale out"),
    "raised by hand above the maximum": (steady(50, 11), Service(15, 15, False), config(), 11, "scale in"),
    "raised by hand above the maximum, held while it starts": (
        steady(50, 11), Service(15, 12, False), config(), 15, "running below desired"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_decision_table(case: str) -> None:
    past, service, config, desired, reason = CASES[case]
    decision = decide(past, service, config)
    assert (decision.desired, decision.reason) == (desired, reason)
    assert decision.held == (
        decision.desired == service.desired and decision.need != service.desired
    )


def test_skipped_tick_does_not_change_the_next_decision() -> None:
    """Stateless: the decision depends on what is known now, not on the ticks before."""
    assert (
        decide(steady(3, 2), Service(1, 1, False), config()).desired == 8
    )  # 5 + sqrt(5), rounded up


counts = st.integers(0, 200).map(float)
ages = st.lists(st.integers(0, 20), unique=True, max_size=15).map(
    lambda ages: sorted(ages, reverse=True)
)


@st.composite
def histories(draw: st.DrawFn) -> History:
    offset = draw(st.floats(-60, 400))
    rates = st.none() | st.floats(0, 2)
    points = [
        Point(NOW - offset - 60 * age, draw(counts), draw(counts), draw(rates))
        for age in draw(ages)
    ]
    return History(NOW, tuple(points), draw(st.booleans()))


@st.composite
def configs(draw: st.DrawFn) -> Config:
    maximum = draw(st.integers(1, 40))
    return Config(
        min_workers=draw(st.integers(0, maximum)),
        max_workers=maximum,
        messages_per_worker=draw(st.sampled_from([0.5, 1.0, 3.0, 10.0])),
        target_wait_seconds=draw(st.sampled_from([0.0, 60.0, 600.0])),
        scale_window_seconds=draw(st.integers(120, 1200)),
        headroom=draw(st.floats(0, 3)),
        scale_in_min_step=draw(st.integers(1, 5)),
        scale_in_max_busy=draw(st.floats(0, 1)),
        scale_in_max_age_seconds=draw(st.integers(30, 600)),
        max_metric_age_seconds=draw(st.integers(60, 600)),
        fallback_workers=draw(st.integers(0, maximum)),
    )


services = st.builds(
    Service, desired=st.integers(0, 60), running=st.integers(0, 60), deploying=st.booleans()
)


@given(histories(), services, configs())
def test_count_stays_within_the_bounds_or_unchanged(
    past: History, service: Service, config: Config
) -> None:
    desired = decide(past, service, config).desired
    assert desired == service.desired or config.min_workers <= desired <= config.max_workers


@given(histories(), services, configs())
def test_repeated_input_is_a_noop(past: History, service: Service, config: Config) -> None:
    """Right after a decision, and when its tasks run. (Tasks that come up by themselves may end a
    hold.)"""
    first = decide(past, service, config)
    settled = service.running if first.desired == service.desired else first.desired
    for running in (service.running, settled):
        again = decide(past, replace(service, desired=first.desired, running=running), config)
        assert again.desired == first.desired


@given(histories(), services, configs(), st.integers(0, 14), counts, counts)
def test_more_backlog_never_means_fewer_workers(
    past: History, service: Service, config: Config, where: int, ready: float, unacknowledged: float
) -> None:
    assume(past.points)
    points = list(past.points)
    old = points[where % len(points)]
    points[where % len(points)] = replace(
        old, ready=old.ready + ready, unacknowledged=old.unacknowledged + unacknowledged
    )
    more = replace(past, points=tuple(points))
    assert decide(more, service, config).desired >= decide(past, service, config).desired


@given(histories(), services, configs())
def test_missing_data_never_scales_in(past: History, service: Service, config: Config) -> None:
    """With fewer than half of the window's points, or no recent one, or a partial answer: never
    down."""
    window = [p for p in past.points if NOW - config.scale_window_seconds <= p.timestamp]
    missing = (
        not past.complete
        or 2 * 60 * len(window) < config.scale_window_seconds
        or NOW - past.points[-1].timestamp > config.max_metric_age_seconds
    )
    assume(missing)
    assert decide(past, service, config).desired >= service.desired


@given(histories(), services, configs())
def test_rollout_or_starting_tasks_prevent_scaling_in(
    past: History, service: Service, config: Config
) -> None:
    if service.deploying or service.running < service.desired:
        assert decide(past, service, config).desired >= service.desired


@given(histories(), services, configs())
def test_maximum_backlog_gets_the_maximum_count(
    past: History, service: Service, config: Config
) -> None:
    point = Point(NOW, 0, float(config.max_workers))
    full = History(NOW, (*[p for p in past.points if p.timestamp < NOW], point))
    assert decide(full, service, config).desired >= config.max_workers
