"""The option --debug: times of the stages and of the calls to AWS, on stderr.

Modules log to loggers below ``stackwright``; they never log a parameter, an answer or a secret.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from .output import echo

_LOGGER = logging.getLogger("stackwright")
VARIABLE = "STACKWRIGHT_LOG"


class EchoHandler(logging.Handler):
    """Writes log records to stderr as it is at that moment: a live display may have replaced it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        echo(f"[{record.relativeCreated / 1000:7.3f} s] {record.getMessage()}", err=True)


def enable_debug(_ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Show log records, once, if the option or the environment variable says so."""
    wanted = value or os.environ.get(VARIABLE, "").lower() == "debug"
    if wanted and not any(isinstance(handler, EchoHandler) for handler in _LOGGER.handlers):
        _LOGGER.addHandler(EchoHandler())
        _LOGGER.setLevel(logging.DEBUG)


DEBUG = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=enable_debug,
    help=f"Show calls to AWS and times on stderr; so does {VARIABLE}=debug.",
)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Log how long a stage takes."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        _LOGGER.debug("%s: %.0f ms", stage, (time.perf_counter() - begun) * 1000)
