"""Which option approves each kind of finding, and how a refusal reads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from stackwright.core.errors import DeployError
from stackwright.deploy import Approvals
from stackwright.diff import Diff
from stackwright.plan.guardrails import (
    FindingKind,
    GuardrailFinding,
    find_unneeded,
    parse_approval,
    require_approval,
    require_known_names,
)
from stackwright.plan.model import DesiredStack, Plan, RootAction, RootPlan


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
    everything = Approvals(replace=frozenset("X"), loss=True, access=True)
    assert everything.missing(findings) == [finding("availability")]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("X", {"data", "access"}),
        ("X:access", {"access"}),
        ("app/gateway:X", {"data", "access"}),
        ("app/gateway:X:data", {"data"}),
        ("app:X", set()),
        ("X:logging", set()),
        ("Y", set()),
    ],
)
def test_named_approval_covers_resource_and_kind(text, kinds):
    covered = [kind for kind in FindingKind if parse_approval(text).covers(finding(kind))]
    assert kinds == {"data", "access"} & set(covered)
    assert str(parse_approval(text)) == f"--approve {text}"


@pytest.mark.parametrize(
    ("approval", "message", "hint"),
    [
        ("Queu", "no resource Queu in this plan", "did you mean Queue?"),
        ("ap:Queue", "no resource ap:Queue in this plan", "did you mean app:Queue?"),
        ("Queue:acess", "unknown kind 'acess'", "did you mean Queue:access?"),
        ("app:Queue:Access", "unknown kind 'Access'", "did you mean app:Queue:access?"),
        ("Queue:zzz", "unknown kind 'zzz'", "kinds: data, replacement, removal, access, "),
        ("", "no resource", "name a resource that the plan shows"),
    ],
)
def test_unknown_name_or_kind_is_an_error_with_the_nearest_name(approval, message, hint):
    with pytest.raises(DeployError) as refused:
        require_known_names([parse_approval(approval)], plan_with_queue())
    (problem,) = refused.value.problems
    assert problem.code == "SW830"
    assert message in problem.message
    assert hint in problem.hint
    require_known_names(map(parse_approval, ["Queue", "app:Queue:data"]), plan_with_queue())


def plan_with_queue():
    text = "Resources: {Queue: {Type: 'AWS::SQS::Queue'}}"
    desired = DesiredStack("app", "news-prod-app", {"app": text}, {}, {}, {})
    root = RootPlan(desired, RootAction.UPDATE, Diff())
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Plan("prod", "", "eu-west-1", "", "", now, (root,))


def test_unneeded_approvals_are_told():
    findings = [finding("access"), finding("access", name="app/web:X", stack="app/web")]
    findings[0] = replace(findings[0], name="app/gateway:X")
    assert list(find_unneeded(map(parse_approval, ["X", "Y:data", "app/web:X"]), findings)) == [
        "--approve X approves nothing: several resources have that name: app/gateway:X, app/web:X",
        "--approve Y:data is not needed: the plan has no such danger",
    ]
