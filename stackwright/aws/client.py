"""All typed calls together, and who is calling."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from ..core import AwsError
from .account import Account, AccountCalls
from .services import ServiceCalls, Services
from .stacks import StackCalls, Stacks
from .storage import Storage, StorageCalls


class Caller(Struct, frozen=True):
    """Who is calling: the account's twelve digits, and the ARN of the user or role."""

    account: str
    arn: str


class Aws(Stacks, Storage, Services, Account, Protocol):
    """All calls that the stages make; every method raises AwsError. A stage may ask for one of the
    parts only."""

    def caller(self) -> Caller:
        """STS GetCallerIdentity, which needs no permission."""

    def credentials_account(self) -> str | None:
        """The account that the credentials say they are of, told without a call; None where they do
        not."""

    def prepare(self, *services: str) -> None:
        """Make clients ahead of their first use, while other calls are waited for. Raises AwsError:
        SW405."""


class Boto(StackCalls, StorageCalls, ServiceCalls, AccountCalls):
    """`Aws` by botocore."""

    _caller: Caller | None = None

    def caller(self) -> Caller:
        """See `Aws`. Asked once: a client keeps its credentials' identity."""
        if self._caller is None:
            answer = self._call("sts", "get_caller_identity")
            self._caller = Caller(answer["Account"], answer["Arn"])
        return self._caller


def require_account(account: str | None, aws: Aws) -> Caller:
    """Who is calling, in the account of the parameters; None is not compared.

    Raises AwsError: SW401 no credentials, SW404 another account, SW405 another Region than is
    configured.
    """
    caller = aws.caller()
    if account is not None and caller.account != account:
        message = f"the credentials are for account {caller.account}, the parameters for {account}"
        hint = f"use credentials of {account} (AWS_PROFILE); now: {caller.arn}"
        raise AwsError.of("SW404", message, hint=hint)
    return caller
