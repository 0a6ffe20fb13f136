"""Run one CloudFormation operation on a root stack: a `RootPlan` becomes an `Outcome`.

``apply`` executes a change set, ``follow`` and ``events`` read the events of an operation until it
ends, ``rollouts`` watches ECS services meanwhile, ``pause`` stops functions for the time of a
deployment, ``protection`` sets stack policies and termination protection, ``progress`` holds the
types that a watcher of an operation receives.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "apply": ["apply_plan", "resume_paused"],
        "events": ["read_steps"],
        "follow": ["Follower", "attach_to_operation", "follow_operation"],
        "pause": ["is_any_paused"],
        "progress": ["Fate", "Notice", "Progress", "ProgressStep", "RolloutProgress", "Watcher"],
        "protection": ["UNGUARDED", "guard_stack"],
    },
)
