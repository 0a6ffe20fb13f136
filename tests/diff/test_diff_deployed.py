"""`diff --against deployed`: what renders now against the stacks as they are, by the real command
line."""

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
from tests.support.planning import Account, emulated_account
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
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with emulated_account() as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.server.url)
        yield found


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


def test_nothing_is_deployed_yet(project: Callable[..., Project], aws: Account) -> None:
    found = project(FILES).invoke(
        "diff", "--env", "dev", "--against", "deployed", "--detailed-exitcode"
    )
    assert found.exit_code == 2
    assert "Plan: 4 to add" in found.stdout


def test_what_is_deployed_is_what_renders(project: Callable[..., Project], aws: Account) -> None:
    made = project(FILES)
    deploy(made)
    found = made.invoke("diff", "--env", "dev", "--against", "deployed", "--detailed-exitcode")
    assert (found.exit_code, found.stdout) == (0, "No changes.\n")
    assert aws.aws.change_sets("news-dev-app") == []


def test_changes_in_nested_stacks_and_of_an_image(
    project: Callable[..., Project], aws: Account
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
    found = made.invoke("diff", "--env", "dev", "--against", "deployed")
    assert found.exit_code == 0
    shown = found.stdout
    assert 'Topic  AWS::SNS::Topic\n        ~ DisplayName: "first" → "second"\n' in shown
    assert "app/web-site:Files (AWS::EFS::FileSystem fs-" in shown
    assert '~ Value: "host/news/web@sha256:1" → (known after apply)' in shown
    assert "# follows parameter WebImage (news/web:1.0 → news/web:1.1)" in shown
    data = json.loads(
        made.invoke("diff", "--env", "dev", "--against", "deployed", "--format", "json").stdout
    )
    assert {each["address"]: each["effect"] for each in data["resources"]} == {
        "app:Name": "change",
        "app/web-site:Topic": "change",
        "app/web-site:Files": "remove",
    }


def test_a_stack_that_only_aws_understands_is_an_error(
    project: Callable[..., Project], aws: Account
) -> None:
    made = project(FILES)
    deploy(made)
    macro = "Transform: Acme::Macro\n" + FILES["templates/base.yaml.j2"]
    found = made.write({"templates/base.yaml.j2": macro}).invoke(
        "diff", "--env", "dev", "--against", "deployed"
    )
    assert found.exit_code == 1
    assert (
        "SW503 base cannot be compared with news-dev-base: Transform Acme::Macro is not supported"
        in found.stderr
    )
