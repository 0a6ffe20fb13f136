"""Find the changes of a plan that need an approval, and refuse a plan that lacks one.

In: a `Plan` and the approvals given. Out: a `GuardrailFinding` for each resource and kind of danger
(loss of data, replacement, removal, wider access), or a `DeployError`.

``find`` runs the checks over all changes. A check is a function of a root's plan and one of its
changes: ``data`` and ``replacement`` hold one each. ``access`` asks ``grants`` what a root opens,
and ``exposures`` lists what a first deployment exposes and grants. ``approval`` compares findings
with approvals, ``waivers`` finds those that templates give, ``iam`` compares policies as sets.
Nothing here calls AWS.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "approval": [
            "Approval",
            "Locate",
            "approval_names",
            "find_option",
            "find_unneeded",
            "parse_approval",
            "require_approval",
            "require_known_names",
        ],
        "exposures": ["Exposure", "ExposureKind", "list_exposures"],
        "find": ["find_dangerous_changes"],
        "finding": ["ApprovalFlag", "FindingKind", "GuardrailFinding"],
        "replacement": ["REVISIONS"],
        "table": ["Protection", "read_protections"],
        "waivers": ["PlannedWaiver", "find_waivers"],
        "wording": ["describe_statement"],
    },
)
