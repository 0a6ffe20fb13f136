"""The Euglena project of this repository, and the effect of changes to its parameters."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from stackwright.config.load import list_environments
from stackwright.core import template_data
from tests.support.projects import (
    RENDER_PY,
    REPOSITORY,
    Project,
    files,
    free_port,
    yaml_1_1,
    yaml_1_2,
)

ENVIRONMENTS = list_environments(REPOSITORY)
ROOTS = ("bootstrap", "foundation", "app")
HERE = Project(REPOSITORY)


@pytest.fixture
def copy(tmp_path: Path) -> Project:
    """The project without its builds and without what the engine keeps."""
    folder = tmp_path / "euglena"
    for name in ("params", "templates", "env", "lambda"):
        shutil.copytree(
            REPOSITORY / name,
            folder / name,
            ignore=shutil.ignore_patterns("keys.env", "__pycache__"),
        )
    return Project(folder)


def texts(project: Project, environment: str, *overrides: str) -> dict[str, str]:
    return {
        document.path: document.text
        for document in project.render(environment, *overrides).documents
    }


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The changed lines with the template they are in."""
    changed = []
    for name in sorted({*before, *after}):
        rows = difflib.unified_diff(
            before.get(name, "").splitlines(), after.get(name, "").splitlines(), n=0, lineterm=""
        )
        changed += [f"{name}: {row}" for row in rows if re.match(r"[-+](?![-+])", row)]
    return changed


def test_there_are_five_environments() -> None:
    assert ENVIRONMENTS == ["dev", "guide", "local", "prod", "staging"]


def test_committed_builds_are_fresh_and_without_findings() -> None:
    """Run ``make render`` for each environment, and commit the result, where this fails."""
    result = HERE.run("render", "--all", "--check")
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    for environment in ENVIRONMENTS:
        assert re.search(rf"build/{environment}: \d+ templates, .*up to date", result.stderr)
    assert " error " not in result.stderr


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_clone_renders_the_committed_bytes(environment: str, copy: Project) -> None:
    expected = files(REPOSITORY / "build" / environment)
    assert {name: text.encode() for name, text in texts(copy, environment).items()} == expected


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_yaml_1_1_and_1_2_read_the_builds_alike(environment: str) -> None:
    for name, data in files(REPOSITORY / "build" / environment).items():
        assert yaml_1_1(data.decode()) == yaml_1_2(data.decode()), name


