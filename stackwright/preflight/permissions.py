"""The IAM roles of a pipeline, least privilege, from what the templates use.

Three roles (docs/decisions/0030): the pipeline plans with the first and deploys with the second;
CloudFormation makes the resources with the third, its service role, which the second passes on.
What the third may do comes from the registry schemas: each resource type says what its handlers
call. Names come from the templates: what is called ``<prefix>-web`` is allowed as ``<prefix>-*``;
what has an ID that nobody knows beforehand is allowed by kind, and is deleted only with the tag
that CloudFormation gave it.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..cfn import ArnKind, ResourceType, Schemas, read_arn_kinds
from ..core import Config, Rendering
from ..plan import BUCKET_OUTPUT, deploy_settings, given_bucket

POLICY_LIMIT = 6_144
"""Characters of a managed policy, without white space; ten policies fit on a role.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
POLICIES_LIMIT = 10

READ_CALLS = (
    "acm:DescribeCertificate",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeEvents",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStackResourceDrifts",
    "cloudformation:DescribeStacks",
    "cloudformation:GetStackPolicy",
    "cloudformation:GetTemplate",
    "cloudformation:ListChangeSets",
    "cloudformation:ListStackResources",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSubnets",
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListServiceDeployments",
    "ecs:ListTasks",
    "elasticloadbalancing:DescribeTargetHealth",
    "iam:GetRole",
    "lambda:GetAccountSettings",
    "lambda:GetFunctionConcurrency",
    "logs:GetLogEvents",
    "s3:GetObject",
    "s3:ListBucket",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "servicediscovery:ListInstances",
    "servicediscovery:ListNamespaces",
    "servicequotas:GetServiceQuota",
)
"""What every verb that looks may call: plan, preflight, status, history."""
NAMED_CALLS = {
    "AWS::DynamoDB::GlobalTable": "dynamodb:DescribeTable",
    "AWS::DynamoDB::Table": "dynamodb:DescribeTable",
    "AWS::Kinesis::Stream": "kinesis:DescribeStreamSummary",
    "AWS::Logs::LogGroup": "logs:DescribeLogStreams",
    "AWS::RDS::DBCluster": "rds:DescribeDBClusters",
    "AWS::RDS::DBInstance": "rds:DescribeDBInstances",
    "AWS::SQS::Queue": "sqs:GetQueueUrl",
    "AWS::SSM::Parameter": "ssm:ListTagsForResource",
}
"""What preflight calls to learn whether the name of such a resource is free: of the types that the
templates have."""
PLAN_CALLS = (
    "cloudformation:CreateChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:TagResource",
    "s3:PutObject",
)
"""What a plan calls besides: it uploads what is missing and makes a change set, which only a
deployment executes."""
DEPLOY_CALLS = (
    "cloudformation:CancelUpdateStack",
    "cloudformation:ContinueUpdateRollback",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStackDriftDetectionStatus",
    "cloudformation:DetectStackDrift",
    "cloudformation:DetectStackResourceDrift",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:ListImports",
    "cloudformation:RollbackStack",
    "cloudformation:SetStackPolicy",
    "cloudformation:UntagResource",
    "cloudformation:UpdateTerminationProtection",
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
    "ecs:StopServiceDeployment",
    "lambda:DeleteFunctionConcurrency",
    "lambda:InvokeFunction",
    "lambda:PutFunctionConcurrency",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
)
"""What deploy, verify, rollback, drift, destroy and the verbs for secrets and images call besides.

Not what prune does: it reads all stacks of the account and deletes artifacts, which is a person's
part.
"""
NESTED_CALLS = (
    "cloudformation:CreateChangeSet",
    "cloudformation:CreateStack",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStacks",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetStackPolicy",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
    "cloudformation:SetStackPolicy",
    "cloudformation:TagResource",
    "cloudformation:UntagResource",
    "cloudformation:UpdateStack",
    "cloudformation:UpdateTerminationProtection",
)
"""What the service role calls for nested stacks: the handlers of AWS::CloudFormation::Stack, and
nested change sets."""

