"""Preflight: each check passes, fails and is skipped on a fake account; its calls are tried on moto;
the verb prints the results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec.structs import replace

from stackwright.aws import Boto, ChangeSet, Deployment, Service, Stack, StackResource
from stackwright.aws.account import Subnet
from stackwright.core.errors import AwsError
from stackwright.core.model import Rendering
from stackwright.health.model import CheckState
from stackwright.preflight.checks import CHECKS, Check
from stackwright.preflight.model import PreflightCheck
from stackwright.preflight.permissions import NAMED_CALLS
from stackwright.preflight.preflight import run_preflight
from tests.support.aws import ACCOUNT, REGION, client
from tests.support.fakes import FakeAws, FakeSecret
from tests.support.projects import Project

PARAMS = f"""\
project: shop
region: {REGION}
account_id: '{ACCOUNT}'
stacks: [{{app: [base, web]}}]
secrets: {{app: {{name: shop/app}}}}
"""
APP = """\
# {{ project }} {{ secrets.app.name }} {{ region }} {{ account_id }}
Parameters:
  VpcId: {Type: "AWS::EC2::VPC::Id", Default: vpc-1}
  PublicIds: {Type: "List<AWS::EC2::Subnet::Id>", Default: "subnet-a, subnet-b"}
  PrivateIds: {Type: "List<AWS::EC2::Subnet::Id>", Default: "subnet-c,subnet-d"}
Resources:
  {{ nested_stacks() }}
"""
BASE = """\
Parameters:
  VpcId: {Type: "AWS::EC2::VPC::Id"}
  PrivateIds: {Type: "List<AWS::EC2::Subnet::Id>"}
Resources:
  Cluster:
    Type: AWS::ECS::Cluster
    Properties: {ClusterName: shop}
  Namespace:
    Type: AWS::ServiceDiscovery::PrivateDnsNamespace
    Properties: {Name: shop.local, Vpc: !Ref VpcId}
  Files:
    Type: AWS::EFS::FileSystem
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
  Mount1:
    Type: AWS::EFS::MountTarget
    Properties: {FileSystemId: !Ref Files, SubnetId: !Select [0, !Ref PrivateIds], SecurityGroups: [sg-1]}
  Mount2:
    Type: AWS::EFS::MountTarget
    Properties: {FileSystemId: !Ref Files, SubnetId: !Select [1, !Ref PrivateIds], SecurityGroups: [sg-1]}
  Resize:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: !Sub "shop-resize"
      ReservedConcurrentExecutions: 5
      VpcConfig: {SubnetIds: !Ref PrivateIds, SecurityGroupIds: [sg-1]}
      Role: arn:aws:iam::123456789012:role/x
      Code: {ZipFile: "x"}
Outputs:
  ClusterName:
    Value: !Ref Cluster
"""
WEB = """\
Parameters:
  ClusterName: {Type: String}
  PublicIds: {Type: "List<AWS::EC2::Subnet::Id>"}
  PrivateIds: {Type: "List<AWS::EC2::Subnet::Id>"}
Resources:
  Alb:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties: {Subnets: !Ref PublicIds}
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref Alb
      Certificates: [{CertificateArn: "arn:aws:acm:us-east-2:123456789012:certificate/1"}]
      DefaultActions: []
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: {AlarmName: shop-errors, ComparisonOperator: GreaterThanThreshold, EvaluationPeriods: 1}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties: {Cpu: "2048"}
  Service:
    Type: AWS::ECS::Service
    Properties:
      ServiceName: shop-web
      Cluster: !Ref ClusterName
      TaskDefinition: !Ref Task
      DeploymentConfiguration: {Alarms: {AlarmNames: [!Ref Alarm], Enable: true, Rollback: true}}
      NetworkConfiguration: {AwsvpcConfiguration: {Subnets: !Ref PrivateIds}}
  Target:
    Type: AWS::ApplicationAutoScaling::ScalableTarget
    Properties: {MaxCapacity: 9, MinCapacity: 1, ServiceNamespace: ecs, ScalableDimension: "ecs:service:DesiredCount"}
