"""What an update does, in AWS's view and in truth, beyond the recorded cases."""

import json

import pytest

from stackwright.cfn import template
from stackwright.cfn.changes import PhysicalResource, StackSide, predict_changes, predict_removal
from stackwright.cfn.difference import MISSING
from stackwright.cfn.intrinsics import Pseudo
from stackwright.cfn.template import ValidationError
from stackwright.cfn.values import KNOWN_AFTER_APPLY, Unknown

TOPIC, PARAMETER = "AWS::SNS::Topic", "AWS::SSM::Parameter"
PSEUDO = Pseudo(stack_id="arn:aws:cloudformation:us-east-1:123456789012:stack/stack/id")


def topic(**properties):
    return {"Type": TOPIC, "Properties": properties}


def stack(resources, parameters=None, physical=None, **sections):
    data = {
        "Resources": resources,
        **{name: value for name, value in sections.items() if name[0].isupper()},
    }
    others = {name: value for name, value in sections.items() if not name[0].isupper()}
    known = {
        name: PhysicalResource(id_) if isinstance(id_, str) else id_
        for name, id_ in (physical or {}).items()
    }
    return StackSide(template.template_from_data(data), parameters or {}, PSEUDO, known, **others)


def changes(before, after):
    return {change.logical_id: change for change in predict_changes(before, after).changes}


def listed(before, after):
    return {
        item["ResourceChange"]["LogicalResourceId"]: item["ResourceChange"]
        for item in predict_changes(before, after).to_api()
    }


def targets(change):
    return [detail["Target"] for detail in change["Details"]]


def test_creation_lists_every_resource_without_replacement():
    made = listed(None, stack({"A": topic(TopicName="a"), "B": topic(DisplayName={"Ref": "A"})}))
    assert made["A"] == {
        "Action": "Add",
        "LogicalResourceId": "A",
        "ResourceType": TOPIC,
        "Scope": [],
        "Details": [],
        "AfterContext": '{"Properties":{"TopicName":"a"}}',
    }
    assert json.loads(made["B"]["AfterContext"]) == {
        "Properties": {"DisplayName": KNOWN_AFTER_APPLY}
    }


def test_equal_stacks_have_no_changes():
    same = stack({"A": topic(TopicName="a", Tags=[{"Key": "k", "Value": 1}])})
    other = stack({"A": topic(TopicName="a", Tags=[{"Key": "k", "Value": "1"}])})
    assert predict_changes(same, other).changes == ()
    assert predict_changes(same, other).empty


def test_replaced_resource_gives_its_dependents_a_new_id():
    before = {
        "A": topic(TopicName="a"),
        "B": topic(DisplayName={"Ref": "A"}),
        "C": topic(TopicName={"Ref": "A"}),
    }
    after = before | {"A": topic(TopicName="b")}
    ids = {"A": "arn:a", "B": "arn:b", "C": "arn:c"}
    made = listed(stack(before, physical=ids), stack(after))
    target = {
        "Attribute": "Properties",
        "Name": "DisplayName",
        "Path": "/Properties/DisplayName",
        "RequiresRecreation": "Never",
        "BeforeValue": "arn:a",
        "AfterValue": KNOWN_AFTER_APPLY,
        "AttributeChangeType": "Modify",
    }
    assert made["B"]["Details"] == [
        {"ChangeSource": "DirectModification", "Evaluation": "Dynamic", "Target": target},
        {
            "ChangeSource": "ResourceReference",
            "CausingEntity": "A",
            "Evaluation": "Static",
            "Target": target,
        },
    ]
    assert (made["B"]["Replacement"], "PolicyAction" in made["B"]) == ("False", False)
    assert (made["C"]["Replacement"], made["C"]["PolicyAction"]) == ("True", "ReplaceAndDelete")
    truth = changes(stack(before, physical=ids), stack(after))
    assert str(truth["C"].replacement) == "True"
    assert truth["C"].properties[0].after == Unknown("${A}", ("A",), fresh=True, certain=True)
    assert truth["C"].properties[0].causes == ("A",)


