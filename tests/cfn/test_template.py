"""Templates are read as CloudFormation reads them, and refused in its words, with the line."""

import json
import textwrap

import pytest

from stackwright.cfn import template
from stackwright.cfn.template import (
    ValidationError,
    declared_keys,
    parse_template,
    parse_unexpanded,
    template_to_text,
)


def doc(text):
    return textwrap.dedent(text).lstrip("\n")


TOPIC = "Resources: {T: {Type: AWS::SNS::Topic}}\n"

SHORT_FORMS = doc("""
    Parameters: {P: {Type: String, Default: x}}
    Conditions: {C: !Equals [!Ref P, x], D: !Not [!Condition C]}
    Resources:
      T:
        Type: AWS::SNS::Topic
        Condition: C
        Properties:
          DisplayName: !Sub "a-${P}"
          TopicName: !Join ["-", [a, !GetAtt U.TopicName]]
          Tags: [{Key: !Select [0, !Split [",", "a,b"]], Value: !If [C, 1, 2]}]
      U:
        Type: AWS::SNS::Topic
        Properties: {DisplayName: !Sub ["${V}", {V: !ImportValue E}], TopicName: !FindInMap [M, a, b]}
    Mappings: {M: {a: {b: c}}}
    Outputs: {O: {Value: !GetAtt [U, TopicArn], Export: {Name: n}, Description: d}}
""")

LONG_FORMS = {
    "Parameters": {"P": {"Type": "String", "Default": "x"}},
    "Conditions": {
        "C": {"Fn::Equals": [{"Ref": "P"}, "x"]},
        "D": {"Fn::Not": [{"Condition": "C"}]},
    },
    "Resources": {
        "T": {
            "Type": "AWS::SNS::Topic",
            "Condition": "C",
            "Properties": {
                "DisplayName": {"Fn::Sub": "a-${P}"},
                "TopicName": {"Fn::Join": ["-", ["a", {"Fn::GetAtt": ["U", "TopicName"]}]]},
                "Tags": [
                    {
                        "Key": {"Fn::Select": [0, {"Fn::Split": [",", "a,b"]}]},
                        "Value": {"Fn::If": ["C", 1, 2]},
                    }
                ],
            },
        },
        "U": {
            "Type": "AWS::SNS::Topic",
            "Properties": {
                "DisplayName": {"Fn::Sub": ["${V}", {"V": {"Fn::ImportValue": "E"}}]},
                "TopicName": {"Fn::FindInMap": ["M", "a", "b"]},
            },
        },
    },
    "Mappings": {"M": {"a": {"b": "c"}}},
    "Outputs": {
        "O": {
            "Value": {"Fn::GetAtt": ["U", "TopicArn"]},
            "Export": {"Name": "n"},
            "Description": "d",
        }
    },
}


def test_short_forms_long_forms_and_json_are_one_model():
    from_yaml, from_json = parse_template(SHORT_FORMS), parse_template(json.dumps(LONG_FORMS))
    assert from_yaml.data == from_json.data == LONG_FORMS
    assert from_yaml.resources == from_json.resources
    assert from_yaml.outputs == from_json.outputs
    assert from_yaml.outputs["O"].export == "n"


def test_lines_of_keys_and_items_are_known():
    parsed = parse_template(SHORT_FORMS)
    assert parsed.line(("Resources", "T", "Type")) == 5
    assert parsed.line(("Resources", "T", "Properties", "Tags", 0, "Key")) == 10
    assert parsed.line(("Resources", "T", "Properties", "TopicName", "Fn::Join", 1, 1)) == 9
    assert parsed.line(("Resources", "T", "Properties", "TopicName", "nowhere")) == 9
    assert parsed.line(("Nothing",)) == 0


def test_scalars_are_read_by_yaml_1_1_but_timestamps_stay_text():
    text = "{Type: AWS::SNS::Topic, Properties: {A: 2012-10-17, B: yes, C: 010, D: 1.5, E: ~, F: '1', G: 5}}"
    properties = parse_template(f"Resources: {{T: {text}}}").resources["T"].properties
    assert properties == {
        "A": "2012-10-17",
        "B": True,
        "C": 8,
        "D": 1.5,
        "E": None,
        "F": "1",
        "G": 5,
    }


