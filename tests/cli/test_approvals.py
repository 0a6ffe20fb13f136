"""Dangerous changes are refused with --yes, and pass with the approval that names them, by the
command line on the emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator import EmulatorSettings, Server
from tests.support.aws import ACCOUNT, REGION
from tests.support.projects import Project

BASE = """\
Outputs:
  Label: {Value: {{ label }}}
Resources:
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: {{ range }}}
  Topic:
    Type: AWS::SNS::Topic
    Properties: {TopicName: {{ topic }}}
"""
APP = """\
Parameters:
  Label: {Type: String}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {TopicName: !Sub 'app-${Label}'}
"""
PARAMS = f"""\
prefix: shop
region: {REGION}
stacks: [base, app]
range: 10.0.0.0/8
topic: one
label: one
"""
OPEN = ("--set", "range=0.0.0.0/0")
TOPIC = ("--set", "topic=two")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, project: Callable[..., Project]) -> Iterator[Project]:
    """Two root stacks that are deployed."""
    with Server(EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT))) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        made = project(
            {
                "params/defaults.yaml": PARAMS,
                "params/local.yaml": "",
                "templates/base.yaml.j2": BASE,
                "templates/app.yaml.j2": APP,
            }
        )
        assert deploy(made).exit_code == 0
        yield made


def deploy(shop: Project, *options: str) -> Result:
    return shop.invoke("deploy", "--env", "local", "--yes", *options)


def test_refusal_offers_the_narrow_approval_first(shop: Project) -> None:
    refused = deploy(shop, *OPEN, *TOPIC)
    assert refused.exit_code == 1
    assert "add --approve Group:access (or --allow-broader-access)" in refused.stderr
    assert "add --approve base:Topic:replacement (or --allow-replace" not in refused.stderr
    assert "add --approve Topic:replacement (or --allow-replace Topic)" in refused.stderr


def test_approval_of_the_kind_lets_the_change_through(shop: Project) -> None:
    for approval in ("Group:data", "Topic"):
        refused = deploy(shop, *OPEN, "--approve", approval)
        assert refused.exit_code == 1, refused.output
        assert "SW822 needs approval: Group opens tcp/443 to 0.0.0.0/0" in refused.stderr
        assert f"note: --approve {approval} is not needed" in refused.stderr
    done = deploy(shop, *OPEN, "--approve", "base:Group:access")
    assert (done.exit_code, "note:" in done.stderr) == (0, False), done.output


def test_waiver_in_the_template_lets_the_change_through(shop: Project) -> None:
    until = datetime.now(UTC).date() + timedelta(days=30)
    waiver = f"{{kind: access, reason: partners, until: {until}}}"
    metadata = f"    Metadata: {{stackwright: {{waive: [{waiver}]}}}}\n"
    named = "    Type: AWS::EC2::SecurityGroup\n"
    shop.write({"templates/base.yaml.j2": BASE.replace(named, named + metadata)})
    done = deploy(shop, *OPEN)
    assert done.exit_code == 0, done.output
    assert f"Waived until {until}: Group opens tcp/443 to 0.0.0.0/0" in done.stdout
    assert f"New waiver: base:Group, access until {until}: partners" in done.stdout
    expired = BASE.replace(named, named + metadata.replace(str(until), "2020-01-01"))
    shop.write({"templates/base.yaml.j2": expired})
    refused = deploy(shop, *OPEN)
    assert refused.exit_code == 1
    assert (
        "templates/base.yaml.j2:6: error SW382 the waiver expired on 2020-01-01" in refused.stderr
    )


def test_unknown_names_are_refused_before_anything_changes(shop: Project) -> None:
    wrong = ("--approve", "Grup", "--approve", "Group:acess")
    refused = deploy(shop, *OPEN, "--allow-broader-access", *wrong)
    assert refused.exit_code == 1
    assert "SW830 --approve Grup: no resource Grup in this plan" in refused.stderr
    assert "did you mean Group:access?" in refused.stderr
    assert "nothing to do" in deploy(shop, "--approve", "Grup").output


def test_later_root_takes_a_named_approval(shop: Project) -> None:
    done = deploy(shop, "--set", "label=two", "--approve", "app:Topic:replacement")
    assert done.exit_code == 0, done.output


def test_saved_plan_and_rollback_take_named_approvals(shop: Project, tmp_path: Path) -> None:
    saved = str(tmp_path / "plan.json")
    assert shop.invoke("plan", "--env", "local", "--out", saved, *TOPIC).exit_code == 0
    approval = ("--approve", "base:Topic")
    refused = deploy(shop, *TOPIC, "--plan", saved)
    assert "SW820 needs approval: Topic is replaced" in refused.stderr
    done = deploy(shop, *TOPIC, "--plan", saved, *approval)
    assert done.exit_code == 0, done.output
    for verb in ("rollback", "import", "drift", "rehearse"):
        assert "--approve LOGICAL_ID[:KIND]" in shop.invoke(verb, "--help").output, verb
