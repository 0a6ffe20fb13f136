"""The server as clients see it: CloudFormation ours, the rest moto's, errors always
CloudFormation's XML."""

import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from stackwright.emulator.api.cloudformation import LocalCloudFormation
from stackwright.emulator.server import protocol
from stackwright.emulator.server.server import Server
from stackwright.emulator.services.moto_runtime import bucket_and_key
from stackwright.emulator.world.settings import EmulatorSettings
from tests.support.clients import Clients

SCOPE = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/cloudformation/aws4_request, SignedHeaders=host, Signature=x"


@pytest.fixture(scope="module")
def server():
    with Server(EmulatorSettings(page=2)) as running:
        yield running


@pytest.fixture
def client(server):
    with Clients(server.url) as clients:
        yield clients


def post(server, body):
    request = urllib.request.Request(server.url, body.encode(), {"Authorization": SCOPE})  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_nested_templates_are_read_from_the_emulated_s3(server, client):
    s3, cloudformation = client("s3"), client("cloudformation")
    s3.create_bucket(Bucket="templates")
    s3.put_object(
        Bucket="templates", Key="a/child.yaml", Body="Resources: {T: {Type: AWS::SNS::Topic}}"
    )
    url = f"{server.url}/templates/a/child.yaml"
    body = f"Resources: {{N: {{Type: AWS::CloudFormation::Stack, Properties: {{TemplateURL: {url}}}}}}}"
    cloudformation.create_stack(StackName="nested", TemplateBody=body)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="nested")
    with pytest.raises(ClientError, match="S3 error: Access Denied"):
        cloudformation.create_stack(
            StackName="other", TemplateBody=body.replace("child", "nothing")
        )


def test_clients_follow_pages(client):
    cloudformation = client("cloudformation")
    topics = ", ".join(f"T{i}: {{Type: AWS::SNS::Topic}}" for i in range(5))
    cloudformation.create_stack(StackName="paged", TemplateBody=f"Resources: {{{topics}}}")
    pages = list(cloudformation.get_paginator("list_stack_resources").paginate(StackName="paged"))
    assert [len(page["StackResourceSummaries"]) for page in pages] == [2, 2, 1]


def test_errors_are_parsed_by_clients(client):
    cloudformation = client("cloudformation")
    with pytest.raises(ClientError) as caught:
        cloudformation.describe_stacks(StackName="no")
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert caught.value.response["Error"]["Message"] == "Stack with id no does not exist"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    cloudformation.create_stack(
        StackName="e", TemplateBody="Resources: {T: {Type: AWS::SNS::Topic}}"
    )
    with pytest.raises(cloudformation.exceptions.ChangeSetNotFoundException):
        cloudformation.describe_change_set(ChangeSetName="x", StackName="e")


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("", 400, "<Code>InvalidAction</Code>"),
        ("Action=Fly&Version=2010-05-15", 400, "Could not find operation Fly"),
        ("Action=CreateStack&StackName=a&TimeoutInMinutes=x", 400, "<Code>MalformedInput</Code>"),
        (
            "Action=DescribeStacks&StackName=%3Cb%3E%01",
            400,
            "Stack with id &lt;b&gt; does not exist",
        ),
        ("Action=GetTemplate", 400, "<Code>ValidationError</Code>"),
        ("Action=SetStackPolicy&StackName=a%00", 400, "<ErrorResponse"),
        ("Action=ListStacks&StackStatusFilter=", 200, "<ListStacksResponse"),
    ],
)
def test_malformed_requests_do_not_stop_server(server, body, status, text):
    code, answer = post(server, body)
    assert (code, text in answer) == (status, True), answer
    assert post(server, "Action=ListStacks")[0] == 200


def test_defect_is_answered_as_internal_failure():
    class Broken(LocalCloudFormation):
        def call(self, action, arguments):
            raise ZeroDivisionError("oops")

    with Server(make_engine=Broken) as running:
        status, answer = post(running, "Action=ListStacks")
    assert (status, "<Code>InternalFailure</Code>" in answer) == (500, True)


@pytest.mark.parametrize(
    ("url", "bucket_key"),
    [
        ("s3://b/k/l", ("b", "k/l")),
        ("https://b.s3.us-east-2.amazonaws.com/k/l%20m", ("b", "k/l m")),
        ("https://b.c.s3.amazonaws.com/k", ("b.c", "k")),
        ("https://b.s3-eu-west-1.amazonaws.com/k", ("b", "k")),
        ("https://s3.us-east-2.amazonaws.com/b/k/l", ("b", "k/l")),
        ("http://127.0.0.1:5000/b/k/l", ("b", "k/l")),
    ],
)
def test_bucket_and_key_of_template_urls(url, bucket_key):
    assert bucket_and_key(url) == bucket_key


def test_requests_are_parsed_by_the_service_model():
    body = (
        "Action=CreateStack&StackName=s&DisableRollback=true&TimeoutInMinutes=5&Capabilities.member.1=A"
        "&Capabilities.member.2=B&Tags.member.1.Key=k&Tags.member.1.Value=&Parameters.member.1.ParameterKey=p"
        "&Parameters.member.1.UsePreviousValue=false"
    )
    assert protocol.parse_request(body) == (
        "CreateStack",
        {
            "StackName": "s",
            "DisableRollback": True,
            "TimeoutInMinutes": 5,
            "Capabilities": ["A", "B"],
            "Tags": [{"Key": "k", "Value": ""}],
            "Parameters": [{"ParameterKey": "p", "UsePreviousValue": False}],
        },
    )


WHILE_IT_READS = """
import sys, threading
from stackwright.emulator.api.cloudformation import LocalCloudFormation
from stackwright.emulator.services.moto_application import MotoApplication
from stackwright.emulator.server.server import Server

sys.setswitchinterval(1e-6)
reading = threading.Thread(target=Server().load)
reading.start()
while reading.is_alive():
    MotoApplication("123456789012").reset()
"""


AT_ONCE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from werkzeug.test import Client
from stackwright.emulator.api.cloudformation import LocalCloudFormation
from stackwright.emulator.server.application import Application

sys.setswitchinterval(1e-6)
application, scope = Application(), "Credential=x/20260101/us-east-1/s3/aws4_request"
signed = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=x"}
Client(application).put("/bucket", headers=signed)

def put(key):
    return Client(application).put(f"/bucket/{key}", headers={**signed, "If-None-Match": "*"}, data=b"x").status_code

with ThreadPoolExecutor(8) as pool:
    for key in range(40):
        assert list(pool.map(put, [key] * 8)).count(200) == 1
"""


@pytest.mark.parametrize(
    "script", [WHILE_IT_READS, AT_ONCE], ids=["reset while it reads ahead", "one key put at once"]
)
def test_moto_is_safe_between_threads(script):
    """A process of its own, as moto's code is read, and its state held, once in a process."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
