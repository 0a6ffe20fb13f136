"""What new resources grant, by the command line on the emulator: one block in a first deployment,
an approval in an environment that exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator import EmulatorSettings, Server
from tests.support.aws import ACCOUNT, REGION
from tests.support.projects import Project

BASE = """\
Outputs:
  ArtifactBucketName: {Value: !Ref Artifacts}
Resources:
  Artifacts:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties: {BucketName: shop-artifacts}
  Topic: {Type: AWS::SNS::Topic}
"""
APP = """\
Resources:
  Worker:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: ecs-tasks.amazonaws.com}}
      Policies:
        - PolicyName: files
          PolicyDocument:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::files/*"}]
  Broken:
    Type: AWS::SNS::Topic
    Properties: {TopicName: {{ topic }}}
"""
TEXT = "Worker may s3:GetObject on arn:aws:s3:::files/*"
REFUSED = "needs approval: Worker allows s3:GetObject on arn:aws:s3:::files/*"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, project: Callable[..., Project]) -> Iterator[Project]:
    """A project whose roots are ``base`` and ``app``, with nothing deployed."""
    with Server(EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT))) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield project(
            {
                "params/defaults.yaml": f"prefix: shop\nregion: {REGION}\ntopic: one\n",
                "params/local.yaml": "stacks: [base, app]\n",
                "templates/base.yaml.j2": BASE,
                "templates/app.yaml.j2": APP,
            }
        )


def deploy(shop: Project, *options: str) -> Result:
    return shop.invoke("deploy", "--env", "local", "--yes", *options)


def use_roots(shop: Project, roots: str) -> None:
    Path(shop.folder, "params/local.yaml").write_text(f"stacks: [{roots}]\n", encoding="utf-8")


def test_first_deployment_shows_what_it_grants_and_needs_no_approval(shop: Project) -> None:
    first = deploy(shop)
    assert first.exit_code == 0, first.output
    assert "Exposed and granted" in first.output
    assert TEXT in first.output
    assert "Exposed and granted" not in deploy(shop, "--set", "topic=two").output


def test_new_root_in_an_environment_that_exists_needs_approval(shop: Project) -> None:
    use_roots(shop, "base")
    assert deploy(shop).exit_code == 0
    use_roots(shop, "base, app")
    refused = deploy(shop)
    assert (refused.exit_code, REFUSED in refused.output) == (1, True), refused.output
    assert deploy(shop, "--approve", "Worker:access").exit_code == 0


def test_first_deployment_that_failed_is_repeated_without_approval(shop: Project) -> None:
    assert deploy(shop, "--set", "topic='not a name'").exit_code == 1
    shop.invoke("repair", "--env", "local", "--yes-delete", "shop-app")
    again = deploy(shop)
    assert again.exit_code == 0, again.output
    assert TEXT in again.output
