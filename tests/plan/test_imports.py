"""`import` sends the live template and the resources that the parameters name, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from stackwright.aws import StackResource
from stackwright.core.errors import InputError
from stackwright.plan.imports import build_import, read_imports
from stackwright.plan.live_stack import LiveStack
from stackwright.plan.model import DesiredStack
from tests.support.planning import stack
from tests.support.projects import Project

Make = Callable[..., Project]
STORE = """\
Parameters:
  Owner: {Type: String}
  Unused: {Type: String}
Resources:
  Files:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    DependsOn: Key
    Properties: {BucketName: news-files, Tags: [{Key: owner, Value: !Ref Owner}]}
  Key:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: Retain
    Properties: {Name: news/key}
  Loose:
    Type: AWS::SQS::Queue
    Properties: {QueueName: news}
Outputs:
  FilesName: {Value: !Ref Files}
"""
LIVE = "Resources: {Topic: {Type: AWS::SNS::Topic}}\nOutputs: {Old: {Value: !Ref Topic}}\n"


def imports(project: Make, entries: str) -> Any:
    params = f"region: us-east-2\nstacks: [store]\nimports: {entries}\n"
    return project({"params/defaults.yaml": params, "templates/store.yaml.j2": STORE}).load()


def target(text: str = STORE) -> DesiredStack:
    parameters = {"Owner": "ada", "Unused": "x"}
    return DesiredStack(
        "store", "news-dev-store", {"store": text}, {}, parameters, {"environment": "dev"}
    )


def wanted(project: Make, entries: str, live: LiveStack | None = None, text: str = STORE) -> Any:
    config = imports(project, entries)
    return build_import(target(text), live, read_imports(config)["store"], config)


def test_first_import_creates_a_stack_of_the_imported_resources(project: Make) -> None:
    request = wanted(project, "{store: {Files: {BucketName: news-files}}}")
    body = json.loads(request.desired.body)
    assert list(body["Resources"]) == ["Files"]
    assert "DependsOn" not in body["Resources"]["Files"]  # what it waits for may not be there
    assert "Outputs" not in body
    assert (list(body["Parameters"]), request.desired.parameters, request.desired.tags) == (
        ["Owner"],
        {"Owner": "ada"},
        {},
    )
    assert request.resources == (
        {
            "ResourceType": "AWS::S3::Bucket",
            "LogicalResourceId": "Files",
            "ResourceIdentifier": {"BucketName": "news-files"},
        },
    )


def test_later_import_leaves_live_resources_unchanged(project: Make) -> None:
    live = LiveStack.of("store", stack(tags={"team": "a"}), LIVE)
    request = wanted(project, "{store: {Files: {BucketName: news-files}}}", live)
    body = json.loads(request.desired.body)
    assert (list(body["Resources"]), list(body["Outputs"])) == (["Topic", "Files"], ["Old"])
    assert request.desired.tags == {"team": "a"}


def test_adopted_resource_is_not_imported_again(project: Make) -> None:
    there = {"Files": StackResource("Files", "news-files", "AWS::S3::Bucket", "IMPORT_COMPLETE")}
    live = LiveStack.of(
        "store",
        stack(),
        yaml.safe_dump({"Resources": {"Files": {"Type": "AWS::S3::Bucket"}}}),
        there,
    )
    assert wanted(project, "{store: {Files: {BucketName: news-files}}}", live) is None


BAD = {
    "nothing": ("{}", "the parameters name nothing to import"),
    "another root": (
        "{shop: {Files: {BucketName: x}}}",
        "imports names shop, which is no root stack",
    ),
    "no such resource": (
        "{store: {Lost: {BucketName: x}}}",
        "store has no resource Lost to import",
    ),
    "no policy": ("{store: {Loose: {QueueUrl: x}}}", "store:Loose has no DeletionPolicy"),
    "another key": (
        "{store: {Files: {Name: x}}}",
        "AWS::S3::Bucket is identified by BucketName, not by Name",
    ),
}


@pytest.mark.parametrize(("entries", "message"), BAD.values(), ids=BAD)
def test_impossible_import_is_refused_with_its_line(
    project: Make, entries: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        wanted(project, entries)
    (problem,) = caught.value.problems
    assert problem.code == "SW845"
    assert message in problem.message
    assert problem.hint
    if entries != "{}":
        assert [str(where) for where in problem.where] == ["params/defaults.yaml:3"]


def test_template_with_macros_cannot_import(project: Make) -> None:
    with pytest.raises(
        InputError, match=r"store cannot adopt anything: Transform Acme::Macro is not supported"
    ):
        wanted(
            project,
            "{store: {Files: {BucketName: news-files}}}",
            text=f"Transform: Acme::Macro\n{STORE}",
        )
