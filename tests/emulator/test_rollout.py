"""ECS services as ECS shows them while a stack rolls out: counts, deployments, events, stopped
tasks."""

import hashlib
import json
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator.server.lifecycle import RunningEmulator
from stackwright.emulator.server.server import Server
from stackwright.emulator.world.settings import EmulatorSettings
from tests.support.clients import Clients
from tests.support.clock import Clock

REGION = "us-east-2"
HOST = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
BREAKER = "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."
HANDLED = f'Resource handler returned message: "{BREAKER}" (RequestToken: '


class Cluster:
    """One stack with one service, and what ECS says of it."""

    def __init__(self, **options):
        self.time = Clock()
        self.server = Server(EmulatorSettings(Pseudo(region=REGION), source=self.time, **options))

    def __enter__(self):
        self.server.__enter__()
        self.clients = Clients(self.server.url, REGION)
        self("ecr").create_repository(repositoryName="web")
        return self

    def __exit__(self, *_):
        self.clients.close()
        self.server.__exit__()

    def __call__(self, service):
        return self.clients(service)

    def push(self, tag="1"):
        """The image reference, by digest, of a pushed image."""
        manifest = json.dumps({"schemaVersion": 2, "mediaType": "m", "tag": tag})
        digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
        self("ecr").put_image(
            repositoryName="web", imageManifest=manifest, imageTag=tag, imageDigest=digest
        )
        return f"{HOST}/web@{digest}"

    def deploy(
        self,
        image="docker.io/library/web:1",
        count=2,
        secret=None,
        breaker=None,
        verb="create",
        **service,
    ):
        deployment = {"MinimumHealthyPercent": 100, "MaximumPercent": 200} | service.pop(
            "percent", {}
        )
        if breaker is not None:
            deployment["DeploymentCircuitBreaker"] = {"Enable": "true", "Rollback": breaker}
        container = {"Name": "web", "Image": image, "Memory": 128}
        if secret:
            container["Secrets"] = [{"Name": "KEY", "ValueFrom": secret}]
        task = {"Family": "web", "ContainerDefinitions": [container]}
        shown = {
            "ServiceName": "web",
            "Cluster": {"Ref": "Cluster"},
            "TaskDefinition": {"Ref": "Task"},
        }
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
        answer = self.service()
        return answer["desiredCount"], answer["pendingCount"], answer["runningCount"]

    def deployments(self):
        keys = ("status", "rolloutState", "pendingCount", "runningCount", "failedTasks")
        return [
            tuple(deployment.get(key) for key in keys)
            for deployment in self.service()["deployments"]
        ]

    def messages(self):
        return [event["message"] for event in reversed(self.service()["events"])]

    def tasks(self):
        ecs, arns = self("ecs"), []
        for status in ("STOPPED", "RUNNING"):
            arns += ecs.list_tasks(cluster="c", desiredStatus=status)["taskArns"]
        return self("ecs").describe_tasks(cluster="c", tasks=arns)["tasks"] if arns else []

    def running_images(self):
        tasks = [task for task in self.tasks() if task["lastStatus"] == "RUNNING"]
        arns = {task["taskDefinitionArn"] for task in tasks}
        definitions = [
            self("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
            for arn in arns
        ]
        return [definition["containerDefinitions"][0]["image"] for definition in definitions]


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


def test_update_starts_new_tasks_before_the_old_ones_stop(slow):
    slow.deploy()
    slow.time.now += 10
    slow.deploy("docker.io/library/web:2", verb="update")
    assert slow.deployments() == [
        ("PRIMARY", "IN_PROGRESS", 2, 0, 0),
        ("ACTIVE", "COMPLETED", 0, 2, 0),
    ]
    assert slow.counts() == (2, 2, 2)
    slow.time.now += 10
    assert slow.status() == "UPDATE_COMPLETE"
    assert slow.deployments() == [("PRIMARY", "COMPLETED", 0, 2, 0)]
    assert slow.running_images() == ["docker.io/library/web:2"]
    stopped = [task for task in slow.tasks() if task["lastStatus"] == "STOPPED"]
    assert {task["stopCode"] for task in stopped} == {"ServiceSchedulerInitiated"}
    assert any("has stopped 2 running tasks: (task " in message for message in slow.messages())


def test_singleton_stops_before_its_successor_starts(slow):
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


def test_missing_image_trips_breaker_and_rolls_back(cluster):
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
    assert any(
        message.endswith("deployment failed: tasks failed to start.")
        for message in cluster.messages()
    )


def test_breaker_rolls_back_to_last_completed_deployment(slow):
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


def test_creation_fails_where_tasks_do_not_start(cluster):
    assert cluster.deploy(f"{HOST}/nothing:1", breaker=True) == "ROLLBACK_COMPLETE"
    assert cluster.reason("CREATE_FAILED").startswith(HANDLED)


@pytest.mark.parametrize(
    ("value", "selector", "reason"),
    [
        ('{"A": 1}', ":B::", "retrieved secret from Secrets Manager did not contain json key B"),
        ("plain", ":B::", "invalid character 'p' looking for beginning of value"),
        (
            None,
            ":B::",
            "ResourceNotFoundException: Secrets Manager can't find the specified secret.",
        ),
    ],
)
def test_missing_secret_key_keeps_tasks_from_starting(cluster, value, selector, reason):
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:app-abcdef"
    if value is not None:
        arn = cluster("secretsmanager").create_secret(Name="app", SecretString=value)["ARN"]
    # no circuit breaker: CloudFormation waits, in vain
    assert cluster.deploy(secret=arn + selector) == "ROLLBACK_COMPLETE"
    assert 'message: "Exceeded attempts to wait" (RequestToken: ' in cluster.reason("CREATE_FAILED")
    assert cluster.reason("CREATE_FAILED").endswith("HandlerErrorCode: NotStabilized)")
    stopped = cluster.tasks()[0]["stoppedReason"]
    text = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed:"
    assert stopped.startswith(
        f"{text} unable to retrieve secret from asm: service call has been retried 1 time(s): "
    )
    assert stopped.endswith(reason)


def test_missing_parameter_keeps_tasks_from_starting(cluster):
    assert cluster.deploy(secret="/nothing", breaker=True) == "ROLLBACK_COMPLETE"
    assert cluster.tasks()[0]["stoppedReason"].endswith("invalid ssm parameters: /nothing")


def test_service_stabilizes_after_secret_is_corrected(slow):
    arn = slow("secretsmanager").create_secret(Name="app", SecretString="{}")["ARN"]
    slow.deploy(secret=f"{arn}:KEY::", count=1, breaker=True)
    slow.time.now += 15
    assert slow.deployments() == [("PRIMARY", "IN_PROGRESS", 1, 0, 1)]
    slow("secretsmanager").put_secret_value(SecretId=arn, SecretString='{"KEY": "v"}')
    slow.time.now += 10
    assert slow.status() == "CREATE_COMPLETE"


def test_without_breaker_cloudformation_waits_three_hours():
    table = {("AWS::ECS::Task", "fail"): 60.0, ("AWS::ECS::Service", "stabilize"): 10_800.0}
    with Cluster(latency=lambda type_, operation: table.get((type_, operation), 0.0)) as cluster:
        cluster.deploy(f"{HOST}/nothing:1", count=1)
        cluster.time.now += 10_700
        assert cluster.status() == "CREATE_IN_PROGRESS"
        assert cluster.counts() == (1, 1, 0)
        cluster.time.now += 200
        assert cluster.status() == "ROLLBACK_COMPLETE"


def test_cancelled_update_ends_the_rollout(slow):
    slow.deploy()
    slow.time.now += 10
    slow.deploy("docker.io/library/web:2", verb="update")
    slow("cloudformation").cancel_update_stack(StackName="s")
    slow.time.now += 30
    assert slow.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert slow.running_images() == ["docker.io/library/web:1"]
    assert slow.counts() == (2, 0, 2)


def test_tasks_start_without_image_where_pulls_are_off():
    with Cluster(pulls=False) as cluster:
        assert cluster.deploy(f"{HOST}/nothing:1", breaker=True) == "CREATE_COMPLETE"
        cluster("cloudformation").delete_stack(StackName="s")
        assert {task["lastStatus"] for task in cluster.tasks()} == {"STOPPED"}


# --- what clients see and do through the services themselves


class Connected(Cluster):
    """A cluster whose service has a load balancer's target group and a service of Cloud Map."""

    def network(self):
        ec2, elb, discovery = self("ec2"), self("elbv2"), self("servicediscovery")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/28")["Subnet"]["SubnetId"]
            for i in (1, 2)
        ]
        made = elb.create_target_group(
            Name="web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip"
        )
        self.group = made["TargetGroups"][0]["TargetGroupArn"]
        discovery.create_private_dns_namespace(Name="a.local", Vpc=vpc)
        namespace = discovery.list_namespaces()["Namespaces"][0]["Id"]
        self.registry = discovery.create_service(Name="web", NamespaceId=namespace)["Service"]
        security = ec2.create_security_group(GroupName="s", Description="s", VpcId=vpc)["GroupId"]
        awsvpc = {"AwsvpcConfiguration": {"Subnets": subnets, "SecurityGroups": [security]}}
        balancer = {"TargetGroupArn": self.group, "ContainerName": "web", "ContainerPort": 8080}
        return {
            "LaunchType": "FARGATE",
            "NetworkConfiguration": awsvpc,
            "LoadBalancers": [balancer],
            "ServiceRegistries": [{"RegistryArn": self.registry["Arn"]}],
        }

    def targets(self):
        answer = self("elbv2").describe_target_health(TargetGroupArn=self.group)[
            "TargetHealthDescriptions"
        ]
        return {
            target["Target"]["Id"]: (target["Target"]["Port"], target["TargetHealth"]["State"])
            for target in answer
        }

    def instances(self):
        answer = self("servicediscovery").list_instances(ServiceId=self.registry["Id"])["Instances"]
        return {instance["Id"]: instance["Attributes"]["AWS_INSTANCE_IPV4"] for instance in answer}

    def addresses(self):
        details = {
            task["taskArn"].rpartition("/")[2]: {
                detail["name"]: detail["value"] for detail in task["attachments"][0]["details"]
            }
            for task in self.tasks()
            if task["lastStatus"] == "RUNNING"
        }
        return {task: detail["privateIPv4Address"] for task, detail in details.items()}


