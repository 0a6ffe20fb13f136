"""An emulator in this process, and a project that is deployed there and recorded as releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from stackwright.artifacts.package import package_rendering
from stackwright.artifacts.upload import upload_bundle
from stackwright.aws import Boto, ChangeSetRequest
from stackwright.core.model import S3Folder
from stackwright.diff.model import Diff
from stackwright.plan.model import DesiredStack, Outcome, Plan, RootAction, RootPlan
from tests.support.aws import ACCOUNT, REGION, client
from tests.support.projects import Project

BUCKET = "news-artifacts"
BEGAN = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
FILES = {
    "params/defaults.yaml": f"""\
environment: dev
region: {REGION}
stacks: [base, {{app: [topics]}}]
title: first
""",
    "templates/base.yaml.j2": """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BucketName: news-artifacts
Outputs:
  ArtifactBucketName:
    Value: !Ref Bucket
""",
    "templates/app.yaml.j2": """\
Parameters:
  Image:
    Type: String
    Default: none
  Password:
    Type: String
    NoEcho: true
    Default: ""
Resources:
  {{ nested_stacks() }}
  Name:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: !Ref Image
Outputs:
  Title:
    Value: {{ title }}
""",
    "templates/app/topics.yaml.j2": """\
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: {{ title }}
""",
}


def targets(
    project: Project, parameters: Mapping[str, Mapping[str, str]] | None = None
) -> list[DesiredStack]:
    """The roots of a project as they are, uploaded to the bucket where it is there."""
    rendering = project.render()
    there = any(bucket["Name"] == BUCKET for bucket in client("s3").list_buckets()["Buckets"])
    bundle = package_rendering(rendering, S3Folder(BUCKET, REGION) if there else None)
    if there:
        upload_bundle(bundle, ACCOUNT, Boto(REGION))
    return [
        DesiredStack(
            root=root,
            stack=f"news-dev-{root}",
            templates={
                n: template.text
                for n, template in bundle.templates.items()
                if n.partition("/")[0] == root
            },
            urls={
                n: template.address
                for n, template in bundle.templates.items()
                if n.partition("/")[0] == root
            }
            if there
            else {},
            parameters=(parameters or {}).get(root, {}),
            tags={"environment": "dev"},
            inline=root == "base",
        )
        for root in ("base", "app")
    ]


def deploy(target: DesiredStack) -> Outcome:
    """One root by a change set, to its end; nothing where nothing changes."""
    aws = Boto(REGION)
    kind: Any = "UPDATE" if aws.stack(target.stack) else "CREATE"
    source = {"body": target.body} if target.inline else {"url": target.urls[target.root]}
    name = f"c{uuid4().hex}"
    made = aws.create_change_set(
        ChangeSetRequest(
            target.stack, name, kind, name, parameters=target.parameters, tags=target.tags, **source
        )
    )
    described = aws.change_set(made, values=False)
    assert described is not None
    if described.status == "FAILED":
        aws.delete_change_set(made)
    else:
        aws.execute_change_set(made, f"t{name}")
    stack = aws.stack(target.stack)
    assert stack is not None
    return outcome(target, stack.status)


def outcome(target: DesiredStack, status: str = "UPDATE_COMPLETE") -> Outcome:
    ok = status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    return Outcome(target.root, target.stack, status, ok, BEGAN, BEGAN.replace(minute=31))


def plan(
    roots: Sequence[DesiredStack], kind: RootAction = RootAction.UPDATE, **changes: Any
) -> Plan:
    """A plan of these roots."""
    made = Plan(
        environment="dev",
        account=ACCOUNT,
        region=REGION,
        caller=f"arn:aws:iam::{ACCOUNT}:user/ada",
        commit="0123abcd4567",
        made=BEGAN,
        roots=tuple(RootPlan(root, kind, Diff()) for root in roots),
        bucket=BUCKET,
    )
    return replace(made, **changes)
