"""Typical seconds of operations on resource types, for rehearsals and demonstrations.

They are estimates of the order of magnitude, not measurements; bounds that AWS documents are named.
"""

from __future__ import annotations

from collections.abc import Mapping

_DEFAULT = 2.0
_SECONDS: Mapping[str, Mapping[str, float]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": {"create": 3},
    # A nested stack takes as long as its resources.
    "AWS::CloudFormation::Stack": {"create": 0, "update": 0, "delete": 0, "drift": 10},
    "AWS::EC2::InternetGateway": {"create": 16},
    "AWS::EC2::NatGateway": {"create": 100, "delete": 60},
    "AWS::EC2::VPC": {"create": 12},
    "AWS::EC2::VPCGatewayAttachment": {"create": 16},
    "AWS::ECS::Cluster": {"create": 10},
    "AWS::ECS::Service": {
        "create": 180,  # pull, start, health checks
        "update": 240,
        "delete": 120,  # draining
        "stabilize": 10_800,  # CloudFormation gives up after three hours
    },
    # The seconds of a service include the health checks of its tasks.
    "AWS::ECS::Task": {"start": 45, "fail": 30, "healthy": 0},
    "AWS::EFS::AccessPoint": {"create": 8},
    "AWS::EFS::FileSystem": {"create": 10},
    "AWS::EFS::MountTarget": {"create": 90, "delete": 60},
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {"create": 150, "update": 5, "delete": 20},
    # CloudFormation waits a minute until a rule takes effect.
    "AWS::Events::Rule": {"create": 60, "delete": 10},
    "AWS::IAM::Role": {"create": 18},
    "AWS::Lambda::Function": {"create": 15, "update": 10},
    "AWS::S3::Bucket": {"create": 22},
    "AWS::SecretsManager::Secret": {"create": 3},
    # Route 53 creates and deletes a hosted zone.
    "AWS::ServiceDiscovery::PrivateDnsNamespace": {"create": 45, "delete": 45},
}


def typical_seconds(type_: str, operation: str) -> float:
    """The typical seconds of an operation on a type; two where the table has none.

    Operations are ``create``, ``update`` and ``delete``; ``start``, ``healthy`` (after the start)
    and ``fail`` of an ECS task; ``stabilize`` of a service, after which CloudFormation gives up;
    and ``drift`` detection of a stack.
    """
    return _SECONDS.get(type_, {}).get(operation, _DEFAULT)