"""
FILES = {
    "params/defaults.yaml": PARAMS,
    "params/dev.yaml": "",
    "templates/app.yaml.j2": APP,
    "templates/app/base.yaml.j2": BASE,
    "templates/app/web.yaml.j2": WEB,
    "env/dev/keys.env.example": "API_KEY=\n",
}
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"
LINKED = (
    "AWSServiceRoleForECS",
    "AWSServiceRoleForElasticLoadBalancing",
    "AWSServiceRoleForAmazonElasticFileSystem",
    "AWSServiceRoleForApplicationAutoScaling_ECSService",
)
CALLS = {
    "stack": "cloudformation:DescribeStacks",
    "subnets": "ec2:DescribeSubnets",
    "zones": "ec2:DescribeAvailabilityZones",
    "certificate": "acm:DescribeCertificate",
    "namespaces": "servicediscovery:ListNamespaces",
    "quota": "service-quotas:GetServiceQuota",
    "unreserved_concurrency": "lambda:GetAccountSettings",
    "role_exists": "iam:GetRole",
    "services": "ecs:DescribeServices",
    "alarms": "cloudwatch:DescribeAlarms",
    "secret": "secretsmanager:DescribeSecret",
}


def service(rollout: str = "COMPLETED") -> Service:
    deployment = Deployment("d", "PRIMARY", rollout, "", "t", 1, 0, 1, 0)
    return Service("arn", "shop-web", "shop", "ACTIVE", 1, 0, 1, "t", (deployment,))


def stack(status: str, name: str = "shop-dev-app") -> Stack:
    return Stack(f"arn:{name}", name, status, updated=datetime(2026, 11, 24, 4, 5, 6, tzinfo=UTC))


@dataclass
class FakeAccount(FakeAws):
    """A good account; ``refused`` maps a method to the error that it raises."""

    secrets: dict[str, FakeSecret] = field(
        default_factory=lambda: {"shop/app": FakeSecret({"v1": '{"API_KEY":"k"}'})}
    )
    stacks_: dict[str, Stack] = field(default_factory=dict)
    resources_: list[StackResource] = field(default_factory=list)
    networks: list[Subnet] = field(
        default_factory=lambda: [
            Subnet("subnet-a", "vpc-1", "us-east-2a", 200),
            Subnet("subnet-b", "vpc-1", "us-east-2b", 200),
            Subnet("subnet-c", "vpc-1", "us-east-2a", 100),
            Subnet("subnet-d", "vpc-1", "us-east-2b", 50),
        ]
    )
    routes: dict[str, str] = field(
        default_factory=lambda: {
            "": "",
            **dict.fromkeys(("subnet-a", "subnet-b"), "igw-1"),
            "subnet-c": "nat-1",
            "subnet-d": "nat-1",
        }
    )
    certificates: dict[str, str] = field(default_factory=lambda: {CERTIFICATE: "ISSUED"})
    named: dict[str, str] = field(default_factory=dict)
    vcpu: float | None = 100
    unreserved: int = 900
    roles: Sequence[str] = LINKED
    running: list[Service] = field(default_factory=list)
    ringing: dict[str, str] = field(default_factory=dict)
    buckets: set[str] = field(default_factory=set)
    held: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    owners: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    refused: dict[str, AwsError] = field(default_factory=dict)

    def __getattribute__(self, name: str) -> Any:
        refused = object.__getattribute__(self, "__dict__").get("refused", {})
        if name in refused:
            raise refused[name]
        return super().__getattribute__(name)

    def stack(self, name: str) -> Stack | None:
        return self.stacks_.get(name)

    def change_set(self, change_set: str, *, values: bool) -> ChangeSet | None:
        assert change_set == "arn:c"
        return ChangeSet(
            "arn:c", "c", "s", "s", "CREATE_COMPLETE", "", "", (), {}, description="by ann"
        )

    def template(self, stack: str) -> str:
        return "Resources: {}"

    def resources(self, stack: str) -> list[StackResource]:
        return self.resources_

    def subnets(self, ids: Sequence[str]) -> list[Subnet]:
        return [subnet for subnet in self.networks if subnet.id in ids]

    def default_routes(self, vpc: str) -> Mapping[str, str]:
        return self.routes

    def zones(self) -> Sequence[str]:
        return ["us-east-2a", "us-east-2b", "us-east-2c"]

    def certificate(self, arn: str) -> str | None:
        return self.certificates.get(arn)

    def namespaces(self) -> Mapping[str, str]:
        return self.named

    def quota(self, service: str, code: str) -> float | None:
        assert (service, code) == ("fargate", "L-3032A538")
        return self.vcpu

    def unreserved_concurrency(self) -> int:
        return self.unreserved

    def reserved_concurrency(self, function: str) -> int | None:
        assert function == "shop-resize"
        raise refusal("ResourceNotFoundException")

    def bucket_exists(self, name: str) -> bool:
        return name in self.buckets

    def held_by(self, type_: str, name: str) -> str | None:
        known, identifier = self.held.get(name, ("", ""))
        return identifier if known == type_ else None

    def owner(self, physical_id: str) -> tuple[str, str] | None:
        return self.owners.get(physical_id)

    def role_exists(self, name: str) -> bool:
        return name in self.roles

    def services(self, cluster: str, names: Sequence[str]) -> list[Service]:
        assert (cluster, list(names)) == ("shop", ["shop-web"])
        return self.running

    def alarms(self, names: Sequence[str]) -> dict[str, str]:
        assert list(names) == ["shop-errors"]
        return self.ringing


def refusal(code: str, ours: str = "SW408") -> AwsError:
    made = AwsError.of(
        ours,
        f"not allowed: {code}" if ours == "SW403" else f"AWS refused ({code})",
        hint="ask for it",
    )
    made.code = code
    return made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project").write(FILES)


def check_account(project: Project, account: FakeAccount) -> dict[str, PreflightCheck]:
    rendering: Rendering = project.render()
    results = run_preflight(rendering.config, rendering, account)  # type: ignore[arg-type]
    assert len({result.name for result in results}) == len(results)
    return {result.name: result for result in results}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_has_a_title_a_reason_and_a_source(check: type[Check]):
    assert check.title
    assert check.reason.endswith(".")
    assert check.source.startswith("https://docs.aws.amazon.com/")


def test_good_account_passes_every_check(project: Project):
    results = check_account(project, FakeAccount())
    assert {result.state for result in results.values()} == {CheckState.OK}
    assert list(results) == [
        "account", "stack app", "subnets", "zones", "mount targets", "routes", "free addresses", "certificate",
        "namespace", "names", "secret shop/app", "services of shop", "rollback alarms", "Fargate quota", "Lambda concurrency",
        "service-linked roles",
    ]  # fmt: skip
    assert "at most 20 vCPU needed, the quota is 100" in results["Fargate quota"].detail


SUBNETS = FakeAccount().networks


def changed(index: int, **change: Any) -> list[Subnet]:
    return [replace(subnet, **change) if n == index else subnet for n, subnet in enumerate(SUBNETS)]


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("account", {"account": "999999999999"}, "the parameters name 123456789012"),
    ("stack app", {"stacks_": {"shop-dev-app": stack("UPDATE_IN_PROGRESS")}}, "since 2026-11-24 04:05"),
    ("stack app", {"stacks_": {"shop-dev-app": replace(stack("UPDATE_IN_PROGRESS"), change_set="arn:c")}}, ", by ann"),
    ("stack app", {"stacks_": {"shop-dev-app": stack("ROLLBACK_COMPLETE")}}, "delete the stack, then create it again"),
    ("stack app", {"stacks_": {"shop-dev-app": stack("UPDATE_ROLLBACK_FAILED")}}, "so did the rollback"),
    ("stack app", {"stacks_": {"shop-dev-app": stack("DELETE_FAILED")}}, "its deletion failed"),
    ("subnets", {"networks": changed(3, vpc="vpc-2")}, "subnet-d is in vpc-2"),
    ("zones", {"networks": changed(1, zone="us-east-2a")}, "app/web:Alb"),
    ("mount targets", {"networks": changed(3, zone="us-east-2a")}, "of one file system in us-east-2a"),
    ("routes", {"routes": {"": "", "subnet-c": "nat-1", "subnet-d": "nat-1"}}, "app/web:Alb needs an internet gateway"),
    ("routes", {"routes": {"": "igw-1"}}, "app/web:Service has no public address"),
    ("free addresses", {"networks": changed(2, free=7)}, "subnet-c has 7"),
    ("certificate", {"certificates": {}}, "certificate/1 does not exist"),
    ("certificate", {"certificates": {CERTIFICATE: "PENDING_VALIDATION"}}, "is PENDING_VALIDATION"),
    ("namespace", {"named": {"ns-9": "shop.local"}}, "the name of another namespace (ns-9)"),
    ("names", {"held": {"shop-resize": ("AWS::Lambda::Function", "shop-resize")}}, "shop-resize: exists already"),
    ("secret shop/app", {"secrets": {"shop/app": FakeSecret({"v1": "{}"})}}, "lacks API_KEY"),
    ("secret shop/app", {"secrets": {"shop/app": FakeSecret({"v1": '{"API_KEY":""}'})}}, "lacks API_KEY"),
    ("secret shop/app", {"secrets": {"shop/app": FakeSecret()}}, "has no value"),
    ("secret shop/app", {"secrets": {}}, "does not exist"),
    ("services of shop", {"running": [service("IN_PROGRESS")]}, "deployment in progress: shop-web"),
    ("rollback alarms", {"ringing": {"shop-errors": "ALARM"}}, "shop-errors in ALARM"),
    ("Fargate quota", {"vcpu": 6.0}, "at most 20 vCPU needed, the quota is 6"),
    ("Lambda concurrency", {"unreserved": 104}, "104 unreserved, 5 more to reserve"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "detail"), BAD, ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_fault_fails_its_check_alone_with_a_hint(
    project: Project, name: str, change: Any, detail: str
):
    results = check_account(project, FakeAccount(**change))
    assert detail in results[name].detail
    assert results[name].state is CheckState.FAIL
    assert results[name].hint
    also = (
        {"zones"} if name == "mount targets" else set()
    )  # two private subnets in one zone are both
    assert {
        result.name for result in results.values() if result.state is CheckState.FAIL
    } - also == {name}


def test_every_check_is_seen_to_fail(project: Project):
    seen = {name for name, _, _ in BAD} | {
        "service-linked roles"
    }  # nothing there can fail a deployment
    assert seen == set(check_account(project, FakeAccount()))


RETAINED = """\
Resources:
  Bucket: {Type: AWS::S3::Bucket, DeletionPolicy: Retain, Properties: {BucketName: shop-files}}
  Images: {Type: AWS::ECR::Repository, DeletionPolicy: Retain, Properties: {RepositoryName: shop/web}}
  Secret: {Type: AWS::SecretsManager::Secret, DeletionPolicy: Retain, Properties: {Name: shop/app}}
  Unnamed: {Type: AWS::S3::Bucket, DeletionPolicy: Retain}
