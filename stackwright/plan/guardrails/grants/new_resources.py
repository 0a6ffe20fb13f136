"""Tell which grants of new resources matter to an environment that exists.

A new resource is judged as widened from nothing, but for what endangers nothing: a grant on
resources that are new, too; a service of AWS that may use a new resource; a grant without a
resource to reach, such as writing metrics.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..iam import is_covered
from ..wording import as_list
from .network_rules import NetworkRule
from .side import Place, Side
from .statements import IDENTITY, MANAGED, Pool

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z0-9.]+)?\}")
_HARMLESS_ACTIONS = (
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
    "sts:GetCallerIdentity",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)
"""Actions that name no resource and reach nobody's data: each can only be granted on ``*``. Source:
https://docs.aws.amazon.com/service-authorization/latest/reference/"""
_HARMLESS_POLICIES = (
    "service-role/AWSLambdaBasicExecutionRole",
    "service-role/AWSLambdaVPCAccessExecutionRole",
    "service-role/AmazonECSTaskExecutionRolePolicy",
    "AWSXRayDaemonWriteAccess",
)
"""Policies of AWS that let a new task or function run: pull images, write logs and traces, attach a
network interface. Source: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/"""


_INSIDE = {
    "dynamodb": r"/(?:index|stream)/.*",
    "lambda": r":.*",
    "logs": r":.*",
    "s3": r"/.*",
    "secretsmanager": r"-\?{6}",
}
"""What may follow the name of a resource in an ARN of what belongs to it, by service. Source:
https://docs.aws.amazon.com/service-authorization/latest/reference/"""


class NewResources:
    """The resources of a root that exist after the change only."""

    def __init__(self, before: Side, after: Side, account: str) -> None:
        self._before, self._after = before, after
        self._resources = [resource for resource in after if resource.place not in before.resources]
        self._addresses = {resource.address for resource in self._resources}
        self._accounts = {account, "${AWS::AccountId}"}

    def holds(self, subject: str) -> bool:
        """Return whether the subject of a grant is a new resource."""
        return subject in self._addresses

    def reaching(
        self, pool: Pool, elements: Mapping[str, Any], place: Place
    ) -> Mapping[str, Any] | None:
        """Return a statement that is allowed, with only the parts that reach what exists or who is
        outside; None where there are none."""
        if not self.holds(pool.subject):
            return elements
        if pool.kind == MANAGED:  # nobody outside of the template can hold it yet
            return None
        if pool.kind == IDENTITY:
            return self._reach(elements, place)
        return self._admit(elements, place)

    def matters(self, rule: NetworkRule) -> bool:
        """Return whether a rule opens more than a new group to other groups."""
        if not self.holds(rule.group):
            return True
        return not rule.outbound and (rule.network is not None or rule.peer == "")

    def is_harmless_policy(self, policy: str) -> bool:
        """Return whether a policy of AWS only lets a new task or function run."""
        return any(policy.endswith(f":aws:policy/{name}") for name in _HARMLESS_POLICIES)

    def _reach(self, elements: Mapping[str, Any], place: Place) -> Mapping[str, Any] | None:
        if "Resource" not in elements or "Action" not in elements:
            return elements
        values = as_list(elements["Resource"])
        reached = [value for value in values if not self._is_new(value, place)]
        actions = [
            action
            for action in as_list(elements["Action"])
            if not is_covered(action, list(_HARMLESS_ACTIONS), fold_case=True)
        ]
        if not reached or not actions:
            return None
        return {**elements, "Resource": reached, "Action": actions}

    def _admit(self, elements: Mapping[str, Any], place: Place) -> Mapping[str, Any] | None:
        """Return a statement of a new role's trust, or of a new resource's policy, with only the
        principals that are neither services nor in this account."""
        principal = elements.get("Principal")
        if "NotPrincipal" in elements or not isinstance(principal, Mapping):
            return elements if "NotPrincipal" in elements or principal is not None else None
        outside = {
            kind: names
            for kind, values in principal.items()
            if (names := [one for one in as_list(values) if self._is_outside(kind, one, place)])
        }
        return {**elements, "Principal": outside} if outside else None

    def _is_outside(self, kind: str, name: Any, place: Place) -> bool:
        if kind == "Service":
            return False
        text = str(name)
        account = text if ":" not in text else ":".join(text.split(":")[4:5])
        if kind == "AWS" and account in self._accounts and "*" not in text:
            return False
        identity = self._after.identify(place[0], text)
        return kind == "Federated" or not any(
            identity == resource.address for resource in self._after
        )

    def _is_new(self, value: Any, place: Place) -> bool:
        """Return whether an ARN names a new resource of the template, or what is in it."""
        text = str(value)
        match = _REFERENCE.search(text)
        if match is None:
            return self._has_new_name(text)
        if re.search(r"[*?]", text[: match.start()]):
            return False
        return self.holds(self._after.identify(place[0], match[0]))

    def _has_new_name(self, arn: str) -> bool:
        """Return whether an ARN without references ends with the given name of a new resource."""
        *head, name = arn.split(":", 5)
        if len(head) < 5 or any(re.search(r"[*?]", part) for part in head):
            return False
        service = head[2]
        inside = _INSIDE.get(service, "")
        return any(
            re.fullmatch(rf"(?:[a-z-]+[:/])?{re.escape(own)}(?:{inside})?", name)
            for resource in self._resources
            if resource.type.split("::")[1].lower() == service
            for own in resource.names
        )