@pytest.fixture
def connected():
    table = {("AWS::ECS::Task", "healthy"): 20.0}
    with Connected(latency=lambda type_, operation: table.get((type_, operation), 0.0)) as made:
        yield made


def test_running_tasks_are_targets_and_instances(connected):
    network = connected.network()
    connected.deploy(count=3, **network)
    addresses = connected.addresses()
    assert len(set(addresses.values())) == 3
    assert connected.targets() == dict.fromkeys(addresses.values(), (8080, "initial"))
    assert connected.instances() == addresses
    assert connected.status() == "CREATE_IN_PROGRESS"
    connected.time.now += 20
    assert connected.targets() == dict.fromkeys(addresses.values(), (8080, "healthy"))
    assert connected.status() == "CREATE_COMPLETE"

    connected.deploy("docker.io/library/web:2", count=3, verb="update", **network)
    assert len(connected.targets()) == 6  # the old ones serve until the new ones are healthy
    connected.time.now += 20
    after = connected.addresses()
    assert len(after) == 3
    assert after.keys().isdisjoint(addresses)
    assert connected.targets() == dict.fromkeys(after.values(), (8080, "healthy"))
    assert connected.instances() == after
    connected("cloudformation").delete_stack(StackName="s")
    assert (connected.targets(), connected.instances()) == ({}, {})
    assert connected("ecs").list_clusters()["clusterArns"] == []


