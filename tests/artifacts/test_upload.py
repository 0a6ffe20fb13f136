"""Uploading absent and altered artifacts only, and only to a bucket of the account."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from stackwright.artifacts.package import package_rendering
from stackwright.artifacts.upload import Transfer, upload_bundle
from stackwright.aws import Boto
from stackwright.core.errors import AwsError, StackwrightError
from stackwright.core.model import Bundle, S3Folder
from tests.deploy.test_packaged_deploys import FILES
from tests.support.aws import ACCOUNT, REGION, client, create_bucket
from tests.support.fakes import FakeAws
from tests.support.projects import Project

Make = Callable[..., Project]
S3 = S3Folder("artifacts", REGION, "dev")


def bundle(project: Make) -> Bundle:
    return package_rendering(project(FILES).render(), S3)


def bucket() -> None:
    create_bucket("artifacts")


def test_existing_artifacts_are_not_uploaded_again(project: Make) -> None:
    aws, made, uploaded = FakeAws(), bundle(project), []
    first = upload_bundle(made, ACCOUNT, aws, lambda artifact: uploaded.append(artifact.name))
    assert set(first.transfers.values()) == {Transfer.UPLOADED}
    assert aws.objects == {
        f"artifacts/dev/{artifact.name}": artifact.data for artifact in made.artifacts
    }
    assert sorted(uploaded) == sorted(artifact.name for artifact in made.artifacts)
    again = upload_bundle(made, ACCOUNT, aws)
    assert again.count(Transfer.PRESENT) == len(made.artifacts) == len(aws.sent)


def test_altered_artifact_is_uploaded_again(project: Make) -> None:
    aws, made = FakeAws(), bundle(project)
    upload_bundle(made, ACCOUNT, aws)
    altered = f"artifacts/dev/{made.artifacts[0].name}"
    aws.objects[altered] = b"altered"
    again = upload_bundle(made, ACCOUNT, aws)
    assert again.transfers[made.artifacts[0].name] is Transfer.REPAIRED
    assert again.count(Transfer.PRESENT) == len(made.artifacts) - 1
    assert aws.objects[altered] == made.artifacts[0].data


@pytest.mark.parametrize("survivors", range(4))
def test_interrupted_upload_continues(project: Make, survivors: int) -> None:
    made = bundle(project)
    aws = FakeAws(fail_after=survivors)
    with pytest.raises(StackwrightError) as caught:
        upload_bundle(made, ACCOUNT, aws)
    assert [problem.code for problem in caught.value.problems] == ["SW406"]
    aws.fail_after = None
    upload_bundle(made, ACCOUNT, aws)
    assert sorted(aws.sent) == sorted(f"dev/{artifact.name}" for artifact in made.artifacts)


def test_bucket_of_another_account_is_refused(project: Make) -> None:
    aws = FakeAws(account="999988887777")
    with pytest.raises(StackwrightError, match="not allowed"):
        upload_bundle(bundle(project), ACCOUNT, aws)
    assert aws.objects == {}


def test_bundle_without_a_bucket_is_refused(project: Make) -> None:
    with pytest.raises(ValueError, match="without a bucket"):
        upload_bundle(package_rendering(project(FILES).render()), ACCOUNT, FakeAws())


def test_object_calls_against_moto(moto: str) -> None:
    bucket()
    aws = Boto(REGION)
    digest = (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of b"abc", FIPS 180-4
    )
    assert aws.object_checksum("artifacts", "k", ACCOUNT) is None
    aws.put_object("artifacts", "k", b"abc", digest, ACCOUNT)
    assert aws.object_checksum("artifacts", "k", ACCOUNT) == digest
    client("s3").put_object(Bucket="artifacts", Key="other", Body=b"abc")
    assert aws.object_checksum("artifacts", "other", ACCOUNT) == ""
    with pytest.raises(AwsError, match="the bucket absent does not exist") as caught:
        aws.put_object("absent", "k", b"abc", digest, ACCOUNT)
    assert caught.value.problems[0].code == "SW410"


def test_package_upload_uploads_artifacts(project: Make, moto: str) -> None:
    bucket()
    made = project(FILES)
    arguments = (
        "package",
        "--env",
        "dev",
        "--no-lint",
        "--upload",
        "--bucket",
        "artifacts",
        "--format",
        "json",
    )
    first = made.invoke(*arguments)
    assert first.exit_code == 0, first.stderr
    listed = {item["name"] for item in json.loads(first.stdout)["artifacts"]}
    assert {
        item["Key"] for item in client("s3").list_objects_v2(Bucket="artifacts")["Contents"]
    } == listed
    assert first.stderr.endswith(f"kB, {len(listed)} uploaded\n")
    assert made.invoke(*arguments).stderr.endswith(f"kB, {len(listed)} already there\n")
    lost = made.invoke(
        "package", "--env", "dev", "--no-lint", "--upload", "--bucket", "artifacts-2"
    )
    assert lost.exit_code == 1
    assert lost.stderr.count("SW410 the bucket artifacts-2 does not exist") == 1
    assert lost.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"), [((), "give --out DIR"), (("--upload",), "--upload needs --bucket")]
)
def test_missing_or_conflicting_options_are_refused(
    project: Make, arguments: tuple[str, ...], words: str
) -> None:
    result = project(FILES).invoke("package", "--env", "dev", *arguments)
    assert result.exit_code == 1
    assert words in result.stderr
