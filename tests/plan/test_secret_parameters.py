"""NoEcho Parameters keep their values, and properties that hold secrets are hidden, by the command
line."""

from __future__ import annotations

import itertools
import os
import pty
import secrets
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator import EmulatorSettings, Fault, LocalCloudFormation, Server
from tests.deploy.bad_days.world import encoded
from tests.support.aws import ACCOUNT, REGION
from tests.support.projects import RENDER_PY, Project, files

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
KEY = "deploy.parameters.main.Pw"
GIVEN = ("--set", f"{KEY}=hunter2-first")


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
    pairs = itertools.pairwise(options)
    sets = [option for pair in pairs if pair[0].startswith("--set") for option in pair]
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
    assert f"give it once: --set-file {KEY}=PATH, or --set-env {KEY}=NAME" in missing.stderr
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


def test_value_from_a_file_has_no_final_newline(
    shop: Project, engine: LocalCloudFormation, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2: # as it is\n\n")
    done = run(shop, "deploy", "--yes", "--set-file", f"{KEY}={file}")
    assert (done.returncode, password(engine)) == (0, "hunter2: # as it is\n"), done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "SW026" not in done.stderr


def test_value_from_a_variable_is_text(
    shop: Project, engine: LocalCloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "0123")
    done = run(shop, "deploy", "--yes", "--set-env", f"{KEY}=SHOP_PASSWORD")
    assert (done.returncode, password(engine)) == (0, "0123"), done.stderr


def test_value_on_the_command_line_is_warned_of(shop: Project) -> None:
    planned = run(shop, "plan", *GIVEN)
    assert planned.returncode == 0, planned.stderr
    assert f"--set {KEY}: warning SW026 --set shows the value of the NoEcho" in planned.stderr
    assert f"use --set-file {KEY}=PATH or --set-env {KEY}=NAME" in planned.stderr
    assert "hunter2" not in planned.stdout + planned.stderr


@pytest.mark.parametrize("verb", ["plan", "deploy"])
def test_missing_value_is_asked_for_on_a_terminal(
    shop: Project, engine: LocalCloudFormation, verb: str
) -> None:
    shop.run("render", "--env", "dev", "--no-lint")
    options = ["--yes"] if verb == "deploy" else []
    code, output = answer(shop, "hunter2-typed", verb, "--env", "dev", *options)
    assert code == 0, output
    assert "value of the Parameter Pw of main" in output
    assert "hunter2" not in output
    assert output.count("value of the Parameter") == 1
    if verb == "deploy":
        assert password(engine) == "hunter2-typed"


def test_empty_answer_gives_no_value(shop: Project) -> None:
    shop.run("render", "--env", "dev", "--no-lint")
    code, output = answer(shop, "", "plan", "--env", "dev")
    assert code == 1
    assert "SW882" in output


def answer(shop: Project, text: str, *arguments: str) -> tuple[int, str]:
    """Run a verb on a terminal, and type a line as soon as the terminal does not show it."""
    master, terminal = pty.openpty()
    command = [sys.executable, str(RENDER_PY), *arguments, "--project", str(shop.folder)]
    with subprocess.Popen(
        command,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        cwd=shop.folder,
    ) as process:
        while process.poll() is None and termios.tcgetattr(terminal)[3] & termios.ECHO:
            time.sleep(0.02)
        time.sleep(0.1)  # getpass discards what was typed before
        os.write(master, f"{text}\n".encode())
        output, _ = process.communicate(timeout=120)
    os.close(master)
    os.close(terminal)
    return process.returncode, output


def test_value_is_written_nowhere(
    shop: Project, engine: LocalCloudFormation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever verb takes it, and whether that succeeds or fails; with --debug."""
    value = f"{secrets.token_urlsafe(12)}/+ &='\"{secrets.token_urlsafe(12)}"
    monkeypatch.setenv("SHOP_PASSWORD", value)
    given = ("--set-env", f"{KEY}=SHOP_PASSWORD", "--debug")
    saved = str(tmp_path / "plan.json")
    engine.fault(Fault("no room", operation="create", logical_id="Db"))
    outputs = [
        run(shop, *command, *given)
        for command in (
            ("lint",),
            ("params", "--origin"),
            ("graph",),
            ("plan", "--out", saved),
            ("deploy", "--yes"),
            ("recover", "--yes"),
            ("deploy", "--yes"),
            ("diff", "--against", "deployed"),
            ("plan", "--format", "json"),
            ("status",),
            ("package", "--out", str(tmp_path / "dist")),
        )
    ]
    definitions = (stack.definition for stack in engine.store.stacks.values())
    assert [made.parameters["Pw"] for made in definitions if made] == [value]
    assert "no room" in outputs[4].stderr
    written = [*files(tmp_path).values()]
    written += [(output.stdout + output.stderr).encode() for output in outputs]
    assert [data for data in written for form in encoded(value) if form in data] == []


@pytest.mark.parametrize("style", ["yaml", "json"])
@pytest.mark.parametrize("options", [(), ("--origin",)])
def test_parameters_are_shown_without_hidden_values(
    shop: Project, style: str, options: tuple[str, ...]
) -> None:
    shown = shop.invoke("params", "--env", "dev", "--format", style, *options, *GIVEN)
    assert shown.exit_code == 0
    assert "hunter2" not in shown.output
    assert "(hidden)" in shown.output
    assert "micro" in shown.output


def test_explanation_has_no_hidden_value(shop: Project) -> None:
    for what in (KEY, "main:Db.Properties.MasterUserPassword"):
        shown = shop.invoke("explain", what, "--env", "dev", *GIVEN)
        assert shown.exit_code == 0, shown.output
        assert "hunter2" not in shown.output


SCHEMA = """{"type": "object", "properties": {"deploy": {"type": "object", "properties": {
  "parameters": {"type": "object", "properties": {"main": {"type": "object", "properties": {
    "Pw": {"type": "string", "maxLength": 5, "pattern": "^[A-Z]+$"}}}}}}}}}"""
MISTAKES = {
    "broken YAML": ("--set", f"{KEY}=[hunter2", "SW003"),
    "alias": ("--set", f"{KEY}=*hunter2", "SW003"),
    "tag": ("--set", f"{KEY}=!hunter2 x", "SW005"),
    "not by the schema": ("--set", f"{KEY}=hunter2", "SW012"),
    "of another type": ("--set", f"{KEY}=[hunter2]", "SW011"),
    "root is text": ("--set", "deploy.parameters.main=hunter2", "SW011"),
    "parameters are text": ("--set", "deploy.parameters=hunter2", "SW011"),
    "value for a path": ("--set-file", f"{KEY}=hunter2", "SW002"),
    "value for a name": ("--set-env", f"{KEY}=hunter2", "SW009"),
    "file without a key": ("--set-file", "=hunter2", "SW009"),
    "variable without a key": ("--set-env", "=hunter2", "SW009"),
    "variable that the schema refuses": ("--set-env", f"{KEY}=SHOP_PASSWORD", "SW012"),
    "variable as a map": ("--set-env", "deploy.parameters.main=SHOP_PASSWORD", "SW011"),
}


@pytest.mark.parametrize(("option", "argument", "code"), MISTAKES.values(), ids=MISTAKES.keys())
def test_message_about_a_value_does_not_show_it(
    project: Callable[..., Project],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    argument: str,
    code: str,
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2")
    shop = project({"params/schema.json": SCHEMA, "params/dev.yaml": "size: micro\n"})
    for style in ("text", "json", "sarif", "github"):
        done = shop.invoke("lint", "--env", "dev", "--format", style, option, argument)
        assert done.exit_code == 1
        assert code in done.output
        assert "hunter2" not in done.output


@pytest.mark.parametrize("key", ["deploy.parameters", "deploy.parameters.main"])
def test_text_in_place_of_a_map_is_refused_without_its_text(shop: Project, key: str) -> None:
    done = run(shop, "plan", "--set", f"{key}=hunter2")
    assert done.returncode == 1
    assert f"SW882 {key} is no map of values by name" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
