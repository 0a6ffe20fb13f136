"""A small system with one of everything that a deployment handles: a bucket, a repository and a
secret in one root; in the other two nested stacks with an ECS service, and a function that is held
while services change."""

from __future__ import annotations

from collections.abc import Mapping

ACCOUNT = "123456789012"
REGION = "us-east-2"
PREFIX = "news-dev"

FIRST_SECRET = "Kq7/zT+4w_first~Zx&vL%9pWb3"
SECOND_SECRET = "Hn2=uR;8e second'Jm|cD<6yQs5"
SECRETS: Mapping[str, str] = {"API_KEY": FIRST_SECRET, "TOKEN": "Bd5^gF:1k_token`Vw>aN*7tXo4"}
"""Values with characters that quoting, URLs, base64 and JSON write differently."""

_DEFAULTS = f"""\
environment: dev
region: {REGION}
account_id: '{ACCOUNT}'
project: news
prefix: {PREFIX}
stacks:
  - base
  - app: [data, web]
images:
  web: {{repository: {PREFIX}/web, tag: '1.0', context: services/web}}
secrets:
  app: {{name: {PREFIX}/app}}
title: first
retention: 7
reserved: null
"""

_BASE = """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BucketName: {{ prefix }}-artifacts
      VersioningConfiguration:
        Status: Enabled
  Repository:
    Type: AWS::ECR::Repository
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      RepositoryName: {{ images.web.repository }}
      ImageTagMutability: IMMUTABLE
  Secret:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      Name: {{ secrets.app.name }}
      Description: {{ title }}
Outputs:
  ArtifactBucketName:
    Value: !Ref Bucket
  AppSecretArn:
    Value: !Ref Secret
"""

_APP = """\
Parameters:
  {{ wired_parameters() }}
Resources:
  {{ nested_stacks() }}
Outputs:
  ServiceName:
    Value: !GetAtt Web.Outputs.ServiceName
"""

_DATA = """\
Resources:
  Cluster:
    Type: AWS::ECS::Cluster
    Properties:
      ClusterName: {{ prefix }}
  LogGroup:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      LogGroupName: /{{ prefix }}/web
      RetentionInDays: {{ retention }}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: {{ title }}
      KmsMasterKeyId: alias/aws/sns
Outputs:
  ClusterName:
    Value: !Ref Cluster
"""

_WEB = """\
Parameters:
  ClusterName:
    Type: String
  AppSecretArn:
    Type: String
  AppSecretVersionId:
    Type: String
  WebImage:
    Type: String
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal:
              Service: [ecs-tasks.amazonaws.com, lambda.amazonaws.com]
            Action: sts:AssumeRole
      Policies:
        - PolicyName: secret
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action: secretsmanager:GetSecretValue
                Resource: !Ref AppSecretArn
  TaskDefinition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: {{ prefix }}-web
      ExecutionRoleArn: !GetAtt Role.Arn
      ContainerDefinitions:
        - Name: web
          Image: !Ref WebImage
          Memory: 128
          ReadonlyRootFilesystem: true
          Environment:
            - Name: TITLE
              Value: {{ title }}
          Secrets:
            - Name: API_KEY
              ValueFrom: !Sub "${AppSecretArn}:API_KEY::${AppSecretVersionId}"
          LogConfiguration:
            LogDriver: awslogs
            Options:
              awslogs-group: /{{ prefix }}/web
              awslogs-region: !Ref AWS::Region
              awslogs-stream-prefix: web
  Service:
    Type: AWS::ECS::Service
    Properties:
      Cluster: !Ref ClusterName
      ServiceName: {{ prefix }}-web
      TaskDefinition: !Ref TaskDefinition
      DeploymentConfiguration:
        MinimumHealthyPercent: 100
        MaximumPercent: 200
        DeploymentCircuitBreaker:
          Enable: true
          Rollback: true
  FunctionLogGroup:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      LogGroupName: /aws/lambda/{{ prefix }}-scaler
      RetentionInDays: {{ retention }}
  Scaler:
    Type: AWS::Lambda::Function
    DependsOn: FunctionLogGroup
    Metadata:
      stackwright:
        hold: deploy
    Properties:
      FunctionName: {{ prefix }}-scaler
      Runtime: python3.12
      Handler: main.handler
      Code: {{ local_path('lambda/scaler') }}
      Role: !GetAtt Role.Arn
      {% if reserved is not none %}
      ReservedConcurrentExecutions: {{ reserved }}
      {% endif %}
Outputs:
  ServiceName:
    Value: !GetAtt Service.Name
"""

FUNCTION = """\
def handler(event, context):
    return {"title": "%s"}
"""

KEYS_EXAMPLE = "".join(f"{name}=\n" for name in SECRETS)


def keys(values: Mapping[str, str]) -> str:
    """The text of keys.env."""
    return "".join(f'{name}="{value}"\n' for name, value in values.items())


FILES: Mapping[str, str] = {
    "params/defaults.yaml": _DEFAULTS,
    "params/dev.yaml": "",
    "templates/base.yaml.j2": _BASE,
    "templates/app.yaml.j2": _APP,
    "templates/app/data.yaml.j2": _DATA,
    "templates/app/web.yaml.j2": _WEB,
    "lambda/scaler/main.py": FUNCTION % "first",
    "env/dev/keys.env.example": KEYS_EXAMPLE,
    "env/dev/keys.env": keys(SECRETS),
}
