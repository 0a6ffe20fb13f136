"""Which changes replace a resource, where its schema says only that they may."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from stackwright.cfn import Schemas
from stackwright.cfn.recreation import replacement_rules
from stackwright.diff import diff_builds
from stackwright.diff.model import Effect, ResourceDiff

SCHEMAS = Schemas("us-east-1")
RULES = [rule for rules in replacement_rules().values() for rule in rules]


def change(before: dict[str, Any], after: dict[str, Any]) -> ResourceDiff:
    """The diff of one resource, given by its attributes."""
    texts = [{"app.yaml": json.dumps({"Resources": {"R": side}})} for side in (before, after)]
    (resource,) = diff_builds(*texts).resources
    return resource


def outcome(type_name: str, before: Any, after: Any, **attributes: Any) -> str:
    """``replace``, ``may replace`` or ``change`` for a change of properties."""
    sides = [
        {"Type": type_name, "Properties": copy.deepcopy(side), **attributes}
        for side in (before, after)
    ]
    resource = change(*sides)
    if resource.effect is Effect.CHANGE and resource.may_replace:
        return "may replace"
    return str(resource.effect)


def test_every_conditional_property_of_every_type_has_a_rule() -> None:
    missing = []
    for name in sorted(SCHEMAS._index):
        known = SCHEMAS.get(name)
        assert known is not None
        covered = {rule.path for rule in replacement_rules().get(name, ())}
        missing += [(name, path) for path in known.conditional_create_only if path not in covered]
    assert not missing


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.type}.{'.'.join(rule.path)}")
def test_rule_names_its_kind_and_source(rule: Any) -> None:
    kind = rule.replaces.partition(" ")[0]
    assert kind in ("always", "never", "maybe", "added", "if", "unless")
    assert rule.source.startswith("https://docs.aws.amazon.com/AWSCloudFormation/")
    assert SCHEMAS.get(rule.type) is not None


GROUP = "AWS::AutoScaling::AutoScalingGroup"
REPLACING = {"AutoScalingReplacingUpdate": {"WillReplace": True}}
ROLLING = {"AutoScalingRollingUpdate": {"MaxBatchSize": 1}}
DATABASE = "AWS::RDS::DBInstance"


@pytest.mark.parametrize(
    ("type_name", "before", "after", "attributes", "expected"),
    [
        (GROUP, {"LaunchConfigurationName": "a"}, {"LaunchConfigurationName": "b"}, {}, "change"),
        (
            GROUP,
            {"LaunchTemplate": {"Version": 1}},
            {"LaunchTemplate": {"Version": 2}},
            {"UpdatePolicy": ROLLING},
            "change",
        ),
        (
            GROUP,
            {"LaunchTemplate": {"Version": 1}},
            {"LaunchTemplate": {"Version": 2}},
            {"UpdatePolicy": REPLACING},
            "replace",
        ),
        (DATABASE, {"BackupRetentionPeriod": 7}, {"BackupRetentionPeriod": 14}, {}, "change"),
        (DATABASE, {"MultiAZ": False}, {"MultiAZ": True}, {}, "change"),
        (DATABASE, {"AutoMinorVersionUpgrade": False}, {}, {}, "change"),
        (DATABASE, {"DBParameterGroupName": "a"}, {"DBParameterGroupName": "b"}, {}, "change"),
        (DATABASE, {"PreferredMaintenanceWindow": "a"}, {}, {}, "change"),
        (DATABASE, {"DBSnapshotIdentifier": "a"}, {}, {}, "may replace"),
        (DATABASE, {"StorageEncrypted": False}, {"StorageEncrypted": True}, {}, "replace"),
        ("AWS::EC2::Instance", {"InstanceType": "a"}, {"InstanceType": "b"}, {}, "change"),
        (
            "AWS::EC2::Instance",
            {"BlockDeviceMappings": [{"DeviceName": "x", "Ebs": {"VolumeSize": 1}}]},
            {"BlockDeviceMappings": [{"DeviceName": "x", "Ebs": {"VolumeSize": 2}}]},
            {},
            "replace",
        ),
        (
            "AWS::EC2::Instance",
            {"BlockDeviceMappings": [{"DeviceName": "x", "Ebs": {"DeleteOnTermination": True}}]},
            {"BlockDeviceMappings": [{"DeviceName": "x", "Ebs": {"DeleteOnTermination": False}}]},
            {},
            "change",
        ),
        (
            "AWS::EC2::VPC",
            {"InstanceTenancy": "dedicated"},
            {"InstanceTenancy": "default"},
            {},
            "change",
        ),
        (
            "AWS::EC2::VPC",
            {"InstanceTenancy": "default"},
            {"InstanceTenancy": "dedicated"},
            {},
            "replace",
        ),
        (
            "AWS::ElasticLoadBalancing::LoadBalancer",
            {"HealthCheck": {"Interval": "5"}},
            {"HealthCheck": {"Interval": "6"}},
            {},
            "change",
        ),
        (
            "AWS::ElasticLoadBalancing::LoadBalancer",
            {"Listeners": []},
            {"Listeners": [], "HealthCheck": {"Interval": "6"}},
            {},
            "replace",
        ),
        (
            "AWS::MSK::Cluster",
            {"ClusterName": "c"},
            {
                "ClusterName": "c",
                "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "TLS"}},
            },
            {},
            "change",
        ),
        (
            "AWS::MSK::Cluster",
            {"ClusterName": "c"},
            {"ClusterName": "c", "EncryptionInfo": {"EncryptionInTransit": {"InCluster": True}}},
            {},
            "replace",
        ),
        ("AWS::SSM::Document", {"Content": {"a": 1}}, {"Content": {"a": 2}}, {}, "replace"),
        (
            "AWS::SSM::Document",
            {"Content": {"a": 1}, "UpdateMethod": "NewVersion"},
            {"Content": {"a": 2}, "UpdateMethod": "NewVersion"},
            {},
            "change",
        ),
    ],
)
def test_conditional_property_replaces_as_documented(
    type_name: str, before: Any, after: Any, attributes: Any, expected: str
) -> None:
    assert outcome(type_name, before, after, **attributes) == expected


def test_group_follows_its_new_launch_configuration_in_place() -> None:
    template = (
        "Resources:\n"
        "  Launch: {Type: AWS::AutoScaling::LaunchConfiguration, Properties: {ImageId: ami-1}}\n"
        "  Group:\n    Type: AWS::AutoScaling::AutoScalingGroup\n"
        "    Properties: {LaunchConfigurationName: !Ref Launch, MinSize: 1, MaxSize: 2}\n"
        "  Scale:\n    Type: AWS::AutoScaling::ScalingPolicy\n"
        "    Properties: {AutoScalingGroupName: !Ref Group, ScalingAdjustment: 1}\n"
    )
    diff = diff_builds({"a.yaml": template}, {"a.yaml": template.replace("ami-1", "ami-2")})
    assert [(item.logical_id, str(item.effect), item.may_replace) for item in diff.resources] == [
        ("Group", "change", False),
        ("Launch", "replace", False),
    ]
