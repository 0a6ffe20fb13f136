"""Time for a test: it stands still until something sleeps or the test moves it."""

from __future__ import annotations

import time

from stackwright.aws.polling import Polling


class Clock:
    """Seconds since the epoch, as ``time.time`` gives them."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def polling(self) -> Polling:
        return Polling(clock=self, sleep=self.sleep)


class WallClock(Clock):
    """The time of day and ``ahead`` seconds more, for a command line in a process of its own."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 100)
