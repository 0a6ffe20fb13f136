"""Kinds of resources in IAM's terms: ``ecs:service`` for ``AWS::ECS::Service``."""

from __future__ import annotations

import re
from collections import Counter

from ...cfn import ArnKind, ResourceType

_OWNERS = {
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


def squash(name: str) -> str:
    """Remove punctuation and case: ``log-group`` and ``LogGroup`` become ``loggroup``,
    ``loadbalancer/app/`` becomes ``loadbalancer``."""
    return re.sub(r"[^a-z0-9]", "", name.partition("/")[0].lower())


def owner_of(kind: ArnKind) -> str:
    """The kind whose name an ARN begins with (``ecs:cluster`` for a task); itself for most."""
    name = squash(kind.name)
    return f"{kind.service}:{_OWNERS.get(f'{kind.service}:{name}', name)}"


def iam_prefix(type_: ResourceType | None) -> str:
    """The IAM prefix of a resource type: the commonest one among its handlers' calls."""
    handlers = type_.permissions if type_ else {}
    prefixes = Counter(
        action.partition(":")[0] for actions in handlers.values() for action in actions
    )
    return prefixes.most_common(1)[0][0] if prefixes else ""


def kind_of(type_: ResourceType) -> str:
    """The kind of a resource type: ``ecs:service``."""
    return f"{iam_prefix(type_)}:{squash(type_.name.rpartition('::')[2])}"