SERVICE_LINKED = {
    "AWS::AutoScaling::AutoScalingGroup": "autoscaling.amazonaws.com",
    "AWS::ECS::Cluster": "ecs.amazonaws.com",
    "AWS::EFS::FileSystem": "elasticfilesystem.amazonaws.com",
    "AWS::ElastiCache::ReplicationGroup": "elasticache.amazonaws.com",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "elasticloadbalancing.amazonaws.com",
    "AWS::OpenSearchService::Domain": "opensearchservice.amazonaws.com",
    "AWS::RDS::DBCluster": "rds.amazonaws.com",
    "AWS::RDS::DBInstance": "rds.amazonaws.com",
}
"""Types whose service makes a service-linked role at first use, with the caller's permission.
Source:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html"""

_OPTIONAL = {
    "cognito-idp": "cognito",
    "ec2": "vpc|subnet|ipam",
    "elasticfilesystem": "filesystemconfig",
    "firehose": "firehose",
    "iam": "role",
    "kms": r'kms|"encrypted": (true|"true")',
    "lambda": "lambda",
    "lambda:PassCapacityProvider": "capacityprovider",
    "s3files": "filesystemconfig",
    "s3tables": "metadatatable|metadataconfiguration",
    "vpc-lattice": "servicenetwork|resourceconfiguration",
    "vpce": "serviceregion",
}
"""Calls that a handler makes to another service only for these properties; the schemas list them
for every resource."""
_OWNER = {
    "ec2:elasticip": "eip",
    "ecs:containerinstance": "cluster",
    "ecs:service": "cluster",
    "ecs:servicedeployment": "cluster",
    "ecs:servicerevision": "cluster",
    "ecs:task": "cluster",
    "ecs:taskset": "cluster",
    "elasticloadbalancing:listener": "loadbalancer",
    "elasticloadbalancing:listenerrule": "loadbalancer",
    "events:ruleoncustomeventbus": "rule",
    "events:ruleondefaulteventbus": "rule",
    "lambda:functionalias": "function",
    "lambda:functionversion": "function",
    "logs:logstream": "loggroup",
    "s3:object": "bucket",
}
"""Kinds whose ARN begins with the name of another kind; both without punctuation."""
_AFTER = {
    "secretsmanager:secret": "-??????",
    "iam:role": "",
    "cloudwatch:alarm": "",
    "cloudwatch:dashboard": "",
}
"""What follows a name that is known to the letter; of most kinds an ID, a revision or a path may
follow."""
_NAMED_BY_STACK = frozenset(
    ("AWS::CloudWatch::Alarm", "AWS::ECS::Cluster", "AWS::IAM::Role", "AWS::Lambda::Function", "AWS::Logs::LogGroup",
     "AWS::S3::Bucket", "AWS::SNS::Topic")
)  # fmt: skip
"""Types that CloudFormation names ``<stack>-<logical ID>-…`` where the template does not."""
_GLOBAL = frozenset(("cloudfront", "iam", "organizations", "route53", "s3", "sts"))
"""Services whose calls do not go to the stack's Region, so that a condition on it would refuse
them."""
_TAGS = re.compile(r"((Tag|Untag)Resource|(Add|Create|Delete|List|Remove)Tags\w*)$")
"""Actions that name all kinds of a service, and are called for the resource in hand alone."""
_OURS_ONLY = re.compile(r"(Delete|Detach|Release|Terminate)(?!Tags)|(Get|Put)SecretValue")
_KEY = re.compile(r'"(KmsKeyId|KMSMasterKeyID)"')
_READS = re.compile(r"Describe|List|Get(?!Object|SecretValue|Parameter|Item)")
"""What tells how things are; what hands out data is narrowed like a change."""
_BESIDE = frozenset(("cloudformation:changeset",))
"""Kinds without known names that an action needs beside one with a name."""
_STACK_TAG = "aws:ResourceTag/aws:cloudformation:stack-name"
_ARN = "arn:${AWS::Partition}"
_STACK = "AWS::CloudFormation::Stack"
PATH = "deploy"
"""IAM path of the roles, so that no pattern of names, ``role/<prefix>-*``, reaches them: none may
change itself."""

