"""The roles of a pipeline: what they allow, by an evaluation of IAM's own written for these
tests."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackwright.cfn.schema import Schemas
from stackwright.config.load import list_environments, load_config
from stackwright.core.model import Rendering
from stackwright.preflight.permissions import (
    NAMED_CALLS,
    POLICIES_LIMIT,
    POLICY_LIMIT,
    Permissions,
    derive_permissions,
)
from stackwright.render.render import render_templates
from stackwright.render.wire import wire_root
from stackwright.report.permissions import roles_json, roles_template
from tests.support.projects import REPOSITORY, TOPIC, small

ACCOUNT = "123456789012"
ENVIRONMENTS = list_environments(REPOSITORY)


@cache
def rendering(environment: str) -> Rendering:
    return render_templates(load_config(REPOSITORY, environment), wire_root)


@cache
def permissions_of(environment: str) -> Permissions:
    return derive_permissions(rendering(environment))


@cache
def documents(environment: str) -> Mapping[str, list[Any]]:
    """Role -> the statements of its policies, as IAM gets them."""
    data = roles_json(permissions_of(environment), ACCOUNT, "owner/name")
    return {
        role["name"]: [
            statement for policy in role["policies"] for statement in policy["Statement"]
        ]
        for role in data["roles"]
    }


def allows(statements: list[Any], action: str, arn: str, **context: str) -> bool:
    """Whether IAM would allow an action on a resource, given what the request says (condition key
    -> value)."""
    return any(
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in statement["Action"])
        and any(fnmatchcase(arn, pattern) for pattern in statement["Resource"])
        and all(
            any(
                fnmatchcase(context.get(key, ""), value)
                for value in ([values] if isinstance(values, str) else values)
            )
            for tests in statement.get("Condition", {}).values()
            for key, values in tests.items()
        )
        for statement in statements
    )


REGION = {"aws:RequestedRegion": "us-east-2"}
CASES = [
    ("ecs:UpdateService", "ecs:us-east-2:{a}:service/euglena-prod-cluster/euglena-prod-gateway", True),
    ("ecs:UpdateService", "ecs:us-east-2:{a}:service/other/euglena-prod-gateway", False),
    ("ecs:RegisterTaskDefinition", "ecs:us-east-2:{a}:task-definition/euglena-prod-agent:7", True),
    ("ecs:RegisterTaskDefinition", "ecs:us-east-2:{a}:task-definition/euglena-staging-agent:7", False),
    ("lambda:UpdateFunctionCode", "lambda:us-east-2:{a}:function:euglena-prod-autoscaling", True),
    ("lambda:UpdateFunctionCode", "lambda:us-east-2:{a}:function:billing", False),
    ("lambda:UpdateFunctionCode", "lambda:eu-west-1:{a}:function:euglena-prod-autoscaling", False),
    ("logs:CreateLogGroup", "logs:us-east-2:{a}:log-group:/ecs/euglena-prod/gateway", True),
    ("logs:DeleteLogGroup", "logs:us-east-2:{a}:log-group:/ecs/euglena-staging/gateway", False),
    ("iam:PutRolePolicy", "iam::{a}:role/euglena-prod-gateway-task", True),
    ("iam:PutRolePolicy", "iam::{a}:role/admin", False),
    ("iam:PutRolePolicy", "iam::{a}:role/deploy/euglena-prod-cloudformation", False),
    ("iam:UpdateAssumeRolePolicy", "iam::{a}:role/deploy/euglena-prod-deploy", False),
    ("secretsmanager:CreateSecret", "secretsmanager:us-east-2:{a}:secret:euglena-prod/app-AbCdEf", True),
    ("secretsmanager:GetSecretValue", "secretsmanager:us-east-2:{a}:secret:euglena-dev/app-AbCdEf", False),
    ("ecr:CreateRepository", "ecr:us-east-2:{a}:repository/euglena-prod/gateway", True),
    ("s3:CreateBucket", "s3:::euglena-prod-artifacts-123456789012-us-east-2", True),
    ("s3:GetObject", "s3:::euglena-prod-artifacts-123456789012-us-east-2/abc.zip", True),
    ("s3:GetObject", "s3:::somebodys-bucket/abc.zip", False),
    ("events:PutRule", "events:us-east-2:{a}:rule/euglena-prod-autoscaling-trigger", True),
    ("elasticloadbalancing:DeleteListener", "elasticloadbalancing:us-east-2:{a}:listener/app/euglena-prod-alb/1", True),
    ("cloudwatch:PutDashboard", "cloudwatch::{a}:dashboard/euglena-prod", True),
    ("cloudwatch:PutMetricAlarm", "cloudwatch:us-east-2:{a}:alarm:TargetTracking-service/x/y-AlarmHigh-1", True),
    ("cloudformation:CreateStack", "cloudformation:us-east-2:{a}:stack/euglena-prod-app-Network-1X2/abc", True),
    ("cloudformation:CreateStack", "cloudformation:us-east-2:{a}:stack/euglena-prod-app/abc", False),
    ("ec2:CreateVpc", "ec2:us-east-2:{a}:vpc/vpc-1", True),
    ("ec2:RunInstances", "ec2:us-east-2:{a}:instance/i-1", False),
]  # fmt: skip


@pytest.mark.parametrize(("action", "arn", "expected"), CASES, ids=lambda value: str(value))
def test_service_role_reaches_only_named_resources(action, arn, expected):
    statements = documents("prod")["euglena-prod-cloudformation"]
    assert allows(statements, action, f"arn:aws:{arn.format(a=ACCOUNT)}", **REGION) is expected


def test_unnamed_resources_are_deleted_only_with_the_stack_tag():
    statements = documents("prod")["euglena-prod-cloudformation"]
    key = "aws:ResourceTag/aws:cloudformation:stack-name"
    for action, arn in (
        ("ec2:DeleteVpc", "ec2:us-east-2:{a}:vpc/vpc-1"),
        ("ec2:DeleteSecurityGroup", "ec2:us-east-2:{a}:security-group/sg-1"),
        ("elasticfilesystem:DeleteFileSystem", "elasticfilesystem:us-east-2:{a}:file-system/fs-1"),
    ):
        whole = f"arn:aws:{arn.format(a=ACCOUNT)}"
        assert allows(statements, action, whole, **{key: "euglena-prod-app-Network-1"})
        assert not allows(statements, action, whole, **{key: "euglena-staging-app-Network-1"})
        assert not allows(statements, action, whole)


def needed(environment: str) -> Iterator[tuple[str, str]]:
    """Every type of an environment, with each call of its own service that its handlers make."""
    schemas = Schemas(rendering(environment).config.region)
    types = {r["Type"] for d in rendering(environment).documents for r in d.resources().values()}
    for name in sorted(types - {"AWS::CloudFormation::Stack"}):
        handlers = schemas.get(name).permissions
        service = (
            handlers["create"][0].partition(":")[0] if name != "AWS::Events::Rule" else "events"
        )
        for action in sorted(
            {a for h in ("create", "read", "update", "delete") for a in handlers.get(h, ())}
        ):
            if action.startswith(f"{service}:"):
                yield name, action


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_resource_type_is_covered(environment):
    from stackwright.cfn.authorization import read_arn_kinds

    assert permissions_of(environment).uncovered == ()
    role = next(name for name in documents(environment) if name.endswith("-cloudformation"))
    allowed = {
        action for statement in documents(environment)[role] for action in statement["Action"]
    }
    optional = {"lambda:PassCapacityProvider"}
    missing = {
        (name, action)
        for name, action in needed(environment)
        if action not in allowed | optional and read_arn_kinds(action) is not None
    }
    assert missing == set()
    assert len(list(needed(environment))) > 150


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_policies_are_within_iams_quotas(environment):
    for role in roles_json(permissions_of(environment), ACCOUNT, "owner/name")["roles"]:
        sizes = [len(json.dumps(document, separators=(",", ":"))) for document in role["policies"]]
        assert max(sizes) <= POLICY_LIMIT
        assert len(sizes) <= POLICIES_LIMIT


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_statements_are_no_wider_than_needed(environment):
    for role, statements in documents(environment).items():
        for statement in statements:
            assert statement["Effect"] == "Allow"
            assert not any("*" in action for action in statement["Action"]), role
            if "iam:PassRole" in statement["Action"]:
                assert "*" not in statement["Resource"]
                assert statement["Condition"]["StringEquals"]["iam:PassedToService"]
            if statement["Resource"] == ["*"]:
                services = {action.partition(":")[0] for action in statement["Action"]}
                assert services <= {"route53"} or statement["Condition"]


def test_roles_are_passed_to_the_services_that_they_trust():
    statements = documents("prod")["euglena-prod-cloudformation"]
    task = f"arn:aws:iam::{ACCOUNT}:role/euglena-prod-gateway-task"
    assert allows(
        statements, "iam:PassRole", task, **{"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    )
    assert not allows(
        statements, "iam:PassRole", task, **{"iam:PassedToService": "ec2.amazonaws.com"}
    )
    own = f"arn:aws:iam::{ACCOUNT}:role/deploy/euglena-prod-cloudformation"
    for role in ("euglena-prod-plan", "euglena-prod-deploy"):
        passed = documents("prod")[role]
        assert allows(
            passed, "iam:PassRole", own, **{"iam:PassedToService": "cloudformation.amazonaws.com"}
        )
        assert not allows(
            passed, "iam:PassRole", task, **{"iam:PassedToService": "ecs-tasks.amazonaws.com"}
        )


def test_plan_role_changes_no_resource():
    stack = f"arn:aws:cloudformation:us-east-2:{ACCOUNT}:stack/euglena-prod-app/1"
    plan, deploy = documents("prod")["euglena-prod-plan"], documents("prod")["euglena-prod-deploy"]
    assert allows(plan, "cloudformation:CreateChangeSet", stack)
    for action in ("ExecuteChangeSet", "DeleteStack", "CancelUpdateStack", "SetStackPolicy"):
        assert not allows(plan, f"cloudformation:{action}", stack)
        assert allows(deploy, f"cloudformation:{action}", stack)
        assert not allows(deploy, f"cloudformation:{action}", stack.replace("prod", "staging"))
    for action in ("UpdateStack", "CreateStack"):  # what was not looked at in a change set
        assert not allows(deploy, f"cloudformation:{action}", stack)


IAM_NAMES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
IAM_ACTIONS = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "lambda:Invoke": "lambda:InvokeFunction",
}
WITHOUT_PERMISSION = {"sts:GetCallerIdentity", "s3:DeleteObject"}
"""The first needs none; the second is prune's, which a person runs."""