"""


def test_retained_resources_fail_with_the_import_as_hint(project: Project):
    inner = RETAINED.replace("shop-files", "shop-inner").split("  Images")[0]
    files = {
        "templates/store.yaml.j2": f"{RETAINED}  {{{{ nested_stacks() }}}}\n",
        "templates/store/deep.yaml.j2": inner,
    }
    stacks = PARAMS.replace("[{app: [base, web]}]", "[{store: [deep]}, {app: [base, web]}]")
    project.write({**files, "params/defaults.yaml": stacks})
    left = FakeAccount(existing={"shop/web": "uri"}, buckets={"shop-files", "shop-inner"})
    result = check_account(project, left)["names"]
    assert result.state is CheckState.FAIL
    assert result.detail.startswith("shop-files, shop/web, shop/app, shop-inner: exists already")
    assert result.hint == (
        "add --import-existing for shop-files, shop/web, shop-inner; run stackwright import --env dev after adding to the "
        "parameters: imports: {store: {Secret: {Id: 'arn:shop/app'}}}"
    )
    some = FakeAccount(buckets={"shop-files"}, secrets={})
    assert check_account(project, some)["names"].detail.startswith("shop-files: exists already")
    assert check_account(project, some)["names"].hint == "add --import-existing"
    imports = "imports: {store: {Secret: {Id: 'arn:shop/app'}}}\n"
    project.write({"params/defaults.yaml": stacks + imports})
    assert check_account(project, FakeAccount())["names"].hint == "stackwright import --env dev"
    free = check_account(project, FakeAccount(secrets={}))["names"]
    assert (free.state, free.detail) == (CheckState.OK, "5 retained-resource names are available")
    deployed = FakeAccount(
        buckets={"shop-files"},
        stacks_={"shop-dev-store": stack("CREATE_COMPLETE", "shop-dev-store")},
    )
    assert "shop-files" not in check_account(project, deployed)["names"].detail


def test_missing_subnets_are_named(project: Project):
    rendering = project.render()
    account = FakeAccount(networks=SUBNETS[:3])
    results = run_preflight(rendering.config, rendering, account)  # type: ignore[arg-type]
    failed = [result for result in results if result.state is CheckState.FAIL]
    assert [result.detail for result in failed if result.name == "subnets"] == [
        f"subnet-d not found in {REGION}"
    ]


@pytest.mark.parametrize(
    ("zones", "state", "detail"),
    [
        (("us-east-2a", "us-east-2c"), CheckState.OK, "us-east-2a, us-east-2c"),
        (("us-east-2a", "us-east-2f"), CheckState.FAIL, "us-east-2f not found in us-east-2"),
    ],
)
def test_zones_of_new_subnets_must_exist(
    project: Project, zones: Sequence[str], state: CheckState, detail: str
):
    subnets = "".join(
        f"  Subnet{number}:\n    Type: AWS::EC2::Subnet\n"
        f"    Properties: {{VpcId: !Ref VpcId, CidrBlock: 10.0.{number}.0/24, AvailabilityZone: {zone}}}\n"
        for number, zone in enumerate(zones)
    )
    project.write(
        {"templates/app/base.yaml.j2": BASE.replace("Outputs:\n", f"{subnets}Outputs:\n")}
    )
    result = check_account(project, FakeAccount())["availability zones"]
    assert (result.state, result.detail) == (state, detail)
    if state is CheckState.FAIL:
        assert result.hint == "use zones of us-east-2: us-east-2a, us-east-2b, us-east-2c"


def test_zones_are_read(moto: str):
    assert Boto(REGION).zones() == ["us-east-2a", "us-east-2b", "us-east-2c"]


def test_private_subnet_without_default_route_needs_endpoints(project: Project):
    results = check_account(
        project,
        FakeAccount(routes={"": "", "subnet-a": "igw-1", "subnet-b": "igw-1", "subnet-d": "nat-1"}),
    )
    assert results["routes"].state is CheckState.SKIP
    assert "subnet-c" in results["routes"].detail
    assert "VPC endpoints" in results["routes"].detail


def test_certificate_of_another_region_fails_without_a_call(project: Project):
    text = WEB.replace("acm:us-east-2", "acm:us-east-1")
    project.write({"templates/app/web.yaml.j2": text})
    results = check_account(
        project, FakeAccount(refused={"certificate": refusal("must not be called")})
    )
    assert results["certificate"].state is CheckState.FAIL
    assert "is in us-east-1" in results["certificate"].detail


def test_namespace_of_this_environment_is_no_conflict(project: Project):
    ours = StackResource(
        "Namespace", "ns-9", "AWS::ServiceDiscovery::PrivateDnsNamespace", "CREATE_COMPLETE"
    )
    account = FakeAccount(
        stacks_={"shop-dev-app": stack("CREATE_COMPLETE")},
        named={"ns-9": "shop.local"},
        resources_=[ours],
    )
    assert (
        check_account(project, account)["namespace"].detail
        == "shop.local belongs to this environment"
    )


def test_secret_without_value_is_skipped_where_keys_env_has_it(project: Project):
    project.write({"env/dev/keys.env": "API_KEY=value-of-the-key\n"})
    result = check_account(project, FakeAccount(secrets={"shop/app": FakeSecret()}))[
        "secret shop/app"
    ]
    assert result.state is CheckState.SKIP
    assert "value-of-the-key" not in repr(result)
    project.write({"env/dev/keys.env": "API_KEY=\n"})
    result = check_account(project, FakeAccount(secrets={"shop/app": FakeSecret()}))["secrets"]
    assert result.state is CheckState.FAIL
    assert "API_KEY is missing or empty in keys.env" in result.detail


def test_missing_service_linked_role_is_skipped(project: Project):
    result = check_account(project, FakeAccount(roles=LINKED[1:]))["service-linked roles"]
    assert result.state is CheckState.SKIP
    assert "AWSServiceRoleForECS" in result.detail
    assert "ecs.amazonaws.com" in result.hint


@dataclass
class DeployedAccount(FakeAccount):
    """An account that has the stack, with a cluster of ECS."""

    def template(self, stack: str) -> str:
        return "Resources: {Shop: {Type: AWS::ECS::Cluster}}"

    def resources(self, stack: str) -> list[StackResource]:
        return []


def test_service_linked_role_of_a_deployed_type_is_not_mentioned(project: Project):
    deployed = {"shop-dev-app": stack("UPDATE_COMPLETE")}
    account = DeployedAccount(roles=LINKED[1:], stacks_=deployed)
    result = check_account(project, account)["service-linked roles"]
    assert (result.state, result.hint) == (CheckState.OK, "")


def test_account_of_a_deployed_stack_needs_no_account_id(project: Project):
    project.write(
        {"params/defaults.yaml": PARAMS.replace(f"account_id: '{ACCOUNT}'\n", "account_id: ''\n")}
    )
    deployed = FakeAccount(stacks_={"shop-dev-app": stack("UPDATE_COMPLETE")})
    result = check_account(project, deployed)["account"]
    assert (result.state, result.hint) == (CheckState.OK, "")
    assert result.detail.endswith("where shop-dev-app is deployed")


MORE = """\
Resources:
  Table: {Type: AWS::DynamoDB::Table, DeletionPolicy: Retain, Properties: {TableName: shop-orders}}
  World: {Type: AWS::DynamoDB::GlobalTable, DeletionPolicy: Retain, Properties: {TableName: shop-world}}
  Data: {Type: AWS::RDS::DBInstance, DeletionPolicy: Retain, Properties: {DBInstanceIdentifier: shop-data}}
  Cluster: {Type: AWS::RDS::DBCluster, DeletionPolicy: Retain, Properties: {DBClusterIdentifier: shop-cluster}}
  Logs: {Type: AWS::Logs::LogGroup, DeletionPolicy: Retain, Properties: {LogGroupName: /shop/web}}
  Queue: {Type: AWS::SQS::Queue, DeletionPolicy: Retain, Properties: {QueueName: shop-jobs}}
  Stream: {Type: AWS::Kinesis::Stream, DeletionPolicy: Retain, Properties: {Name: shop-clicks}}
  Setting: {Type: AWS::SSM::Parameter, DeletionPolicy: Retain, Properties: {Name: /shop/url, Type: String, Value: x}}
  Role: {Type: AWS::IAM::Role, DeletionPolicy: Retain, Properties: {RoleName: shop-role, AssumeRolePolicyDocument: {}}}
  Resizer: {Type: AWS::Lambda::Function, DeletionPolicy: Retain, Properties: {FunctionName: shop-resizer, Code: {}, Role: r}}
  Bucket: {Type: AWS::S3::Bucket, DeletionPolicy: Retain, Properties: {BucketName: shop-files}}
