"""Texts that templates tell before a deployment, followed from stack to stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stackwright.cfn import StaticReferences
from stackwright.core import Config, Document, Dotenv, Rendering, Source, SourceKind, Wiring

BASE = {
    "Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "logs"}}},
    "Outputs": {"Name": {"Value": {"Ref": "Bucket"}}},
}
APP = {
    "Parameters": {
        "Logs": {"Type": "String"},
        "Size": {"Type": "String", "Default": "small"},
        "Later": {"Type": "String"},
        "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
        "Stored": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/name"},
    },
    "Mappings": {"Sizes": {"small": {"count": 2}}},
    "Conditions": {
        "IsSmall": {"Fn::Equals": [{"Ref": "Size"}, "small"]},
        "IsLater": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Later"}, "x"]}]},
    },
    "Resources": {
        "Web": {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {"Parameters": {"Bucket": {"Ref": "Logs"}}},
        },
        "Topic": {"Type": "AWS::SNS::Topic"},
    },
}
WEB = {
    "Parameters": {"Bucket": {"Type": "String"}},
    "Resources": {"T": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"Address": {"Value": {"Fn::Sub": "${Bucket}.${AWS::Region}"}}},
}


def references(**bodies: Any) -> StaticReferences:
    stacks = {"base": BASE, "app": APP, "app/web": WEB} | bodies
    documents = tuple(
        Document(name, f"{name}.yaml.j2", f"{name}.yaml", "", body, ())
        for name, body in stacks.items()
    )
    config = Config(Path(), "dev", {"region": "eu-west-1"}, {}, (), Dotenv({}, (), {}, {}, {}))
    logs = Source(SourceKind.OUTPUT, "Name", "base")
    return StaticReferences(Rendering(config, documents, {"app": Wiring(sources={"Logs": logs})}))


def texts(value: Any, stack: str = "app") -> list[str]:
    known = references()
    document = next(r.document for r in known.resources if r.document.name == stack)
    return known.texts(document, value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", ["a"]),
        (5, ["5"]),
        ({"Ref": "Zones"}, ["a", "b"]),
        ({"Ref": "Logs"}, ["logs"]),
        ({"Fn::Select": [1, {"Ref": "Zones"}]}, ["b"]),
        ({"Fn::Join": ["-", [{"Ref": "Size"}, {"Ref": "AWS::Region"}]]}, ["small-eu-west-1"]),
        ({"Fn::Sub": ["${A}-x", {"A": {"Ref": "Size"}}]}, ["small-x"]),
        ({"Fn::GetAtt": ["Web", "Outputs.Address"]}, ["logs.eu-west-1"]),
        ({"Fn::If": ["IsSmall", "yes", {"Ref": "Later"}]}, ["yes"]),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Size"}, "count"]}, ["2"]),
        (["a", {"Fn::If": ["IsSmall", {"Ref": "AWS::NoValue"}, "b"]}], ["a"]),
    ],
)
def test_value_that_templates_tell_is_known(value, expected):
    assert texts(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Later"},
        {"Ref": "Stored"},
        {"Ref": "Topic"},
        {"Ref": "Missing"},
        {"Ref": "AWS::AccountId"},
        {"Ref": "AWS::StackName"},
        {"Fn::GetAtt": ["Topic", "TopicArn"]},
        {"Fn::GetAtt": ["Web", "Outputs.Missing"]},
        {"Fn::If": ["IsLater", "a", "b"]},
        {"Fn::GetAZs": ""},
        {"Fn::ImportValue": "x"},
        {"Fn::Transform": {"Name": "x"}},
        ["a", {"Ref": "Later"}],
    ],
)
def test_value_that_only_aws_knows_is_not_guessed(value):
    assert texts(value) == []


def test_output_is_found_in_the_root_stacks():
    assert references().output("Name") == "logs"
    assert references().output("Address") is None


def test_resources_of_a_template_with_a_macro_are_still_read():
    body = {"Transform": "AWS::Serverless-2016-10-31", **BASE}
    assert references(base=body).output("Name") == "logs"