REPOSITORY = "${Repository}"
"""Stands for ``owner/name`` until somebody says which repository deploys."""

Condition = Mapping[str, Mapping[str, Sequence[str] | str]]


class AllowStatement(Struct, frozen=True):
    """One Allow of a policy; ARNs hold ``${AWS::Partition}`` and ``${AWS::AccountId}``."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Condition = {}

    def document(self) -> dict[str, Any]:
        """As IAM's JSON has it."""
        made = {"Effect": "Allow", "Action": list(self.actions), "Resource": list(self.resources)}
        return {**made, "Condition": self.condition} if self.condition else made

    @property
    def size(self) -> int:
        """Characters without white space, as IAM counts them, with room for an account's digits."""
        text = json.dumps(self.document(), separators=(",", ":"))
        return (
            len(
                text.replace("${AWS::Partition}", "aws-us-gov").replace(
                    "${AWS::AccountId}", "123456789012"
                )
            )
            + 1
        )


class Role(Struct, frozen=True):
    """A role: whom it trusts, and its policies, each small enough for a managed policy."""

    name: str
    purpose: str
    trust: Mapping[str, Any]
    policies: tuple[tuple[AllowStatement, ...], ...]


class Permissions(Struct, frozen=True):
    """The roles of one environment; ``uncovered`` are types whose schema does not say what they
    need."""

    environment: str
    region: str
    roles: tuple[Role, ...]
    uncovered: tuple[str, ...] = ()


def derive_permissions(rendering: Rendering, branch: str = "main") -> Permissions:
    """The roles that deploy an environment from a GitHub repository, whose plans are made on
    ``branch``."""
    scope, own = _Scope(rendering), _Scope(rendering, own=True)
    environment, prefix = rendering.environment, scope.prefix
    service_role = str(
        deploy_settings(rendering.config).get("role_arn") or find_service_role(rendering.config)
    )
    passing = _passing([service_role], ["cloudformation.amazonaws.com"])
    looking = [*map(_Call, (*READ_CALLS, *PLAN_CALLS)), *own.names()]
    keys = list(own.keys())
    templates = own.statements([_Call("s3:GetObject")])  # nested ones are read by the service role
    made = [
        *scope.statements(scope.resource_calls()),
        *scope.nested(passing),
        *scope.roles(),
        *templates,
    ]
    roles = (
        Role(
            f"{prefix}-plan",
            "plans: reads, uploads artifacts and makes change sets, executes none",
            _github(f"ref:refs/heads/{branch}"),
            _split([*own.statements(looking), *keys, passing]),
        ),
        Role(
            f"{prefix}-deploy",
            "deploys, after the approval of the environment",
            _github(f"environment:{environment}"),
            _split([*own.statements([*looking, *map(_Call, DEPLOY_CALLS)]), *keys, passing]),
        ),
        Role(
            f"{prefix}-cloudformation",
            "makes, changes and deletes the resources of the stacks",
            _trust({"Service": "cloudformation.amazonaws.com"}, "sts:AssumeRole"),
            _split(made),
        ),
    )
    return Permissions(environment, scope.region, roles, tuple(scope.uncovered()))


def find_service_role(config: Config) -> str:
    """What ``deploy.role_arn`` names once the roles are made."""
    return f"{_ARN}:iam::${{AWS::AccountId}}:role/{PATH}/{config.prefix}-cloudformation"