def test_short_get_att_ends_the_name_at_the_first_point():
    parsed = parse_template(
        "Resources: {T: {Type: A, Properties: {X: !GetAtt N.Outputs.X, Y: !GetAtt N}}}"
    )
    assert parsed.resources["T"].properties == {
        "X": {"Fn::GetAtt": ["N", "Outputs.X"]},
        "Y": {"Fn::GetAtt": "N"},
    }


def test_anchors_and_aliases_are_expanded():
    parsed = parse_template("Resources: {T: &t {Type: AWS::SNS::Topic}, U: *t}")
    assert parsed.resources["U"].type == "AWS::SNS::Topic"


def test_parameter_declarations():
    parameters = parse_template(
        TOPIC
        + doc("""
        Parameters:
          N: {Type: Number, Default: 5, MinValue: 1, MaxValue: 9.5, AllowedValues: [1, 5], NoEcho: true}
          S:
            {Type: String, MinLength: "1", MaxLength: 3, AllowedPattern: "[a-z]*", ConstraintDescription: low}
          L: {Type: "List<AWS::EC2::Subnet::Id>", Description: subnets}
          P: {Type: "AWS::SSM::Parameter::Value<List<String>>"}
          I: {Type: "AWS::EC2::Image::Id"}
    """)
    ).parameters
    assert (parameters["N"].default, parameters["N"].minimum, parameters["N"].maximum) == (
        "5",
        1.0,
        9.5,
    )
    assert parameters["N"].allowed_values == ("1", "5")
    assert parameters["N"].no_echo
    assert (parameters["S"].minimum_length, parameters["S"].maximum_length) == (1, 3)
    assert (parameters["S"].allowed_pattern, parameters["S"].constraint_description) == (
        "[a-z]*",
        "low",
    )
    assert parameters["L"].is_list
    assert parameters["L"].description == "subnets"
    assert parameters["P"].is_list
    assert parameters["P"].ssm_type == "List<String>"
    assert not parameters["I"].is_list
    assert parameters["I"].ssm_type is None


def test_resource_attributes():
    parsed = parse_template(
        doc("""
        Transform: AWS::LanguageExtensions
        Description: text
        Resources:
          T:
            Type: AWS::SNS::Topic
            DependsOn: U
            Metadata: {a: b}
            CreationPolicy: {ResourceSignal: {Count: 1}}
            UpdatePolicy: {x: y}
            DeletionPolicy: Retain
            UpdateReplacePolicy: {Ref: X}
          U: {Type: AWS::SNS::Topic, DependsOn: [A, B]}
    """)
    )
    resource = parsed.resources["T"]
    assert resource.depends_on == ("U",)
    assert parsed.resources["U"].depends_on == ("A", "B")
    assert (resource.metadata, resource.update_policy) == ({"a": "b"}, {"x": "y"})
    assert resource.creation_policy == {"ResourceSignal": {"Count": 1}}
    assert (resource.deletion_policy, resource.update_replace_policy) == ("Retain", {"Ref": "X"})
    assert parsed.language_extensions
    assert parsed.description == "text"


