"""Find out what a deployment would do: a `Bundle` and the live stacks become a `Plan`.

``environment`` joins the parameters, the rendering and the account; ``desired_state`` builds the
state that each root stack is to reach, ``imports`` that of an import; ``live_stack`` reads the
present one. ``noop`` recognizes roots without changes by reading alone. For the others ``plan``
creates change sets (``change_sets``), and ``reconcile`` merges them with our own ``prediction``.
``guardrails`` finds the changes that need an approval, ``freshness`` tells whether a plan still
holds, and ``plan_file`` saves a plan for a later ``deploy --plan``.
"""

from .desired_state import (
    BUCKET_OUTPUT,
    KnownValues,
    build_desired_stack,
    deploy_settings,
    find_bucket,
    find_exposed_parameters,
    find_hidden_parameters_without_value,
    given_bucket,
    known_values,
    require_own,
    root_documents,
    stack_name,
    stack_tags,
)
from .environment import Environment
from .freshness import find_stale_reason
from .guardrails import (
    REVISIONS,
    GuardrailFinding,
    Locate,
    approval_names,
    find_dangerous_changes,
    find_unapproved,
    require_approval,
)
from .imports import build_import, read_imports
from .live_stack import (
    GONE,
    LiveStack,
    is_nested,
    nested_name,
    pseudo_parameters,
    read_stack,
    walk_stacks,
)
from .model import (
    RUN,
    Cause,
    Certainty,
    DesiredStack,
    ListedChange,
    Outcome,
    Plan,
    PlannedChange,
    RootAction,
    RootPlan,
    SecretChange,
)
from .noop import plan_noop
from .plan import discard_change_sets, predict_root, preview_root
from .plan_file import read_plan, save_plan
from .prediction import diff_with_live
from .reconcile import keeps_in_place

__all__ = [
    "BUCKET_OUTPUT",
    "GONE",
    "REVISIONS",
    "RUN",
    "Cause",
    "Certainty",
    "DesiredStack",
    "Environment",
    "GuardrailFinding",
    "KnownValues",
    "ListedChange",
    "LiveStack",
    "Locate",
    "Outcome",
    "Plan",
    "PlannedChange",
    "RootAction",
    "RootPlan",
    "SecretChange",
    "approval_names",
    "build_desired_stack",
    "build_import",
    "deploy_settings",
    "diff_with_live",
    "discard_change_sets",
    "find_bucket",
    "find_dangerous_changes",
    "find_exposed_parameters",
    "find_hidden_parameters_without_value",
    "find_stale_reason",
    "find_unapproved",
    "given_bucket",
    "is_nested",
    "keeps_in_place",
    "known_values",
    "nested_name",
    "plan_noop",
    "predict_root",
    "preview_root",
    "pseudo_parameters",
    "read_imports",
    "read_plan",
    "read_stack",
    "require_approval",
    "require_own",
    "root_documents",
    "save_plan",
    "stack_name",
    "stack_tags",
    "walk_stacks",
]
