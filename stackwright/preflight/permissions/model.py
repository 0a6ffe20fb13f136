"""Roles and their policies, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

Condition = Mapping[str, Mapping[str, Sequence[str] | str]]
"""Operator -> condition key -> allowed values."""


class AllowStatement(Struct, frozen=True):
    """One Allow of a policy; ARNs hold ``${AWS::Partition}`` and ``${AWS::AccountId}``."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Condition = {}

    def document(self) -> dict[str, Any]:
        """The statement in IAM's JSON."""
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        return {**statement, "Condition": self.condition} if self.condition else statement

    @property
    def size(self) -> int:
        """Characters without white space, as IAM counts them, with the longest partition and an
        account filled in, and a comma."""
        text = json.dumps(self.document(), separators=(",", ":"))
        text = text.replace("${AWS::Partition}", "aws-us-gov")
        return len(text.replace("${AWS::AccountId}", "123456789012")) + 1


class Role(Struct, frozen=True):
    """A role: its trust policy, and its policies, each small enough for a managed policy."""

    name: str
    purpose: str
    trust: Mapping[str, Any]
    policies: tuple[tuple[AllowStatement, ...], ...]


class Permissions(Struct, frozen=True):
    """The roles of one environment; ``uncovered`` are types whose registry schema lists no
    permissions."""

    environment: str
    region: str
    roles: tuple[Role, ...]
    uncovered: tuple[str, ...] = ()