REFUSED = {
    "empty": ("", "Template format error: unsupported structure.", 0),
    "a list": ("- a\n", "Template format error: unsupported structure.", 0),
    "yaml syntax": (
        "Resources:\n  T: [\n",
        "Template format error: YAML not well-formed. (line 3, column 1)",
        3,
    ),
    "control character": ("a: \x01", "Template format error: YAML not well-formed.", 1),
    "json syntax": (
        '{"Resources": {,}}',
        "Template format error: JSON not well-formed. (line 1, column 16)",
        1,
    ),
    "complex key": (
        "Resources: {? [a] : b}",
        "Template format error: a key must be a string, not a list or a map.",
        1,
    ),
    "unknown section": (TOPIC + "Foo: 1\n", "Invalid template property or properties [Foo]", 2),
    "no resources": (
        "Description: x\n",
        "Template format error: At least one Resources member must be defined.",
        0,
    ),
    "resources no map": (
        "Resources: [a]\n",
        "Template format error: Resources must be an object.",
        1,
    ),
    "description": (
        TOPIC + "Description: {a: b}\n",
        "Template format error: Description must be a string.",
        2,
    ),
    "resource no map": (
        "Resources:\n  T: x\n",
        "Template format error: Any Resources member must be an object.",
        2,
    ),
    "no type": (
        "Resources:\n  T: {Properties: {}}\n",
        "Template format error: [/Resources/T] Every Resources object must contain a Type member.",
        2,
    ),
    "resource key": (
        "Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Foo: 1\n",
        "Invalid template resource property 'Foo'",
        4,
    ),
    "properties": (
        "Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Properties: [1]\n",
        "Template format error: Any Properties member must be an object.",
        4,
    ),
    "logical id": (
        "Resources:\n  my-topic: {Type: AWS::SNS::Topic}\n",
        "Template format error: Resource name my-topic is non alphanumeric.",
        2,
    ),
    "deletion policy": (
        "Resources:\n  T: {Type: A, DeletionPolicy: Keep}\n",
        "Template format error: Unrecognized DeletionPolicy Keep for resource T",
        2,
    ),
    "depends on": (
        "Resources:\n  T: {Type: A, DependsOn: [{a: b}]}\n",
        "Template format error: DependsOn must be a string or list of strings.",
        2,
    ),
    "parameter type": (
        TOPIC + "Parameters: {P: {Type: Foo}}\n",
        "Template format error: Unrecognized parameter type: Foo",
        2,
    ),
    "parameter without type": (
        TOPIC + "Parameters: {P: {Default: a}}\n",
        "Template format error: Every Parameters object must contain a Type member.",
        2,
    ),
    "parameter key": (
        TOPIC + "Parameters: {P: {Type: String, Foo: 1}}\n",
        "Invalid template parameter property 'Foo'",
        2,
    ),
    "default": (
        TOPIC + "Parameters: {P: {Type: String, Default: [a]}}\n",
        "Template format error: Every Default member must be a string.",
        2,
    ),
    "bound": (
        TOPIC + "Parameters: {P: {Type: Number, MinValue: low}}\n",
        "Template format error: MinValue must be a number.",
        2,
    ),
    "mapping": (
        TOPIC + "Mappings: {M: {a: b}}\n",
        "Template format error: Every Mappings object member must contain a String key and an object value.",
        2,
    ),
    "mapping attribute": (
        TOPIC + "Mappings: {M: {a: {b: {c: d}}}}\n",
        "Template format error: Every Mappings attribute must be a String or a List.",
        2,
    ),
    "output": (
        TOPIC + "Outputs: {O: {Export: {Name: n}}}\n",
        "Template format error: Output O is malformed. Every Outputs member must contain a Value object",
        2,
    ),
    "export": (
        TOPIC + "Outputs: {O: {Value: a, Export: n}}\n",
        "Template format error: Export must contain a Name.",
        2,
    ),
    "macro": (
        TOPIC + "Transform: [AWS::Serverless-2016-10-31]\n",
        "Transform AWS::Serverless-2016-10-31 is not supported: only AWS can run it.",
        2,
    ),
    "include": (
        TOPIC + "Transform: {Name: AWS::Include}\n",
        'Transform {"Name": "AWS::Include"} is not supported: only AWS can run it.',
        2,
    ),
}


@pytest.mark.parametrize(("text", "message", "line"), REFUSED.values(), ids=REFUSED)
def test_wrong_template_is_refused_with_its_line(text, message, line):
    with pytest.raises(ValidationError) as caught:
        parse_template(text)
    assert (caught.value.message, caught.value.line) == (message, line)


SAM = doc("""
    Transform: AWS::Serverless-2016-10-31
    Globals: {Function: {Timeout: 3}}
    Parameters:
      Password: {Type: String, NoEcho: true}
    Resources:
      Hello:
        Type: AWS::Serverless::Function
        DeletionPolicy: Retain
        Connectors: {Table: {Properties: {Destination: {Id: Table}}}}
      Fn::ForEach::Topics: [Name, [a, b], {}]
    Outputs: {Lost: {}}
""")


def test_live_template_is_read_without_its_macros():
    declared = declared_keys(SAM)
    assert declared.parameters["Password"].no_echo
    assert {name: resource.deletion_policy for name, resource in declared.resources.items()} == {
        "Hello": "Retain"
    }
    assert declared_keys(SHORT_FORMS) == parse_template(SHORT_FORMS)
    for text in ("[]", "a: {", ""):
        with pytest.raises(ValidationError):
            declared_keys(text)