"""
HELD = {
    "shop-orders": ("AWS::DynamoDB::Table", "shop-orders"),
    "shop-world": ("AWS::DynamoDB::GlobalTable", "shop-world"),
    "shop-data": ("AWS::RDS::DBInstance", "shop-data"),
    "shop-cluster": ("AWS::RDS::DBCluster", "shop-cluster"),
    "/shop/web": ("AWS::Logs::LogGroup", "/shop/web"),
    "shop-jobs": ("AWS::SQS::Queue", "https://sqs/shop-jobs"),
    "shop-clicks": ("AWS::Kinesis::Stream", "shop-clicks"),
    "/shop/url": ("AWS::SSM::Parameter", "/shop/url"),
    "shop-role": ("AWS::IAM::Role", "shop-role"),
    "shop-resizer": ("AWS::Lambda::Function", "shop-resizer"),
}


def test_taken_names_are_found_for_every_retained_type(project: Project):
    stacks = PARAMS.replace("[{app: [base, web]}]", "[more, {app: [base, web]}]")
    project.write({"templates/more.yaml.j2": MORE, "params/defaults.yaml": stacks})
    result = check_account(project, FakeAccount(held=HELD, buckets={"shop-files"}))["names"]
    assert result.state is CheckState.FAIL
    assert result.detail.startswith(f"{', '.join(HELD)}, shop-files: exists already")
    assert result.hint == (
        "add --import-existing for shop-orders, shop-world, shop-data, shop-cluster, /shop/web, shop-clicks, /shop/url, "
        "shop-role, shop-resizer, shop-files; run stackwright import --env dev after adding to the parameters: "
        "imports: {more: {Queue: {QueueUrl: 'https://sqs/shop-jobs'}}}"
    )
    free = check_account(project, FakeAccount())["names"]
    assert (free.state, free.detail) == (CheckState.OK, "12 retained-resource names are available")


def test_name_of_another_stack_is_never_imported(project: Project):
    stacks = PARAMS.replace("[{app: [base, web]}]", "[more, {app: [base, web]}]")
    project.write({"templates/more.yaml.j2": MORE, "params/defaults.yaml": stacks})
    owners = {"shop-files": ("other", "Files")}
    account = FakeAccount(buckets={"shop-files"}, owners=owners)
    result = check_account(project, account)["names"]
    assert result.detail == (
        "shop-files (of other:Files): belongs to another stack, no new stack can create it"
    )
    assert result.hint == "choose other names for more:Bucket"
    live = replace(stack("CREATE_COMPLETE", "other"), name="other")
    ours = FakeAccount(buckets={"shop-files"}, owners=owners, stacks_={"shop-dev-app": live})
    assert check_account(project, ours)["names"].state is CheckState.OK


def test_denied_type_hides_no_taken_name_of_another_type(project: Project):
    """A role that was made before a type was looked for lacks its permission."""
    stacks = PARAMS.replace("[{app: [base, web]}]", "[more, {app: [base, web]}]")
    project.write({"templates/more.yaml.j2": MORE, "params/defaults.yaml": stacks})
    denied = {"held_by": refusal("AccessDenied", "SW403")}
    result = check_account(project, FakeAccount(refused=denied, buckets={"shop-files"}))["names"]
    assert result.state is CheckState.FAIL
    assert result.detail.startswith("shop-files: exists already")
    skipped = check_account(project, FakeAccount(refused=denied))["names"]
    assert skipped.state is CheckState.SKIP
    assert (
        skipped.detail == f"{', '.join(HELD)}, shop-resize: not checked: not allowed: AccessDenied"
    )
    assert skipped.hint == "ask for it"


def test_account_is_skipped_without_account_id(project: Project):
    project.write(
        {"params/defaults.yaml": PARAMS.replace(f"account_id: '{ACCOUNT}'\n", "account_id: ''\n")}
    )
    assert check_account(project, FakeAccount())["account"].state is CheckState.SKIP


def test_existing_reservations_are_not_counted_twice(project: Project):
    class Deployed(FakeAccount):
        def reserved_concurrency(self, function: str) -> int | None:
            return 5

    assert (
        check_account(project, Deployed(unreserved=100))["Lambda concurrency"].state
        is CheckState.OK
    )


NAMES = {
    "stack": "stack app", "subnets": "network", "certificate": "certificate", "namespaces": "namespace",
    "quota": "Fargate quota", "unreserved_concurrency": "Lambda concurrency", "role_exists": "service-linked roles",
    "services": "service deployments", "alarms": "rollback alarms", "secret": "secrets",
}  # fmt: skip


@pytest.mark.parametrize("method", NAMES)
def test_denied_call_skips_its_check_alone(project: Project, method: str):
    denied = refusal(CALLS[method], "SW403")
    results = check_account(project, FakeAccount(refused={method: denied}))
    assert results[NAMES[method]] == PreflightCheck(
        NAMES[method], CheckState.SKIP, f"not allowed: {CALLS[method]}", "ask for it"
    )
    also = {"names"} if method == "stack" else set()  # names of new stacks
    others = {
        result.state for name, result in results.items() if name not in {NAMES[method], *also}
    }
    assert others == {CheckState.OK}


@pytest.mark.parametrize("method", NAMES)
def test_other_refusal_fails_its_check(project: Project, method: str):
    results = check_account(project, FakeAccount(refused={method: refusal("Throttling", "SW407")}))
    assert results[NAMES[method]].state is CheckState.FAIL


def test_call_that_the_endpoint_does_not_implement_is_skipped(project: Project):
    results = check_account(
        project, FakeAccount(vcpu=None, refused={"unreserved_concurrency": refusal("404")})
    )
    assert results["Fargate quota"].state is CheckState.SKIP
    assert results["Lambda concurrency"] == PreflightCheck(
        "Lambda concurrency",
        CheckState.SKIP,
        "not checked: the endpoint does not implement this call",
    )


def test_expired_credentials_end_preflight(project: Project):
    with pytest.raises(AwsError, match="expired"):
        check_account(
            project,
            FakeAccount(refused={"alarms": AwsError.of("SW402", "the credentials have expired")}),
        )


def test_resources_of_the_templates_need_no_check(tmp_path: Path):
    files = {
        "params/defaults.yaml": f"project: news\nregion: {REGION}\n",
        "params/dev.yaml": "",
        "templates/main.yaml.j2": "# {{ project }} {{ region }}\nResources:\n  T: {Type: AWS::SNS::Topic}\n",
    }
    results = check_account(Project(tmp_path / "p").write(files), FakeAccount())
    assert list(results) == ["account", "stack main"]


# --- images


class Index(BaseHTTPRequestHandler):
    """A registry that has ``team/there`` for linux/amd64 and ``team/other`` for linux/arm64, under
    any tag."""

    def do_GET(self) -> None:
        parts = self.path.split("/")
        architecture = {"there": "amd64", "other": "arm64"}.get(parts[3])
        entry = {
            "digest": f"sha256:{'1' * 64}",
            "platform": {"os": "linux", "architecture": architecture},
        }
        held = (
            {"config": {"digest": "c"}}
            if parts[-1].startswith("sha256:")
            else {"manifests": [entry]}
        )
        data = json.dumps(held).encode()
        self.send_response(200 if architecture else 404)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's output is not a log."""


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


