"""Which option approves each kind of finding, and how a refusal reads."""

from __future__ import annotations

import pytest

from stackwright.core.errors import DeployError
from stackwright.plan.guardrails import (
    FindingKind,
    GuardrailFinding,
    find_unapproved,
    require_approval,
)


def finding(kind, name="X", stack="app/gateway", source=""):
    return GuardrailFinding(
        kind=FindingKind(kind),
        root="news-prod-app",
        stack=stack,
        logical_id="X",
        type="AWS::SNS::Topic",
        description=f"is worse in {kind}",
        name=name,
        source=source,
    )


@pytest.mark.parametrize(
    ("kind", "code", "flag"),
    [
        ("data", "SW821", "--allow-data-loss"),
        ("replacement", "SW820", "--allow-replace"),
        ("removal", "SW820", "--allow-replace"),
        ("access", "SW822", "--allow-broader-access"),
        ("encryption", "SW823", "--allow-broader-access"),
        ("logging", "SW823", "--allow-broader-access"),
        ("availability", "SW829", "--approve"),
    ],
)
def test_every_kind_has_code_and_option(kind, code, flag):
    with pytest.raises(DeployError) as refused:
        require_approval([finding(kind)])
    (problem,) = refused.value.problems
    assert (problem.code, flag in problem.hint) == (code, True)


def test_broad_options_approve_encryption_and_logging_but_not_availability():
    findings = [finding(kind) for kind in ("encryption", "logging", "availability")]
    everything = find_unapproved(findings, replace=["X"], data_loss=True, broader_access=True)
    assert [unapproved.kind for unapproved in everything] == [FindingKind.AVAILABILITY]
