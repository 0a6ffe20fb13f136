"""Run one CloudFormation operation on a root stack: a `RootPlan` becomes an `Outcome`.

``apply`` executes a change set, ``follow`` and ``events`` read the events of an operation until it
ends, ``rollouts`` watches ECS services meanwhile, ``pause`` stops functions for the time of a
deployment, ``protection`` sets stack policies and termination protection, ``progress`` holds the
types that a watcher of an operation receives.
"""

from .apply import apply_plan, resume_paused
from .events import read_steps
from .follow import Follower, attach_to_operation, follow_operation
from .pause import is_any_paused
from .progress import Fate, Notice, Progress, ProgressStep, RolloutProgress, Watcher
from .protection import UNGUARDED, guard_stack

__all__ = [
    "UNGUARDED",
    "Fate",
    "Follower",
    "Notice",
    "Progress",
    "ProgressStep",
    "RolloutProgress",
    "Watcher",
    "apply_plan",
    "attach_to_operation",
    "follow_operation",
    "guard_stack",
    "is_any_paused",
    "read_steps",
    "resume_paused",
]
