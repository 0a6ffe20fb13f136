"""The table of protections: every row finds the change that it describes, and only that one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from stackwright.cfn import Schemas
from stackwright.core import HIDDEN
from stackwright.diff.model import Diff, Effect, PropertyDiff, ResourceDiff, mask_all
from stackwright.plan.guardrails import FindingKind
from stackwright.plan.guardrails.references import References
from stackwright.plan.guardrails.table import Direction, Protection, find_weakened, read_protections
from stackwright.plan.model import (
    Certainty,
    DesiredStack,
    ListedChange,
    PlannedChange,
    RootAction,
    RootPlan,
)
from tests.support.protections import has_path, weaken

ROWS = read_protections()
PROPERTY_ROWS = [row for row in ROWS if not row.whole]
WHOLE_ROWS = [row for row in ROWS if row.whole]


def concrete(row: Protection) -> str:
    return row.type.replace("*", "Thing") if row.type != "*" else "AWS::S3::Bucket"


def plan_of(*diffs: ResourceDiff) -> RootPlan:
    changes = tuple(PlannedChange(diff, ListedChange.BOTH, Certainty.CERTAIN) for diff in diffs)
    desired = DesiredStack("app", "news-dev-app", {}, {}, {}, {})
    return RootPlan(desired, RootAction.UPDATE, Diff(diffs), changes)


def findings(type_: str, before: Any, after: Any, effect: Effect = Effect.CHANGE) -> list[Any]:
    sides = [mask_all(side) for side in (before, after)]
    diff = ResourceDiff("app", "X", type_, effect, before=sides[0], after=sides[1])
    root = plan_of(diff)
    return find_in(root, root.changes[0])


def find_in(root: RootPlan, change: PlannedChange) -> list[Any]:
    """What the table says about one change of a root."""
    return list(find_weakened(root, change, References(root)))


def texts_of(*arguments: Any) -> list[str]:
    return [finding.description for finding in findings(*arguments)]


def fails(rows: Sequence[Protection], holds: Callable[[Protection, Any, Any], bool]) -> list[str]:
    """Rows that a statement does not hold for; one test for all keeps the suite quick."""
    return [
        f"{row.type} {row.path} {row.direction}: {weaken(row)}"
        for row in rows
        if not holds(row, *weaken(row))
    ]


def test_every_row_finds_a_weaker_property() -> None:
    def is_found(row: Protection, before: Any, after: Any) -> bool:
        return any(
            row.says in finding.description and finding.kind is row.kind and finding.source
            for finding in findings(concrete(row), before, after)
        )

    assert fails(PROPERTY_ROWS, is_found) == []


def test_no_row_finds_a_stronger_property() -> None:
    said = Counter((row.type, row.says) for row in ROWS)

    def is_silent(row: Protection, before: Any, after: Any) -> bool:
        if row.direction is Direction.CHANGED or said[row.type, row.says] > 1:
            return True  # both ways are dangerous
        return not any(row.says in text for text in texts_of(concrete(row), after, before))

    assert fails(PROPERTY_ROWS, is_silent) == []


def test_no_row_finds_a_value_that_stays() -> None:
    def is_silent(row: Protection, before: Any, after: Any) -> bool:
        return not any(findings(concrete(row), side, side) for side in (before, after))

    assert fails(PROPERTY_ROWS, is_silent) == []


def test_rows_of_new_resources_find_an_open_one() -> None:
    def is_found(row: Protection, _: Any, after: Any) -> bool:
        return any(row.says in text for text in texts_of(concrete(row), {}, after, Effect.ADD))

    assert fails([row for row in PROPERTY_ROWS if row.new], is_found) == []


def test_other_rows_find_nothing_in_a_new_resource() -> None:
    def is_silent(row: Protection, _: Any, after: Any) -> bool:
        return not any(row.says in text for text in texts_of(concrete(row), {}, after, Effect.ADD))

    added = [row for row in WHOLE_ROWS if row.direction is Direction.ADDED]
    said = {(row.type, row.says) for row in ROWS if row.new or row in added}
    rows = [row for row in PROPERTY_ROWS if (row.type, row.says) not in said]
    assert fails(rows, is_silent) == []


def test_rows_of_whole_resources_find_their_removal_or_addition() -> None:
    effects = {Direction.REMOVED: Effect.REMOVE, Direction.ADDED: Effect.ADD}

    def is_found(row: Protection, before: Any, _: Any) -> bool:
        sides = ({}, before) if row.direction is Direction.ADDED else (before, {})
        return row.says in texts_of(concrete(row), *sides, effects[row.direction])

    assert fails(WHOLE_ROWS, is_found) == []


# --- the table itself


def test_table_is_as_large_as_it_says() -> None:
    assert len(ROWS) >= 300
    assert len({row.type for row in ROWS}) >= 80
    assert {row.kind for row in ROWS} >= {
        FindingKind.DATA,
        FindingKind.ACCESS,
        FindingKind.ENCRYPTION,
        FindingKind.LOGGING,
        FindingKind.AVAILABILITY,
    }


def test_types_and_paths_of_the_table_exist() -> None:
    schemas = Schemas()
    wrong = [
        f"{row.type} {row.path}"
        for row in ROWS
        if "*" not in row.type
        and not (
            (schema := schemas.get(row.type)) and (row.whole or has_path(schema, row.steps[1:]))
        )
    ]
    assert wrong == []


def test_rows_are_in_order_and_without_repetition() -> None:
    keys = [
        (row.type, row.path, row.direction, str(row.ranks), str(row.conditions)) for row in ROWS
    ]
    assert [key[:2] for key in keys] == sorted(key[:2] for key in keys)
    assert len(keys) == len(set(keys))


def test_numbers_have_a_default() -> None:
    directions = (Direction.SHORTER, Direction.LONGER)
    assert [row for row in ROWS if row.direction in directions and row.default is None] == []


def test_sources_are_controls_rules_or_pages() -> None:
    pattern = re.compile(
        r"FSBP [A-Za-z0-9]+\.\d+|CKV2?_AWS_\d+|GUARD [A-Z0-9_]+|https://docs\.aws\.amazon\.com/\S+\.html"
    )
    sources = {source for row in ROWS for source in row.source.split(", ")}
    assert [source for source in sorted(sources) if not pattern.fullmatch(source)] == []


# --- the engine


def test_changed_secret_of_custom_resource_is_found_though_both_sides_are_hidden() -> None:
    sides = {"Properties": {"Password": HIDDEN}}
    leaf = PropertyDiff("Password", HIDDEN, HIDDEN)
    diff = ResourceDiff(
        "app", "X", "Custom::Thing", Effect.CHANGE, properties=(leaf,), before=sides, after=sides
    )
    root = plan_of(diff)
    assert [finding.kind for finding in find_in(root, root.changes[0])] == [FindingKind.DATA]


HARMLESS: dict[str, tuple[str, Any, Any]] = {
    "image": ("ECS::TaskDefinition", {"ContainerDefinitions": [{"Name": "a", "Image": "a:1"}]}, {"ContainerDefinitions": [{"Name": "a", "Image": "a:2"}]}),
    "cpu": ("ECS::TaskDefinition", {"Cpu": "256"}, {"Cpu": "512"}),
    "variable": ("ECS::TaskDefinition", {"ContainerDefinitions": [{"Name": "a", "Environment": [{"Name": "A", "Value": "1"}]}]}, {"ContainerDefinitions": [{"Name": "a", "Environment": [{"Name": "A", "Value": "2"}, {"Name": "B", "Value": "1"}]}]}),
    "container added": ("ECS::TaskDefinition", {"ContainerDefinitions": [{"Name": "a", "User": "1000"}]}, {"ContainerDefinitions": [{"Name": "b"}, {"Name": "a", "User": "1000"}]}),
    "container removed": ("ECS::TaskDefinition", {"ContainerDefinitions": [{"Name": "a"}, {"Name": "b", "User": "1000", "LogConfiguration": {"LogDriver": "awslogs"}}]}, {"ContainerDefinitions": [{"Name": "a"}]}),
    "containers reordered": ("ECS::TaskDefinition", {"ContainerDefinitions": [{"Name": "a", "Privileged": True}, {"Name": "b"}]}, {"ContainerDefinitions": [{"Name": "b"}, {"Name": "a", "Privileged": True}]}),
    "tasks": ("ECS::Service", {"DesiredCount": 4}, {"DesiredCount": 2}),
    "description": ("Lambda::Function", {"Description": "a"}, {"Description": "b"}),
    "memory": ("Lambda::Function", {"MemorySize": 128}, {"MemorySize": 256}),
    "timeout": ("Lambda::Function", {"Timeout": 60}, {"Timeout": 30}),
    "code": ("Lambda::Function", {"Code": {"S3Key": "a"}}, {"Code": {"S3Key": "b"}}),
    "function variable": ("Lambda::Function", {"Environment": {"Variables": {"A": "1"}}}, {"Environment": {"Variables": {"A": "2"}}}),
    "tag": ("S3::Bucket", {"Tags": [{"Key": "a", "Value": "1"}]}, {"Tags": [{"Key": "a", "Value": "2"}]}),
    "threshold": ("CloudWatch::Alarm", {"Threshold": 1}, {"Threshold": 2}),
    "dashboard": ("CloudWatch::Dashboard", {"DashboardBody": "{}"}, {"DashboardBody": '{"widgets": []}'}),
    "groups reordered": ("Lambda::Function", {"VpcConfig": {"SecurityGroupIds": ["a", "b"]}}, {"VpcConfig": {"SecurityGroupIds": ["b", "a"]}}),
    "fewer groups": ("Lambda::Function", {"VpcConfig": {"SecurityGroupIds": ["a", "b"]}}, {"VpcConfig": {"SecurityGroupIds": ["b"]}}),
    "one group as a list": ("Redshift::Cluster", {"VpcSecurityGroupIds": "a"}, {"VpcSecurityGroupIds": ["a"]}),
    "fewer attempts": ("SQS::Queue", {"RedrivePolicy": {"deadLetterTargetArn": "d", "maxReceiveCount": 5}}, {"RedrivePolicy": {"deadLetterTargetArn": "d", "maxReceiveCount": 3}}),
    "log retention longer": ("Logs::LogGroup", {"RetentionInDays": 7}, {"RetentionInDays": 30}),
    "log retention without end": ("Logs::LogGroup", {"RetentionInDays": 7}, {}),
    "backups longer": ("RDS::DBInstance", {"BackupRetentionPeriod": 1}, {"BackupRetentionPeriod": 7}),
    "backups of cluster member": ("RDS::DBInstance", {"DBClusterIdentifier": "c", "BackupRetentionPeriod": 7}, {"DBClusterIdentifier": "c"}),
    "number as text": ("RDS::DBInstance", {"BackupRetentionPeriod": 7}, {"BackupRetentionPeriod": "7"}),
    "instance class": ("RDS::DBInstance", {"DBInstanceClass": "db.t3.small"}, {"DBInstanceClass": "db.t3.medium"}),
    "default written out": ("RDS::DBInstance", {"DeletionProtection": False}, {}),
    "expiry later": ("S3::Bucket", {"LifecycleConfiguration": {"Rules": [{"Id": "a", "Status": "Enabled", "ExpirationInDays": 7}]}}, {"LifecycleConfiguration": {"Rules": [{"Id": "a", "Status": "Enabled", "ExpirationInDays": 30}]}}),
    "expiry gone": ("S3::Bucket", {"LifecycleConfiguration": {"Rules": [{"Id": "a", "Status": "Enabled", "ExpirationInDays": 7}]}}, {}),
    "expiry switched off": ("S3::Bucket", {"LifecycleConfiguration": {"Rules": [{"Id": "a", "Status": "Disabled", "ExpirationInDays": 7}]}}, {"LifecycleConfiguration": {"Rules": [{"Id": "a", "Status": "Disabled", "ExpirationInDays": 1}]}}),
    "transition": ("S3::Bucket", {"LifecycleConfiguration": {"Rules": [{"Id": "a", "Status": "Enabled"}]}}, {"LifecycleConfiguration": {"Rules": [{"Id": "a", "Status": "Enabled", "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 30}]}]}}),
    "rules reordered": ("S3::Bucket", {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Prefix": "a", "ExpirationInDays": 7}, {"Status": "Enabled", "Prefix": "b", "ExpirationInDays": 30}]}}, {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Prefix": "b", "ExpirationInDays": 30}, {"Status": "Enabled", "Prefix": "a", "ExpirationInDays": 7}]}}),
    "newer TLS": ("ElasticLoadBalancingV2::Listener", {"Protocol": "HTTPS", "SslPolicy": "ELBSecurityPolicy-2016-08"}, {"Protocol": "HTTPS", "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}),
    "HTTP to HTTPS": ("ElasticLoadBalancingV2::Listener", {"Protocol": "HTTP", "DefaultActions": [{"Type": "forward"}]}, {"Protocol": "HTTPS", "DefaultActions": [{"Type": "forward"}], "Certificates": [{"CertificateArn": "c"}]}),
    "idle timeout": ("ElasticLoadBalancingV2::LoadBalancer", {"LoadBalancerAttributes": [{"Key": "idle_timeout.timeout_seconds", "Value": "60"}]}, {"LoadBalancerAttributes": [{"Key": "idle_timeout.timeout_seconds", "Value": "30"}]}),
    "attributes reordered": ("ElasticLoadBalancingV2::LoadBalancer", {"LoadBalancerAttributes": [{"Key": "deletion_protection.enabled", "Value": "true"}, {"Key": "x", "Value": "1"}]}, {"LoadBalancerAttributes": [{"Key": "x", "Value": "1"}, {"Key": "deletion_protection.enabled", "Value": True}]}),
    "health check": ("ElasticLoadBalancingV2::TargetGroup", {"HealthCheckPath": "/"}, {"HealthCheckPath": "/up"}),
    "capacity": ("DynamoDB::Table", {"ProvisionedThroughput": {"ReadCapacityUnits": 5}}, {"ProvisionedThroughput": {"ReadCapacityUnits": 1}}),
    "index added": ("DynamoDB::Table", {}, {"GlobalSecondaryIndexes": [{"IndexName": "a"}]}),
    "narrower prefix list": ("EC2::PrefixList", {"Entries": [{"Cidr": "10.0.0.0/8"}, {"Cidr": "10.1.0.0/16"}]}, {"Entries": [{"Cidr": "10.1.0.0/16"}]}),
    "narrower network ACL": ("EC2::NetworkAclEntry", {"RuleAction": "allow", "CidrBlock": "10.0.0.0/8"}, {"RuleAction": "allow", "CidrBlock": "10.0.0.0/16"}),
    "visibility timeout": ("SQS::Queue", {"VisibilityTimeout": 30}, {"VisibilityTimeout": 60}),
    "secret's description": ("SecretsManager::Secret", {"Description": "a", "GenerateSecretString": {"PasswordLength": 32}}, {"Description": "b", "GenerateSecretString": {"PasswordLength": 32}}),
    "schedule": ("Events::Rule", {"ScheduleExpression": "rate(1 hour)"}, {"ScheduleExpression": "rate(2 hours)"}),
    "instance type": ("EC2::Instance", {"InstanceType": "t3.micro"}, {"InstanceType": "t3.small"}),
    "capacity of group": ("AutoScaling::AutoScalingGroup", {"MaxSize": 2}, {"MaxSize": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
def test_ordinary_change_needs_no_approval(name: str) -> None:
    type_, before, after = HARMLESS[name]
    assert texts_of(f"AWS::{type_}", {"Properties": before}, {"Properties": after}) == []


@pytest.mark.parametrize(
    ("type_", "before", "after", "text"),
    [
        (
            "S3::Bucket",
            {"PublicAccessBlockConfiguration": {"BlockPublicPolicy": True}},
            {"PublicAccessBlockConfiguration": {"BlockPublicPolicy": False}},
            "accepts public bucket policies "
            "(PublicAccessBlockConfiguration.BlockPublicPolicy: true → false)",
        ),
        (
            "RDS::DBInstance",
            {"BackupRetentionPeriod": 30},
            {},
            "keeps backups for fewer days (BackupRetentionPeriod: 30 → not set, which is 1)",
        ),
        (
            "Logs::LogGroup",
            {"RetentionInDays": 30},
            {"RetentionInDays": "${Days}"},
            "may change so that it keeps log entries for fewer days (RetentionInDays: 30 → ${Days})",
        ),
        (
            "Lambda::Function",
            {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "SubnetIds": ["a"]}},
            {"VpcConfig": {"SecurityGroupIds": ["sg-1", "sg-2"], "SubnetIds": ["a"]}},
            "gets other security groups (VpcConfig.SecurityGroupIds: adds sg-2)",
        ),
        (
            "ElasticLoadBalancingV2::Listener",
            {"SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"},
            {"SslPolicy": "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06"},
            "accepts weaker TLS (SslPolicy: ELBSecurityPolicy-TLS13-1-2-2021-06 → "
            "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06)",
        ),
        (
            "S3::Bucket",
            {"LifecycleConfiguration": {"Rules": [{"Id": "old", "Status": "Enabled"}]}},
            {
                "LifecycleConfiguration": {
                    "Rules": [
                        {"Id": "new", "Status": "Enabled", "ExpirationInDays": 1},
                        {"Id": "old", "Status": "Enabled"},
                    ]
                }
            },
            'deletes objects after fewer days (LifecycleConfiguration.Rules["new"].ExpirationInDays: 1)',
        ),
        (
            "WAFv2::WebACL",
            {"DefaultAction": {"Block": {}}},
            {"DefaultAction": {"Allow": {}}},
            "lets in requests that match no rule (DefaultAction.Block: set → not set)",
        ),
    ],
    ids=["switch", "default", "unknown", "list", "order", "new item", "empty map"],
)
def test_finding_says_what_changes(type_: str, before: Any, after: Any, text: str) -> None:
    assert texts_of(f"AWS::{type_}", {"Properties": before}, {"Properties": after}) == [text]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ({"DeletionPolicy": "Retain"}, {}, ["is deleted with the stack, where it was kept"]),
        ({"DeletionPolicy": "Snapshot"}, {"DeletionPolicy": "Delete"}, ["is deleted with the stack, where it was kept"]),
        ({"UpdateReplacePolicy": "Retain"}, {"UpdateReplacePolicy": "Snapshot"}, ["is deleted when it is replaced, where it was kept"]),
        ({}, {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}, []),
        ({"DeletionPolicy": "Retain"}, {"DeletionPolicy": "RetainExceptOnCreate"}, []),
        ({}, {"DeletionPolicy": "Delete"}, []),
    ],
)  # fmt: skip
def test_weaker_policies_need_approval(before: Any, after: Any, says: list[str]) -> None:
    assert [text.partition(" (")[0] for text in texts_of("AWS::S3::Bucket", before, after)] == says


def test_protection_that_moves_to_another_logical_id_is_not_removed() -> None:
    properties = {"Properties": {"ResourceArn": "lb", "WebACLArn": "acl"}}
    type_ = "AWS::WAFv2::WebACLAssociation"
    old = ResourceDiff("app", "Old", type_, Effect.REMOVE, before=properties)
    new = ResourceDiff("app", "New", type_, Effect.ADD, after=properties)
    alone, moved = plan_of(old), plan_of(old, new)
    assert len(find_in(alone, alone.changes[0])) == 1
    assert [finding for change in moved.changes for finding in find_in(moved, change)] == []


def test_retained_protection_is_not_removed() -> None:
    type_ = "AWS::CloudTrail::Trail"
    root = plan_of(ResourceDiff("app", "X", type_, Effect.REMOVE, before={"Properties": {}}))
    kept = replace(root.changes[0], policy_action="Retain")
    assert find_in(root, kept) == []


def test_reference_to_a_replaced_resource_is_no_other_group() -> None:
    group = ResourceDiff("app", "Group", "AWS::EC2::SecurityGroup", Effect.REPLACE)
    sides = [{"Properties": {"SecurityGroupIds": [group]}} for group in ("sg-1", "${Group}")]
    instance = ResourceDiff(
        "app", "X", "AWS::EC2::Instance", Effect.CHANGE, before=sides[0], after=sides[1]
    )
    root = plan_of(group, instance)
    named = replace(root.changes[0], physical_id="sg-1")
    root = replace(root, changes=(named, root.changes[1]))
    assert find_in(root, root.changes[1]) == []


@pytest.mark.parametrize(
    ("type_", "properties", "count"),
    [
        ("S3::Bucket", {}, 0),
        ("S3::Bucket", {"PublicAccessBlockConfiguration": {"BlockPublicPolicy": True}}, 0),
        ("S3::Bucket", {"PublicAccessBlockConfiguration": {"BlockPublicPolicy": False}}, 1),
        ("EKS::Cluster", {}, 1),
        ("Lambda::Url", {"AuthType": "NONE"}, 1),
        ("Lambda::Url", {"AuthType": "AWS_IAM"}, 0),
        ("ECS::Service", {"DesiredCount": 1}, 0),
        ("EC2::Subnet", {"CidrBlock": "10.0.0.0/24"}, 0),
        ("ElasticLoadBalancingV2::Listener", {"Protocol": "HTTPS"}, 0),
    ],
)
def test_new_resources_are_judged_by_what_they_open(
    type_: str, properties: Any, count: int
) -> None:
    texts = texts_of(f"AWS::{type_}", {}, {"Properties": properties}, Effect.ADD)
    assert len(texts) == count, texts
