"""Calls to AWS: the account and the Region first, and every failure with a code, the call and a
next step."""

from __future__ import annotations

import threading
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.stub import Stubber
from botocore.utils import parse_timestamp

from stackwright.aws import Boto, require_account
from stackwright.aws.session import _parse_time
from stackwright.core.errors import AwsError
from tests.support.aws import ACCOUNT, REGION, Refusals, client
from tests.support.fakes import FakeAws


def failure(aws: Boto, name: str = "secret") -> AwsError:
    with pytest.raises(AwsError) as caught:
        aws.secret(name)
    return caught.value


def test_another_account_is_refused(moto: str) -> None:
    assert require_account(ACCOUNT, Boto(REGION)).account == ACCOUNT
    assert require_account(None, Boto(REGION)).account == ACCOUNT
    with pytest.raises(
        AwsError, match="for account 123456789012, the parameters for 999988887777"
    ) as caught:
        require_account("999988887777", Boto(REGION))
    (problem,) = caught.value.problems
    assert problem.code == "SW404"
    assert "arn:aws:" in problem.hint


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_another_region_is_refused_before_any_call(
    refusals: Refusals, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusals.url)
    monkeypatch.setenv(variable, "eu-west-1")
    with pytest.raises(
        AwsError, match="is for the Region eu-west-1, the parameters for us-east-2"
    ) as caught:
        require_account(None, Boto(REGION))
    assert caught.value.problems[0].code == "SW405"
    assert "AWS_REGION=us-east-2" in caught.value.problems[0].hint
    assert refusals.requests == []


def test_account_of_a_fake_is_compared_too() -> None:
    assert require_account("1" * 12, FakeAws("1" * 12)).account == "1" * 12
    with pytest.raises(AwsError, match="the parameters for 222222222222"):
        require_account("2" * 12, FakeAws("1" * 12))


