"""Intrinsic functions give what CloudFormation gives, and are refused in its words."""

import pytest

from stackwright.cfn import template
from stackwright.cfn.intrinsics import (
    Pseudo,
    Resolver,
    UnknownWorld,
    dynamic_references,
    parameter_values,
    resolve_dynamic,
)
from stackwright.cfn.template import ValidationError
from stackwright.cfn.values import (
    KNOWN_AFTER_APPLY,
    ChangeSource,
    Traced,
    Unknown,
    ValueReference,
    canonical_value,
    find_traces,
    plain_data,
    print_value,
    value_text,
)

DATA = {
    "Transform": "AWS::LanguageExtensions",
    "Parameters": {
        "Name": {"Type": "String", "Default": "app"},
        "Size": {"Type": "Number", "Default": 3},
        "Ids": {"Type": "CommaDelimitedList", "Default": "a, b ,c"},
        "Empty": {"Type": "CommaDelimitedList", "Default": ""},
        "Secret": {"Type": "String", "Default": "hush", "NoEcho": "true"},
        "Image": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/image"},
        "Images": {"Type": "AWS::SSM::Parameter::Value<List<String>>", "Default": "/images"},
    },
    "Mappings": {"M": {"a": {"b": "c", "l": ["x", "y"]}, "5": {"1": "five"}}},
    "Conditions": {
        "Yes": {"Fn::Equals": [{"Ref": "Name"}, "app"]},
        "No": {"Fn::Not": [{"Condition": "Yes"}]},
        "Both": {"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]},
        "Any": {"Fn::Or": [{"Condition": "Yes"}, {"Condition": "No"}]},
        "Number": {"Fn::Equals": [{"Ref": "Size"}, 3]},
        "Mapped": {"Fn::Equals": [{"Fn::FindInMap": ["M", "a", "b"]}, "c"]},
        "Loop": {"Fn::Not": [{"Condition": "Loop"}]},
    },
    "Resources": {"T": {"Type": "AWS::SNS::Topic"}},
}
PSEUDO = Pseudo(
    stack_name="s", region="eu-west-1", account_id="111111111111", notification_arns=("arn:n",)
)


class World(UnknownWorld):
    def exported(self, name):
        return {"E": "exported"}.get(name) or super().exported(name)

    def stored(self, name):
        return {"/image": "ami-1", "/images": "i, j"}[name]


def resolver(**changes):
    declared = template.template_from_data(DATA | changes)
    return Resolver(declared, parameter_values(declared, {}), PSEUDO, World())


def resolved(value):
    return resolver().resolve(value)


VALID = {
    "literal": (["a", {"b": 1}], ["a", {"b": 1}]),
    "Ref parameter": ({"Ref": "Name"}, "app"),
    "Ref number": ({"Ref": "Size"}, "3"),
    "Ref list": ({"Ref": "Ids"}, ["a", "b", "c"]),
    "Ref empty list": ({"Ref": "Empty"}, []),
    "Ref stored": ({"Ref": "Image"}, "ami-1"),
    "Ref stored list": ({"Ref": "Images"}, ["i", "j"]),
    "Ref region": ({"Ref": "AWS::Region"}, "eu-west-1"),
    "Ref account": ({"Ref": "AWS::AccountId"}, "111111111111"),
    "Ref partition": ({"Ref": "AWS::Partition"}, "aws"),
    "Ref suffix": ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
    "Ref stack": ({"Ref": "AWS::StackName"}, "s"),
    "Ref notifications": ({"Ref": "AWS::NotificationARNs"}, ["arn:n"]),
    "NoValue in a map": ({"a": {"Ref": "AWS::NoValue"}, "b": 1}, {"b": 1}),
    "NoValue in a list": ([1, {"Ref": "AWS::NoValue"}, 2], [1, 2]),
    "NoValue through If": ({"a": {"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}}, {}),
    "Sub": ({"Fn::Sub": "${Name}-${AWS::Region}-${!Name}-$x"}, "app-eu-west-1-${Name}-$x"),
    "Sub with variables": (
        {"Fn::Sub": ["${a}${Name}", {"a": {"Ref": "Size"}, "Name": "mine"}]},
        "3mine",
    ),
    "Sub with a true": ({"Fn::Sub": ["${a}", {"a": True}]}, "true"),
    "Sub without variables": ({"Fn::Sub": "x"}, "x"),
    "Join": ({"Fn::Join": ["-", ["a", 1, {"Ref": "Name"}, False]]}, "a-1-app-false"),
    "Join nothing": ({"Fn::Join": ["-", []]}, ""),
    "Join list": ({"Fn::Join": [",", {"Ref": "Ids"}]}, "a,b,c"),
    "Join and NoValue": ({"Fn::Join": [",", ["a", {"Ref": "AWS::NoValue"}]]}, "a"),
    "Split": ({"Fn::Split": ["|", "a||b"]}, ["a", "", "b"]),
    "Select": ({"Fn::Select": [1, ["a", "b"]]}, "b"),
    "Select by text": ({"Fn::Select": ["0", {"Ref": "Ids"}]}, "a"),
    "Select of Split": ({"Fn::Select": [1, {"Fn::Split": ["-", {"Ref": "AWS::Region"}]}]}, "west"),
    "If": ({"Fn::If": ["Yes", {"a": 1}, {"b": 2}]}, {"a": 1}),
    "FindInMap": ({"Fn::FindInMap": ["M", "a", "b"]}, "c"),
    "FindInMap list": ({"Fn::FindInMap": ["M", "a", "l"]}, ["x", "y"]),
    "FindInMap by numbers": ({"Fn::FindInMap": ["M", 5, 1]}, "five"),
    "FindInMap default": (
        {"Fn::FindInMap": ["M", "z", "b", {"DefaultValue": {"Ref": "Name"}}]},
        "app",
    ),
    "Base64": ({"Fn::Base64": "HelloWorld"}, "SGVsbG9Xb3JsZA=="),
    "Cidr": ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
    "Cidr by text": ({"Fn::Cidr": ["10.0.0.0/24", "2", "4"]}, ["10.0.0.0/28", "10.0.0.16/28"]),
    "Cidr 6": ({"Fn::Cidr": ["2001:db8::/56", 1]}, ["2001:db8::/64"]),
    "GetAZs": ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
    "GetAZs here": (
        {"Fn::GetAZs": {"Ref": "AWS::Region"}},
        ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
    ),
    "GetAZs there": ({"Fn::GetAZs": "us-east-1"}, [f"us-east-1{zone}" for zone in "abcdef"]),
    "ImportValue": ({"Fn::ImportValue": {"Fn::Sub": "E"}}, "exported"),
    "Length": ({"Fn::Length": {"Ref": "Ids"}}, 3),
    "ToJsonString": (
        {"Fn::ToJsonString": {"a": [{"Ref": "Name"}, 1, True]}},
        '{"a":["app",1,true]}',
    ),
}


@pytest.mark.parametrize(("expression", "value"), VALID.values(), ids=VALID)
def test_functions_give_their_values(expression, value):
    assert plain_data(resolved(expression)) == value


AFTER_APPLY = {
    "Ref": ({"Ref": "T"}, "${T}", ("T",)),
    "GetAtt": ({"Fn::GetAtt": ["T", "TopicArn"]}, "${T.TopicArn}", ("T.TopicArn",)),
    "GetAtt by text": ({"Fn::GetAtt": "T.TopicArn"}, "${T.TopicArn}", ("T.TopicArn",)),
    "Sub": ({"Fn::Sub": "a-${T}-${T.TopicArn}"}, "a-${T}-${T.TopicArn}", ("T", "T.TopicArn")),
    "Join": ({"Fn::Join": ["-", ["a", {"Ref": "T"}]]}, "a-${T}", ("T",)),
    "Join list": ({"Fn::Join": ["-", {"Fn::GetAtt": ["T", "L"]}]}, "Join('-', ${T.L})", ("T.L",)),
    "Split": ({"Fn::Split": ["-", {"Ref": "T"}]}, "Split('-', ${T})", ("T",)),
    "Select": (
        {"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "T"}]}]},
        "Select(0, Split('-', ${T}))",
        ("T",),
    ),
    "Base64": ({"Fn::Base64": {"Ref": "T"}}, "Base64(${T})", ("T",)),
    "Cidr": ({"Fn::Cidr": [{"Ref": "T"}, 2, 8]}, "Cidr(2, 8, ${T})", ("T",)),
    "FindInMap": (
        {"Fn::FindInMap": ["M", "a", {"Ref": "T"}]},
        'FindInMap(M, a, ${T}) = "c" | ["x", "y"]',
        ("T",),
    ),
    "ImportValue": ({"Fn::ImportValue": "F"}, "${ImportValue F}", ("export F",)),
    "ImportValue of Ref": ({"Fn::ImportValue": {"Ref": "T"}}, "ImportValue(${T})", ("T",)),
    "Length": ({"Fn::Length": {"Fn::GetAtt": ["T", "L"]}}, "Length(${T.L})", ("T.L",)),
    "ToJsonString": ({"Fn::ToJsonString": [{"Ref": "T"}]}, "ToJsonString(${T})", ("T",)),
    "StackId": (
        {"Ref": "AWS::StackId"},
        "${AWS::StackId}",
        ("the stack's id is made when it is created",),
    ),
}


@pytest.mark.parametrize(("expression", "text", "causes"), AFTER_APPLY.values(), ids=AFTER_APPLY)
def test_known_after_apply_keeps_the_expression_and_its_causes(expression, text, causes):
    value = plain_data(resolved(expression))
    assert isinstance(value, Unknown)
    assert (str(value), value.causes) == (text, causes)


INVALID = {
    "Ref": ({"Ref": ["a"]}, "every Ref object must have a single String value"),
    "Ref nothing": (
        {"Ref": "X"},
        "Unresolved resource dependencies [X] in the Resources block of the template",
    ),
    "Ref pseudo": ({"Ref": "AWS::Nothing"}, "Unresolved resource dependencies [AWS::Nothing]"),
    "GetAtt": (
        {"Fn::GetAtt": ["T"]},
        "every Fn::GetAtt object requires two non-empty parameters, the resource name",
    ),
    "GetAtt empty": ({"Fn::GetAtt": ["T", ""]}, "requires two non-empty parameters"),
    "GetAtt of nothing": (
        {"Fn::GetAtt": ["X", "Arn"]},
        "instance of Fn::GetAtt references undefined resource X",
    ),
    "Sub": (
        {"Fn::Sub": ["a", "b"]},
        "One or more Fn::Sub intrinsic functions don't specify expected arguments",
    ),
    "Sub name": (
        {"Fn::Sub": "${a-b}"},
        "variable names in Fn::Sub syntax must contain only alphanumeric characters",
    ),
    "Sub nothing": ({"Fn::Sub": "${X}"}, "Unresolved resource dependencies [X]"),
    "Sub attribute": ({"Fn::Sub": "${X.Arn}"}, "Unresolved resource dependencies [X]"),
    "Sub list": ({"Fn::Sub": "${Ids}"}, "Fn::Sub needs strings"),
    "Join": (
        {"Fn::Join": ["-"]},
        "every Fn::Join object requires two parameters, (1) a string delimiter",
    ),
    "Join text": ({"Fn::Join": ["-", "a"]}, "every Fn::Join object requires two parameters"),
    "Join of maps": ({"Fn::Join": ["-", [{"a": 1}]]}, "Fn::Join needs strings"),
    "Split": ({"Fn::Split": [1, "a"]}, "every Fn::Split object requires two parameters"),
    "Select": ({"Fn::Select": [0]}, "Fn::Select requires a list argument with two elements"),
    "Select index": ({"Fn::Select": ["x", ["a"]]}, "an integer index and a list"),
    "Select negative": ({"Fn::Select": [-1, ["a"]]}, "an integer index and a list"),
    "Select beyond": (
        {"Fn::Select": [3, ["a"]]},
        "Fn::Select  cannot select nonexistent value at index 3",
    ),
    "If": ({"Fn::If": [{"Ref": "Name"}, 1, 2]}, "with the first element being a condition"),
    "If two": ({"Fn::If": ["Yes", 1]}, "Fn::If requires a list argument with three elements"),
    "If nothing": ({"Fn::If": ["X", 1, 2]}, "unresolved condition dependency X"),
    "If loop": ({"Fn::If": ["Loop", 1, 2]}, "condition Loop depends on itself"),
    "FindInMap": (
        {"Fn::FindInMap": ["M", "a"]},
        "every Fn::FindInMap object requires three parameters",
    ),
    "FindInMap nothing": ({"Fn::FindInMap": ["M", "a", "z"]}, "Unable to get mapping for M::a::z"),
    "FindInMap options": ({"Fn::FindInMap": ["M", "a", "z", {"D": 1}]}, "must be a DefaultValue"),
    "Base64": ({"Fn::Base64": ["a"]}, "every Fn::Base64 object must have a String-typed value"),
    "Cidr": (
        {"Fn::Cidr": ["10.0.0.0/16"]},
        "every Fn::Cidr object requires two or three parameters",
    ),
    "Cidr block": ({"Fn::Cidr": ["10.0.0.1/16", 2]}, "10.0.0.1/16 has host bits set"),
    "Cidr count": ({"Fn::Cidr": ["10.0.0.0/16", 257]}, "the count must be between 1 and 256"),
    "Cidr full": ({"Fn::Cidr": ["10.0.0.0/24", 3, 7]}, "10.0.0.0/24 holds only 2 such blocks"),
    "ImportValue": ({"Fn::ImportValue": ["a"]}, "Fn::ImportValue needs strings"),
    "Length": ({"Fn::Length": "a"}, "Fn::Length needs a list"),
    "ToJsonString": ({"Fn::ToJsonString": "a"}, "Fn::ToJsonString needs an object or a list"),
    "Transform": ({"Fn::Transform": {"Name": "x"}}, "Fn::Transform is not supported"),
    "Equals": ({"Fn::Equals": [1, 1]}, "Fn::Equals cannot be partially collapsed"),
    "unknown": ({"Fn::Foo": 1}, "Fn::Foo is not supported"),
}


@pytest.mark.parametrize(("expression", "message"), INVALID.values(), ids=INVALID)
def test_misused_function_is_refused(expression, message):
    with pytest.raises(ValidationError) as caught:
        resolver().resolve(expression, ("Resources", "T", "Properties"))
    assert message in caught.value.message
    assert caught.value.path[:2] == ("Resources", "T") or caught.value.path == (
        "Conditions",
        "Loop",
    )


@pytest.mark.parametrize(
    "expression",
    [
        {"Fn::Length": ["a"]},
        {"Fn::ToJsonString": {}},
        {"Fn::FindInMap": ["M", "a", "b", {"DefaultValue": 1}]},
    ],
)
def test_language_extensions_must_be_declared(expression):
    with pytest.raises(ValidationError, match="requires the transform AWS::LanguageExtensions"):
        resolver(Transform=None).resolve(expression)


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("Yes", True),
        ("No", False),
        ("Both", False),
        ("Any", True),
        ("Number", True),
        ("Mapped", True),
    ],
)
def test_conditions_are_evaluated(name, holds):
    assert resolver().condition(name) is holds
    assert resolver().active(name) is holds
    assert resolver().active(None)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            {"Fn::Equals": ["a"]},
            "every Fn::Equals object requires a list of two string parameters.",
        ),
        (
            {"Fn::And": [{"Condition": "Yes"}]},
            "every Fn::And object requires a list of at least 2 and at most 10",
        ),
        (
            {"Fn::Or": []},
            "every Fn::Or object requires a list of at least 2 and at most 10 boolean parameters.",
        ),
        ({"Fn::Not": []}, "every Fn::Not object requires one boolean parameter."),
        ({"Condition": ["a"]}, "Condition must name a condition."),
        ({"Fn::Not": [True]}, "must be a condition function"),
        ("yes", "must be a condition function"),
        (
            {"Fn::Equals": [{"Ref": "X"}, "a"]},
            "Unresolved dependencies [X]. Cannot reference resources in the Conditions block of the template",
        ),
    ],
)
def test_misused_condition_is_refused(condition, message):
    broken = resolver(Conditions={"Yes": {"Fn::Equals": [1, 1]}, "C": condition})
    with pytest.raises(ValidationError) as caught:
        broken.condition("C")
    assert message in caught.value.message