REPOSITORIES = {f"team/{name}": f"host/team/{name}" for name in ("there", "other", "absent")}
IMAGES: list[tuple[str, str, CheckState, str]] = [
    ("ok", "{repository: team/there, tag: '1'}", CheckState.OK, "team/there@sha256:"),
    (
        "platform",
        "{repository: team/other, tag: '1'}",
        CheckState.FAIL,
        "is for linux/arm64, the tasks are linux/amd64",
    ),
    (
        "absent",
        "{repository: team/absent, tag: '1'}",
        CheckState.FAIL,
        "team/absent:1 does not exist",
    ),
    (
        "mirrored",
        "{repository: team/absent, tag: '1', source: docker.io/x}",
        CheckState.SKIP,
        "the deployment mirrors it",
    ),
    (
        "built",
        "{repository: team/absent, tag: '1', context: web}",
        CheckState.SKIP,
        "the deployment builds and pushes it",
    ),
    (
        "elsewhere",
        "{repository: team/absent, tag: '1', context: gone}",
        CheckState.FAIL,
        "does not exist",
    ),
    (
        "nowhere",
        "{repository: team/none, tag: '1'}",
        CheckState.FAIL,
        "the repository team/none does not exist",
    ),
]


def with_image(project: Project, entry: str, template: str = "Type: AWS::SNS::Topic") -> Project:
    return project.write(
        {
            "params/defaults.yaml": f"project: news\nregion: {REGION}\nimages:\n  web: {entry}\n",
            "templates/main.yaml.j2": f"# {{{{ project }}}} {{{{ region }}}}\nResources:\n  T: {{{template}}}\n",
            "web/Dockerfile": "FROM scratch\n",
            "params/dev.yaml": "",
        }
    )


