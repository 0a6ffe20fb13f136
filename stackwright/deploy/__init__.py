"""Change stacks and follow the change to its end: a `Plan` becomes an `Outcome`.

``apply`` executes a change set, ``follow`` and ``events`` read what happens, ``rollouts`` watches
ECS services, ``pause`` stops functions for the time of a deployment, ``protection`` guards stacks,
``recover`` brings stuck stacks back, ``destroy`` deletes them, ``drift`` finds changes made by
hand.
"""

from .apply import apply_plan, resume_paused
from .destroy import (
    delete_review_stack,
    delete_stack,
    explain_failed_deletion,
    list_fates,
    order_deletions,
)
from .drift import detect_drift, revert_target
from .events import read_steps
from .follow import Follower, attach_to_operation
from .pause import is_any_paused
from .progress import Fate, Notice, Progress, ProgressStep, RolloutProgress, Watcher
from .protection import UNGUARDED, guard_stack
from .recover import StuckStack, continue_rollback, find_recovery

__all__ = [
    "UNGUARDED",
    "Fate",
    "Follower",
    "Notice",
    "Progress",
    "ProgressStep",
    "RolloutProgress",
    "StuckStack",
    "Watcher",
    "apply_plan",
    "attach_to_operation",
    "continue_rollback",
    "delete_review_stack",
    "delete_stack",
    "detect_drift",
    "explain_failed_deletion",
    "find_recovery",
    "guard_stack",
    "is_any_paused",
    "list_fates",
    "order_deletions",
    "read_steps",
    "resume_paused",
    "revert_target",
]
