"""The API calls that create, update and delete each mirrored type in its service."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..world.identity import Identity
from . import steps
from .moto_services import Answer, Arguments, MotoServices, Properties

MirrorStep = Callable[[MotoServices, Identity, Properties], None]


@dataclass(frozen=True)
class Mirror:
    """The API calls for one type.

    ``create`` gets the properties and the ``arguments``; ``id`` and ``attributes`` are dotted paths
    in its answer, or in the value that ``answer`` makes of it. ``delete`` and ``update`` get the
    arguments that ``key`` makes. Further steps come ``after`` creation and update, after an update
    only (``updated``), or ``before_delete``.
    """

    service: str
    create: str
    key: Callable[[Identity, Properties], Arguments] = lambda _i, _p: {}
    arguments: Callable[[Identity, Properties], Arguments] = lambda _i, _p: {}
    id: str | None = None
    attributes: Mapping[str, str] | None = None
    delete: str | None = None
    update: str | None = None
    after: tuple[MirrorStep, ...] = ()
    updated: tuple[MirrorStep, ...] = ()
    before_delete: tuple[MirrorStep, ...] = ()
    answer: Callable[[MotoServices, Answer], Answer] = lambda _s, answer: answer


def _named(argument: str) -> Callable[[Identity, Properties], Arguments]:
    """A key that passes the physical id under one argument's name."""
    return lambda i, _p: {argument: i.id}


def _name_from_arn(separator: str, argument: str) -> Callable[[Identity, Properties], Arguments]:
    return lambda i, _p: {argument: i.id.rpartition(separator)[2]}


