"""Values that flow from one root to the next: what a plan says of later roots, and what a saved
plan allows. Through the real command line, against an emulator in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from stackwright.aws import Boto
from stackwright.cfn import Pseudo
from stackwright.core import DeployError
from stackwright.deploy.saved_plan import require_within_plan
from stackwright.diff import Diff, Effect, PropertyDiff, ResourceDiff
from stackwright.emulator import EmulatorSettings, Server
from stackwright.plan import (
    Certainty,
    DesiredStack,
    ListedChange,
    Plan,
    PlannedChange,
    RootAction,
    RootPlan,
    read_plan,
    save_plan,
)
from tests.support.aws import ACCOUNT, REGION, client
from tests.support.projects import Project

Make = Callable[..., Project]

DEFAULTS = "project: demo\nregion: us-east-2\nstacks: [net, app]\nname: one\nkey: one\n"
ALONE = "project: demo\nregion: us-east-2\nstacks: [app]\n"
NET = """\
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: {{ name }}, TopicName: demo-{{ key }}}}
Outputs:
  Label: {Value: {{ name }}}
  TopicArn: {Value: !Ref Topic}
"""
APP = """\
Parameters: {Label: {Type: String}}
Resources:
  Note: {Type: AWS::SSM::Parameter, Properties: {Type: String, Name: /demo/note, Value: !Ref Label}}
"""
MIDDLE = """\
Parameters: {Label: {Type: String}}
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Label}}
Outputs:
  Title: {Value: !Sub "<${Label}>"}
"""
BUCKET = """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties: {BucketName: demo-artifacts}
Outputs:
  ArtifactBucketName: {Value: !Ref Bucket}
"""
OUTER = """\
Resources:
  {{ nested_stacks() }}
Outputs:
  Label: {Value: !GetAtt Inner.Outputs.Label}
"""
NOTED = """\
Parameters: {Label: {Type: String}}
Resources:
  {{ nested_stacks() }}
"""
NESTING = """\
Resources:
  {{ nested_stacks() }}
"""
CONDITIONAL = """\
Parameters: {Label: {Type: String}}
Conditions: {Wanted: !Equals [!Ref Label, one]}
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Table:
    Type: AWS::DynamoDB::Table
    Condition: Wanted
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""
SUBSCRIBED = """\
Parameters: {TopicArn: {Type: String}}
Resources:
  Alarm:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref TopicArn, Protocol: email, Endpoint: a@example.org}
"""


class Shop:
    """A project of several roots with its emulated account."""

    def __init__(self, project: Project) -> None:
        self.project, self.aws = project, Boto(REGION)

    def set(self, **values: str) -> None:
        """Change parameters."""
        text = (self.project.folder / "params/defaults.yaml").read_text()
        for name, value in values.items():
            lines = [line for line in text.splitlines() if not line.startswith(f"{name}:")]
            text = "\n".join([*lines, f"{name}: {value}", ""])
        self.project.write({"params/defaults.yaml": text})

    def template(self, **templates: str) -> None:
        """Add or replace templates of roots."""
        self.project.write({f"templates/{name}.yaml.j2": text for name, text in templates.items()})

    def run(self, verb: str, *arguments: str, code: int = 0) -> str:
        """Everything that a verb prints."""
        self.project.invoke("render", "--env", "dev")
        result = self.project.invoke(verb, "--env", "dev", *arguments)
        assert result.exit_code == code, result.output
        return result.output

    def deploy(self, *arguments: str, code: int = 0) -> str:
        return self.run("deploy", "--yes", *arguments, code=code)

    def stored(self, name: str) -> str:
        """The value of a parameter in Parameter Store."""
        return str(client("ssm").get_parameter(Name=name)["Parameter"]["Value"])

    def store(self, name: str, value: str) -> None:
        """Put a parameter into Parameter Store, outside of all stacks."""
        client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    def status(self, root: str) -> str | None:
        stack = self.aws.stack(f"demo-dev-{root}")
        return stack.status if stack else None

    def updated(self, root: str) -> bool:
        return self.status(root) == "UPDATE_COMPLETE"


STORING = """\
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: demo-{{ key }}}}
  Stored: {Type: AWS::SSM::Parameter, Properties: {Type: String, Name: /demo/topic, Value: {{ name }}}}
"""
READING = """\
Parameters: {Topic: {Type: "AWS::SSM::Parameter::Value<String>", Default: /demo/topic}}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Delete
    Properties:
      TableName: !Ref Topic
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""
DYNAMIC = """\
Resources:
  Note:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: /demo/note, Value: "see {{ dynref("ssm", "/demo/topic") }}"}
