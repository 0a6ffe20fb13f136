"""Templates with macros, which only AWS can expand: they are read as CloudFormation lists them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from stackwright.aws import StackResource
from stackwright.deploy.destroy import list_fates
from stackwright.diff.model import Diff
from stackwright.health.probes import find_probed_resources
from stackwright.plan.live_stack import LiveStack
from stackwright.plan.model import DesiredStack, RootAction, RootPlan
from stackwright.plan.plan_file import read_plan, save_plan
from stackwright.releases.release import begin_release
from tests.support.aws import ACCOUNT, create_bucket
from tests.support.planning import planning_account, stack, whole

MACRO = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Timeout: 3}}
Parameters:
  Password: {Type: String, NoEcho: true}
Resources:
  Files: {Type: AWS::EFS::FileSystem, DeletionPolicy: Retain}
  Hello:
    Type: AWS::Serverless::Function
    Metadata: {stackwright: {verify: {invoke: {}}}}
    Connectors: {Files: {Properties: {Destination: {Id: Files}}}}
"""
RESOURCES = {
    "Files": StackResource("Files", "fs-1", "AWS::EFS::FileSystem", "CREATE_COMPLETE"),
    "Hello": StackResource("Hello", "hello-1", "AWS::Lambda::Function", "CREATE_COMPLETE"),
    "HelloRole": StackResource("HelloRole", "role-1", "AWS::IAM::Role", "CREATE_COMPLETE"),
}
LIVE = LiveStack.of("app", stack(parameters={"Password": "****"}), MACRO, RESOURCES)
TARGET = DesiredStack("app", "news-dev-app", {"app": MACRO}, {}, {"Password": "hunter2"}, {})


def test_resources_made_by_macros_are_verified() -> None:
    assert [(resource.address, resource.invoke) for resource in find_probed_resources([LIVE])] == [
        ("app:Hello", {})
    ]


def test_fate_of_each_resource_made_by_macros_is_shown() -> None:
    assert {fate.address: fate.kept for fate in list_fates(LIVE)} == {
        "app:Files": "Retain",
        "app:Hello": "",
        "app:HelloRole": "",
    }


@pytest.mark.parametrize(("stage", "kept"), [("prod", "Retain"), ("dev", "")])
def test_conditional_deletion_policy_is_resolved_with_the_live_parameters(
    stage: str, kept: str
) -> None:
    template = """
Transform: AWS::LanguageExtensions
Parameters: {Stage: {Type: String}}
Conditions: {IsProd: !Equals [!Ref Stage, prod]}
Resources:
  Files:
    Type: AWS::EFS::FileSystem
    DeletionPolicy: !If [IsProd, Retain, Delete]
"""
    files = {"Files": RESOURCES["Files"]}
    live = LiveStack.of("app", stack(parameters={"Stage": stage}), template, files)
    assert [(fate.kept, fate.lost) for fate in list_fates(live)] == [(kept, not kept)]


@pytest.mark.parametrize(
    "declared",
    [
        "{Type: String, NoEcho: true}",
        "{Type: String, NoEcho: 'True'}",
        "{Type: 'Vault::Secret', NoEcho: true}",
    ],
    ids=["as usual", "as a text", "of a type that only the macro knows"],
)
def test_saved_plan_holds_no_noecho_value(declared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = MACRO.replace("{Type: String, NoEcho: true}", declared)
    made = whole(RootPlan(replace(TARGET, templates={"app": body}), RootAction.UPDATE, Diff()))
    assert "hunter2" not in save_plan(made)
    assert read_plan(save_plan(made)).roots[0].desired.templates == {"app": body}
    with planning_account() as account:
        monkeypatch.setenv("AWS_ENDPOINT_URL", account.server.url)
        create_bucket("releases")
        release = begin_release(
            replace(made, bucket="releases", account=ACCOUNT),
            account.aws,
            tool="1",
            secret_names={},
        )
    assert (release.roots[0].hidden, dict(release.roots[0].parameters)) == (("Password",), {})