@pytest.mark.parametrize(
    ("name", "entry", "state", "detail"), IMAGES, ids=[name for name, *_ in IMAGES]
)
def test_image_is_present_or_pushed_by_the_deployment(
    tmp_path: Path, index: str, name: str, entry: str, state: CheckState, detail: str
):
    project = with_image(Project(tmp_path / name), entry)
    rendering = project.render()
    account = FakeAccount(existing=REPOSITORIES)
    results = run_preflight(rendering.config, rendering, account, registry=index)  # type: ignore[arg-type]
    image = next(result for result in results if result.name == "image web")
    assert (image.state, bool(image.hint)) == (state, state is CheckState.FAIL)
    assert detail in image.detail


def test_repository_of_the_templates_is_skipped(tmp_path: Path, index: str):
    project = with_image(
        Project(tmp_path / "p"),
        "{repository: team/none, tag: '1'}",
        "Type: AWS::ECR::Repository, Properties: {}",
    )
    rendering = project.render()
    results = run_preflight(rendering.config, rendering, FakeAccount(), registry=index)  # type: ignore[arg-type]
    image = next(result for result in results if result.name == "image web")
    assert image.detail == "the deployment creates team/none first"
    assert image.state is CheckState.SKIP


# --- calls


def test_subnets_and_default_routes_are_read(moto: str):
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/28")["Subnet"] for n in range(2)]
    public, private = (subnet["SubnetId"] for subnet in made)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=public)
    aws = Boto(REGION)
    subnets = aws.subnets([public, private, "subnet-0123456789abcdef0"])
    assert {(subnet.id, subnet.vpc, subnet.free) for subnet in subnets} == {
        (public, vpc, 11),
        (private, vpc, 11),
    }
    assert subnets[0].zone.startswith(REGION)
    assert aws.default_routes(vpc) == {"": "", public: gateway}


