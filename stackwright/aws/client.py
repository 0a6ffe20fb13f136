"""All typed calls in one client, and the identity of the caller."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from ..core import AwsError
from .account import Account, AccountCalls
from .parameter_store import ParameterStore, ParameterStoreCalls
from .services import ServiceCalls, Services
from .stacks import StackCalls, Stacks
from .storage import Storage, StorageCalls


class Caller(Struct, frozen=True):
    """The identity of the credentials: the twelve digits of the account, the ARN of user or
    role."""

    account: str
    arn: str


class Aws(Stacks, Storage, Services, Account, ParameterStore, Protocol):
    """All calls that the stages make; every method raises AwsError. A stage that makes calls of one
    part only depends on that part."""

    def caller(self) -> Caller:
        """STS GetCallerIdentity, which needs no permission."""

    def credentials_account(self) -> str | None:
        """The account in the credentials, read without a call; None where they name none."""

    def prepare(self, *services: str) -> None:
        """Create clients before their first use, while other calls are in flight. Raises AwsError:
        SW405."""


class Boto(StackCalls, StorageCalls, ServiceCalls, AccountCalls, ParameterStoreCalls):
    """`Aws` by botocore."""

    _caller: Caller | None = None

    def caller(self) -> Caller:
        """Call GetCallerIdentity once: a client keeps the identity of its credentials."""
        if self._caller is None:
            answer = self._call("sts", "get_caller_identity")
            self._caller = Caller(answer["Account"], answer["Arn"])
        return self._caller


def require_account(account: str | None, aws: Aws) -> Caller:
    """The caller, whose account must be ``account`` (None: any).

    Raises AwsError: SW401 without credentials, SW404 for another account, SW405 for a configuration
    of another Region.
    """
    caller = aws.caller()
    if account is not None and caller.account != account:
        message = f"the credentials are for account {caller.account}, the parameters for {account}"
        hint = f"use credentials of {account} (AWS_PROFILE); now: {caller.arn}"
        raise AwsError.of("SW404", message, hint=hint)
    return caller
