"""Parameters with choices: each choice renders its resources, or is refused with a reason."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stackwright.config.load import load_config
from stackwright.core.errors import StackwrightError
from stackwright.core.model import Rendering, has_errors
from stackwright.render.render import render_templates
from stackwright.render.wire import wire_root
from tests.guide.claims import PROJECT

KEY = "arn:aws:kms:us-east-2:777788889999:key/12345678-1234-4234-8234-123456789012"
SIDECAR = ("state.topology=sidecar", "state.accept_split_state=true")


def rendered(environment: str, *overrides: str, project: Path = PROJECT) -> Rendering:
    rendering = render_templates(load_config(project, environment, overrides), wire_root)
    assert not has_errors(rendering.problems), rendering.problems
    return rendering


def resources(rendering: Rendering, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Template and properties of every resource of one type."""
    for document in rendering.documents:
        for resource in document.resources().values():
            if resource["Type"] == kind:
                yield document.name, dict(resource.get("Properties", {}))


def containers(rendering: Rendering) -> dict[str, list[str]]:
    tasks = resources(rendering, "AWS::ECS::TaskDefinition")
    return {
        task["Family"]: [container["Name"] for container in task["ContainerDefinitions"]]
        for _, task in tasks
    }


def statements(rendering: Rendering) -> dict[str, Any]:
    """Sid -> statement, of all roles."""
    roles = [role for _, role in resources(rendering, "AWS::IAM::Role")]
    policies = [policy["PolicyDocument"] for role in roles for policy in role.get("Policies", [])]
    return {statement["Sid"]: statement for policy in policies for statement in policy["Statement"]}


def test_dedicated_state_is_three_singletons_on_a_file_system() -> None:
    rendering = rendered("prod")
    assert containers(rendering)["euglena-prod-gateway"] == ["gateway"]
    services = [
        service
        for where, service in resources(rendering, "AWS::ECS::Service")
        if where == "app/state"
    ]
    assert [service["ServiceName"].rpartition("-")[2] for service in services] == [
        "redis",
        "rabbitmq",
        "chroma",
    ]
    for service in services:
        assert service["DesiredCount"] == 1
        assert service["AvailabilityZoneRebalancing"] == "DISABLED"
        assert service["DeploymentConfiguration"]["MaximumPercent"] == 100
    state = [
        task
        for where, task in resources(rendering, "AWS::ECS::TaskDefinition")
        if where == "app/state"
    ]
    assert all(
        task["Volumes"][0]["EFSVolumeConfiguration"]["TransitEncryption"] == "ENABLED"
        for task in state
    )


def test_sidecar_state_lives_in_the_gateways_task() -> None:
    rendering = rendered("prod", *SIDECAR)
    assert containers(rendering)["euglena-prod-gateway"] == [
        "gateway",
        "redis",
        "rabbitmq",
        "chroma",
    ]
    assert rendering.document("app/state") is None
    assert rendering.document("app/storage") is None
    assert statements(rendering)["FindBrokers"]["Action"] == "servicediscovery:DiscoverInstances"


def test_only_the_gateway_and_the_agents_leave_their_count_to_scaling() -> None:
    services = [service for _, service in resources(rendered("prod"), "AWS::ECS::Service")]
    without = sorted(
        service["ServiceName"] for service in services if "DesiredCount" not in service
    )
    assert without == ["euglena-prod-agent", "euglena-prod-gateway"]


@pytest.mark.parametrize(
    ("overrides", "ports", "redirects"),
    [((), [80, 443], True), (("edge.certificate_arn=null",), [80], False)],
    ids=["certificate", "none"],
)
def test_certificate_decides_the_listeners(
    overrides: tuple[str, ...], ports: list[int], redirects: bool
) -> None:
    rendering = rendered("prod", *overrides)
    listeners = [
        listener for _, listener in resources(rendering, "AWS::ElasticLoadBalancingV2::Listener")
    ]
    assert [listener["Port"] for listener in listeners] == ports
    assert (listeners[0]["DefaultActions"][0]["Type"] == "redirect") is redirects
    groups = [group for _, group in resources(rendering, "AWS::EC2::SecurityGroup")]
    world = [
        rule["FromPort"]
        for group in groups
        for rule in group.get("SecurityGroupIngress", [])
        if rule.get("CidrIp") == "0.0.0.0/0"
    ]
    assert world == ports


