"""What is told of an operation: steps of stacks and resources, rollouts of services, notices, how
it ended; and what a deletion does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec import Struct

from ...cfn import STACK_TYPE
from ...core import logical_id
from ...plan import Outcome, nested_name


class ProgressStep(Struct, frozen=True):
    """A status that a stack or a resource of it has reached.

    ``stack`` is the stack's path (``app/gateway``), ``of_stack`` says that the step is the stack's
    own, not a resource's; ``nested`` that the resource is a stack, which tells of itself under its
    own path.
    """

    stack: str
    logical_id: str
    type: str
    status: str
    reason: str
    time: datetime
    physical_id: str = ""
    of_stack: bool = False

    @property
    def address(self) -> str:
        """``app/gateway:Service``; ``app/gateway`` for the stack itself."""
        return self.stack if self.of_stack else f"{self.stack}:{self.logical_id}"

    @property
    def nested(self) -> bool:
        """Whether it is about a nested stack as a resource of its parent."""
        return self.type == STACK_TYPE and not self.of_stack

    @property
    def failed(self) -> bool:
        """Whether the status ends in failure."""
        return self.status.endswith("_FAILED")

    @property
    def under_way(self) -> bool:
        """Whether more of it follows."""
        return self.status.endswith("_IN_PROGRESS")


class RolloutProgress(Struct, frozen=True):
    """An ECS service while it changes: tasks as counted by its newest deployment, and what is new
    since last time.

    ``messages`` are events of the service, ``stops`` why tasks ended, ``lines`` the ends of their
    logs.
    """

    address: str
    desired: int
    running: int
    pending: int
    failed: int
    time: datetime
    messages: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


class Notice(Struct, frozen=True):
    """Something about the following itself that the user should know."""

    text: str


class Fate(Struct, frozen=True):
    """What a deletion does to a resource. ``kept`` is Retain, Snapshot, or empty where it goes;
    ``stateful`` says that it holds data."""

    address: str
    type: str
    physical_id: str
    kept: str
    stateful: bool

    @property
    def lost(self) -> bool:
        """Whether data goes with it."""
        return self.stateful and not self.kept


Progress = ProgressStep | RolloutProgress | Notice | Outcome
Watcher = Callable[[Progress], None]


def ignore_progress(_progress: Progress) -> None:
    """Nobody watches."""


def nested_path(parent: str, resource: str, known: Iterable[str]) -> str:
    """Path of the nested stack that is the resource ``UrlSecrets`` of ``app``: ``app/url-secrets``.

    ``known`` paths decide, where one of them gives that logical ID; else the convention.
    """
    for path in known:
        above, _, name = path.rpartition("/")
        if above == parent and logical_id(name) == resource:
            return path
    return nested_name(parent, resource)
