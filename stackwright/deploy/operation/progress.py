"""The progress of an operation, as values for its watcher, and the fates of resources in a
deletion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec import Struct

from ...cfn import STACK_TYPE
from ...core import logical_id
from ...plan import Outcome, nested_name


class ProgressStep(Struct, frozen=True):
    """A status that a stack or one of its resources has reached.

    ``stack`` is the stack's path (``app/gateway``). ``of_stack`` says that the step is the stack's
    own. ``nested`` says that the resource is a stack: it has steps of its own under its own path.
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
        """Whether the resource is a nested stack, as its parent sees it."""
        return self.type == STACK_TYPE and not self.of_stack

    @property
    def failed(self) -> bool:
        """Whether the status ends in failure."""
        return self.status.endswith("_FAILED")

    @property
    def under_way(self) -> bool:
        """Whether the status is no final one."""
        return self.status.endswith("_IN_PROGRESS")


class RolloutProgress(Struct, frozen=True):
    """An ECS service while it changes: task counts of its newest deployment, and news since the
    last progress.

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
    """A line for the user that is not a step."""

    text: str


class Fate(Struct, frozen=True):
    """What a deletion does to a resource: ``kept`` is Retain, Snapshot, or empty where it is
    deleted; ``stateful`` says that it holds data."""

    address: str
    type: str
    physical_id: str
    kept: str
    stateful: bool

    @property
    def lost(self) -> bool:
        """Whether data is deleted with it."""
        return self.stateful and not self.kept


Progress = ProgressStep | RolloutProgress | Notice | Outcome
Watcher = Callable[[Progress], None]


def ignore_progress(_progress: Progress) -> None:
    """Watch nothing."""


def nested_path(parent: str, resource: str, known: Iterable[str]) -> str:
    """The path of a nested stack: ``app/url-secrets`` for the resource ``UrlSecrets`` of ``app``.

    It is the one of the ``known`` paths that gives that logical ID, else follows the convention.
    """
    for path in known:
        above, _, name = path.rpartition("/")
        if above == parent and logical_id(name) == resource:
            return path
    return nested_name(parent, resource)
