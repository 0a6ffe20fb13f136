"""Bucket policies in moto, which evaluates them without their conditions.

A statement such as "deny what does not come over TLS" would deny every request, so statements with conditions decide
nothing here; the policy is read back as it was put.
"""

from __future__ import annotations

import json
from typing import Any


def leave_conditions_out() -> None:
    """Let moto's buckets decide by the statements without conditions; for this process, once."""
    from moto.s3.models import FakeBucket

    whole = FakeBucket.get_permission
    if getattr(whole, "leaves_conditions_out", False):
        return

    def get_permission(self: Any, action: str, resource: str) -> Any:
        policy = self.policy
        try:
            self.policy = _unconditional(policy)
            return whole(self, action, resource)
        finally:
            self.policy = policy

    get_permission.leaves_conditions_out = True  # type: ignore[attr-defined]
    FakeBucket.get_permission = get_permission  # type: ignore[method-assign]


def _unconditional(policy: bytes | None) -> bytes | None:
    """The policy without its conditional statements; None where no other is left."""
    if policy is None:
        return None
    data = json.loads(policy)
    given = data.get("Statement", [])
    kept = [each for each in (given if isinstance(given, list) else [given]) if "Condition" not in each]
    return json.dumps({**data, "Statement": kept}).encode() if kept else None
