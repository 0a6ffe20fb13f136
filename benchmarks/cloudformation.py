"""How fast changes are predicted and deployed here, against the targets and against CDK's diff.

    python -m benchmarks.cloudformation            about a minute

Prints a Markdown table. The peer, @aws-cdk/cloudformation-diff, is installed with npm into a folder
of its own; where npm or the network is missing its row says so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3

from stackwright.cfn import Pseudo, Schemas, StackSide, parse_template, predict_changes
from stackwright.diff import diff_builds, read_build_folder
from stackwright.emulator import RehearsalBuild, RehearsalWorld, start_emulator, stop_emulator

HERE = Path(__file__).resolve().parent.parent
BUCKET, ROOTS = "packaged", ("bootstrap", "foundation", "app")
OCI = "application/vnd.oci.image"
PSEUDO = Pseudo(region="us-east-2", account_id="777788889999")
CDK = HERE / ".stackwright" / "cdk"
CDK_DIFF = """
const { fullDiff } = require('@aws-cdk/cloudformation-diff'), fs = require('fs'), path = require('path');
const [before, after] = process.argv.slice(2), began = process.hrtime.bigint();
let found = 0;
for (const name of fs.readdirSync(after)) {
  const read = (folder) => JSON.parse(fs.readFileSync(path.join(folder, name)));
  found += fullDiff(read(before), read(after)).differenceCount;
}
console.log(JSON.stringify({ seconds: Number(process.hrtime.bigint() - began) / 1e9, found }));
"""


def main() -> None:
    """Run the benchmarks and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    before = read_build_folder(HERE / "build/prod")
    after = {**before, "app.yaml": before["app.yaml"].replace("gateway:1.0.0", "gateway:1.1.0")}
    after["app/network.yaml"] = before["app/network.yaml"].replace("10.0.0.0/16", "10.1.0.0/16")
    print("| what | target, s | median, s | worst, s |\n|---|---|---|---|")
    _row("prediction of build/prod against a changed copy, first", 0.3, _first(before, after, runs))
    _row(
        "prediction of build/prod against a changed copy, again",
        0.3,
        _timed(lambda: _predict(before, after), runs),
    )
    _row(
        "CDK's cloudformation-diff of the same templates, in-process",
        None,
        _cdk(before, after, runs),
    )
    command = [sys.executable, "render.py", "diff", "--env", "prod", "--against", "HEAD"]
    _row(
        "`make diff`: render.py diff --env prod --against HEAD",
        0.8,
        _timed(lambda: _run(command), runs),
    )
    for count in (125, 250, 500):
        _row(f"prediction of one stack of {count} resources", None, _timed(_chain(count), runs))
    _row("all of Euglena deployed, engine alone", 2, _timed(lambda: _deploy(before), runs))
    with tempfile.TemporaryDirectory() as packaged:
        package = ["package", "--env", "prod", "--no-lint", "--bucket", BUCKET, "--out", packaged]
        _run([sys.executable, "render.py", *package])
        for what, wait in (("straight after start", 0.0), ("3 s after start", 3.0)):
            served = [_served(Path(packaged), wait) for _ in range(runs)]
            _row(
                f"all of Euglena, packaged, deployed over HTTP by boto3, {what}",
                2,
                [each[0] for each in served],
            )
        _row(
            "all of Euglena, packaged, deployed over HTTP by boto3, again",
            2,
            [each[1] for each in served],
        )
        _row(
            "the same by the AWS CLI (`aws cloudformation deploy`), 3 s after start",
            None,
            _by_cli(Path(packaged)),
        )
    _row("start-up to the first CloudFormation answer", 1.5, list(_started(runs)))


def _row(what: str, target: float | None, seconds: list[float]) -> None:
    shown = (
        ("", "") if not seconds else (f"{statistics.median(seconds):.3f}", f"{max(seconds):.3f}")
    )
    print(
        f"| {what} | {'' if target is None else target} | {shown[0] or 'not available'} | {shown[1]} |",
        flush=True,
    )


def _timed(action: Callable[[], Any], runs: int) -> list[float]:
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        action()
        found.append(time.perf_counter() - began)
    return found


def _run(command: list[str]) -> str:
    return subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout


# --- prediction