def test_unhealthy_tasks_trip_the_breaker(connected):
    network = connected.network()
    connected.deploy(breaker=True, **network)
    connected.time.now += 20
    before = connected.addresses()
    RunningEmulator(0, connected.server.url).admin(
        "fault", {"kind": "unhealthy", "service": "web", "image": "web:2"}
    )
    connected.deploy("docker.io/library/web:2", breaker=True, verb="update", **network)
    connected.time.now += 20
    assert connected.status() == "UPDATE_IN_PROGRESS"
    connected.time.now += 20
    assert connected.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert connected.addresses() == before
    assert connected.targets() == dict.fromkeys(before.values(), (8080, "healthy"))
    reason = f"Task failed ELB health checks in (target-group {connected.group})"
    assert [
        task["stoppedReason"] for task in connected.tasks() if task["healthStatus"] == "UNHEALTHY"
    ] == [reason] * 4
    assert any(
        f"is unhealthy in (target-group {connected.group}) due to (reason Health checks failed)."
        in message
        for message in connected.messages()
    )


def test_tasks_are_listed_by_service_and_status(cluster):
    cluster.deploy(count=2)
    ecs = cluster("ecs")
    ecs.create_service(cluster="c", serviceName="other", taskDefinition="web", desiredCount=1)
    listed = {
        name: ecs.list_tasks(cluster="c", serviceName=name)["taskArns"] for name in ("web", "other")
    }
    assert [len(arns) for arns in listed.values()] == [2, 1]
    assert not set(listed["web"]) & set(listed["other"])
    assert ecs.list_tasks(cluster="c", serviceName="web", desiredStatus="STOPPED")["taskArns"] == []
    assert len(ecs.list_tasks(cluster="c", family="web")["taskArns"]) == 3
    assert ecs.list_tasks(cluster="c", family="we")["taskArns"] == []
    paged = ecs.get_paginator("list_tasks").paginate(cluster="c", PaginationConfig={"PageSize": 2})
    assert [len(page["taskArns"]) for page in paged] == [2, 1]
    for wrong in ({"cluster": "no"}, {"cluster": "c", "serviceName": "no"}):
        with pytest.raises(ClientError, match="NotFoundException"):
            ecs.list_tasks(**wrong)


