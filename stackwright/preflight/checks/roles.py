"""Roles that AWS services create for themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...aws import PARALLEL
from ...cfn import ValidationError, parse_template
from ..model import PreflightCheck
from ..permissions import service_linked_roles
from .base import Check

_ROLES = {
    "autoscaling.amazonaws.com": "AutoScaling",
    "ecs.amazonaws.com": "ECS",
    "ecs.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_ECSService",
    "elasticache.amazonaws.com": "ElastiCache",
    "elasticfilesystem.amazonaws.com": "AmazonElasticFileSystem",
    "elasticloadbalancing.amazonaws.com": "ElasticLoadBalancing",
    "opensearchservice.amazonaws.com": "AmazonOpenSearchService",
    "rds.amazonaws.com": "RDS",
}
"""Service -> the suffix of AWSServiceRoleFor in the name of its service-linked role."""


class ServiceLinkedRoles(Check):
    """Looks for the service-linked roles of the templates' resource types."""

    id = "service-linked roles"
    title = "Service-linked roles exist, or are created at first use"
    reason = "Their first use needs iam:CreateServiceLinkedRole."
    source = (
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/"
        "reference_aws-services-that-work-with-iam.html"
    )

    def run(self) -> Iterator[PreflightCheck]:
        """One result; none where no type needs such a role."""
        pairs = ((resource.type, resource.properties) for resource in self.references.resources)
        services = [service for service in sorted(service_linked_roles(pairs)) if service in _ROLES]
        if not services:
            return
        names = [f"AWSServiceRoleFor{_ROLES[service]}" for service in services]
        with ThreadPoolExecutor(PARALLEL) as pool:
            exists = list(pool.map(self.aws.role_exists, names))
        missing = [
            (service, name)
            for service, name, there in zip(services, names, exists, strict=True)
            if not there
        ]
        if missing:
            used = self._used_services()
            missing = [pair for pair in missing if pair[0] not in used]
        if missing:
            roles = ", ".join(name for _, name in missing)
            hint = (
                "to create one beforehand: aws iam create-service-linked-role"
                f" --aws-service-name {missing[0][0]}"
            )
            yield self.skip(
                f"created at first use, with iam:CreateServiceLinkedRole: {roles}", hint
            )
        else:
            yield self.ok(", ".join(names))

    def _used_services(self) -> set[str]:
        """The services that the deployed stacks use already: their first use has been."""
        pairs = []
        for root in self.inputs.roots:
            live = self.inputs.read_stack(root)
            for stack in live.walk() if live else ():
                pairs += self._read_resources(stack.template)
        return service_linked_roles(pairs)

    def _read_resources(self, text: str) -> list[tuple[str, Mapping[str, Any]]]:
        try:
            resources = parse_template(text).resources.values()
        except ValidationError:  # only AWS understands the template
            return []
        return [(resource.type, resource.properties) for resource in resources]