def test_certificates_namespaces_and_roles_are_read(moto: str):
    aws = Boto(REGION)
    assert (
        aws.certificate(
            f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/12345678-1234-4234-8234-123456789012"
        )
        is None
    )
    arn = client("acm").request_certificate(DomainName="shop.example")["CertificateArn"]
    assert aws.certificate(arn) in ("PENDING_VALIDATION", "ISSUED")
    assert aws.namespaces() == {}
    client("servicediscovery").create_private_dns_namespace(Name="shop.local", Vpc="vpc-1")
    assert list(aws.namespaces().values()) == ["shop.local"]
    assert not aws.role_exists("AWSServiceRoleForECS")
    client("iam").create_role(RoleName="AWSServiceRoleForECS", AssumeRolePolicyDocument="{}")
    assert aws.role_exists("AWSServiceRoleForECS")


@pytest.mark.filterwarnings(
    "ignore:Exception.QueueDoesNotExist"
)  # moto's own, once an emulator ran in the process
def test_holder_of_a_name_is_found(moto: str):
    aws = Boto(REGION)
    assert [aws.held_by(type_, name) for name, (type_, _) in HELD.items()] == [None] * len(HELD)
    keys: Any = [{"AttributeName": "id", "KeyType": "HASH"}]
    kinds: Any = [{"AttributeName": "id", "AttributeType": "S"}]
    table = {"KeySchema": keys, "AttributeDefinitions": kinds, "BillingMode": "PAY_PER_REQUEST"}
    for name in ("shop-orders", "shop-world"):
        client("dynamodb").create_table(TableName=name, **table)
    login = {"MasterUsername": "shop", "MasterUserPassword": "not-a-secret"}
    client("rds").create_db_instance(
        DBInstanceIdentifier="shop-data", DBInstanceClass="db.t4g.micro", Engine="postgres", **login
    )
    client("rds").create_db_cluster(
        DBClusterIdentifier="shop-cluster", Engine="aurora-postgresql", **login
    )
    client("logs").create_log_group(logGroupName="/shop/web")
    url = client("sqs").create_queue(QueueName="shop-jobs")["QueueUrl"]
    client("kinesis").create_stream(StreamName="shop-clicks", ShardCount=1)
    client("ssm").put_parameter(Name="/shop/url", Value="x", Type="String")
    role = client("iam").create_role(RoleName="shop-role", AssumeRolePolicyDocument="{}")["Role"]
    runtime = {"Runtime": "python3.13", "Handler": "index.handler", "Code": {"ZipFile": b""}}
    client("lambda").create_function(FunctionName="shop-resizer", Role=role["Arn"], **runtime)
    holders = {name: aws.held_by(type_, name) for name, (type_, _) in HELD.items()}
    assert holders == {name: name for name in HELD} | {"shop-jobs": url}
    assert aws.held_by("AWS::Logs::LogGroup", "/shop") is None
    assert set(NAMED_CALLS) == {type_ for type_, _ in HELD.values()}