def calls() -> set[str]:
    """The IAM action of every call that stackwright/aws makes, read from its source."""
    actions = set()
    for path in (REPOSITORY / "stackwright/aws").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            texts = [
                arg.value
                for arg in node.args
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            ]
            position = {"_call": 0, "_pages": 0, "_find": 1}.get(node.func.attr)
            if node.func.attr == "_cfn" and texts:
                actions.add(iam("cloudformation", texts[0]))
            elif position is not None and len(texts) > position + 1:
                actions.add(iam(*texts[position : position + 2]))
    return actions - WITHOUT_PERMISSION


def iam(service: str, operation: str) -> str:
    name = "".join(part.capitalize() for part in operation.replace("aws", "AWS").split("_"))
    name = re.sub("Aws", "AWS", name)
    action = f"{IAM_NAMES.get(service, service)}:{name}"
    return IAM_ACTIONS.get(action, action)


def test_every_call_of_stackwright_is_allowed():
    allowed = {
        action.lower() for s in documents("prod")["euglena-prod-deploy"] for action in s["Action"]
    }
    allowed |= {
        action.lower() for action in NAMED_CALLS.values()
    }  # only where templates have such a type
    assert {call for call in calls() if call.lower() not in allowed} == set()
    assert len(calls()) > 40


def test_roles_trust_one_branch_and_one_environment():
    trust = {
        role["name"]: role["trust"]
        for role in roles_json(permissions_of("prod"), ACCOUNT, "owner/name")["roles"]
    }
    subject = "token.actions.githubusercontent.com:sub"
    plan = trust["euglena-prod-plan"]["Statement"][0]
    deploy = trust["euglena-prod-deploy"]["Statement"][0]
    assert plan["Condition"]["StringEquals"][subject] == "repo:owner/name:ref:refs/heads/main"
    assert deploy["Condition"]["StringEquals"][subject] == "repo:owner/name:environment:prod"
    assert deploy["Principal"]["Federated"].startswith(f"arn:aws:iam::{ACCOUNT}:oidc-provider/")
    assert "StringLike" not in json.dumps(trust)


