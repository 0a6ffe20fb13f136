"""Ctrl-C during an operation: CloudFormation goes on, and the command detaches from it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..deploy import User
    from ..plan import Environment

_AGAIN = 5.0
"""Seconds in which a second Ctrl-C asks whether to cancel."""


@contextmanager
def detachable(stack: str, environment: Environment, user: User) -> Iterator[None]:
    """Detach from the operation of the block on Ctrl-C, and say how to follow it again; exits 130.

    A second Ctrl-C within five seconds asks whether to cancel an update. A closed terminal detaches
    too. Whatever the block has paused it resumes first.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed twice at once it is one
        _detach(stack, environment, user)
        raise click.exceptions.Exit(130) from None
    finally:
        signal.signal(signal.SIGINT, before)


def _detach(stack: str, environment: Environment, user: User) -> None:
    from ..deploy import cancel_update, watch_command

    watch = watch_command(environment.name)
    user.say(
        f"\ndetached: the operation on {stack} continues in CloudFormation; follow it "
        f"again: {watch}"
    )
    if not user.interactive:
        return
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        user.say(f"press Ctrl-C again within {_AGAIN:.0f} s to cancel it instead")
        time.sleep(_AGAIN)
    except KeyboardInterrupt:
        cancel_update(stack, environment, user)
