"""The three roles of a pipeline, from the rendering of an environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...core import Config, Rendering
from ...plan import deploy_settings
from .calls import DEPLOY_CALLS, NESTED_CALLS, PLAN_CALLS, READ_CALLS
from .model import AllowStatement, Permissions, Role
from .names import KnownNames
from .resources import Call, TemplateResources, service_linked_roles
from .scope import ARN, Scope

POLICY_LIMIT = 6_144
"""Characters of a managed policy, without white space.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
POLICIES_LIMIT = 10
"""Managed policies of a role. Source: as above."""
PATH = "deploy"
"""IAM path of the roles. No pattern of names (``role/<prefix>-*``) matches it, so that no role may
change itself or another."""
REPOSITORY = "${Repository}"
"""Placeholder for the GitHub repository ``owner/name`` that deploys."""


def derive_permissions(rendering: Rendering, branch: str = "main") -> Permissions:
    """The roles that deploy an environment from a GitHub repository, whose plans run on
    ``branch``."""
    resources = TemplateResources(rendering)
    environment, prefix = rendering.environment, resources.prefix
    own = _scope(resources, own=True)
    reading = [*map(Call, (*READ_CALLS, *PLAN_CALLS)), *resources.name_calls()]
    changing = [*reading, *map(Call, DEPLOY_CALLS)]
    passing = _pass_service_role(rendering.config)
    shared = [*_use_customer_keys(resources), passing]
    roles = (
        Role(
            f"{prefix}-plan",
            "plans: reads, uploads artifacts and makes change sets, executes none",
            _trust_github(f"ref:refs/heads/{branch}"),
            _split([*own.statements(reading), *shared]),
        ),
        Role(
            f"{prefix}-deploy",
            "deploys, after the approval of the environment",
            _trust_github(f"environment:{environment}"),
            _split([*own.statements(changing), *shared]),
        ),
        Role(
            f"{prefix}-cloudformation",
            "makes, changes and deletes the resources of the stacks",
            _trust({"Service": "cloudformation.amazonaws.com"}, "sts:AssumeRole"),
            _split(_service_role_statements(resources, passing)),
        ),
    )
    return Permissions(environment, resources.region, roles, tuple(resources.uncovered()))


def find_service_role(config: Config) -> str:
    """The ARN of the service role, to be set as ``deploy.role_arn`` once the roles exist."""
    return f"{ARN}:iam::${{AWS::AccountId}}:role/{PATH}/{config.prefix}-cloudformation"


def _scope(resources: TemplateResources, *, own: bool) -> Scope:
    return Scope(KnownNames(resources, own=own), resources.region, resources.prefix)


def _service_role_statements(
    resources: TemplateResources, passing: AllowStatement
) -> Iterator[AllowStatement]:
    scope = _scope(resources, own=False)
    yield from scope.statements(resources.calls())
    yield from _manage_nested_stacks(resources, passing)
    yield from _pass_task_roles(resources, scope)
    yield from _create_service_linked_roles(resources)
    # The service role reads the templates of nested stacks.
    yield from _scope(resources, own=True).statements([Call("s3:GetObject")])


def _pass_service_role(config: Config) -> AllowStatement:
    arn = str(deploy_settings(config).get("role_arn") or find_service_role(config))
    return _pass_roles([arn], ["cloudformation.amazonaws.com"])


def _pass_task_roles(resources: TemplateResources, scope: Scope) -> Iterator[AllowStatement]:
    """PassRole of the templates' roles to the services that they trust."""
    trusted = resources.trusted_services()
    if trusted:
        arns = scope.arns("iam:role", f"{ARN}:iam::${{AWS::AccountId}}:role/")
        yield _pass_roles(arns, trusted)


def _pass_roles(arns: Sequence[str], services: Iterable[str]) -> AllowStatement:
    condition = {"StringEquals": {"iam:PassedToService": sorted(set(services))}}
    return AllowStatement(("iam:PassRole",), tuple(arns), condition)


def _create_service_linked_roles(resources: TemplateResources) -> Iterator[AllowStatement]:
    services = sorted(service_linked_roles(resources.pairs))
    if services:
        start = f"{ARN}:iam::${{AWS::AccountId}}:role/aws-service-role"
        arns = tuple(f"{start}/{service}/*" for service in services)
        condition = {"StringEquals": {"iam:AWSServiceName": services}}
        yield AllowStatement(("iam:CreateServiceLinkedRole",), arns, condition)


def _manage_nested_stacks(
    resources: TemplateResources, passing: AllowStatement
) -> Iterator[AllowStatement]:
    """The nested stacks of the environment; CloudFormation passes its role on to them."""
    if resources.nested_roots:
        start = f"{ARN}:cloudformation:{resources.region}:${{AWS::AccountId}}:stack"
        roots = resources.nested_roots
        arns = tuple(f"{start}/{resources.prefix}-{root}-*" for root in roots)
        yield AllowStatement(NESTED_CALLS, arns)
        yield passing


def _use_customer_keys(resources: TemplateResources) -> Iterator[AllowStatement]:
    """The use of customer managed keys through S3 and Secrets Manager, where one encrypts a bucket
    or secret."""
    if resources.encrypted:
        region = resources.region
        services = [f"{service}.{region}.amazonaws.com" for service in ("s3", "secretsmanager")]
        arn = f"{ARN}:kms:{region}:${{AWS::AccountId}}:key/*"
        condition = {"StringEquals": {"kms:ViaService": services}}
        yield AllowStatement(("kms:Decrypt", "kms:GenerateDataKey"), (arn,), condition)


def _trust_github(subject: str) -> Mapping[str, Any]:
    """Trust in GitHub's tokens of one repository and one branch or environment.

    Source: https://docs.github.com/en/actions/reference/security/oidc
    """
    issuer = "token.actions.githubusercontent.com"
    claims = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": f"repo:{REPOSITORY}:{subject}"}
    provider = f"{ARN}:iam::${{AWS::AccountId}}:oidc-provider/{issuer}"
    trust = _trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity")
    statement = {**trust["Statement"][0], "Condition": {"StringEquals": claims}}
    return {**trust, "Statement": [statement]}


def _trust(principal: Mapping[str, str], action: str) -> Mapping[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action}],
    }


def _split(statements: Iterable[AllowStatement]) -> tuple[tuple[AllowStatement, ...], ...]:
    """Pack the statements into few policies, first-fit by decreasing size; a statement that is too
    large for a policy is halved."""
    frame = len('{"Version":"2012-10-17","Statement":[]}')
    policies: list[list[AllowStatement]] = []
    waiting = sorted(statements, key=lambda s: (-s.size, s.actions, s.resources))
    while waiting:
        statement = waiting.pop(0)
        if frame + statement.size > POLICY_LIMIT:
            waiting[:0] = _halve(statement)
            continue
        room = POLICY_LIMIT - frame - statement.size
        fitting = (policy for policy in policies if sum(s.size for s in policy) <= room)
        target = next(fitting, None)
        if target is None:
            policies.append([statement])
        else:
            target.append(statement)
    return tuple(
        tuple(sorted(policy, key=lambda s: (s.actions, s.resources))) for policy in policies
    )


def _halve(statement: AllowStatement) -> list[AllowStatement]:
    half = len(statement.actions) // 2
    parts = (statement.actions[:half], statement.actions[half:])
    return [AllowStatement(part, statement.resources, statement.condition) for part in parts]
