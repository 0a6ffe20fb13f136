"""CloudFormation and Lambda accept the output of `package` as it is uploaded."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable

from stackwright.artifacts.package import package_rendering
from stackwright.core.model import S3Folder
from tests.support.aws import ACCOUNT, REGION, client, create_bucket
from tests.support.projects import TOPIC, Project

CHILD = f"""\
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: news
      Code: {{{{ local_path('lambda/news') }}}}
      Handler: main.handler
      Runtime: python3.13
      Role: arn:aws:iam::{ACCOUNT}:role/news
"""
FILES = {
    "params/defaults.yaml": f"stacks: [{{main: [first, second]}}]\ntitle: news\nregion: {REGION}\n",
    "templates/main.yaml.j2": "Resources:\n  {{ nested_stacks() }}\n",
    "templates/main/first.yaml.j2": CHILD,
    "templates/main/second.yaml.j2": TOPIC,
    "lambda/news/main.py": "def handler(event, context):\n    return event\n",
}
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def test_packaged_root_with_nested_stacks_and_function_is_deployed(
    project: Callable[..., Project], moto: str
) -> None:
    create_bucket("artifacts")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    client("iam").create_role(RoleName="news", AssumeRolePolicyDocument=policy)
    folder = S3Folder("artifacts", REGION, "dev")
    bundle = package_rendering(project(FILES).render(), folder)
    for artifact in bundle.artifacts:
        checksum = b64encode(bytes.fromhex(artifact.sha256)).decode()
        client("s3").put_object(
            Bucket="artifacts",
            Key=folder.key(artifact.name),
            Body=artifact.data,
            ChecksumSHA256=checksum,
        )
    client("cloudformation").create_stack(
        StackName="main", TemplateURL=bundle.templates["main"].address
    )
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    assert [stack["StackStatus"] for stack in stacks] == ["CREATE_COMPLETE"] * 3
    code = client("lambda").get_function(FunctionName="news")["Configuration"]
    zipped = bundle.functions["main/first:Function"]
    assert code["CodeSha256"] == b64encode(hashlib.sha256(zipped.data).digest()).decode()
    assert [
        topic["TopicArn"].rpartition(":")[2] for topic in client("sns").list_topics()["Topics"]
    ] != []
