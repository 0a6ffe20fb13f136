"""The workflows: their schema, what a security linter says, and their scripts run with programs of
the tests' own."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.projects import RENDER_PY, REPOSITORY, Project, commands

FOLDER = REPOSITORY / ".github/workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yaml"))
COMMIT = re.compile(r"[\w./-]+@[0-9a-f]{40}")


def workflow(name: str) -> Any:
    return yaml.load((FOLDER / f"{name}.yaml").read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - `on` is text


def steps() -> Iterator[tuple[str, str, Any]]:
    for path in WORKFLOWS:
        for job, body in workflow(path.stem)["jobs"].items():
            for step in body.get("steps", ()):
                yield path.stem, job, step


def script(name: str, job: str, step: str) -> str:
    """The script of one step."""
    scripts = [
        s["run"]
        for w, j, s in steps()
        if (w, j) == (name, job) and step in (s.get("name"), s.get("id"))
    ]
    assert len(scripts) == 1
    return str(scripts[0])


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_workflows_follow_githubs_schema():
    command = [
        tool("check-jsonschema"),
        "--builtin-schema",
        "vendor.github-workflows",
        *map(str, WORKFLOWS),
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_zizmor_finds_nothing():
    command = [tool("zizmor"), "--offline", "--no-progress", "--format", "plain", str(FOLDER)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_actions_are_pinned_by_commit_and_name_their_version():
    for path in WORKFLOWS:
        for line in path.read_text("utf-8").splitlines():
            if (used := re.search(r"uses: (\S+)(.*)", line)) and not used[1].startswith("./"):
                assert COMMIT.fullmatch(used[1]), line
                assert re.fullmatch(r" # v\d+\.\d+\.\d+", used[2]), line


def test_each_action_has_one_version():
    used = {s["uses"] for _, _, s in steps() if "uses" in s}
    assert len({action.partition("@")[0] for action in used}) == len(used)


def test_untrusted_input_is_not_expanded_in_scripts():
    assert [(w, j, s["run"]) for w, j, s in steps() if "${{" in s.get("run", "")] == []


def test_jobs_have_least_permissions():
    for path in WORKFLOWS:
        assert workflow(path.stem)["permissions"] == {}
    granted = {
        (path.stem, job): body.get("permissions")
        for path in WORKFLOWS
        for job, body in workflow(path.stem)["jobs"].items()
    }
    may_write = {key for key, value in granted.items() if "write" in str(value)}
    calls = {("deploy", environment) for environment in ("dev", "staging", "prod")}
    assert may_write == {
        ("pull-request", "comment"),
        ("environment", "plan"),
        ("environment", "apply"),
        *calls,
    }
    assert granted["pull-request", "comment"] == {"pull-requests": "write"}
    assert granted["environment", "apply"] == {"contents": "read", "id-token": "write"}


def test_comment_job_runs_no_code_of_the_pull_request():
    job = workflow("pull-request")["jobs"]["comment"]
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])
    assert "head.repo.full_name == github.repository" in job["if"]


def test_pull_request_is_rendered_by_the_engine_of_its_base():
    job = workflow("pull-request")["jobs"]["review"]
    checkouts = {
        step["with"]["path"]: step["with"].get("ref", "")
        for step in job["steps"]
        if "checkout" in step.get("uses", "")
    }
    assert checkouts == {"base": "${{ github.event.pull_request.base.sha }}", "project": ""}
    programs = {
        word
        for step in job["steps"]
        for word in step.get("run", "").split()
        if "python" in word or word.endswith("render.py")
    }
    assert programs == {"base/.venv/bin/python", "base/render.py"}
    assert job["permissions"] == {"contents": "read"}


def test_only_the_approved_plan_is_applied():
    jobs = workflow("environment")["jobs"]
    assert jobs["apply"]["needs"] == "plan"
    assert jobs["apply"]["environment"] == "${{ inputs.environment }}"
    assert "environment" not in jobs["plan"]  # planning waits for nobody
    assert jobs["plan"]["outputs"]["sha256"] == "${{ steps.plan.outputs.sha256 }}"


def test_environments_deploy_in_order_and_are_never_cancelled():
    jobs = workflow("deploy")["jobs"]
    assert [(name, job.get("needs")) for name, job in jobs.items()] == [
        ("dev", None),
        ("staging", "dev"),
        ("prod", "staging"),
    ]
    for name, job in jobs.items():
        assert job["concurrency"] == {"group": f"deploy-{name}", "cancel-in-progress": "false"}
        assert job["with"]["environment"] == name
        assert (REPOSITORY / f"params/{name}.yaml").is_file()


class Shell:
    """A folder in which scripts run with ``.venv/bin/python`` and ``gh`` written by the test; calls
    are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / ".venv/bin").mkdir(parents=True)
        self.calls = folder / "calls"
        self.program(".venv/bin/python", "exit 0")
        self.program("bin/make", "exit 0")

    def program(self, path: str, body: str) -> None:
        file = self.folder / path
        file.write_text(
            f'#!/usr/bin/env bash\nprintf "%s|" "$@" >> "{self.calls}"; echo >> "{self.calls}"\n{body}\n'
        )
        file.chmod(0o755)

    def run(
        self, text: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """As GitHub runs ``shell: bash``."""
        (self.folder / "script.sh").write_text(text)
        for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
            environment[name] = str(self.folder / name)
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "script.sh", *arguments],
            cwd=self.folder,
            env={"PATH": path, "LANG": "C.UTF-8", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def outputs(self) -> dict[str, str]:
        lines = (self.folder / "GITHUB_OUTPUT").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def called(self) -> str:
        return self.calls.read_text() if self.calls.exists() else ""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize(("code", "expected"), [(0, "false"), (2, "true")])
def test_plan_outputs_whether_it_needs_approval(shell: Shell, code: int, expected: str):
    shell.program(".venv/bin/python", f"echo sealed > plan.json; echo '~ Service'; exit {code}")
    run = shell.run(script("environment", "plan", "plan"), ENVIRONMENT="prod")
    assert run.returncode == 0, run.stderr
    digest = hashlib.sha256((shell.folder / "plan.json").read_bytes()).hexdigest()
    assert shell.outputs() == {"changes": expected, "sha256": digest}
    assert (shell.folder / "GITHUB_STEP_SUMMARY").read_text() == "## prod\n~ Service\n"
    assert "--keep|" in shell.called()
    assert "--out|plan.json|" in shell.called()


def test_failed_plan_fails_the_job_with_its_output(shell: Shell):
    shell.program(".venv/bin/python", "echo half; exit 1")
    run = shell.run(script("environment", "plan", "plan"), ENVIRONMENT="prod")
    assert run.returncode == 1
    assert not (shell.folder / "GITHUB_OUTPUT").exists()
    assert "half" in (shell.folder / "GITHUB_STEP_SUMMARY").read_text()


def test_plan_other_than_the_approved_one_is_refused(shell: Shell):
    check = script("environment", "apply", "Check that the plan is the approved one")
    (shell.folder / "plan.json").write_text("sealed")
    digest = hashlib.sha256(b"sealed").hexdigest()
    assert shell.run(check, SHA256=digest).returncode == 0
    (shell.folder / "plan.json").write_text("altered")
    assert shell.run(check, SHA256=digest).returncode == 1
    assert shell.run(check, SHA256="").returncode == 1


@pytest.mark.parametrize(
    ("allow", "ending"), [("", "--yes|"), ("--allow-replace Db", "--yes|--allow-replace|Db|")]
)
def test_apply_deploys_the_plan_with_the_flags_given_by_hand(shell: Shell, allow: str, ending: str):
    run = shell.run(script("environment", "apply", "Apply"), ENVIRONMENT="prod", ALLOW=allow)
    assert run.returncode == 0, run.stderr
    assert shell.called() == f"render.py|deploy|--env|prod|--plan|plan.json|{ending}\n"


def test_unreadable_region_fails_the_job(shell: Shell):
    for job in ("plan", "apply"):
        shell.program(".venv/bin/python", "exit 1")
        assert shell.run(script("environment", job, "region"), ENVIRONMENT="prod").returncode != 0


COMMENT = {
    "GH_TOKEN": "x",
    "COMMENTS": "repos/o/n/issues/7/comments",
    "COMMENT": "repos/o/n/issues/comments",
    "RUN": "url",
}
WRITE = ("pull-request", "comment", "Write or update the comment")


def test_first_comment_is_posted(shell: Shell):
    (shell.folder / "diff.md").write_text(
        "<!-- what deploying this pull request would do -->\n## prod\n"
    )
    shell.program("bin/gh", "exit 0")
    assert shell.run(script(*WRITE), **COMMENT).returncode == 0
    assert "--method|POST|repos/o/n/issues/7/comments|--field|body=@diff.md|" in shell.called()
    assert "PATCH" not in shell.called()


def test_later_comments_replace_the_first(shell: Shell):
    (shell.folder / "diff.md").write_text(
        "<!-- what deploying this pull request would do -->\n## prod\n"
    )
    shell.program("bin/gh", 'case "$*" in *--jq*) printf "11\\n12\\n" ;; esac')
    assert shell.run(script(*WRITE), **COMMENT).returncode == 0
    assert "--method|PATCH|repos/o/n/issues/comments/11|" in shell.called()
    assert "POST" not in shell.called()


def test_long_comment_is_cut_and_names_the_full_plan(shell: Shell):
    (shell.folder / "diff.md").write_text(
        "<!-- what deploying this -->\n```diff\n" + "+ ä\n" * 20_000
    )
    shell.program("bin/gh", "exit 0")
    assert shell.run(script(*WRITE), **COMMENT).returncode == 0
    text = (shell.folder / "diff.md").read_text()
    assert len(text) < 65_536
    assert text.startswith("<!-- what deploying this -->\n```diff\n+ ä\n")
    assert text.count("```") == 2
    assert text.endswith("+ ä\n```\n\n\n… and more: [summary of the run](url)\n")


def test_comment_shows_every_environment_but_local(shell: Shell):
    for name in ("defaults", "local", "dev", "prod"):
        (shell.folder / "project/params").mkdir(parents=True, exist_ok=True)
        (shell.folder / f"project/params/{name}.yaml").touch()
        (shell.folder / f"project/build/{name}").mkdir(parents=True)
    (shell.folder / "project/params/x `id`.yaml").touch()
    (shell.folder / "project/build/x `id`").mkdir()
    (shell.folder / "base/.venv/bin").mkdir(parents=True)
    shell.program(
        "base/.venv/bin/python", 'case "$*" in *dev*) exit 1 ;; esac; echo "Plan: nothing"'
    )
    run = shell.run(
        script("pull-request", "review", "Show what deploying it would change"), BASE="abc"
    )
    assert run.returncode == 0, run.stderr
    text = (shell.folder / "diff.md").read_text()
    assert text.splitlines()[1:] == [
        "## dev",
        "Not comparable with abc; the log says why.",
        "## prod",
        "Plan: nothing",
        "Not shown: a file in params/ whose name is no environment's.",
    ]
    assert (shell.folder / "GITHUB_STEP_SUMMARY").read_text() == text


def shell_script() -> str:
    text = (REPOSITORY / "docs/pipeline.md").read_text("utf-8")
    block = re.search(
        r"<!-- script:begin -->\n```bash\n(.*?)```\n<!-- script:end -->", text, re.DOTALL
    )
    assert block
    return block[1]


def test_pipeline_script_saves_a_plan_and_its_hash(shell: Shell):
    shell.program(
        ".venv/bin/python",
        'case "$*" in *render.py\\ plan*) echo sealed > plan.json; exit 2 ;; esac',
    )
    assert shell.run(shell_script(), "prod", "check").returncode == 0
    assert shell.run(shell_script(), "prod", "plan").returncode == 0
    assert shell.run(shell_script(), "prod", "apply").returncode == 0
    assert shell.called().endswith("render.py|deploy|--env|prod|--plan|plan.json|--yes|\n")
    (shell.folder / "plan.json").write_text("altered")
    assert shell.run(shell_script(), "prod", "apply").returncode == 1
    shell.program(".venv/bin/python", "exit 1")
    assert shell.run(shell_script(), "prod", "plan").returncode == 1


VERBS = re.compile(r"render\.py (\w+)((?:[^\n\\]|\\\n)*)")


@pytest.mark.parametrize(
    "path", [*WORKFLOWS, REPOSITORY / "docs/pipeline.md"], ids=lambda path: path.name
)
def test_workflows_use_existing_options(path: Path):
    from stackwright.cli import main

    verbs = commands(main.main)
    for verb, rest in VERBS.findall(path.read_text("utf-8")):
        if verb not in verbs:
            continue  # test_docs holds the verbs
        known = {option for parameter in verbs[verb].params for option in parameter.opts}
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", rest.partition("|")[0])) <= known, (
            path.name,
            verb,
        )


