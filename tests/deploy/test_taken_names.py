"""Names that exist outside of the stacks are found before a deployment or a rollback, and imported
where that is asked for, by the command line."""

from __future__ import annotations

import pytest

from stackwright.emulator import LocalCloudFormation
from tests.deploy.test_blockers import (
    QUEUE,
    Demo,
    change,
    demo,
    deployed,
    engine,
    events,
    require_refused,
    run,
    table,
    template,
)
from tests.support.aws import client

__all__ = ["demo", "engine"]
pytestmark = pytest.mark.filterwarnings("ignore:Exception.QueueDoesNotExist")

GROUP = """\
  Logs:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: {policy}
    UpdateReplacePolicy: Retain
    Properties: {{LogGroupName: {name}, RetentionInDays: 30}}
"""


def group(name: str = "/demo/web", policy: str = "Retain") -> str:
    """A log group with a name of its own."""
    return GROUP.format(name=name, policy=policy)


def test_live_stack_that_gains_an_existing_log_group_is_refused_or_imports_it(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = deployed(demo({"app": template()}))
    client("logs").create_log_group(logGroupName="/demo/web")
    client("logs").put_retention_policy(logGroupName="/demo/web", retentionInDays=7)
    change(project, app=template(group()))
    require_refused(
        project,
        engine,
        "app:Logs cannot be created: the log group `/demo/web` exists, and no stack has it",
        "add --import-existing, which imports it as it is",
    )
    planned = run(project, "plan", "--import-existing")
    assert planned.exit_code == 0, planned.output
    assert "adopted unchanged: /demo/web" in planned.output
    done = run(project, "deploy", "--yes", "--import-existing")
    assert done.exit_code == 0, done.output
    assert "imported app:Logs differs: RetentionInDays is 7, and 30 in the template" in done.output
    assert "drift --env dev --revert" in done.output
    assert run(project, "drift", "--revert", "--yes").exit_code == 0
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/demo/web")["logGroups"]
    assert groups[0]["retentionInDays"] == 30


def test_name_without_retain_or_with_a_function_is_refused_with_the_reason(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = deployed(demo({"app": template()}))
    client("logs").create_log_group(logGroupName="/demo/web")
    change(project, app=template(group(policy="Delete")))
    for options in ((), ("--import-existing",)):
        refused = run(project, "deploy", "--yes", *options)
        assert refused.exit_code == 1
        assert "set DeletionPolicy: Retain on app:Logs" in " ".join(refused.output.split())
    change(project, app=template(group(name="!Sub '/demo/${AWS::Partition}'")))
    client("logs").create_log_group(logGroupName="/demo/aws")
    refused = run(project, "deploy", "--yes", "--import-existing")
    assert "LogGroupName is not plain text in the template" in " ".join(refused.output.split())


def test_new_stack_imports_what_exists(demo: Demo, engine: LocalCloudFormation) -> None:
    client("s3").create_bucket(
        Bucket="demo-files", CreateBucketConfiguration={"LocationConstraint": "us-east-2"}
    )
    bucket = (
        "  Files:\n    Type: AWS::S3::Bucket\n    DeletionPolicy: Retain\n"
        "    UpdateReplacePolicy: Retain\n    Properties: {BucketName: demo-files}\n"
    )
    project = demo({"app": template(bucket)})
    refused = run(project, "deploy", "--yes")
    assert refused.exit_code == 1
    assert "add --import-existing" in refused.output
    done = run(project, "deploy", "--yes", "--import-existing")
    assert done.exit_code == 0, done.output


def test_name_of_another_stack_is_never_imported(demo: Demo, engine: LocalCloudFormation) -> None:
    project = deployed(demo({"app": template()}))
    queue = QUEUE.format(name="Work", queue="demo-work")
    body = "Resources:\n" + group() + queue
    client("cloudformation").create_stack(StackName="other", TemplateBody=body)
    client("cloudformation").get_waiter("stack_create_complete").wait(
        StackName="other", WaiterConfig={"Delay": 1}
    )
    change(project, app=template(group(), queue.replace("Work", "Tasks")))
    for options in ((), ("--import-existing",)):
        refused = run(project, "deploy", "--yes", *options)
        shown = " ".join(refused.output.split())
        assert refused.exit_code == 1, shown
        assert "`/demo/web` exists, and belongs to the stack other (Logs)" in shown
        assert "choose another name for app:Logs" in shown
        assert "`demo-work` exists, and belongs to the stack other (Work)" in shown
        assert "delete" not in shown


def test_rollback_says_which_retained_resource_is_in_the_way_and_imports_it(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = deployed(demo({"app": template(table())}))
    change(project, app=template())
    gone = run(project, "deploy", "--yes", "--allow-replace", "Jobs", "--allow-data-loss")
    assert gone.exit_code == 0, gone.output
    before = events(engine)
    refused = project.invoke("rollback", "1", "--env", "dev", "--yes")
    shown = " ".join(refused.output.split())
    assert refused.exit_code == 1, shown
    assert "app:Jobs cannot be created: the table `demo-jobs` exists, and no stack has it" in shown
    assert "--import-existing" in shown
    assert events(engine) == before
    done = project.invoke("rollback", "1", "--env", "dev", "--yes", "--import-existing")
    assert done.exit_code == 0, done.output
