"""The emulated account of the tests of plans."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.aws import client, create_bucket
from tests.support.planning import BUCKET, PlanningAccount, planning_account


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlanningAccount]:
    """An emulator that answers in pages of two, with a bucket for templates and a secret."""
    with planning_account(page=2) as account:
        monkeypatch.setenv("AWS_ENDPOINT_URL", account.server.url)
        create_bucket(BUCKET)
        client("secretsmanager").create_secret(Name="other", SecretString='{"user": "ada"}')
        yield account