def test_existing_network_is_used() -> None:
    rendering = rendered("staging")
    assert rendering.document("app/network") is None
    root = rendering.document("app")
    assert root is not None
    taken = root.resources()["Agent"]["Properties"]["Parameters"]["PrivateSubnetIds"]
    assert taken == {"Fn::Join": [",", {"Ref": "PrivateSubnetIds"}]}


def test_gateway_can_run_in_public_subnets() -> None:
    placed = {
        service["ServiceName"]: service["NetworkConfiguration"]["AwsvpcConfiguration"]
        for _, service in resources(rendered("prod", "gateway.subnets=public"), "AWS::ECS::Service")
    }
    assert placed["euglena-prod-gateway"]["AssignPublicIp"] == "ENABLED"
    assert placed["euglena-prod-gateway"]["Subnets"] == {"Ref": "PublicSubnetIds"}
    assert placed["euglena-prod-agent"]["AssignPublicIp"] == "DISABLED"


def test_agents_can_run_without_a_service_name() -> None:
    names = [
        resource["Name"]
        for _, resource in resources(
            rendered("prod", "agent.discovery=false"), "AWS::ServiceDiscovery::Service"
        )
    ]
    assert names == ["redis", "rabbitmq", "chroma", "gateway"]


ENCRYPTED = {
    "AWS::ECR::Repository": lambda resource: resource["EncryptionConfiguration"]["KmsKey"],
    "AWS::EFS::FileSystem": lambda resource: resource["KmsKeyId"],
    "AWS::Lambda::Function": lambda resource: resource["KmsKeyArn"],
    "AWS::Logs::LogGroup": lambda resource: resource["KmsKeyId"],
    "AWS::SNS::Topic": lambda resource: resource["KmsMasterKeyId"],
    "AWS::SecretsManager::Secret": lambda resource: resource["KmsKeyId"],
}


@pytest.mark.parametrize("kind", sorted(ENCRYPTED))
def test_customer_key_encrypts_everything(kind: str) -> None:
    keys = [
        ENCRYPTED[kind](resource)
        for _, resource in resources(rendered("prod", f"kms_key_arn={KEY}"), kind)
    ]
    assert set(keys) == {KEY}


def test_ecs_exec_needs_its_parameter() -> None:
    assert "Exec" not in statements(rendered("prod"))
    rendering = rendered("prod", "ecs_exec=true")
    assert "ssmmessages:OpenDataChannel" in statements(rendering)["Exec"]["Action"]
    assert all(
        service["EnableExecuteCommand"] is True
        for _, service in resources(rendering, "AWS::ECS::Service")
    )


@pytest.mark.parametrize("trigger", ["reading", "schedule"])
def test_trigger_decides_who_starts_the_autoscaler(trigger: str) -> None:
    rendering = rendered("prod", f"autoscaler.trigger={trigger}")
    functions = {
        function["FunctionName"]: function
        for _, function in resources(rendering, "AWS::Lambda::Function")
    }
    variables = functions["euglena-prod-queue-metrics"]["Environment"]["Variables"]
    assert ("AUTOSCALER_FUNCTION" in variables) is (trigger == "reading")
    assert ("HandReadingOn" in statements(rendering)) is (trigger == "reading")


def test_autoscaler_gets_every_parameter() -> None:
    given = {
        "min_workers": 0,
        "max_workers": 7,
        "messages_per_worker": 2.5,
        "target_wait": 30,
        "window": 300,
        "headroom": 0.5,
        "scale_in_min_step": 3,
        "scale_in_max_age": 60,
        "scale_in_max_busy": 0.75,
        "max_metric_age": 200,
        "fallback_workers": 5,
    }
    rendering = rendered("prod", *(f"autoscaler.{name}={value}" for name, value in given.items()))
    functions = {
        function["FunctionName"]: function
        for _, function in resources(rendering, "AWS::Lambda::Function")
    }
    variables = functions["euglena-prod-autoscaling"]["Environment"]["Variables"]
    names = {"window": "SCALE_WINDOW", "min_workers": "MIN_WORKERS"}
    for name, value in given.items():
        variable = names.get(name, name.upper())
        seconds = (
            "_SECONDS"
            if name in ("target_wait", "window", "scale_in_max_age", "max_metric_age")
            else ""
        )
        assert variables[variable + seconds] == str(value)


