"""Space repeated calls to AWS: short pauses while things change, long ones while they do not, never
above a rate.

CloudFormation documents no rate limit and throttles an account as a whole. Rounds are therefore
spaced by the number of their calls; botocore retries a call that is throttled anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

CALLS_A_SECOND = 5.0
"""Calls a second of one deployment. An account was seen to be throttled at eight to ten reads a
second (https://github.com/aws/aws-cdk-cli/issues/1709), and others use it too."""


class Polling:
    """Rounds of calls: ``for _ in polling: …`` runs the first round at once and pauses before every
    further one.

    From the start of one round to the next pass ``first`` seconds, then ``growth`` times as many in
    each round, up to ``longest``; `changed` starts again with ``first``. A round of n calls (see
    `called`) takes at least n / ``rate`` seconds. Iteration ends with a last round after
    ``deadline`` seconds; without a deadline it never ends by itself.
    """

    def __init__(
        self,
        *,
        first: float = 0.2,
        longest: float = 1.0,
        growth: float = 1.5,
        rate: float = CALLS_A_SECOND,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._first, self._longest, self._growth, self._rate = first, longest, growth, rate
        self._deadline, self._clock, self._sleep = deadline, clock, sleep
        self._wait, self._calls = first, 0

    def changed(self) -> None:
        """Shorten the pauses: a change was seen, and more are likely to follow."""
        self._wait = self._first

    def called(self, count: int = 1) -> None:
        """Count ``count`` more calls in this round."""
        self._calls += count

    def __iter__(self) -> Iterator[float]:
        """Yield the seconds since the first round, at the start of each round."""
        began = self._clock()
        last = False
        while True:
            started = self._clock()
            self._calls = 0
            yield started - began
            if last:
                return
            pause = max(self._wait, self._calls / self._rate)
            self._wait = min(self._wait * self._growth, self._longest)
            due = started + pause
            if self._deadline is not None and due >= began + self._deadline:
                due, last = began + self._deadline, True
            now = self._clock()
            if due > now:
                self._sleep(due - now)
