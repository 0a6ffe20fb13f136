"""Verbs on projects that have next to nothing: no bucket, no project name, no dotenv files."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from stackwright.plan import NO_BUCKET
from tests.support.aws import REGION, client
from tests.support.emulator import emulator
from tests.support.projects import Project

Make = Callable[..., Project]
BARE = {
    "params/defaults.yaml": f"region: {REGION}\n",
    "templates/main.yaml.j2": "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n",
}
NESTED = {
    "params/defaults.yaml": f"region: {REGION}\nstacks: [base, {{app: [net]}}]\n",
    "templates/main.yaml.j2": None,
    "templates/base.yaml.j2": "Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n"
    "    DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain\n",
    "templates/app.yaml.j2": "Resources:\n  {{ nested_stacks() }}\n",
    "templates/app/net.yaml.j2": "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n",
}


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with emulator() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield


def test_project_without_bucket_is_deployed_without_a_release(project: Make) -> None:
    made = project(BARE)
    made.invoke("render", "--env", "dev")
    deployment = made.invoke("deploy", "--env", "dev", "--yes")
    assert deployment.stderr.endswith(f"dev is deployed; no release is recorded: {NO_BUCKET}\n")
    status = made.invoke("status", "--env", "dev")
    assert (status.exit_code, "CREATE_COMPLETE" in status.stdout) == (0, True)
    history = made.invoke("history", "--env", "dev")
    assert history.stderr == (f"dev is deployed, but its releases are not recorded: {NO_BUCKET}\n")
    rollback = made.invoke("rollback", "--env", "dev")
    assert f"SW887 dev has no release to restore: its releases are not recorded: {NO_BUCKET}" in (
        rollback.stderr
    )
    assert f"SW846 dev has no bucket to delete artifacts from: {NO_BUCKET}" in (
        made.invoke("prune", "--env", "dev").stderr
    )
    assert made.invoke("verify", "--env", "dev").exit_code == 0
    assert made.invoke("destroy", "--env", "dev", "--yes-destroy", "dev").exit_code == 0


@pytest.mark.parametrize("verb", ["plan", "deploy"])
def test_missing_bucket_is_refused_before_anything_is_deployed(project: Make, verb: str) -> None:
    made = project(NESTED)
    made.invoke("render", "--env", "dev")
    refused = made.invoke(verb, "--env", "dev", *(["--yes"] if verb == "deploy" else []))
    assert refused.exit_code == 1
    assert f"SW886 Net of app needs a bucket for its template or code: {NO_BUCKET}" in (
        refused.stderr
    )
    assert "templates/app.yaml.j2:2" in refused.stderr
    assert "not deployed" in made.invoke("status", "--env", "dev").stdout


def test_bucket_that_does_not_exist_is_named(project: Make) -> None:
    client("cloudformation").create_stack(
        StackName="dev-main", TemplateBody=BARE["templates/main.yaml.j2"]
    )
    parameters = f"region: {REGION}\ndeploy: {{bucket: absent}}\n"
    made = project({**BARE, "params/defaults.yaml": parameters})
    made.invoke("render", "--env", "dev")
    assert "CREATE_COMPLETE" in made.invoke("status", "--env", "dev").stdout
    assert made.invoke("history", "--env", "dev").stderr == (
        "dev is deployed, and the bucket absent of its releases does not exist\n"
    )
    topic = BARE["templates/main.yaml.j2"].replace("Topic:\n", "Other:\n", 1)
    made.write({"templates/main.yaml.j2": topic})
    made.invoke("render", "--env", "dev")
    deployment = made.invoke("deploy", "--env", "dev", "--yes")
    assert "SW410 the bucket absent does not exist" in deployment.stderr


def test_plan_tells_that_uploaded_artifacts_stay(project: Make) -> None:
    output = "Outputs:\n  ArtifactBucketName:\n    Value: !Ref Bucket\n"
    base = f"{NESTED['templates/base.yaml.j2']}{output}"
    made = project({**NESTED, "templates/base.yaml.j2": base})
    made.invoke("render", "--env", "dev")
    assert made.invoke("deploy", "--env", "dev", "--yes").exit_code == 0
    topic = "Resources:\n  Other:\n    Type: AWS::SNS::Topic\n"
    made.write({"templates/app/net.yaml.j2": topic})
    made.invoke("render", "--env", "dev")
    plan = made.invoke("plan", "--env", "dev")
    assert "the uploaded artifacts stay in s3://" in plan.stderr
    assert "stay in s3://" not in made.invoke("plan", "--env", "dev").stderr
