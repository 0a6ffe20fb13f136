"""The verbs as users call them: stdout, stderr and exit status."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

import stackwright
from stackwright.cli.verbs import GROUPS
from stackwright.lint import catalogue
from tests.support.projects import RENDER_PY, REPOSITORY, Project, files, small

Make = Callable[..., Project]

APP = {
    "params/defaults.yaml": (
        "stacks:\n  - base\n  - app: [network, service]\n"
        "network: {cidr: 10.0.0.0/16, zones: [a, b]}\nsize: 1\nnames: {x: 1}\n"
    ),
    "params/dev.yaml": "# dev\nsize: 2\n",
    "params/prod.yaml": "size: 3\n",
    "templates/main.yaml.j2": None,
    "templates/base.yaml.j2": "Resources:\n  T: {Type: AWS::SNS::Topic}\nOutputs:\n  TopicArn: {Value: !Ref T}\n",
    "templates/app.yaml.j2": "Parameters:\n  {{ wired_parameters() }}\nResources:\n  {{ nested_stacks() }}\n",
    "templates/app/network.yaml.j2": (
        "Resources:\n  Vpc:\n    Type: AWS::EC2::VPC\n    Properties:\n      CidrBlock: {{ network.cidr }}\n"
        "      Tags:\n        - Key: zones\n          Value: {{ network.zones | join(',') }}\n"
        "Outputs:\n  VpcId: {Value: !Ref Vpc}\n  Cidr: {Value: !GetAtt Vpc.CidrBlock}\n"
    ),
    "templates/app/service.yaml.j2": (
        "{% from 'macros/topic.j2' import topic %}\nParameters:\n  VpcId: {Type: AWS::EC2::VPC::Id}\n"
        "  Cidr: {Type: String}\n  TopicArn: {Type: String}\nResources:\n"
        "  {{ topic(size) }}\n  Use:\n    Type: AWS::SSM::Parameter\n    Properties:\n      Type: String\n"
        '      Value: !Sub "${VpcId} ${Cidr} ${TopicArn}"\n    Metadata:\n      Names: {{ names }}\n'
    ),
    "templates/macros/topic.j2": (
        "{% macro topic(size) %}\nTopic:\n  Type: AWS::SNS::Topic\n  Properties:\n"
        "    DisplayName: size {{ size }}\n{% endmacro %}\n"
    ),
}


# --- render and lint ---


def test_render_writes_the_build(project: Make) -> None:
    made = project()
    result = made.run("render", "--env", "dev")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "build/dev: 1 templates, no problems, written\n"
    assert set(made.built()) == {"main.yaml"}
    assert (
        made.run("render", "--env", "dev").stderr
        == "build/dev: 1 templates, no problems, unchanged\n"
    )


def test_default_environment_is_local(project: Make) -> None:
    made = project({"params/local.yaml": ""})
    assert made.invoke("render", "--no-lint").exit_code == 0
    assert made.built("local")


def test_render_all_writes_every_environment(project: Make) -> None:
    made = project({"params/prod.yaml": "title: p\n"})
    result = made.invoke("render", "--all")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [
        f"build/{name}: 1 templates, no problems, written" for name in ("dev", "prod")
    ]
    assert b"DisplayName: p" in made.built("prod")["main.yaml"]


def test_render_check_tells_fresh_from_stale_builds(project: Make) -> None:
    made = project()
    made.invoke("render", "--env", "dev")
    fresh = made.invoke("render", "--env", "dev", "--check")
    assert (fresh.exit_code, fresh.stdout) == (0, "")
    assert fresh.stderr == "build/dev: 1 templates, no problems, up to date\n"
    before = made.built()
    made.write({"params/dev.yaml": "title: other\n"})
    stale = made.invoke("render", "--env", "dev", "--check")
    assert stale.exit_code == 1
    assert stale.stdout.startswith("--- build/dev/main.yaml\n+++ build/dev/main.yaml\n")
    assert "+      DisplayName: other\n" in stale.stdout
    assert "SW031 build/dev is not what the inputs render to" in stale.stderr
    assert "run stackwright render --env dev, and commit the result" in stale.stderr
    assert made.built() == before


def test_render_check_fails_without_a_build(project: Make) -> None:
    made = project()
    result = made.invoke("render", "--env", "dev", "--check")
    assert (result.exit_code, (made.folder / "build/dev").exists()) == (1, False)


def test_render_check_all_shows_every_stale_build(project: Make) -> None:
    made = project({"params/prod.yaml": ""})
    result = made.invoke("render", "--all", "--check")
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if line.startswith("+++")] == [
        "+++ build/dev/main.yaml",
        "+++ build/prod/main.yaml",
    ]


BAD = "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n    Properties: {LogGroupName: {{ title }}}\n"


def test_findings_stop_the_write(project: Make) -> None:
    made = project({"templates/main.yaml.j2": BAD})
    result = made.invoke("render", "--env", "dev")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "templates/main.yaml.j2:2: error SW350" in result.stderr
    assert "    in build/dev/main.yaml:3\n" in result.stderr
    assert not (made.folder / "build/dev").exists()
    assert made.invoke("render", "--env", "dev", "--no-lint").exit_code == 0


def test_warnings_do_not_stop_the_write(project: Make) -> None:
    made = project({"env/dev/.env": "URL=x\n", "params/dev.yaml": "variables: {computed: [URL]}\n"})
    result = made.invoke("render", "--env", "dev")
    assert result.exit_code == 0
    assert "env/dev/.env:1: warning SW021 URL is computed" in result.stderr
    assert "build/dev: 1 templates, 1 warning, written" in result.stderr


@pytest.mark.parametrize("verb", ["render", "lint"])
@pytest.mark.parametrize("style", ["json", "sarif", "github"])
def test_machine_readable_findings_go_to_stdout(verb: str, style: str, project: Make) -> None:
    result = project({"templates/main.yaml.j2": BAD}).invoke(
        verb, "--env", "dev", "--format", style
    )
    assert result.exit_code == 1
    if style == "github":
        assert result.stdout.startswith("::error file=templates/main.yaml.j2,line=2,title=SW350::")
    else:
        assert json.loads(result.stdout)
    assert "templates/main.yaml.j2" not in result.stderr


@pytest.mark.parametrize("verb", ["render", "lint"])
def test_input_errors_are_machine_readable_too(verb: str, project: Make) -> None:
    result = project({"params/dev.yaml": "a: [\n"}).invoke(
        verb, "--env", "dev", "--format", "github"
    )
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "::error file=params/dev.yaml,line=2,title=SW003::not valid YAML"
    )
    assert result.stderr == ""


def test_lint_writes_nothing(project: Make) -> None:
    made = project()
    result = made.invoke("lint", "--env", "dev")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no problems\n")
    assert not (made.folder / "build/dev").exists()


def test_lint_lists_the_waivers(project: Make) -> None:
    text = (
        "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n    DeletionPolicy: Delete\n"
        "    UpdateReplacePolicy: Delete\n    Metadata: {stackwright: {waive: [{id: SW351, reason: 'why [x] not'}]}}\n"
        "    Properties: {LogGroupName: {{ title }}}\n"
    )
    result = project({"templates/main.yaml.j2": text}).invoke("lint", "--env", "dev", "--waivers")
    assert result.exit_code == 0
    assert (
        "Waived:\n  SW351 for main:Logs at templates/main.yaml.j2:6: why [x] not" in result.stderr
    )
    assert "no problems, 1 waived" in result.stderr


# --- params and explain ---


def test_params_prints_yaml_that_reads_back(project: Make) -> None:
    made = project({"params/dev.yaml": "a: {b: ['no', 012, 5, null]}\nt: 'x: y'\n"})
    result = made.invoke("params", "--env", "dev")
    assert yaml.safe_load(result.stdout) == {
        "title": "news",
        "a": {"b": ["no", "012", 5, None]},
        "t": "x: y",
        "environment": "dev",
    }
    assert result.stderr == ""
    assert (
        json.loads(made.invoke("params", "--env", "dev", "--format", "json").stdout)["a"]["b"][0]
        == "no"
    )


def test_params_shows_origins(project: Make) -> None:
    made = project(APP)
    lines = made.invoke("params", "--env", "dev", "--origin").stdout.splitlines()
    assert "size = 2  # params/dev.yaml:2, overrides 1 at params/defaults.yaml:5" in lines
    assert 'network.zones[1] = "b"  # params/defaults.yaml:4' in lines
    assert lines == sorted(lines)
    data = json.loads(made.invoke("params", "--env", "dev", "--origin", "--format", "json").stdout)
    (size,) = [row for row in data if row["path"] == "size"]
    assert (size["value"], size["where"]) == (2, "params/dev.yaml:2")
    assert size["overrode"]["where"].startswith("params/defaults.yaml:5")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (
            "size",
            [
                "size = 2",
                "  parameter  size = 2  # params/dev.yaml:2",
                "  overrode   size = 1  # params/defaults.yaml:5",
            ],
        ),
        (
            "network.zones[1]",
            [
                'network.zones[1] = "b"',
                '  parameter  network.zones[1] = "b"  # params/defaults.yaml:4',
            ],
        ),
        (
            "names",
            ['names = {"x": 1}', "  parameter  names.x = 1  # params/defaults.yaml:6"],
        ),
        (
            "app/service:Topic.Properties.DisplayName",
            [
                'app/service:Topic.Properties.DisplayName = "size 2"',
                "  output     build/dev/app/service.yaml:11",
                "  template   templates/macros/topic.j2:5",
                "  called at  templates/app/service.yaml.j2:7",
                "  parameter  size = 2  # params/dev.yaml:2",
                "  overrode   size = 1  # params/defaults.yaml:5",
            ],
        ),
        (
            "app/service:Resources.Use.Metadata.Names",
            [
                'app/service:Resources.Use.Metadata.Names = {"x": 1}',
                "  output     build/dev/app/service.yaml:19",
                "  template   templates/app/service.yaml.j2:14",
                "  parameter  names.x = 1  # params/defaults.yaml:6",
            ],
        ),
        (
            "app/network:Vpc.Properties.Tags.zones.Value",
            [
                'app/network:Vpc.Properties.Tags.zones.Value = "a,b"',
                "  output     build/dev/app/network.yaml:9",
                "  template   templates/app/network.yaml.j2:8",
                '  parameter  network.zones = ["a", "b"]  # params/defaults.yaml:4',
            ],
        ),
        (
            "app/network:Vpc.Properties.Tags[0].Key",
            [
                'app/network:Vpc.Properties.Tags[0].Key = "zones"',
                "  output     build/dev/app/network.yaml:8",
                "  template   templates/app/network.yaml.j2:7",
            ],
        ),
        (
            "app:Service.Properties.Parameters.Cidr",
            [
                'app:Service.Properties.Parameters.Cidr = {"Fn::GetAtt": ["Network", "Outputs.Cidr"]}',
                "  output     build/dev/app.yaml:18",
                "  template   templates/app/service.yaml.j2:4",
                "  called at  templates/app.yaml.j2:4",
            ],
        ),
    ],
)
def test_explain_shows_template_and_parameter_lines(
    what: str, expected: list[str], project: Make
) -> None:
    result = project(APP).invoke("explain", what, "--env", "dev")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == expected


def test_explain_finds_the_parameters_of_a_whole_resource(project: Make) -> None:
    result = project(APP).invoke("explain", "app/network:Vpc", "--env", "dev", "--format", "json")
    data = json.loads(result.stdout)
    assert data["output"] == "build/dev/app/network.yaml:3"
    assert data["template"] == ["templates/app/network.yaml.j2:2"]
    assert {parameter["path"] for parameter in data["parameters"]} == {
        "network.cidr",
        "network.zones",
    }


@pytest.mark.parametrize(
    ("what", "message", "hint"),
    [
        ("siez", "there is no parameter siez", "did you mean size?"),
        ("network.cdir", "there is no parameter network.cdir", "did you mean network.cidr?"),
        ("network.zones[7]", "there is no parameter network.zones[7]", ""),
        ("size.x", "there is no parameter size.x", ""),
        ("app/netwrk:Vpc", "there is no template app/netwrk", "did you mean app/network?"),
        ("app/network:Vpx", "there is no Vpx in app/network", "did you mean Vpc?"),
        (
            "app/network:Vpc.Properties.Colour",
            "there is no Vpc.Properties.Colour in app/network",
            "there are: CidrBlock, Tags",
        ),
        ("app/network:Vpc.Properties.Tags.zone", "there is no", "did you mean zones?"),
        ("app/network:Vpc.Properties.Tags[3]", "there is no", ""),
        ("app/network:Vpc.Properties.CidrBlock.x", "there is no", ""),
    ],
)
def test_explain_of_an_unknown_address_is_an_error(
    what: str, message: str, hint: str, project: Make
) -> None:
    result = project(APP).invoke("explain", what, "--env", "dev")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"error SW032 {message}" in result.stderr
    assert hint in result.stderr


def test_explain_of_a_code_needs_no_project(tmp_path: Path) -> None:
    result = Project(tmp_path).invoke("explain", "SW012")
    assert (result.exit_code, result.stderr) == (0, "")
    first, *others = result.stdout.splitlines()
    code = catalogue()["SW012"]
    assert first == f"SW012  {code.title}"
    assert f"  do      {code.action}" in others


def test_explain_of_an_unknown_code_is_an_error(tmp_path: Path) -> None:
    result = Project(tmp_path).invoke("explain", "SW0122")
    assert result.exit_code == 1
    assert "SW032 there is no code SW0122" in result.stderr
    assert "stackwright docs lists the codes" in result.stderr


# --- graph ---


def test_graph_prints_mermaid(project: Make) -> None:
    result = project(APP).invoke("graph", "--env", "dev")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "flowchart LR",
        "  subgraph base_[base]",
        "    Base[base]",
        "  end",
        "  subgraph app_[app]",
        "    AppNetwork[network]",
        "    AppService[service]",
        "  end",
        "  AppNetwork -->|2 values| AppService",
        "  Base -->|TopicArn| AppService",
    ]


def test_graph_prints_svg(project: Make) -> None:
    result = project(APP).invoke("graph", "--env", "dev", "--format", "svg")
    root = ET.fromstring(result.stdout)  # noqa: S314 - our own output
    space = {"s": "http://www.w3.org/2000/svg"}
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {text.text for text in root.iterfind(".//s:text", space)}
    assert {"base", "app", "network", "service"} <= texts
    titles = {title.text for title in root.iterfind(".//s:title", space)}
    assert titles == {"network to service: VpcId, Cidr", "base to service: TopicArn"}
    width, height = (float(length) for length in root.attrib["viewBox"].split()[2:])
    for box in root.iterfind(".//s:rect", space):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        assert x + float(box.attrib["width"]) <= width
        assert y + float(box.attrib["height"]) <= height


def test_graph_can_show_roots_only(project: Make) -> None:
    made = project(
        {
            "params/defaults.yaml": "stacks: [one, two]\nx: 1\n",
            "templates/main.yaml.j2": None,
            "templates/one.yaml.j2": "Resources: {}\nOutputs: {Id: {Value: {{ x }}}}\n",
            "templates/two.yaml.j2": "Parameters: {Id: {Type: String}}\nResources: {}\n",
        }
    )
    assert made.invoke("graph", "--env", "dev").stdout.splitlines()[-1] == "  One -->|Id| Two"
    assert "one to two: Id" in made.invoke("graph", "--env", "dev", "--format", "svg").stdout


# --- init, doctor, docs, completion ---

SCHEMA = json.dumps(
    {
        "properties": {
            "title": {"type": "string", "title": "Title of the news"},
            "vpc": {
                "title": "Network",
                "type": "object",
                "properties": {
                    "id": {"$ref": "#/$defs/id", "x-aws-env": "VPC_ID"},
                    "size": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": 9,
                        "x-unit": "hosts",
                        "default": 4,
                    },
                    "kind": {"enum": ["a|b", "c"], "description": "Of which kind.\nTwo lines"},
                },
            },
        },
        "$defs": {"id": {"type": ["string", "null"], "title": "VPC", "pattern": "^vpc-"}},
        "description": "All of it.",
    }
)


def test_init_creates_an_environment_that_renders(project: Make) -> None:
    made = project(
        {"params/schema.json": SCHEMA, "templates/main.yaml.j2": "A: {{ title }}{{ vpc.size }}\n"}
    )
    result = made.invoke("init", "qa-2")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "params/qa-2.yaml",
        "env/qa-2/aws.env.example",
        "env/qa-2/.env.example",
        "env/qa-2/keys.env.example",
        "params/schema.overlay.json",
        ".gitignore",
    ]
    assert "next: edit params/qa-2.yaml, then stackwright render --env qa-2" in result.stderr
    text = (made.folder / "params/qa-2.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=schema.overlay.json\n")
    assert "# title:  # Title of the news\n" in text
    assert "# vpc:  # Network\n#   id:  # VPC\n#   size:\n" in text
    assert "# VPC\nVPC_ID=\n" in (made.folder / "env/qa-2/aws.env.example").read_text()
    assert made.invoke("render", "--env", "qa-2", "--no-lint").exit_code == 0


def test_init_works_without_a_schema(project: Make) -> None:
    made = project()
    assert made.invoke("init", "qa").exit_code == 0
    assert "schema" not in (made.folder / "params/qa.yaml").read_text()


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_init_keeps_secrets_out_of_git(project: Make) -> None:
    made = project()
    made.invoke("init", "qa")
    made.write({"env/qa/keys.env": "A=1\n", ".stackwright/lint/x": "x", "dist/qa/x.zip": "x"})
    git(made.folder, "init", "-q")
    listed = git(made.folder, "ls-files", "--others", "--exclude-standard").stdout.splitlines()
    assert ".gitignore" in listed
    assert "env/qa/keys.env.example" in listed
    assert [
        name for name in listed if name.endswith(("keys.env", ".zip")) or "stackwright" in name
    ] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("*.pyc\n", "*.pyc\nkeys.env\n.stackwright/\n/dist/\n/build/.staging-*/\n"),
        ("*.pyc", "*.pyc\nkeys.env\n.stackwright/\n/dist/\n/build/.staging-*/\n"),
        (
            "env/*/keys.env\n/.stackwright\n",
            "env/*/keys.env\n/.stackwright\n/dist/\n/build/.staging-*/\n",
        ),
        ("dist\nbuild/.staging-*\n.stackwright/\n**/keys.env  \n", None),
        (
            "# keys.env\n/env/prod/keys.env\n.stackwright/\ndist/\n/build/.staging-*/\n",
            "+keys.env\n",
        ),
    ],
)
def test_init_extends_a_gitignore(before: str, after: str | None, project: Make) -> None:
    made = project({".gitignore": before})
    listed = made.invoke("init", "qa").stdout.splitlines()
    assert (".gitignore" in listed) == (after is not None)
    wanted = before if after is None else after.replace("+", before)
    assert (made.folder / ".gitignore").read_text() == wanted


@pytest.mark.parametrize(
    "name", ["dev", "defaults", "Prod", "../x", "a b", "1a", "é", "schema.json", ""]
)
def test_init_refuses_invalid_names(name: str, project: Make) -> None:
    made = project()
    before = {path for path in made.folder.rglob("*")}
    result = made.invoke("init", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "SW033" in result.stderr
    assert {path for path in made.folder.rglob("*")} == before


def test_init_keeps_existing_files(project: Make) -> None:
    made = project({"env/qa/keys.env.example": "TOKEN=\n"})
    assert "env/qa/keys.env.example" not in made.invoke("init", "qa").stdout
    assert (made.folder / "env/qa/keys.env.example").read_text() == "TOKEN=\n"


def test_doctor_reports_programs_packages_and_files(project: Make) -> None:
    made = project(
        {
            "env/dev/keys.env.example": "A=\n",
            "env/prod/keys.env.example": "A=\n",
            "env/prod/keys.env": "A=1\n",
        }
    )
    data = {
        check["name"]: check
        for check in json.loads(made.invoke("doctor", "--format", "json").stdout)
    }
    assert data["python"]["state"] == "ok"
    assert data["python"]["detail"].startswith(".".join(map(str, sys.version_info[:3])))
    assert data["params/"]["state"] == data["templates/"]["state"] == "ok"
    assert data["env/prod/keys.env"]["state"] == "ok"
    assert data["env/dev/keys.env"] == {
        "name": "env/dev/keys.env",
        "state": "optional",
        "detail": "copy env/dev/keys.env.example and fill it in before pushing secrets",
    }
    assert [
        name for name, entry in data.items() if entry["state"] == "missing"
    ] == []  # packages are installed as pinned
    text = made.invoke("doctor").stdout
    assert "[ok]" in text
    assert "[optional]   env/dev/keys.env  copy" in text


def test_doctor_reports_missing_programs(tmp_path: Path) -> None:
    made = Project(tmp_path).write({"params/dev.yaml": ""})
    result = subprocess.run(
        [sys.executable, str(RENDER_PY), "doctor", "--project", str(tmp_path)],
        env={**os.environ, "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert f"[missing]    templates/  no templates/ in {made.folder}" in result.stdout
    assert "[missing]    git  install git" in result.stdout
    assert "[optional]   make  install make, or call render.py" in result.stdout
    assert "[optional]   podman or docker  needed to build images" in result.stdout


def test_doctor_compares_the_packages_with_the_pins(tmp_path: Path) -> None:
    from stackwright.config.doctor import run_doctor

    requirements = tmp_path / "requirements.txt"
    requirements.write_text(
        "# comment==1\njinja2==0.0.1 \\\n    --hash=sha256:x\nno-such-package==1.0\n"
        "other-platform==1.0 ; sys_platform == 'nowhere'\n"
        "click==0.1 ; python_version < '3'\nclick==999 ; python_version > '2'\n"
    )
    checks = {check.name: check for check in run_doctor(tmp_path, requirements)}
    assert checks["jinja2"].state == "missing"
    assert checks["jinja2"].detail.endswith("is installed, 0.0.1 is pinned: make install")
    assert checks["no-such-package"].detail == "make install"
    assert "other-platform" not in checks
    assert "0.1 or 999 is pinned" in checks["click"].detail
    assert checks["params/"].state == "missing"


def test_docs_writes_the_reference(project: Make) -> None:
    made = project({"params/schema.json": SCHEMA, "params/defaults.yaml": "vpc: {size: 7}\n"})
    listed = made.invoke("docs").stdout
    assert "| SW110 | Parameter that no template uses |" in listed
    assert (
        "| SW311 | Load-balanced service without a health check grace period (warning) |" in listed
    )
    made.invoke("docs", "--write")
    assert (made.folder / "docs/rules.md").read_text() == listed
    page = (made.folder / "docs/parameters.md").read_text()
    assert "All of it." in page
    row = next(line for line in page.splitlines() if "`vpc.size`" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "`vpc.size`",
        "integer",
        "`7`",
        "≥ 1, ≤ 9",
        "(hosts)",
    ]
    assert r"`a\|b`, `c`" in page
    assert "VPC. `aws.env`: `VPC_ID`." in page
    assert not (made.folder / "docs/stacks.svg").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed(shell: str) -> None:
    result = subprocess.run(
        [sys.executable, str(RENDER_PY), "completion", shell],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_RENDER_PY_COMPLETE" in result.stdout
    assert result.stderr == ""


def test_completion_knows_verbs_and_environments(project: Make) -> None:
    made = project({"params/prod.yaml": ""})

    def complete(words: str, count: int) -> list[str]:
        env = {
            **os.environ,
            "_RENDER_PY_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(count),
        }
        run = subprocess.run(
            [sys.executable, str(RENDER_PY)],
            env=env,
            cwd=made.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return [line.partition(",")[2] for line in run.stdout.splitlines()]

    assert complete("render.py ren", 1) == ["render"]
    assert complete("render.py render --env p", 3) == ["prod"]


# --- the command line ---


def test_help_groups_the_verbs() -> None:
    result = subprocess.run(
        [sys.executable, str(RENDER_PY), "-h"], capture_output=True, text=True, check=True
    )
    groups = re.findall(r"^(Change|See|Recover|Project):$", result.stdout, re.MULTILINE)
    assert groups == ["Change", "See", "Recover", "Project"]
    listed = re.findall(r"^  ([a-z]+) {2,}\S", result.stdout, re.MULTILINE)
    assert listed == [verb for verbs in GROUPS.values() for verb in verbs]
    assert f"{RENDER_PY} diff -e prod --against main" in result.stdout


def test_version_is_the_package_version() -> None:
    version = subprocess.run(
        [sys.executable, str(RENDER_PY), "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout == f"stackwright, version {stackwright.__version__}\n"


@pytest.mark.parametrize(
    ("verb", "hint"),
    [("rendr", "did you mean render?"), ("delpoy", "did you mean deploy?"), ("x", "--help lists")],
)
def test_unknown_verb_names_the_closest(verb: str, hint: str, project: Make) -> None:
    result = project().invoke(verb)
    assert result.exit_code == 1
    assert f"there is no verb '{verb}'; {hint}" in result.stderr


def test_short_options_work(project: Make) -> None:
    assert "title: news" in project().invoke("params", "-e", "dev").stdout


def test_no_verb_shows_the_help_and_fails() -> None:
    result = subprocess.run(
        [sys.executable, str(RENDER_PY)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "Usage:" in result.stderr + result.stdout


def test_closed_output_pipe_is_no_error(project: Make) -> None:
    made = project({"params/dev.yaml": "".join(f"k{n}: {'x' * 50}\n" for n in range(3000))})
    command = f"{sys.executable} {RENDER_PY} params --env dev --project {made.folder} | head -1"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_unwritable_output_is_an_error(project: Make) -> None:
    made = project({"params/dev.yaml": "k: 1\n"})
    command = f"{sys.executable} {RENDER_PY} params --env dev --project {made.folder} > /dev/full"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr.splitlines()[0]) == (
        1,
        "error SW030 cannot write: No space left on device",
    )


def test_colours_are_used_on_terminals_only(project: Make) -> None:
    made = project({"params/dev.yaml": "a: [\n"})
    assert "\x1b[" not in made.run("render", "--env", "dev").stderr
    coloured = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {
        "FORCE_COLOR": "1"
    }
    command = [
        sys.executable,
        str(RENDER_PY),
        "render",
        "--env",
        "dev",
        "--project",
        str(made.folder),
    ]
    shown = subprocess.run(
        command, env=coloured, capture_output=True, text=True, check=False
    ).stderr
    assert "\x1b[" in shown
    assert "\x1b[" not in made.run("render", "--env", "dev", FORCE_COLOR="1", NO_COLOR="1").stderr


def test_brackets_and_backslashes_in_messages_are_shown(project: Make) -> None:
    made = project(
        {
            "params/dev.yaml": "a: 'x'\n",
            "templates/main.yaml.j2": r"A: {{ title ~ fail('[bold]x[/] \\[y]') }}",
        }
    )
    assert "SW017 [bold]x[/] \\[y]\n" in made.invoke("render", "--env", "dev").stderr


def test_set_reaches_the_template(project: Make) -> None:
    made = project()
    assert (
        made.invoke("render", "--env", "dev", "--set", "title='a: b'", "--no-lint").exit_code == 0
    )
    assert b"DisplayName: 'a: b'" in made.built()["main.yaml"]


def test_env_dir_is_relative_to_the_working_folder(project: Make, tmp_path: Path) -> None:
    made = project({"templates/main.yaml.j2": "A: {{ dotenv.plain.NAME }}{{ title }}\n"})
    Project(tmp_path / "services").write({".env": "NAME=elsewhere\n"})
    result = made.run("render", "--env", "dev", "--no-lint", "--env-dir", "services", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert b"A: elsewherenews" in made.built()["main.yaml"]


@pytest.mark.parametrize("verb", ["render", "params", "plan"])
@pytest.mark.parametrize(
    ("name", "said"), [("nowhere", "there is no such folder"), ("file", "not a folder")]
)
def test_missing_env_dir_is_an_error(
    name: str, said: str, verb: str, project: Make, tmp_path: Path
) -> None:
    made = project()
    (tmp_path / "file").write_text("NAME=x\n")
    result = made.invoke(verb, "--env", "dev", "--env-dir", str(tmp_path / name))
    assert (result.exit_code, result.stdout) == (1, "")
    problem, hint = result.stderr.splitlines()
    assert problem == f"{tmp_path / name}: error SW018 {said}, but --env-dir names it"
    assert hint.startswith("    -> name the folder that holds aws.env, .env and keys.env.example")
    assert not (made.folder / "build").exists()


# --- the same bytes ---


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONHASHSEED": "0"},
        {"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"},
        {
            "PYTHONUTF8": "0",
            "LC_ALL": "POSIX",
            "TZ": "America/Caracas",
            "PYTHONHASHSEED": "4242",
            "COLUMNS": "20",
        },
    ],
    ids=["C", "turkish", "posix"],
)
def test_rendering_does_not_depend_on_the_machine(
    environment: dict[str, str], tmp_path: Path
) -> None:
    golden = [
        case
        for case in sorted((REPOSITORY / "tests/render/golden").iterdir())
        if (case / "params/dev.yaml").exists()
    ]
    for case in golden:
        project = Project(tmp_path / "ünï cödé" / case.name)
        shutil.copytree(case, project.folder, ignore=shutil.ignore_patterns("expected"))
        result = project.run("render", "--env", "dev", "--no-lint", cwd=Path("/"), **environment)
        assert result.returncode == 0, result.stderr
        assert project.built() == files(case / "expected/dev")


def test_line_endings_of_inputs_do_not_matter(project: Make, tmp_path: Path) -> None:
    unix = project(APP)
    unix.invoke("render", "--env", "dev", "--no-lint")
    dos = small(
        tmp_path / "dos", {name: text and text.replace("\n", "\r\n") for name, text in APP.items()}
    )
    dos.invoke("render", "--env", "dev", "--no-lint")
    assert dos.built() == unix.built()
