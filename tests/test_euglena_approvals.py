"""Which changes of Euglena's parameters need an approval: those that weaken it, and no ordinary
one."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from stackwright.cfn import Schemas
from stackwright.diff import Diff, diff_builds
from stackwright.plan import (
    Certainty,
    DesiredStack,
    ListedChange,
    Plan,
    PlannedChange,
    RootAction,
    RootPlan,
    find_dangerous_changes,
)
from tests.support.aws import ACCOUNT
from tests.support.projects import REPOSITORY, Project

REGION = "us-east-2"
HERE = Project(REPOSITORY)

ORDINARY = [
    "images.gateway.tag=1.0.1",
    "images.redis.tag=7.4-alpine",
    "agent.cpu=512",
    "gateway.min_count=3",
    "gateway.max_count=8",
    "gateway.requests_per_target=800",
    "gateway.scale_in_cooldown=600",
    "gateway.stop_timeout=60",
    "gateway.health_check.retries=6",
    "gateway.grace_period=400",
    "discovery.ttl=20",
    "logs.retention_days=365",
    "edge.idle_timeout=600",
    "edge.ingress_cidrs=[10.0.0.0/8]",
    "edge.health_check.path=/ready",
    "autoscaler.max_workers=9",
    "functions.memory=512",
    "functions.timeout=50",
    "observability.cpu_percent=90",
    "observability.queue_depth=200",
    "architecture=ARM64",
]
DANGEROUS = {
    "gateway.subnets=public": {"access", "availability"},
    "logs.retention_days=1": {"data"},
    "edge.certificate_arn=null": {"encryption"},
    "edge.access_logs=false": {"access", "logging", "removal"},
    "edge.deletion_protection=false": {"availability"},
    "network.nat_gateways=1": {"removal"},
}


def build(*overrides: str) -> dict[str, str]:
    return {document.path: document.text for document in HERE.render("prod", *overrides).documents}


@pytest.fixture(scope="module")
def base() -> dict[str, str]:
    return build()


def kinds_of_findings(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The kinds of danger in the change of a deployed build."""
    diff = diff_builds(before, after, REGION, ACCOUNT)
    assert diff.resources
    roots = {resource.stack.partition("/")[0] for resource in diff.resources}
    plans = tuple(plan_of_root(root, diff, after) for root in sorted(roots))
    plan = Plan("prod", ACCOUNT, REGION, "", "", datetime.now(UTC), plans)
    return {str(finding.kind) for finding in find_dangerous_changes(plan)}


def plan_of_root(root: str, diff: Diff, after: dict[str, str]) -> RootPlan:
    texts = {path.removesuffix(".yaml"): text for path, text in after.items()}
    own = {name: text for name, text in texts.items() if name.partition("/")[0] == root}
    schemas = Schemas(REGION)
    changes = tuple(
        PlannedChange(
            resource,
            ListedChange.BOTH,
            Certainty.CERTAIN,
            stateful=bool((schema := schemas.get(resource.type)) and schema.stateful),
        )
        for resource in diff.resources
        if resource.stack.partition("/")[0] == root
    )
    desired = DesiredStack(root, f"euglena-prod-{root}", own, {}, {}, {})
    live = {"id": "a"}
    return RootPlan(desired, RootAction.UPDATE, diff, changes, stack_id="a", live=live)


@pytest.mark.parametrize("change", ORDINARY)
def test_ordinary_change_needs_no_approval(change: str, base: dict[str, str]) -> None:
    assert kinds_of_findings(base, build(change)) == set()


@pytest.mark.parametrize("change", DANGEROUS)
def test_weakening_change_needs_approvals(change: str, base: dict[str, str]) -> None:
    assert kinds_of_findings(base, build(change)) == DANGEROUS[change]


@pytest.fixture
def euglena(tmp_path: Path) -> Iterator[Project]:
    """A copy of the project with a local CloudFormation of its own."""
    for name in ("params", "templates", "env", "lambda"):
        ignored = shutil.ignore_patterns("keys.env", "__pycache__")
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=ignored)
    copied = Project(tmp_path)
    try:
        started = copied.run("emulator", "start")
        assert started.returncode == 0, started.stderr
        yield copied
    finally:
        copied.run("emulator", "stop")


def issue_certificate(project: Project) -> str:
    """The ARN of a certificate in the local account."""
    state = json.loads((project.folder / ".stackwright/emulator/emulator.json").read_text())
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    acm = boto3.client("acm", region_name=REGION, endpoint_url=state["url"], **keys)
    request = acm.request_certificate(DomainName="a.example", ValidationMethod="DNS")
    arn = str(request["CertificateArn"])
    acm.describe_certificate(CertificateArn=arn)  # the second answer says that it is issued
    return arn


def test_deploy_refuses_what_weakens_the_system(euglena: Project) -> None:
    def deploy(**parameters: object) -> subprocess.CompletedProcess[str]:
        sets = [f"--set={key.replace('__', '.')}={value}" for key, value in parameters.items()]
        return euglena.run("deploy", "--env", "local", "--yes", *sets)

    before = {"logs__retention_days": 30, "edge__certificate_arn": issue_certificate(euglena)}
    first = deploy(**before)
    assert first.returncode == 0, first.stdout + first.stderr
    refused = deploy(
        logs__retention_days=1, edge__certificate_arn="null", gateway__subnets="public"
    )
    assert refused.returncode == 1
    for line in (
        "SW821 needs approval: GatewayLogGroup keeps log entries for fewer days",
        "if you mean it, add --approve GatewayLogGroup:data (or --allow-data-loss)",
        "SW823 needs approval: HttpListener forwards traffic without TLS",
        "if you mean it, add --approve HttpListener:encryption (or --allow-broader-access)",
        "SW822 needs approval: Service gives tasks a public address",
        "if you mean it, add --approve Service:access (or --allow-broader-access)",
    ):
        assert line in refused.stderr
    assert "nothing to do" in deploy(**before).stderr
