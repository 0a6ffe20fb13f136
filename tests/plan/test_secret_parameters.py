"""NoEcho Parameters keep their values, and properties that hold secrets are hidden, by the command
line."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator import EmulatorSettings, LocalCloudFormation, Server
from tests.support.aws import ACCOUNT, REGION
from tests.support.projects import Project

TEMPLATE = """\
Parameters:
  Pw:
    Type: String
    NoEcho: true
Resources:
  Db:
    Type: AWS::RDS::DBInstance
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Snapshot
    Properties:
      DBInstanceClass: db.t4g.{{ size }}
      Engine: postgres
      StorageEncrypted: true
      AllocatedStorage: '20'
      MasterUsername: shop
      MasterUserPassword: !Ref Pw
"""
LITERAL = TEMPLATE.partition("Resources:")[1] + TEMPLATE.partition("Resources:")[2].replace(
    "!Ref Pw", "{{ pw }}"
)
GIVEN = ("--set", "deploy.parameters.main.Pw=hunter2-first")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCloudFormation]:
    with Server(EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT))) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running.engine


@pytest.fixture
def shop(engine: LocalCloudFormation, project: Callable[..., Project]) -> Project:
    params = f"project: shop\nregion: {REGION}\nsize: micro\n"
    return project({"params/defaults.yaml": params, "templates/main.yaml.j2": TEMPLATE})


def run(shop: Project, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A verb for the environment dev, of which just that is rendered."""
    sets = [option for pair in itertools.pairwise(options) if pair[0] == "--set" for option in pair]
    shop.run("render", "--env", "dev", "--no-lint", *sets)
    return shop.run(verb, "--env", "dev", *options)


def password(engine: LocalCloudFormation) -> str:
    (stack,) = engine.store.stacks.values()
    return str(stack.definition.parameters["Pw"])


def test_noecho_value_of_the_stack_is_kept(
    shop: Project, engine: LocalCloudFormation, tmp_path: Path
) -> None:
    missing = run(shop, "deploy", "--yes")
    assert missing.returncode == 1
    assert "SW882 nothing gives the Parameter Pw of main a value" in missing.stderr
    assert "give it once: --set deploy.parameters.main.Pw=…" in missing.stderr
    done = run(shop, "deploy", "--yes", *GIVEN)
    assert done.returncode == 0, done.stderr
    unchanged = run(shop, "deploy", "--yes")
    assert (unchanged.returncode, password(engine)) == (0, "hunter2-first"), unchanged.stderr

    larger = ("--set", "size=small")
    assert "db.t4g.small" in run(shop, "diff", "--against", "deployed", *larger).stdout
    saved = tmp_path / "plan.json"
    made = run(shop, "plan", "--out", str(saved), *larger)
    assert made.returncode == 0, made.stderr
    done = run(shop, "deploy", "--plan", str(saved), "--yes", *larger)
    assert (done.returncode, password(engine)) == (0, "hunter2-first"), done.stderr
    changed = run(
        shop, "deploy", "--yes", *larger, "--set", "deploy.parameters.main.Pw=hunter2-second"
    )
    assert (changed.returncode, password(engine)) == (0, "hunter2-second"), changed.stderr
    for result in (made, done, changed):
        assert "hunter2" not in result.stdout + result.stderr
    assert "hunter2" not in saved.read_text()


def test_saved_plan_refused_for_a_missing_flag_can_be_deployed_with_it(
    shop: Project, tmp_path: Path
) -> None:
    assert run(shop, "deploy", "--yes", *GIVEN).returncode == 0
    shop.write({"templates/main.yaml.j2": TEMPLATE.replace("Engine: postgres", "Engine: mysql")})
    saved = str(tmp_path / "plan.json")
    assert run(shop, "plan", "--keep", "--out", saved).returncode == 0
    refused = run(shop, "deploy", "--plan", saved, "--yes")
    assert refused.returncode == 1
    assert "SW820 needs approval: Db" in refused.stderr
    done = run(
        shop, "deploy", "--plan", saved, "--yes", "--allow-replace", "Db", "--allow-data-loss"
    )
    assert done.returncode == 0, done.stderr


def test_literal_secrets_in_properties_are_hidden(shop: Project) -> None:
    shop.write({"templates/main.yaml.j2": LITERAL})
    first, second = (("--set", f"pw=hunter2-{value}") for value in ("first", "second"))
    done = run(shop, "deploy", "--yes", *first)
    assert done.returncode == 0, done.stderr
    shown = [
        run(shop, "plan", "--format", style, *second) for style in ("text", "markdown", "json")
    ]
    shown.append(run(shop, "diff", "--against", "deployed", *second))
    for result in shown:
        assert result.returncode == 0, result.stderr
        assert "MasterUserPassword" in result.stdout
        assert "hunter2" not in result.stdout + result.stderr