def _predict(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    found = diff_builds(before, after, PSEUDO.region, PSEUDO.account_id)
    assert not found.empty


def _first(before: Mapping[str, str], after: Mapping[str, str], runs: int) -> list[float]:
    """In processes of their own, imports not counted: what a schema costs that nobody has read
    yet."""
    script = (
        "import json, sys, time\nfrom stackwright.diff import diff_builds\nfrom stackwright.cfn import predict_changes\n"
        "before, after = json.load(sys.stdin)\nbegan = time.perf_counter()\n"
        "assert not diff_builds(before, after, 'us-east-2').empty\nprint(time.perf_counter() - began)\n"
    )
    given = json.dumps([before, after])
    command = [sys.executable, "-c", script]
    return [
        float(
            subprocess.run(
                command, input=given, cwd=HERE, check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(runs)
    ]


def _chain(count: int) -> Callable[[], None]:
    """Predict a new name for the first of many topics that each name the one before."""

    def text(name: str) -> str:
        resources: dict[str, Any] = {
            "T0": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}
        }
        for number in range(1, count):
            shown = {"Fn::Sub": f"after ${{T{number - 1}.TopicName}}"}
            resources[f"T{number}"] = {
                "Type": "AWS::SNS::Topic",
                "Properties": {"DisplayName": shown},
            }
        return json.dumps({"Resources": resources})

    old, new = text("a"), text("b")

    def act() -> None:
        found = predict_changes(
            StackSide(parse_template(old), {}, PSEUDO),
            StackSide(parse_template(new), {}, PSEUDO),
            Schemas(PSEUDO.region),
        )
        assert not found.empty

    return act


def _cdk(before: Mapping[str, str], after: Mapping[str, str], runs: int) -> list[float]:
    npm = shutil.which("npm")
    if npm is None:
        return []
    if not (CDK / "node_modules/@aws-cdk/cloudformation-diff").exists():
        CDK.mkdir(parents=True, exist_ok=True)
        install = [npm, "install", "--silent", "--prefix", str(CDK), "@aws-cdk/cloudformation-diff"]
        if subprocess.run(install, capture_output=True, check=False).returncode:
            return []
    script = CDK / "diff.js"
    script.write_text(CDK_DIFF, encoding="utf-8")
    with tempfile.TemporaryDirectory() as temporary:
        sides = [
            _written(files, Path(temporary, name))
            for name, files in (("before", before), ("after", after))
        ]
        return [
            json.loads(_run(["node", str(script), *map(str, sides)]))["seconds"]
            for _ in range(runs)
        ]


def _written(files: Mapping[str, str], to: Path) -> Path:
    to.mkdir()
    for path, text in files.items():
        (to / f"{path.replace('/', '-')}.json").write_text(
            json.dumps(parse_template(text).data, default=str), encoding="utf-8"
        )
    return to


# --- deploying


def _deploy(files: Mapping[str, str]) -> None:
    world, build = RehearsalWorld(PSEUDO), RehearsalBuild(files)
    for root in build.order:
        phase = world.deploy(build, root)
        assert phase is not None
        assert phase.ok, phase.failures


class _Emulator:
    """A fresh one in a process of its own, and what has to be there before and between the roots:
    not counted."""

    def __init__(self, url: str, packaged: Path) -> None:
        self.url, self._packaged = url, packaged
        self.outputs: dict[str, str] = {}

    def prepare(self) -> None:
        """A certificate, and what `package` wrote, in a bucket."""
        with _client("acm", self.url) as acm, _client("s3", self.url) as s3:
            arn = acm.request_certificate(DomainName="example.com")["CertificateArn"]
            s3.create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": PSEUDO.region}
            )
            for file in self._packaged.iterdir():
                s3.put_object(Bucket=BUCKET, Key=file.name, Body=_with_certificate(file, arn))

    def parameters(self, root: str) -> dict[str, str]:
        """The values of a root's parameters; images and the secret's value are put where there are
        some."""
        wanted = parse_template(
            (self._packaged / f"{root}.template.yaml").read_text(encoding="utf-8")
        ).parameters
        if any(name.endswith("Image") for name in wanted):
            self.outputs |= self._images() | {"AppSecretVersionId": self._secret()}
        return {name: self.outputs[name] for name in wanted}

    def _images(self) -> dict[str, str]:
        found = {}
        with _client("ecr", self.url) as ecr:
            for each in ecr.describe_repositories()["repositories"]:
                name, config = (
                    each["repositoryName"].rpartition("/")[2],
                    hashlib.sha256(each["repositoryName"].encode()),
                )
                given = {
                    "digest": f"sha256:{config.hexdigest()}",
                    "size": 1,
                    "mediaType": f"{OCI}.config.v1+json",
                }
                kind = f"{OCI}.manifest.v1+json"
                manifest = json.dumps(
                    {"schemaVersion": 2, "mediaType": kind, "config": given, "layers": []}
                )
                image = ecr.put_image(
                    repositoryName=each["repositoryName"], imageManifest=manifest, imageTag="1"
                )
                digest = image["image"]["imageId"]["imageDigest"]
                found[f"{name.title()}Image"] = f"{each['repositoryUri']}@{digest}"
        return found

    def _secret(self) -> str:
        lines = (HERE / "env/prod/keys.env.example").read_text(encoding="utf-8").splitlines()
        keys = {
            line.partition("=")[0]: "x"
            for line in lines
            if "=" in line and not line.startswith("#")
        }
        with _client("secretsmanager", self.url) as client:
            arn = self.outputs["AppSecretArn"]
            return str(
                client.put_secret_value(SecretId=arn, SecretString=json.dumps(keys))["VersionId"]
            )

    def deploy(self, root: str) -> float:
        """One root by a change set, as a deployer does; the seconds it took."""
        values = [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in self.parameters(root).items()
        ]
        address, named = (
            _address(self._packaged, root),
            {"StackName": root, "ChangeSetName": "benchmark"},
        )
        with _client("cloudformation", self.url) as client:
            began = time.perf_counter()
            client.create_change_set(
                **named, ChangeSetType="CREATE", TemplateURL=address, Parameters=values, IncludeNestedStacks=True,
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )  # fmt: skip
            client.describe_change_set(**named)
            client.execute_change_set(**named)
            took = time.perf_counter() - began
            self.read(client, root)
            return took

    def read(self, client: Any, root: str) -> None:
        """Keep a deployed root's outputs."""
        found = client.describe_stacks(StackName=root)["Stacks"][0]
        assert found["StackStatus"] == "CREATE_COMPLETE", found
        self.outputs |= {
            each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())
        }


