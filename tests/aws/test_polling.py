"""When AWS is asked again, on a clock that only runs while something waits."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import pytest

from stackwright.aws.polling import Polling
from tests.support.clock import Clock


def polling(clock: Clock, **options: Any) -> Polling:
    return Polling(clock=clock, sleep=clock.sleep, **options)


def test_first_round_is_at_once_and_pauses_grow_to_a_second() -> None:
    clock = Clock()
    rounds = list(islice(polling(clock), 8))
    assert rounds[0] == 0
    waits = [after - before for before, after in pairwise(rounds)]
    assert waits == pytest.approx([0.2, 0.3, 0.45, 0.675, 1, 1, 1])


def test_change_shortens_the_pauses() -> None:
    clock = Clock()
    pace = polling(clock)
    rounds = []
    for elapsed in islice(pace, 9):
        rounds.append(elapsed)
        if len(rounds) == 6:
            pace.changed()
    waits = [after - before for before, after in pairwise(rounds)]
    assert waits == pytest.approx([0.2, 0.3, 0.45, 0.675, 1, 0.2, 0.3, 0.45])


def test_round_of_many_calls_takes_longer() -> None:
    clock = Clock()
    pace = polling(clock, rate=5)
    rounds = []
    for elapsed in islice(pace, 3):
        rounds.append(elapsed)
        pace.called(6)
        pace.called(4)
    assert rounds == pytest.approx([0, 2, 4])


def test_time_of_the_calls_counts_towards_the_pause() -> None:
    clock = Clock()
    rounds = []
    for elapsed in islice(polling(clock, first=1), 4):
        rounds.append(elapsed)
        clock.now += 0.4 if len(rounds) < 3 else 5
    assert rounds == pytest.approx([0, 1, 2, 7])


def test_last_round_is_at_the_deadline() -> None:
    clock = Clock()
    rounds = list(polling(clock, first=1, deadline=2.5))
    assert rounds == pytest.approx([0, 1, 2, 2.5])
    assert list(polling(clock, deadline=0)) == pytest.approx([0, 0])