MIRRORS: Mapping[str, Mirror] = {
    "AWS::S3::Bucket": Mirror(
        "s3",
        "create_bucket",
        _named("Bucket"),
        steps.bucket_arguments,
        delete="delete_bucket",
        after=(steps.set_bucket,),
    ),
    "AWS::S3::BucketPolicy": Mirror(
        "s3",
        "put_bucket_policy",
        lambda _i, p: {"Bucket": p["Bucket"]},
        lambda _i, p: {"Policy": json.dumps(p["PolicyDocument"])},
        delete="delete_bucket_policy",
        update="put_bucket_policy",
    ),
    "AWS::DynamoDB::Table": Mirror(
        "dynamodb",
        "create_table",
        _named("TableName"),
        steps.table_arguments,
        attributes={"Arn": "TableDescription.TableArn"},
        delete="delete_table",
        updated=(steps.update_table,),
    ),
    "AWS::Kinesis::Stream": Mirror(
        "kinesis",
        "create_stream",
        _named("StreamName"),
        lambda _i, p: {"ShardCount": p.get("ShardCount", 1)},
        delete="delete_stream",
    ),
    "AWS::SQS::Queue": Mirror(
        "sqs",
        "create_queue",
        lambda i, _p: {"QueueUrl": i.id, "QueueName": i.id.rpartition("/")[2]},
        steps.queue_arguments,
        delete="delete_queue",
        update="set_queue_attributes",
    ),
    "AWS::ECR::Repository": Mirror(
        "ecr",
        "create_repository",
        _named("repositoryName"),
        attributes={"Arn": "repository.repositoryArn", "RepositoryUri": "repository.repositoryUri"},
        delete="delete_repository",
        updated=(steps.update_repository,),
    ),
    "AWS::SecretsManager::Secret": Mirror(
        "secretsmanager",
        "create_secret",
        # CloudFormation deletes secrets without a recovery window.
        lambda i, _p: {"SecretId": i.id, "ForceDeleteWithoutRecovery": True},
        lambda i, p: {"Name": i.id.rpartition(":")[2][:-7], **steps.secret_arguments(i, p)},
        id="ARN",
        delete="delete_secret",
        updated=(steps.update_secret,),
    ),
    "AWS::SSM::Parameter": Mirror(
        "ssm",
        "put_parameter",
        lambda i, _p: {"Name": i.id},
        lambda i, p: {"Name": i.id, "Tags": steps.tag_list(p)},
        delete="delete_parameter",
        updated=(steps.update_parameter,),
    ),
    "AWS::IAM::Role": Mirror(
        "iam",
        "create_role",
        _named("RoleName"),
        attributes={"Arn": "Role.Arn", "RoleId": "Role.RoleId"},
        update="update_assume_role_policy",
        arguments=lambda _i, p: {"PolicyDocument": p["AssumeRolePolicyDocument"]},
        after=(steps.set_policies,),
        updated=(steps.update_role,),
        before_delete=(steps.remove_policies,),
        delete="delete_role",
    ),
    "AWS::Logs::LogGroup": Mirror(
        "logs",
        "create_log_group",
        _named("logGroupName"),
        delete="delete_log_group",
        after=(steps.set_retention,),
    ),
    "AWS::SNS::Topic": Mirror(
        "sns",
        "create_topic",
        lambda i, _p: {"TopicArn": i.id},
        lambda i, _p: {"Name": i.id.rpartition(":")[2]},
        delete="delete_topic",
    ),
    "AWS::ECS::Cluster": Mirror(
        "ecs",
        "create_cluster",
        lambda i, _p: {"cluster": i.id, "clusterName": i.id},
        delete="delete_cluster",
    ),
    "AWS::ECS::TaskDefinition": Mirror(
        "ecs",
        "register_task_definition",
        lambda i, _p: {"taskDefinition": i.id},
        lambda i, p: {"family": p.get("Family") or i.id.split("/")[1].split(":")[0]},
        id="taskDefinition.taskDefinitionArn",
        delete="deregister_task_definition",
    ),
    "AWS::ECS::Service": Mirror(
        "ecs",
        "create_service",
        lambda i, p: {"service": i.id, "cluster": p.get("Cluster", "default"), "force": True},
        lambda i, p: {
            "serviceName": i.id.rpartition("/")[2],
            "desiredCount": p.get("DesiredCount", 1),
        },
        id="service.serviceArn",
        attributes={"Name": "service.serviceName", "ServiceArn": "service.serviceArn"},
        delete="delete_service",
        update="update_service",
    ),
    "AWS::EC2::VPC": Mirror(
        "ec2",
        "create_vpc",
        _named("VpcId"),
        id="Vpc.VpcId",
        attributes={"VpcId": "Vpc.VpcId"},
        delete="delete_vpc",
    ),
    "AWS::EC2::Subnet": Mirror(
        "ec2",
        "create_subnet",
        _named("SubnetId"),
        id="Subnet.SubnetId",
        attributes={"SubnetId": "Subnet.SubnetId"},
        delete="delete_subnet",
        after=(steps.set_public_addresses,),
    ),
    "AWS::EC2::RouteTable": Mirror(
        "ec2",
        "create_route_table",
        _named("RouteTableId"),
        id="RouteTable.RouteTableId",
        attributes={"RouteTableId": "RouteTable.RouteTableId"},
        delete="delete_route_table",
    ),
    "AWS::EC2::Route": Mirror(
        "ec2",
        "create_route",
        lambda _i, p: {
            "RouteTableId": p["RouteTableId"],
            "DestinationCidrBlock": p["DestinationCidrBlock"],
        },
        delete="delete_route",
    ),
    "AWS::EC2::SubnetRouteTableAssociation": Mirror(
        "ec2",
        "associate_route_table",
        _named("AssociationId"),
        id="AssociationId",
        attributes={"Id": "AssociationId"},
        delete="disassociate_route_table",
    ),
    "AWS::EC2::InternetGateway": Mirror(
        "ec2",
        "create_internet_gateway",
        _named("InternetGatewayId"),
        id="InternetGateway.InternetGatewayId",
        attributes={"InternetGatewayId": "InternetGateway.InternetGatewayId"},
        delete="delete_internet_gateway",
    ),
    "AWS::EC2::VPCGatewayAttachment": Mirror(
        "ec2",
        "attach_internet_gateway",
        lambda _i, p: {"InternetGatewayId": p.get("InternetGatewayId"), "VpcId": p["VpcId"]},
        delete="detach_internet_gateway",
    ),
    "AWS::EC2::EIP": Mirror(
        "ec2",
        "allocate_address",
        lambda i, _p: {"AllocationId": i.attributes["AllocationId"]},
        lambda _i, _p: {"Domain": "vpc"},
        id="PublicIp",
        attributes={"AllocationId": "AllocationId", "PublicIp": "PublicIp"},
        delete="release_address",
    ),
    "AWS::EC2::NatGateway": Mirror(
        "ec2",
        "create_nat_gateway",
        _named("NatGatewayId"),
        id="NatGateway.NatGatewayId",
        attributes={"NatGatewayId": "NatGateway.NatGatewayId"},
        delete="delete_nat_gateway",
    ),
    "AWS::EC2::SecurityGroup": Mirror(
        "ec2",
        "create_security_group",
        _named("GroupId"),
        lambda i, p: {
            "GroupName": p.get("GroupName", f"stack-{i.id}"),
            "Description": p["GroupDescription"],
        },
        id="GroupId",
        attributes={"GroupId": "GroupId"},
        delete="delete_security_group",
        after=(steps.set_inline_rules,),
    ),
    "AWS::EC2::SecurityGroupIngress": Mirror(
        "ec2",
        "authorize_security_group_ingress",
        steps.rule_key,
        steps.rule_arguments("Source"),
        id="SecurityGroupRules.0.SecurityGroupRuleId",
        delete="revoke_security_group_ingress",
    ),
    "AWS::EC2::SecurityGroupEgress": Mirror(
        "ec2",
        "authorize_security_group_egress",
        steps.rule_key,
        steps.rule_arguments("Destination"),
        id="SecurityGroupRules.0.SecurityGroupRuleId",
        delete="revoke_security_group_egress",
    ),
    "AWS::EC2::VPCEndpoint": Mirror(
        "ec2",
        "create_vpc_endpoint",
        lambda i, _p: {"VpcEndpointIds": [i.id]},
        lambda _i, p: {"VpcEndpointType": p.get("VpcEndpointType", "Gateway")},
        id="VpcEndpoint.VpcEndpointId",
        delete="delete_vpc_endpoints",
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Mirror(
        "elbv2",
        "create_load_balancer",
        _named("LoadBalancerArn"),
        lambda i, _p: {"Name": i.attributes["LoadBalancerName"]},
        id="LoadBalancers.0.LoadBalancerArn",
        attributes={
            "DNSName": "LoadBalancers.0.DNSName",
            "CanonicalHostedZoneID": "LoadBalancers.0.CanonicalHostedZoneId",
        },
        delete="delete_load_balancer",
        after=(steps.set_balancer_attributes,),
        updated=(steps.set_balancer_network,),
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Mirror(
        "elbv2",
        "create_target_group",
        _named("TargetGroupArn"),
        lambda i, _p: {"Name": i.attributes["TargetGroupName"]},
        id="TargetGroups.0.TargetGroupArn",
        delete="delete_target_group",
        update="modify_target_group",
        after=(steps.set_target_group_attributes,),
    ),
    "AWS::ElasticLoadBalancingV2::Listener": Mirror(
        "elbv2",
        "create_listener",
        _named("ListenerArn"),
        id="Listeners.0.ListenerArn",
        delete="delete_listener",
        update="modify_listener",
    ),
    "AWS::EFS::FileSystem": Mirror(
        "efs",
        "create_file_system",
        _named("FileSystemId"),
        lambda _i, p: {"Tags": p.get("FileSystemTags", [])},
        id="FileSystemId",
        attributes={"FileSystemId": "FileSystemId", "Arn": "FileSystemArn"},
        delete="delete_file_system",
    ),
    "AWS::EFS::AccessPoint": Mirror(
        "efs",
        "create_access_point",
        _named("AccessPointId"),
        lambda i, _p: {"ClientToken": i.id},
        id="AccessPointId",
        attributes={"AccessPointId": "AccessPointId", "Arn": "AccessPointArn"},
        delete="delete_access_point",
    ),
    "AWS::EFS::MountTarget": Mirror(
        "efs",
        "create_mount_target",
        _named("MountTargetId"),
        id="MountTargetId",
        attributes={"Id": "MountTargetId", "IpAddress": "IpAddress"},
        delete="delete_mount_target",
    ),
    "AWS::Events::Rule": Mirror(
        "events",
        "put_rule",
        _named("Name"),
        attributes={"Arn": "RuleArn"},
        delete="delete_rule",
        update="put_rule",
        after=(steps.set_targets,),
        before_delete=(lambda s, i, _p: steps.remove_targets(s, i, ()),),
    ),
    "AWS::CloudWatch::Dashboard": Mirror(
        "cloudwatch",
        "put_dashboard",
        lambda i, _p: {"DashboardName": i.id, "DashboardNames": [i.id]},
        delete="delete_dashboards",
        update="put_dashboard",
    ),
    "AWS::CloudWatch::Alarm": Mirror(
        "cloudwatch",
        "put_metric_alarm",
        lambda i, _p: {"AlarmName": i.id, "AlarmNames": [i.id]},
        delete="delete_alarms",
        update="put_metric_alarm",
    ),
    "AWS::ApplicationAutoScaling::ScalableTarget": Mirror(
        "application-autoscaling",
        "register_scalable_target",
        lambda _i, p: {
            key: p[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")
        },
        delete="deregister_scalable_target",
        update="register_scalable_target",
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": Mirror(
        "application-autoscaling",
        "put_scaling_policy",
        lambda i, p: {"PolicyName": p["PolicyName"], **steps.scaling_policy_key(i, p)},
        id="PolicyARN",
        delete="delete_scaling_policy",
        update="put_scaling_policy",
    ),
    "AWS::ServiceDiscovery::PrivateDnsNamespace": Mirror(
        "servicediscovery",
        "create_private_dns_namespace",
        _named("Id"),
        answer=steps.read_namespace,
        id="Namespace.Id",
        attributes={
            "Arn": "Namespace.Arn",
            "HostedZoneId": "Namespace.Properties.DnsProperties.HostedZoneId",
        },
        delete="delete_namespace",
    ),
    "AWS::ServiceDiscovery::Service": Mirror(
        "servicediscovery",
        "create_service",
        _named("Id"),
        id="Service.Id",
        attributes={"Arn": "Service.Arn", "Name": "Service.Name"},
        delete="delete_service",
    ),
    "AWS::Lambda::Function": Mirror(
        "lambda",
        "create_function",
        _named("FunctionName"),
        steps.function_arguments,
        attributes={"Arn": "FunctionArn"},
        delete="delete_function",
        update="update_function_configuration",
        updated=(steps.update_function_code,),
        after=(steps.set_concurrency,),
    ),
    "AWS::Lambda::Permission": Mirror(
        "lambda", "add_permission", steps.lambda_permission_key, delete="remove_permission"
    ),
    "AWS::SNS::Subscription": Mirror(
        "sns", "subscribe", _named("SubscriptionArn"), id="SubscriptionArn", delete="unsubscribe"
    ),
    "AWS::SNS::TopicPolicy": Mirror(
        "sns",
        "set_topic_attributes",
        lambda _i, p: {"TopicArn": p["Topics"][0]},
        steps.topic_policy_arguments,
        update="set_topic_attributes",
    ),
}
