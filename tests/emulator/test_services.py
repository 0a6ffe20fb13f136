"""What a stack makes is there for every client, and what a service refuses fails the stack."""

import json

import pytest

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator.server.lifecycle import RunningEmulator
from stackwright.emulator.server.server import Server
from stackwright.emulator.services.mirrors import MIRRORS
from stackwright.emulator.world.settings import EmulatorSettings
from tests.support.clients import Clients

REGION = "us-east-2"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        }
    ],
}
READ = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}


def resource(type_, properties=None, **attributes):
    return {"Type": f"AWS::{type_}", "Properties": properties or {}, **attributes}


def ref(name):
    return {"Ref": name}


def att(name, attribute):
    return {"Fn::GetAtt": [name, attribute]}


TASK = {
    "Family": "web",
    "Cpu": 256,
    "Memory": "512",
    "NetworkMode": "awsvpc",
    "RequiresCompatibilities": ["FARGATE"],
    "ExecutionRoleArn": att("Role", "Arn"),
    "ContainerDefinitions": [
        {
            "Name": "web",
            "Image": "web:1",
            "Essential": True,
            "PortMappings": [{"ContainerPort": "80"}],
            "LogConfiguration": {"LogDriver": "awslogs", "Options": {"awslogs-group": ref("Logs")}},
        }
    ],
}
INWARDS = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": "80", "CidrIp": "0.0.0.0/0"}
OPEN = {
    "GroupDescription": "d",
    "VpcId": ref("Vpc"),
    "SecurityGroupIngress": [INWARDS],
    "SecurityGroupEgress": [
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/16"}
    ],
}
NETWORK = {
    "Vpc": resource("EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
    "SubnetA": resource(
        "EC2::Subnet",
        {"VpcId": ref("Vpc"), "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-east-2a"},
    ),
    "SubnetB": resource(
        "EC2::Subnet",
        {"VpcId": ref("Vpc"), "CidrBlock": "10.0.2.0/24", "AvailabilityZone": "us-east-2b"},
    ),
    "Gateway": resource("EC2::InternetGateway"),
    "Attached": resource(
        "EC2::VPCGatewayAttachment", {"VpcId": ref("Vpc"), "InternetGatewayId": ref("Gateway")}
    ),
    "Routes": resource("EC2::RouteTable", {"VpcId": ref("Vpc")}),
    "Route": resource(
        "EC2::Route",
        {
            "RouteTableId": ref("Routes"),
            "DestinationCidrBlock": "0.0.0.0/0",
            "GatewayId": ref("Gateway"),
        },
        DependsOn="Attached",
    ),
    "Routed": resource(
        "EC2::SubnetRouteTableAssociation",
        {"RouteTableId": ref("Routes"), "SubnetId": ref("SubnetA")},
    ),
    "Address": resource("EC2::EIP", {"Domain": "vpc"}),
    "Nat": resource(
        "EC2::NatGateway",
        {"SubnetId": ref("SubnetA"), "AllocationId": att("Address", "AllocationId")},
    ),
    "Group": resource("EC2::SecurityGroup", {"GroupDescription": "d", "VpcId": ref("Vpc")}),
    "Open": resource("EC2::SecurityGroup", OPEN),
    "Inwards": resource(
        "EC2::SecurityGroupIngress",
        {
            "GroupId": att("Open", "GroupId"),
            "IpProtocol": "tcp",
            "FromPort": 8080,
            "ToPort": 8080,
            "SourceSecurityGroupId": att("Group", "GroupId"),
        },
    ),
    "Outwards": resource(
        "EC2::SecurityGroupEgress",
        {
            "GroupId": att("Open", "GroupId"),
            "IpProtocol": "tcp",
            "FromPort": 53,
            "ToPort": 53,
            "DestinationSecurityGroupId": att("Group", "GroupId"),
        },
    ),
    "Endpoint": resource(
        "EC2::VPCEndpoint",
        {
            "VpcId": ref("Vpc"),
            "ServiceName": "com.amazonaws.us-east-2.s3",
            "RouteTableIds": [ref("Routes")],
        },
    ),
}
SCALING = {
    "TargetValue": "50",
    "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
}
LAMBDA = {
    "FunctionName": "count",
    "Runtime": "python3.13",
    "Handler": "index.handler",
    "Role": att("Role", "Arn"),
    "Code": {"ZipFile": "def handler(event, context): return 1"},
    "Environment": {"Variables": {"WHAT": "things"}},
    "ReservedConcurrentExecutions": "1",
    "Tags": [{"Key": "k", "Value": "v"}],
}
MORE = {
    "Names": resource(
        "ServiceDiscovery::PrivateDnsNamespace", {"Name": "euglena.test", "Vpc": ref("Vpc")}
    ),
    "Name": resource(
        "ServiceDiscovery::Service",
        {
            "Name": "web",
            "NamespaceId": ref("Names"),
            "DnsConfig": {
                "RoutingPolicy": "MULTIVALUE",
                "DnsRecords": [{"Type": "A", "TTL": "10"}],
            },
            "HealthCheckCustomConfig": {"FailureThreshold": 1},
        },
    ),
    "Function": resource("Lambda::Function", LAMBDA),
    "Allowed": resource(
        "Lambda::Permission",
        {
            "FunctionName": ref("Function"),
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": att("Rule", "Arn"),
        },
    ),
    "Policy": resource(
        "ApplicationAutoScaling::ScalingPolicy",
        {
            "PolicyName": "cpu",
            "PolicyType": "TargetTrackingScaling",
            "ScalingTargetId": ref("Scaled"),
            "TargetTrackingScalingPolicyConfiguration": SCALING,
        },
    ),
    "Dashboard": resource(
        "CloudWatch::Dashboard", {"DashboardName": "board", "DashboardBody": '{"widgets": []}'}
    ),
    "Mail": resource(
        "SNS::Subscription",
        {"TopicArn": ref("Topic"), "Protocol": "email", "Endpoint": "someone@example.com"},
    ),
    "TopicPolicy": resource("SNS::TopicPolicy", {"Topics": [ref("Topic")], "PolicyDocument": READ}),
}
EVERYTHING = (
    NETWORK
    | MORE
    | {
        "Table": resource(
            "DynamoDB::Table",
            {
                "TableName": "things",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            },
        ),
        "Stream": resource("Kinesis::Stream", {"Name": "things", "ShardCount": 1}),
        "Queue": resource("SQS::Queue", {"QueueName": "things", "VisibilityTimeout": 60}),
        "Bucket": resource(
            "S3::Bucket",
            {
                "BucketName": "things",
                "VersioningConfiguration": {"Status": "Enabled"},
                "Tags": [{"Key": "k", "Value": "v"}],
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": "true"},
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [
                        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                    ]
                },
            },
        ),
        "BucketPolicy": resource(
            "S3::BucketPolicy", {"Bucket": ref("Bucket"), "PolicyDocument": READ}
        ),
        "Images": resource(
            "ECR::Repository", {"RepositoryName": "a/web", "ImageTagMutability": "IMMUTABLE"}
        ),
        "Secret": resource(
            "SecretsManager::Secret",
            {
                "Name": "login",
                "GenerateSecretString": {
                    "SecretStringTemplate": '{"username": "u"}',
                    "GenerateStringKey": "password",
                    "PasswordLength": "20",
                },
            },
        ),
        "Plain": resource("SecretsManager::Secret", {"SecretString": "s"}),
        "Setting": resource("SSM::Parameter", {"Type": "String", "Value": "s", "Tags": {"a": "b"}}),
        "Made": resource(
            "SecretsManager::Secret", {"GenerateSecretString": {"PasswordLength": 12}}
        ),
        "Role": resource(
            "IAM::Role",
            {
                "AssumeRolePolicyDocument": TRUST,
                "Policies": [{"PolicyName": "read", "PolicyDocument": READ}],
            },
        ),
        "Logs": resource("Logs::LogGroup", {"LogGroupName": "/web", "RetentionInDays": 30}),
        "Topic": resource("SNS::Topic", {"TopicName": "t"}),
        "Cluster": resource("ECS::Cluster", {"ClusterName": "c"}),
        "Task": resource("ECS::TaskDefinition", TASK),
        "Service": resource(
            "ECS::Service",
            {
                "ServiceName": "web",
                "Cluster": ref("Cluster"),
                "TaskDefinition": ref("Task"),
                "DesiredCount": 2,
                "LaunchType": "FARGATE",
                "NetworkConfiguration": {
                    "AwsvpcConfiguration": {
                        "Subnets": [ref("SubnetA")],
                        "SecurityGroups": [att("Group", "GroupId")],
                    }
                },
            },
        ),
        "Balancer": resource(
            "ElasticLoadBalancingV2::LoadBalancer",
            {
                "Name": "front",
                "Subnets": [ref("SubnetA"), ref("SubnetB")],
                "LoadBalancerAttributes": [{"Key": "idle_timeout.timeout_seconds", "Value": "300"}],
            },
        ),
        "Targets": resource(
            "ElasticLoadBalancingV2::TargetGroup",
            {
                "Name": "web",
                "Port": 80,
                "Protocol": "HTTP",
                "VpcId": ref("Vpc"),
                "TargetType": "ip",
                "TargetGroupAttributes": [
                    {"Key": "deregistration_delay.timeout_seconds", "Value": "5"}
                ],
            },
        ),
        "Listener": resource(
            "ElasticLoadBalancingV2::Listener",
            {
                "LoadBalancerArn": ref("Balancer"),
                "Port": "80",
                "Protocol": "HTTP",
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": ref("Targets")}],
            },
        ),
        "Files": resource(
            "EFS::FileSystem", {"Encrypted": True, "FileSystemTags": [{"Key": "k", "Value": "v"}]}
        ),
        "Access": resource("EFS::AccessPoint", {"FileSystemId": ref("Files")}),
        "Mount": resource(
            "EFS::MountTarget",
            {
                "FileSystemId": ref("Files"),
                "SubnetId": ref("SubnetA"),
                "SecurityGroups": [att("Group", "GroupId")],
            },
        ),
        "Rule": resource(
            "Events::Rule",
            {
                "Name": "tick",
                "ScheduleExpression": "rate(1 minute)",
                "Targets": [{"Id": "count", "Arn": att("Function", "Arn")}],
            },
        ),
        "Alarm": resource(
            "CloudWatch::Alarm",
            {
                "AlarmName": "hot",
                "ComparisonOperator": "GreaterThanThreshold",
                "EvaluationPeriods": 1,
                "MetricName": "m",
                "Namespace": "n",
                "Period": 60,
                "Statistic": "Sum",
                "Threshold": 1,
            },
        ),
        "Scaled": resource(
            "ApplicationAutoScaling::ScalableTarget",
            {
                "ServiceNamespace": "ecs",
                "ScalableDimension": "ecs:service:DesiredCount",
                "ResourceId": {"Fn::Sub": "service/${Cluster}/${Service.Name}"},
                "MinCapacity": 1,
                "MaxCapacity": "4",
            },
        ),
    }
)


