"""Start processes that react to signals, however the tests themselves were started."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


@contextmanager
def default_signals() -> Iterator[None]:
    """Let a process that is started in this block react to SIGINT, SIGHUP and SIGTERM.

    ``nohup make test &`` starts the tests with SIGHUP, and from some shells SIGINT, ignored. A
    process inherits the signals that its parent ignores (POSIX, ``exec``), so that a command under
    test would ignore them too. The tests themselves go on ignoring them after the block.
    """
    ignored = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
