"""Calls to what is looked at before a deployment: networks, certificates, quotas."""

from __future__ import annotations

from typing import Protocol

from .session import Session


class Account(Protocol):
    """What the account holds and allows; every method raises AwsError."""


class AccountCalls(Session):
    """`Account` by boto3."""