def test_stopped_tasks_have_reasons_by_container(cluster):
    cluster.deploy(f"{HOST}/web:9", count=1, breaker=True)
    task = cluster.tasks()[0]
    (container,) = task["containers"]
    assert (container["name"], container["image"], container["lastStatus"]) == (
        "web",
        f"{HOST}/web:9",
        "STOPPED",
    )
    assert container["reason"] == task["stoppedReason"]
    assert "exitCode" not in container


def test_clients_change_services_through_ecs(cluster):
    cluster.deploy(count=1)
    ecs, first = cluster("ecs"), cluster.deployments()[0]
    changed = ecs.update_service(cluster="c", service="web", desiredCount=3)["service"]
    assert changed["desiredCount"] == 3
    assert cluster.counts() == (3, 0, 3)
    before = cluster.service()["deployments"][0]["id"]
    ecs.update_service(cluster="c", service="web", forceNewDeployment=True)
    assert cluster.counts() == (3, 0, 3)
    assert cluster.service()["deployments"][0]["id"] != before
    ecs.update_service(cluster="c", service="web", desiredCount=0)
    assert cluster.counts() == (0, 0, 0)
    assert first[:2] == ("PRIMARY", "COMPLETED")
    with pytest.raises(ClientError, match="ServiceNotFoundException"):
        ecs.update_service(cluster="c", service="no", desiredCount=0)
    assert len(ecs.list_services(cluster="c")["serviceArns"]) == 1
    assert ecs.list_services(cluster="c", launchType="FARGATE")["serviceArns"] == []
    ecs.delete_service(cluster="c", service="web", force=True)
    assert ecs.list_services(cluster="c")["serviceArns"] == []
    assert ecs.list_tasks(cluster="c")["taskArns"] == []


def test_scalable_target_scales_service_into_bounds(cluster):
    cluster.deploy(count=1)
    target = {
        "ResourceId": "service/c/web",
        "MinCapacity": 3,
        "MaxCapacity": "4",
        "ServiceNamespace": "ecs",
    }
    target["ScalableDimension"] = "ecs:service:DesiredCount"
    cloudformation, resource = (
        cluster("cloudformation"),
        {"Type": "AWS::ApplicationAutoScaling::ScalableTarget"},
    )

    def scale(verb, **bounds):
        body = json.dumps(
            {"Resources": {"Target": {**resource, "Properties": {**target, **bounds}}}}
        )
        getattr(cloudformation, f"{verb}_stack")(StackName="t", TemplateBody=body)
        assert cloudformation.describe_stacks(StackName="t")["Stacks"][0]["StackStatus"].endswith(
            f"{verb.upper()}_COMPLETE"
        )

    scale("create")
    assert cluster.counts() == (3, 0, 3)
    scale("update", MinCapacity=1, MaxCapacity=2)
    assert cluster.counts() == (2, 0, 2)
    scale("update", MinCapacity=1, MaxCapacity=9)
    assert cluster.counts() == (2, 0, 2)
    cloudformation.delete_stack(StackName="t")
    assert cluster.counts() == (2, 0, 2)


def test_scaling_to_zero_completes_waiting_stack(slow):
    slow.deploy(f"{HOST}/web:9", count=2)
    slow.time.now += 15
    assert slow.status() == "CREATE_IN_PROGRESS"
    slow("ecs").update_service(cluster="c", service="web", desiredCount=0)
    assert slow.status() == "CREATE_COMPLETE"


