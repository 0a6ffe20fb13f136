"""Find out what a deployment would do: a `Bundle` and the live stacks become a `Plan`.

``environment`` joins the parameters, the rendering and the account; ``desired_state`` builds the
state that each root stack is to reach, ``imports`` that of an import; ``live_stack`` reads the
present one. ``noop`` recognizes roots without changes by reading alone. For the others ``plan``
creates change sets (``change_sets``), and ``reconcile`` merges them with our own ``prediction``.
``upcoming`` collects the values that each root changes for the roots after it: such a root is
predicted only; ``stored_values`` reads Parameter Store, ``moved_references`` finds secure values
that CloudFormation does not follow.
``blockers`` finds the changes that CloudFormation cannot carry out, ``guardrails`` those that need
an approval; ``freshness`` tells whether a plan still holds, and ``plan_file`` saves a plan for a
later ``deploy --plan``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "blockers": [
            "IDENTIFIERS",
            "RootChange",
            "find_awaited_exports",
            "find_blockers",
            "find_identifier",
            "require_unblocked",
        ],
        "desired_state": [
            "BUCKET_OUTPUT",
            "NO_BUCKET",
            "KnownValues",
            "build_desired_stack",
            "deploy_settings",
            "find_bucket",
            "find_exposed_parameters",
            "find_hidden_parameters_without_value",
            "given_bucket",
            "known_values",
            "require_own",
            "root_documents",
            "stack_name",
            "stack_tags",
        ],
        "environment": ["Environment"],
        "freshness": ["find_stale_reason"],
        "guardrails": [
            "Approval",
            "Exposure",
            "ExposureKind",
            "GuardrailFinding",
            "Locate",
            "PlannedWaiver",
            "Protection",
            "REVISIONS",
            "approval_names",
            "describe_statement",
            "find_dangerous_changes",
            "find_option",
            "list_exposures",
            "find_unneeded",
            "find_waivers",
            "parse_approval",
            "read_protections",
            "require_approval",
            "require_known_names",
        ],
        "imports": ["build_import", "read_imports"],
        "live_stack": [
            "GONE",
            "LiveStack",
            "is_nested",
            "nested_name",
            "pseudo_parameters",
            "read_stack",
            "walk_stacks",
        ],
        "model": [
            "Blocker",
            "BlockerKind",
            "Cause",
            "Certainty",
            "DesiredStack",
            "ListedChange",
            "Outcome",
            "Plan",
            "PlannedChange",
            "RUN",
            "RootAction",
            "RootPlan",
            "SecretChange",
        ],
        "moved_references": ["find_moved_references"],
        "noop": ["plan_noop"],
        "plan": ["discard_change_sets", "predict_root", "preview_root"],
        "plan_file": ["read_plan", "save_plan"],
        "prediction": ["PredictedPlan", "keep_missing", "predict_stack"],
        "reconcile": ["keeps_in_place"],
        "stored_values": ["StoredValues"],
        "upcoming": ["RootForecast", "UpcomingValues"],
    },
)
