"""Which replacements and removals need an approval."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from stackwright.cfn import Schemas
from stackwright.diff import diff_builds
from stackwright.plan.guardrails import FindingKind, find_dangerous_changes
from stackwright.plan.guardrails.replacement import ADDRESSES, REVISIONS
from stackwright.plan.model import Certainty, ListedChange, PlannedChange
from tests.plan.test_guardrails import TOPIC, flags, plan_of

SCHEMAS = Schemas("us-east-1")
ADDRESS = {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}}


def resource(type_name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": type_name, "Properties": properties}


def kinds(before: dict[str, Any], after: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    findings = find_dangerous_changes(plan_of(before, after, **more))
    return [(finding.logical_id, str(finding.kind)) for finding in findings]


@pytest.mark.parametrize("type_name", sorted({*ADDRESSES, *REVISIONS}))
def test_tables_name_types_that_exist(type_name: str) -> None:
    assert SCHEMAS.get(type_name) is not None


@pytest.mark.parametrize(
    "type_name",
    [
        "AWS::EC2::EIP",
        "AWS::EC2::Instance",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGatewayV2::Api",
        "AWS::CloudFront::Distribution",
        "AWS::Cognito::UserPoolDomain",
        "AWS::Lambda::Url",
    ],
)
def test_removing_an_address_needs_approval(type_name: str) -> None:
    assert [kind for _, kind in kinds({"X": resource(type_name)}, {})] in (
        [FindingKind.REMOVAL],
        [FindingKind.DATA],  # where the type also holds data
    )


def test_finding_says_which_address_is_lost() -> None:
    (finding,) = find_dangerous_changes(plan_of({"Ip": ADDRESS}, {}))
    assert finding.text == "Ip is removed, and loses its public IP address"
    assert finding.option == "--approve Ip:removal"


def test_removing_what_has_no_address_needs_no_approval() -> None:
    assert kinds({"X": TOPIC}, {}) == []


def test_retained_address_needs_no_approval() -> None:
    plan = plan_of({"X": ADDRESS}, {}, policy_action="Retain")
    assert find_dangerous_changes(plan) == []


def test_address_that_is_replaced_with_another_resource_needs_approval() -> None:
    instance = resource("AWS::EC2::Instance", SubnetId={"Ref": "Net"})
    net = resource("AWS::EC2::Subnet", CidrBlock="10.0.0.0/24", VpcId="vpc-1")
    moved = resource("AWS::EC2::Subnet", CidrBlock="10.0.1.0/24", VpcId="vpc-1")
    assert ("X", "replacement") in kinds({"Net": net, "X": instance}, {"Net": moved, "X": instance})


@pytest.mark.parametrize(
    ("type_name", "before", "after"),
    [
        ("AWS::AutoScaling::LaunchConfiguration", {"ImageId": "a"}, {"ImageId": "b"}),
        ("AWS::ApiGateway::Deployment", {"RestApiId": "a"}, {"RestApiId": "b"}),
        ("AWS::Lambda::Version", {"FunctionName": "a"}, {"FunctionName": "b"}),
        ("AWS::SageMaker::Model", {"ModelName": "a"}, {"ModelName": "b"}),
    ],
)
def test_new_revision_needs_no_approval(type_name: str, before: Any, after: Any) -> None:
    assert flags(resource(type_name, **before), resource(type_name, **after)) == []


def permission(action: str) -> dict[str, Any]:
    return resource(
        "AWS::Lambda::Permission",
        Action=action,
        FunctionName="f",
        Principal="sns.amazonaws.com",
    )


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"Action": "lambda:InvokeFunction"}, []),
        ({"SourceArn": "arn:aws:sns:us-east-1:123456789012:t"}, []),
        ({"FunctionName": "g"}, [("X", "access")]),
    ],
    ids=["action in another case", "narrower", "another function"],
)
def test_new_permission_needs_approval_only_for_what_it_allows_more(
    changed: dict[str, Any], kind: list[Any]
) -> None:
    before = permission("lambda:invokeFunction")
    after = {**before, "Properties": {**before["Properties"], **changed}}
    assert kinds({"X": before}, {"X": after}) == kind


def test_narrower_rule_of_group_needs_no_approval() -> None:
    def rule(range_: str) -> dict[str, Any]:
        type_ = "AWS::EC2::SecurityGroupIngress"
        return resource(type_, GroupId="sg-1", IpProtocol="tcp", CidrIp=range_)

    assert kinds({"X": rule("10.0.0.0/8")}, {"X": rule("10.1.0.0/16")}) == []
    assert kinds({"X": rule("10.1.0.0/16")}, {"X": rule("10.0.0.0/8")}) == [("X", "access")]


@pytest.mark.parametrize("branches", [[True, False], [False, True]])
def test_both_branches_of_an_undecided_condition_are_judged(branches: list[bool]) -> None:
    decided = {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}
    sides = []
    for public in (None, {"Fn::If": ["IsProd", *branches]}):
        database = resource("AWS::RDS::DBInstance", DBInstanceClass="db.t3.small")
        if public:
            database["Properties"]["PubliclyAccessible"] = public
        sides.append(
            {
                "Parameters": {"Stage": {"Type": "String"}},
                "Conditions": {"IsProd": decided},
                "Resources": {"X": database},
            }
        )
    before, after = ({"app.yaml": json.dumps(side)} for side in sides)
    diff = diff_builds(before, after)
    listed = tuple(
        PlannedChange(change, ListedChange.BOTH, Certainty.CERTAIN) for change in diff.resources
    )
    planned = plan_of({}, {})
    root = replace(planned.roots[0], diff=diff, changes=listed)
    findings = find_dangerous_changes(replace(planned, roots=(root,)))
    assert [finding.kind for finding in findings] == ["access"]


def test_member_of_cluster_in_template_holds_no_data() -> None:
    cluster = {"Type": "AWS::RDS::DBCluster", "Properties": {"Engine": "aurora-mysql"}}
    member = resource("AWS::RDS::DBInstance", DBClusterIdentifier={"Ref": "Cluster"})
    kept = {**member, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    findings = kinds({"Cluster": cluster, "X": kept}, {"Cluster": cluster, "X": member})
    assert set(findings) == {("X", "availability")}


def test_group_changes_without_approval_unless_it_will_be_replaced() -> None:
    def group(version: str, **attributes: Any) -> dict[str, Any]:
        template = {"LaunchTemplateId": "lt-1", "Version": version}
        return {
            **resource("AWS::AutoScaling::AutoScalingGroup", LaunchTemplate=template),
            **attributes,
        }

    policy = {"UpdatePolicy": {"AutoScalingReplacingUpdate": {"WillReplace": True}}}
    assert kinds({"X": group("1")}, {"X": group("2")}) == []
    assert kinds({"X": group("1", **policy)}, {"X": group("2", **policy)}) == [("X", "replacement")]


@pytest.mark.parametrize(
    "change",
    [
        {"BackupRetentionPeriod": 14},
        {"PreferredMaintenanceWindow": "sun:01:00-sun:02:00"},
        {"AutoMinorVersionUpgrade": True},
        {"MultiAZ": True},
        {"DBParameterGroupName": "two"},
    ],
)
def test_settings_of_a_database_change_in_place(change: dict[str, Any]) -> None:
    before = {
        "Engine": "postgres",
        "BackupRetentionPeriod": 7,
        "PreferredMaintenanceWindow": "sat:01:00-sat:02:00",
        "AutoMinorVersionUpgrade": False,
        "MultiAZ": False,
        "DBParameterGroupName": "one",
    }
    database = resource("AWS::RDS::DBInstance", **before)
    changed = resource("AWS::RDS::DBInstance", **before | change)
    found = find_dangerous_changes(plan_of({"X": database}, {"X": changed}))
    assert not {FindingKind.REPLACEMENT, FindingKind.DATA} & {finding.kind for finding in found}