REFUSED = {
    "split state": (("state.topology=sidecar",), "state.accept_split_state: true"),
    "sidecar without a name": (
        (*SIDECAR, "gateway.discovery=false"),
        "set gateway.discovery to true",
    ),
    "Fargate pair": (("gateway.cpu=1024", "gateway.memory=1024"), "gateway.memory"),
    "more NAT gateways than zones": (("network.nat_gateways=3",), "at most one a zone"),
    "a subnet too few": (
        ("network.private_cidrs=[10.0.11.0/24, 10.0.12.0/24, 10.0.13.0/24]",),
        "one of each a zone",
    ),
    "one zone": (("network.azs=[us-east-2a]",), "network.azs"),
    "minimum above maximum, gateway": (
        ("gateway.max_count=5", "gateway.min_count=6"),
        "gateway.min_count",
    ),
    "maximum below five": (("gateway.max_count=4",), "gateway.max_count"),
    "minimum above maximum, agents": (
        ("autoscaler.min_workers=12",),
        "above autoscaler.max_workers",
    ),
    "fallback above maximum": (("autoscaler.fallback_workers=12",), "above autoscaler.max_workers"),
    "unknown secret of the agent": (("agent.secrets=[NOPE]",), "keys.env.example does not list"),
    "unknown secret of the gateway": (
        ("gateway.secrets=[NOPE]",),
        "keys.env.example does not list",
    ),
    "no network": (("network.create=false",), "network.vpc_id"),
    "latest": (("images.gateway.tag=latest",), "images.gateway.tag"),
    "files without settings": (
        ("autoscaler.config=files",),
        "set ECS_CLUSTER=euglena-prod-cluster",
    ),
    "target check": (("edge.health_check.timeout=30",), "edge.health_check.timeout must be below"),
    "long prefix": (("prefix=a-prefix-of-21-letters",), "prefix"),
}


@pytest.mark.parametrize(("overrides", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_conflicting_choices_are_refused(overrides: tuple[str, ...], says: str) -> None:
    with pytest.raises(StackwrightError) as caught:
        render_templates(load_config(PROJECT, "prod", overrides), wire_root)
    assert says in " ".join(problem.message for problem in caught.value.problems)


INDEXER = """
services:
  indexer:
    cpu: 512
    memory: 1024
    port: 8090
    secrets: [OPENAI_API_KEY]
    task_policy:
      - {actions: ["s3:GetObject"], resources: ["arn:aws:s3:::documents/*"]}
    health_check: {path: /health, start_period: 60, interval: 30, timeout: 5, retries: 3}
    stop_timeout: 60
    discovery: true
    discovery_name: indexer
    minimum_healthy_percent: 100
    maximum_percent: 200
"""


def test_third_service_is_an_entry_in_the_parameters(tmp_path: Path) -> None:
    for name in ("templates", "params", "env", "lambda"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    prod, defaults = tmp_path / "params" / "prod.yaml", tmp_path / "params" / "defaults.yaml"
    image = "images:\n  indexer: {repository: euglena-prod/indexer, tag: 1.0.0}\n"
    prod.write_text(prod.read_text().replace("images:\n", image) + INDEXER)
    entry = "      - {name: indexer, template: agent, with: {service: indexer}, after: [state]}\n"
    defaults.write_text(
        defaults.read_text().replace("      - autoscaler\n", entry + "      - autoscaler\n")
    )
    rendering = rendered("prod", project=tmp_path)
    assert containers(rendering)["euglena-prod-indexer"] == ["indexer"]
    groups = [
        group["GroupDescription"] for _, group in resources(rendering, "AWS::EC2::SecurityGroup")
    ]
    assert "Tasks of indexer" in groups
    assert statements(rendering)["Application1"]["Resource"] == ["arn:aws:s3:::documents/*"]
    repositories = [
        repository["RepositoryName"]
        for _, repository in resources(rendering, "AWS::ECR::Repository")
    ]
    assert "euglena-prod/indexer" in repositories
