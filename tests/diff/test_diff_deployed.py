"""`diff --against deployed` compares the rendering with the live stacks, by the real command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from stackwright.artifacts.package import package_rendering
from stackwright.artifacts.upload import upload_bundle
from stackwright.aws import Boto
from stackwright.core.model import S3Folder
from stackwright.plan import desired_state, live_stack, plan
from tests.support.aws import ACCOUNT, REGION
from tests.support.planning import PlanningAccount, planning_account
from tests.support.projects import Project

FILES = {
    "params/defaults.yaml": f"""\
environment: dev
prefix: news-dev
region: {REGION}
stacks: [base, {{app: [web-site]}}]
images: {{web: {{repository: news/web, tag: "1.0"}}}}
title: first
""",
    "templates/base.yaml.j2": """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: news-artifacts
Outputs:
  ArtifactBucketName:
    Value: !Ref Bucket
""",
    "templates/app.yaml.j2": """\
Parameters:
  WebImage:
    Type: String
    Description: Image news/web:{{ images.web.tag }}
Resources:
  {{ nested_stacks() }}
  Name:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: !Ref WebImage
""",
    "templates/app/web-site.yaml.j2": """\
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: {{ title }}
  Files:
    Type: AWS::EFS::FileSystem
""",
}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlanningAccount]:
    """An account that the command line reaches."""
    with planning_account() as result:
        monkeypatch.setenv("AWS_ENDPOINT_URL", result.server.url)
        yield result


def deploy(project: Project) -> None:
    """Both roots, with a digest that no registry knows."""
    rendering, aws = project.render(), Boto(REGION)
    bundle = package_rendering(rendering)
    for root in desired_state.root_documents(rendering):
        if root.name != "base":
            bundle = package_rendering(rendering, S3Folder("news-artifacts", REGION))
            upload_bundle(bundle, ACCOUNT, aws)
        known = desired_state.KnownValues(images={"web": "host/news/web@sha256:1"})
        wanted = desired_state.build_desired_stack(root, rendering, bundle, known)
        made = plan.preview_root(
            wanted,
            live_stack.read_stack(wanted.stack, aws, root.name),
            aws,
            run="r",
            description="d",
        )
        if made.change_set:
            aws.execute_change_set(made.change_set, "t")


def test_missing_stacks_add_everything(
    project: Callable[..., Project], account: PlanningAccount
) -> None:
    result = project(FILES).invoke(
        "diff", "--env", "dev", "--against", "deployed", "--detailed-exitcode"
    )
    assert result.exit_code == 2
    assert "Plan: 4 to add" in result.stdout


def test_deployed_build_has_no_changes(
    project: Callable[..., Project], account: PlanningAccount
) -> None:
    made = project(FILES)
    deploy(made)
    result = made.invoke("diff", "--env", "dev", "--against", "deployed", "--detailed-exitcode")
    assert (result.exit_code, result.stdout) == (0, "No changes.\n")
    assert account.aws.change_sets("news-dev-app") == []


def test_changes_of_nested_stacks_and_images_are_listed(
    project: Callable[..., Project], account: PlanningAccount
) -> None:
    made = project(FILES)
    deploy(made)
    made.write({"params/dev.yaml": "title: second\nimages: {web: {tag: '1.1'}}\n"})
    made.write(
        {
            "templates/app/web-site.yaml.j2": FILES["templates/app/web-site.yaml.j2"].partition(
                "  Files"
            )[0]
        }
    )
    result = made.invoke("diff", "--env", "dev", "--against", "deployed")
    assert result.exit_code == 0
    shown = result.stdout
    assert 'Topic  AWS::SNS::Topic\n        ~ DisplayName: "first" → "second"\n' in shown
    assert "app/web-site:Files (AWS::EFS::FileSystem fs-" in shown
    assert '~ Value: "host/news/web@sha256:1" → (known after apply)' in shown
    assert "# follows parameter WebImage (news/web:1.0 → news/web:1.1)" in shown
    data = json.loads(
        made.invoke("diff", "--env", "dev", "--against", "deployed", "--format", "json").stdout
    )
    assert {resource["address"]: resource["effect"] for resource in data["resources"]} == {
        "app:Name": "change",
        "app/web-site:Topic": "change",
        "app/web-site:Files": "remove",
    }


def test_template_with_macros_is_compared_as_far_as_possible(
    project: Callable[..., Project], account: PlanningAccount
) -> None:
    made = project(FILES)
    deploy(made)
    macro = "Transform: Acme::Macro\n" + FILES["templates/base.yaml.j2"]
    result = made.write({"templates/base.yaml.j2": macro}).invoke(
        "diff", "--env", "dev", "--against", "deployed"
    )
    assert result.exit_code == 0
    assert '+ base: Transform: "Acme::Macro"' in result.stdout
    assert "Note: base uses Acme::Macro, which only AWS can run" in result.stdout