def test_consequences_are_the_same_without_knowledge_of_aws():
    before = {
        "A": topic(TopicName="a"),
        "B": topic(DisplayName={"Fn::Sub": "x-${A}"}),
        "C": topic(DisplayName="c"),
    }
    after = before | {"A": topic(TopicName="b")}
    modified = changes(stack(before), stack(after))
    assert set(modified) == {"A", "B"}
    assert str(modified["B"].properties[0].before) == "x-${A}"
    assert modified["B"].properties[0].certain


def test_attribute_of_a_replaced_resource_may_stay_the_same():
    """AWS says that the dependent is replaced; in truth that depends on the value."""
    before = {
        "A": topic(TopicName="a", DisplayName="same"),
        "B": topic(TopicName={"Fn::GetAtt": ["A", "DisplayName"]}),
    }
    after = before | {"A": topic(TopicName="b", DisplayName="same")}
    change = changes(stack(before), stack(after))["B"]
    assert (str(change.aws_replacement), str(change.replacement), change.real) == (
        "True",
        "False",
        False,
    )


def test_unknown_attribute_of_a_replaced_resource_is_conditional():
    kms = {"Type": "AWS::EC2::Subnet", "Properties": {"CidrBlock": "10.0.0.0/24", "VpcId": "v"}}
    before = {"S": kms, "A": topic(TopicName={"Fn::GetAtt": ["S", "NetworkAclAssociationId"]}),
              "B": topic(TopicName={"Fn::GetAtt": ["S", "AvailabilityZone"]})}  # fmt: skip
    after = before | {"S": {**kms, "Properties": {"CidrBlock": "10.0.1.0/24", "VpcId": "v"}}}
    modified = changes(stack(before), stack(after))
    assert [str(modified[name].replacement) for name in "SAB"] == ["True", "True", "Conditional"]
    assert [str(modified[name].aws_replacement) for name in "SAB"] == ["True", "True", "True"]


def test_attribute_that_only_passes_an_old_id_on_is_not_new():
    before = {"A": topic(TopicName="a"), "C": topic(TopicName="c")}
    after = before | {
        "B": topic(DisplayName={"Ref": "A"}),
        "C": topic(TopicName={"Fn::GetAtt": ["B", "DisplayName"]}),
    }
    ids = {"A": "arn:a", "C": "arn:c"}
    for known in ({}, ids):
        change = changes(stack(before, physical=known), stack(after))["C"]
        assert str(change.replacement) == "True"


def test_conditional_replacement_propagates_as_dynamic():
    instance = {"Type": "AWS::EC2::Instance", "Properties": {"UserData": "a"}}
    linked = {"InstanceId": {"Ref": "I"}}
    before = {
        "I": instance,
        "E": {"Type": "AWS::EC2::EIP", "Properties": linked},
        "A": {"Type": "AWS::EC2::EIPAssociation", "Properties": {**linked, "EIP": "1.2.3.4"}},
    }
    after = before | {"I": {**instance, "Properties": {"UserData": "b"}}}
    made = listed(stack(before, physical={"I": "i-1"}), stack(after))
    assert made["I"]["Replacement"] == "Conditional"
    assert "PolicyAction" not in made["I"]
    assert [(d["ChangeSource"], d["Evaluation"]) for d in made["E"]["Details"]] == [
        ("DirectModification", "Dynamic"),
        ("ResourceReference", "Dynamic"),
    ]
    assert (made["E"]["Replacement"], made["A"]["Replacement"]) == ("False", "Conditional")


def test_custom_resources_decide_for_themselves():
    before = {"C": {"Type": "Custom::Thing", "Properties": {"ServiceToken": "arn", "Keys": ["a"]}},
              "A": topic(DisplayName={"Fn::GetAtt": ["C", "Answer"]})}  # fmt: skip
    after = before | {
        "C": {"Type": "Custom::Thing", "Properties": {"ServiceToken": "arn", "Keys": ["b"]}}
    }
    made = listed(stack(before), stack(after))
    assert made["C"]["Replacement"] == "Conditional"
    assert targets(made["C"])[0] | {} == {
        "Attribute": "Properties",
        "Name": "Keys",
        "Path": "/Properties/Keys/0",
        "RequiresRecreation": "Conditionally",
        "BeforeValue": "a",
        "AfterValue": "b",
        "AttributeChangeType": "Modify",
    }
    assert changes(stack(before), stack(after))["A"].real


