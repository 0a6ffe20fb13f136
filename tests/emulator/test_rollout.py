"""ECS services as ECS shows them while a stack rolls out: counts, deployments, events, stopped tasks."""

import hashlib
import json

import boto3
import pytest
from botocore.config import Config

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator.engine import Engine
from stackwright.emulator.server import Server

REGION = "us-east-2"
HOST = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
BREAKER = "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."
HANDLED = f'Resource handler returned message: "{BREAKER}" (RequestToken: '


class Time:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


class Cluster:
    """One stack with one service, and what ECS says of it."""

    def __init__(self, **options):
        self.time, self.clients = Time(), {}
        self.server = Server(Engine(Pseudo(region=REGION), source=self.time, **options))

    def __enter__(self):
        self.server.__enter__()
        self("ecr").create_repository(repositoryName="web")
        return self

    def __exit__(self, *_):
        for client in self.clients.values():
            client.close()
        self.server.__exit__()

    def __call__(self, service):
        if service not in self.clients:
            keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": REGION}
            config = Config(retries={"total_max_attempts": 1})
            self.clients[service] = boto3.client(service, endpoint_url=self.server.url, config=config, **keys)
        return self.clients[service]

    def push(self, tag="1"):
        """The image reference, by digest, of a pushed image."""
        manifest = json.dumps({"schemaVersion": 2, "mediaType": "m", "tag": tag})
        digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
        self("ecr").put_image(repositoryName="web", imageManifest=manifest, imageTag=tag, imageDigest=digest)
        return f"{HOST}/web@{digest}"

    def deploy(self, image="docker.io/library/web:1", count=2, secret=None, breaker=None, verb="create", **service):
        deployment = {"MinimumHealthyPercent": 100, "MaximumPercent": 200} | service.pop("percent", {})
        if breaker is not None:
            deployment["DeploymentCircuitBreaker"] = {"Enable": "true", "Rollback": breaker}
        container = {"Name": "web", "Image": image, "Memory": 128}
        if secret:
            container["Secrets"] = [{"Name": "KEY", "ValueFrom": secret}]
        task = {"Family": "web", "ContainerDefinitions": [container]}
        shown = {"ServiceName": "web", "Cluster": {"Ref": "Cluster"}, "TaskDefinition": {"Ref": "Task"}}
        shown |= {"DesiredCount": count, "DeploymentConfiguration": deployment, **service}
        resources = {
            "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "c"}},
            "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task},
            "Service": {"Type": "AWS::ECS::Service", "Properties": shown},
        }
        getattr(self("cloudformation"), f"{verb}_stack")(
            StackName="s", TemplateBody=json.dumps({"Resources": resources})
        )
        return self.status()

    def status(self):
        return self("cloudformation").describe_stacks(StackName="s")["Stacks"][0]["StackStatus"]

    def reason(self, status):
        events = self("cloudformation").describe_stack_events(StackName="s")["StackEvents"]
        return next(e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == status)

    def service(self):
        return self("ecs").describe_services(cluster="c", services=["web"])["services"][0]

    def counts(self):
        found = self.service()
        return found["desiredCount"], found["pendingCount"], found["runningCount"]

    def deployments(self):
        keys = ("status", "rolloutState", "pendingCount", "runningCount", "failedTasks")
        return [tuple(each.get(key) for key in keys) for each in self.service()["deployments"]]

    def messages(self):
        return [event["message"] for event in reversed(self.service()["events"])]

    def tasks(self):
        arns = self("ecs").list_tasks(cluster="c")["taskArns"]
        return self("ecs").describe_tasks(cluster="c", tasks=arns)["tasks"] if arns else []

    def running_images(self):
        tasks = [task for task in self.tasks() if task["lastStatus"] == "RUNNING"]
        found = {task["taskDefinitionArn"] for task in tasks}
        definitions = [self("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"] for arn in found]
        return [each["containerDefinitions"][0]["image"] for each in definitions]


@pytest.fixture
def cluster():
    with Cluster() as made:
        yield made


@pytest.fixture
def slow():
    """Tasks take ten seconds to start and five to fail; all else is at once."""
    table = {("AWS::ECS::Task", "start"): 10.0, ("AWS::ECS::Task", "fail"): 5.0}
    with Cluster(latency=lambda type_, operation: table.get((type_, operation), 0.0)) as made:
        yield made