def test_dependencies_are_remembered():
    value = resolved(
        {"Fn::Sub": ["${Name}${v}${T.TopicArn}", {"v": {"Fn::Join": ["", [{"Ref": "T"}]]}}]}
    )
    assert value.references == {
        ValueReference(ChangeSource.PARAMETER, "Name"),
        ValueReference(ChangeSource.RESOURCE, "T"),
        ValueReference(ChangeSource.ATTRIBUTE, "T.TopicArn"),
    }
    assert {reference.logical_id for reference in value.references} == {"Name", "T"}
    through = resolved({"a": [{"Fn::ToJsonString": {"x": {"Ref": "Name"}}}]})
    assert [node.references for node in find_traces(through)] == [
        {ValueReference(ChangeSource.PARAMETER, "Name")}
    ]
    chosen = resolved({"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "Name"}]}]})
    assert chosen.references == {ValueReference(ChangeSource.PARAMETER, "Name")}


def test_printed_as_a_change_set_prints():
    tree = resolved(
        {"n": 5, "t": True, "u": {"Fn::Sub": "a${T}"}, "s": {"Fn::Sub": "x${Secret}"}, "l": [1]}
    )
    shown = print_value(tree)
    assert shown == {"n": "5", "t": "true", "u": KNOWN_AFTER_APPLY, "s": "****", "l": ["1"]}
    assert value_text(shown["l"]) == '["1"]'
    assert value_text("x") == "x"
    assert canonical_value(resolved([1, {"Ref": "Size"}])) == ["1", "3"]


PARAMETERS = {
    "S": {"Type": "String", "MinLength": 2, "MaxLength": 3, "AllowedPattern": "[a-z]+"},
    "N": {"Type": "Number", "MinValue": 1, "MaxValue": 9},
    "L": {"Type": "List<Number>", "MaxValue": 5},
    "A": {"Type": "CommaDelimitedList", "AllowedValues": ["x", "y"]},
    "D": {"Type": "String", "AllowedPattern": "a", "ConstraintDescription": "must be a"},
    "J": {"Type": "String", "AllowedPattern": "\\p{Alpha}+(?<!x"},
}
GOOD = {"S": "ab", "N": "5", "L": [1, 2], "A": "x, y", "D": "a", "J": "z"}


def checked(**given):
    declared = template.template_from_data(
        {"Parameters": PARAMETERS, "Resources": {"T": {"Type": "AWS::SNS::Topic"}}}
    )
    return parameter_values(declared, GOOD | given)


def test_parameters_become_text():
    assert checked() == {"S": "ab", "N": "5", "L": "1,2", "A": "x, y", "D": "a", "J": "z"}
    assert checked(N=4)["N"] == "4"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"S": "a"}, "Parameter 'S' must contain at least 2 characters"),
        ({"S": "abcd"}, "Parameter 'S' must contain at most 3 characters"),
        ({"S": "AB"}, "Parameter 'S' must match pattern [a-z]+"),
        ({"N": "x"}, "Parameter 'N' must be a number"),
        ({"N": "0"}, "Parameter 'N' must be a number not less than 1"),
        ({"N": "10"}, "Parameter 'N' must be a number not greater than 9"),
        ({"L": "1,6"}, "Parameter 'L' must be a number not greater than 5"),
        ({"A": "x,z"}, "Parameter 'A' must be one of AllowedValues"),
        ({"D": "b"}, "Parameter D failed to satisfy constraint: must be a"),
        ({"X": "1", "Y": "2"}, "Parameters: [X, Y] do not exist in the template"),
    ],
)
def test_parameter_that_breaks_a_constraint_is_refused(given, message):
    with pytest.raises(ValidationError) as caught:
        checked(**given)
    assert caught.value.message == message