"""


@pytest.fixture
def shop(project: Make, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Shop]]:
    settings = EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT))
    with Server(settings, mirror=True) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)

        def make(defaults: str = DEFAULTS, **templates: str) -> Shop:
            files: Mapping[str, str | None] = {
                "params/defaults.yaml": defaults,
                "templates/main.yaml.j2": None,
                **{f"templates/{name}.yaml.j2": text for name, text in templates.items()},
            }
            return Shop(project(files))

        yield make


def test_changed_output_is_predicted_in_the_next_root(
    shop: Callable[..., Shop], tmp_path: Path
) -> None:
    case, saved = shop(net=NET, app=APP), str(tmp_path / "plan.json")
    case.deploy()
    case.set(name="two")
    plan = case.run("plan", "--out", saved)
    assert "no changes" not in plan
    assert "app (demo-dev-app) will be updated after net: 1 to change" in plan
    case.deploy("--plan", saved)
    assert case.stored("/demo/note") == "two"


def test_arn_of_a_replaced_topic_is_asked_about_before_the_first_root(
    shop: Callable[..., Shop], tmp_path: Path
) -> None:
    case, saved = shop(net=NET, app=SUBSCRIBED), str(tmp_path / "plan.json")
    case.deploy()
    case.set(key="two")
    plan = case.run("plan", "--out", saved)
    assert "app (demo-dev-app) will be updated after net: 1 to replace" in plan
    assert "not fixed by the plan: TopicArn of demo-dev-app" in plan
    refused = case.deploy("--allow-replace", "Topic", code=1)
    assert "Alarm" in refused
    assert not case.updated("net")
    case.deploy("--plan", saved, "--allow-replace", "Topic", "--allow-replace", "Alarm")
    assert (case.updated("net"), case.updated("app")) == (True, True)


def test_values_flow_through_a_chain_of_roots(shop: Callable[..., Shop], tmp_path: Path) -> None:
    case = shop(
        DEFAULTS.replace("[net, app]", "[net, mid, app]"),
        net=NET,
        mid=MIDDLE,
        app=APP.replace("Label", "Title"),
    )
    case.deploy()
    case.set(name="two")
    saved = str(tmp_path / "plan.json")
    plan = case.run("plan", "--out", saved)
    assert "mid (demo-dev-mid) will be updated after net: 1 to change" in plan
    assert "app (demo-dev-app) will be updated after mid: 1 to change" in plan
    assert '~ Value: "<one>" → "<two>"' in plan
    case.deploy("--plan", saved)
    assert case.stored("/demo/note") == "<two>"


def test_diff_against_deployed_lets_values_flow_as_a_plan_does(shop: Callable[..., Shop]) -> None:
    case = shop(net=NET, app=CONDITIONAL)
    added = case.run("diff", "--against", "deployed")
    assert "+ Table" in added
    case.deploy()
    case.set(name="two")
    diff = case.run("diff", "--against", "deployed")
    assert "- Table" in diff
    assert "Plan: 0 to add, 1 to change, 0 to replace, 1 to remove." in diff


def test_diff_against_deployed_reads_parameter_store(shop: Callable[..., Shop]) -> None:
    case = shop(ALONE, app=READING)
    case.store("/demo/topic", "one")
    case.deploy()
    assert case.run("diff", "--against", "deployed") == "No changes.\n"
    case.store("/demo/topic", "two")
    diff = case.run("diff", "--against", "deployed")
    assert '~ TableName: "one" → "two"  # forces replacement' in diff


def test_unchanged_output_of_a_changed_resource_leaves_the_next_root_alone(
    shop: Callable[..., Shop],
) -> None:
    case = shop(net=NET.replace("Label: {Value: {{ name }}}", "Label: {Value: x}"), app=APP)
    case.deploy()
    case.set(name="two")
    plan = case.run("plan")
    assert "no changes: app (demo-dev-app)" in plan
    case.deploy()
    assert (case.updated("net"), case.updated("app")) == (True, False)


def test_removed_output_is_refused_before_the_first_root(shop: Callable[..., Shop]) -> None:
    conditional = NET.replace("Label: {", "Label: {Condition: Wanted, ").replace(
        "Resources:", "Conditions: {Wanted: !Equals [{{ name }}, one]}\nResources:"
    )
    case = shop(net=conditional, app=APP)
    case.deploy()
    case.set(name="two")
    refused = case.deploy(code=1)
    assert "app takes the Parameter Label from the Output Label of net" in refused
    assert not case.updated("net")


def test_parameter_falls_back_to_its_default_without_the_output(
    shop: Callable[..., Shop],
) -> None:
    case = shop(net=NET, app=APP.replace("{Type: String}", "{Type: String, Default: none}"))
    case.deploy()
    case.template(net=NET.replace("  Label: {Value: {{ name }}}\n", ""))
    plan = case.run("plan")
    assert '~ Value: "one" → "none"' in plan
    case.deploy()
    assert case.stored("/demo/note") == "none"


def test_output_of_a_nested_stack_is_predicted_in_the_next_root(
    shop: Callable[..., Shop], tmp_path: Path
) -> None:
    defaults = DEFAULTS.replace("[net, app]", "[base, {net: [inner]}, {app: [note]}]")
    inner = NET.replace("  TopicArn: {Value: !Ref Topic}\n", "")
    nested = {"net/inner": inner, "app/note": APP}
    case = shop(defaults, base=BUCKET, net=OUTER, app=NOTED, **nested)
    case.deploy()
    case.set(name="two")
    saved = str(tmp_path / "plan.json")
    plan = case.run("plan", "--out", saved)
    assert "app (demo-dev-app) will be updated after net: 1 to change" in plan
    assert '~ Value: "one" → "two"' in plan
    case.deploy("--plan", saved)
    assert case.stored("/demo/note") == "two"


def test_new_danger_stops_a_saved_plan_before_its_root(
    shop: Callable[..., Shop], tmp_path: Path
) -> None:
    """The plan does not know the value, and with it whether the role grants more."""
    case, saved = shop(net=NET, app=APP), tmp_path / "plan.json"
    case.deploy()
    case.set(name="two")
    case.run("plan", "--out", str(saved))
    plan = read_plan(saved.read_text())
    without = [replace(root, changes=()) for root in plan.roots]
    saved.write_text(save_plan(replace(plan, roots=(plan.roots[0], without[1]))))
    refused = case.deploy("--plan", str(saved), code=1)
    assert "SW888" in refused
    assert "app:Note (change)" in refused
    assert not case.updated("app")


# --- Parameter Store


def test_parameter_of_an_earlier_root_is_to_come(shop: Callable[..., Shop], tmp_path: Path) -> None:
    case, saved = shop(net=STORING, app=READING), str(tmp_path / "plan.json")
    plan = case.run("plan")
    assert "app (demo-dev-app) will be created after net" in plan
    case.deploy()
    assert case.status("app") == "CREATE_COMPLETE"
    assert "nothing to do" in case.deploy()
    case.set(name="two")
    plan = case.run("plan", "--out", saved)
    assert "app (demo-dev-app) will be updated after net: 1 to replace" in plan
    refused = case.deploy(code=1)
    assert "Table" in refused
    assert not case.updated("net")
    case.deploy("--plan", saved, "--allow-replace", "Table", "--allow-data-loss")
    assert (case.updated("net"), case.updated("app")) == (True, True)


def test_dynamic_reference_to_an_earlier_root_is_to_come(
    shop: Callable[..., Shop], tmp_path: Path
) -> None:
    case, saved = shop(net=STORING, app=DYNAMIC), str(tmp_path / "plan.json")
    case.deploy()
    assert case.stored("/demo/note") == "see one"
    case.set(name="two")
    plan = case.run("plan", "--out", saved)
    assert "app (demo-dev-app) will be updated after net: 1 to change" in plan
    assert '~ Value: "see one" → "see two"' in plan
    case.deploy("--plan", saved)
    assert case.stored("/demo/note") == "see two"


def test_value_that_moved_outside_is_an_update(shop: Callable[..., Shop]) -> None:
    case = shop(ALONE, app=READING)
    case.store("/demo/topic", "one")
    case.deploy()
    assert "nothing to do" in case.deploy()
    case.store("/demo/topic", "two")
    plan = case.run("plan")
    assert "1 to replace" in plan
    assert '~ TableName: "one" → "two"' in plan
    refused = case.deploy(code=1)
    assert "Table" in refused
    case.deploy("--allow-replace", "Table", "--allow-data-loss")
    assert "nothing to do" in case.deploy()


def test_dynamic_reference_whose_value_moved_is_an_update(shop: Callable[..., Shop]) -> None:
    case = shop(ALONE, app=DYNAMIC)
    case.store("/demo/topic", "one")
    case.deploy()
    case.store("/demo/topic", "two")
    plan = case.run("plan")
    assert '~ Value: "see one" → "see two"' in plan
    case.deploy()
    assert case.stored("/demo/note") == "see two"


SECRET = """\
Resources:
  Note:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Name: /demo/note
      Value: {{ dynref("secretsmanager", "demo/db", "SecretString", "user") }}