def test_counts_move_until_the_service_is_stable(slow):
    assert slow.deploy() == "CREATE_IN_PROGRESS"
    assert slow.counts() == (2, 2, 0)
    assert slow.deployments() == [("PRIMARY", "IN_PROGRESS", 2, 0, 0)]
    assert slow("ecs").describe_clusters(clusters=["c"])["clusters"][0]["pendingTasksCount"] == 2
    assert {task["lastStatus"] for task in slow.tasks()} == {"PROVISIONING"}
    slow.time.now += 10
    assert slow.counts() == (2, 0, 2)
    assert slow.deployments() == [("PRIMARY", "COMPLETED", 0, 2, 0)]
    assert slow("ecs").describe_clusters(clusters=["c"])["clusters"][0]["runningTasksCount"] == 2
    assert {task["lastStatus"] for task in slow.tasks()} == {"RUNNING"}
    assert slow.status() == "CREATE_COMPLETE"
    first, second, third = slow.messages()
    assert first.startswith("(service web) has started 2 tasks: (task ")
    assert second.endswith(") deployment completed.")
    assert third == "(service web) has reached a steady state."


def test_an_update_starts_new_tasks_before_the_old_ones_stop(slow):
    slow.deploy()
    slow.time.now += 10
    slow.deploy("docker.io/library/web:2", verb="update")
    assert slow.deployments() == [("PRIMARY", "IN_PROGRESS", 2, 0, 0), ("ACTIVE", "COMPLETED", 0, 2, 0)]
    assert slow.counts() == (2, 2, 2)
    slow.time.now += 10
    assert slow.status() == "UPDATE_COMPLETE"
    assert slow.deployments() == [("PRIMARY", "COMPLETED", 0, 2, 0)]
    assert slow.running_images() == ["docker.io/library/web:2"]
    stopped = [task for task in slow.tasks() if task["lastStatus"] == "STOPPED"]
    assert {task["stopCode"] for task in stopped} == {"ServiceSchedulerInitiated"}
    assert any("has stopped 2 running tasks: (task " in message for message in slow.messages())


def test_a_singleton_stops_before_its_successor_starts(slow):
    percent = {"MinimumHealthyPercent": "0", "MaximumPercent": "100"}
    slow.deploy(count=1, percent=percent)
    slow.time.now += 10
    slow.deploy("docker.io/library/web:2", count=1, percent=percent, verb="update")
    assert slow.counts() == (1, 1, 0)
    slow.time.now += 10
    assert (slow.counts(), slow.status()) == ((1, 0, 1), "UPDATE_COMPLETE")


def test_scaling_keeps_the_deployment(cluster):
    cluster.deploy(count=1)
    before = cluster.service()["deployments"][0]["id"]
    assert cluster.deploy(count=3, verb="update") == "UPDATE_COMPLETE"
    assert cluster.counts() == (3, 0, 3)
    assert cluster.deploy(count=0, verb="update") == "UPDATE_COMPLETE"
    assert cluster.counts() == (0, 0, 0)
    assert cluster.service()["deployments"][0]["id"] == before


def test_an_image_that_is_not_there_trips_the_breaker_and_all_returns(cluster):
    good = cluster.push()
    assert cluster.deploy(good, breaker=False) == "CREATE_COMPLETE"
    missing = f"{HOST}/web@sha256:{'0' * 64}"
    assert cluster.deploy(missing, breaker=False, verb="update") == "UPDATE_ROLLBACK_COMPLETE"
    assert cluster.reason("UPDATE_FAILED").startswith(HANDLED)
    assert cluster.reason("UPDATE_FAILED").endswith(", HandlerErrorCode: GeneralServiceException)")
    assert cluster.running_images() == [good]
    assert cluster.deployments() == [("PRIMARY", "COMPLETED", 0, 2, 0)]
    assert cluster.counts() == (2, 0, 2)
    failed = [task for task in cluster.tasks() if task.get("stopCode") == "TaskFailedToStart"]
    text = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref"
    reason = f"{text} {missing}: not found"
    assert {task["stoppedReason"] for task in failed} == {reason}
    assert len(failed) == 4  # two at a time, until at least three failed
    assert f"(service web) was unable to place a task. Reason: {reason}." in cluster.messages()
    assert any(message.endswith("deployment failed: tasks failed to start.") for message in cluster.messages())