def _served(packaged: Path, wait: float) -> tuple[float, float]:
    """The first deployment on a fresh emulator, and one after it has forgotten everything."""
    with tempfile.TemporaryDirectory() as temporary:
        running = start_emulator(Path(temporary), PSEUDO.region, PSEUDO.account_id)
        time.sleep(wait)
        seconds = []
        for _ in range(2):
            emulator = _Emulator(running.url, packaged)
            emulator.prepare()
            seconds.append(sum(emulator.deploy(root) for root in ROOTS))
            running.admin("reset")
        stop_emulator(Path(temporary))
    return seconds[0], seconds[1]


def _by_cli(packaged: Path) -> list[float]:
    """The peer: three times its start-up, and the time between its looks at a stack."""
    aws = shutil.which("aws")
    if aws is None:
        return []
    with tempfile.TemporaryDirectory() as temporary:
        running = start_emulator(Path(temporary), PSEUDO.region, PSEUDO.account_id)
        time.sleep(3)
        emulator, seconds = _Emulator(running.url, packaged), 0.0
        emulator.prepare()
        keys = {
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": PSEUDO.region,
        }
        for root in ROOTS:
            values = [f"{name}={value}" for name, value in emulator.parameters(root).items()]
            file = Path(temporary, f"{root}.yaml")
            with _client("s3", running.url) as s3:
                key = _address(packaged, root).rpartition("/")[2]
                file.write_bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
            command = [
                aws,
                "cloudformation",
                "deploy",
                "--stack-name",
                root,
                "--template-file",
                str(file),
            ]
            command += ["--capabilities", "CAPABILITY_NAMED_IAM"]
            command += ["--parameter-overrides", *values] if values else []
            began = time.perf_counter()
            subprocess.run(
                command,
                env={**os.environ, **keys, "AWS_ENDPOINT_URL": running.url},
                check=True,
                capture_output=True,
            )
            seconds += time.perf_counter() - began
            with _client("cloudformation", running.url) as client:
                emulator.read(client, root)
        stop_emulator(Path(temporary))
    return [seconds]


def _address(packaged: Path, root: str) -> str:
    data = (packaged / f"{root}.template.yaml").read_bytes()
    return f"https://{BUCKET}.s3.{PSEUDO.region}.amazonaws.com/{hashlib.sha256(data).hexdigest()}.template.yaml"


def _with_certificate(file: Path, arn: str) -> bytes:
    """A load balancer wants a certificate that exists."""
    return (
        re.sub(rb"arn:aws:acm:[\w:/-]+", arn.encode(), file.read_bytes())
        if file.suffix == ".yaml"
        else file.read_bytes()
    )


def _client(name: str, url: str) -> Any:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": PSEUDO.region}
    return closing(boto3.client(name, endpoint_url=url, **keys))  # type: ignore[call-overload]  # typed for literal names


def _started(runs: int) -> Iterator[float]:
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as temporary:
            began = time.perf_counter()
            running = start_emulator(Path(temporary))
            with _client("cloudformation", running.url) as client:
                client.list_stacks()
                yield time.perf_counter() - began
            stop_emulator(Path(temporary))


if __name__ == "__main__":
    main()
