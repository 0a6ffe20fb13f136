"""The account and the Region of the credentials."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import PreflightCheck
from .base import Check


class AccountMatches(Check):
    """Compares the account of the credentials with ``account_id``."""

    id = "account"
    title = "The credentials are for the account of the parameters"
    reason = "The stacks would be created in another account."
    source = "https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"

    def run(self) -> Iterator[PreflightCheck]:
        """One result."""
        caller, wanted = self.aws.caller(), self.config.account
        detail = f"{caller.account} in {self.config.region}, as {caller.arn}"
        if not wanted and (stack := self._find_deployed()):
            yield self.ok(f"{detail}, where {stack} is deployed")
        elif not wanted:
            yield self.skip(f"{detail}; no account_id to compare with", "set account_id")
        elif wanted != caller.account:
            hint = f"use credentials of {wanted} (AWS_PROFILE)"
            yield self.fail(f"{detail}; the parameters name {wanted}", hint)
        else:
            yield self.ok(detail)

    def _find_deployed(self) -> str:
        """The name of a root stack of the environment that the account has; empty where it has
        none."""
        names = (self.inputs.stack_name(root) for root in self.inputs.roots)
        return next((name for name in names if self.aws.stack(name)), "")
