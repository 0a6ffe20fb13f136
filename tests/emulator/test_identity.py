"""Names that CloudFormation makes up are attributes too."""

import json

import pytest

from stackwright.emulator.api.cloudformation import LocalCloudFormation

CASES = {
    "AWS::SQS::Queue": ("QueueName", "https://sqs.us-east-1.amazonaws.com/123456789012/{}"),
    "AWS::SNS::Topic": ("TopicName", "arn:aws:sns:us-east-1:123456789012:{}"),
}


@pytest.mark.parametrize("kind", CASES)
def test_generated_name_is_an_attribute(kind):
    attribute, physical = CASES[kind]
    template = {
        "Resources": {"Thing": {"Type": kind}},
        "Outputs": {
            "Name": {"Value": {"Fn::GetAtt": ["Thing", attribute]}},
            "Id": {"Value": {"Ref": "Thing"}},
        },
    }
    engine = LocalCloudFormation()
    engine.call("CreateStack", {"StackName": "s", "TemplateBody": json.dumps(template)})
    stack = engine.call("DescribeStacks", {"StackName": "s"})["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs["Name"].startswith("s-Thing-")
    assert outputs["Id"] == physical.format(outputs["Name"])
