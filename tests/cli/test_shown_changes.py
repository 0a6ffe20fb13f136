"""What plan and diff show of new resources, tags, revisions and secrets, by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.support.aws import REGION
from tests.support.planning import PlanningAccount, planning_account
from tests.support.projects import Project

PARAMS = f"""\
prefix: demo-dev
environment: dev
region: {REGION}
stacks: [main]
"""
FUNCTION = """\
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
  Api:
    Type: AWS::Lambda::Function
    Properties:
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Runtime: python3.12
      Code: {ZipFile: "x = 1"}
"""
URL = """\
  Url:
    Type: AWS::Lambda::Url
    Properties:
      AuthType: NONE
      InvokeMode: BUFFERED
      TargetFunctionArn: !GetAtt Api.Arn
"""
TASK = """\
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: demo
      Cpu: "{{ cpu }}"
      Memory: "1024"
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      ContainerDefinitions:
        - Name: web
          Image: nginx:1.27
          LogConfiguration:
            LogDriver: awslogs
            Options: {awslogs-group: demo, awslogs-region: us-east-2, awslogs-stream-prefix: web}
"""


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlanningAccount]:
    """An account that the command line reaches."""
    with planning_account() as result:
        monkeypatch.setenv("AWS_ENDPOINT_URL", result.server.url)
        yield result


@pytest.fixture
def demo(project: Callable[..., Project], account: PlanningAccount) -> Project:
    """A project that is not deployed yet."""
    return project(
        {"params/defaults.yaml": PARAMS, "templates/main.yaml.j2": f"Resources:\n{FUNCTION}"}
    )


def write(demo: Project, *resources: str, params: str = "") -> None:
    demo.write(
        {
            "params/defaults.yaml": PARAMS + params,
            "templates/main.yaml.j2": "\n".join(["Resources:", FUNCTION, *resources]),
        }
    )
    assert demo.invoke("render", "--env", "dev", "--no-lint").exit_code == 0


def deploy(demo: Project, *resources: str, params: str = "") -> None:
    write(demo, *resources, params=params)
    done = demo.invoke("deploy", "--env", "dev", "--yes")
    assert done.exit_code == 0, done.stderr


def plan(demo: Project, *options: str) -> str:
    done = demo.invoke("plan", "--env", "dev", *options)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def diff(demo: Project, *options: str) -> str:
    done = demo.invoke("diff", "--env", "dev", "--against", "deployed", *options)
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("show", [plan, diff])
def test_new_function_url_shows_its_authorisation(demo: Project, show: Callable[..., str]) -> None:
    deploy(demo)
    write(demo, URL)
    text = show(demo)
    assert '    + Url  AWS::Lambda::Url\n        + AuthType: "NONE"\n' in text
    assert '+ TargetFunctionArn: "${Api.Arn}"' in text
    assert '+     + AuthType: "NONE"' in show(demo, "--format", "markdown")
    data = json.loads(show(demo, "--format", "json"))
    (url,) = (data.get("roots") or [data])[0]["resources"]
    assert url["after"]["Properties"]["AuthType"] == "NONE"


def test_new_resources_hide_secrets_everywhere(demo: Project) -> None:
    deploy(demo)
    write(
        demo,
        """\
  User:
    Type: AWS::IAM::User
    Properties:
      LoginProfile: {Password: hunter2-hunter2, PasswordResetRequired: true}
""",
    )
    for style in ("text", "markdown", "json"):
        for more in ((), ("--verbose",)):
            assert "hunter2" not in plan(demo, "--format", style, *more)
    assert '+ LoginProfile: {Password: "(hidden)", PasswordResetRequired: true}' in plan(demo)


def test_tags_of_the_stack_are_shown_once(demo: Project) -> None:
    deploy(demo, TASK, params="cpu: 256\n")
    write(demo, TASK, params="cpu: 256\ntags: {owner: alice}\n")
    for text in (plan(demo), plan(demo, "--format", "markdown"), diff(demo)):
        assert "tags: + owner=alice on 3 resources" in text
        assert text.count("owner") == 1
        assert "known after apply" not in text
        assert "AWS::IAM::Role" not in text
        assert "0 to change, 3 to tag, 0 to replace" in text
    assert "Role  AWS::IAM::Role  tags" in plan(demo, "--verbose")
    (root,) = json.loads(plan(demo, "--format", "json"))["roots"]
    assert root["tags"] == [{"root": "main", "key": "owner", "before": None, "after": "alice"}]
    assert {resource["retagged"] for resource in root["resources"]} == {True}


def test_tags_next_to_another_change_are_listed_apart(demo: Project) -> None:
    deploy(demo, TASK, params="cpu: 256\ntags: {owner: alice, team: news}\n")
    write(demo, TASK, params="cpu: 512\ntags: {owner: bob}\n")
    text = plan(demo)
    assert "tags: ~ owner=alice → bob, - team=news on 3 resources" in text
    assert "Task  AWS::ECS::TaskDefinition  new revision" in text


def test_new_revision_is_no_replacement(demo: Project) -> None:
    deploy(demo, TASK, params="cpu: 256\n")
    write(demo, TASK, params="cpu: 512\n")
    text = plan(demo)
    assert "~ Task  AWS::ECS::TaskDefinition  new revision\n" in text
    assert '~ Cpu: "256" → "512"\n' in text
    assert "forces replacement" not in text
    assert "Plan: 0 to add, 0 to change, 1 new revision, 0 to replace, 0 to remove" in text
    data = json.loads(plan(demo, "--format", "json"))
    assert (data["summary"]["new_revision"], data["summary"]["replace"]) == (1, 0)
    (task,) = data["roots"][0]["resources"]
    assert (task["effect"], task["new_revision"]) == ("replace", True)


def test_removed_resource_is_named(demo: Project) -> None:
    deploy(
        demo,
        "  Old: {Type: AWS::SSM::Parameter, Properties: {Name: /demo/old, Type: String, Value: x}}",
    )
    write(demo)
    assert "- Old  AWS::SSM::Parameter  /demo/old\n" in plan(demo)
    assert "- Old  AWS::SSM::Parameter  /demo/old\n" in diff(demo)


def test_large_new_root_is_listed_by_type(demo: Project) -> None:
    parameters = "\n".join(
        f"  P{index}: {{Type: AWS::SSM::Parameter, Properties: {{Type: String, Value: x}}}}"
        for index in range(40)
    )
    write(demo, parameters)
    text = plan(demo)
    assert len(text.splitlines()) < 20
    assert "      SSM::Parameter: P0, P1, " in text
    assert "+ Value:" not in text
    assert plan(demo, "--verbose").count('+ Value: "x"') == 40


def test_failed_first_creation_counts_as_nothing_deployed(
    demo: Project, account: PlanningAccount
) -> None:
    write(demo, "  Bad: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: ''}}")
    assert demo.invoke("deploy", "--env", "dev", "--yes").exit_code != 0
    stack = account.aws.stack("demo-dev-main")
    assert stack is not None
    assert stack.status == "ROLLBACK_COMPLETE"
    write(demo)
    assert "Plan: 2 to add, 0 to change" in diff(demo)


def test_diff_refuses_a_folder_without_a_build(demo: Project, tmp_path: object) -> None:
    (demo.folder / "empty").mkdir()
    done = demo.invoke("diff", "--env", "dev", "--against", str(demo.folder / "empty"))
    assert done.exit_code == 1
    assert "SW501" in done.stderr
    assert "is not a build: it holds no template" in done.stderr