@pytest.mark.parametrize(
    ("aws_code", "status", "code", "words", "hint"),
    [
        (
            "ExpiredTokenException",
            400,
            "SW402",
            "have expired (secretsmanager:DescribeSecret)",
            "log in again",
        ),
        (
            "UnrecognizedClientException",
            400,
            "SW401",
            "does not know the credentials",
            "AWS_PROFILE",
        ),
        ("RequestTimeTooSkewed", 403, "SW411", "the clock of this machine", "set the clock"),
        (
            "AccessDeniedException",
            400,
            "SW403",
            "not allowed: secretsmanager:DescribeSecret: no",
            "permission",
        ),
        (
            "ThrottlingException",
            400,
            "SW407",
            "busy or failing, secretsmanager:DescribeSecret",
            "run the command again",
        ),
        (
            "InternalServiceError",
            500,
            "SW407",
            "busy or failing, secretsmanager:DescribeSecret",
            "run the command again",
        ),
        (
            "SomethingNew",
            503,
            "SW407",
            "busy or failing, secretsmanager:DescribeSecret",
            "run the command again",
        ),
        (
            "InvalidRequestException",
            400,
            "SW408",
            "refused secretsmanager:DescribeSecret (InvalidRequestEx",
            "",
        ),
    ],
)
def test_error_of_aws_has_a_code_and_a_hint(
    refusals: Refusals,
    monkeypatch: pytest.MonkeyPatch,
    aws_code: str,
    status: int,
    code: str,
    words: str,
    hint: str,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusals.url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    refusals.code, refusals.status = aws_code, status
    error = failure(Boto(REGION))
    assert (error.problems[0].code, error.code) == (code, aws_code)
    assert words in error.problems[0].message
    assert hint in error.problems[0].hint
    assert (error.__cause__, error.__context__) == (None, None)


def test_throttled_call_is_retried(refusals: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusals.url)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # botocore waits between tries
    refusals.code = "ThrottlingException"
    assert failure(Boto(REGION)).problems[0].code == "SW407"
    assert len(refusals.requests) == 8
    refusals.requests.clear()
    refusals.code = "InvalidRequestException"
    failure(Boto(REGION))
    assert len(refusals.requests) == 1


def test_failure_before_the_call_has_a_code_and_a_hint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    unreachable = failure(Boto(REGION)).problems[0]
    assert unreachable.code == "SW406"
    assert "no answer to secretsmanager:DescribeSecret" in unreachable.message
    assert "HTTPS_PROXY" in unreachable.hint
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    assert failure(Boto(REGION)).problems[0].message.endswith("Invalid endpoint: nonsense")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_PROFILE", "absent")
    assert failure(Boto(REGION)).problems[0].code == "SW409"
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert failure(Boto(REGION)).problems[0].code == "SW401"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert failure(Boto(REGION)).problems[0].message == "no AWS credentials"
    sso = "sso_start_url = https://x.awsapps.com/start\nsso_region = us-east-2\nsso_account_id = 1\nsso_role_name = r\n"
    (tmp_path / "home/config").write_text(f"[profile work]\nregion = us-east-2\n{sso}")
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert failure(Boto(REGION)).problems[0].code == "SW402"


def test_answer_of_a_proxy_is_an_error(refusals: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusals.url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    refusals.message = "<html>sign in & continue"
    with pytest.raises(
        AwsError, match="the answer to sts:GetCallerIdentity does not come from AWS"
    ) as caught:
        Boto(REGION).caller()
    assert caught.value.problems[0].code == "SW406"
    assert "sign-in page" in caught.value.problems[0].hint


def test_credentials_may_name_their_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    assert Boto(REGION).credentials_account() is None
    monkeypatch.setenv("AWS_ACCOUNT_ID", "999988887777")
    assert Boto(REGION).credentials_account() == "999988887777"
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert Boto(REGION).credentials_account() is None  # the first call tells what is wrong
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(AwsError, match="is for the Region eu-west-1"):
        Boto(REGION).credentials_account()


@pytest.mark.parametrize(
    "value",
    ["2026-11-25T10:20:30.123Z", "2026-11-25T12:20:30.123+02:00", 1795602030.123, "1795602030.123"],
)
def test_times_equal_those_of_botocore(value: object) -> None:
    time = _parse_time(value)
    assert time == parse_timestamp(value) == datetime(2026, 11, 25, 10, 20, 30, 123000, UTC)
    assert time.utcoffset() is not None


def test_time_without_a_zone_is_parsed_by_botocore() -> None:
    assert _parse_time("20261125") == parse_timestamp("20261125")


def test_missing_resources_are_none(moto: str) -> None:
    aws = Boto(REGION)
    assert aws.secret("absent") is None
    assert aws.stack("absent") is None
    assert aws.resources("absent") == []
    assert aws.image("absent", "1") is None
    assert aws.repositories(["absent"]) == {}
    client("ecr").create_repository(repositoryName="team/here")
    assert aws.repositories(["absent", "team/here"]) == {
        "team/here": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team/here"
    }


def test_login_is_renewed_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    aws = Boto(REGION)
    stub, now = Stubber(aws._client("ecr")), datetime.now(UTC)
    for name, hours in (("first", 12), ("second", 0.5), ("third", 12)):
        token = b64encode(f"AWS:{name}".encode()).decode()
        data = {
            "authorizationToken": token,
            "expiresAt": now + timedelta(hours=hours),
            "proxyEndpoint": "https://ecr",
        }
        stub.add_response("get_authorization_token", {"authorizationData": [data]})
    with stub:
        assert [aws.registry_login().password for _ in range(3)] == ["first"] * 3
        aws._login = None  # another command
        assert [aws.registry_login().password for _ in range(3)] == ["second", "third", "third"]


def test_secret_versions_are_put_and_labelled(moto: str) -> None:
    aws = Boto(REGION)
    client("secretsmanager").create_secret(Name="s")
    empty = aws.secret("s")
    assert empty is not None
    assert empty.current is None
    first, second = "1" * 32, "2" * 32
    for version, value in ((first, "one"), (first, "one"), (second, "two")):
        aws.put_secret_value("s", version, value)
    secret = aws.secret("s")
    assert secret is not None
    assert (secret.name, secret.current, secret.versions[first]) == ("s", second, ["AWSPREVIOUS"])
    assert (aws.secret_value("s", first), aws.secret_value("s", second)) == ("one", "two")


def test_error_message_hides_the_secret_value(
    refusals: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusals.url)
    refusals.echo = True
    with pytest.raises(AwsError) as caught:
        Boto(REGION).put_secret_value("s", "1" * 32, "the-secret-value")
    assert b"the-secret-value" in refusals.requests[0]
    assert "the-secret-value" not in repr(caught.value.problems)
    with pytest.raises(AwsError) as caught:
        Boto(REGION).put_secret_value("s", 5, "the-secret-value")  # type: ignore[arg-type] # botocore refuses it
    assert "the-secret-value" not in repr(caught.value.problems)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_repr_hides_the_registry_password(moto: str) -> None:
    login = Boto(REGION).registry_login()
    assert (login.username, login.endpoint) == (
        "AWS",
        f"https://{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
    )
    assert login.password
    assert login.password not in repr(login)


def test_threads_share_clients(moto: str) -> None:
    aws, accounts = Boto(REGION), []
    threads = [
        threading.Thread(target=lambda: accounts.append(aws.caller().account)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert accounts == [ACCOUNT] * 8
