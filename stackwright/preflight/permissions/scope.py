"""Calls to statements: how narrow the ARNs and the condition of each call can be."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ...cfn import ArnKind, read_arn_kinds
from .kinds import iam_prefix, owner_of, squash
from .model import AllowStatement, Condition
from .names import KnownNames
from .resources import Call

ARN = "arn:${AWS::Partition}"
_GLOBAL = frozenset(("cloudfront", "iam", "organizations", "route53", "s3", "sts"))
"""Services whose calls do not go to the stack's Region, so that a condition on it would refuse
them."""
_TAG_ACTIONS = re.compile(r"((Tag|Untag)Resource|(Add|Create|Delete|List|Remove)Tags\w*)$")
"""Actions that name all kinds of a service, and are called for one kind at a time."""
_OWN_STACKS_ONLY = re.compile(r"(Delete|Detach|Release|Terminate)(?!Tags)|(Get|Put)SecretValue")
_READS = re.compile(r"Describe|List|Get(?!Object|SecretValue|Parameter|Item)")
"""Actions that read a configuration. Those that return data are narrowed like a change."""
_COMPANIONS = frozenset(("cloudformation:changeset",))
"""Kinds without known names that an action needs beside a kind with a name."""
_STACK_TAG = "aws:ResourceTag/aws:cloudformation:stack-name"


class Scope:
    """Narrows calls by the names that are known, in one Region."""

    def __init__(self, names: KnownNames, region: str, prefix: str) -> None:
        self._names, self._region, self._prefix = names, region, prefix

    def statements(self, calls: Iterable[Call]) -> Iterator[AllowStatement]:
        """The calls as statements: calls of one service with equal ARNs and condition share one."""
        grouped: dict[tuple[str, tuple[str, ...], str], set[str]] = defaultdict(set)
        for call in calls:
            narrowed = self._narrow(call)
            if narrowed is not None:
                arns, condition = narrowed
                service = call.action.partition(":")[0] if arns != ("*",) else ""
                grouped[service, arns, json.dumps(condition, sort_keys=True)].add(call.action)
        for (_, arns, text), actions in sorted(grouped.items()):
            yield AllowStatement(tuple(sorted(actions)), arns, json.loads(text))

    def arns(self, owner: str, start: str) -> list[str]:
        """``start`` with each known name of a kind appended."""
        names = self._names.of(owner)
        return [start + name for name in (["*"] if "*" in names else sorted(names))]

    def _narrow(self, call: Call) -> tuple[tuple[str, ...], Condition] | None:
        """The ARNs of a call and its condition; None where IAM has no such action (the schemas name
        some)."""
        kinds = read_arn_kinds(call.action)
        if kinds is None:
            return None
        service, _, action = call.action.partition(":")
        if call.action == "ecs:ListTasks":
            return ("*",), {"ArnLike": {"ecs:cluster": self._clusters()}}
        wanted = _relevant_kinds(kinds, call)
        named = [kind for kind in wanted if not kind.named or self._names.known(owner_of(kind))]
        if named:
            companions = [kind for kind in wanted if owner_of(kind) in _COMPANIONS]
            arns = {arn for kind in (*named, *companions) for arn in self._kind_arns(kind)}
            return tuple(sorted(arns)), {}
        if not wanted or _READS.match(action):
            in_region: Condition = {"StringEquals": {"aws:RequestedRegion": self._region}}
            return ("*",), {} if service in _GLOBAL else in_region
        regional = [kind for kind in wanted if ":${Region}:" in kind.arn] or wanted
        arns = {self._service_arn(kind) for kind in regional}
        return tuple(sorted(arns)), self._condition(call, wanted)

    def _clusters(self) -> list[str]:
        """The clusters of ListTasks, for its condition: IAM takes no ARN for the action.
        Source: https://github.com/cdklabs/construct-hub/pull/1207"""
        return self.arns("ecs:cluster", f"{ARN}:ecs:{self._region}:${{AWS::AccountId}}:cluster/")

    def _condition(self, call: Call, wanted: Sequence[ArnKind]) -> Condition:
        """The condition of a call on resources without a known name: keys are used through their
        service only; resources are deleted, and secrets read, only in stacks of the environment."""
        service, _, action = call.action.partition(":")
        if service == "kms" and call.type is not None:
            via = f"{iam_prefix(call.type)}.{self._region}.amazonaws.com"
            return {"StringEquals": {"kms:ViaService": via}}
        tagged = all(kind.tagged and owner_of(kind) in self._names.tagged for kind in wanted)
        if _OWN_STACKS_ONLY.match(action) and tagged:
            return {"StringLike": {_STACK_TAG: f"{self._prefix}-*"}}
        return {}

    def _kind_arns(self, kind: ArnKind) -> Iterator[str]:
        start = self._start(kind.arn)
        if (kind.service, kind.name) == ("ecs", "task-definition"):
            start += "task-definition/"
        yield from self.arns(owner_of(kind), start) if kind.named else (start,)

    def _service_arn(self, kind: ArnKind) -> str:
        """All resources of a service in the account and Region: an action reaches its own kinds
        only, so that naming them would allow as much."""
        return self._start(":".join([*kind.arn.split(":")[:5], "*"]))

    def _start(self, arn: str) -> str:
        text = arn.replace("${Partition}", "${AWS::Partition}")
        text = text.replace("${Account}", "${AWS::AccountId}")
        return text.replace("${Region}", self._region)


def _relevant_kinds(kinds: Sequence[ArnKind], call: Call) -> list[ArnKind]:
    """The kinds that a call can concern: for tags, the kind of its resource type alone."""
    if call.type is None or not _TAG_ACTIONS.match(call.action.partition(":")[2]):
        return list(kinds)
    last = squash(call.type.name.rpartition("::")[2])
    by_name = [kind for kind in kinds if squash(kind.name) == last]
    by_owner = [kind for kind in kinds if owner_of(kind).partition(":")[2] == last]
    return by_name or by_owner or list(kinds)
