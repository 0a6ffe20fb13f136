"""moto's services as one application: of one account, and with bucket policies that do not lock everyone out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def moto_application(account_id: str) -> Wsgi:
    """Every service of moto, for whoever asks in the one account; moto would take the account from the access key."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    _leave_conditions_out()
    services: Wsgi = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        return services({**environ, "HTTP_X_MOTO_ACCOUNT_ID": account_id}, start)

    return application


def _leave_conditions_out() -> None:
    """Let buckets decide by the statements without conditions; for this process, once.

    moto evaluates bucket policies as if they had no conditions: "deny what does not come over TLS" would deny every
    request. The policy is read back as it was put.
    """
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