class Cloud(Clients):
    """boto3's clients of one emulator."""

    def __init__(self, url):
        super().__init__(url, REGION)
        self.whole = False

    def deploy(self, resources, verb="create", name="all"):
        body = json.dumps({"Resources": resources})
        getattr(self("cloudformation"), f"{verb}_stack")(
            StackName=name,
            TemplateBody=body,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        )
        return self("cloudformation").describe_stacks(StackName=name)["Stacks"][0]

    def reasons(self):
        events = self("cloudformation").describe_stack_events(StackName="all")["StackEvents"]
        return [
            e.get("ResourceStatusReason") for e in events if e["ResourceStatus"].endswith("FAILED")
        ]


@pytest.fixture(scope="module")
def cloud():
    with Server(EmulatorSettings(Pseudo(region=REGION))) as server:
        made = Cloud(server.url)
        yield made
        made.close()


@pytest.fixture
def stack(cloud):
    """Physical ids of a stack with every type, deployed again after a test that changed or deleted
    it: a worker may run the tests in any order."""
    assert {f"AWS::{r['Type'][5:]}" for r in EVERYTHING.values()} >= set(MIRRORS), (
        "a mirrored type is not tried"
    )
    if not cloud.whole:
        RunningEmulator(0, cloud.url).admin("reset")
        answer = cloud.deploy(EVERYTHING)
        assert answer["StackStatus"] == "CREATE_COMPLETE", cloud.reasons()
        cloud.whole = True
    resources = cloud("cloudformation").describe_stack_resources(StackName="all")["StackResources"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}