def test_attribute_that_an_update_in_place_changes():
    lt = {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {"LaunchTemplateData": {"ImageId": "a"}},
    }
    reader = topic(DisplayName={"Fn::GetAtt": ["L", "LatestVersionNumber"]}, TopicName={"Ref": "L"})
    before, after = (
        {"L": lt, "A": reader},
        {"L": {**lt, "Properties": {"LaunchTemplateData": {"ImageId": "b"}}}, "A": reader},
    )
    change = changes(stack(before), stack(after))["A"]
    assert [item.path for item in change.properties] == [("Properties", "DisplayName")]
    assert (change.real, change.listed) == (True, False)


def test_paths_into_lists_and_maps():
    one = {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Environment": {"Variables": {"A": "1", "B": "2"}}, "Layers": ["x", "y"]},
    }
    two = {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Environment": {"Variables": {"A": "1", "C": 3}}, "Layers": ["z"]},
    }
    made = targets(listed(stack({"F": one}), stack({"F": two}))["F"])
    assert [
        (t["Path"], t["AttributeChangeType"], t.get("BeforeValue"), t.get("AfterValue"))
        for t in made
    ] == [
        ("/Properties/Environment/Variables/B", "Remove", "2", None),
        ("/Properties/Environment/Variables/C", "Add", None, "3"),
        ("/Properties/Layers/0", "Modify", "x", "z"),
        ("/Properties/Layers/1", "Remove", "y", None),
    ]
    assert {t["Name"] for t in made} == {"Environment", "Layers"}


def policy(resource, **more):
    statement = [{"Action": "s3:GetObject", "Effect": "Allow", "Resource": resource}]
    document = {"Version": "2012-10-17", "Statement": statement, **more}
    return {
        "Type": "AWS::IAM::Policy",
        "Properties": {"PolicyName": "p", "PolicyDocument": document},
    }


def test_free_form_json_is_one_value():
    before, after = stack({"A": policy("a")}), stack({"A": policy("b", Id="x")})
    (detail,) = listed(before, after)["A"]["Details"]
    assert (detail["Evaluation"], detail["ChangeSource"]) == ("Static", "DirectModification")
    target = detail["Target"]
    assert (target["Path"], target["AttributeChangeType"]) == (
        "/Properties/PolicyDocument",
        "Modify",
    )
    assert json.loads(target["BeforeValue"])["Statement"][0]["Resource"] == "a"
    assert json.loads(target["AfterValue"])["Id"] == "x"
    assert [item.path[2:] for item in changes(before, after)["A"].properties] == [
        ("Id",),
        ("Statement", 0, "Resource"),
    ]


def test_free_form_json_has_no_causes():
    before, after = (stack({"A": policy({"Ref": "P"})}, Parameters=parameters(P=p)) for p in "xy")
    (detail,) = listed(before, after)["A"]["Details"]
    assert (detail["Evaluation"], detail["ChangeSource"]) == ("Static", "DirectModification")


def test_unknown_parts_of_free_form_json_are_added():
    before, after = (
        stack({"T": topic(TopicName=name), "A": policy({"Ref": "T"})}) for name in "ab"
    )
    whole, part = listed(before, after)["A"]["Details"]
    assert whole["Target"]["AfterValue"] == '{"Version":"2012-10-17"}'
    assert part["Target"] == {
        "Attribute": "Properties",
        "Name": "PolicyDocument",
        "RequiresRecreation": "Never",
        "Path": "/Properties/PolicyDocument/Statement",
        "AttributeChangeType": "Add",
        "AfterValue": json.dumps(
            [{"Action": "s3:GetObject", "Effect": "Allow", "Resource": KNOWN_AFTER_APPLY}],
            separators=(",", ":"),
        ),
    }
    assert {detail["Evaluation"] for detail in (whole, part)} == {"Static"}


