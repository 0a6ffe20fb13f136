"""Values that stacks take from Parameter Store, against recorded answers of AWS: see
``v2-test_dynamic_resolving`` and ``test_template_engine`` in localstack/localstack (Apache-2.0)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stackwright.cfn import Pseudo
from stackwright.emulator import EmulatorSettings, Server
from tests.support.aws import ACCOUNT, REGION, client

CAPABILITIES = {"Capabilities": ["CAPABILITY_IAM"]}
TYPED = """
Parameters: {MyValue: {Type: "AWS::SSM::Parameter::Value<String>", Default: /demo/topic}}
Resources:
  MyParameter: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref MyValue}}
"""
DYNAMIC = """
Resources:
  MyParameter:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: "x{{resolve:ssm:/demo/topic}}"}
"""


@pytest.fixture(autouse=True)
def _emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with Server(EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT)), mirror=True) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield


def put(value: str, name: str = "/demo/topic") -> None:
    client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def change_set(body: str, kind: str = "UPDATE") -> dict[str, Any]:
    """A new change set with its property values."""
    cloudformation = client("cloudformation")
    name = {"StackName": "demo", "ChangeSetName": "c"}
    cloudformation.create_change_set(TemplateBody=body, ChangeSetType=kind, **name)
    return dict(cloudformation.describe_change_set(IncludePropertyValues=True, **name))


def create(body: str) -> None:
    client("cloudformation").create_stack(StackName="demo", TemplateBody=body)


@pytest.mark.parametrize("kind", ["Value<String>", "Name"])
def test_missing_parameter_refuses_the_change_set(kind: str) -> None:
    body = TYPED.replace("Value<String>", kind)
    with pytest.raises(ClientError) as refused:
        change_set(body, "CREATE")
    assert refused.value.response["Error"]["Message"] == (
        "Unable to fetch parameters [/demo/topic] from parameter store for this account."
    )
    with pytest.raises(ClientError, match="Unable to fetch parameters"):
        create(body)
    assert client("cloudformation").describe_stacks()["Stacks"] == []


def test_stack_and_change_set_have_the_resolved_value() -> None:
    put("one")
    create(TYPED)
    (stack,) = client("cloudformation").describe_stacks()["Stacks"]
    wanted = {
        "ParameterKey": "MyValue",
        "ParameterValue": "/demo/topic",
        "ResolvedValue": "one",
    }
    assert stack["Parameters"] == [wanted]
    put("two")
    (stack,) = client("cloudformation").describe_stacks()["Stacks"]
    assert stack["Parameters"] == [wanted]
    assert change_set(TYPED)["Parameters"] == [{**wanted, "ResolvedValue": "two"}]


@pytest.mark.parametrize(("body", "prefix"), [(TYPED, ""), (DYNAMIC, "x")])
def test_moved_value_is_a_modification_with_both_values(body: str, prefix: str) -> None:
    put("one")
    create(body)
    put("two")
    made = change_set(body)
    (change,) = (change["ResourceChange"] for change in made["Changes"])
    assert (change["Action"], change["Replacement"]) == ("Modify", "False")
    assert change["Details"] == [
        {
            "ChangeSource": "DirectModification",
            "Evaluation": "Static",
            "Target": {
                "AfterValue": f"{prefix}two",
                "Attribute": "Properties",
                "AttributeChangeType": "Modify",
                "BeforeValue": f"{prefix}one",
                "Name": "Value",
                "Path": "/Properties/Value",
                "RequiresRecreation": "Never",
            },
        }
    ]
    before, after = (
        json.loads(change[f"{side}Context"])["Properties"] for side in ("Before", "After")
    )
    assert (before["Value"], after["Value"]) == (f"{prefix}one", f"{prefix}two")
    client("cloudformation").execute_change_set(StackName="demo", ChangeSetName="c")
    (stack,) = client("cloudformation").describe_stacks()["Stacks"]
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    (resource,) = client("cloudformation").describe_stack_resources(StackName="demo")[
        "StackResources"
    ]
    value = client("ssm").get_parameter(Name=resource["PhysicalResourceId"])["Parameter"]["Value"]
    assert value == f"{prefix}two"
    assert change_set(body)["Status"] == "FAILED"


def test_parameter_of_a_stack_exists_in_parameter_store() -> None:
    body = TYPED.replace(
        "Value: !Ref MyValue", "Value: !Ref MyValue, Name: /demo/made, Tags: {a: b}"
    )
    put("one")
    create(body)
    assert client("ssm").get_parameter(Name="/demo/made")["Parameter"]["Value"] == "one"
    put("two")
    client("cloudformation").update_stack(StackName="demo", TemplateBody=body)
    assert client("ssm").get_parameter(Name="/demo/made")["Parameter"]["Value"] == "two"
    client("cloudformation").delete_stack(StackName="demo")
    assert client("ssm").get_parameters(Names=["/demo/made"])["Parameters"] == []


def test_version_that_was_asked_for_is_answered_as_the_selector() -> None:
    put("first")
    put("second")
    answer = client("ssm").get_parameters(Names=["/demo/topic:1", "/demo/topic"])["Parameters"]
    answers = {parameter.get("Selector", ""): parameter["Value"] for parameter in answer}
    assert answers == {":1": "first", "": "second"}


def test_existing_parameter_is_imported_where_the_change_set_asks_for_it() -> None:
    put("by hand", "/demo/mine")
    client("cloudformation").create_change_set(
        StackName="demo",
        ChangeSetName="c",
        ChangeSetType="CREATE",
        ImportExistingResources=True,
        TemplateBody="""
Resources:
  Mine:
    Type: AWS::SSM::Parameter
    DeletionPolicy: Retain
    Properties: {Type: String, Name: /demo/mine, Value: ours}
""",
    )
    made = client("cloudformation").describe_change_set(StackName="demo", ChangeSetName="c")
    assert [change["ResourceChange"]["Action"] for change in made["Changes"]] == ["Import"]
