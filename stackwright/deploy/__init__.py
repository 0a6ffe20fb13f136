"""Change what runs: an `Environment` and a `User` go in, a release comes out.

``deployer`` has the stages of a deployment in order. It is made of ``noop`` (tells by reading
that nothing changes), ``planner``, ``supplies`` (artifacts, images, secrets), ``approvals``,
``execution`` (a plan under way), ``saved_plan`` and ``rollback``; ``user`` has the protocols of who
is asked and told. ``recover`` brings stuck stacks back, ``destroy`` deletes stacks, ``drift`` finds
and reverts changes made by hand, ``adopt`` imports resources, ``overview`` reads an environment
for `status`. ``operation`` runs one CloudFormation operation, ``runner`` shows it to the user.
"""

from .adopt import adopt_resources
from .approvals import LOCAL, Approvals, require_reviewed_build
from .deployer import Deployer, PlanResult
from .destroy import destroy_environment
from .drift import detect_drift, revert_drift
from .operation import (
    Fate,
    Notice,
    Progress,
    ProgressStep,
    RolloutProgress,
    Watcher,
    read_steps,
)
from .overview import Overview, diff_with_deployed, read_environment
from .recover import cancel_update, repair_stacks, watch_operations
from .runner import OperationRunner, Timing, is_healthy, watch_command
from .user import Display, Prompt, Stopped, User

__all__ = [
    "LOCAL",
    "Approvals",
    "Deployer",
    "Display",
    "Fate",
    "Notice",
    "OperationRunner",
    "Overview",
    "PlanResult",
    "Progress",
    "ProgressStep",
    "Prompt",
    "RolloutProgress",
    "Stopped",
    "Timing",
    "User",
    "Watcher",
    "adopt_resources",
    "cancel_update",
    "destroy_environment",
    "detect_drift",
    "diff_with_deployed",
    "is_healthy",
    "read_environment",
    "read_steps",
    "repair_stacks",
    "require_reviewed_build",
    "revert_drift",
    "watch_command",
    "watch_operations",
]
