"""Updates of Euglena, played: only what changes is touched, and a failure leaves everything as it
was."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from rich.text import Text

from stackwright.cfn import STACK_TYPE
from stackwright.cfn.intrinsics import Pseudo
from stackwright.diff.builds import read_build_folder
from stackwright.emulator import (
    Phase,
    Rehearsal,
    RehearsalBuild,
    RehearsalStep,
    RehearsalWorld,
    Rollback,
    rehearse,
)
from stackwright.emulator.world.faults import Fault
from stackwright.report.rehearsal import rehearsal_as_text
from tests.support.projects import REPOSITORY

PROD = read_build_folder(REPOSITORY / "build/prod")
PSEUDO = Pseudo(region="us-east-2", account_id="777788889999")


def changed(files, path, old, new):
    assert old in files[path]
    return {**files, path: files[path].replace(old, new)}


NEW_GATEWAY = changed(PROD, "app.yaml", "euglena-prod/gateway:1.0.0", "euglena-prod/gateway:1.1.0")
NEW_BOTH = changed(NEW_GATEWAY, "app.yaml", "euglena-prod/agent:1.0.0", "euglena-prod/agent:1.1.0")


@pytest.fixture
def world():
    made, build = RehearsalWorld(PSEUDO), RehearsalBuild(PROD)
    for root in build.order:
        phase = made.deploy(build, root)
        assert phase is not None
        assert phase.ok, phase
    return made


def listed(world, change_set):
    described = world.engine.call("DescribeChangeSet", {"ChangeSetName": change_set})
    return {
        change["ResourceChange"]["LogicalResourceId"]: (
            change["ResourceChange"]["Action"],
            change["ResourceChange"].get("Replacement"),
            change["ResourceChange"].get("ChangeSetId"),
        )
        for change in described["Changes"]
    }


def test_new_gateway_image_changes_only_gateway(world):
    build = RehearsalBuild(NEW_GATEWAY)
    before = world.snapshot()
    assert [world.deploy(build, root) for root in ("bootstrap", "foundation")] == [None, None]
    root = world.preview(build, "app")
    children = listed(world, root)
    assert {name: action for name, (action, _, _) in children.items()} == {"Gateway": "Modify"}
    inner = listed(world, children["Gateway"][2])
    assert {name: change[:2] for name, change in inner.items()} == {
        "TaskDefinition": ("Modify", "True"),
        "Service": ("Modify", "False"),
    }

    described = world.engine.call("DescribeChangeSet", {"ChangeSetName": children["Gateway"][2]})
    values = {
        parameter["ParameterKey"]: parameter["ParameterValue"]
        for parameter in described["Parameters"]
    }
    assert values["GatewayImage"].startswith("gatewayimage-")
    assert values["PrivateSubnetIds"].count("subnet-") == 2

    phase = world.execute("app", root)
    assert phase.ok
    assert {(step.address, step.operation) for step in phase.steps} == {
        ("app:Gateway", "update"),
        ("app/gateway:TaskDefinition", "create"),
        ("app/gateway:Service", "update"),
        ("app/gateway:TaskDefinition", "delete"),
    }
    after = world.snapshot()
    different = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert different == {
        "app",
        "app:Gateway",
        "app/gateway",
        "app/gateway:TaskDefinition",
        "app/gateway:Service",
    }


def test_failure_in_agent_rolls_gateway_back(world):
    before = world.snapshot()
    world.engine.fault(Fault("no capacity", "update", "AWS::ECS::Service", "Service", nth=2))
    phase = world.deploy(RehearsalBuild(NEW_BOTH), "app")
    assert phase is not None
    assert phase.status == "UPDATE_ROLLBACK_COMPLETE"
    touched = {step.stack for step in phase.steps if step.type == "AWS::ECS::Service"}
    assert touched == {"app/gateway", "app/agent"}
    assert {step.reason for step in phase.failures} == {"no capacity"}
    assert len(before) > 150
    assert world.snapshot() == before
    assert all(stack.status.endswith("COMPLETE") for stack in world.engine.store.stacks.values())
    again = world.deploy(RehearsalBuild(NEW_BOTH), "app")
    assert again is not None
    assert again.ok


def test_failure_of_slowest_resource_rolls_everything_back():
    answer = rehearse(PROD, NEW_BOTH, "us-east-2")
    assert answer.ok
    assert [phase.root for phase in answer.phases] == ["app"]
    assert answer.rollback is not None
    assert answer.rollback.failed.type == "AWS::ECS::Service"
    assert answer.rollback.phase.failures[0].address == answer.rollback.failed.address
    assert answer.rollback.phase.failures[0].reason == "Injected by the rehearsal"


def test_injected_failure_hits_the_right_stack():
    agent = changed(PROD, "app.yaml", "euglena-prod/agent:1.0.0", "euglena-prod/agent:1.1.0")
    slower = changed(
        agent,
        "app/gateway.yaml",
        "HealthCheckGracePeriodSeconds: 360",
        "HealthCheckGracePeriodSeconds: 300",
    )
    rehearsal = rehearse(PROD, slower, "us-east-2")
    assert rehearsal.rollback is not None
    assert {s.address for s in rehearsal.phases[0].steps if s.type == "AWS::ECS::Service"} == {
        "app/gateway:Service",
        "app/agent:Service",
    }
    assert rehearsal.rollback.phase.failures[0].address == rehearsal.rollback.failed.address


def test_rehearsal_without_changes():
    rehearsal = rehearse(PROD, PROD, "us-east-2")
    assert (rehearsal.ok, rehearsal.phases, rehearsal.rollback) == (True, (), None)


def test_critical_path_determines_the_end():
    def step(name, began, ended):
        return RehearsalStep(
            "s", name, "AWS::SNS::Topic", "create", began, ended, "CREATE_COMPLETE"
        )

    stack = RehearsalStep("s", "Nested", STACK_TYPE, "create", 0, 9, "CREATE_COMPLETE")
    steps = (
        stack,
        step("A", 0, 3),
        step("B", 0, 5),
        step("C", 5, 6),
        step("D", 3, 4),
        step("E", 6, 9),
    )
    phase = Phase("s", "CREATE_COMPLETE", 9, steps)
    assert [step.logical_id for step in phase.critical_path] == ["B", "C", "E"]


# --- the verb ---

TOPIC = "Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Properties: {{ topic }}\n"


@pytest.fixture
def committed(project):
    """A project whose build is committed."""
    made = project(
        {
            "params/defaults.yaml": "topic: {TopicName: news, DisplayName: one}\n",
            "templates/main.yaml.j2": TOPIC,
        }
    )
    made.run("render", "--env", "dev", "--no-lint")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "m"],
    ):
        subprocess.run(["git", "-C", str(made.folder), *command], check=True)
    return made


def test_rehearse_shows_preview_times_and_rollback(committed):
    same = committed.run("rehearse", "--env", "dev", "--against", "HEAD")
    assert (same.returncode, same.stdout) == (0, "No changes.\n\nNothing to rehearse.\n")
    committed.write({"params/defaults.yaml": "topic: {TopicName: news, DisplayName: two}\n"})
    done = committed.run("rehearse", "--env", "dev", "--against", "HEAD")
    assert done.returncode == 0, done.stderr
    assert '~ DisplayName: "one" → "two"' in done.stdout
    assert "main: UPDATE_COMPLETE after 0:02" in done.stdout
    assert "0:00   0:02    ~ main:T  AWS::SNS::Topic" in done.stdout
    assert "100%   0:02    ~ main:T" in done.stdout
    assert "all 2 resources and stacks are exactly as before" in done.stdout

    shown = committed.run("rehearse", "--env", "dev", "--against", "HEAD", "--format", "json")
    data = json.loads(shown.stdout)
    assert (data["ok"], data["refused"], data["rollback"]["ok"]) == (True, [], True)
    assert data["preview"]["summary"]["change"] == 1
    assert data["phases"][0]["critical_path"] == ["main:T"]


def test_replacement_is_refused_unless_approved(committed):
    committed.write({"params/defaults.yaml": "topic: {TopicName: old, DisplayName: one}\n"})
    refused = committed.run("rehearse", "--env", "dev", "--against", "HEAD")
    assert refused.returncode == 1
    assert (
        "build/dev/main.yaml:3: error SW707 main:T (AWS::SNS::Topic) would be replaced without approval"
        in refused.stderr
    )
    assert "--allow-replace T" in refused.stderr
    allowed = committed.run("rehearse", "--env", "dev", "--against", "HEAD", "--allow-replace", "T")
    assert (allowed.returncode, allowed.stderr) == (0, "")


def test_ambiguous_logical_id_is_approved_by_address(committed):
    other = TOPIC.replace("{{ topic }}", "{TopicName: {{ other }}}")
    defaults = "topic: {TopicName: old}\nother: %s\n"
    committed.write({"templates/second.yaml.j2": other, "params/defaults.yaml": defaults % "one"})
    committed.run("render", "--env", "dev", "--no-lint")
    shutil.copytree(committed.folder / "build/dev", committed.folder / "base")
    committed.write({"params/defaults.yaml": "topic: {TopicName: new}\nother: two\n"})
    command = ("rehearse", "--env", "dev", "--against", "base", "--allow-replace")
    for names in (("T",), ("main:T",)):
        refused = committed.run(*command, *names)
        assert refused.returncode == 1
        assert refused.stderr.count("SW707") == 3 - len(names[0].split(":"))
        assert (
            "to approve it: --approve second:T:replacement (or --allow-replace second:T)"
            in refused.stderr
        )
    allowed = committed.run(*command, "main:T", "--approve", "second:T:replacement")
    assert (allowed.returncode, allowed.stderr) == (0, "")


def test_refusal_names_the_file_of_the_new_template_format(project):
    text = '{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {{ topic }}}}}\n'
    made = project(
        {
            "params/defaults.yaml": "topic: {TopicName: a}\n",
            "templates/main.yaml.j2": None,
            "templates/main.json.j2": text,
        }
    )
    made.run("render", "--env", "dev", "--no-lint")
    shutil.copytree(made.folder / "build/dev", made.folder / "old")
    made.write({"params/defaults.yaml": "topic: {TopicName: b}\n"})
    refused = made.run("rehearse", "--env", "dev", "--against", "old")
    assert re.match(r"build/dev/main\.json(:\d+)?: error SW707 main:T", refused.stderr), (
        refused.stderr
    )


def test_failed_update_shows_reason(committed):
    committed.write({"params/defaults.yaml": "topic: {TopicName: news, FifoTopic: true}\n"})
    failed = committed.run("rehearse", "--env", "dev", "--against", "HEAD", "--allow-replace", "T")
    assert failed.returncode == 1
    assert "SW705 the update of main fails: main:T: " in failed.stderr
    assert "a custom-named resource requires replacing" in failed.stderr
    assert "main: UPDATE_ROLLBACK_COMPLETE" in failed.stdout


def test_templates_may_be_json(committed):
    text = '{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "{{ topic.DisplayName }}"}}}}'
    old = text.replace("{{ topic.DisplayName }}", "zero")
    committed.write(
        {
            "templates/other.json.j2": text,
            "old/other.json": old,
            "old/main.yaml": TOPIC.replace("{{ topic }}", "{TopicName: news, DisplayName: one}"),
        }
    )
    done = committed.run("rehearse", "--env", "dev", "--against", "old")
    assert done.returncode == 0, done.stderr
    assert '~ DisplayName: "zero" → "one"' in done.stdout
    assert "other: UPDATE_COMPLETE" in done.stdout
    assert "main: " not in done.stdout


def test_failures_are_red():
    step = RehearsalStep(
        "app", "T", "AWS::SNS::Topic", "update", 0, 2, "UPDATE_FAILED", "no [room]"
    )
    failed = Phase(
        "app",
        "UPDATE_ROLLBACK_COMPLETE",
        4,
        (step,),
        "The following resource(s) failed to update: [T].",
    )
    rollback = Rollback(
        step, Phase("app", "UPDATE_ROLLBACK_COMPLETE", 4, ()), 2, ("app:T differs",)
    )
    rehearsal = Rehearsal((failed,), rollback)
    assert not rehearsal.ok
    assert not rollback.ok
    shown = Text.from_markup(rehearsal_as_text(rehearsal)).plain
    assert (
        "app: UPDATE_ROLLBACK_COMPLETE after 0:04\n  The following resource(s) failed to update: [T]."
        in shown
    )
    assert "  ! app:T  AWS::SNS::Topic" in shown
    assert "no [room]" in shown
    assert "not as before: app:T differs" in shown


@pytest.mark.parametrize(
    ("against", "text"),
    [
        ("nowhere", "SW502 the revision cannot be read"),
        ("empty", "SW703 empty has no templates"),
        ("broken", "SW703 the base cannot be deployed: main:T: Properties validation failed"),
    ],
)
def test_rehearsal_without_valid_base(committed, against, text):
    bad = "Resources: {T: {Type: AWS::SNS::Topic, Properties: {Colour: red}}}"
    committed.write({"empty/readme": "", "broken/main.yaml": bad})
    failed = committed.run("rehearse", "--env", "dev", "--against", against)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert text in failed.stderr