def artifact_bucket_name(rendering: Rendering) -> str | None:
    """The bucket of templates and zips: the parameter ``deploy.bucket``, or the bucket that is
    given out as ArtifactBucketName; None where neither tells."""
    given = given_bucket(rendering.config)
    if given:
        return given
    for document in rendering.documents:
        outputs = document.body.get("Outputs") or {}
        value = (outputs.get(BUCKET_OUTPUT) or {}).get("Value")
        if isinstance(value, Mapping) and value.get("Ref") in document.resources():
            properties = document.resources()[value["Ref"]].get("Properties") or {}
            return _text(properties.get("BucketName"))
    return None


def _github(subject: str) -> Mapping[str, Any]:
    """Trust in GitHub's tokens of one repository and one branch or environment.

    Source: https://docs.github.com/en/actions/reference/security/oidc
    """
    issuer = "token.actions.githubusercontent.com"
    wanted = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": f"repo:{REPOSITORY}:{subject}"}
    provider = f"{_ARN}:iam::${{AWS::AccountId}}:oidc-provider/{issuer}"
    trust = _trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity")
    return {
        **trust,
        "Statement": [{**trust["Statement"][0], "Condition": {"StringEquals": wanted}}],
    }


def _trust(principal: Mapping[str, str], action: str) -> Mapping[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action}],
    }


def _passing(arns: Sequence[str], services: Iterable[str]) -> AllowStatement:
    condition = {"StringEquals": {"iam:PassedToService": sorted(set(services))}}
    return AllowStatement(("iam:PassRole",), tuple(arns), condition)


def _split(statements: Iterable[AllowStatement]) -> tuple[tuple[AllowStatement, ...], ...]:
    """The statements in as few policies as first-fit finds; a statement that is too large alone is
    halved."""
    frame = len('{"Version":"2012-10-17","Statement":[]}')
    bins: list[list[AllowStatement]] = []
    waiting = sorted(statements, key=lambda each: (-each.size, each.actions, each.resources))
    while waiting:
        each = waiting.pop(0)
        if each.size + frame > POLICY_LIMIT:
            half = len(each.actions) // 2
            waiting[:0] = [
                AllowStatement(part, each.resources, each.condition)
                for part in _halves(each.actions, half)
            ]
            continue
        fits = (
            b for b in bins if frame + each.size + sum(other.size for other in b) <= POLICY_LIMIT
        )
        target = next(fits, None)
        if target is None:
            bins.append([each])
        else:
            target.append(each)
    return tuple(tuple(sorted(b, key=lambda each: (each.actions, each.resources))) for b in bins)