def test_tags_are_their_own_scope():
    """The shapes of AWS's user guide, "View a change set"."""
    before = stack({"T": topic(DisplayName="")})
    after = stack({"T": topic(DisplayName="d", Tags=[{"Key": "k", "Value": "v"}])})
    change = listed(before, after)["T"]
    assert change["Scope"] == ["Properties", "Tags"]
    assert targets(change)[1] == {
        "Attribute": "Tags",
        "RequiresRecreation": "Never",
        "Path": "/Properties/Tags",
        "AfterValue": '[{"Key":"k","Value":"v"}]',
        "AttributeChangeType": "Add",
    }
    empty = stack({"T": topic(DisplayName="d", Tags=[])})
    assert targets(listed(empty, after)["T"])[0]["Path"] == "/Properties/Tags/0"


def test_without_property_values_details_name_only_the_property():
    one = {
        "F": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Environment": {"Variables": {"A": 1, "B": 1}}},
        }
    }
    two = {
        "F": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Environment": {"Variables": {"A": 2, "B": 2}}},
        }
    }
    (change,) = predict_changes(stack(one), stack(two)).to_api(include_property_values=False)
    assert change["ResourceChange"] == {
        "Action": "Modify",
        "LogicalResourceId": "F",
        "ResourceType": "AWS::Lambda::Function",
        "Replacement": "False",
        "Scope": ["Properties"],
        "Details": [
            {
                "ChangeSource": "DirectModification",
                "Evaluation": "Static",
                "Target": {
                    "Attribute": "Properties",
                    "Name": "Environment",
                    "RequiresRecreation": "Never",
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("attribute", "old", "new", "path"),
    [
        ("Metadata", {"v": 1}, {"v": 2}, "/Metadata/v"),
        ("DeletionPolicy", "Delete", "Retain", "/DeletionPolicy"),
        ("UpdateReplacePolicy", "Delete", "Retain", "/UpdateReplacePolicy"),
        ("UpdatePolicy", {"a": {"b": 1}}, {"a": {"b": 2}}, "/UpdatePolicy/a/b"),
        ("CreationPolicy", {"a": {"b": 1}}, {"a": {"b": 2}}, "/CreationPolicy/a/b"),
    ],
)
def test_attributes_of_resources(attribute, old, new, path):
    before, after = ({"T": topic(TopicName="t") | {attribute: value}} for value in (old, new))
    change = listed(stack(before), stack(after))["T"]
    assert change["Scope"] == [attribute]
    assert (targets(change)[0]["Path"], targets(change)[0]["Attribute"]) == (path, attribute)
    assert "Name" not in targets(change)[0]
    assert attribute in json.loads(change["AfterContext"])


def test_depends_on_and_description_are_no_changes():
    before = {"A": topic(TopicName="a"), "B": topic(TopicName="b")}
    after = {"A": topic(TopicName="a"), "B": topic(TopicName="b") | {"DependsOn": "A"}}
    assert predict_changes(stack(before, Description="x"), stack(after, Description="y")).empty


@pytest.mark.parametrize(
    ("type_name", "policies", "removed", "replaced"),
    [
        (TOPIC, {}, "Delete", "ReplaceAndDelete"),
        (
            TOPIC,
            {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Snapshot"},
            "Retain",
            "ReplaceAndSnapshot",
        ),
        (TOPIC, {"DeletionPolicy": "RetainExceptOnCreate"}, "Retain", "ReplaceAndDelete"),
        ("AWS::RDS::DBCluster", {}, "Snapshot", "ReplaceAndDelete"),
        ("AWS::RDS::DBInstance", {}, "Snapshot", "ReplaceAndDelete"),
    ],
)
def test_policy_action_follows_the_policies_of_a_resource(type_name, policies, removed, replaced):
    name = {TOPIC: "TopicName", "AWS::RDS::DBCluster": "DBClusterIdentifier"}.get(
        type_name, "DBInstanceIdentifier"
    )
    before, after = (
        {"K": topic(), "T": {"Type": type_name, "Properties": {name: v}, **policies}} for v in "ab"
    )
    assert listed(stack(before), stack(after))["T"]["PolicyAction"] == replaced
    assert listed(stack(before), stack({"K": topic()}))["T"]["PolicyAction"] == removed
    assert [change.policy_action for change in predict_removal(stack(before)).changes] == [
        "Delete",
        removed,
    ]


def test_instance_of_a_cluster_is_deleted():
    member = {"M": {"Type": "AWS::RDS::DBInstance", "Properties": {"DBClusterIdentifier": "c"}}}
    assert [change.policy_action for change in predict_removal(stack(member)).changes] == ["Delete"]


def parameters(**defaults):
    return {name: {"Type": "String", "Default": value} for name, value in defaults.items()}


def test_parameter_and_a_replaced_resource_together():
    value = {"Fn::Sub": "${P}-${A}"}
    before = stack(
        {"A": topic(TopicName="a"), "B": topic(DisplayName=value)}, Parameters=parameters(P="x")
    )
    after = stack(
        {"A": topic(TopicName="b"), "B": topic(DisplayName=value)}, Parameters=parameters(P="y")
    )
    details = listed(before, after)["B"]["Details"]
    assert [(d["ChangeSource"], d.get("CausingEntity"), d["Evaluation"]) for d in details] == [
        ("ParameterReference", "P", "Static"),
        ("DirectModification", None, "Dynamic"),
        ("ResourceReference", "A", "Static"),
    ]


def test_unchanged_resource_is_no_cause():
    value = {"Fn::Sub": "${P}-${A}"}
    resources = {"A": topic(TopicName="a"), "B": topic(DisplayName=value)}
    before, after = (stack(resources, {"P": p}, Parameters=parameters(P="x")) for p in "xy")
    details = listed(before, after)["B"]["Details"]
    assert [detail["ChangeSource"] for detail in details] == [
        "ParameterReference",
        "DirectModification",
    ]


def test_contexts_keep_what_aws_does_not_see_changing():
    value = {"Fn::Join": ["-", ["x", {"Fn::GetAtt": ["A", "DisplayName"]}]]}
    before = stack({"A": topic(DisplayName="1"), "B": topic(DisplayName=value, TopicName="b")})
    after = stack({"A": topic(DisplayName="2"), "B": topic(DisplayName=value, TopicName="c")})
    shown = json.loads(listed(before, after)["B"]["AfterContext"])
    assert shown["Properties"] == {"DisplayName": "x-1", "TopicName": "c"}
    assert [item.after for item in changes(before, after)["B"].properties] == ["x-2", "c"]


def test_new_parameter_is_a_changed_one():
    before = stack({"A": topic(DisplayName="x")})
    after = stack({"A": topic(DisplayName={"Ref": "P"})}, Parameters=parameters(P="y"))
    details = listed(before, after)["A"]["Details"]
    assert [(d["ChangeSource"], d["Evaluation"]) for d in details] == [
        ("ParameterReference", "Static"),
        ("DirectModification", "Dynamic"),
    ]


def test_unchanged_parameter_newly_used_is_a_direct_change():
    before = stack({"A": topic(DisplayName="x")}, Parameters=parameters(P="y"))
    after = stack({"A": topic(DisplayName={"Ref": "P"})}, Parameters=parameters(P="y"))
    (detail,) = listed(before, after)["A"]["Details"]
    assert (detail["Evaluation"], detail["Target"]["AfterValue"]) == ("Static", "y")


def test_changed_parameter_that_gives_the_same_value_changes_nothing():
    value = {"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "P"}]}]}
    before, after = (
        stack({"A": topic(DisplayName=value)}, Parameters=parameters(P=p)) for p in ("a-1", "a-2")
    )
    assert predict_changes(before, after).empty


def test_list_parameters_are_compared_item_by_item():
    declared = {"P": {"Type": "CommaDelimitedList"}}
    function = {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Layers": {"Ref": "P"}}}}
    before, after = (stack(function, {"P": p}, Parameters=declared) for p in ("a,b", "a,c"))
    details = listed(before, after)["F"]["Details"]
    assert {detail["Target"]["Path"] for detail in details} == {"/Properties/Layers/1"}
    assert [detail["ChangeSource"] for detail in details] == [
        "ParameterReference",
        "DirectModification",
    ]


def test_secrets_are_masked():
    declared = {"P": {"Type": "String", "NoEcho": True}}
    before, after = (
        stack({"A": topic(DisplayName={"Ref": "P"})}, {"P": p}, Parameters=declared)
        for p in ("one", "two")
    )
    prediction = predict_changes(before, after)
    assert "one" not in json.dumps(prediction.to_api())
    assert "two" not in json.dumps(prediction.to_api())
    assert prediction.to_api()[0]["ResourceChange"]["Details"][0]["Target"]["AfterValue"] == "****"
    assert prediction.changes[0].properties[0].secret


def test_conditions_add_and_remove_resources():
    sections = {
        "Parameters": parameters(P="x"),
        "Conditions": {
            "C": {"Fn::Equals": [{"Ref": "P"}, "x"]},
            "D": {"Fn::Not": [{"Condition": "C"}]},
        },
        "Outputs": {
            "O": {"Condition": "C", "Value": {"Ref": "A"}},
            "Q": {"Condition": "D", "Value": "q"},
        },
    }
    resources = {"A": topic() | {"Condition": "C"}, "B": topic() | {"Condition": "D"}, "K": topic()}
    prediction = predict_changes(
        stack(resources, {"P": "x"}, **sections), stack(resources, {"P": "y"}, **sections)
    )
    assert [(str(c.action), c.logical_id) for c in prediction.changes] == [
        ("Remove", "A"),
        ("Add", "B"),
    ]
    assert [str(c.aws_replacement) for c in prediction.changes] == ["None", "True"]
    assert set(prediction.outputs) == {"O", "Q"}
    assert prediction.outputs["Q"] == (MISSING, "q")


def test_resource_whose_condition_fails_cannot_be_named():
    sections = {"Conditions": {"C": {"Fn::Equals": ["a", "b"]}}}
    resources = {"A": topic() | {"Condition": "C"}, "B": topic(DisplayName={"Ref": "A"})}
    for value in ({"Ref": "A"}, {"Fn::GetAtt": ["A", "TopicName"]}):
        resources["B"] = topic(DisplayName=value)
        with pytest.raises(
            ValidationError, match=r"Unresolved resource dependencies \[A\] in the Resources block"
        ):
            predict_changes(None, stack(resources, **sections))


def test_changed_resource_type_is_refused():
    before = stack({"A": topic(), "B": topic()})
    after = stack({"A": topic(), "B": {"Type": PARAMETER, "Properties": {}}})
    with pytest.raises(
        ValidationError, match=r"modifies resource type of the following resources: \[B\]"
    ):
        predict_changes(before, after)


def test_outputs_alone_are_a_change():
    resources = {"A": topic(TopicName="a")}
    before = stack(resources, Outputs={"O": {"Value": "x"}, "P": {"Value": "p"}})
    after = stack(
        resources, Outputs={"O": {"Value": "y"}, "P": {"Value": "p", "Export": {"Name": "e"}}}
    )
    prediction = predict_changes(before, after)
    assert prediction.outputs == {"O": ("x", "y"), "P": ("p", "p")}
    assert (prediction.changes, prediction.empty) == ((), False)


def test_attributes_are_not_read_for_new_expressions():
    ids = {"A": PhysicalResource("arn:a", {"TopicName": "a"}), "B": PhysicalResource("arn:b")}
    before = stack({"A": topic(TopicName="a"), "B": topic(DisplayName="x")}, physical=ids)
    after = stack(
        {"A": topic(TopicName="a"), "B": topic(DisplayName={"Fn::GetAtt": ["A", "TopicName"]})}
    )
    change = listed(before, after)["B"]
    (detail,) = change["Details"]
    assert (detail["Evaluation"], detail["Target"]["AfterValue"]) == ("Dynamic", KNOWN_AFTER_APPLY)
    assert changes(before, after)["B"].properties[0].after == "a"


def test_known_attributes_stand_in_contexts_of_unchanged_expressions():
    ids = {"A": PhysicalResource("arn:a", {"TopicArn": "arn:a"}), "B": PhysicalResource("arn:b")}
    value = {"Fn::Join": ["", ["x", {"Fn::GetAtt": ["A", "TopicArn"]}]]}
    before, after = (
        stack(
            {"A": topic(TopicName="a"), "B": topic(DisplayName=value, TopicName=name)}, physical=ids
        )
        for name in ("b", "c")
    )
    change = listed(before, after)["B"]
    assert json.loads(change["AfterContext"])["Properties"] == {
        "DisplayName": "xarn:a",
        "TopicName": "c",
    }


def test_imports_and_stored_parameters_come_from_outside():
    declared = {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/n"}}
    resources = {"A": topic(DisplayName={"Fn::ImportValue": "E"}, TopicName={"Ref": "P"})}
    before = stack(resources, Parameters=declared, exports={"E": "x"}, stored={"/n": "t"})
    after = stack(resources, Parameters=declared, exports={"E": "y"}, stored={"/n": "t"})
    assert targets(listed(before, after)["A"])[0]["AfterValue"] == "y"
    unknown = stack(resources, Parameters=declared)
    assert predict_changes(unknown, stack(resources, Parameters=declared)).empty
    assert targets(listed(before, unknown)["A"])[0]["AfterValue"] == KNOWN_AFTER_APPLY


def test_tags_of_the_stack_are_tags_of_its_resources():
    resources = {"A": topic(), "P": {"Type": "AWS::Lambda::Permission", "Properties": {}}}
    made = listed(stack(resources, tags={"a": "1"}), stack(resources, tags={"a": "2"}))
    assert set(made) == {"A"}
    assert made["A"]["Details"] == [
        {
            "ChangeSource": "DirectModification",
            "Evaluation": "Static",
            "Target": {"Attribute": "Tags", "RequiresRecreation": "Never"},
        }
    ]


# --- nested stacks


def nested(parameters_=None, url="child.yaml"):
    given = {"Parameters": parameters_} if parameters_ else {}
    return {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, **given}}


def producer(name, **more):
    return stack(
        {"T": topic(TopicName=name, **more)},
        Outputs={"Name": {"Value": {"Fn::GetAtt": ["T", "TopicName"]}}},
    )


CONSUMER = stack({"T": topic(TopicName={"Ref": "P"})}, Parameters={"P": {"Type": "String"}})
OTHER = stack({"T": topic(TopicName="alone")})
ROOT = {
    "One": nested(),
    "Two": nested({"P": {"Fn::GetAtt": ["One", "Outputs.Name"]}}),
    "Three": nested(),
}


def root(child, resources=ROOT, **more):
    return stack(resources, nested={"One": child, "Two": CONSUMER, "Three": OTHER}, **more)


def test_output_that_changes_replaces_in_the_sibling():
    modified = changes(root(producer("a")), root(producer("b")))
    assert set(modified) == {"One", "Two"}
    change = modified["Two"].nested.changes[0]
    assert (str(change.replacement), str(change.aws_replacement)) == ("True", "True")
    assert [(item.before, item.after) for item in change.properties] == [("a", "b")]
    details = [(d.source, d.cause, d.evaluation, d.after) for d in change.details]
    assert details == [
        ("ParameterReference", "P", "Static", KNOWN_AFTER_APPLY),
        ("DirectModification", None, "Dynamic", KNOWN_AFTER_APPLY),
    ]
    automatic = {"Attribute": "Properties", "RequiresRecreation": "Never"}
    assert modified["Two"].to_api()["Details"] == [
        {"ChangeSource": "Automatic", "Evaluation": "Dynamic", "Target": automatic}
    ]


def test_aws_reports_a_replacement_through_an_output_that_stays():
    """coverage-roadmap 759: a false replacement; in truth nothing happens to the consumer."""
    modified = changes(root(producer("a")), root(producer("a", DisplayName="new")))
    change = modified["Two"].nested.changes[0]
    assert (str(change.aws_replacement), change.listed) == ("True", True)
    assert (str(change.replacement), change.real, modified["Two"].real) == ("False", False, False)


def test_reference_to_a_falsely_replaced_resource_is_known_after_apply():
    """AWS takes the consumer for replaced, so it cannot know the value of a reference to it."""
    following = stack(
        {"T": topic(TopicName={"Ref": "P"}), "U": topic(DisplayName={"Ref": "T"})},
        Parameters={"P": {"Type": "String"}},
        physical={"T": "arn:old"},
    )
    sides = (
        stack(ROOT, nested={"One": child, "Two": following, "Three": OTHER})
        for child in (producer("a"), producer("a", DisplayName="new"))
    )
    predicted = {change.logical_id: change for change in changes(*sides)["Two"].nested.changes}
    details = [(detail.source, detail.cause, detail.after) for detail in predicted["U"].details]
    assert ("ResourceReference", "T", KNOWN_AFTER_APPLY) in details
    assert not predicted["U"].real


def test_template_urls_and_given_values_are_direct_changes():
    after = ROOT | {"Three": nested(url="other.yaml")}
    (change,) = predict_changes(root(producer("a")), root(producer("a"), after)).to_api()
    assert [d["ChangeSource"] for d in change["ResourceChange"]["Details"]] == [
        "DirectModification",
        "Automatic",
    ]
    consumer = {"Two": nested({"P": "x"})}
    before, new = (stack({"Two": nested({"P": p})}, nested={"Two": CONSUMER}) for p in "xy")
    change = changes(before, new)["Two"]
    assert [detail.path for detail in change.details] == ["/Properties/Parameters/P", None]
    assert str(change.nested.changes[0].replacement) == "True"
    assert consumer


def test_nested_stacks_are_added_and_removed_whole():
    first, both = {"Three": nested()}, {"Three": nested(), "One": nested()}
    added = changes(root(producer("a"), first), root(producer("a"), both))["One"]
    assert [str(change.action) for change in added.nested.changes] == ["Add"]
    gone = changes(root(producer("a"), both), root(producer("a"), first))["One"]
    assert [str(change.action) for change in gone.nested.changes] == ["Remove"]
    assert gone.policy_action == "Delete"


def test_without_its_template_a_nested_stack_is_always_listed():
    resources = {
        "N": nested(),
        "A": topic(DisplayName={"Fn::GetAtt": ["N", "Outputs.X"]}, TopicName="a"),
    }
    modified = listed(stack(resources), stack(resources))
    assert [d["ChangeSource"] for d in modified["N"]["Details"]] == ["Automatic"]
    assert not changes(stack(resources), stack(resources))["N"].real


def test_resource_that_follows_a_nested_stack_is_dynamic():
    resources = {"One": nested(), "A": topic(TopicName={"Fn::GetAtt": ["One", "Outputs.Name"]})}
    before, after = (stack(resources, nested={"One": producer(name)}) for name in "ab")
    change = changes(before, after)["A"]
    assert [(d.source, d.cause, d.evaluation) for d in change.details] == [
        ("DirectModification", None, "Dynamic"),
        ("ResourceAttribute", "One.Outputs.Name", "Dynamic"),
    ]
    assert (str(change.aws_replacement), str(change.replacement)) == ("Conditional", "True")


def test_outputs_of_a_new_nested_stack_are_known_after_apply():
    before = stack({"A": topic(DisplayName="x")})
    after = stack(
        {"One": nested(), "A": topic(DisplayName={"Fn::GetAtt": ["One", "Outputs.Name"]})},
        nested={"One": producer("a")},
    )
    detail = listed(before, after)["A"]["Details"][1]
    assert (detail["ChangeSource"], detail["Target"]["AfterValue"]) == (
        "ResourceAttribute",
        KNOWN_AFTER_APPLY,
    )
