"""Weaker protections of many types are refused by `deploy --yes`, each in plain words."""

from __future__ import annotations

from stackwright.emulator import LocalCloudFormation
from tests.deploy.test_blockers import Demo, change, deployed, events, run
from tests.deploy.test_blockers import demo as demo
from tests.deploy.test_blockers import engine as engine

STRONG = """\
Resources:
  Other: {Type: AWS::SNS::Topic, Properties: {DisplayName: {{ title }}}}
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, MapPublicIpOnLaunch: false}}
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 10.0.0.0/8}]
  Files:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      PublicAccessBlockConfiguration:
        {BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true}
  Jobs: {Type: AWS::SQS::Queue, DeletionPolicy: Retain, UpdateReplacePolicy: Retain, Properties: {SqsManagedSseEnabled: true}}
  Key:
    Type: AWS::KMS::Key
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      EnableKeyRotation: true
      KeyPolicy:
        Statement: [{Effect: Allow, Principal: {AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root"}, Action: "kms:*", Resource: "*"}]
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: ecs-tasks.amazonaws.com}}]
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: web
      ContainerDefinitions: [{Name: web, Image: "web:1.0", Memory: 128, Privileged: false, LogConfiguration: {LogDriver: json-file}}]
  Rule:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: {GroupId: !GetAtt Group.GroupId, IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 10.1.0.0/16}
  Publishers:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref Other]
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {AWS: !Ref AWS::AccountId}, Action: "sns:Publish", Resource: !Ref Other}
  Images:
    Type: AWS::ECR::Repository
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties: {ImageScanningConfiguration: {ScanOnPush: true}}
  Readers:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      Roles: [!Ref Role]
      PolicyDocument: {Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: !Sub "${Files.Arn}/*"}]}
  Admins: {Type: AWS::IAM::Group, Properties: {}}
"""
WEAKER = {
    "CidrIp: 10.1.0.0/16": "CidrIp: 10.0.0.0/12",
    "{AWS: !Ref AWS::AccountId}": "'*'",
    "ScanOnPush: true": "ScanOnPush: false",
    'Action: "s3:GetObject"': 'Action: ["s3:GetObject", "s3:PutObject"]',
    "{Type: AWS::IAM::Group, Properties: {}}": "{Type: AWS::IAM::Group, Properties: {ManagedPolicyArns: "
    '["arn:aws:iam::aws:policy/AdministratorAccess"]}}',
    "MapPublicIpOnLaunch: false": "MapPublicIpOnLaunch: true",
    "CidrIp: 10.0.0.0/8": "CidrIp: 0.0.0.0/0",
    "BlockPublicPolicy: true": "BlockPublicPolicy: false",
    "SqsManagedSseEnabled: true": "SqsManagedSseEnabled: false",
    "EnableKeyRotation: true": "EnableKeyRotation: false",
    "Service: ecs-tasks.amazonaws.com": "AWS: '*'",
    "Privileged: false": "Privileged: true",
}
REFUSED = (
    "SW822 needs approval: Rule opens tcp/22 to 10.0.0.0/12",
    "SW822 needs approval: Publishers",
    "SW823 needs approval: Images no longer scans images",
    "SW822 needs approval: Readers",
    "SW822 needs approval: Admins attaches",
    "SW822 needs approval: Subnet",
    "SW822 needs approval: Group opens tcp/443 to 0.0.0.0/0",
    "SW822 needs approval: Files accepts public bucket policies",
    "SW823 needs approval: Jobs",
    "SW823 needs approval: Key",
    "SW822 needs approval: Role",
    "SW822 needs approval: Task",
)


def test_weaker_protections_are_refused_with_yes(demo: Demo, engine: LocalCloudFormation) -> None:
    project = deployed(demo({"app": STRONG}))
    weak = STRONG
    for strong, weaker in WEAKER.items():
        assert strong in weak
        weak = weak.replace(strong, weaker)
    before = events(engine)
    result = run(change(project, app=weak), "deploy", "--yes")
    shown = " ".join(result.output.split())
    assert result.exit_code == 1, shown
    assert [text for text in REFUSED if text not in shown] == [], result.output
    assert events(engine) == before
