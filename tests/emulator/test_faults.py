"""Faults of requests, on the admin path and from Python, as the clients of every service meet
them."""

import json
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from stackwright.emulator.api.cloudformation import LocalCloudFormation
from stackwright.emulator.server import lifecycle
from stackwright.emulator.server.lifecycle import LifecycleError, RunningEmulator
from stackwright.emulator.server.server import Server
from stackwright.emulator.world.faults import Fault, Kill, RequestFault, parse_fault
from stackwright.emulator.world.settings import EmulatorSettings
from tests.support.clients import connect

TOPIC = "Resources: {T: {Type: AWS::SNS::Topic, Properties: {TopicName: t}}}"


@pytest.fixture(scope="module")
def running():
    with Server() as server:
        yield RunningEmulator(0, server.url)


@pytest.fixture
def client(running):
    made = []

    def make(service, url=running.url, attempts=1, **options):
        made.append(connect(url, service, attempts=attempts, **options))
        return made[-1]

    running.admin("reset")
    yield make
    for client in made:
        client.close()


def outcome(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return None


def test_every_third_call_is_throttled(running, client):
    running.admin("fault", {"kind": "throttle", "service": "cloudformation", "every": 3})
    cloudformation = client("cloudformation")
    outcomes = [outcome(cloudformation.list_stacks) for _ in range(7)]
    assert outcomes == [None, None, ("Throttling", 400)] * 2 + [None]
    with pytest.raises(ClientError, match="Rate exceeded"):
        [cloudformation.list_stacks() for _ in range(3)]
    assert outcome(client("sns").list_topics) is None
    running.admin("clear")
    assert [outcome(cloudformation.list_stacks) for _ in range(6)] == [None] * 6


def test_retrying_client_succeeds(running, client):
    running.admin("fault", {"kind": "throttle", "action": "ListStacks", "times": 1})
    assert client("cloudformation", attempts=2).list_stacks()["StackSummaries"] == []


@pytest.mark.parametrize(
    ("service", "call", "kind", "error"),
    [
        ("sns", "list_topics", "throttle", ("Throttling", 400)),
        ("ecs", "list_clusters", "throttle", ("ThrottlingException", 400)),
        ("ec2", "describe_vpcs", "throttle", ("RequestLimitExceeded", 503)),
        ("s3", "list_buckets", "throttle", ("SlowDown", 503)),
        ("lambda", "list_functions", "throttle", ("ThrottlingException", 400)),
        ("cloudformation", "list_stacks", "error", ("InternalFailure", 500)),
        ("efs", "describe_file_systems", "error", ("InternalServerException", 500)),
        ("ec2", "describe_vpcs", "error", ("InternalError", 500)),
        ("cloudformation", "list_stacks", "expired", ("ExpiredToken", 403)),
        ("sts", "get_caller_identity", "expired", ("ExpiredToken", 403)),
        ("secretsmanager", "list_secrets", "expired", ("ExpiredTokenException", 400)),
        ("s3", "list_buckets", "expired", ("ExpiredToken", 400)),
        ("cloudformation", "list_stacks", "denied", ("AccessDenied", 403)),
        ("ecs", "list_clusters", "denied", ("AccessDeniedException", 400)),
        ("ec2", "describe_vpcs", "denied", ("UnauthorizedOperation", 403)),
        ("s3", "list_buckets", "denied", ("AccessDenied", 403)),
        ("cloudformation", "list_stacks", "skewed", ("SignatureDoesNotMatch", 403)),
        ("secretsmanager", "list_secrets", "skewed", ("InvalidSignatureException", 400)),
        ("ec2", "describe_vpcs", "skewed", ("RequestExpired", 400)),
        ("s3", "list_buckets", "skewed", ("RequestTimeTooSkewed", 403)),
    ],
)
def test_each_service_fails_in_its_own_protocol(running, client, service, call, kind, error):
    running.admin(
        "fault", {"kind": kind, "service": "elasticfilesystem" if service == "efs" else service}
    )
    assert outcome(getattr(client(service), call)) == error


def test_fault_selects_status_and_action(running, client):
    running.admin("fault", {"kind": "error", "status": 503, "action": "ListClusters"})
    assert outcome(client("ecs").list_clusters) == ("InternalServerException", 503)
    assert outcome(lambda: client("ecs").describe_clusters()) is None
    running.admin("fault", {"kind": "error", "service": "s3", "action": "PUT"})
    assert outcome(lambda: client("s3").create_bucket(Bucket="bucket")) == ("InternalError", 500)
    assert outcome(client("s3").list_buckets) is None


def test_slow_answers_run_into_timeouts(running, client):
    running.admin("fault", {"kind": "slow", "seconds": 5, "times": 1})
    with pytest.raises(ReadTimeoutError):
        client("cloudformation", read_timeout=0.1).list_stacks()


def test_dropped_connections_before_and_after_the_request_was_served(running, client):
    cloudformation = client("cloudformation")
    running.admin("fault", {"kind": "drop", "times": 1})
    with pytest.raises(ConnectionClosedError):
        cloudformation.create_stack(StackName="a", TemplateBody=TOPIC)
    assert cloudformation.list_stacks()["StackSummaries"] == []
    running.admin("fault", {"kind": "drop", "times": 1, "after": True})
    with pytest.raises(ConnectionClosedError):
        cloudformation.create_stack(StackName="a", TemplateBody=TOPIC)
    assert cloudformation.list_stacks()["StackSummaries"][0]["StackStatus"] == "CREATE_COMPLETE"
    running.admin("fault", {"kind": "error", "service": "sns", "times": 1, "after": True})
    assert outcome(lambda: client("sns").create_topic(Name="late")) == ("InternalFailure", 500)
    assert any(
        topic["TopicArn"].endswith(":late") for topic in client("sns").list_topics()["Topics"]
    )


def test_equal_seeds_fail_alike(running, client):
    def run(seed):
        running.admin("clear")
        running.admin("fault", {"kind": "throttle", "probability": 0.5, "seed": seed})
        return [outcome(client("cloudformation").list_stacks) for _ in range(20)]

    first = run(1)
    assert first == run(1) != run(2)
    assert {None, ("Throttling", 400)} == set(first)


def test_faults_from_python():
    with Server() as server:
        server.engine.fault(RequestFault("throttle", every=2))
        running = RunningEmulator(0, server.url)
        result = []
        for _ in range(4):
            headers = {"Authorization": SCOPE}
            request = urllib.request.Request(server.url, b"Action=ListStacks", headers)  # noqa: S310
            try:
                with urllib.request.urlopen(request) as answer:  # noqa: S310
                    result.append(answer.status)
            except urllib.error.HTTPError as error:
                with error:
                    result.append(error.code)
        assert result == [200, 400, 200, 400]
        assert running.admin("status")["stacks"] == []


SCOPE = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/cloudformation/aws4_request, SignedHeaders=host, Signature=x"


def test_kill_fault_ends_the_server_at_its_event(tmp_path, client):
    started = lifecycle.start_emulator(tmp_path)
    started.admin("fault", {"kind": "kill", "logical_id": "T", "status": "CREATE_COMPLETE"})
    with pytest.raises(ConnectionClosedError):
        client("cloudformation", url=started.url).create_stack(StackName="s", TemplateBody=TOPIC)
    assert lifecycle.find_emulator(tmp_path) is None


def test_kill_counts_matching_events():
    died = []
    engine = LocalCloudFormation(
        EmulatorSettings(die=lambda: died.append(engine.store.stack("s").events[-1].status))
    )
    engine.fault(Kill("T", nth=2))
    engine.call(
        "CreateStack",
        {
            "StackName": "s",
            "TemplateBody": json.dumps({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}),
        },
    )
    assert died == ["CREATE_IN_PROGRESS"]


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ({"reason": "no", "nth": 2}, Fault("no", nth=2)),
        ({"kind": "kill", "status": "CREATE_COMPLETE"}, Kill(status="CREATE_COMPLETE")),
        ({"kind": "slow", "seconds": 2}, RequestFault("slow", seconds=2)),
    ],
)
def test_fault_is_parsed_from_json(body, made):
    assert parse_fault(body) == made


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            {"kind": "flood"},
            "kind is 'flood', not one of throttle, error, slow, drop, expired, denied, skewed, kill",
        ),
        ({"kind": "slow", "colour": "red"}, "unknown: colour; known: kind, service"),
        ({"kind": "throttle", "every": 0}, "every is at least 1"),
        ({"kind": "throttle", "every": "x"}, "not supported between"),
        ({}, "missing 1 required positional argument: 'reason'"),
        (None, "a fault is a JSON object"),
    ],
)
def test_invalid_fault_is_refused(running, body, text):
    with pytest.raises(ValueError, match=text):
        parse_fault(body)
    if body is not None:
        with pytest.raises(LifecycleError, match="refuses"):
            running.admin("fault", body)
