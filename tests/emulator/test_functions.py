"""Lambda functions run their own code when they are invoked."""

import base64
import contextlib
import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

from stackwright.emulator.server.journal import Journal
from stackwright.emulator.server.server import Server
from tests.support.clients import Clients

CODE = """
import os, time
import boto3
import policy

def greet(event, context):
    print("hello", event["name"])
    queue = boto3.client("sqs").create_queue(QueueName=event["name"])["QueueUrl"]
    assert context.get_remaining_time_in_millis() > 0
    return {"queue": queue, "level": os.environ["LEVEL"], "mine": policy.NAME, "function": context.function_name}

def fail(event, context):
    raise KeyError("no " + event["name"])

def leave(event, context):
    os._exit(3)

def wait(event, context):
    time.sleep(30)
"""


def zipped():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("main.py", CODE)
        archive.writestr("policy.py", "NAME = 'the function\\'s own'")
    return data.getvalue()


class Site(Clients):
    def create(self, handler, **options):
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        with contextlib.suppress(ClientError):
            self("iam").create_role(RoleName="r", AssumeRolePolicyDocument=policy)
        given = {
            "Runtime": "python3.13",
            "Role": "arn:aws:iam::123456789012:role/r",
            "Code": {"ZipFile": zipped()},
        }
        self("lambda").create_function(
            FunctionName=handler, Handler=f"main.{handler}", **{**given, **options}
        )

    def invoke(self, name, **options):
        answer = self("lambda").invoke(
            FunctionName=name, Payload=json.dumps({"name": "q"}), **options
        )
        return answer, json.loads(answer["Payload"].read() or b"null")


@pytest.fixture
def site(tmp_path):
    journal = Journal(tmp_path / "state.jsonl")
    with Server(journal=journal) as server, Site(server.url) as site:
        yield site


def test_invoke_runs_code_against_emulator(site):
    site("s3").create_bucket(Bucket="code")
    site("s3").put_object(Bucket="code", Key="k", Body=zipped())
    site("logs").create_log_group(logGroupName="/aws/lambda/greet")
    environment = {"Variables": {"LEVEL": "3"}}
    site.create(
        "greet", Code={"S3Bucket": "code", "S3Key": "k"}, Environment=environment, Timeout=30
    )
    answer, payload = site.invoke("greet", LogType="Tail")
    assert "FunctionError" not in answer
    (queue,) = site("sqs").list_queues()["QueueUrls"]
    assert payload == {
        "queue": queue,
        "level": "3",
        "mine": "the function's own",
        "function": "greet",
    }
    assert "\nhello q\n" in base64.b64decode(answer["LogResult"]).decode()
    stream = site("logs").describe_log_streams(logGroupName="/aws/lambda/greet")["logStreams"][0][
        "logStreamName"
    ]
    events = site("logs").get_log_events(logGroupName="/aws/lambda/greet", logStreamName=stream)[
        "events"
    ]
    assert "hello q" in [event["message"] for event in events]


@pytest.mark.parametrize(
    ("handler", "options", "kind", "message"),
    [
        ("fail", {"Timeout": 30}, "KeyError", "'no q'"),
        ("nothing", {"Timeout": 30}, "AttributeError", "module 'main' has no attribute 'nothing'"),
        (
            "leave",
            {"Timeout": 30},
            "Runtime.ExitError",
            "Runtime exited without providing a reason",
        ),
        ("wait", {"Timeout": 1}, "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        (
            "fail",
            {"Runtime": "nodejs22.x"},
            "Runtime.InvalidEntrypoint",
            "functions run in Python only here",
        ),
    ],
)
def test_invoke_reports_lambda_errors(site, handler, options, kind, message):
    site.create(handler, **options)
    answer, payload = site.invoke(handler)
    assert (answer["StatusCode"], answer["FunctionError"], payload["errorType"]) == (
        200,
        "Unhandled",
        kind,
    )
    assert payload["errorMessage"].endswith(message)


def test_invoke_refuses_unsupported_requests(site):
    site.create("greet")
    assert site.invoke("greet", InvocationType="DryRun")[0]["StatusCode"] == 204
    site("lambda").put_function_concurrency(FunctionName="greet", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match=r"TooManyRequestsException.*Rate Exceeded"):
        site.invoke("greet")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        site.invoke("nothing")
    site("lambda").delete_function_concurrency(FunctionName="greet")
    site.create("torn", Code={"ZipFile": b"PK"})
    with pytest.raises(ClientError, match="InvalidZipFileException"):
        site.invoke("torn")
    with pytest.raises(ClientError, match="InvalidRequestContentException"):
        site("lambda").invoke(FunctionName="greet", Payload=b"{")
