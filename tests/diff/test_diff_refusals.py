"""A diff refuses only templates that CloudFormation refuses; one unknown value is not an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stackwright.core.errors import TemplateError
from stackwright.diff import diff_builds
from stackwright.diff.model import Diff, Effect


def compare(before: str, after: str) -> Diff:
    return diff_builds({"app.yaml": before}, {"app.yaml": after})


def effects(diff: Diff) -> dict[str, str]:
    return {resource.logical_id: str(resource.effect) for resource in diff.resources}


def values(diff: Diff, logical_id: str) -> dict[str, tuple[Any, Any]]:
    (resource,) = (item for item in diff.resources if item.logical_id == logical_id)
    return {leaf.path: (leaf.before, leaf.after) for leaf in resource.properties}


TOPIC = "  Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: OLD}}\n"
ACCEPTED = {
    "version of a custom resource": (
        "Resources:\n"
        "  C: {Type: Custom::Thing, Version: '1.0', Properties: {ServiceToken: t}}\n" + TOPIC
    ),
    "sixth zone": (
        "Resources:\n"
        '  S: {Type: AWS::EC2::Subnet, Properties: {AvailabilityZone: !Select [5, !GetAZs ""]}}\n'
        + TOPIC
    ),
    "zone that is not there": (
        "Resources:\n"
        '  S: {Type: AWS::EC2::Subnet, Properties: {AvailabilityZone: !Select [9, !GetAZs ""]}}\n'
        + TOPIC
    ),
    "map by an unknown account": (
        "Mappings: {Accounts: {'111111111111': {Role: a}, '222222222222': {Role: b}}}\n"
        "Resources:\n"
        "  B:\n    Type: AWS::S3::Bucket\n    Properties:\n"
        "      BucketName: !FindInMap [Accounts, !Ref AWS::AccountId, Role]\n" + TOPIC
    ),
    "map without this Region": (
        "Mappings: {Images: {ap-south-2: {Arm: a}}}\n"
        "Resources:\n"
        "  I:\n    Type: AWS::EC2::Instance\n    Properties:\n"
        "      ImageId: !FindInMap [Images, !Ref AWS::Region, Arm]\n" + TOPIC
    ),
    "condition on an unknown account": (
        "Conditions: {Prod: !Equals [!FindInMap [Accounts, !Ref AWS::AccountId, Env], prod]}\n"
        "Mappings: {Accounts: {'111111111111': {Env: prod}, '222222222222': {Env: dev}}}\n"
        "Resources:\n  B: {Type: AWS::S3::Bucket, Condition: Prod}\n" + TOPIC
    ),
    "default that asks for a value": (
        "Parameters:\n"
        "  Name: {Type: String, Default: '', AllowedPattern: '[a-z]+'}\n"
        "  Size: {Type: String, Default: none, AllowedValues: [small, big]}\n"
        "Resources:\n"
        "  B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub '${Name}-${Size}'}}\n" + TOPIC
    ),
    "parameter without a value in a nested stack": (
        "Parameters: {P: {Type: String}}\n"
        "Resources:\n"
        "  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: !Ref P}}\n" + TOPIC
    ),
    "reference to a resource of another condition": (
        "Parameters: {Env: {Type: String}}\n"
        "Conditions: {Prod: !Equals [!Ref Env, prod]}\n"
        "Resources:\n"
        "  B: {Type: AWS::S3::Bucket, Condition: Prod}\n"
        "  P: {Type: AWS::S3::BucketPolicy, Properties: {Bucket: !Ref B}}\n" + TOPIC
    ),
    "function that is not known here": (
        "Resources:\n"
        "  B: {Type: AWS::S3::Bucket, Properties: {BucketName: !GetStackOutput [net, Name]}}\n"
        + TOPIC
    ),
    "type of a third party": (
        "Resources:\n  T: {Type: Acme::Billing::Plan, Properties: {A: !GetAtt U.B.C}}\n"
        "  U: {Type: Acme::Billing::Account::MODULE}\n" + TOPIC
    ),
    "functions in odd places": (
        "Parameters: {Env: {Type: String}}\n"
        "Conditions: {Prod: !Equals [!Ref Env, prod]}\n"
        "Resources:\n"
        "  B:\n    Type: AWS::S3::Bucket\n    DeletionPolicy: !If [Prod, Retain, Delete]\n"
        "    Properties:\n"
        "      Tags: !If [Prod, [{Key: a, Value: !Join ['', !Split [',', !Ref Env]]}], []]\n"
        "      BucketName: !Select [!Ref Env, [a, b]]\n" + TOPIC
    ),
    "serverless": (
        "Transform: AWS::Serverless-2016-10-31\n"
        "Globals: {Function: {Timeout: 3}}\n"
        "Resources:\n"
        "  F:\n    Type: AWS::Serverless::Function\n    DependsOn: ApiRole\n"
        "    Connectors: {C: {Properties: {}}}\n"
        "    Properties: {Role: !GetAtt FRole.Arn, Url: !Ref ServerlessRestApi}\n"
        + TOPIC
        + "Outputs: {Url: {Value: !Ref ServerlessRestApi, Condition: Made}}\n"
    ),
    "macro": "Transform: [Acme::Macro]\nThings: {A: 1}\nResources:\n" + TOPIC,
    "include": (
        "Resources:\n"
        "  B:\n    Type: AWS::S3::Bucket\n    Properties:\n"
        "      Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}\n"
        "  C: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/l}}}\n" + TOPIC
    ),
    "loop": (
        "Transform: AWS::LanguageExtensions\n"
        "Resources:\n"
        "  Fn::ForEach::Topics: [Name, [A, B], {'T${Name}': {Type: AWS::SNS::Topic}}]\n"
        + TOPIC
        + "Outputs: {A: {Value: !Ref TA}}\n"
    ),
}


@pytest.mark.parametrize("template", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted_template_is_compared(template: str) -> None:
    assert compare(template, template).empty
    diff = compare(template, template.replace("OLD", "NEW"))
    assert effects(diff) == {"Topic": "change"}
    assert values(diff, "Topic") == {"DisplayName": ("OLD", "NEW")}


REFUSED = {
    "unknown name": (
        "Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref X}}}",
        r"Unresolved resource dependencies \[X\]",
    ),
    "unknown condition": (
        "Resources: {T: {Type: AWS::SNS::Topic, Condition: Prod}}",
        "unresolved condition dependency Prod",
    ),
    "resource in a condition": (
        "Conditions: {C: !Equals [!Ref T, a]}\nResources: {T: {Type: AWS::SNS::Topic}}",
        "Cannot reference resources in the Conditions block",
    ),
    "circle": (
        "Resources:\n  A: {Type: AWS::SNS::Topic, DependsOn: B}\n"
        "  B: {Type: AWS::SNS::Topic, DependsOn: A}\n",
        "Circular dependency",
    ),
    "attribute that no resource has": (
        "Resources: {T: {Type: AWS::SNS::Topic, Colour: red}}",
        "Invalid template resource property 'Colour'",
    ),
    "no YAML": ("Resources: [", "YAML not well-formed"),
}


@pytest.mark.parametrize(("template", "message"), REFUSED.values(), ids=REFUSED)
def test_template_that_cloudformation_refuses_is_refused(template: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        compare("Resources: {T: {Type: AWS::SNS::Topic}}", template)


def test_duplicate_keys_are_compared_by_their_last_value_with_a_note() -> None:
    before = "Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {DisplayName: a, %s: b}}\n"
    diff = compare(before % "DisplayName", before % "TopicName")
    assert values(diff, "T") == {"DisplayName": ("b", "a"), "TopicName": (None, "b")}
    assert diff.notes == (
        "app.yaml:2 gives the key 'DisplayName' twice before the change: CloudFormation takes the "
        "last value",
    )


def test_parts_that_only_a_macro_understands_are_compared_as_text() -> None:
    template = ACCEPTED["serverless"]
    diff = compare(template, template.replace("Timeout: 3", "Timeout: 30"))
    assert not diff.resources
    assert not diff.empty
    assert [(text.path, text.before, text.after) for text in diff.texts] == [
        ("Globals.Function.Timeout", 3, 30)
    ]
    assert diff.notes == (
        "app.yaml uses AWS::Serverless-2016-10-31, which only AWS can run: the resources that a "
        "macro makes or changes cannot be known here",
    )


def test_changed_loop_is_shown_as_text() -> None:
    template = ACCEPTED["loop"]
    diff = compare(template, template.replace("[A, B]", "[A]"))
    assert [text.path for text in diff.texts] == ["Resources.Fn::ForEach::Topics[1][1]"]


CONDITIONAL = """
Parameters: {Env: {Type: String}}
Conditions: {Prod: !Equals [!Ref Env, prod], Other: !Not [!Condition Prod]}
Resources:
  Keep: {Type: AWS::SNS::Topic}
  Bucket: {Type: AWS::S3::Bucket, Condition: Prod, Properties: {BucketName: one}}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {DelaySeconds: !If [Prod, 1, 2], VisibilityTimeout: !If [Other, 3, 4]}
