"""The settings of one emulator."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...cfn import Pseudo


def kill_process() -> None:
    """End this process at once, with nothing tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class EmulatorSettings:
    """Where and how one emulator runs.

    ``pseudo`` is its account and Region. ``fetch`` reads a ``TemplateURL`` (raises OSError).
    ``source`` gives the time in seconds since the epoch. ``page`` is the number of entries on a
    page; clients must follow ``NextToken``. ``latency`` gives the seconds that an operation
    (``create`` …) on a type takes; where ``realistic`` is above 0, it is that many times the
    typical time in AWS instead. ``stored`` are the parameters of Parameter Store for an emulator
    without services. Without ``pulls`` ECS tasks start although their image or secret is missing.
    ``die`` ends the server where a fault asks for it.
    """

    pseudo: Pseudo = field(default_factory=Pseudo)
    fetch: Callable[[str], str] | None = None
    source: Callable[[], float] = time.time
    seed: int = 0
    page: int = 100
    latency: Callable[[str, str], float] = lambda _type, _operation: 0.0
    stored: Mapping[str, str] = field(default_factory=dict)
    pulls: bool = True
    realistic: float = 0.0
    die: Callable[[], None] = kill_process
