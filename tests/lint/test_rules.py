"""Every rule: templates that it reports, at the line marked ``# HERE``, and templates that it accepts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stackwright.core.model import Level, Problem, Rendering
from stackwright.lint.check import locate_finding
from stackwright.lint.rules import RULES as ALL
from tests.support.projects import Project

Make = Callable[..., Project]
RULES = {rule.id: rule for rule in ALL}


def task(container: str, more: str = "") -> str:
    return f"""\
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      NetworkMode: awsvpc
      ContainerDefinitions:
        - Name: web
{container}
{more}"""


def service(body: str, more: str = "") -> str:
    return f"  Service:\n    Type: AWS::ECS::Service\n    Properties:\n{body}\n{more}"


def resource(kind: str, body: str) -> str:
    return f"  R:\n    Type: AWS::{kind}\n    Properties:\n{body}\n"


def statement(body: str, effect: str = "Allow") -> str:
    return f"""\
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: p
          PolicyDocument:
            Statement:
              - Effect: {effect}
{body}
"""


LOGS = "LogConfiguration: {LogDriver: awslogs, Options: {awslogs-stream-prefix: web}}"
SIDE = "        - Name: side\n          Image: side:1\n"
TARGETS = task("          PortMappings:\n            - ContainerPort: 8080") + (
    "  Service:\n    Type: AWS::ECS::Service\n    Properties:\n      TaskDefinition: !Ref Task\n      LoadBalancers:\n"
)

BAD = [
    (
        "SW301",
        task("          HealthCheck:\n            Interval: 4 # HERE"),
        "Interval of the health check is 4; ECS allows 5 to 300",
    ),
    (
        "SW301",
        task("          HealthCheck:\n            Interval: 301 # HERE"),
        "is 301; ECS allows 5 to 300",
    ),
    (
        "SW301",
        task("          HealthCheck:\n            Timeout: 1 # HERE"),
        "Timeout of the health check is 1; ECS allows 2 to 60",
    ),
    (
        "SW301",
        task("          HealthCheck:\n            Timeout: 61 # HERE"),
        "is 61; ECS allows 2 to 60",
    ),
    (
        "SW301",
        task("          HealthCheck:\n            Retries: 0 # HERE"),
        "Retries of the health check is 0; ECS allows 1 to 10",
    ),
    (
        "SW301",
        task("          HealthCheck:\n            Retries: 11 # HERE"),
        "is 11; ECS allows 1 to 10",
    ),
    (
        "SW301",
        task("          HealthCheck:\n            StartPeriod: '301' # HERE"),
        "StartPeriod of the health check is 301; ECS allows 0 to 300",
    ),
    (
        "SW302",
        task("          StopTimeout: 121 # HERE"),
        "StopTimeout is 121 seconds; Fargate allows 0 to 120",
    ),
    ("SW302", task("          StartTimeout: -1 # HERE"), "StartTimeout is -1 seconds"),
    *(
        (
            "SW303",
            task(f"          {name}: {value} # HERE"),
            f"{name} cannot be used with the network mode awsvpc",
        )
        for name, value in (
            ("Links", "[a]"),
            ("Hostname", "x"),
            ("ExtraHosts", "[{}]"),
            ("DnsServers", "[a]"),
            ("DnsSearchDomains", "[a]"),
            ("DockerSecurityOptions", "[a]"),
            ("Privileged", "true"),
        )
    ),
    (
        "SW304",
        task(
            "          Secrets: [{Name: A, ValueFrom: x}]\n          Environment:\n"
            "            - {Name: B, Value: 1}\n            - {Name: A, Value: 1} # HERE"
        ),
        "A is in Environment and in Secrets of the container web",
    ),
    (
        "SW305",
        TARGETS + "        - {ContainerName: side, ContainerPort: 8080} # HERE\n",
        "the task definition has no container side; it has web",
    ),
    (
        "SW305",
        TARGETS + "        - {ContainerName: web, ContainerPort: 80} # HERE\n",
        "the container web does not expose the port 80",
    ),
    (
        "SW306",
        task("          Image: x:1").replace("- Name: web", "- Name: web # HERE"),
        "the container web has no LogConfiguration",
    ),
    (
        "SW306",
        task("          LogConfiguration: {LogDriver: awslogs, Options: {}} # HERE"),
        "awslogs on Fargate needs the option awslogs-stream-prefix",
    ),
    (
        "SW306",
        task("          LogConfiguration: {LogDriver: awslogs} # HERE"),
        "awslogs on Fargate needs",
    ),
    ("SW307", service("      DesiredCount: 2 # HERE"), "DesiredCount resets the scaled count"),
    (
        "SW307",
        service(
            "      DesiredCount: 1 # HERE\n      DeploymentConfiguration: {MaximumPercent: 200}"
        ),
        "DesiredCount resets",
    ),
    ("SW308", task("          Image: redis # HERE"), "redis is not a fixed version"),
    ("SW308", task("          Image: redis:latest # HERE"), "redis:latest is not a fixed version"),
    (
        "SW308",
        task("          Image: registry:5000/redis # HERE"),
        "registry:5000/redis is not a fixed version",
    ),
    (
        "SW308",
        task('          Image: !Sub "${AWS::AccountId}.dkr.ecr/redis:latest" # HERE'),
        "is not a fixed version",
    ),
    (
        "SW309",
        service("      DeploymentConfiguration: {MaximumPercent: 100}").replace(
            "Properties:", "Properties: # HERE"
        ),
        "AvailabilityZoneRebalancing must be DISABLED",
    ),
    (
        "SW309",
        service(
            "      AvailabilityZoneRebalancing: ENABLED\n      DeploymentConfiguration: {MaximumPercent: 100}"
        ).replace("Properties:", "Properties: # HERE"),
        "must be DISABLED",
    ),
    (
        "SW310",
        task("          DependsOn:\n            - {ContainerName: nope, Condition: START} # HERE"),
        "there is no container nope in this task",
    ),
    (
        "SW310",
        task(
            "          DependsOn:\n            - {ContainerName: side, Condition: HEALTHY} # HERE",
            SIDE,
        ),
        "side has no HealthCheck, so it never becomes HEALTHY",
    ),
    (
        "SW311",
        service("      LoadBalancers: [{ContainerName: a}]").replace(
            "Properties:", "Properties: # HERE"
        ),
        "HealthCheckGracePeriodSeconds is not set",
    ),
    *(
        (
            "SW312",
            task(f"          {kind}:\n            - {{Name: {name}, Value: x}} # HERE"),
            f"{name} must not be set in a task",
        )
        for kind, name in (
            ("Environment", "AWS_ACCESS_KEY_ID"),
            ("Secrets", "AWS_SESSION_TOKEN"),
            ("Environment", "ECS_CONTAINER_METADATA_URI_V4"),
        )
    ),
    (
        "SW313",
        resource(
            "Lambda::Function",
            "      Environment:\n        Variables:\n          A: 1\n          AWS_REGION: x # HERE",
        ),
        "AWS_REGION is reserved by Lambda",
    ),
    (
        "SW313",
        resource(
            "Lambda::Function",
            f"      Environment:\n        Variables: # HERE\n          A: {'x' * 4096}",
        ),
        "the variables take 4,097 bytes; Lambda allows 4,096",
    ),
    (
        "SW320",
        resource("ElasticLoadBalancingV2::TargetGroup", f"      Name: {'n' * 33} # HERE"),
        "has 33 characters; 32 are allowed",
    ),
    (
        "SW320",
        resource("ElasticLoadBalancingV2::LoadBalancer", f"      Name: {'n' * 33} # HERE"),
        "32 are allowed",
    ),
    (
        "SW320",
        resource("Lambda::Function", f"      FunctionName: {'n' * 65} # HERE"),
        "has 65 characters; 64 are allowed",
    ),
    ("SW320", resource("IAM::Role", f"      RoleName: {'n' * 65} # HERE"), "64 are allowed"),
    ("SW320", resource("Events::Rule", f"      Name: {'n' * 65} # HERE"), "64 are allowed"),
    (
        "SW321",
        resource(
            "ElasticLoadBalancingV2::TargetGroup",
            "      HealthCheckIntervalSeconds: 10\n      HealthCheckTimeoutSeconds: 10 # HERE",
        ),
        "the timeout of 10 s must be below the interval of 10 s",
    ),
    (
        "SW321",
        resource(
            "ElasticLoadBalancingV2::TargetGroup", "      HealthCheckIntervalSeconds: 4 # HERE"
        ),
        "HealthCheckIntervalSeconds is 4; allowed are 5 to 300",
    ),
    (
        "SW321",
        resource(
            "ElasticLoadBalancingV2::TargetGroup", "      HealthCheckTimeoutSeconds: 121 # HERE"
        ),
        "allowed are 2 to 120",
    ),
    (
        "SW321",
        resource("ElasticLoadBalancingV2::TargetGroup", "      HealthyThresholdCount: 1 # HERE"),
        "allowed are 2 to 10",
    ),
    (
        "SW321",
        resource("ElasticLoadBalancingV2::TargetGroup", "      UnhealthyThresholdCount: 11 # HERE"),
        "allowed are 2 to 10",
    ),
    (
        "SW322",
        resource(
            "ElasticLoadBalancingV2::LoadBalancer",
            (
                "      LoadBalancerAttributes:\n        - {Key: a, Value: 9000}\n"
                "        - {Key: idle_timeout.timeout_seconds, Value: '4001'} # HERE"
            ),
        ),
        "the idle timeout is 4001 s; allowed are 1 to 4000",
    ),
    (
        "SW323",
        resource(
            "ApplicationAutoScaling::ScalableTarget",
            "      MinCapacity: 3 # HERE\n      MaxCapacity: 2",
        ),
        "MinCapacity 3 is above MaxCapacity 2",
    ),
    (
        "SW330",
        resource(
            "EC2::SecurityGroup",
            (
                "      SecurityGroupIngress:\n        - {CidrIp: 10.0.0.0/8, IpProtocol: '-1'}\n"
                "        - {CidrIp: 0.0.0.0/0, IpProtocol: tcp, FromPort: 22, ToPort: 22} # HERE"
            ),
        ),
        "port 22 can be reached from 0.0.0.0/0",
    ),
    (
        "SW330",
        resource(
            "EC2::SecurityGroup",
            (
                "      SecurityGroupIngress:\n"
                "        - {CidrIpv6: '::/0', IpProtocol: tcp, FromPort: 80, ToPort: 443} # HERE"
            ),
        ),
        "ports 80 to 443 can be reached from ::/0",
    ),
    (
        "SW330",
        resource(
            "EC2::SecurityGroup",
            "      SecurityGroupIngress:\n        - {CidrIp: 0.0.0.0/0, IpProtocol: '-1'} # HERE",
        ),
        "all ports can be reached from 0.0.0.0/0",
    ),
    (
        "SW330",
        resource(
            "EC2::SecurityGroup",
            (
                "      SecurityGroupIngress:\n"
                "        - {CidrIp: 0.0.0.0/0, IpProtocol: udp, FromPort: 443, ToPort: 443} # HERE"
            ),
        ),
        "can be reached",
    ),
    (
        "SW330",
        resource(
            "EC2::SecurityGroupIngress",
            "      CidrIp: 0.0.0.0/0\n      IpProtocol: tcp\n      FromPort: 5432\n      ToPort: 5432",
        ).replace("Properties:", "Properties: # HERE"),
        "port 5432 can be reached",
    ),
    (
        "SW331",
        resource("EC2::Subnet", "      AvailabilityZone: us-east-2a # HERE"),
        "us-east-2a is no availability zone of us-west-2",
    ),
    (
        "SW331",
        resource(
            "AutoScaling::AutoScalingGroup",
            "      AvailabilityZones:\n        - us-west-2a\n        - us-west-1a # HERE",
        ),
        "us-west-1a is no availability zone of us-west-2",
    ),
    (
        "SW331",
        resource("EC2::Instance", "      AvailabilityZone: us-west-2 # HERE"),
        "us-west-2 is no availability zone of us-west-2",
    ),
    (
        "SW340",
        statement("                Action: [s3:GetObject]\n                Resource: '*' # HERE"),
        "Resource * is allowed for s3:GetObject",
    ),
    (
        "SW340",
        statement("                Action: '*' # HERE\n                Resource: arn:aws:s3:::b"),
        "Action * is allowed for *",
    ),
    (
        "SW340",
        statement(
            "                Action: [s3:GetObject, 's3:*'] # HERE\n                Resource: arn:aws:s3:::b"
        ),
        "Action s3:* is allowed for s3:GetObject, s3:*",
    ),
    (
        "SW340",
        statement(
            "                NotAction: [s3:GetObject] # HERE\n                Resource: arn:aws:s3:::b"
        ),
        "NotAction is allowed for everything",
    ),
    (
        "SW340",
        statement(
            "                Action: s3:GetObject\n                NotResource: arn:aws:s3:::b # HERE"
        ),
        "NotResource is allowed for s3:GetObject",
    ),
    (
        "SW340",
        (
            "  P:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      PolicyDocument:\n        Statement:\n"
            "          Effect: Allow\n          Action: a:B\n          Resource: ['*'] # HERE\n"
        ),
        "Resource * is allowed for a:B",
    ),
    (
        "SW350",
        resource("S3::Bucket", "      BucketName: x").replace("  R:", "  R: # HERE"),
        "R holds data and does not state DeletionPolicy and UpdateReplacePolicy",
    ),
    (
        "SW350",
        "  R: # HERE\n    Type: AWS::EFS::FileSystem\n    DeletionPolicy: Retain\n",
        "does not state UpdateReplacePolicy",
    ),
    (
        "SW350",
        "  R: # HERE\n    Type: AWS::DynamoDB::Table\n    UpdateReplacePolicy: Retain\n",
        "does not state DeletionPolicy",
    ),
    (
        "SW351",
        resource("Logs::LogGroup", "      LogGroupName: x").replace(
            "Properties:", "Properties: # HERE"
        ),
        "RetentionInDays is not set",
    ),
    ("SW351", "  R: # HERE\n    Type: AWS::Logs::LogGroup\n", "RetentionInDays is not set"),
    (
        "SW360",
        resource("SSM::Parameter", "      Value: AKIAIOSFODNN7EXAMPLE # HERE"),
        "a value that looks like an AWS access key",
    ),
    (
        "SW360",
        resource("SSM::Parameter", '      Value: !Sub "x amqp://u:passw0rd@h/" # HERE'),
        "a value that looks like a URL with a password",
    ),
    (
        "SW361",
        "  R: {Type: x}\nParameters:\n  P:\n    Type: String\n    NoEcho: true\n    Default: x # HERE\n",
        "P is NoEcho and has a Default",
    ),
    (
        "SW361",
        "  R: {Type: x}\nParameters:\n  P: {Type: String, NoEcho: 'true', Default: x} # HERE\n",
        "P is NoEcho and has a Default",
    ),
]

GOOD = [
    ("SW301", task("          HealthCheck: {Interval: 5, Timeout: 2, Retries: 1, StartPeriod: 0}")),
    (
        "SW301",
        task("          HealthCheck: {Interval: 300, Timeout: 60, Retries: 10, StartPeriod: 300}"),
    ),
    ("SW301", task("          HealthCheck: {Interval: !Ref Interval}")),
    ("SW302", task("          StopTimeout: 120\n          StartTimeout: 0")),
    ("SW303", task("          Links: [a]").replace("awsvpc", "bridge")),
    ("SW303", task("          Privileged: false")),
    ("SW304", task("          Secrets: [{Name: A}]\n          Environment: [{Name: B}]")),
    (
        "SW304",
        task(
            "          Secrets: [{Name: A}]",
            "        - Name: side\n          Environment: [{Name: A}]\n",
        ),
    ),
    ("SW305", TARGETS + "        - {ContainerName: web, ContainerPort: '8080'}\n"),
    (
        "SW305",
        service(
            "      TaskDefinition: !Ref Elsewhere\n      LoadBalancers: [{ContainerName: x, ContainerPort: 1}]"
        ),
    ),
    ("SW306", task(f"          {LOGS}")),
    ("SW306", task("          LogConfiguration: {LogDriver: awsfirelens}")),
    (
        "SW307",
        service("      DesiredCount: 1\n      DeploymentConfiguration: {MaximumPercent: 100}"),
    ),
    ("SW307", service("      DeploymentConfiguration: {MaximumPercent: 200}")),
    ("SW308", task("          Image: redis:7.2")),
    ("SW308", task("          Image: redis@sha256:abc")),
    ("SW308", task("          Image: !Ref WebImage")),
    ("SW308", task('          Image: !Sub "${Repository}:${Tag}"')),
    (
        "SW309",
        service(
            "      AvailabilityZoneRebalancing: DISABLED\n      DeploymentConfiguration: {MaximumPercent: 100}"
        ),
    ),
    ("SW309", service("      DeploymentConfiguration: {MaximumPercent: 150}")),
    ("SW309", service("      DeploymentConfiguration: {MaximumPercent: !Ref Most}")),
    ("SW310", task("          DependsOn: [{ContainerName: side, Condition: START}]", SIDE)),
    (
        "SW310",
        task(
            "          DependsOn: [{ContainerName: side, Condition: HEALTHY}]",
            f"{SIDE}          HealthCheck: {{Retries: 1}}\n",
        ),
    ),
    (
        "SW311",
        service(
            "      LoadBalancers: [{ContainerName: a}]\n      HealthCheckGracePeriodSeconds: 60"
        ),
    ),
    ("SW311", service("      LoadBalancers: []")),
    ("SW312", task("          Environment: [{Name: AWS_REGION}, {Name: MY_AWS_PROFILE}]")),
    (
        "SW313",
        resource("Lambda::Function", f"      Environment: {{Variables: {{A: {'x' * 4095}}}}}"),
    ),
    (
        "SW313",
        resource("Lambda::Function", "      Environment: {Variables: {A: !Ref B, AWS_REGIONS: x}}"),
    ),
    ("SW320", resource("IAM::Role", f"      RoleName: {'n' * 64}")),
    ("SW320", resource("ElasticLoadBalancingV2::TargetGroup", "      Name: !Ref Name")),
    (
        "SW321",
        resource(
            "ElasticLoadBalancingV2::TargetGroup",
            "      HealthCheckIntervalSeconds: 6\n      HealthCheckTimeoutSeconds: 5\n      HealthyThresholdCount: 2",
        ),
    ),
    (
        "SW322",
        resource(
            "ElasticLoadBalancingV2::LoadBalancer",
            "      LoadBalancerAttributes:\n        - {Key: idle_timeout.timeout_seconds, Value: '4000'}",
        ),
    ),
    (
        "SW323",
        resource(
            "ApplicationAutoScaling::ScalableTarget", "      MinCapacity: 2\n      MaxCapacity: 2"
        ),
    ),
    (
        "SW323",
        resource(
            "ApplicationAutoScaling::ScalableTarget",
            "      MinCapacity: !Ref A\n      MaxCapacity: 2",
        ),
    ),
    (
        "SW330",
        resource(
            "EC2::SecurityGroup",
            "      SecurityGroupIngress:\n"
            "        - {CidrIp: 0.0.0.0/0, IpProtocol: tcp, FromPort: 443, ToPort: 443}\n"
            "        - {CidrIpv6: '::/0', IpProtocol: '6', FromPort: 80, ToPort: 80}\n"
            "        - {CidrIp: 10.0.0.0/8, IpProtocol: '-1'}\n"
            "        - {SourceSecurityGroupId: x, IpProtocol: tcp, FromPort: 22, ToPort: 22}",
        ),
    ),
    (
        "SW330",
        resource(
            "EC2::SecurityGroup",
            "      SecurityGroupEgress: [{CidrIp: 0.0.0.0/0, IpProtocol: '-1'}]",
        ),
    ),
    ("SW331", resource("EC2::Subnet", "      AvailabilityZone: us-west-2d")),
    ("SW331", resource("EC2::Subnet", "      AvailabilityZone: us-west-2-lax-1a")),
    ("SW331", resource("EC2::Subnet", "      AvailabilityZone: !Select [0, !GetAZs '']")),
    ("SW331", resource("EC2::Subnet", "      AvailabilityZone: !Sub '${AWS::Region}a'")),
    (
        "SW340",
        statement(
            "                Action: s3:Get*\n                Resource: arn:aws:s3:::bucket/*"
        ),
    ),
    ("SW340", statement("                Action: '*'\n                Resource: '*'", "Deny")),
    (
        "SW340",
        statement(
            "                Action: s3:GetObject\n                Resource: !Sub 'arn:aws:s3:::${B}/*'"
        ),
    ),
    (
        "SW350",
        "  R:\n    Type: AWS::S3::Bucket\n    DeletionPolicy: Retain\n    UpdateReplacePolicy: Delete\n",
    ),
    ("SW350", "  R:\n    Type: AWS::SNS::Topic\n"),
    ("SW351", resource("Logs::LogGroup", "      RetentionInDays: 30")),
    ("SW360", resource("SSM::Parameter", "      Value: amqp://${User}:${Password}@host/")),
    ("SW360", resource("SSM::Parameter", "      Value: https://example.org:8080/@x")),
    ("SW360", resource("SSM::Parameter", "      Value: '{{ dynref('ssm', '/x') }}'")),
    (
        "SW361",
        "  R: {Type: x}\nParameters:\n  P: {Type: String, NoEcho: true}\n  Q: {Type: String, Default: x}\n",
    ),
]


def problems_of(rule: str, rendering: Rendering) -> list[Problem]:
    return [
        locate_finding(rendering, problem, rule, RULES[rule].level)
        for problem in RULES[rule].check(rendering)
    ]


def rendered(project: Make, text: str) -> Rendering:
    files = {"params/dev.yaml": "region: us-west-2\n"}
    files["templates/main.yaml.j2"] = f"# {{{{ title }}}}\nResources:\n{text}"
    return project(files).render()


@pytest.mark.parametrize(
    ("rule", "text", "message"), BAD, ids=[f"{r}-{n}" for n, (r, _, _) in enumerate(BAD)]
)
def test_bad_template_is_reported(rule: str, text: str, message: str, project: Make) -> None:
    rendering = rendered(project, text)
    (problem,) = problems_of(rule, rendering)
    assert message in problem.message
    source = (rendering.config.project / "templates/main.yaml.j2").read_text().splitlines()
    (here,) = [line for line, row in enumerate(source, 1) if row.endswith("# HERE")]
    assert str(problem.where[0]) == f"templates/main.yaml.j2:{here}"
    assert problem.output is not None
    assert rendering.documents[0].text.splitlines()[problem.output.line - 1].endswith("# HERE")
    assert problem.output.path == "build/dev/main.yaml"


@pytest.mark.parametrize(("rule", "text"), GOOD, ids=[f"{r}-{n}" for n, (r, _) in enumerate(GOOD)])
def test_good_template_is_accepted(rule: str, text: str, project: Make) -> None:
    assert problems_of(rule, rendered(project, text)) == []


def test_every_rule_has_a_bad_and_a_good_template() -> None:
    assert {rule for rule, _, _ in BAD} == set(RULES) == {rule for rule, _ in GOOD}


def test_every_rule_has_a_title_a_reason_and_a_source() -> None:
    for rule in ALL:
        assert rule.title
        assert rule.reason.endswith(".")
        assert rule.source.startswith("https://")
        assert rule.level in (Level.ERROR, Level.WARNING)
    assert len(RULES) == len(ALL)


@pytest.mark.parametrize(
    "text",
    [
        "  R: text\n",
        "  R: {Type: AWS::ECS::TaskDefinition}\n",
        "  R: {Type: AWS::ECS::TaskDefinition, Properties: {ContainerDefinitions: !If [A, [], []]}}\n",
        "  R: {Type: AWS::ECS::TaskDefinition, Properties: {ContainerDefinitions: [!If [A, {}, {}], text, 5]}}\n",
        "  R: {Type: AWS::ECS::Service, Properties: {LoadBalancers: !Ref X, DeploymentConfiguration: text}}\n",
        "  R: {Type: AWS::IAM::Role, Properties: {Policies: {A: b}}}\n",
        "  R: {Type: AWS::IAM::Role, Properties: {Policies: [{PolicyDocument: {Statement: [text]}}]}}\n",
        "  R: {Type: AWS::EC2::SecurityGroup, Properties: {SecurityGroupIngress: {CidrIp: !Ref X}}}\n",
        "  R: {Type: AWS::Lambda::Function, Properties: {Environment: {Variables: !Ref X}}}\n",
        "  R: {Type: [AWS::S3::Bucket]}\n",
        "  R: {Type: AWS::S3::Bucket, Metadata: text}\n",
        "  R: {Type: AWS::Logs::LogGroup, Properties: !If [A, {}, {}]}\n",
    ],
)
def test_rules_accept_unusual_shapes(text: str, project: Make) -> None:
    rendering = rendered(project, text)
    for rule in ALL:
        for finding in rule.check(rendering):
            assert locate_finding(rendering, finding, rule.id, rule.level).where
