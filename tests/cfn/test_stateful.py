"""Which types hold data: derived from their schemas, the documentation and the table of protections."""

from __future__ import annotations

import re

from stackwright.cfn import STATEFUL, Schemas, holds_data
from stackwright.cfn.schema import _index
from stackwright.plan.guardrails.table import read_protections

SNAPSHOTS = {
    "AWS::DocDB::DBCluster",
    "AWS::EC2::Volume",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::Neptune::DBCluster",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::Redshift::Cluster",
}
"""Types that support ``DeletionPolicy: Snapshot``. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html"""
BACKED_UP = re.compile(
    "^(BackupRetention|SnapshotRetention|FinalSnapshotName|PointInTimeRecoveryS|AutomatedSnapshot)"
)
"""Properties of types that are backed up."""
PROTECTED = re.compile("^DeletionProtection(Enabled)?$")
EMPTY = {
    "AWS::AutoScaling::AutoScalingGroup": "instances, whose volumes are resources of their own",
    "AWS::DocDB::GlobalCluster": "clusters, which are resources of their own",
    "AWS::ECS::Gateway": "routes",
    "AWS::EKS::Cluster": "what runs; its state is declared elsewhere",
    "AWS::Neptune::GlobalCluster": "clusters, which are resources of their own",
    "AWS::WellArchitected::AgentProfile": "settings",
}
"""Protected types that hold no data of their own, with what they hold."""


def test_stateful_types_exist() -> None:
    assert [name for name in sorted(STATEFUL) if Schemas().get(name) is None] == []


def test_types_with_snapshots_are_stateful() -> None:
    assert SNAPSHOTS <= STATEFUL


def test_types_that_are_backed_up_or_protected_are_stateful() -> None:
    schemas = Schemas()
    found = set()
    for name in _index("us-east-1"):
        schema = schemas.get(name)
        own = set(schema.definition.get("properties", {})) if schema else set()
        if any(BACKED_UP.match(key) or PROTECTED.match(key) for key in own):
            found.add(name)
    numbers = {name for name in found if name.startswith("AWS::SMSVOICE::")}  # phone numbers
    assert found - STATEFUL - set(EMPTY) - numbers == set()


def test_types_whose_protection_from_deletion_guards_data_are_stateful() -> None:
    rows = [
        row for row in read_protections() if row.says == "can be deleted" and row.kind == "data"
    ]
    assert {row.type for row in rows} - STATEFUL == set()


def test_member_of_database_cluster_holds_no_data() -> None:
    assert holds_data("AWS::RDS::DBInstance", {"Engine": "mysql"})
    assert not holds_data("AWS::RDS::DBInstance", {"DBClusterIdentifier": "c"})
    assert not holds_data("AWS::DocDB::DBInstance", {})