def test_service_deployments_are_recorded(slow):
    slow.deploy()
    slow.time.now += 10
    slow.deploy(f"{HOST}/web:9", breaker=True, verb="update")
    ecs = slow("ecs")
    (running, first) = ecs.list_service_deployments(cluster="c", service="web")[
        "serviceDeployments"
    ]
    assert (running["status"], first["status"]) == ("IN_PROGRESS", "SUCCESSFUL")
    assert first["finishedAt"] > first["createdAt"]
    for _ in range(3):
        slow.time.now += 15
    slow.status()
    arns = [running["serviceDeploymentArn"], "arn:aws:ecs:x:1:service-deployment/c/web/none"]
    answer = ecs.describe_service_deployments(serviceDeploymentArns=arns)
    assert answer["failures"] == [{"arn": arns[1], "reason": "MISSING"}]
    (deployment,) = answer["serviceDeployments"]
    assert deployment["status"] == "ROLLBACK_SUCCESSFUL"
    assert deployment["statusReason"] == "ECS deployment circuit breaker: tasks failed to start."
    only = ecs.list_service_deployments(cluster="c", service="web", status=["SUCCESSFUL"])[
        "serviceDeployments"
    ]
    assert [deployment["serviceDeploymentArn"] for deployment in only][-1] == first[
        "serviceDeploymentArn"
    ]


def test_stopped_service_deployment_rolls_back_and_fails_the_stack(slow):
    slow.deploy()
    slow.time.now += 10
    slow.deploy("docker.io/library/web:2", verb="update")
    ecs = slow("ecs")
    arn = ecs.list_service_deployments(cluster="c", service="web")["serviceDeployments"][0][
        "serviceDeploymentArn"
    ]
    assert ecs.stop_service_deployment(serviceDeploymentArn=arn)["serviceDeploymentArn"] == arn
    slow.time.now += 10
    assert slow.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert slow.running_images() == ["docker.io/library/web:1"]
    with pytest.raises(ClientError, match="ConflictException"):
        ecs.stop_service_deployment(serviceDeploymentArn=arn)
    with pytest.raises(ClientError, match="ServiceDeploymentNotFoundException"):
        ecs.stop_service_deployment(serviceDeploymentArn=f"{arn}x")


@pytest.mark.parametrize(
    ("state", "status"), [("OK", "UPDATE_COMPLETE"), ("ALARM", "UPDATE_ROLLBACK_COMPLETE")]
)
def test_alarm_of_the_deployment_rolls_it_back(slow, state, status):
    percent = {"Alarms": {"AlarmNames": ["errors"], "Enable": True, "Rollback": True}}
    alarm = {
        "MetricName": "m",
        "Namespace": "n",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
    }
    alarm |= {"ComparisonOperator": "GreaterThanThreshold", "Statistic": "Sum"}
    slow("cloudwatch").put_metric_alarm(AlarmName="errors", **alarm)
    slow.deploy(percent=percent)
    slow.time.now += 10
    slow.deploy("docker.io/library/web:2", percent=percent, verb="update")
    slow("cloudwatch").set_alarm_state(AlarmName="errors", StateValue=state, StateReason="x")
    for _ in range(3):
        slow.time.now += 10
        slow.counts()
    assert slow.status() == status
    failed = [
        message
        for message in slow.messages()
        if message.endswith("deployment failed: alarm detected.")
    ]
    assert len(failed) == (state == "ALARM")
    assert slow.running_images() == [
        "docker.io/library/web:1" if failed else "docker.io/library/web:2"
    ]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("ListTasks", {"cluster": "c", "maxResults": "x"}),
        ("ListTasks", {"cluster": "c", "nextToken": "x"}),
        ("CreateService", {"cluster": "c", "taskDefinition": "web"}),
        ("UpdateService", {"cluster": ["c"], "service": {}}),
        ("DescribeServiceDeployments", {"serviceDeploymentArns": 1}),
    ],
)
def test_malformed_requests_are_refused(cluster, action, body):
    cluster.deploy(count=0)
    scope = f"AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/ecs/aws4_request, SignedHeaders=host, Signature=x"
    target = f"AmazonEC2ContainerServiceV20141113.{action}"
    headers = {
        "Authorization": scope,
        "X-Amz-Target": target,
        "Content-Type": "application/x-amz-json-1.1",
    }
    request = urllib.request.Request(cluster.server.url, json.dumps(body).encode(), headers)  # noqa: S310 - loopback
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)  # noqa: S310 - loopback
    with caught.value as error:
        assert error.code == 400
    assert cluster.counts() == (0, 0, 0)