def test_cfn_lint_finds_nothing_in_the_template(tmp_path):
    path = tmp_path / "roles.yaml"
    path.write_text(roles_template(permissions_of("prod")), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--format", "parseable", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (run.stdout, run.returncode) == ("", 0)


def test_template_leaves_the_account_to_cloudformation():
    text = roles_template(permissions_of("prod"), "owner/name")
    body = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - plain texts only
    assert body["Parameters"]["Repository"]["Default"] == "owner/name"
    assert not re.search(r"\d{12}", text)
    assert "us-east-2" in text


MAIN = """\
Resources:
  Cache:
    Type: AWS::DAX::Cluster
    Properties: {IAMRoleARN: x, NodeType: y, ReplicationFactor: 1}
  Topic:
    Type: AWS::SNS::Topic
"""


NAMED = """\
Resources:
  Table: {Type: AWS::DynamoDB::Table, Properties: {TableName: news-dev-orders, KeySchema: []}}
  Data: {Type: AWS::RDS::DBInstance, Properties: {DBInstanceIdentifier: news-dev-data}}
  Cluster: {Type: AWS::RDS::DBCluster, Properties: {DBClusterIdentifier: news-dev-cluster, Engine: x}}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /news-dev/web}}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: news-dev-jobs}}
  Stream: {Type: AWS::Kinesis::Stream, Properties: {Name: news-dev-clicks}}
  Setting: {Type: AWS::SSM::Parameter, Properties: {Name: /news-dev/url, Type: String, Value: x}}
"""


def test_preflight_may_check_names_of_the_templates(tmp_path: Path):
    files = {
        "templates/main.yaml.j2": NAMED,
        "params/defaults.yaml": "project: news\nregion: us-east-2\n",
    }
    made = derive_permissions(small(tmp_path, files).render())
    roles = {role["name"]: role for role in roles_json(made, ACCOUNT, "owner/name")["roles"]}
    for role in ("news-dev-plan", "news-dev-deploy"):
        statements = [
            statement for policy in roles[role]["policies"] for statement in policy["Statement"]
        ]
        for action, arn in (
            ("dynamodb:DescribeTable", "dynamodb:us-east-2:{a}:table/news-dev-"),
            ("logs:DescribeLogStreams", "logs:us-east-2:{a}:log-group:/news-dev/"),
            ("sqs:GetQueueUrl", "sqs:us-east-2:{a}:news-dev-"),
            ("kinesis:DescribeStreamSummary", "kinesis:us-east-2:{a}:stream/news-dev-"),
            ("ssm:ListTagsForResource", "ssm:us-east-2:{a}:parameter/news-dev/"),
        ):
            whole = f"arn:aws:{arn.format(a=ACCOUNT)}"
            assert allows(statements, action, f"{whole}x", **REGION), action
            assert not allows(statements, action, whole.replace("news", "other"), **REGION), action
        for action, kind in (
            ("rds:DescribeDBInstances", "db"),
            ("rds:DescribeDBClusters", "cluster"),
        ):
            assert allows(
                statements, action, f"arn:aws:rds:us-east-2:{ACCOUNT}:{kind}:news-dev-x", **REGION
            )


def test_types_without_permissions_in_their_schema_are_reported(tmp_path: Path):
    project = small(tmp_path, {"templates/main.yaml.j2": MAIN, "params/defaults.yaml": ""})
    run = project.run("permissions", "--env", "dev")
    assert run.returncode == 0
    assert "SW861" in run.stderr
    assert "AWS::DAX::Cluster" in run.stderr
    assert "sns:CreateTopic" in run.stdout


def test_missing_service_role_is_reported_with_its_arn(tmp_path: Path):
    project = small(
        tmp_path,
        {
            "params/dev.yaml": f"project: news\naccount_id: '{ACCOUNT}'\n",
            "params/defaults.yaml": "",
        },
    )
    project.write(
        {
            "templates/main.yaml.j2": TOPIC.replace("title", "project").replace(
                "Topic:", "# {{ account_id }}\n  Topic:", 1
            )
        }
    )
    run = project.run("permissions", "--env", "dev")
    assert "SW863" in run.stderr
    assert (
        f"deploy.role_arn: arn:aws:iam::{ACCOUNT}:role/deploy/news-dev-cloudformation" in run.stderr
    )


def test_configured_service_role_is_passed(tmp_path: Path):
    arn = f"arn:aws:iam::{ACCOUNT}:role/own"
    project = small(tmp_path, {"params/dev.yaml": f"deploy: {{role_arn: '{arn}'}}\n"})
    run = project.run("permissions", "--env", "dev")
    assert run.returncode == 0
    assert "SW863" not in run.stderr
    assert arn in run.stdout


def test_json_needs_an_account_and_a_repository(tmp_path: Path):
    project = small(tmp_path)
    run = project.run(
        "permissions", "--env", "dev", "--format", "json", "--repository", "owner/name"
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert "account_id" in run.stderr
    run = project.run(
        "permissions", "--env", "dev", "--format", "json", "--set", "account_id=123456789012"
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert "--repository" in run.stderr


def test_generated_names_are_patterns_of_the_stack(tmp_path: Path):
    project = small(
        tmp_path,
        {
            "params/defaults.yaml": "title: x\nproject: news\n",
            "templates/main.yaml.j2": f"# {{{{ project }}}}\n{TOPIC}",
        },
    )
    statements = [
        statement
        for policy in roles_json(derive_permissions(project.render()), ACCOUNT, "o/n")["roles"][2][
            "policies"
        ]
        for statement in policy["Statement"]
    ]
    assert allows(
        statements, "sns:CreateTopic", f"arn:aws:sns:us-east-1:{ACCOUNT}:news-dev-main-Topic-1X2Y"
    )
    assert not allows(
        statements, "sns:CreateTopic", f"arn:aws:sns:us-east-1:{ACCOUNT}:other-main-Topic-1X2Y"
    )


ENCRYPTED = """\
# {{ project }}
Resources:
  Key:
    Type: AWS::SecretsManager::Secret
    Properties: {Name: news/app, KmsKeyId: alias/own}
"""


def test_customer_keys_are_used_through_their_services_only(tmp_path: Path):
    project = small(
        tmp_path, {"templates/main.yaml.j2": ENCRYPTED, "params/defaults.yaml": "project: news\n"}
    )
    roles = roles_json(derive_permissions(project.render()), ACCOUNT, "o/n")["roles"]
    deploy = [statement for policy in roles[1]["policies"] for statement in policy["Statement"]]
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
    assert allows(
        deploy, "kms:Decrypt", key, **{"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}
    )
    assert not allows(
        deploy, "kms:Decrypt", key, **{"kms:ViaService": "dynamodb.us-east-1.amazonaws.com"}
    )
    assert not allows(deploy, "kms:Decrypt", key)
    assert "kms:Decrypt" not in json.dumps(documents("prod")["euglena-prod-deploy"])


def test_secret_without_a_name_is_read_only_with_the_stack_tag(tmp_path: Path):
    text = ENCRYPTED.replace("Name: news/app, KmsKeyId: alias/own", "Description: x")
    project = small(
        tmp_path, {"templates/main.yaml.j2": text, "params/defaults.yaml": "project: news\n"}
    )
    roles = roles_json(derive_permissions(project.render()), ACCOUNT, "o/n")["roles"]
    arn = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:other-AbCdEf"
    key = "aws:ResourceTag/aws:cloudformation:stack-name"
    for role in roles:
        statements = [statement for policy in role["policies"] for statement in policy["Statement"]]
        region = {"aws:RequestedRegion": "us-east-1"}
        assert not allows(statements, "secretsmanager:GetSecretValue", arn, **region)
        assert allows(statements, "secretsmanager:GetSecretValue", arn, **{key: "news-dev-main"})


def test_service_role_reads_nested_templates_without_a_function_in_them(tmp_path: Path):
    files = {
        "params/defaults.yaml": "project: news\nstacks: [{app: [topic]}]\ndeploy: {bucket: artifacts}\n",
        "templates/app.yaml.j2": "# {{ project }}\nResources:\n  {{ nested_stacks() }}\n",
        "templates/app/topic.yaml.j2": "Resources:\n  T: {Type: AWS::SNS::Topic}\n",
        "templates/main.yaml.j2": None,
    }
    roles = roles_json(derive_permissions(small(tmp_path, files).render()), ACCOUNT, "o/n")["roles"]
    statements = [statement for policy in roles[2]["policies"] for statement in policy["Statement"]]
    assert allows(statements, "s3:GetObject", "arn:aws:s3:::artifacts/a.template.yaml")
    assert not allows(statements, "s3:PutObject", "arn:aws:s3:::artifacts/a.template.yaml")


def test_many_types_are_spread_over_policies(tmp_path: Path):
    names = [
        "AWS::S3::Bucket", "AWS::Lambda::Function", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::KMS::Key",
        "AWS::RDS::DBInstance", "AWS::EC2::VPC", "AWS::EC2::Instance", "AWS::EFS::FileSystem", "AWS::IAM::Role",
        "AWS::ApiGateway::RestApi", "AWS::StepFunctions::StateMachine", "AWS::Kinesis::Stream", "AWS::ECS::Service",
        "AWS::CloudFront::Distribution", "AWS::Cognito::UserPool", "AWS::OpenSearchService::Domain",
    ]  # fmt: skip
    resources = "".join(
        f"  R{n}:\n    Type: {name}\n    Properties: {{}}\n" for n, name in enumerate(names)
    )
    project = small(
        tmp_path, {"templates/main.yaml.j2": f"Resources:\n{resources}", "params/defaults.yaml": ""}
    )
    role = roles_json(derive_permissions(project.render()), ACCOUNT, "o/n")["roles"][2]
    sizes = [len(json.dumps(document, separators=(",", ":"))) for document in role["policies"]]
    assert 1 < len(sizes) <= POLICIES_LIMIT
    assert max(sizes) <= POLICY_LIMIT