def test_the_breaker_returns_to_the_last_good_deployment_by_itself(slow):
    slow.deploy(slow.push(), breaker=True)
    slow.time.now += 10
    good = slow.service()["deployments"][0]["id"]
    slow.deploy(f"{HOST}/web:9", breaker=True, verb="update")
    slow.time.now += 15
    assert slow.deployments()[0] == ("PRIMARY", "IN_PROGRESS", 2, 0, 2)
    slow.time.now += 15
    assert slow.service()["deployments"][0]["id"] == good
    assert f"(service web) rolling back to deployment {good}." in slow.messages()
    assert slow.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert slow.reason("UPDATE_FAILED").startswith(HANDLED)
    assert slow.counts() == (2, 0, 2)


def test_a_creation_whose_tasks_do_not_start_fails(cluster):
    assert cluster.deploy(f"{HOST}/nothing:1", breaker=True) == "ROLLBACK_COMPLETE"
    assert cluster.reason("CREATE_FAILED").startswith(HANDLED)


@pytest.mark.parametrize(
    ("value", "selector", "reason"),
    [
        ('{"A": 1}', ":B::", "retrieved secret from Secrets Manager did not contain json key B"),
        ("plain", ":B::", "invalid character 'p' looking for beginning of value"),
        (None, ":B::", "ResourceNotFoundException: Secrets Manager can't find the specified secret."),
    ],
)
def test_a_secret_without_the_key_keeps_tasks_from_starting(cluster, value, selector, reason):
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:app-abcdef"
    if value is not None:
        arn = cluster("secretsmanager").create_secret(Name="app", SecretString=value)["ARN"]
    # no circuit breaker: CloudFormation waits, in vain
    assert cluster.deploy(secret=arn + selector) == "ROLLBACK_COMPLETE"
    assert 'message: "Exceeded attempts to wait" (RequestToken: ' in cluster.reason("CREATE_FAILED")
    assert cluster.reason("CREATE_FAILED").endswith("HandlerErrorCode: NotStabilized)")
    stopped = cluster.tasks()[0]["stoppedReason"]
    text = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed:"
    assert stopped.startswith(f"{text} unable to retrieve secret from asm: service call has been retried 1 time(s): ")
    assert stopped.endswith(reason)


def test_a_parameter_that_is_not_there_does_so_too(cluster):
    assert cluster.deploy(secret="/nothing", breaker=True) == "ROLLBACK_COMPLETE"
    assert cluster.tasks()[0]["stoppedReason"].endswith("invalid ssm parameters: /nothing")


def test_a_service_becomes_stable_once_the_secret_is_mended(slow):
    arn = slow("secretsmanager").create_secret(Name="app", SecretString="{}")["ARN"]
    slow.deploy(secret=f"{arn}:KEY::", count=1, breaker=True)
    slow.time.now += 15
    assert slow.deployments() == [("PRIMARY", "IN_PROGRESS", 1, 0, 1)]
    slow("secretsmanager").put_secret_value(SecretId=arn, SecretString='{"KEY": "v"}')
    slow.time.now += 10
    assert slow.status() == "CREATE_COMPLETE"


def test_without_a_breaker_cloudformation_waits_its_time():
    table = {("AWS::ECS::Task", "fail"): 60.0, ("AWS::ECS::Service", "stabilize"): 10_800.0}
    with Cluster(latency=lambda type_, operation: table.get((type_, operation), 0.0)) as cluster:
        cluster.deploy(f"{HOST}/nothing:1", count=1)
        cluster.time.now += 10_700
        assert cluster.status() == "CREATE_IN_PROGRESS"
        assert cluster.counts() == (1, 1, 0)
        cluster.time.now += 200
        assert cluster.status() == "ROLLBACK_COMPLETE"


def test_a_cancelled_update_ends_the_rollout(slow):
    slow.deploy()
    slow.time.now += 10
    slow.deploy("docker.io/library/web:2", verb="update")
    slow("cloudformation").cancel_update_stack(StackName="s")
    slow.time.now += 30
    assert slow.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert slow.running_images() == ["docker.io/library/web:1"]
    assert slow.counts() == (2, 0, 2)


def test_images_need_not_be_there_on_request():
    with Cluster(pulls=False) as cluster:
        assert cluster.deploy(f"{HOST}/nothing:1", breaker=True) == "CREATE_COMPLETE"
        cluster("cloudformation").delete_stack(StackName="s")
        assert {task["lastStatus"] for task in cluster.tasks()} == {"STOPPED"}
