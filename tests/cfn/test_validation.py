"""Dependencies, their order, and what is refused before any value is known."""

import pytest

from stackwright.cfn import graph, template
from stackwright.cfn.schema import Schemas
from stackwright.cfn.template import ValidationError, parse_template
from stackwright.cfn.validation import validate_template

TOPIC = "AWS::SNS::Topic"


def topics(**properties):
    return template.template_from_data(
        {
            "Resources": {
                name: {"Type": TOPIC, "Properties": value} for name, value in properties.items()
            }
        }
    )


def test_references_of_every_form():
    value = {
        "a": [{"Ref": "A"}, {"Fn::GetAtt": ["B", "Arn"]}, {"Fn::GetAtt": "C.Arn.Part"}],
        "b": {"Fn::Sub": "${D}-${E.Arn}-${!F}-${AWS::Region}"},
        "c": {"Fn::Sub": ["${x}${G}", {"x": {"Ref": "H"}}]},
        "d": {"Fn::GetAtt": ["I", {"Ref": "J"}]},
        "e": {"Fn::If": ["C", {"Ref": "K"}, {"Ref": "L"}]},
        "f": {"Fn::Sub": {"wrong": 1}},
    }
    assert list(graph.find_references(value)) == [
        ("A", None),
        ("B", "Arn"),
        ("C", "Arn.Part"),
        ("D", None),
        ("E", "Arn"),
        ("AWS::Region", None),
        ("G", None),
        ("H", None),
        ("I", ""),
        ("J", None),
        ("K", None),
        ("L", None),
    ]


def test_order_follows_dependencies_and_else_the_template():
    parsed = template.template_from_data(
        {
            "Resources": {
                "C": {"Type": TOPIC, "DependsOn": ["B"]},
                "A": {"Type": TOPIC, "Properties": {"DisplayName": {"Fn::Sub": "${C.TopicName}"}}},
                "D": {"Type": TOPIC},
                "B": {"Type": TOPIC},
            }
        }
    )
    assert graph.find_dependencies(parsed) == {"C": {"B"}, "A": {"C"}, "D": set(), "B": set()}
    assert graph.order_resources(parsed) == ["D", "B", "C", "A"]


def test_cycles_are_named():
    resources = topics(
        A={"X": {"Ref": "B"}}, B={"X": {"Ref": "C"}}, C={"X": {"Fn::GetAtt": ["A", "Y"]}}, D={}
    )
    with pytest.raises(ValidationError) as caught:
        graph.order_resources(resources)
    assert caught.value.message == "Circular dependency between resources: [A, B, C]"


VALID = """
Parameters: {P: {Type: String}}
Conditions: {C: !Equals [!Ref P, x]}
Resources:
  A:
    Type: AWS::SNS::Topic
    Condition: C
    Properties: {DisplayName: !Sub "${P}${AWS::Region}", TopicName: !If [C, a, !GetAtt B.TopicName]}
  B: {Type: AWS::SNS::Topic}
  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: x}}
Outputs:
  O: {Value: !GetAtt N.Outputs.X, Condition: C, Export: {Name: !Sub "${AWS::StackName}"}}
"""


def test_valid_template_passes():
    validate_template(parse_template(VALID), Schemas())


UNRESOLVED = (
    "Template format error: Unresolved resource dependencies [{}] in the {} block of the template"
)
NO_CONDITION = "Template error: unresolved condition dependency X in the {} block of the template"
NO_ATTRIBUTE = "Template error: resource B does not support attribute type Arn in Fn::GetAtt"
NO_RESOURCE = "Template error: instance of Fn::GetAtt references undefined resource X"
NO_TYPE = "Template format error: Unrecognized resource types: [AWS::SNS::Tropic]"
CYCLE = "Circular dependency between resources: [A, B]"
B = "B: {Type: AWS::SNS::Topic"


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        (B, "B: {Type: AWS::SNS::Tropic", NO_TYPE, 9),
        ("Condition: C\n", "Condition: X\n", NO_CONDITION.format("Resources"), 7),
        ("Condition: C,", "Condition: X,", NO_CONDITION.format("Outputs"), 12),
        ("!If [C,", "!If [X,", NO_CONDITION.format("Resources"), 5),
        ("${P}", "${X}", UNRESOLVED.format("X", "Resources"), 5),
        ("${AWS::StackName}", "${AWS::Stack}", UNRESOLVED.format("AWS::Stack", "Outputs"), 12),
        ("B.TopicName", "X.TopicName", NO_RESOURCE, 5),
        ("B.TopicName", "B.Arn", NO_ATTRIBUTE, 5),
        (B, f"{B}, DependsOn: X", UNRESOLVED.format("X", "Resources"), 9),
        (B, f"{B}, DependsOn: A", CYCLE, 5),
    ],
)
def test_wrong_reference_or_type_is_refused(old, new, message, line):
    assert old in VALID
    with pytest.raises(ValidationError) as caught:
        validate_template(parse_template(VALID.replace(old, new)), Schemas())
    assert (caught.value.message, caught.value.line) == (message, line)


@pytest.mark.parametrize("name", ["Fn::Foo", "Fn::Length", "Fn::ToJsonString"])
def test_unsupported_functions_are_refused(name):
    text = rf"Template Error: Encountered unsupported function: {name} Supported functions are: \[Fn::Base64, Fn::GetAtt,"
    with pytest.raises(ValidationError, match=text):
        validate_template(topics(A={"DisplayName": {"Fn::Join": ["", [{name: ["x"]}]]}}), Schemas())


def test_functions_of_the_language_extensions_are_supported_with_them():
    data = {"Type": TOPIC, "Properties": {"DisplayName": {"Fn::ToJsonString": {"a": 1}}}}
    validate_template(
        template.template_from_data(
            {"Transform": "AWS::LanguageExtensions", "Resources": {"A": data}}
        ),
        Schemas(),
    )


def test_macros_and_defaults_of_mappings_are_refused():
    with pytest.raises(
        ValidationError, match="Fn::Transform is not supported: only AWS can run a macro"
    ):
        validate_template(topics(A={"DisplayName": {"Fn::Transform": {"Name": "x"}}}), Schemas())
    with pytest.raises(
        ValidationError, match="every Fn::FindInMap object requires three parameters"
    ):
        validate_template(
            topics(A={"DisplayName": {"Fn::FindInMap": ["M", "a", "b", {"DefaultValue": 1}]}}),
            Schemas(),
        )


def test_functions_in_outputs_and_conditions_are_checked():
    resources = {"A": {"Type": TOPIC}}
    for section in (
        {"Outputs": {"O": {"Value": {"Fn::Foo": 1}}}},
        {"Conditions": {"C": {"Fn::Foo": [1, 1]}}},
    ):
        with pytest.raises(ValidationError, match="unsupported function: Fn::Foo"):
            validate_template(
                template.template_from_data({"Resources": resources, **section}), Schemas()
            )
