"""Every AWS call of both functions against the roles in build/: each is allowed, and nothing
allowed is unused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from tests.functions.loopback import DOCUMENT, ok, sends, server

BUILD = Path(__file__).parents[2] / "build"
CLUSTER = "euglena-cluster"
FUNCTION = "arn:aws:lambda:us-east-2:123456789012:function:{}"
# Lambda makes these calls with the function's role: logs, and the network interface in the VPC.
BY_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents"}
BY_LAMBDA_IN_VPC = BY_LAMBDA | {
    f"ec2:{action}"
    for action in (
        "AssignPrivateIpAddresses", "CreateNetworkInterface", "DeleteNetworkInterface",
        "DescribeNetworkInterfaces", "DescribeSubnets", "UnassignPrivateIpAddresses",
    )
}  # fmt: skip
KEYS = {  # the request's value of each condition key that the roles use
    "cloudwatch:namespace": lambda call: call.get("Namespace"),
    "servicediscovery:NamespaceName": lambda call: call.get("NamespaceName"),
    "servicediscovery:ServiceName": lambda call: call.get("ServiceName"),
}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short-form tags read as their text."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: f"{suffix} {node.value}")


def resolved(text: str) -> str:
    """The ARN that CloudFormation would make of a !Sub, or of a !Ref to the one secret that it may
    be."""
    if text == "Ref RabbitmqSecretArn":
        return "arn:aws:secretsmanager:us-east-2:123456789012:secret:rabbitmq-??????"
    known = {"AWS::Partition": "aws", "AWS::Region": "us-east-2", "AWS::AccountId": "123456789012"}
    known["ClusterName"] = CLUSTER
    return re.sub(r"\$\{([^}]+)\}", lambda match: known[match[1]], text.removeprefix("Sub "))


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def template(environment: str, name: str) -> dict[str, Any]:
    path = BUILD / environment / "app" / f"{name}.yaml"
    return yaml.load(path.read_text(), Loader)["Resources"]  # noqa: S506 - a SafeLoader


def statements(environment: str, role: str) -> list[dict[str, Any]]:
    """The Allow statements of a role's own policies, with resolved resources."""
    policies = template(environment, "iam")[role]["Properties"]["Policies"]
    granted = [
        statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]
    ]
    return [
        {
            "actions": listed(statement["Action"]),
            "resources": [resolved(resource) for resource in listed(statement["Resource"])],
            "conditions": statement.get("Condition", {}).get("StringEquals", {}),
        }
        for statement in granted
        if statement["Effect"] == "Allow"
    ]


def allowed(parts: list[dict[str, Any]], action: str, resource: str, call: dict[str, Any]) -> bool:
    return any(
        action in part["actions"]
        and any(fnmatchcase(resource, pattern) for pattern in part["resources"])
        and all(KEYS[key](call) == value for key, value in part["conditions"].items())
        for part in parts
    )


Calls = dict[str, tuple[str, dict[str, Any]]]  # IAM action: the resource, the parameters


def record(module: ModuleType, calls: Calls) -> None:
    """Note each call's IAM action and resource, in botocore's event, before it is sent."""
    make: Callable[[str], Any] = module.client.__wrapped__

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.signing_name
        service = {"monitoring": "cloudwatch"}.get(service, service)
        operation = {"Invoke": "InvokeFunction"}.get(model.name, model.name)
        calls[f"{service}:{operation}"] = (resource_of(params), dict(params))

    def client(service: str) -> Any:
        made = make(service)
        made.meta.events.register("provide-client-params.*.*", note)
        return made

    module.client = client  # type: ignore[attr-defined]


def resource_of(call: dict[str, Any]) -> str:
    """The ARN that the call works on; "" for calls without resource-level permissions."""
    if "SecretId" in call:
        return str(call["SecretId"])
    if "FunctionName" in call:
        return FUNCTION.format(call["FunctionName"])
    if "cluster" in call:
        service = call.get("service") or call["services"][0]
        return f"arn:aws:ecs:us-east-2:123456789012:service/{call['cluster']}/{service}"
    return ""


