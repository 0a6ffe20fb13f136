"""All of Euglena by the real AWS CLI: packaged, deployed, and read back from the services, in both
topologies."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import boto3
import pytest

from stackwright.cfn.intrinsics import Pseudo
from stackwright.cfn.template import parse_template
from stackwright.emulator.server.server import Server
from stackwright.emulator.world.settings import EmulatorSettings
from tests.support.projects import REPOSITORY, Project

ACCOUNT, REGION = "777788889999", "us-east-2"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/9c8b7a6d-7777-4888-8999-a77778888999"
"""The one that build/prod names; the load balancer wants one that exists."""
TOPOLOGIES = {
    "services": [],
    "sidecar": ["state.topology=sidecar", "state.accept_split_state=true"],
}
INSTALL = "pip install awscli"
IMAGES = ("redis", "rabbitmq", "chroma", "gateway", "agent")

CLUSTER = ("--cluster", "euglena-prod-cluster")
COUNTS = {
    "AWS::ECS::Cluster": ("ecs", "list-clusters"),
    "AWS::ECS::Service": ("ecs", "list-services", *CLUSTER),
    "AWS::ECS::TaskDefinition": ("ecs", "list-task-definitions"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("elbv2", "describe-load-balancers"),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("elbv2", "describe-target-groups"),
    "AWS::ServiceDiscovery::PrivateDnsNamespace": ("servicediscovery", "list-namespaces"),
    "AWS::ServiceDiscovery::Service": ("servicediscovery", "list-services"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "list-secrets"),
    "AWS::IAM::Role": ("iam", "list-roles"),
    "AWS::Lambda::Function": ("lambda", "list-functions"),
}
"""Resource type -> the call that lists what exists of it."""


@pytest.fixture(scope="module", autouse=True)
def _installed():
    if shutil.which("aws") is None:
        message = f"the AWS CLI is not installed: {INSTALL}"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


class Cli:
    """The AWS CLI on an emulator, without any configuration of this machine's user."""

    def __init__(self, url: str) -> None:
        self.url = url
        keys = {
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": REGION,
        }
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        files = {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_PAGER": "",
        }
        self.environment = {
            **kept,
            **keys,
            **files,
            "AWS_ENDPOINT_URL": url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def __call__(self, *arguments: str) -> dict:
        command = ["aws", *arguments, "--output", "json"]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{' '.join(arguments[:2])}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.startswith("{") else {}

    @contextlib.contextmanager
    def client(self, service: str):
        """boto3, for what is there before a deployment."""
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": REGION}
        with contextlib.closing(boto3.client(service, endpoint_url=self.url, **keys)) as made:
            yield made

    def deploy(self, template: Path, stack: str, *arguments: str) -> None:
        named = ("--template-file", str(template), "--stack-name", stack)
        self(
            "cloudformation", "deploy", *named, "--capabilities", "CAPABILITY_NAMED_IAM", *arguments
        )

    def outputs(self, stack: str) -> dict[str, str]:
        description = self("cloudformation", "describe-stacks", "--stack-name", stack)["Stacks"][0]
        assert description["StackStatus"] == "CREATE_COMPLETE"
        return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}


@pytest.fixture(params=TOPOLOGIES)
def build(request, tmp_path):
    """``build/prod`` as committed, or as it renders with the other topology, beside the functions
    it packages."""
    shutil.copytree(
        REPOSITORY / "lambda", tmp_path / "lambda", ignore=shutil.ignore_patterns("__pycache__")
    )
    if not TOPOLOGIES[request.param]:
        shutil.copytree(REPOSITORY / "build/prod", tmp_path / "build/prod")
        return tmp_path / "build/prod"
    for name in ("templates", "params", "env"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    settings = (word for setting in TOPOLOGIES[request.param] for word in ("--set", setting))
    made = Project(tmp_path).invoke("render", "--env", "prod", "--no-lint", *settings)
    assert made.exit_code == 0, made.stderr
    return tmp_path / "build/prod"


@pytest.fixture
def cli():
    with Server(EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT))) as server:
        yield Cli(server.url)


