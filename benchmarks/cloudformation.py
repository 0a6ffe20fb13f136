"""How fast changes are predicted and deployed here, against the targets and against CDK's diff.

    python -m benchmarks.cloudformation            about a minute

Prints a Markdown table. The peer, @aws-cdk/cloudformation-diff, is installed with npm into a folder of its own; where
npm or the network is missing its row says so.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import boto3

from stackwright.cfn.changes import Stack, predict
from stackwright.cfn.intrinsics import Pseudo
from stackwright.cfn.schema import Schemas
from stackwright.cfn.template import parse
from stackwright.diff import diff, folder
from stackwright.emulator import lifecycle
from stackwright.emulator.engine import Engine
from stackwright.emulator.server import Server
from stackwright.rehearsal import Build, World

HERE = Path(__file__).resolve().parent.parent
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    before = folder(HERE / "build/prod")
    after = {**before, "app.yaml": before["app.yaml"].replace("gateway:1.0.0", "gateway:1.1.0")}
    after["app/network.yaml"] = before["app/network.yaml"].replace("10.0.0.0/16", "10.1.0.0/16")
    print("| what | target, s | median, s | worst, s |\n|---|---|---|---|")
    _row("prediction of build/prod against a changed copy, first", 0.3, _first(before, after, runs))
    _row("prediction of build/prod against a changed copy, again", 0.3, _timed(lambda: _predict(before, after), runs))
    _row("CDK's cloudformation-diff of the same templates, in-process", None, _cdk(before, after, runs))
    command = [sys.executable, "render.py", "diff", "--env", "prod", "--against", "HEAD"]
    _row("`make diff`: render.py diff --env prod --against HEAD", 0.8, _timed(lambda: _run(command), runs))
    for count in (125, 250, 500):
        _row(f"prediction of one stack of {count} resources", None, _timed(_chain(count), runs))
    _row("all of Euglena deployed, engine alone", 2, _timed(lambda: _deploy(before), runs))
    served = list(_served(before, runs + 1))
    _row("all of Euglena deployed over HTTP, mirrored in moto, which is being loaded", 2, served[:1])
    _row("all of Euglena deployed over HTTP, mirrored in moto, again", 2, served[1:])
    _row("start-up to the first CloudFormation answer", 1.5, list(_started(runs)))


def _row(what: str, target: float | None, seconds: list[float]) -> None:
    shown = ("", "") if not seconds else (f"{statistics.median(seconds):.3f}", f"{max(seconds):.3f}")
    print(f"| {what} | {'' if target is None else target} | {shown[0] or 'not available'} | {shown[1]} |", flush=True)


def _timed(action: Callable[[], Any], runs: int) -> list[float]:
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        action()
        found.append(time.perf_counter() - began)
    return found


def _run(command: list[str]) -> str:
    return subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout


# --- prediction ---------------------------------------------------------------------------------------------------


def _predict(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    found = diff(before, after, PSEUDO.region, PSEUDO.account_id)
    assert not found.empty


def _first(before: Mapping[str, str], after: Mapping[str, str], runs: int) -> list[float]:
    """In processes of their own, imports not counted: what a schema costs that nobody has read yet."""
    script = (
        "import json, sys, time\nfrom stackwright.diff import diff\nfrom stackwright.cfn import changes\n"
        "before, after = json.load(sys.stdin)\nbegan = time.perf_counter()\n"
        "assert not diff(before, after, 'us-east-2').empty\nprint(time.perf_counter() - began)\n"
    )
    given = json.dumps([before, after])
    command = [sys.executable, "-c", script]
    return [
        float(subprocess.run(command, input=given, cwd=HERE, check=True, capture_output=True, text=True).stdout)
        for _ in range(runs)
    ]


def _chain(count: int) -> Callable[[], None]:
    """Predict a new name for the first of many topics that each name the one before."""

    def text(name: str) -> str:
        resources: dict[str, Any] = {"T0": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}}
        for number in range(1, count):
            shown = {"Fn::Sub": f"after ${{T{number - 1}.TopicName}}"}
            resources[f"T{number}"] = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": shown}}
        return json.dumps({"Resources": resources})

    old, new = text("a"), text("b")

    def act() -> None:
        found = predict(Stack(parse(old), {}, PSEUDO), Stack(parse(new), {}, PSEUDO), Schemas(PSEUDO.region))
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
        sides = [_written(files, Path(temporary, name)) for name, files in (("before", before), ("after", after))]
        return [json.loads(_run(["node", str(script), *map(str, sides)]))["seconds"] for _ in range(runs)]


def _written(files: Mapping[str, str], to: Path) -> Path:
    to.mkdir()
    for path, text in files.items():
        (to / f"{path.replace('/', '-')}.json").write_text(json.dumps(parse(text).data, default=str), encoding="utf-8")
    return to


# --- deploying ----------------------------------------------------------------------------------------------------


def _deploy(files: Mapping[str, str]) -> None:
    world, build = World(PSEUDO), Build(files)
    for root in build.order:
        phase = world.deploy(build, root)
        assert phase is not None
        assert phase.ok, phase.failures


def _served(files: Mapping[str, str], runs: int) -> Iterator[float]:
    """Deploy by boto3; what is there before a deployment (certificate, code) is not counted, nor is moto's import."""
    for _ in range(runs):
        texts: dict[str, str] = {}
        engine = Engine(PSEUDO, fetch=lambda url, texts=texts: texts[url], pulls=False)  # type: ignore[misc]
        with ExitStack() as stack:
            server = stack.enter_context(Server(engine))
            clients = {name: stack.enter_context(_client(name, server.url)) for name in ("cloudformation", "s3", "acm")}
            arn = clients["acm"].request_certificate(DomainName="example.com")["CertificateArn"]
            clients["s3"].create_bucket(
                Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": PSEUDO.region}
            )  # fmt: skip
            for name in ("autoscaling", "queue_metrics"):
                clients["s3"].put_object(Bucket="artifacts", Key=name, Body=b"code")
            mine = {path: text.replace(_certificate(files), arn) for path, text in files.items()}
            began = time.perf_counter()
            _deploy_by(clients["cloudformation"], Build(mine), texts)
            yield time.perf_counter() - began


def _certificate(files: Mapping[str, str]) -> str:
    line = next(line for line in files["app/edge.yaml"].splitlines() if "CertificateArn" in line)
    return line.split("CertificateArn:")[1].strip()


def _client(name: str, url: str) -> Any:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": PSEUDO.region}
    return closing(boto3.client(name, endpoint_url=url, **keys))  # type: ignore[call-overload]


def _deploy_by(client: Any, build: Build, texts: dict[str, str]) -> None:
    outputs: dict[str, str] = {}
    for root in build.order:
        url = build.url(build.roots[root])
        texts.update(build.texts)
        wanted = build.template(root).parameters
        values = {name: outputs.get(name, f"{name.lower()}-1") for name in wanted}
        client.create_stack(
            StackName=root,
            TemplateURL=url,
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        )
        found = client.describe_stacks(StackName=root)["Stacks"][0]
        assert found["StackStatus"] == "CREATE_COMPLETE", found
        outputs |= {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}


def _started(runs: int) -> Iterator[float]:
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as temporary:
            began = time.perf_counter()
            running = lifecycle.start(Path(temporary))
            with _client("cloudformation", running.url) as client:
                client.list_stacks()
                yield time.perf_counter() - began
            lifecycle.stop(Path(temporary))


if __name__ == "__main__":
    main()