"""


def test_both_branches_of_an_undecided_condition_are_compared() -> None:
    after = CONDITIONAL.replace("one", "two").replace("1, 2", "5, 2").replace("3, 4", "6, 4")
    diff = compare(CONDITIONAL, after)
    assert effects(diff) == {"Queue": "change", "Bucket": "replace"}
    assert values(diff, "Queue") == {"DelaySeconds": (1, 5), "VisibilityTimeout": (3, 6)}
    assert [loss.resource.logical_id for loss in diff.losses] == ["Bucket"]


def test_resource_that_gets_an_undecided_condition_may_be_removed() -> None:
    after = CONDITIONAL.replace("Keep: {Type", "Keep: {Condition: Prod, Type")
    (resource,) = compare(CONDITIONAL, after).resources
    assert (resource.logical_id, resource.effect) == ("Keep", Effect.REMOVE)


def test_default_that_a_nested_stack_refuses_is_unknown() -> None:
    files = {
        "app.yaml": "Parameters: {Name: {Type: String, Default: ''}}\nResources:\n"
        "  Web:\n    Type: AWS::CloudFormation::Stack\n"
        "    Properties: {TemplateURL: ./app/web.yaml, Parameters: {Name: !Ref Name}}\n",
        "app/web.yaml": "Parameters: {Name: {Type: String, AllowedPattern: '[a-z]+'}}\n"
        "Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Name}}\n",
    }
    assert diff_builds(files, files).empty


def test_changed_cell_of_a_map_is_seen_without_the_account() -> None:
    template = ACCEPTED["map by an unknown account"]
    diff = compare(template, template.replace("Role: b", "Role: c"))
    assert values(diff, "B") == {
        "BucketName": (
            'FindInMap(Accounts, ${AWS::AccountId}, Role) = "a" | "b"',
            'FindInMap(Accounts, ${AWS::AccountId}, Role) = "a" | "c"',
        )
    }


def test_json_templates_are_compared_by_their_last_value() -> None:
    text = '{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Metadata": %s, "Metadata": %s}}}'
    diff = diff_builds(
        {"app.json": text % (json.dumps({"a": 1}), json.dumps({"a": 2}))},
        {"app.json": text % (json.dumps({"a": 3}), json.dumps({"a": 2}))},
    )
    assert diff.empty
    assert len(diff.notes) == 2