def run(
    module: ModuleType, variables: dict[str, str], event: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with suppress(
        Exception
    ):  # what fails here is moto's or the broker's side; the call has been made
        module.lambda_handler(event, None)


def autoscaler_calls(
    module: ModuleType, environment: str, monkeypatch: pytest.MonkeyPatch
) -> Calls:
    """All calls of a tick that changes the count of this environment's service."""
    service = template(environment, "agent")["Service"]["Properties"]["ServiceName"]
    calls: Calls = {}
    record(module, calls)
    ecs = boto3.client("ecs")
    ecs.create_cluster(clusterName=CLUSTER)
    ecs.register_task_definition(
        family="a", containerDefinitions=[{"name": "a", "image": "a", "memory": 1}]
    )
    ecs.create_service(cluster=CLUSTER, serviceName=service, taskDefinition="a", desiredCount=1)
    variables = {"ECS_CLUSTER": CLUSTER, "ECS_SERVICE": service, "METRIC_ENVIRONMENT": environment}
    run(module, variables, {}, monkeypatch)
    return calls


def queue_metrics_calls(
    module: ModuleType, environment: str, monkeypatch: pytest.MonkeyPatch
) -> Calls:
    """All calls of a run with the environment's own variables, but for where the broker is."""
    resources = template(environment, "autoscaler")
    variables = dict(resources["QueueMetrics"]["Properties"]["Environment"]["Variables"])
    text = json.dumps({"username": "euglena", "password": "x"})
    secret = boto3.client("secretsmanager").create_secret(Name="rabbitmq", SecretString=text)["ARN"]
    variables |= {"RABBITMQ_SECRET_ID": secret}
    if "AUTOSCALER_FUNCTION" in variables:
        variables["AUTOSCALER_FUNCTION"] = resources["Autoscaler"]["Properties"]["FunctionName"]
    if "CLOUD_MAP_SERVICE" in variables:
        register_gateway(variables["CLOUD_MAP_NAMESPACE"], variables["CLOUD_MAP_SERVICE"])
    calls: Calls = {}
    record(module, calls)
    with server(sends(ok(DOCUMENT))) as port:
        variables["RABBITMQ_MANAGEMENT_URL"] = f"http://127.0.0.1:{port}"
        run(module, variables, {}, monkeypatch)
    return calls


def register_gateway(namespace: str, service: str) -> None:
    client = boto3.client("servicediscovery")
    client.create_private_dns_namespace(Name=namespace, Vpc="vpc-1")
    (created,) = client.list_namespaces()["Namespaces"]
    records = {"DnsRecords": [{"Type": "A", "TTL": 10}]}
    made = client.create_service(Name=service, NamespaceId=created["Id"], DnsConfig=records)[
        "Service"
    ]
    attributes = {"AWS_INSTANCE_IPV4": "127.0.0.1"}
    client.register_instance(ServiceId=made["Id"], InstanceId="task", Attributes=attributes)


ENVIRONMENTS = sorted(path.parent.name for path in BUILD.glob("*/app"))


def test_environments_are_found() -> None:
    assert {"guide", "prod"} <= set(ENVIRONMENTS)


def compare(
    calls: Calls, parts: list[dict[str, Any]], by_lambda: set[str]
) -> list[tuple[str, str, str]]:
    """The table: action, resource of the call, verdict."""
    actions = {action for part in parts for action in part["actions"]}
    table = [
        (action, resource, "allowed" if allowed(parts, action, resource, call) else "DENIED")
        for action, (resource, call) in sorted(calls.items())
    ]
    return table + [(action, "", "UNUSED") for action in sorted(actions - calls.keys() - by_lambda)]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_autoscaler_role_allows_exactly_its_calls(
    environment: str, autoscaling: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mock_aws():
        calls = autoscaler_calls(autoscaling, environment, monkeypatch)
    assert set(calls) == {"cloudwatch:GetMetricData", "ecs:DescribeServices", "ecs:UpdateService"}
    table = compare(calls, statements(environment, "AutoscalerRole"), BY_LAMBDA)
    assert [row for row in table if row[2] != "allowed"] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_queue_metrics_role_allows_exactly_its_calls(
    environment: str, queue_metrics: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mock_aws():
        calls = queue_metrics_calls(queue_metrics, environment, monkeypatch)
    assert {"secretsmanager:GetSecretValue", "cloudwatch:PutMetricData"} <= set(calls)
    table = compare(calls, statements(environment, "QueueMetricsRole"), BY_LAMBDA_IN_VPC)
    assert [row for row in table if row[2] != "allowed"] == []


def test_denied_call_and_unused_permission_are_detected() -> None:
    parts = [
        {"actions": ["ecs:UpdateService", "ecs:RunTask"], "resources": ["arn:a"], "conditions": {}}
    ]
    calls: Calls = {"ecs:UpdateService": ("arn:b", {}), "s3:GetObject": ("arn:a", {})}
    verdicts = {action: verdict for action, _, verdict in compare(calls, parts, set())}
    assert verdicts == {
        "ecs:UpdateService": "DENIED",
        "s3:GetObject": "DENIED",
        "ecs:RunTask": "UNUSED",
    }