@pytest.mark.slow
def test_cfn_lint_finds_nothing_in_the_builds() -> None:
    command = [
        str(Path(sys.executable).with_name("cfn-lint")),
        "-i",
        "W3002",
        "-r",
        "us-east-2",
        "--",
    ]
    result = subprocess.run(
        [*command, *map(str, templates())], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


def templates() -> list[Path]:
    return sorted((REPOSITORY / "build").glob("*/**/*.yaml"))


def test_builds_are_within_the_limits_of_cloudformation() -> None:
    """51,200 bytes are the limit of a template that is not uploaded, 1 MB of one that is; 500
    resources a stack.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    """
    for path in templates():
        assert path.stat().st_size <= 1_000_000
        body = template_data(yaml.compose(path.read_text(encoding="utf-8")), path.name)
        assert len(body["Resources"]) <= 500
        assert len(body.get("Parameters", {})) <= 200
        assert len(body.get("Outputs", {})) <= 200


def test_changing_one_parameter_changes_one_line(copy: Project) -> None:
    assert changes(texts(copy, "prod"), texts(copy, "prod", "gateway.cpu=512")) == [
        'app/gateway.yaml: -      Cpu: "1024"',
        'app/gateway.yaml: +      Cpu: "512"',
    ]


def test_unsupported_fargate_cpu_is_one_error_at_its_line(copy: Project) -> None:
    path = copy.folder / "params/prod.yaml"
    rows = path.read_text().splitlines()
    line = rows.index("  cpu: 1024") + 1
    path.write_text("\n".join([*rows[: line - 1], "  cpu: 500", *rows[line:]]) + "\n")
    result = copy.invoke("render", "--env", "prod")
    assert (result.exit_code, result.stdout) == (1, "")
    heads = [row for row in result.stderr.splitlines() if not row.startswith("    ")]
    assert len(heads) == 1, result.stderr
    assert heads[0].startswith(f"params/prod.yaml:{line}: error SW012 gateway.cpu")
    assert "500" in heads[0]


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ("gateway.memory=512", "SW012", "gateway.memory: 512 is below the minimum of 2048"),
        ("network.azs=[us-east-2a]", "SW012", 'network.azs: ["us-east-2a"] has fewer than 2 items'),
        ("network.vpc_cidr=10.0.0.300/16", "SW012", 'network.vpc_cidr: "10.0.0.300/16"'),
        ("account_id=123456789012", "SW011", "account_id must be text, not 123456789012"),
        ("gateway.cpuu=256", "SW010", "unknown parameter gateway.cpuu"),
        ("gateway.health_check.start_period=301", "SW012", "301 is above the maximum of 300"),
        ("gateway.stop_timeout=121", "SW012", "121 is above the maximum of 120"),
        ("edge.idle_timeout=4001", "SW012", "4001 is above the maximum of 4000"),
        ("logs.retention_days=31", "SW012", "logs.retention_days is 31; allowed: 1, 3, 5"),
        ("prefix=far-too-long-for-a-target-group", "SW012", "is longer than 20 characters"),
        ("agent.secrets=[NOPE]", "SW017", "NOPE, which keys.env.example does not list"),
    ],
)
def test_value_that_aws_refuses_is_one_error(given: str, code: str, message: str) -> None:
    problems = [problem for problem in HERE.problems("prod", given) if message in problem.message]
    assert [(problem.code, str(problem.where[0])) for problem in problems] == [
        (code, f"--set {given.partition('=')[0]}")
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "network.public_cidrs=[10.0.1.0/24, 10.0.1.128/25]",
            "E3060 '10.0.1.128/25' overlaps with '10.0.1.0/24'",
        ),
        (
            "network.public_cidrs=[10.9.1.0/24, 10.0.2.0/24]",
            "E3059 '10.9.1.0/24' is not a valid subnet of",
        ),
    ],
)
def test_subnets_outside_the_network_are_errors(given: str, message: str) -> None:
    result = HERE.invoke("lint", "--env", "prod", "--set", given)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert result.stderr.startswith("templates/app/network.yaml.j2:")


def test_explain_covers_every_property_of_a_parameter() -> None:
    from stackwright.render.explain import explain_value

    rendering = HERE.render("prod")
    for document in rendering.documents:
        for name, resource in document.resources().items():
            for key in resource.get("Properties") or ():
                explanation = explain_value(
                    f"{document.name}:{name}.Properties.{key}", rendering.config, rendering
                )
                assert explanation.template
                assert explanation.output is not None
                assert key in document.text.splitlines()[explanation.output.line - 1]
    cpu = explain_value("app/gateway:TaskDefinition.Properties.Cpu", rendering.config, rendering)
    assert [str(leaf.location).partition(":")[0] for leaf in cpu.leaves] == ["params/prod.yaml"]