def test_storage_exists_in_services(cloud, stack):
    s3 = cloud("s3")
    assert s3.get_bucket_versioning(Bucket="things")["Status"] == "Enabled"
    assert s3.get_bucket_tagging(Bucket="things")["TagSet"] == [{"Key": "k", "Value": "v"}]
    assert (
        s3.get_public_access_block(Bucket="things")["PublicAccessBlockConfiguration"][
            "BlockPublicAcls"
        ]
        is True
    )
    assert json.loads(s3.get_bucket_policy(Bucket="things")["Policy"]) == READ
    assert s3.get_bucket_encryption(Bucket="things")["ServerSideEncryptionConfiguration"]["Rules"]
    repository = cloud("ecr").describe_repositories(repositoryNames=["a/web"])["repositories"][0]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert cloud("logs").describe_log_groups()["logGroups"][0]["retentionInDays"] == 30
    assert stack["Topic"] in [t["TopicArn"] for t in cloud("sns").list_topics()["Topics"]]


def test_policy_with_conditions_denies_nothing(cloud):
    """moto knows no conditions, and nothing comes over TLS here."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::guarded/*",
    }
    tls = {**statement, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [tls]})
    s3 = cloud("s3")
    s3.create_bucket(Bucket="guarded", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_policy(Bucket="guarded", Policy=policy)
    s3.put_object(Bucket="guarded", Key="k", Body=b"1")
    assert s3.get_bucket_policy(Bucket="guarded")["Policy"] == policy
    s3.put_bucket_policy(
        Bucket="guarded", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    with pytest.raises(s3.exceptions.ClientError, match="Forbidden"):
        s3.put_object(Bucket="guarded", Key="k", Body=b"2")


def test_secrets_have_values(cloud, stack):
    def value(name):
        return cloud("secretsmanager").get_secret_value(SecretId=stack[name])["SecretString"]

    generated = json.loads(value("Secret"))
    assert (generated["username"], len(generated["password"])) == ("u", 20)
    assert value("Plain") == "s"
    assert len(value("Made")) == 12


def test_network_exists_in_services(cloud, stack):
    ec2 = cloud("ec2")
    subnet = ec2.describe_subnets(SubnetIds=[stack["SubnetA"]])["Subnets"][0]
    assert (subnet["VpcId"], subnet["AvailabilityZone"]) == (stack["Vpc"], "us-east-2a")
    table = ec2.describe_route_tables(RouteTableIds=[stack["Routes"]])["RouteTables"][0]
    assert stack["Gateway"] in [route.get("GatewayId") for route in table["Routes"]]
    assert stack["Routed"] in [
        association["RouteTableAssociationId"] for association in table["Associations"]
    ]
    assert (
        ec2.describe_security_groups(GroupIds=[stack["Group"]])["SecurityGroups"][0]["VpcId"]
        == stack["Vpc"]
    )
    assert (
        ec2.describe_nat_gateways(NatGatewayIds=[stack["Nat"]])["NatGateways"][0]["SubnetId"]
        == stack["SubnetA"]
    )
    balancer = cloud("elbv2").describe_load_balancers(Names=["front"])["LoadBalancers"][0]
    assert (balancer["LoadBalancerArn"], balancer["VpcId"]) == (stack["Balancer"], stack["Vpc"])
    listener = cloud("elbv2").describe_listeners(LoadBalancerArn=stack["Balancer"])["Listeners"][0]
    assert listener["DefaultActions"][0]["TargetGroupArn"] == stack["Targets"]
    mount = cloud("efs").describe_mount_targets(FileSystemId=stack["Files"])["MountTargets"][0]
    assert (mount["MountTargetId"], mount["SubnetId"]) == (stack["Mount"], stack["SubnetA"])
    access = cloud("efs").describe_access_points(FileSystemId=stack["Files"])["AccessPoints"][0]
    assert access["AccessPointId"] == stack["Access"]


def test_ecs_services_exist_in_services(cloud, stack):
    ecs = cloud("ecs")
    task = ecs.describe_task_definition(taskDefinition=stack["Task"])["taskDefinition"]
    assert (task["cpu"], task["memory"], task["networkMode"]) == ("256", "512", "awsvpc")
    assert task["containerDefinitions"][0]["portMappings"][0]["containerPort"] == 80
    assert task["containerDefinitions"][0]["logConfiguration"]["options"] == {
        "awslogs-group": "/web"
    }
    role = cloud("iam").get_role(RoleName=stack["Role"])["Role"]
    assert task["executionRoleArn"] == role["Arn"]
    assert cloud("iam").list_role_policies(RoleName=stack["Role"])["PolicyNames"] == ["read"]
    service = ecs.describe_services(cluster="c", services=["web"])["services"][0]
    assert (service["taskDefinition"], service["desiredCount"]) == (stack["Task"], 2)
    scaling = cloud("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")[
        "ScalableTargets"
    ]
    assert scaling[0]["ResourceId"] == "service/c/web"
    assert cloud("events").describe_rule(Name="tick")["ScheduleExpression"] == "rate(1 minute)"
    assert (
        cloud("cloudwatch").describe_alarms(AlarmNames=["hot"])["MetricAlarms"][0]["Threshold"] == 1
    )


def rules(cloud, group):
    """``direction port peer`` of each rule of a group."""
    filters = [{"Name": "group-id", "Values": [group]}]
    group_rules = cloud("ec2").describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    peers = {
        rule["SecurityGroupRuleId"]: rule.get("CidrIpv4") or rule["ReferencedGroupInfo"]["GroupId"]
        for rule in group_rules
    }
    return {
        (
            r["SecurityGroupRuleId"],
            "out" if r["IsEgress"] else "in",
            r.get("FromPort"),
            peers[r["SecurityGroupRuleId"]],
        )
        for r in group_rules
    }


def test_security_groups_have_their_rules(cloud, stack):
    group_rules = rules(cloud, stack["Open"])
    inline = {("in", 80, "0.0.0.0/0"), ("out", 443, "10.0.0.0/16")}
    assert {rule[1:] for rule in group_rules} == inline | {
        ("in", 8080, stack["Group"]),
        ("out", 53, stack["Group"]),
    }
    assert {(stack["Inwards"], 8080), (stack["Outwards"], 53)} <= {
        (rule[0], rule[2]) for rule in group_rules
    }
    assert {rule[1:] for rule in rules(cloud, stack["Group"])} == {("out", -1, "0.0.0.0/0")}
    endpoint = cloud("ec2").describe_vpc_endpoints(VpcEndpointIds=[stack["Endpoint"]])[
        "VpcEndpoints"
    ][0]
    assert endpoint["RouteTableIds"] == [stack["Routes"]]


def test_cloud_map_services_are_discovered(cloud, stack):
    names = cloud("servicediscovery")
    namespace = names.get_namespace(Id=stack["Names"])["Namespace"]
    assert (namespace["Name"], namespace["Type"]) == ("euglena.test", "DNS_PRIVATE")
    service = names.get_service(Id=stack["Name"])["Service"]
    assert (service["Name"], service["NamespaceId"]) == ("web", stack["Names"])
    assert service["DnsConfig"]["DnsRecords"] == [{"Type": "A", "TTL": 10}]


def test_functions_exist_in_services(cloud, stack):
    functions = cloud("lambda")
    function = functions.get_function(FunctionName="count")
    assert function["Configuration"]["Environment"]["Variables"] == {"WHAT": "things"}
    assert function["Tags"]["k"] == "v"
    assert function["Concurrency"]["ReservedConcurrentExecutions"] == 1
    policy = json.loads(functions.get_policy(FunctionName="count")["Policy"])
    assert policy["Statement"][0]["Principal"] == {"Service": "events.amazonaws.com"}
    targets = cloud("events").list_targets_by_rule(Rule="tick")["Targets"]
    assert targets == [{"Id": "count", "Arn": function["Configuration"]["FunctionArn"]}]


def test_scaling_and_alarms_exist_in_services(cloud, stack):
    policy = cloud("application-autoscaling").describe_scaling_policies(ServiceNamespace="ecs")[
        "ScalingPolicies"
    ][0]
    assert (policy["PolicyARN"], policy["ResourceId"]) == (stack["Policy"], "service/c/web")
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 50
    assert (
        cloud("cloudwatch").get_dashboard(DashboardName="board")["DashboardBody"]
        == '{"widgets": []}'
    )
    topic = cloud("sns").get_topic_attributes(TopicArn=stack["Topic"])["Attributes"]
    assert json.loads(topic["Policy"]) == READ
    mail = cloud("sns").list_subscriptions_by_topic(TopicArn=stack["Topic"])["Subscriptions"][0]
    assert (mail["SubscriptionArn"], mail["Endpoint"]) == (stack["Mail"], "someone@example.com")
    attributes = cloud("elbv2").describe_load_balancer_attributes(
        LoadBalancerArn=stack["Balancer"]
    )["Attributes"]
    assert {"Key": "idle_timeout.timeout_seconds", "Value": "300"} in attributes
    attributes = cloud("elbv2").describe_target_group_attributes(TargetGroupArn=stack["Targets"])[
        "Attributes"
    ]
    assert {"Key": "deregistration_delay.timeout_seconds", "Value": "5"} in attributes


def test_update_reaches_the_service_and_fails_if_refused(cloud, stack):
    cloud.whole = False
    container = {**TASK["ContainerDefinitions"][0], "Image": "web:2"}
    changed = EVERYTHING | {
        "Task": resource("ECS::TaskDefinition", {**TASK, "ContainerDefinitions": [container]}),
        "Logs": resource("Logs::LogGroup", {"LogGroupName": "/web", "RetentionInDays": 14}),
        "Open": resource(
            "EC2::SecurityGroup", {**OPEN, "SecurityGroupIngress": [{**INWARDS, "FromPort": 79}]}
        ),
        "Function": resource(
            "Lambda::Function", {**LAMBDA, "Code": {"ZipFile": "2"}, "Timeout": 9}
        ),
        "Rule": resource("Events::Rule", {"Name": "tick", "ScheduleExpression": "rate(5 minutes)"}),
    }
    before = cloud("lambda").get_function(FunctionName="count")["Configuration"]
    assert cloud.deploy(changed, "update")["StackStatus"] == "UPDATE_COMPLETE", cloud.reasons()
    service = cloud("ecs").describe_services(cluster="c", services=["web"])["services"][0]
    task = cloud("ecs").describe_task_definition(taskDefinition=service["taskDefinition"])[
        "taskDefinition"
    ]
    assert task["containerDefinitions"][0]["image"] == "web:2"
    assert task["revision"] == 2
    assert cloud("logs").describe_log_groups()["logGroups"][0]["retentionInDays"] == 14
    assert {rule[1:] for rule in rules(cloud, stack["Open"])} == {
        ("in", 79, "0.0.0.0/0"),
        ("in", 8080, stack["Group"]),
        ("out", 53, stack["Group"]),
        ("out", 443, "10.0.0.0/16"),
    }
    after = cloud("lambda").get_function(FunctionName="count")["Configuration"]
    assert (before["Timeout"], after["Timeout"]) == (3, 9)
    assert before["CodeSha256"] != after["CodeSha256"]
    assert cloud("events").list_targets_by_rule(Rule="tick")["Targets"] == []

    cloud("ecr").create_repository(repositoryName="taken")
    refused = changed | {"Other": resource("ECR::Repository", {"RepositoryName": "taken"})}
    assert cloud.deploy(refused, "update")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert (
        "Resource handler returned message: \"The repository with name 'taken' already exists"
        in cloud.reasons()[0]
    )
    assert "HandlerErrorCode: AlreadyExists" in cloud.reasons()[0]


def test_deletion_removes_resources_from_services(cloud, stack):
    cloud.whole = False
    cloud("cloudformation").delete_stack(StackName="all")
    alive = [s["StackName"] for s in cloud("cloudformation").describe_stacks()["Stacks"]]
    assert alive == []
    assert "things" not in [bucket["Name"] for bucket in cloud("s3").list_buckets()["Buckets"]]
    assert [c["status"] for c in cloud("ecs").describe_clusters(clusters=["c"])["clusters"]] == [
        "INACTIVE"
    ]
    assert cloud("efs").describe_file_systems()["FileSystems"] == []
    assert cloud("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert stack["Vpc"] not in [vpc["VpcId"] for vpc in cloud("ec2").describe_vpcs()["Vpcs"]]
    assert stack["Role"] not in [role["RoleName"] for role in cloud("iam").list_roles()["Roles"]]
    assert cloud("lambda").list_functions()["Functions"] == []
    assert cloud("servicediscovery").list_namespaces()["Namespaces"] == []
    assert cloud("cloudwatch").list_dashboards()["DashboardEntries"] == []
    assert cloud("sns").list_subscriptions()["Subscriptions"] == []
    assert [r["repositoryName"] for r in cloud("ecr").describe_repositories()["repositories"]] == []


def test_callers_are_in_the_emulators_account(cloud):
    cloud.whole = False  # moto's state is the process's, and another emulator begins with none
    with Server(EmulatorSettings(Pseudo(region=REGION, account_id="777788889999"))) as server:
        other = Cloud(server.url)
        other.deploy({"Logs": resource("Logs::LogGroup"), "Topic": resource("SNS::Topic")})
        assert other("sts").get_caller_identity()["Account"] == "777788889999"
        assert other("sns").list_topics()["Topics"][0]["TopicArn"].split(":")[4] == "777788889999"
        assert len(other("logs").describe_log_groups()["logGroups"]) == 1
        other.close()


def test_dynamic_references_read_parameters_and_secrets(cloud):
    cloud.whole = False
    cloud("ssm").put_parameter(Name="/image", Value="web:9", Type="String")
    cloud("ssm").put_parameter(Name="/list", Value="a,b", Type="StringList")
    arn = cloud("secretsmanager").create_secret(Name="key", SecretString='{"user": "u", "n": 5}')[
        "ARN"
    ]
    user = f"{{{{resolve:secretsmanager:{arn}:SecretString:user}}}}"
    name = "{{resolve:ssm:/image}}-{{resolve:secretsmanager:key:SecretString:n}}"
    values = {
        "A": resource("SecretsManager::Secret", {"Name": "one", "SecretString": user}),
        "B": resource(
            "SecretsManager::Secret",
            {"Name": "two", "SecretString": "{{resolve:secretsmanager:key}}"},
        ),
        "C": resource(
            "SecretsManager::Secret",
            {"Name": "three", "SecretString": {"Fn::Sub": f"${{Image}}:{name}"}},
        ),
    }
    stored = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/image"}
    template = {"Parameters": {"Image": stored}, "Resources": values}
    cloudformation = cloud("cloudformation")
    cloudformation.create_stack(StackName="values", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="values")
    result = [
        cloud("secretsmanager").get_secret_value(SecretId=n)["SecretString"]
        for n in ("one", "two", "three")
    ]
    assert result == ["u", '{"user": "u", "n": 5}', "web:9:web:9-5"]
    events = cloudformation.describe_stack_events(StackName="values")["StackEvents"]
    assert any(name in event.get("ResourceProperties", "") for event in events)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            "{{resolve:ssm:/nothing}}",
            "Unable to fetch parameters [/nothing] from parameter store for this account.",
        ),
        (
            "{{resolve:secretsmanager:gap:SecretString:x}}",
            "Could not find a value associated with JSONKey in SecretString",
        ),
        ("{{resolve:secretsmanager:nothing}}", "Secrets Manager can't find the specified secret."),
    ],
)
def test_missing_dynamic_values_fail_the_resource(cloud, value, reason):
    if "gap" in value:
        cloud("secretsmanager").create_secret(Name="gap", SecretString="{}")
    name = "bad-" + "".join(char for char in value if char.isalnum())
    body = json.dumps(
        {
            "Resources": {
                "A": resource("SecretsManager::Secret", {"Name": "bad", "SecretString": value})
            }
        }
    )
    cloud("cloudformation").create_stack(StackName=name, TemplateBody=body)
    events = cloud("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    failed = next(event for event in events if event["ResourceStatus"] == "CREATE_FAILED")
    assert reason in failed["ResourceStatusReason"]