"""


def test_moved_secret_is_noted_with_the_way_to_use_it(shop: Callable[..., Shop]) -> None:
    case, secrets = shop(ALONE, app=SECRET), client("secretsmanager")
    secrets.create_secret(Name="demo/db", SecretString='{"user": "one"}')
    case.deploy()
    assert "keeps its value" not in case.run("plan")
    time.sleep(1)
    version = secrets.put_secret_value(SecretId="demo/db", SecretString='{"user": "two"}')[
        "VersionId"
    ]
    plan = " ".join(case.run("plan").split())
    assert "app:Note keeps its value of demo/db, which was changed on" in plan
    assert f"{{{{resolve:secretsmanager:demo/db:SecretString:user::{version}}}}}" in plan
    assert "nothing to do" in case.deploy()
    assert case.stored("/demo/note") == "one"


def test_nested_stack_reads_a_parameter_of_an_earlier_root(
    shop: Callable[..., Shop], tmp_path: Path
) -> None:
    defaults = DEFAULTS.replace("[net, app]", "[base, net, {app: [note]}]")
    note = READING.partition("Resources:")[0] + APP.partition("\n")[2].replace("Label", "Topic")
    case = shop(defaults, base=BUCKET, net=STORING, app=NESTING, **{"app/note": note})
    case.deploy()
    assert case.stored("/demo/note") == "one"
    case.set(name="two")
    saved = str(tmp_path / "plan.json")
    plan = case.run("plan", "--out", saved)
    assert "app (demo-dev-app) will be updated after net: 1 to change" in plan
    case.deploy("--plan", saved)
    assert case.stored("/demo/note") == "two"


def test_removed_parameter_is_refused_before_the_first_root(shop: Callable[..., Shop]) -> None:
    case = shop(net=STORING, app=DYNAMIC)
    case.deploy()
    case.template(net=STORING.partition("  Stored")[0].replace("demo-", "{{ name }}-"))
    refused = case.deploy(code=1)
    assert "app reads /demo/topic from Parameter Store" in refused
    assert not case.updated("net")


def test_condition_on_a_changed_output_is_predicted(shop: Callable[..., Shop]) -> None:
    case = shop(net=NET, app=CONDITIONAL)
    case.deploy()
    case.set(name="two")
    plan = case.run("plan")
    assert "app (demo-dev-app) will be updated after net: 1 to remove" in plan
    refused = case.deploy(code=1)
    assert "Table" in refused
    assert not case.updated("net")


def test_danger_that_the_saved_plan_lacks_is_refused() -> None:
    group = PropertyDiff("SecurityGroupIngress[0].CidrIp", "10.0.0.0/16", "10.0.0.0/24")
    opened = replace(group, after="0.0.0.0/0")
    saved, within, beyond = (
        RootPlan(
            DesiredStack("app", "demo-dev-app", {"app": "{}"}, {}, {}, {}),
            kind,
            Diff(),
            (
                PlannedChange(
                    ResourceDiff(
                        "app", "Group", "AWS::EC2::SecurityGroup", Effect.CHANGE, properties=(leaf,)
                    ),
                    ListedChange.BOTH,
                    Certainty.CERTAIN,
                ),
            ),
            live={"id": "arn"},
        )
        for kind, leaf in (
            (RootAction.LATER, group),
            (RootAction.UPDATE, group),
            (RootAction.UPDATE, opened),
        )
    )
    plan = Plan("dev", ACCOUNT, REGION, "me", "", datetime.now(UTC), (saved,))
    require_within_plan(plan, saved, within)
    with pytest.raises(DeployError, match="does not say that Group may allow more"):
        require_within_plan(plan, saved, beyond)
