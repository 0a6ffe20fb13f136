"""The configuration for taskcat: a test for each root, addresses of nested templates, and the verdict of
taskcat itself on good and broken templates."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
import yaml

from tests.support.projects import REPOSITORY, Project

TASKCAT = REPOSITORY / ".venv-taskcat/bin/taskcat"
FILES: Mapping[str, str] = {
    "params/defaults.yaml": "project: news\nstacks: [base, {app: [queue]}]\ntags: {team: one, cost: 7}\n",
    "params/dev.yaml": "region: eu-west-1\n",
    "templates/base.yaml.j2": """\
# {{ project }} {{ region }} {{ tags.team }} {{ tags.cost }}
Resources:
  Topic:
    Type: AWS::SNS::Topic
Outputs:
  TopicArn:
    Value: !Ref Topic
""",
    "templates/app.yaml.j2": """\
Parameters:
  {{ wired_parameters() }}
Resources:
  {{ nested_stacks() }}
""",
    "templates/app/queue.yaml.j2": """\
Parameters:
  TopicArn:
    Type: String
Resources:
  Policy:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref TopicArn]
      PolicyDocument: {Statement: []}
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project").write(FILES)


def written(project: Project, *arguments: str) -> tuple[Path, Any]:
    out = project.folder / "dist"
    run = project.run("taskcat", "--env", "dev", "--out", str(out), *arguments)
    assert run.returncode == 0, run.stderr
    return out, yaml.safe_load((out / ".taskcat.yml").read_text("utf-8"))


def test_each_root_is_a_test_in_the_region_of_the_parameters(project: Project):
    out, data = written(project)
    assert {name: test["template"] for name, test in data["tests"].items()} == {
        "base": "base.template.yaml",
        "app": "app.template.yaml",
    }
    assert all((out / test["template"]).is_file() for test in data["tests"].values())
    assert data["project"]["name"] == "news-dev"
    assert data["project"]["regions"] == ["eu-west-1"]
    assert data["general"]["tags"] == {"team": "one", "cost": "7"}


def test_nested_templates_have_the_address_that_taskcat_reads(project: Project):
    """It takes the path of TemplateURL without its first part, beside the template that names
    it."""
    out, data = written(project)
    body = yaml.load((out / "app.template.yaml").read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    url = urlparse(body["Resources"]["Queue"]["Properties"]["TemplateURL"])
    prefix, _, name = url.path.strip("/").partition("/")
    assert (out / name).is_file()
    assert prefix == data["project"]["name"]
    assert url.hostname == f"{data['project']['s3_bucket']}.s3.eu-west-1.amazonaws.com"


def test_bucket_regions_and_roots_can_be_named(project: Project):
    _, data = written(
        project,
        "--bucket",
        "sandbox",
        "--region",
        "eu-west-1",
        "--region",
        "us-east-1",
        "--root",
        "base",
    )
    assert data["project"]["s3_bucket"] == "sandbox"
    assert data["project"]["regions"] == ["eu-west-1", "us-east-1"]
    assert list(data["tests"]) == ["base"]


def test_roots_with_required_parameters_are_reported(project: Project):
    run = project.run("taskcat", "--env", "dev", "--out", "dist")
    assert "app can be linted, but tested only with values for TopicArn" in run.stderr
    run = project.run("taskcat", "--env", "dev", "--out", "dist", "--root", "base")
    assert run.stderr == ""


def test_unknown_root_is_refused_and_nothing_is_written(project: Project):
    run = project.run("taskcat", "--env", "dev", "--out", "dist", "--root", "appp")
    assert run.returncode == 1
    assert "there are: base, app" in run.stderr
    assert not (project.folder / "dist").exists()


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    if not TASKCAT.is_file():
        assert not os.environ.get("CI"), "taskcat is missing: make taskcat"
        pytest.skip("taskcat is missing: make taskcat")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONWARNINGS": "ignore"}
    command = [str(TASKCAT), "lint"]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_taskcat_passes_every_template(project: Project):
    out, _ = written(project)
    run = lint(out)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr.count("Linting passed for file") == 3


def test_taskcat_fails_on_a_mistake_in_a_nested_template(project: Project):
    project.write(
        {
            "templates/app/queue.yaml.j2": FILES["templates/app/queue.yaml.j2"]
            + "      Colour: red\n"
        }
    )
    out, _ = written(project)
    run = lint(out)
    assert run.returncode == 1
    assert "Colour" in run.stdout + run.stderr