LOCAL = {
    "params/local.yaml": "project: news\nregion: us-east-2\n",
    "templates/main.yaml.j2": "# {{ project }} {{ region }}\nResources:\n  Topic: {Type: AWS::SNS::Topic}\n",
}


@pytest.fixture
def checkout(shell: Shell) -> Iterator[Shell]:
    """A folder with a project, this repository's tool, and the local CloudFormation."""
    Project(shell.folder).write(LOCAL)
    (shell.folder / "render.py").symlink_to(RENDER_PY)
    (shell.folder / ".venv/bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    render = "set +e; .venv/bin/python render.py"
    assert shell.run(f"{render} render --env local", HOME=str(shell.folder)).returncode == 0
    yield shell
    shell.run(f"{render} emulator stop", HOME=str(shell.folder))


def test_deployed_plan_leaves_no_changes(checkout: Shell):
    given = {"ENVIRONMENT": "local", "HOME": str(checkout.folder)}
    planned = checkout.run(script("environment", "plan", "plan"), **given)
    assert planned.returncode == 0, planned.stderr
    assert checkout.outputs()["changes"] == "true"
    assert "Topic" in (checkout.folder / "GITHUB_STEP_SUMMARY").read_text()
    check = script("environment", "apply", "Check that the plan is the approved one")
    assert checkout.run(check, SHA256=checkout.outputs()["sha256"]).returncode == 0
    applied = checkout.run(script("environment", "apply", "Apply"), ALLOW="", **given)
    assert applied.returncode == 0, applied.stderr
    again = checkout.run(script("environment", "plan", "plan"), **given)
    assert again.returncode == 0, again.stderr
    assert checkout.outputs()["changes"] == "false"
    refused = checkout.run(script("environment", "apply", "Apply"), ALLOW="--no-such-flag", **given)
    assert refused.returncode != 0
