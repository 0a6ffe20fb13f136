"""How narrow the statements of single calls are."""

from __future__ import annotations

import pytest

from stackwright.config.load import load_config
from stackwright.preflight.permissions.names import KnownNames
from stackwright.preflight.permissions.resources import Call, TemplateResources
from stackwright.preflight.permissions.scope import Scope
from stackwright.render.render import render_templates
from stackwright.render.wire import wire_root
from tests.support.projects import small

REGION = "us-east-2"


@pytest.mark.parametrize(
    ("action", "condition"),
    [
        ("cloudfront:ListDistributions", {}),
        ("iam:ListRoles", {}),
        ("organizations:DescribeOrganization", {}),
        ("route53:ListHostedZones", {}),
        ("s3:ListAllMyBuckets", {}),
        ("sts:GetCallerIdentity", {}),
        ("ec2:DescribeVpcs", {"StringEquals": {"aws:RequestedRegion": REGION}}),
        ("sqs:ListQueues", {"StringEquals": {"aws:RequestedRegion": REGION}}),
    ],
)
def test_calls_of_global_services_are_not_bound_to_a_region(tmp_path, action, condition):
    rendering = render_templates(load_config(small(tmp_path).folder, "dev"), wire_root)
    names = KnownNames(TemplateResources(rendering), own=False)
    (statement,) = Scope(names, REGION, "news-dev").statements([Call(action)])
    assert (statement.actions, statement.resources) == ((action,), ("*",))
    assert statement.condition == condition
