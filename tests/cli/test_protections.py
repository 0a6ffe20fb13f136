"""A sample of the table of protections through the command line, on the emulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator import EmulatorSettings, Server
from tests.support.aws import ACCOUNT, REGION
from tests.support.projects import Project

PROPERTIES = """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: {{ "Delete" if weak else "Retain" }}
    UpdateReplacePolicy: Retain
    Properties:
      PublicAccessBlockConfiguration:
        {BlockPublicAcls: true, BlockPublicPolicy: {{ not weak }}, IgnorePublicAcls: true, RestrictPublicBuckets: true}
      VersioningConfiguration: {Status: {{ "Suspended" if weak else "Enabled" }}}
      BucketEncryption:
        ServerSideEncryptionConfiguration:
          - ServerSideEncryptionByDefault: {SSEAlgorithm: {{ "AES256" if weak else "aws:kms" }}}
      LifecycleConfiguration:
        Rules:
          - {Id: keep, Status: Enabled, ExpirationInDays: {{ 1 if weak else 365 }}}
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      DeletionProtectionEnabled: {{ not weak }}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: {{ not weak }}}
  Logs:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties: {LogGroupName: shop, RetentionInDays: {{ 1 if weak else 30 }}}
  Queue:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties: {MessageRetentionPeriod: {{ 60 if weak else 1209600 }}, VisibilityTimeout: {{ timeout }}}
  Repository:
    Type: AWS::ECR::Repository
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      ImageTagMutability: {{ "MUTABLE" if weak else "IMMUTABLE" }}
      ImageScanningConfiguration: {ScanOnPush: {{ not weak }}}
  Key:
    Type: AWS::KMS::Key
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      EnableKeyRotation: {{ not weak }}
      KeyPolicy:
        Version: '2012-10-17'
        Statement:
          - {Effect: Allow, Principal: {AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root'}, Action: 'kms:*', Resource: '*'}
{% if not weak %}
  Trail:
    Type: AWS::CloudTrail::Trail
    Properties: {IsLogging: true, S3BucketName: !Ref Bucket}
{% endif %}
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: 10.0.0.0/16}
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.0.0/24, MapPublicIpOnLaunch: {{ weak }}}
"""
PARAMS = f"""\
prefix: shop
region: {REGION}
stacks: [main]
weak: false
timeout: 30
"""
WEAK = ("--set", "weak=true")
EXPECTED = {
    "Bucket: data: no longer keeps old versions of objects (VersioningConfiguration.Status: Enabled → Suspended)",
    "Bucket: data: is deleted with the stack, where it was kept (DeletionPolicy: Retain → Delete)",
    'Bucket: data: deletes objects after fewer days (LifecycleConfiguration.Rules["keep"].ExpirationInDays: 365 → 1)',
    "Bucket: access: accepts public bucket policies (PublicAccessBlockConfiguration.BlockPublicPolicy: true → false)",
    "Bucket: encryption: no longer encrypts objects with a KMS key (BucketEncryption.ServerSideEncryptionConfiguration[*].ServerSideEncryptionByDefault.SSEAlgorithm: aws:kms → AES256)",
    "Table: data: can be deleted (DeletionProtectionEnabled: true → false)",
    "Table: data: can no longer be restored to a point in time (PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled: true → false)",
    "Logs: data: keeps log entries for fewer days (RetentionInDays: 30 → 1)",
    "Queue: data: keeps messages for fewer seconds (MessageRetentionPeriod: 1209600 → 60)",
    "Repository: data: lets tags be overwritten (ImageTagMutability: IMMUTABLE → MUTABLE)",
    "Repository: logging: no longer scans images (ImageScanningConfiguration.ScanOnPush: true → false)",
    "Key: encryption: is no longer rotated (EnableKeyRotation: true → false)",
    "Trail: logging: no longer records who does what: it is removed",
    "Subnet: access: gives instances a public address (MapPublicIpOnLaunch: false → true)",
}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, project: Callable[..., Project]) -> Iterator[Project]:
    with Server(EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT))) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        made = project(
            {
                "params/defaults.yaml": PARAMS,
                "params/local.yaml": "",
                "templates/main.yaml.j2": PROPERTIES,
            }
        )
        done = invoke(made, "deploy", "--yes")
        assert done.exit_code == 0, done.output
        yield made


def invoke(shop: Project, verb: str, *options: str) -> Result:
    return shop.invoke(verb, "--env", "local", *options)


def test_weaker_protections_are_refused_until_approved(shop: Project) -> None:
    planned = invoke(shop, "plan", "--format", "json", *WEAK)
    findings = json.loads(planned.stdout)["findings"]
    assert {f"{one['name']}: {one['kind']}: {one['description']}" for one in findings} == EXPECTED
    assert all(one["source"] for one in findings)
    refused = invoke(shop, "deploy", "--yes", *WEAK)
    assert refused.exit_code == 1
    for text in EXPECTED:
        address, _, description = text.split(": ", 2)
        assert f"{address} {description}" in refused.stderr
    approved = invoke(shop, "deploy", "--yes", "--allow-data-loss", "--allow-broader-access", *WEAK)
    assert approved.exit_code == 0, approved.output


def test_stronger_protections_and_ordinary_changes_need_no_approval(shop: Project) -> None:
    approvals = ("--allow-data-loss", "--allow-broader-access")
    assert invoke(shop, "deploy", "--yes", "--set", "timeout=60").exit_code == 0
    assert invoke(shop, "deploy", "--yes", *WEAK, *approvals).exit_code == 0
    back = invoke(shop, "deploy", "--yes")
    assert back.exit_code == 0, back.output
