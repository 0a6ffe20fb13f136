"""Waivers of guardrails in templates: which count, what they cover, and how a plan lists them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
import yaml

from stackwright.core import WAIVABLE_KINDS, read_guardrail_waivers
from stackwright.deploy import Approvals
from stackwright.diff import diff_builds
from stackwright.plan import find_dangerous_changes, find_waivers
from stackwright.plan.guardrails import FindingKind, parse_approval
from stackwright.plan.model import (
    Certainty,
    DesiredStack,
    ListedChange,
    Plan,
    PlannedChange,
    RootAction,
    RootPlan,
)
from stackwright.report import format_plan

TODAY = date(2026, 3, 1)
WAIVER = {"kind": "access", "reason": "partners call from anywhere", "until": "2026-12-31"}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (WAIVER, ""),
        ({**WAIVER, "until": date(2026, 12, 31)}, ""),
        ({**WAIVER, "until": "2026-03-01"}, ""),
        ({**WAIVER, "until": "2026-02-28"}, "the waiver expired on 2026-02-28"),
        ({**WAIVER, "until": "2027-03-03"}, "until 2027-03-03 is more than a year ahead"),
        ({**WAIVER, "until": "soon"}, "a waiver needs its last day, as until: YYYY-MM-DD"),
        ({"kind": "access", "reason": "a"}, "a waiver needs its last day, as until: YYYY-MM-DD"),
        ({**WAIVER, "reason": " "}, "a waiver needs a reason"),
        ({**WAIVER, "kind": "acess"}, "unknown kind 'acess'; did you mean access?"),
        ({**WAIVER, "kind": "x"}, "unknown kind 'x'; kinds: access, encryption, logging, avail"),
        ({**WAIVER, "kind": "data"}, "data cannot be waived: approve each such change with --app"),
        ({**WAIVER, "kind": "removal"}, "removal cannot be waived"),
        ({"reason": "a", "until": "2026-12-31"}, "unknown kind ''"),
    ],
)
def test_waiver_needs_kind_reason_and_end(entry, problem):
    (waiver,) = read_guardrail_waivers([entry, {"id": "SW340", "reason": "a"}], TODAY)
    assert waiver.problem.startswith(problem)
    assert bool(waiver.problem) == bool(problem)


def test_waivable_kinds_are_kinds_of_findings():
    assert set(WAIVABLE_KINDS) | {"data", "replacement", "removal"} == set(FindingKind)


def group(range_, *waivers, **more):
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": range_}
    metadata = {"Metadata": {"stackwright": {"waive": list(waivers)}}} if waivers else {}
    properties = {"GroupDescription": "web", "SecurityGroupIngress": [rule]}
    return {"Type": "AWS::EC2::SecurityGroup", "Properties": properties, **metadata, **more}


def plan_of(before, after):
    texts = [
        {"app.yaml": yaml.safe_dump({"Resources": {"Keep": {"Type": "AWS::SQS::Queue"}, **side}})}
        for side in (before, after)
    ]
    diff = diff_builds(*texts, "us-east-2", "123456789012")
    changes = tuple(
        PlannedChange(resource, ListedChange.BOTH, Certainty.CERTAIN) for resource in diff.resources
    )
    desired = DesiredStack("app", "news-prod-app", {"app": texts[1]["app.yaml"]}, {}, {}, {})
    root = RootPlan(desired, RootAction.UPDATE, diff, changes, live={"id": "a"})
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return Plan("prod", "123456789012", "us-east-2", "", "", now, (root,))


def opening(before=(), after=()):
    return plan_of({"X": group("10.0.0.0/8", *before)}, {"X": group("0.0.0.0/0", *after)})


def test_waiver_covers_findings_of_its_kind_on_its_resource():
    plan = opening([WAIVER], [WAIVER])
    (finding,) = find_dangerous_changes(plan)
    assert finding.waiver.reason == "partners call from anywhere"
    assert Approvals().missing([finding]) == []
    for other in ({**WAIVER, "kind": "logging"}, {**WAIVER, "until": "2026-02-28"}):
        findings = find_dangerous_changes(opening([other], [other]))
        assert Approvals().missing(findings) == findings != []
    beside = plan_of(
        {"X": group("10.0.0.0/8"), "Y": group("10.0.0.0/8", WAIVER)},
        {"X": group("0.0.0.0/0"), "Y": group("10.0.0.0/8", WAIVER)},
    )
    assert len(Approvals().missing(find_dangerous_changes(beside))) == 1


def test_waiver_that_the_plan_adds_or_changes_is_new():
    longer = {**WAIVER, "until": "2027-01-31"}
    for before, after, new in [
        ([WAIVER], [WAIVER], False),
        ([], [WAIVER], True),
        ([WAIVER], [longer], True),
    ]:
        (waiver,) = find_waivers(opening(before, after))
        assert (waiver.address, waiver.new) == ("app:X", new)
    (added,) = find_waivers(plan_of({}, {"X": group("10.0.0.0/8", WAIVER)}))
    assert added.new


def test_plan_lists_waivers_on_top_in_every_form():
    expired = {**WAIVER, "kind": "logging", "until": "2026-02-28"}
    plan = opening([], [WAIVER, expired])
    text = format_plan(plan).partition("# app (")[0]
    assert "Waived until 2026-12-31:[/] X opens tcp/443 to 0.0.0.0/0" in text
    assert "New waiver:[/] app:X, access until 2026-12-31: partners call from anywhere" in text
    assert "Waiver that does not count:[/] app:X, logging until 2026-02-28" in text
    assert "(the waiver expired on 2026-02-28)" in text
    markdown = format_plan(plan, "markdown")
    assert "> - **Waived until 2026-12-31:** X opens tcp/443" in markdown
    assert "- **New waiver:** app:X, access until 2026-12-31: partners call" in markdown
    data = json.loads(format_plan(plan, "json"))
    assert [finding["approved_by"] for finding in data["findings"]] == ["waiver"]
    assert data["needs_approval"] == []
    assert data["waivers"][0] == {**WAIVER, "address": "app:X", "new": True, "problem": ""}
    old = format_plan(opening([WAIVER], [WAIVER]))
    assert "New waiver" not in old
    assert "Waived until" in old


def test_plan_says_which_option_approves():
    approvals = Approvals(named=(parse_approval("X:access"),))
    for style in ("text", "markdown"):
        shown = format_plan(opening(), style, find_option=approvals.find_option)
        assert "Approved:" in shown
        assert "--approve X:access" in shown
        assert "Needs approval" not in shown
    data = json.loads(format_plan(opening(), "json", find_option=approvals.find_option))
    assert data["findings"][0]["approved_by"] == "--approve X:access"
    assert json.loads(format_plan(opening(), "json"))["needs_approval"][0]["approved_by"] is None
