"""Values of Parameter Store and Secrets Manager that stacks name: what preflight says of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stackwright.aws import Boto
from stackwright.health import CheckState
from stackwright.preflight import PreflightCheck, run_preflight
from tests.support.aws import ACCOUNT, REGION, client
from tests.support.projects import Project

Make = Callable[..., Project]

DEFAULTS = f"project: demo\nregion: {REGION}\naccount_id: '{ACCOUNT}'\nstacks: [net, app]\n"
TYPED = """\
# {{ account_id }}
Parameters: {Topic: {Type: "AWS::SSM::Parameter::Value<String>", Default: /demo/topic}}
Resources:
  Topic1: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Topic}}
"""
EMPTY = "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n"
STORING = """\
Resources:
  Stored: {Type: AWS::SSM::Parameter, Properties: {Type: String, Name: /demo/topic, Value: x}}
"""
KEPT = "DeletionPolicy: Delete, UpdateReplacePolicy: Delete"
GENERATED = """\
Resources:
  Secret:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      Name: demo/db
      GenerateSecretString: {SecretStringTemplate: '{"user": "u"}', GenerateStringKey: password}
"""


def referring(reference: str, more: str = "") -> str:
    """A template with a dynamic reference in a property."""
    return f"""\
# {{{{ account_id }}}}
Resources:
  Note:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Name: /demo/note
      Value: !Sub "a{{% raw %}}{{{{resolve:{reference}}}}}{{% endraw %}}"
{more}"""


@pytest.fixture
def check(project: Make, moto: str) -> Callable[..., list[PreflightCheck]]:
    assert moto

    def run(defaults: str = DEFAULTS, **templates: str) -> list[PreflightCheck]:
        """The results on references, of a project with these templates."""
        made = project(
            {
                "params/defaults.yaml": defaults,
                "templates/main.yaml.j2": None,
                **{f"templates/{name}.yaml.j2": text for name, text in templates.items()},
            }
        )
        checks = run_preflight(made.load(), made.render(), Boto(REGION))
        return [
            check
            for check in checks
            if check.name.split(" ")[0] in ("parameter", "ssm", "ssm-secure", "secret")
        ]

    return run


def only(checks: list[PreflightCheck]) -> tuple[str, CheckState, str]:
    (check,) = checks
    return check.name, check.state, check.detail


def test_project_without_references_needs_no_check(check: Callable[..., list[PreflightCheck]]):
    assert check(net=EMPTY, app=EMPTY.replace("Topic:", "# {{ account_id }}\n  Topic:")) == []


def test_existing_parameter_passes(check: Callable[..., list[PreflightCheck]]):
    client("ssm").put_parameter(Name="/demo/topic", Value="x", Type="String")
    assert only(check(net=EMPTY, app=TYPED)) == ("parameter store", CheckState.OK, "1 of 1 exist")


def test_missing_parameter_fails_and_names_its_stack(check: Callable[..., list[PreflightCheck]]):
    name, state, detail = only(check(net=EMPTY, app=TYPED))
    assert (name, state) == ("ssm /demo/topic", CheckState.FAIL)
    assert detail == "/demo/topic does not exist in Parameter Store; app reads it"


def test_parameter_of_an_earlier_root_is_to_come(check: Callable[..., list[PreflightCheck]]):
    result = only(check(net=STORING, app=TYPED))
    assert result == ("ssm /demo/topic", CheckState.SKIP, "demo-dev-net makes it first")


def test_parameter_of_a_later_root_fails(check: Callable[..., list[PreflightCheck]]):
    _, state, detail = only(check(net=TYPED, app=STORING))
    assert state is CheckState.FAIL
    assert detail == "net takes its value, and demo-dev-app, which makes it, is deployed later"


def test_typed_parameter_of_its_own_root_fails(check: Callable[..., list[PreflightCheck]]):
    own = TYPED + STORING.partition("\n")[2]
    _, state, detail = only(check(net=EMPTY, app=own))
    assert (state, "before it makes it" in detail) == (CheckState.FAIL, True)


def test_dynamic_reference_may_name_a_parameter_of_its_own_root(
    check: Callable[..., list[PreflightCheck]],
):
    own = referring("ssm:/demo/topic", STORING.partition("\n")[2])
    assert only(check(net=EMPTY, app=own))[1] is CheckState.SKIP


def test_secure_string_is_refused_for_a_plain_reference(
    check: Callable[..., list[PreflightCheck]],
):
    client("ssm").put_parameter(Name="/demo/topic", Value="x", Type="SecureString")
    checks = check(net=EMPTY, app=TYPED)
    assert checks[0].state is CheckState.FAIL
    assert "SecureString" in checks[0].detail
    secure = check(net=EMPTY, app=referring("ssm-secure:/demo/topic"))
    assert only(secure)[1] is CheckState.OK


@pytest.mark.parametrize(
    "reference", ["ssm:/demo/none", "ssm-secure:/demo/none:1", "secretsmanager:demo/none"]
)
def test_missing_value_of_a_dynamic_reference_fails(
    check: Callable[..., list[PreflightCheck]], reference: str
):
    name, state, detail = only(check(net=EMPTY, app=referring(reference)))
    assert (name.split(" ")[1], state) == (
        "/demo/none" if "ssm" in reference else "demo/none",
        CheckState.FAIL,
    )
    assert "app" in detail


def test_reference_in_a_given_parameter_is_checked(check: Callable[..., list[PreflightCheck]]):
    given = "deploy: {parameters: {app: {Label: '{{resolve:secretsmanager:demo/none:SecretString:a}}'}}}\n"
    app = EMPTY.replace(
        "Resources:", "# {{ account_id }}\nParameters: {Label: {Type: String}}\nResources:"
    )
    app = app.replace("Topic}", "Topic, Properties: {DisplayName: !Ref Label}}")
    name, state, _ = only(check(DEFAULTS + given, net=EMPTY, app=app))
    assert (name, state) == ("secret demo/none", CheckState.FAIL)


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("", ""),
        (":SecretString:any", ""),
        (":SecretString:any:AWSCURRENT", ""),
        (":SecretString:any:BLUE", "has no version with the label BLUE"),
        (
            ":SecretString:any::01234567-0123-0123-0123-0123456789ab",
            "has no version 01234567-0123-0123-0123-0123456789ab, or one that is deprecated",
        ),
    ],
)
def test_version_of_a_secret_is_checked_without_its_value(
    check: Callable[..., list[PreflightCheck]], rest: str, problem: str
):
    client("secretsmanager").create_secret(Name="demo/db", SecretString='{"any": "x"}')
    checks = check(net=EMPTY, app=referring(f"secretsmanager:demo/db{rest}"))
    assert [c.detail.partition(";")[0] for c in checks if c.state is CheckState.FAIL] == (
        [problem] if problem else []
    )


@pytest.mark.parametrize(
    ("key", "state"), [("password", CheckState.SKIP), ("pass", CheckState.FAIL)]
)
def test_key_of_a_secret_to_come_is_checked(
    check: Callable[..., list[PreflightCheck]], key: str, state: CheckState
):
    reference = f"secretsmanager:demo/db:SecretString:{key}"
    assert only(check(net=GENERATED, app=referring(reference)))[1] is state