def _halves(actions: Sequence[str], half: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(actions[:half]), tuple(actions[half:])


class _Call(Struct, frozen=True):
    """An action, and the type of the resource it is made for; None: one of our own calls."""

    action: str
    type: ResourceType | None = None


def _plain(name: str) -> str:
    """``loadbalancer/app/`` as ``loadbalancer``, ``log-group`` and ``LogGroup`` as ``loggroup``."""
    return re.sub(r"[^a-z0-9]", "", name.partition("/")[0].lower())


def _text(value: Any) -> str | None:
    """A name as it is written; None where only CloudFormation knows it."""
    if isinstance(value, Mapping) and isinstance(value.get("Fn::Sub"), str):
        value = value["Fn::Sub"]
        return value if not re.search(r"\$\{(?!AWS::)", value) else None
    return value if isinstance(value, str) else None


class _Scope:
    """What the templates hold, and how narrow an ARN can be because of it; ``own`` for the calls
    that we make."""

    def __init__(self, rendering: Rendering, *, own: bool = False) -> None:
        config = rendering.config
        self.region, self.prefix = config.region, config.prefix
        self._schemas = Schemas(config.region)
        self._resources = [
            (str(resource.get("Type")), resource.get("Properties") or {})
            for document in rendering.documents
            for resource in document.resources().values()
        ]
        self._types = {name: self._schemas.get(name) for name, _ in self._resources}
        self._names: dict[str, set[str]] = defaultdict(set)
        self._owned: set[str] = set()
        for name, properties in self._resources:
            self._learn(name, properties)
        roots = [document.name for document in rendering.documents if "/" not in document.name]
        self._nested = sorted(
            {document.root for document in rendering.documents if "/" in document.name}
        )
        self._names["cloudformation:stack"] = {
            f"{self.prefix}-{root}{end}" for root in roots for end in ("/*", "-*")
        }
        self._learn_given(config)
        if own:
            bucket = artifact_bucket_name(rendering)
            self._names["iam:role"] = {"aws-service-role/*"}
            if bucket is not None:
                self._names["s3:bucket"] = {bucket, f"{bucket}/*"}

    def _learn_given(self, config: Config) -> None:
        """The secrets and repositories that the parameters name, wherever they are made."""
        for section, key, kind in (
            ("secrets", "name", "secretsmanager:secret"),
            ("images", "repository", "ecr:repository"),
        ):
            given = config.parameters.get(section)
            entries = given.values() if isinstance(given, Mapping) else ()
            for entry in (each for each in entries if isinstance(each, Mapping)):
                if entry.get(key):
                    self._names[kind].add(self._pattern(kind, str(entry[key])))

    def _learn(self, type_name: str, properties: Mapping[str, Any]) -> None:
        known = self._types[type_name]
        if known is None or known.custom or type_name == _STACK:
            return
        kind = f"{_service(known)}:{_plain(type_name.rpartition('::')[2])}"
        if known.system_tags:
            self._owned.add(kind)
        if type_name == "AWS::ApplicationAutoScaling::ScalingPolicy":
            self._names["cloudwatch:alarm"].add("TargetTracking-*")
        if known.primary_identifier == (("Id",),) and type_name != "AWS::SecretsManager::Secret":
            return
        last = type_name.rpartition("::")[2]
        settable = known.definition["properties"].keys() - {path[0] for path in known.read_only}
        found = next((key for key in (f"{last}Name", "Name", "Family") if key in settable), None)
        if found is None:
            return
        name = _text(properties.get(found))
        if name is None and type_name not in _NAMED_BY_STACK:
            self._names[kind].add("*")
        else:
            self._names[kind].add(self._pattern(kind, name or f"{self.prefix}-"))

    def _pattern(self, kind: str, name: str) -> str:
        """``/ecs/<prefix>/web`` as ``/ecs/<prefix>/*``: a new name of the same form needs no new
        policy."""
        if kind == "ssm:parameter":  # parameter/a/b is the ARN of /a/b
            name = name.removeprefix("/")
        begin = re.match(rf"(.*?\b{re.escape(self.prefix)}[-/_.])", name)
        return f"{begin.group(1)}*" if begin else f"{name}{_AFTER.get(kind, '*')}"

    def uncovered(self) -> list[str]:
        """The types whose handlers nobody described."""
        custom = ("Custom::", "AWS::CloudFormation::CustomResource")
        return sorted(
            name
            for name, known in self._types.items()
            if not name.startswith(custom) and (known is None or not known.permissions)
        )

    def resource_calls(self) -> Iterator[_Call]:
        """What CloudFormation calls for all resources, once each."""
        seen: set[tuple[str, str]] = set()
        for type_name, properties in self._resources:
            known = self._types[type_name]
            if known is None or type_name == _STACK:
                continue
            for action in self._wanted(known, properties):
                if (type_name, action) not in seen:
                    seen.add((type_name, action))
                    yield _Call(action, known)

    def names(self) -> Iterator[_Call]:
        """What asks whether names are free."""
        for name, known in self._types.items():
            if name in NAMED_CALLS:
                yield _Call(NAMED_CALLS[name], known)

    def _wanted(self, known: ResourceType, properties: Mapping[str, Any]) -> Iterator[str]:
        if known.custom:
            yield "lambda:InvokeFunction"
            return
        own, text = _service(known), json.dumps(properties, default=str).lower()
        handlers = known.permissions
        for action in sorted(
            {each for name in handlers if name != "list" for each in handlers[name]}
        ):
            service = action.partition(":")[0]
            optional = _OPTIONAL.get(action) or (
                "" if service == own else _OPTIONAL.get(service, "")
            )
            needed = re.search(optional, text)
            if needed and action not in ("iam:PassRole", "iam:CreateServiceLinkedRole"):
                yield action

    def nested(self, passing: AllowStatement) -> Iterator[AllowStatement]:
        """Nested stacks of this environment; CloudFormation hands its role on to them."""
        stack = f"{_ARN}:cloudformation:{self.region}:${{AWS::AccountId}}:stack/{self.prefix}"
        if self._nested:
            yield AllowStatement(NESTED_CALLS, tuple(f"{stack}-{root}-*" for root in self._nested))
            yield passing

    def keys(self) -> Iterator[AllowStatement]:
        """The use of customer keys, where secrets or the bucket are encrypted with one: by these
        services alone."""
        kinds_ = ("AWS::SecretsManager::Secret", "AWS::S3::Bucket")
        if any(
            name in kinds_ and _KEY.search(json.dumps(properties, default=str))
            for name, properties in self._resources
        ):
            services = [
                f"{service}.{self.region}.amazonaws.com" for service in ("s3", "secretsmanager")
            ]
            key = f"{_ARN}:kms:{self.region}:${{AWS::AccountId}}:key/*"
            condition = {"StringEquals": {"kms:ViaService": services}}
            yield AllowStatement(("kms:Decrypt", "kms:GenerateDataKey"), (key,), condition)

    def roles(self) -> Iterator[AllowStatement]:
        """PassRole to the services that the templates' roles trust, and the service-linked roles of
        first use."""
        trusted = {
            service
            for name, properties in self._resources
            if name == "AWS::IAM::Role"
            for service in _principals(properties.get("AssumeRolePolicyDocument"))
        }
        if trusted:
            yield _passing(
                self._arns_of("iam:role", f"{_ARN}:iam::${{AWS::AccountId}}:role/"), trusted
            )
        linked = sorted(service_linked_roles(self._resources))
        if linked:
            arns = tuple(
                f"{_ARN}:iam::${{AWS::AccountId}}:role/aws-service-role/{service}/*"
                for service in linked
            )
            condition = {"StringEquals": {"iam:AWSServiceName": linked}}
            yield AllowStatement(("iam:CreateServiceLinkedRole",), arns, condition)

    def statements(self, calls: Iterable[_Call]) -> Iterator[AllowStatement]:
        """The calls, those of one service with the same resources and condition in one
        statement."""
        grouped: dict[tuple[str, tuple[str, ...], str], set[str]] = defaultdict(set)
        for call in calls:
            scoped = self._scoped(call)
            if scoped is not None:
                arns, condition = scoped
                service = call.action.partition(":")[0] if arns != ("*",) else ""
                grouped[service, arns, json.dumps(condition, sort_keys=True)].add(call.action)
        for (_, arns, text), actions in sorted(grouped.items()):
            yield AllowStatement(tuple(sorted(actions)), arns, json.loads(text))

    def _scoped(self, call: _Call) -> tuple[tuple[str, ...], Condition] | None:
        """The ARNs of a call and its condition; None where IAM knows no such action (the schemas
        name some)."""
        found = read_arn_kinds(call.action)
        if found is None:
            return None
        service, _, action = call.action.partition(":")
        if call.action == "ecs:ListTasks":
            return ("*",), {"ArnLike": {"ecs:cluster": self._clusters()}}
        wanted = self._relevant(found, call)
        named = [kind for kind in wanted if self._named(kind)]
        if named:
            beside = [kind for kind in wanted if _owner(kind) in _BESIDE]
            return tuple(
                sorted({arn for kind in (*named, *beside) for arn in self._arns(kind)})
            ), {}
        if not wanted or _READS.match(action):
            return ("*",), {} if service in _GLOBAL else {
                "StringEquals": {"aws:RequestedRegion": self.region}
            }
        regional = [kind for kind in wanted if ":${Region}:" in kind.arn] or wanted
        return tuple(sorted({self._whole(kind) for kind in regional})), self._condition(
            call, wanted
        )

    def _clusters(self) -> list[str]:
        """ListTasks is asked of a cluster, but IAM takes no ARN of one:
        https://github.com/cdklabs/construct-hub/pull/1207"""
        return self._arns_of(
            "ecs:cluster", f"{_ARN}:ecs:{self.region}:${{AWS::AccountId}}:cluster/"
        )

    def _condition(self, call: _Call, wanted: Sequence[ArnKind]) -> Condition:
        """What has no name is deleted, or its secret read, only where one of our stacks made it;
        keys are used through their service."""
        service, _, action = call.action.partition(":")
        if service == "kms" and call.type is not None:
            return {
                "StringEquals": {
                    "kms:ViaService": f"{_service(call.type)}.{self.region}.amazonaws.com"
                }
            }
        if _OURS_ONLY.match(action) and all(
            kind.tagged and _owner(kind) in self._owned for kind in wanted
        ):
            return {"StringLike": {_STACK_TAG: f"{self.prefix}-*"}}
        return {}

    def _relevant(self, found: Sequence[ArnKind], call: _Call) -> list[ArnKind]:
        if call.type is None or not _TAGS.match(call.action.partition(":")[2]):
            return list(found)
        last = _plain(call.type.name.rpartition("::")[2])
        same = [kind for kind in found if _plain(kind.name) == last]
        return (
            same
            or [kind for kind in found if _owner(kind).partition(":")[2] == last]
            or list(found)
        )

    def _named(self, kind: ArnKind) -> bool:
        return not kind.named or "*" not in self._names.get(_owner(kind), {"*"})

    def _arns(self, kind: ArnKind) -> Iterator[str]:
        start = self._start(kind.arn)
        if (kind.service, kind.name) == ("ecs", "task-definition"):
            start += "task-definition/"
        yield from self._arns_of(_owner(kind), start) if kind.named else (start,)

    def _arns_of(self, owner: str, start: str) -> list[str]:
        names = self._names.get(owner) or {"*"}
        return [start + name for name in (["*"] if "*" in names else sorted(names))]

    def _whole(self, kind: ArnKind) -> str:
        """All that a service has in the account and Region: an action reaches its own kinds only,
        so naming each would allow the same."""
        return self._start(":".join([*kind.arn.split(":")[:5], "*"]))

    def _start(self, arn: str) -> str:
        text = arn.replace("${Partition}", "${AWS::Partition}").replace(
            "${Account}", "${AWS::AccountId}"
        )
        return text.replace("${Region}", self.region)


def _owner(kind: ArnKind) -> str:
    plain = _plain(kind.name)
    return f"{kind.service}:{_OWNER.get(f'{kind.service}:{plain}', plain)}"


def _service(known: ResourceType | None) -> str:
    """The IAM prefix of a type: what most of its handlers' calls begin with."""
    handlers = known.permissions if known else {}
    found = Counter(action.partition(":")[0] for actions in handlers.values() for action in actions)
    return found.most_common(1)[0][0] if found else ""


def _principals(document: Any) -> Iterator[str]:
    """The services that a trust policy names."""
    statements = document.get("Statement") if isinstance(document, Mapping) else None
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal") if isinstance(statement, Mapping) else None
        named = principal.get("Service") if isinstance(principal, Mapping) else None
        yield from (
            each
            for each in (named if isinstance(named, list) else [named])
            if isinstance(each, str)
        )


def service_linked_roles(resources: Iterable[tuple[str, Mapping[str, Any]]]) -> set[str]:
    """The services that make a service-linked role for these resources (type and properties)."""
    found = set()
    for type_name, properties in resources:
        if type_name in SERVICE_LINKED:
            found.add(SERVICE_LINKED[type_name])
        namespace = properties.get("ServiceNamespace")
        if type_name == "AWS::ApplicationAutoScaling::ScalableTarget" and isinstance(
            namespace, str
        ):
            found.add(f"{namespace}.application-autoscaling.amazonaws.com")
    return found