def test_unknown_quota_is_none(moto: str):
    assert Boto(REGION).quota("vpc", "L-F678F1CE") == 5
    assert Boto(REGION).quota("fargate", "L-3032A538") is None


# --- the verb


@pytest.fixture
def good(moto: str, project: Project) -> Callable[[], Project]:
    """A project whose network, certificate and secret are in moto."""

    def make() -> Project:
        ec2 = client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ids = [
            ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{'ab'[n % 2]}"
            )
            for n in range(4)
        ]
        names = [subnet["Subnet"]["SubnetId"] for subnet in ids]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        for name in names[:2]:
            ec2.associate_route_table(RouteTableId=table, SubnetId=name)
        client("secretsmanager").create_secret(Name="shop/app", SecretString='{"API_KEY":"k"}')
        arn = client("acm").request_certificate(DomainName="shop.example")["CertificateArn"]
        app = APP.replace("vpc-1", vpc).replace("subnet-a, subnet-b", ",".join(names[:2]))
        web = WEB.replace(CERTIFICATE, arn)
        return project.write(
            {
                "templates/app.yaml.j2": app.replace("subnet-c,subnet-d", ",".join(names[2:])),
                "templates/app/web.yaml.j2": web,
            }
        )

    return make


def test_preflight_prints_every_check_and_exits_1_on_failure(good: Callable[[], Project]):
    project = good()
    run = project.run("preflight", "--env", "dev", NO_COLOR="1", COLUMNS="80")
    states = {
        line[7:].split("  ")[0].strip(): line[:6].strip()
        for line in run.stdout.splitlines()
        if line[0] == "["
    }
    assert states["account"] == "[ok]"
    assert states["subnets"] == "[ok]"
    assert states["routes"] == "[skip]"
    assert states["secret shop/app"] == "[ok]"
    assert states["certificate"] == "[fail]"  # nobody validates it in moto
    assert run.returncode == 1
    assert "1 fail" in run.stderr
    assert "\x1b" not in run.stdout


def test_preflight_prints_json(good: Callable[[], Project]):
    project = good()
    run = project.run("preflight", "--env", "dev", "--format", "json")
    data = json.loads(run.stdout)
    assert {result["state"] for result in data} == {"ok", "skip", "fail"}
    assert all(set(result) == {"name", "state", "detail", "hint"} for result in data)
    assert run.returncode == 1


def test_another_account_is_refused_before_any_check(project: Project, moto: str):
    run = project.run("preflight", "--env", "dev", "--set", "account_id=999999999999")
    assert run.returncode == 1
    assert run.stdout == ""
    assert "SW404" in run.stderr
