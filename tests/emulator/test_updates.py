"""What an update through CloudFormation changes, the services have too: it is no drift."""

import pytest

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator.server.server import Server
from stackwright.emulator.services.drift_reader import READERS
from stackwright.emulator.world.settings import EmulatorSettings
from tests.emulator.test_services import (
    EVERYTHING,
    LAMBDA,
    READ,
    TASK,
    TRUST,
    Cloud,
    att,
    ref,
    resource,
)

REGION = "us-east-2"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def network(first, tags):
    """Two groups and subnets; which of them are used differs."""
    rule = {
        "IpProtocol": "tcp",
        "FromPort": 80 if first else 81,
        "ToPort": 90,
        "CidrIp": "10.0.0.0/8",
    }
    group = {"GroupDescription": "d", "VpcId": ref("Vpc")}
    subnet = {"VpcId": ref("Vpc"), "MapPublicIpOnLaunch": first, **tags}
    return {
        "Vpc": resource(
            "EC2::VPC", {"CidrBlock": "10.0.0.0/16", "EnableDnsHostnames": first, **tags}
        ),
        "A": resource(
            "EC2::Subnet", {**subnet, "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-east-2a"}
        ),
        "B": resource(
            "EC2::Subnet", {**subnet, "CidrBlock": "10.0.2.0/24", "AvailabilityZone": "us-east-2b"}
        ),
        "Routes": resource("EC2::RouteTable", {"VpcId": ref("Vpc"), **tags}),
        "One": resource("EC2::SecurityGroup", {**group, "SecurityGroupIngress": [rule], **tags}),
        "Two": resource("EC2::SecurityGroup", group),
        "Balancer": resource(
            "ElasticLoadBalancingV2::LoadBalancer",
            {
                "Name": "front",
                "Subnets": [ref("A"), ref("B")],
                "SecurityGroups": [att("One" if first else "Two", "GroupId")],
                **tags,
            },
        ),
        "Targets": resource(
            "ElasticLoadBalancingV2::TargetGroup",
            {
                **EVERYTHING["Targets"]["Properties"],
                "HealthCheckPath": f"/{first}",
                "Matcher": {"HttpCode": "200" if first else "204"},
                **tags,
            },
        ),
    }


def containers(first, tags):
    placed = {"Subnets": [ref("A")], "SecurityGroups": [att("One" if first else "Two", "GroupId")]}
    insights = [{"Name": "containerInsights", "Value": "enabled" if first else "disabled"}]
    return {
        "Images": resource(
            "ECR::Repository",
            {
                "RepositoryName": "web",
                "ImageTagMutability": "IMMUTABLE" if first else "MUTABLE",
                "ImageScanningConfiguration": {"ScanOnPush": first},
                **tags,
            },
        ),
        "Cluster": resource(
            "ECS::Cluster", {"ClusterName": "c", "ClusterSettings": insights, **tags}
        ),
        "Task": resource("ECS::TaskDefinition", {**TASK, "Cpu": 256 if first else 512, **tags}),
        "Service": resource(
            "ECS::Service",
            {
                "ServiceName": "web",
                "Cluster": ref("Cluster"),
                "TaskDefinition": ref("Task"),
                "DesiredCount": 1 if first else 2,
                "LaunchType": "FARGATE",
                "EnableExecuteCommand": first,
                "NetworkConfiguration": {"AwsvpcConfiguration": placed},
                **tags,
            },
        ),
        "Function": resource(
            "Lambda::Function",
            {
                **LAMBDA,
                "MemorySize": 128 if first else 256,
                "Environment": {"Variables": {"FIRST": str(first)}},
                "TracingConfig": {"Mode": "Active" if first else "PassThrough"},
                **tags,
            },
        ),
    }


def others(first, tags):
    sleeping = {"ThroughputMode": "bursting" if first else "elastic"}
    alarm = {
        "AlarmName": "hot",
        "ComparisonOperator": "GreaterThanThreshold",
        "MetricName": "m",
        "Namespace": "n",
    }
    return {
        "Topic": resource("SNS::Topic", {"TopicName": "t", "DisplayName": f"{first}", **tags}),
        "Files": resource("EFS::FileSystem", {"Encrypted": True, **sleeping}),
        "Access": resource("EFS::AccessPoint", {"FileSystemId": ref("Files")}),
        "Rule": resource(
            "Events::Rule",
            {
                "Name": "tick",
                "ScheduleExpression": f"rate({3 if first else 2} minutes)",
                "Description": f"{first}",
            },
        ),
        "Alarm": resource(
            "CloudWatch::Alarm",
            {
                **alarm,
                "EvaluationPeriods": 1 if first else 2,
                "Period": 60,
                "Statistic": "Sum",
                "Threshold": 1 if first else 2,
                "AlarmActions": [ref("Topic")] if first else [],
            },
        ),
    }