def test_third_service_needs_no_template(copy: Project) -> None:
    """An entry in ``services:`` and ``images:``, and one line in ``stacks:`` that shares the
    agent's template."""
    params = copy.folder / "params"
    defaults = (params / "defaults.yaml").read_text()
    agent = "      - {name: agent, with: {service: agent}, after: [state]}\n"
    assert agent in defaults
    writer = agent.replace("name: agent", "name: writer, template: agent").replace(
        "service: agent", "service: writer"
    )
    data = yaml.safe_load(defaults)["agent"]
    entry = yaml.safe_dump(
        {"services": {"writer": {**data, "discovery_name": "writer", "port": 8082}}}
    )
    defaults = defaults.replace(agent, agent + writer).replace("services: {}\n", entry)
    (params / "defaults.yaml").write_text(defaults)
    prod = (params / "prod.yaml").read_text()
    row = "  agent: {repository: euglena-prod/agent}\n"
    assert row in prod
    (params / "prod.yaml").write_text(
        prod.replace(row, row + "  writer: {repository: euglena-prod/writer, tag: '1'}\n")
    )
    before = texts(HERE, "prod")
    after = texts(copy, "prod")
    assert set(after) - set(before) == {"app/writer.yaml"}
    body = yaml_1_1(after["app/writer.yaml"])["Resources"]
    assert {resource["Type"] for resource in body.values()} >= {
        "AWS::ECS::Service",
        "AWS::ECS::TaskDefinition",
    }
    assert "8082" in after["app/writer.yaml"]
    assert before["app/agent.yaml"] == after["app/agent.yaml"]
    assert copy.invoke("lint", "--env", "prod").exit_code == 0


# --- with the plain AWS CLI ---


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment of an AWS CLI that talks to a simulated S3 with one bucket."""
    if shutil.which("aws") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the AWS CLI is missing")
        pytest.skip(
            "install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
        )
    port = free_port()
    home = tmp_path_factory.mktemp("home")
    log = (home / "moto.log").open("w")
    command = [
        str(Path(sys.executable).with_name("moto_server")),
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    endpoint = f"http://127.0.0.1:{port}"
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "PYTHON"))
        },
        "HOME": str(home),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-2",
        "AWS_ENDPOINT_URL": endpoint,
    }
    try:
        wait_for(endpoint, server)
        make = ["s3api", "create-bucket", "--bucket", "artifacts"]
        aws(environment, *make, "--create-bucket-configuration", "LocationConstraint=us-east-2")
        yield environment
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


def wait_for(endpoint: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None
        try:
            urllib.request.urlopen(endpoint, timeout=5).close()  # noqa: S310 - our own address
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the simulated S3 does not answer")


def aws(environment: Mapping[str, str], *arguments: str) -> str:
    result = subprocess.run(
        ["aws", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


PACKAGED = [
    pytest.param(
        environment,
        root,
        id=f"{environment}-{root}",
        marks=() if environment == "prod" else pytest.mark.slow,
    )
    for environment in ENVIRONMENTS
    for root in ROOTS
]


@pytest.mark.parametrize(("environment", "root"), PACKAGED)
def test_aws_cli_packages_a_root_unchanged(
    environment: str, root: str, s3: Mapping[str, str], tmp_path: Path
) -> None:
    source = REPOSITORY / "build" / environment / f"{root}.yaml"
    output = tmp_path / "packaged.yaml"
    command = [
        "cloudformation",
        "package",
        "--template-file",
        str(source),
        "--s3-bucket",
        "artifacts",
    ]
    aws(s3, *command, "--output-template-file", str(output))
    packaged, rendered = yaml_1_1(output.read_text()), yaml_1_1(source.read_text())
    assert list(packaged["Resources"]) == list(rendered["Resources"])
    for resource in packaged["Resources"].values():
        if resource["Type"] == "AWS::CloudFormation::Stack":
            url = resource["Properties"]["TemplateURL"]
            assert url.startswith("http")
            assert "/artifacts/" in url
            key = url.rpartition("/")[2]
            body = aws(s3, "s3", "cp", f"s3://artifacts/{key}", "-")
            assert "Resources:" in body
            assert "../lambda" not in body


def test_command_works_from_any_folder(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(RENDER_PY),
        "render",
        "--env",
        "guide",
        "--check",
        "--project",
        str(REPOSITORY),
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


def test_params_files_name_their_schema_for_editors() -> None:
    for path in sorted((REPOSITORY / "params").glob("*.yaml")):
        assert path.read_text(encoding="utf-8").startswith(
            "# yaml-language-server: $schema=schema.overlay.json\n"
        ), path.name