def manifest(name: str) -> str:
    """An image manifest, different for each name: ECR takes what is well-formed."""
    digest = f"sha256:{name.encode().hex():0<64}"
    config = {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 1,
        "digest": digest,
    }
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []})


def push(client, name: str) -> str:
    """Put an image into the repository that the foundation made; its reference by digest."""
    image = client.put_image(
        repositoryName=f"euglena-prod/{name}", imageTag="1", imageManifest=manifest(name)
    )["image"]
    digest = image["imageId"]["imageDigest"]
    return f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/euglena-prod/{name}@{digest}"


def prerequisites(cli: Cli, build: Path) -> dict[str, str]:
    """Bucket, repositories and secrets, and what goes into them; the values of the application's
    parameters."""
    cli.deploy(build / "bootstrap.yaml", "euglena-bootstrap")
    cli.deploy(build / "foundation.yaml", "euglena-foundation")
    outputs = cli.outputs("euglena-foundation")
    names = [
        line.split("=")[0]
        for line in (REPOSITORY / "env/prod/keys.env.example").read_text().splitlines()
    ]
    keys = json.dumps({name: "x" for name in names if name and not name.startswith("#")})
    with cli.client("secretsmanager") as client:
        version = client.put_secret_value(SecretId=outputs["AppSecretArn"], SecretString=keys)[
            "VersionId"
        ]
    with cli.client("ecr") as client:
        images = {f"{name.title()}Image": push(client, name) for name in IMAGES}
    with cli.client("acm") as client:
        arn = client.request_certificate(DomainName="euglena.example.com")["CertificateArn"]
    edge = build / "app/edge.yaml"
    assert CERTIFICATE in edge.read_text(encoding="utf-8")
    edge.write_text(edge.read_text(encoding="utf-8").replace(CERTIFICATE, arn), encoding="utf-8")
    wanted = parse_template((build / "app.yaml").read_text(encoding="utf-8")).parameters
    values = {**outputs, **images, "AppSecretVersionId": version}
    return {name: values[name] for name in wanted}


def test_euglena_is_deployed_and_found_by_the_aws_cli(cli, build, tmp_path):
    parameters = prerequisites(cli, build)
    bucket = cli.outputs("euglena-bootstrap")["ArtifactBucketName"]
    packaged = tmp_path / "app.yaml"
    template = ("--template-file", str(build / "app.yaml"), "--output-template-file", str(packaged))
    cli("cloudformation", "package", *template, "--s3-bucket", bucket)
    values = [f"{name}={value}" for name, value in parameters.items()]
    cli.deploy(packaged, "euglena-app", "--parameter-overrides", *values)

    templates = [parse_template(path.read_text(encoding="utf-8")) for path in build.rglob("*.yaml")]
    wanted = Counter(
        resource.type for template in templates for resource in template.resources.values()
    )
    listed = {
        kind: next(value for value in cli(*call).values() if isinstance(value, list))
        for kind, call in COUNTS.items()
    }
    assert {kind: len(resources) for kind, resources in listed.items()} == {
        kind: wanted[kind] for kind in COUNTS
    }
    described = cli(
        "ecs", "describe-services", *CLUSTER, "--services", *listed["AWS::ECS::Service"]
    )["services"]
    assert {service["launchType"] for service in described} == {"FARGATE"}
    assert all(service["runningCount"] == service["desiredCount"] > 0 for service in described)
    (balancer,) = listed["AWS::ElasticLoadBalancingV2::LoadBalancer"]
    listeners = cli(
        "elbv2", "describe-listeners", "--load-balancer-arn", balancer["LoadBalancerArn"]
    )["Listeners"]
    assert {listener["Port"]: listener["Protocol"] for listener in listeners} == {
        80: "HTTP",
        443: "HTTPS",
    }
