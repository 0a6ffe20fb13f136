"""--debug and STACKWRIGHT_LOG: stages and calls to AWS with their times, and no value."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

import pytest

from stackwright.aws import session
from tests.support.projects import Project

CALL = re.compile(r"\[ *\d+\.\d{3} s\] aws [a-z]+:[A-Z]\w+ \d+ ms(, \w+)? \S+")


@pytest.fixture
def local(project: Callable[..., Project]) -> Project:
    made = project({"params/local.yaml": "project: shop\ntitle: a-value-of-mine\n"})
    yield made
    made.run("emulator", "stop")


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (("plan", "--debug"), {}),
        (("--debug", "plan"), {}),
        (("plan",), {"STACKWRIGHT_LOG": "debug"}),
    ],
)
def test_calls_and_stages_are_shown_with_their_times(
    arguments: tuple[str, ...], variables: dict[str, str], local: Project
) -> None:
    result = local.run(*arguments, **variables)
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("[")]
    assert any(re.search(r"\] load local: \d+ ms$", line) for line in lines)
    calls = [line for line in lines if "] aws " in line]
    assert len(calls) > 3
    assert [line for line in calls if not CALL.fullmatch(line)] == []
    assert "cloudformation:CreateChangeSet" in result.stderr
    assert not any("a-value-of-mine" in line for line in lines)


def test_nothing_is_logged_without_the_option(local: Project) -> None:
    assert "load local" not in local.run("plan").stderr


def test_call_is_logged_without_arguments_or_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "stackwright")
    answer = {
        "SecretString": "s3cret",
        "ResponseMetadata": {"RequestId": "id-1", "RetryAttempts": 2},
        "Error": {"Code": "Throttling", "Message": "s3cret"},
    }
    session._log_call("secretsmanager", "get_secret_value", time.perf_counter(), answer)
    session._log_call(
        "sts", "get_caller_identity", time.perf_counter(), answer, ValueError("s3cret")
    )
    assert re.fullmatch(
        r"aws secretsmanager:GetSecretValue \d+ ms, 2 retries id-1", caplog.messages[0]
    )
    assert re.fullmatch(
        r"aws sts:GetCallerIdentity \d+ ms, 2 retries, Throttling id-1", caplog.messages[1]
    )