@pytest.mark.parametrize(
    ("section", "limit"),
    [("Resources", 500), ("Parameters", 200), ("Outputs", 200), ("Mappings", 200)],
)
def test_quotas_of_cloudformation_hold(section, limit):
    entry = {
        "Resources": {"Type": "AWS::SNS::Topic"},
        "Parameters": {"Type": "String"},
        "Outputs": {"Value": "x"},
        "Mappings": {"a": {"b": "c"}},
    }[section]
    data = {"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}
    assert template.template_from_data(data | {section: {f"N{i}": entry for i in range(limit)}})
    with pytest.raises(
        ValidationError, match=f"{limit + 1}, is greater than maximum allowed, {limit}"
    ):
        template.template_from_data(data | {section: {f"N{i}": entry for i in range(limit + 1)}})


def test_nested_aliases_are_stopped():
    levels = "".join(f"  a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    with pytest.raises(ValidationError, match="aliases expand to more than 100,000 values"):
        parse_template("Metadata:\n  a0: &a0 [x]\n" + levels + TOPIC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (5.0, "5"),
        (1.5, "1.5"),
        (None, ""),
        ("x", "x"),
        (1e20, "1e+20"),
    ],
)
def test_scalars_become_text_as_cloudformation_writes_them(value, text):
    assert template_to_text(value) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Resources:\n  T: {Type: AWS::SNS::Topic}\n  T: {Type: AWS::SQS::Queue}\n", 3),
        ('{"Resources": {"T": {"Type": "a"}, "T": {"Type": "AWS::SQS::Queue"}}}', 0),
    ],
    ids=["yaml", "json"],
)
def test_last_value_of_a_duplicate_key_counts(text, line):
    read = parse_template(text)
    assert read.resources["T"].type == "AWS::SQS::Queue"
    assert read.duplicates == (("T", line),)


def test_only_custom_resources_have_a_version():
    custom = "Resources: {T: {Type: %s, Version: 1.0, Properties: {ServiceToken: t}}}"
    for type_name in ("Custom::Thing", "AWS::CloudFormation::CustomResource"):
        assert parse_template(custom % type_name).resources["T"].type == type_name
    with pytest.raises(ValidationError, match="Invalid template resource property 'Version'"):
        parse_template(custom % "AWS::SNS::Topic")


UNEXPANDED = {
    "transform": (
        "Transform: AWS::Serverless-2016-10-31\nGlobals: {Function: {Timeout: 3}}\n"
        "Resources: {F: {Type: AWS::Serverless::Function, Connectors: {C: {}}}}",
        ("AWS::Serverless-2016-10-31",),
        {
            "Transform": "AWS::Serverless-2016-10-31",
            "Globals": {"Function": {"Timeout": 3}},
            "Resources.F.Connectors": {"C": {}},
        },
    ),
    "include": (
        "Resources:\n"
        "  F:\n    Type: AWS::SNS::Topic\n"
        "    Properties: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}}\n",
        ("AWS::Include",),
        {},
    ),
    "loop": (
        "Transform: AWS::LanguageExtensions\n"
        "Resources:\n  F: {Type: AWS::SNS::Topic}\n"
        "  Fn::ForEach::Topics: [Name, [A, B], {'T${Name}': {Type: AWS::SNS::Topic}}]\n",
        ("Fn::ForEach",),
        {
            "Transform": "AWS::LanguageExtensions",
            "Resources.Fn::ForEach::Topics": [
                "Name",
                ["A", "B"],
                {"T${Name}": {"Type": "AWS::SNS::Topic"}},
            ],
        },
    ),
}


@pytest.mark.parametrize(("text", "macros", "unread"), UNEXPANDED.values(), ids=UNEXPANDED)
def test_template_with_macros_is_read_as_far_as_possible(text, macros, unread):
    read = parse_unexpanded(text)
    assert list(read.resources) == ["F"]
    assert (read.macros, read.unread) == (macros, unread)


def test_template_without_macros_is_refused_where_it_is_wrong():
    with pytest.raises(ValidationError, match="Invalid template property"):
        parse_unexpanded(TOPIC + "Globals: {}\nThings: {}\n")
