"""Secrets in values that are shown are hidden, by name at any depth and by form; nothing else is."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.cfn.schema import Schemas
from stackwright.core import HIDDEN, is_secret_name, mask, mask_text

SECRET_NAMES = [
    "Password",
    "MasterUserPassword",
    "password",
    "db_password",
    "DB_PASSWORD",
    "DbPassword",
    "userPassword",
    "PASSWORD2",
    "Passwords",
    "Passphrase",
    "ClientSecret",
    "client_secret",
    "JWT_SECRET",
    "Secret",
    "SecretString",
    "SecretBinary",
    "AuthToken",
    "GITHUB_TOKEN",
    "access-token",
    "OAuthToken",
    "SessionToken",
    "Token",
    "ApiKey",
    "API_KEY",
    "OPENAI_API_KEY",
    "x-api-key",
    "apikey",
    "SecretAccessKey",
    "AWS_SECRET_ACCESS_KEY",
    "PrivateKey",
    "private_key",
    "PrivateKeyPem",
    "PreSharedKey",
    "DB_PASS",
    "SMTP_PASS",
    "SENTRY_DSN",
    "ConnectionString",
    "Credentials",
    "BasicAuthenticationCredentials",
    "AuthorizationApiKeyValue",
    "PasswordHash",
    "SigningKey",
    "REDIS_AUTH",
    "ENCRYPTION_KEY",
    "/shop/db/password",
    "ERLANG_COOKIE",
    "requirepass",
    "KerberosKeytab",
    "AccountPassword",
    "SecretToken",
]
HARMLESS_NAMES = [
    "TokenKey",
    "PasswordPolicy",
    "SecretArn",
    "SecretId",
    "SecretName",
    "KeyId",
    "KmsKeyId",
    "AccessKeyId",
    "SecretKeyArn",
    "PasswordLength",
    "MinimumPasswordLength",
    "TokenValidity",
    "HttpTokens",
    "NextToken",
    "ClientRequestToken",
    "ServiceToken",
    "GenerateSecretString",
    "SecretStringTemplate",
    "Secrets",
    "SecretsManagerArn",
    "KeyName",
    "PublicKey",
    "PUBLIC_KEY",
    "PARTITION_KEY",
    "Key",
    "KEY",
    "AttributeName",
    "TokenEndpoint",
    "AuthType",
    "Authorizer",
    "PasswordResetUrl",
    "SecretVersionId",
    "RequireSymbols",
    "PassRole",
    "Author",
    "CacheKey",
    "PrimaryKey",
    "Compass",
    "AUTH_TYPE",
    "ApiKeyRequired",
    "ApiKeySourceType",
    "MasterUserSecret",
    "LicenseKeyId",
    "Passenger",
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)
    assert mask({name: "canary"}) == {name: HIDDEN}
    assert mask("canary", f"A.{name}") == mask("canary", f'E["{name}"].Value') == HIDDEN


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_names_that_only_read_like_one(name: str) -> None:
    assert not is_secret_name(name)
    assert mask({name: "plain", "Value": "plain"}) == {name: "plain", "Value": "plain"}


SECRETS_OF_SCHEMAS = re.compile(r"password|secret$|secretkey|privatekey|passphrase|token$", re.I)
NO_SECRETS = {"ClientToken"}


def test_write_only_properties_of_all_types_are_known() -> None:
    """The schemas name what cannot be read back; those among them that sound like a secret are."""
    schemas = Schemas("us-east-1")
    names = {
        str(step)
        for type_ in schemas._index
        if (schema := schemas.get(type_))
        for path in schema.write_only
        for step in path[-1:]
        if SECRETS_OF_SCHEMAS.search(str(step))
    }
    assert {"MasterUserPassword", "ClientSecret", "SecretToken", "Passwords"} <= names
    flags = {"ManageAdminPassword", "NoPasswordRequired", "RotateMasterUserPassword"}
    unknown = {name for name in names - NO_SECRETS - flags if not is_secret_name(name)}
    assert unknown <= {"AddPrivateKey"} | {name for name in names if name.endswith("Arn")}, unknown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"LoginProfile": {"Password": "x"}}, {"LoginProfile": {"Password": HIDDEN}}),
        ({"Secret": {"A": ["x", {"B": 5}]}}, {"Secret": {"A": [HIDDEN, {"B": HIDDEN}]}}),
        ([{"Name": "DB_PASSWORD", "Value": "x"}], [{"Name": "DB_PASSWORD", "Value": HIDDEN}]),
        ([{"Name": "DB_HOST", "Value": "x"}], [{"Name": "DB_HOST", "Value": "x"}]),
        (["run", "--password", "x", "-v"], ["run", "--password", HIDDEN, "-v"]),
        ('{"user": "u", "password": "x"}', json.dumps({"user": "u", "password": HIDDEN})),
        ('{"user": "u"}', '{"user": "u"}'),
        (base64.b64encode(b"#!/bin/sh\nexport DB_PASSWORD=canary\n").decode(), HIDDEN),
        (base64.b64encode(b"#!/bin/sh\nexport DB_HOST=example\n").decode(), None),
        ({"Password": {"Ref": "Pw"}}, None),
        ({"Password": "{{resolve:secretsmanager:a:SecretString:b}}"}, None),
        ({"Password": "${Pw}"}, None),
        ({"Password": "canary-${AWS::Region}"}, {"Password": f"{HIDDEN}${{AWS::Region}}"}),
        ({"JWT_SECRET": "arn:aws:secretsmanager:eu-west-1:1:secret:a"}, None),
        ({"GenerateSecret": True, "ManageMasterUserPassword": "true", "Password": ""}, None),
        ({"GenerateSecretString": {"PasswordLength": 32, "ExcludeCharacters": "/@"}}, None),
        ({"TokenValidityUnits": {"AccessToken": "hours"}}, None),
        ({"MasterUserSecret": {"KmsKeyId": "alias/a"}}, None),
    ],
)
def test_values(value: object, shown: object) -> None:
    assert mask(value) == (value if shown is None else shown)
    assert mask(mask(value)) == mask(value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqp://user:canary@host:5672/v", f"amqp://user:{HIDDEN}@host:5672/v"),
        ("redis://:canary@host", f"redis://:{HIDDEN}@host"),
        ("https://canary12345@github.com/a.git", f"https://{HIDDEN}@github.com/a.git"),
        ("https://a/b?token=canary&c=d", f"https://a/b?token={HIDDEN}&c=d"),
        ("https://a/b?X-Amz-Signature=canary", f"https://a/b?X-Amz-Signature={HIDDEN}"),
        ("Server=a;User Id=b;Password=canary;", f"Server=a;User Id=b;Password={HIDDEN};"),
        ("export DB_PASSWORD='canary x'; run", f"export DB_PASSWORD='{HIDDEN}'; run"),
        ("a --password canary -v", f"a --password {HIDDEN} -v"),
        ("Authorization: Bearer canary1234567890", f"Authorization: Bearer {HIDDEN}"),
        ("users:\n- password: canary\n", f"users:\n- password: {HIDDEN}\n"),
        ("got {'password': 'canary'} twice", f"got {{'password': '{HIDDEN}'}} twice"),
        ("Value 'canary' at 'masterUserPassword' failed", None),
        ("-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----", None),
        ("-----BEGIN RSA PRIVATE KEY-----\ncanary", None),
        ("ghp_" + "canary" * 8, HIDDEN),
    ],
)
def test_credentials_in_text(text: str, shown: str | None) -> None:
    assert "canary" not in mask_text(text)
    assert HIDDEN in mask_text(text)
    assert shown in (None, mask_text(text))
    assert mask_text(mask_text(text)) == mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://sqs.eu-west-1.amazonaws.com/1/queue?a=b",
        "ssh://git@github.com/a/b.git",
        "amqp://user:${Pw}@host",
        "amqp://user:{{resolve:secretsmanager:a}}@host",
        "Resource handler returned message: Invalid password: use 8 characters (Token: null)",
        "Stack policy: KeyId=alias/a TokenKey=b SecretArn=c",
        "PasswordPolicy=strict",
        "arn:aws:iam::1:role/a",
        "s3:GetObject",
        "a@b.example",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert mask_text(text) == text


def test_long_text_takes_no_time() -> None:
    assert mask_text("a" * 200_000) == "a" * 200_000
    assert mask("QUJD" * 50_000) == "QUJD" * 50_000


trees = st.recursive(
    st.just("canary-value"),
    lambda inner: (
        st.dictionaries(st.sampled_from(["A", "Name2", "Value", "Nested"]), inner, min_size=1)
        | st.lists(inner, min_size=1, max_size=3)
        | inner.map(json.dumps)
    ),
    max_leaves=8,
)


@given(trees, st.sampled_from(SECRET_NAMES), st.lists(st.sampled_from("ABC"), max_size=4))
def test_canary_below_a_secret_name_never_appears(
    tree: object, name: str, above: list[str]
) -> None:
    value: object = {name: tree}
    for step in above:
        value = {step: [value]} if step == "A" else {step: json.dumps(value)}
    assert "canary" not in json.dumps(mask(value))
