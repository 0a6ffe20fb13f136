"""No secret appears in a difference or plan, however it is shown, nor in `params` and `explain`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from stackwright.diff import diff_builds
from stackwright.plan import DesiredStack, ListedChange, Plan, PlannedChange, RootAction, RootPlan
from stackwright.plan.listed_changes import read_resource
from stackwright.plan.model import Certainty
from stackwright.report import format_diff, format_plan
from tests.support.projects import Project

REGION, ACCOUNT = "us-east-2", "123456789012"
USER_DATA = "#!/bin/sh\nexport DB_PASSWORD={}\n"

PROPERTIES: dict[str, tuple[str, Callable[[str], dict[str, Any]]]] = {
    "user": ("AWS::IAM::User", lambda text: {"LoginProfile": {"Password": text}}),
    "oidc": (
        "AWS::Cognito::UserPoolIdentityProvider",
        lambda text: {"ProviderName": "a", "ProviderDetails": {"client_secret": text}},
    ),
    "listener": (
        "AWS::ElasticLoadBalancingV2::Listener",
        lambda text: {
            "DefaultActions": [
                {"Type": "authenticate-oidc", "AuthenticateOidcConfig": {"ClientSecret": text}}
            ]
        },
    ),
    "container": (
        "AWS::ECS::TaskDefinition",
        lambda text: {
            "ContainerDefinitions": [
                {
                    "Name": "web",
                    "Environment": [
                        {"Name": "DB_PASSWORD", "Value": text},
                        {"Name": "DB_PASSWORD", "Value": f"{text}-2"},
                        {"Name": "URL", "Value": f"amqp://user:{text}@host"},
                    ],
                    "Command": ["run", "--password", text],
                }
            ]
        },
    ),
    "function": (
        "AWS::Lambda::Function",
        lambda text: {"Environment": {"Variables": {"API_KEY": text, "A": f"token={text}"}}},
    ),
    "parameter": ("AWS::SSM::Parameter", lambda text: {"Name": "/db/password", "Value": text}),
    "secret": ("AWS::SecretsManager::Secret", lambda text: {"SecretString": f'{{"a": "{text}"}}'}),
    "json": ("AWS::SSM::Parameter", lambda text: {"Value": json.dumps({"password": text})}),
    "instance": (
        "AWS::EC2::Instance",
        lambda text: {"UserData": base64.b64encode(USER_DATA.format(text).encode()).decode()},
    ),
    "script": ("AWS::EC2::Instance", lambda text: {"UserData": USER_DATA.format(text)}),
    "custom": ("Custom::Thing", lambda text: {"Credentials": {"Values": [text, {"a": text}]}}),
}


def template(kind: str, text: str | None) -> str:
    type_, properties = PROPERTIES[kind]
    resources: dict[str, Any] = {"Keep": {"Type": "AWS::SQS::Queue"}}
    if text is not None:
        resources["X"] = {"Type": type_, "Properties": properties(text)}
    outputs = {"DbPassword": {"Value": text}} if text else {}
    return yaml.safe_dump({"Resources": resources, "Outputs": outputs})


@pytest.mark.parametrize("kind", PROPERTIES)
@pytest.mark.parametrize(
    ("before", "after"), [("canary-old", "canary-new"), (None, "canary-new"), ("canary-old", None)]
)
def test_secrets_are_hidden_in_every_form_of_a_plan(
    kind: str, before: str | None, after: str | None
) -> None:
    texts = [{"app.yaml": template(kind, text)} for text in (before, after)]
    diff = diff_builds(*texts, REGION, ACCOUNT)
    assert diff.resources
    changes = tuple(
        PlannedChange(change, ListedChange.BOTH, Certainty.CERTAIN) for change in diff.resources
    )
    desired = DesiredStack("app", "shop-app", {"app": texts[1]["app.yaml"]}, {}, {}, {})
    root = RootPlan(desired, RootAction.UPDATE, diff, changes, live={"id": "a"})
    now = datetime(2026, 1, 1, tzinfo=UTC)
    plan = Plan("dev", ACCOUNT, REGION, "", "", now, (root,))
    for style in ("text", "markdown", "json"):
        for shown in (format_plan(plan, style), format_diff(diff, style)):
            assert "canary" not in shown
            assert base64.b64encode(b"canary")[:6].decode() not in shown


def test_listed_changes_hide_values_by_the_names_beside_them() -> None:
    def context(text: str) -> str:
        return json.dumps(
            {"Properties": {"Environment": [{"Name": "DB_PASSWORD", "Value": text}], "Port": 80}}
        )

    target = {"Attribute": "Properties", "Path": "/Properties/Environment/0/Value"}
    detail = {"Target": {**target, "BeforeValue": "canary-old", "AfterValue": "canary-new"}}
    listed = {
        "Action": "Modify",
        "ResourceType": "Custom::Thing",
        "Details": [detail],
        "BeforeContext": context("canary-old"),
        "AfterContext": context("canary-new"),
    }
    (leaf,) = read_resource(("app", "X"), listed).properties
    assert (leaf.path, leaf.before, leaf.after) == ("Environment[0].Value", "(hidden)", "(hidden)")


def test_errors_of_parameters_hide_secrets(project: Callable[..., Project]) -> None:
    schema = {"properties": {"db": {"properties": {"password": {"maxLength": 3}}}}}
    shop = project(
        {
            "params/schema.json": json.dumps(schema),
            "params/defaults.yaml": "db: {password: canary}\n",
            "params/dev.yaml": "",
            "templates/main.yaml.j2": "Resources:\n  A: {Type: AWS::SNS::Topic}\n",
        }
    )
    shown = shop.invoke("params", "--env", "dev")
    assert (shown.exit_code, "canary" in shown.output) == (1, False)
    assert "db.password is not as params/schema.json asks; its value is not shown" in shown.output


def test_params_and_explain_hide_secrets(project: Callable[..., Project]) -> None:
    text = "Resources:\n  Login:\n    Type: AWS::IAM::User\n    Properties:\n      "
    shop = project(
        {
            "params/defaults.yaml": "db: {password: canary, url: 'redis://a:canary@b', name: x}\n",
            "params/dev.yaml": "",
            "templates/main.yaml.j2": f"{text}UserName: {{{{ db.name }}}}\n"
            "      LoginProfile: {Password: {{ db.password }}}\n"
            "      Path: {{ db.url }}\n",
        }
    )
    for command in (
        ("params",),
        ("params", "--origin"),
        ("params", "--format", "json"),
        ("explain", "db.password"),
        ("explain", "db"),
        ("explain", "main:Login.Properties"),
        ("explain", "main:Login.Properties.LoginProfile.Password"),
    ):
        shown = shop.invoke(command[0], *command[1:], "--env", "dev")
        assert (shown.exit_code, "canary" in shown.output) == (0, False), shown.output
        assert "(hidden)" in shown.output
