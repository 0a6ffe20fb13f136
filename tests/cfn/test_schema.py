"""Resource types as the registry describes them."""

import subprocess
import sys
from pathlib import Path

import pytest

from stackwright.cfn.schema import Recreation, ResourceType, Schemas

SCHEMAS = Schemas("us-east-2")


def known(name):
    known = SCHEMAS.get(name)
    assert known is not None
    return known


def test_types_are_those_of_a_region():
    assert known("AWS::SNS::Topic").name == "AWS::SNS::Topic"
    assert SCHEMAS.get("AWS::SNS::Tropic") is None
    names = ["AWS::SNS::Topic", "AWS::X::Y", "Custom::Thing", "AWS::X::Y"]
    assert SCHEMAS.unrecognized(names) == ["AWS::X::Y"]
    assert Schemas("mars-north-1").get("AWS::SNS::Topic") is not None
    only_there = [name for name in ("AWS::Lambda::Function",) if Schemas("eu-west-1").get(name)]
    assert only_there == ["AWS::Lambda::Function"]


@pytest.mark.parametrize(
    ("type_name", "path", "recreation"),
    [
        ("AWS::SNS::Topic", ("TopicName",), "Always"),
        ("AWS::SNS::Topic", ("DisplayName",), "Never"),
        ("AWS::SNS::Topic", ("Tags", 0, "Value"), "Never"),
        ("AWS::ECS::TaskDefinition", ("ContainerDefinitions", 0, "Image"), "Always"),
        ("AWS::ECS::TaskDefinition", ("Tags",), "Never"),
        ("AWS::EFS::AccessPoint", ("PosixUser", "Uid"), "Always"),
        ("AWS::EC2::Instance", ("UserData",), "Conditionally"),
        ("AWS::S3::Bucket", ("BucketName",), "Always"),
        ("AWS::S3::Bucket", ("VersioningConfiguration", "Status"), "Never"),
        ("Custom::Thing", ("Anything", 3), "Conditionally"),
        ("AWS::CloudFormation::CustomResource", ("ServiceToken",), "Conditionally"),
    ],
)
def test_property_tells_whether_its_change_recreates(type_name, path, recreation):
    assert known(type_name).recreation(path) == recreation


def test_new_map_that_holds_a_create_only_leaf_replaces():
    made = ResourceType(
        "A::B::C", {"createOnlyProperties": ["/properties/A/B", "/properties/L/*/C"]}
    )
    assert made.recreation(("A",)) is Recreation.ALWAYS
    assert made.recreation(("A", "X")) is Recreation.NEVER
    assert made.recreation(("L", 4, "C", "D")) is Recreation.ALWAYS
    assert made.recreation(("L", 4, "X")) is Recreation.NEVER


def test_identity_and_access():
    topic, parameter = known("AWS::SNS::Topic"), known("AWS::SSM::Parameter")
    assert topic.primary_identifier == topic.read_only == (("TopicArn",),)
    assert ("Tier",) in parameter.write_only
    assert topic.tags_property == "Tags"
    assert topic.updatable_tags
    assert known("AWS::Lambda::Permission").tags_property is None
    assert not known("AWS::Lambda::Permission").updatable_tags
    assert known("AWS::EFS::FileSystem").tags_property == "FileSystemTags"
    assert known("AWS::S3::Bucket").stateful
    assert not topic.stateful


@pytest.mark.parametrize(
    ("type_name", "attribute", "allowed"),
    [
        ("AWS::SNS::Topic", "TopicArn", True),
        ("AWS::SNS::Topic", "DisplayName", True),
        ("AWS::SNS::Topic", "Arn", False),
        ("AWS::RDS::DBInstance", "Endpoint.Address", True),
        ("AWS::RDS::DBInstance", "Endpoint.Nothing", False),
        ("AWS::CloudFormation::Stack", "Outputs.Anything", True),
        ("AWS::CloudFormation::Stack", "Arn", False),
        ("Custom::Thing", "Anything", True),
    ],
)
def test_attributes_are_known_by_name(type_name, attribute, allowed):
    assert known(type_name).has_attribute(attribute) is allowed


