"""The messages that values get which break Euglena's schema: words, never a regular expression."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stackwright.config import load_config
from stackwright.core import InputError
from tests.support.projects import REPOSITORY, Project

SCHEMA = json.loads((REPOSITORY / "params/schema.json").read_text(encoding="utf-8"))


def subschemas(node: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each subschema that has a ``pattern``, with its JSON pointer."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield path, node
        for key, child in node.items():
            yield from subschemas(child, f"{path}/{key}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from subschemas(child, f"{path}/{index}")


def test_every_pattern_has_words_for_its_message() -> None:
    patterns = dict(subschemas(SCHEMA))
    assert len(patterns) > 40
    assert [path for path, node in patterns.items() if not node.get("x-expected")] == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            'edge.ingress_cidrs=["::/0"]',
            'edge.ingress_cidrs[0]: "::/0" is no IPv4 range such as 10.0.0.0/8'
            " (IPv6 is not supported)",
        ),
        ("network.vpc_cidr=10.0.0.0/8", '"10.0.0.0/8" is no IPv4 range from /16 to /28'),
        ('network.public_cidrs=["10.0.1.0/8", "10.0.2.0/24"]', "public_cidrs[0]: "),
        ('network.public_subnet_ids=["subnet-1"]', '"subnet-1" is no subnet ID such as subnet-'),
        ("network.vpc_id=vpc-1", '"vpc-1" is no VPC ID such as vpc-'),
        ('network.azs=["us-east-2a", "x"]', '"x" is no availability zone such as us-east-2a'),
        ("region=us-east", '"us-east" is no Region such as us-east-2'),
        ("account_id='12'", '"12" is no account ID of 12 digits'),
        ("prefix=euglena-", 'prefix: "euglena-" is no prefix such as euglena-dev'),
        ("project=Euglena", '"Euglena" is no name of lowercase letters, digits and hyphens'),
        ('tags={"aws:x": y}', 'tags: "aws:x" is no tag key'),
        ("kms_key_arn=alias/x", '"alias/x" is no ARN of a KMS key'),
        ("edge.certificate_arn=arn:aws:iam::1:x", "is no ARN of an ACM certificate"),
        ("discovery.namespace=local", '"local" is no DNS name of at least two labels'),
        ("gateway.health_check.path=health", '"health" is no path such as /health'),
        ('gateway.secrets=["A-B"]', '"A-B" is no variable name such as API_KEY'),
        ("gateway.discovery_name=Gateway", '"Gateway" is no DNS label such as gateway'),
        ('services={"long-name-of-it": {}}', '"long-name-of-it" is no service name such as'),
        ('services={"redis": {}}', '"redis" must be none of gateway, agent, redis'),
        ("iam.task_role_name=a/b", '"a/b" is no role name such as euglena-task'),
        ("queue.metric_namespace=AWS/SQS", '"AWS/SQS" is no metric namespace'),
        ("autoscaler.schedule=rate(1 minutes)", "is no schedule such as rate(1 minute)"),
        ("observability.email=nobody", '"nobody" is no e-mail address'),
        ("secrets.app.name=a b", '"a b" is no secret name such as'),
        ("deploy.role_arn=deployer", '"deployer" is no ARN of a role'),
        ("imports={bootstrap: {A-B: {}}}", '"A-B" is no logical ID'),
        ("images.gateway.tag=latest", '"latest" is no image tag such as 1.4.2'),
        ("images.gateway.repository=Euglena", '"Euglena" is no ECR repository name'),
        (
            'network.azs=["us-east-2a", "us-east-2a"]',
            'network.azs: ["us-east-2a", "us-east-2a"] has the item "us-east-2a" twice',
        ),
    ],
)
def test_message_names_the_expected_form(override: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config(REPOSITORY, "prod", [override])
    problems = [p for p in caught.value.problems if message in p.message]
    assert problems, caught.value.problems
    assert problems[0].code == "SW012"
    assert problems[0].where[0].path == f"--set {override.partition('=')[0]}"
    assert "^" not in problems[0].message


def test_every_missing_parameter_is_named(project: Callable[..., Project]) -> None:
    schema = '{"type": "object", "required": ["one", "two"]}'
    with pytest.raises(InputError) as caught:
        project({"params/schema.json": schema}).load()
    messages = [problem.message for problem in caught.value.problems]
    assert messages == ["one is missing", "two is missing"]