def everything(first):
    """One resource of each type that drift is found of; hardly a property is the same on both
    sides."""
    said = {"Description": f"{first}"}
    tags = {
        "Tags": [{"Key": "k", "Value": f"{first}"}, {"Key": "a" if first else "b", "Value": "v"}]
    }
    role = {
        "RoleName": "r",
        "AssumeRolePolicyDocument": TRUST,
        "MaxSessionDuration": 3600 if first else 7200,
    }
    inline = [{"PolicyName": f"{first}", "PolicyDocument": READ}]
    return {
        **network(first, tags),
        **containers(first, tags),
        **others(first, tags),
        "Stored": resource(
            "SSM::Parameter",
            {"Name": "/stored", "Type": "String", "Value": f"{first}", **said, "Tags": {"k": "v"}},
        ),
        "Table": resource(
            "DynamoDB::Table",
            {
                "TableName": "things",
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": {
                    "ReadCapacityUnits": 1 if first else 2,
                    "WriteCapacityUnits": 1,
                },
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            },
        ),
        "Stream": resource("Kinesis::Stream", {"Name": "things", "ShardCount": 1, **tags}),
        "Queue": resource(
            "SQS::Queue", {"QueueName": "things", "VisibilityTimeout": 60 if first else 90, **tags}
        ),
        "Bucket": resource(
            "S3::Bucket",
            {
                "BucketName": "things",
                "VersioningConfiguration": {"Status": "Enabled" if first else "Suspended"},
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": first},
                **tags,
            },
        ),
        "Policy": resource(
            "S3::BucketPolicy",
            {"Bucket": ref("Bucket"), "PolicyDocument": {**READ, "Id": f"{first}"}},
        ),
        "Secret": resource(
            "SecretsManager::Secret",
            {"Name": "made", "GenerateSecretString": {"PasswordLength": 20}, **said, **tags},
        ),
        "Given": resource("SecretsManager::Secret", {"Name": "given", "SecretString": f"{first}"}),
        "Role": resource(
            "IAM::Role",
            {
                **role,
                "Policies": inline,
                "ManagedPolicyArns": [READ_ONLY] if first else [],
                **said,
                **tags,
            },
        ),
        "Logs": resource(
            "Logs::LogGroup",
            {"LogGroupName": "/web", "RetentionInDays": 7 if first else 14, **tags},
        ),
    }


@pytest.fixture(scope="module")
def cloud():
    with Server(EmulatorSettings(Pseudo(region=REGION))) as running:
        made = Cloud(running.url)
        yield made
        made.close()


def drifted(cloud):
    cloudformation = cloud("cloudformation")
    detection = cloudformation.detect_stack_drift(StackName="all")["StackDriftDetectionId"]
    cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
    drifts = cloudformation.describe_stack_resource_drifts(StackName="all")["StackResourceDrifts"]
    assert {drift["ResourceType"] for drift in drifts} == set(READERS)
    return [
        (resource["LogicalResourceId"], difference["PropertyPath"])
        for resource in drifts
        for difference in resource["PropertyDifferences"]
    ]


def test_creation_and_update_cause_no_drift(cloud):
    assert cloud.deploy(everything(True))["StackStatus"] == "CREATE_COMPLETE", cloud.reasons()
    assert drifted(cloud) == []
    secrets = cloud("secretsmanager")
    made = secrets.get_secret_value(SecretId="made")
    for first in (False, True):
        assert cloud.deploy(everything(first), "update")["StackStatus"] == "UPDATE_COMPLETE", (
            cloud.reasons()
        )
        assert drifted(cloud) == []
        assert secrets.get_secret_value(SecretId="given")["SecretString"] == f"{first}"
        again = secrets.get_secret_value(SecretId="made")
        assert [again[key] for key in ("VersionId", "SecretString")] == [
            made[key] for key in ("VersionId", "SecretString")
        ]
        attached = cloud("iam").list_attached_role_policies(RoleName="r")["AttachedPolicies"]
        assert [policy["PolicyArn"] for policy in attached] == ([READ_ONLY] if first else [])
    fewer = everything(True) | {
        "Logs": resource("Logs::LogGroup", {"LogGroupName": "/web"}),
        "Bucket": resource("S3::Bucket", {"BucketName": "things"}),
    }
    assert cloud.deploy(fewer, "update")["StackStatus"] == "UPDATE_COMPLETE", cloud.reasons()
    assert (
        "retentionInDays"
        not in cloud("logs").describe_log_groups(logGroupNamePrefix="/web")["logGroups"][0]
    )
    with pytest.raises(cloud("s3").exceptions.ClientError, match="NoSuchTagSet"):
        cloud("s3").get_bucket_tagging(Bucket="things")


def test_unknown_managed_policy_cannot_be_attached(cloud):
    role = {
        "AssumeRolePolicyDocument": TRUST,
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/NoSuchPolicy"],
    }
    cloudformation = cloud("cloudformation")
    cloud.deploy({"Role": resource("IAM::Role", role)}, name="wrong")
    events = cloudformation.describe_stack_events(StackName="wrong")["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any(
        "Policy arn:aws:iam::aws:policy/NoSuchPolicy does not exist" in reason for reason in reasons
    ), reasons