def test_attributes_that_change_in_place():
    assert known("AWS::EC2::LaunchTemplate").changes_in_place("LatestVersionNumber")
    assert known("Custom::Thing").changes_in_place("Answer")
    assert not known("AWS::Lambda::Function").changes_in_place("Arn")


@pytest.mark.parametrize(
    ("type_name", "properties", "problems"),
    [
        ("AWS::SSM::Parameter", {"Type": "String", "Value": "x"}, []),
        (
            "AWS::SSM::Parameter",
            {},
            ["#: required key [Value] not found", "#: required key [Type] not found"],
        ),
        (
            "AWS::SSM::Parameter",
            {"Type": "Text", "Value": "x"},
            ["#/Type: Text is not a valid enum value"],
        ),
        (
            "AWS::SSM::Parameter",
            {"Type": "String", "Value": ["x"]},
            ["#/Value: expected type: String, found: JSONArray"],
        ),
        (
            "AWS::SSM::Parameter",
            {"Type": "String", "Value": "x", "Foo": 1},
            ["#: extraneous key [Foo] is not permitted"],
        ),
        (
            "AWS::SSM::Parameter",
            {"Type": "String", "Value": "x", "Name": ""},
            ["#/Name: expected minLength: 1, actual: 0"],
        ),
        (
            "AWS::SSM::Parameter",
            {"Type": "String", "Value": "x", "Description": "x" * 1025},
            ["#/Description: expected maxLength: 1024, actual: 1025"],
        ),
        (
            "AWS::SNS::Topic",
            {"TopicArn": "arn"},
            ["#: extraneous key [TopicArn] is not permitted"],
        ),
        ("AWS::SNS::Topic", {"FifoTopic": "true", "DisplayName": 5}, []),
        (
            "AWS::SNS::Topic",
            {"FifoTopic": "yes"},
            ["#/FifoTopic: expected type: Boolean, found: String"],
        ),
        (
            "AWS::Lambda::Function",
            {"Code": {"ZipFile": "x"}, "Role": "role", "MemorySize": "64"},
            [
                "#/MemorySize: 64 is not greater or equal to 128",
                "#/Role: failed validation constraint for keyword [pattern]",
            ],
        ),
        (
            "AWS::CloudFormation::Stack",
            {"TemplateURL": "x", "NotificationARNs": list("abcdef"), "TimeoutInMinutes": 1.5},
            [
                "#/NotificationARNs: expected maximum item count: 5, found: 6",
                "#/TimeoutInMinutes: expected type: Integer, found: Number",
            ],
        ),
        ("Custom::Thing", {"ServiceToken": "arn", "Anything": {"a": 1}}, []),
        ("Custom::Thing", {}, ["#: required key [ServiceToken] not found"]),
    ],
)
def test_problems_in_properties(type_name, properties, problems):
    assert known(type_name).problems(properties) == problems


def test_bounds_and_repeated_items():
    definition = {
        "typeName": "A::B::C",
        "properties": {
            "N": {"type": "integer", "maximum": 9},
            "L": {"type": "array", "minItems": 2, "uniqueItems": True},
            "P": {"type": "string", "pattern": "\\p{Alpha}"},
            "O": {"type": "object"},
        },
        "oneOf": [{"required": ["N"]}, {"required": ["L"]}],
    }
    made = ResourceType("A::B::C", definition)
    assert made.problems({"N": "10"}) == ["#/N: 10 is not less or equal to 9"]
    assert made.problems({"L": ["a"]}) == ["#/L: expected minimum item count: 2, found: 1"]
    assert made.problems({"L": ["a", "a"]}) == ["#/L: array items are not unique"]
    assert made.problems({"N": 1, "P": "Java's own syntax is not judged"}) == []
    assert made.problems({"P": "x"}) == ["#: failed validation constraint for keyword [oneOf]"]
    assert made.problems({"N": 1, "O": None}) == ["#/O: expected type: JSONObject, found: Null"]


def test_cfn_lint_itself_is_not_imported():
    """Importing it takes two seconds; only its data is read."""
    code = (
        "import sys; from stackwright.cfn.schema import Schemas;"
        "from stackwright.cfn import changes, validation;"
        "assert Schemas().get('AWS::SNS::Topic'); print('cfnlint' in sys.modules, 'boto3' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.split() == ["False", "False"]
