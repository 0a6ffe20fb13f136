"""Reading a live stack: its tree, the calls that it takes, and its use in a prediction."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from stackwright.aws import StackResource
from stackwright.cfn.intrinsics import Pseudo
from stackwright.cfn.template import ValidationError
from stackwright.cfn.values import Unknown
from stackwright.plan import live_stack
from stackwright.plan.live_stack import LiveStack
from tests.support.aws import ACCOUNT, REGION
from tests.support.planning import (
    ARN,
    STACK,
    FakeStacks,
    PlanningAccount,
    stack,
    target,
)


def read(account: PlanningAccount) -> LiveStack:
    live = account.live()
    assert live is not None
    return live


def test_tree_is_read_on_first_use(account: PlanningAccount) -> None:
    account.deploy()
    account.aws.calls.clear()
    live = read(account)
    assert dict(account.aws.calls) == {"describe_stacks": 1}
    assert live.stack.outputs["GroupId"].startswith("sg-")
    assert [stack.name for stack in live.walk()] == ["app", "app/network", "app/web"]
    assert account.aws.calls["get_template"] == 3
    assert account.aws.calls["describe_stacks"] == 3
    assert live.nested["Network"].resources["Group"].physical_id == live.stack.outputs["GroupId"]
    assert "GroupDescription: web" in live.nested["Network"].template
    assert live.nested["Web"].stack.parent_id == live.stack.id
    assert account.aws.calls["get_template"] == 3


def test_tree_is_read_once_by_many_threads() -> None:
    class Slow(FakeStacks):
        calls = 0

        def resources(self, stack: str) -> list[StackResource]:
            self.calls += 1
            time.sleep(0.05)
            return self.listed

    aws = Slow(
        stack(),
        "Resources: {}",
        [StackResource("Here", "arn:here", "AWS::SNS::Topic", "CREATE_COMPLETE")],
    )
    live = live_stack.read_stack(STACK, aws, "app")
    assert live is not None
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda _: set(live.resources), range(4)))
    assert read == [{"Here"}] * 4
    assert aws.calls == 1


def test_missing_stack_is_none(account: PlanningAccount) -> None:
    assert account.live() is None
    made = account.preview(target())
    assert account.live() is None
    account.execute(made)
    assert read(account).stack.status == "CREATE_COMPLETE"
    account.aws.delete_stack(STACK, "token")
    assert account.live() is None
    assert live_stack.read_stack(str(made.stack_id), account.aws) is None


def test_nested_stacks_are_read_below_their_parents(account: PlanningAccount) -> None:
    leaf = "Resources: {Topic: {Type: AWS::SNS::Topic}}\n"
    middle = "Resources: {Inner: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: app/middle/inner}}}\n"
    app = "Resources: {Middle: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: app/middle}}}\n"
    wanted = target(
        {
            "app": app.replace("app/middle}", "MIDDLE}"),
            "app/middle": middle.replace("app/middle/inner", "INNER"),
            "app/middle/inner": leaf,
        }
    )
    texts = dict(wanted.templates)
    texts["app/middle"] = texts["app/middle"].replace("INNER", wanted.urls["app/middle/inner"])
    wanted = target(texts | {"app": texts["app"].replace("MIDDLE", "app/middle")})
    account.execute(account.preview(wanted))
    live = read(account)
    assert [stack.name for stack in live.walk()] == ["app", "app/middle", "app/middle/inner"]
    assert set(live.nested["Middle"].nested["Inner"].resources) == {"Topic"}


def test_deleted_resources_are_left_out() -> None:
    listed = [
        StackResource("Here", "arn:here", "AWS::SNS::Topic", "CREATE_COMPLETE"),
        StackResource("Gone", "arn:gone", "AWS::SNS::Topic", "DELETE_COMPLETE"),
        StackResource("GoneToo", ARN, "AWS::CloudFormation::Stack", "DELETE_COMPLETE"),
        StackResource("NeverMade", "", "AWS::CloudFormation::Stack", "CREATE_FAILED"),
    ]
    live = live_stack.read_stack(STACK, FakeStacks(stack(), "Resources: {}", listed), "app")
    assert live is not None
    assert set(live.resources) == {"Here", "NeverMade"}
    assert live.nested == {}


def test_live_stack_converts_to_a_prediction_side(account: PlanningAccount) -> None:
    account.deploy(parameters={"Password": "hunter2", "Level": "debug"})
    side = read(account).as_cfn()
    assert side.parameters["Level"] == "debug"
    assert isinstance(side.parameters["Password"], Unknown)
    assert (side.pseudo.stack_name, side.pseudo.region, side.pseudo.account_id) == (
        STACK,
        REGION,
        ACCOUNT,
    )
    assert side.physical["Network"].id == side.nested["Network"].pseudo.stack_id
    assert "hunter2" not in repr(side)


def test_template_with_macros_is_no_prediction_side() -> None:
    text = "Transform: Acme::Macro\nResources: {Topic: {Type: AWS::SNS::Topic}}\n"
    with pytest.raises(ValidationError, match="Acme::Macro"):
        LiveStack.of("app", stack(), text).as_cfn()


def test_pseudo_parameters_of_other_partitions() -> None:
    china = stack(status="CREATE_COMPLETE")
    made = live_stack.pseudo_parameters(
        type(china)(
            "arn:aws-cn:cloudformation:cn-north-1:111122223333:stack/x/0", "x", "CREATE_COMPLETE"
        ),
        Pseudo(zones=("cn-north-1a",)),
    )
    assert (made.partition, made.url_suffix, made.region) == (
        "aws-cn",
        "amazonaws.com.cn",
        "cn-north-1",
    )
    assert made.availability_zones == ["cn-north-1a"]


@pytest.mark.parametrize(
    ("logical_id", "name"),
    [
        ("Network", "app/network"),
        ("QueueMetrics", "app/queue-metrics"),
        ("S3", "app/s3"),
        ("DNSZone", "app/dns-zone"),
        ("Web2Site", "app/web2-site"),
    ],
)
def test_nested_stacks_are_named_by_convention(logical_id: str, name: str) -> None:
    assert live_stack.nested_name("app", logical_id) == name