def test_missing_parameters_are_named_together():
    declared = template.template_from_data(
        {"Parameters": PARAMETERS, "Resources": {"T": {"Type": "AWS::SNS::Topic"}}}
    )
    with pytest.raises(ValidationError) as caught:
        parameter_values(declared, {"S": "ab", "N": 1, "L": "1", "D": "a"})
    assert caught.value.message == "Parameters: [A, J] must have values"


def test_values_from_a_parent_stack_may_be_unknown():
    unknown = Unknown("${T}", ("T",), fresh=True)
    values = checked(S=Traced(unknown, unseen=True), A=["x", unknown], N=Traced("5", secret=True))
    assert values["S"] == Traced(unknown, unseen=True)
    assert values["N"] == Traced("5", secret=True)
    assert (values["A"].text, values["A"].causes) == ("x,${T}", ("T",))


def test_dynamic_references_are_replaced():
    tree = {
        "a": ["x{{resolve:ssm:name:1}}", 1],
        "b": "{{resolve:secretsmanager:id:SecretString:key}}",
    }
    assert dynamic_references(tree) == [
        ("ssm", "name:1"),
        ("secretsmanager", "id:SecretString:key"),
    ]
    assert resolve_dynamic(tree, lambda service, arguments: f"<{service} {arguments}>") == {
        "a": ["x<ssm name:1>", 1],
        "b": "<secretsmanager id:SecretString:key>",
    }
    assert dynamic_references("{{resolve:other:x}}") == []
    assert plain_data(resolved("{{resolve:ssm:name}}")) == "{{resolve:ssm:name}}"
