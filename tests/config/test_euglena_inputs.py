"""Wrong inputs of Euglena, tried by the command line on a copy of the project."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.projects import REPOSITORY, Project


@pytest.fixture
def euglena(tmp_path: Path) -> Project:
    """Return a copy of the inputs and templates of Euglena."""
    for name in ("params", "templates", "env", "lambda"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    return Project(tmp_path)


def append(project: Project, name: str, *lines: str) -> None:
    """Add lines to a file of the project."""
    path = project.folder / name
    path.write_text(path.read_text() + "\n".join(["", *lines, ""]))


def remove(project: Project, name: str, pattern: str) -> None:
    """Remove the lines of a file that match ``pattern``."""
    path = project.folder / name
    kept = [line for line in path.read_text().splitlines() if not re.match(pattern, line)]
    path.write_text("\n".join(kept) + "\n")


def lint(project: Project, *arguments: str) -> str:
    """Return the output of ``lint``, which must fail, with white space made single."""
    result = project.invoke("lint", *arguments)
    assert result.exit_code == 1, result.output
    return " ".join(result.output.split())


def test_minimum_of_the_function_above_the_maximum_is_an_error(euglena: Project) -> None:
    append(euglena, "env/prod/.env", "MIN_WORKERS=50")
    output = lint(euglena, "--env", "prod")
    assert "autoscaler.min_workers is 50, above autoscaler.max_workers, 11" in output
    assert "env/prod/.env:" in output


def test_text_for_a_number_of_the_function_is_an_error(euglena: Project) -> None:
    append(euglena, "env/prod/.env", "MIN_WORKERS=abc")
    output = lint(euglena, "--env", "prod")
    assert 'autoscaler.min_workers must be a whole number, not "abc"' in output
    assert "env/prod/.env:" in output


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("MAX_WORKERS=2000", "autoscaler.max_workers: 2000 is above the maximum of 1000"),
        ("HEADROOM=9", "autoscaler.headroom: 9 is above the maximum of 5"),
        ("SCALE_WINDOW_SECONDS=1", "autoscaler.window: 1 is below the minimum of 120"),
        ("FALLBACK_WORKERS=12", "autoscaler.fallback_workers is 12, above autoscaler.max_workers"),
        ("METRIC_ENVIRONMENT=dev", "METRIC_ENVIRONMENT is dev, but environment is prod"),
    ],
)
def test_other_variables_of_the_function_have_their_parameters_bounds(
    line: str, message: str, euglena: Project
) -> None:
    append(euglena, "env/prod/.env", line)
    assert message in lint(euglena, "--env", "prod")


def test_variable_of_the_function_is_the_parameter_everywhere(euglena: Project) -> None:
    append(euglena, "env/prod/.env", "MAX_WORKERS=20")
    explained = euglena.invoke("explain", "--env", "prod", "autoscaler.max_workers").output
    assert "autoscaler.max_workers = 20  # env/prod/.env:" in explained
    assert euglena.invoke("render", "--env", "prod").exit_code == 0
    built = euglena.folder / "build/prod/app"
    assert 'MAX_WORKERS: "20"' in (built / "autoscaler.yaml").read_text()
    alarms = (built / "observability.yaml").read_text()
    assert re.search(r"Threshold: 20\b", alarms)
    assert not re.search(r"Threshold: 11\b", alarms)


def test_override_of_the_command_line_wins_over_a_variable(euglena: Project) -> None:
    append(euglena, "env/prod/.env", "MAX_WORKERS=20")
    arguments = ("--env", "prod", "--set", "autoscaler.max_workers=7")
    assert euglena.invoke("render", *arguments).exit_code == 0
    function = (euglena.folder / "build/prod/app/autoscaler.yaml").read_text()
    assert 'MAX_WORKERS: "7"' in function


def test_variable_against_the_environments_own_parameter_is_refused(euglena: Project) -> None:
    append(euglena, "env/dev/.env", "MAX_WORKERS=20")  # params/dev.yaml says 3
    output = lint(euglena, "--env", "dev")
    assert "MAX_WORKERS is 20, but autoscaler.max_workers is 3" in output
    assert "env/dev/.env:" in output
    assert "params/dev.yaml:" in output


def test_cluster_of_another_name_is_refused(euglena: Project) -> None:
    append(euglena, "env/prod/aws.env", "ECS_CLUSTER=foo")
    output = lint(euglena, "--env", "prod")
    assert "ECS_CLUSTER is foo in env/prod/aws.env" in output
    assert "euglena-prod-cluster" in output


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("aws.env", "CERTIFICAT_ARN=x", "nothing reads CERTIFICAT_ARN"),
        ("aws.env", "MAX_WORKERS=5", "MAX_WORKERS belongs in .env"),
        (".env", "VPC_ID=vpc-0a1b2c3d", "VPC_ID belongs in aws.env"),
    ],
)
def test_variable_in_the_wrong_file_is_refused(
    file: str, line: str, message: str, euglena: Project
) -> None:
    append(euglena, f"env/prod/{file}", line)
    assert message in lint(euglena, "--env", "prod")


def test_region_of_aws_env_against_the_parameter_is_refused(euglena: Project) -> None:
    append(euglena, "params/prod.yaml", "region: us-west-2")
    output = lint(euglena, "--env", "prod")
    assert "AWS_REGION is us-east-2, but region is us-west-2" in output


def test_zones_of_another_region_are_refused(euglena: Project) -> None:
    remove(euglena, "env/prod/aws.env", "AWS_REGION")
    append(euglena, "env/prod/aws.env", "AWS_REGION=us-west-2")
    output = lint(euglena, "--env", "prod")
    assert "us-east-2a is no availability zone of us-west-2" in output
    assert "params/defaults.yaml:" in output


@pytest.mark.parametrize("name", ["MODEL_NAME", "SUPABASE_URL", "CORS_ALLOWED_ORIGINS"])
def test_missing_required_variable_is_an_error(name: str, euglena: Project) -> None:
    remove(euglena, "env/prod/.env", f"{name}=")
    output = lint(euglena, "--env", "prod")
    assert f"{name} is missing; " in output
    assert "gateway" in output
    assert "env/prod/.env" in output


def test_empty_required_variable_is_an_error(euglena: Project) -> None:
    remove(euglena, "env/prod/.env", "MODEL_NAME=")
    append(euglena, "env/prod/.env", "MODEL_NAME=")
    assert "MODEL_NAME is empty; agent and gateway need it" in lint(euglena, "--env", "prod")


@pytest.mark.parametrize(
    ("environment", "override"),
    [
        ("prod", "rabbitmq.memory_watermark=4000"),
        ("prod", "rabbitmq.memory_watermark=1000"),
        ("guide", "rabbitmq.memory_watermark=1024"),
        ("guide", "rabbitmq.memory_watermark=717"),
    ],
)
def test_watermark_too_near_to_the_memory_is_an_error(
    environment: str, override: str, euglena: Project
) -> None:
    output = lint(euglena, "--env", environment, "--set", override)
    assert "rabbitmq.memory_watermark is" in output
    assert "1024" in output
