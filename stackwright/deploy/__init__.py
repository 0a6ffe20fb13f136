"""Change what runs: an `Environment` and a `User` go in, a release comes out.

``deployer`` has the stages of a deployment in order. It is made of ``noop`` (tells by reading
that nothing changes), ``planner``, ``supplies`` (artifacts, images, secrets), ``approvals``,
``execution`` (a plan under way), ``saved_plan`` and ``rollback``; ``user`` has the protocols of who
is asked and told. ``recover`` brings stuck stacks back, ``destroy`` deletes stacks, ``drift`` finds
and reverts changes made by hand, ``adopt`` imports resources, ``overview`` reads an environment
for `status` and after a failure. ``operation`` runs one CloudFormation operation, ``runner`` shows
it to the user.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "adopt": ["adopt_resources"],
        "approvals": ["Approvals", "LOCAL", "require_reviewed_build"],
        "deployer": ["Deployer", "PlanResult"],
        "destroy": ["destroy_environment"],
        "drift": ["detect_drift", "revert_drift"],
        "operation": [
            "Fate",
            "Notice",
            "Progress",
            "ProgressStep",
            "RolloutProgress",
            "Watcher",
            "read_steps",
        ],
        "overview": ["Overview", "diff_with_deployed", "read_environment"],
        "recover": ["cancel_update", "repair_stacks", "watch_operations"],
        "runner": ["OperationRunner", "Timing", "is_healthy", "watch_command"],
        "user": ["Display", "Prompt", "Stopped", "User"],
    },
)
