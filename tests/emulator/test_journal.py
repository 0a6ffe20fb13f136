"""What an emulator holds outlasts it, however it ends."""

import json
import os
import stat
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator.server import lifecycle
from stackwright.emulator.server.journal import DamagedJournal, Journal
from stackwright.emulator.server.lifecycle import RunningEmulator
from stackwright.emulator.server.server import Server
from stackwright.emulator.world.settings import EmulatorSettings
from tests.support.clients import Clients

TOPIC = "AWS::SNS::Topic"


class Cloud(Clients):
    """Clients of one URL."""

    def __init__(self, url, server=None):
        super().__init__(url)
        self.admin, self.server = RunningEmulator(0, url).admin, server

    def create(self, resources, name="s", **options):
        body = json.dumps({"Resources": resources})
        self("cloudformation").create_stack(StackName=name, TemplateBody=body, **options)

    def status(self, name="s"):
        return self("cloudformation").describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]

    def everything(self):
        """Every stack with its resources and events, and what the services hold."""
        cloudformation = self("cloudformation")
        stacks = cloudformation.describe_stacks()["Stacks"]
        result = {
            stack["StackId"]: (
                stack["StackStatus"],
                cloudformation.list_stack_resources(StackName=stack["StackId"])[
                    "StackResourceSummaries"
                ],
                cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"],
            )
            for stack in stacks
        }
        secrets = [secret["ARN"] for secret in self("secretsmanager").list_secrets()["SecretList"]]
        values = {
            arn: self("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
            for arn in secrets
        }
        vpcs = sorted(
            vpc["VpcId"] for vpc in self("ec2").describe_vpcs()["Vpcs"] if not vpc["IsDefault"]
        )
        return result, values, vpcs, self.tasks()

    def tasks(self):
        ecs = self("ecs")
        arns = [
            arn
            for cluster in ecs.list_clusters()["clusterArns"]
            for arn in ecs.list_tasks(cluster=cluster)["taskArns"]
        ]
        return sorted(arns)


@pytest.fixture
def begin(tmp_path):
    """Starts emulators one after the other on one journal, each with what the last one left."""
    open_ = []

    def end():
        while open_:
            cloud, server = open_.pop()
            cloud.close()
            server.__exit__()

    def start(**options):
        end()
        server = Server(EmulatorSettings(**options), journal=Journal(tmp_path / "state.jsonl"))
        server.__enter__()
        open_.append((Cloud(server.url, server), server))
        return open_[-1][0]

    yield start
    end()


TASK = {"Family": "f", "ContainerDefinitions": [{"Name": "c", "Image": "i:1", "Memory": 64}]}
RESOURCES = {
    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
    "Secret": {
        "Type": "AWS::SecretsManager::Secret",
        "Properties": {"GenerateSecretString": {"PasswordLength": 20}},
    },
    "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "c"}},
    "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": TASK},
    "Service": {
        "Type": "AWS::ECS::Service",
        "Properties": {
            "Cluster": {"Ref": "Cluster"},
            "TaskDefinition": {"Ref": "Task"},
            "DesiredCount": 2,
        },
    },
}


def test_restart_restores_all_state(begin):
    cloud = begin()
    cloud.create(RESOURCES)
    cloud("s3").create_bucket(Bucket="bucket")
    cloud("s3").put_object(Bucket="bucket", Key="a/b c", Body=b"\x00\xff" * 100)
    cloud("secretsmanager").create_secret(Name="mine", SecretString="v")
    cloud("ssm").put_parameter(Name="/p", Value="v", Type="String")
    change = {
        "StackName": "s",
        "ChangeSetName": "c",
        "TemplateBody": json.dumps({"Resources": {"Vpc": RESOURCES["Vpc"]}}),
    }
    change_set = cloud("cloudformation").create_change_set(**change)["Id"]
    before, described = (
        cloud.everything(),
        cloud("cloudformation").describe_change_set(ChangeSetName=change_set),
    )
    assert cloud.status() == "CREATE_COMPLETE"
    assert len(before[3]) == 2

    again = begin()
    assert again.url == cloud.url
    assert again.everything() == before
    assert again("s3").get_object(Bucket="bucket", Key="a/b c")["Body"].read() == b"\x00\xff" * 100
    assert again("ssm").get_parameter(Name="/p")["Parameter"]["Value"] == "v"
    answer = again("cloudformation").describe_change_set(ChangeSetName=change_set)
    assert answer["Changes"] == described["Changes"]
    again("cloudformation").execute_change_set(ChangeSetName=change_set)
    assert again.status() == "UPDATE_COMPLETE"
    after = again.everything()
    assert begin().everything() == after


def test_restart_continues_running_operation(begin):
    latency = {"latency": lambda type_, operation: 1000.0 if type_ == TOPIC else 0.0}
    first = {"A": {"Type": TOPIC}, "B": {"Type": TOPIC, "DependsOn": "A"}}
    begin(**latency).create(first)
    assert begin(**latency).status() == "CREATE_IN_PROGRESS"


def test_reads_are_not_journaled(begin, tmp_path):
    cloud = begin()
    cloud.create({"A": {"Type": TOPIC}})
    written = (tmp_path / "state.jsonl").read_text()
    cloud.everything()
    cloud("s3").list_buckets()
    cloud("iam").list_roles()
    with pytest.raises(ClientError):
        cloud("cloudformation").describe_stacks(StackName="x")
    assert (tmp_path / "state.jsonl").read_text() == written
    assert len(written.splitlines()) == 2  # the port and the creation
    assert stat.S_IMODE((tmp_path / "state.jsonl").stat().st_mode) == 0o600


def test_refused_requests_replay_equally(begin):
    cloud = begin()
    cloud.create({"A": {"Type": TOPIC}})
    with pytest.raises(ClientError):
        cloud.create({"A": {"Type": TOPIC}})
    cloud.admin("fault", {"reason": "no", "logical_id": "B"})
    cloud.create({"A": {"Type": TOPIC}, "B": {"Type": TOPIC}}, name="failing")
    assert cloud.status("failing") == "ROLLBACK_COMPLETE"
    before = cloud.everything()
    assert begin().everything() == before


def test_reset_forgets_everything(begin):
    cloud = begin()
    cloud.create({"A": {"Type": TOPIC}})
    cloud.admin("reset")
    cloud.create({"A": {"Type": TOPIC}}, name="second")
    before = cloud.everything()
    again = begin()
    assert again.admin("status")["stacks"] == ["second"]
    assert again.everything() == before


@pytest.mark.parametrize("rest", ['{"time": 1, "meth', "\x00", "0"])
def test_torn_last_line_is_removed(begin, tmp_path, rest):
    begin().create({"A": {"Type": TOPIC}})
    file = tmp_path / "state.jsonl"
    before = file.read_text()
    file.write_text(before + rest)
    again = begin()
    assert again.status() == "CREATE_COMPLETE"
    assert file.read_text() == before
    again.create({"B": {"Type": TOPIC}}, name="second")
    assert begin().admin("status")["stacks"] == ["s", "second"]


@pytest.mark.parametrize("line", ["\x00", "[1]", "00000000 {}", ""])
def test_damaged_line_is_refused(begin, tmp_path, line):
    begin().create({"A": {"Type": TOPIC}})
    file = tmp_path / "state.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], line, *lines[1:]]) + "\n")
    with pytest.raises(
        DamagedJournal, match=r"line 2 of .*/state\.jsonl is damaged.*emulator reset"
    ):
        begin()


def test_altered_entry_is_refused(begin, tmp_path):
    begin().create({"A": {"Type": TOPIC}})
    file = tmp_path / "state.jsonl"
    file.write_text(file.read_text().replace("POST", "PUTS", 1))
    with pytest.raises(DamagedJournal):
        begin()


def test_taken_port_is_replaced(tmp_path):
    with (
        Server(journal=Journal(tmp_path / "a")) as one,
        Server(journal=Journal(tmp_path / "a")) as other,
    ):
        assert one.url != other.url
        ports = [urlsplit(server.url).port for server in (one, other)]
    assert max(ports) < 32_768, "a client may have it when the next server comes"


def test_state_survives_stop_and_kill(tmp_path):
    started = lifecycle.start_emulator(tmp_path)
    cloud = Cloud(started.url)
    cloud.create({"Secret": RESOURCES["Secret"]})
    before = cloud.everything()
    lifecycle.stop_emulator(tmp_path)
    second = lifecycle.start_emulator(tmp_path)
    assert second.url == started.url
    assert cloud.everything() == before
    second.admin("fault", {"kind": "kill", "logical_id": "B", "status": "CREATE_COMPLETE"})
    with pytest.raises(ConnectionClosedError):
        cloud.create({"A": {"Type": TOPIC}, "B": {"Type": TOPIC, "DependsOn": "A"}}, name="cut")
    os.waitpid(second.pid, 0)
    assert lifecycle.start_emulator(tmp_path).url == started.url
    assert cloud.status("cut") == "CREATE_COMPLETE"  # AWS would have gone on, too
    cloud.close()
    assert lifecycle.stop_emulator(tmp_path)


def test_preloading_does_not_change_ids(begin):
    elsewhere = Pseudo(
        account_id="777788889999"
    )  # moto makes some of its own things in its default account
    cloud = begin(pseudo=elsewhere)
    cloud.server.load()
    cloud.create(RESOURCES)
    before = cloud.everything()
    assert begin(pseudo=elsewhere).everything() == before


def test_pending_faults_survive_restart(begin):
    throttle = {
        "kind": "throttle",
        "service": "cloudformation",
        "every": 3,
        "times": 2,
        "probability": 0.9,
    }

    def throttled(cloud, count):
        result = []
        for _ in range(count):
            try:
                cloud("cloudformation").list_stacks()
                result.append(False)
            except ClientError:
                result.append(True)
        return result

    cloud = begin()
    cloud.admin("fault", throttle)
    whole = throttled(cloud, 12)
    assert sum(whole) == 2
    cloud.admin("clear")
    cloud.admin("fault", throttle)
    first = throttled(cloud, 4)
    assert first + throttled(begin(), 8) == whole
    cloud = begin()
    cloud.admin("fault", {**throttle, "times": None})
    cloud.admin("clear")
    assert not any(throttled(begin(), 6))


def test_kill_strikes_once_across_restarts(begin):
    died = []
    cloud = begin(die=lambda: died.append("first"))
    cloud.admin("fault", {"kind": "kill", "status": "CREATE_COMPLETE", "nth": 3})
    cloud.create({"A": {"Type": TOPIC}})
    assert died == []
    cloud = begin(die=lambda: died.append("second"))
    cloud.create({"A": {"Type": TOPIC}}, "t")
    assert died == ["second"]
    begin(die=lambda: died.append("third")).create({"A": {"Type": TOPIC}}, "u")
    assert died == ["second"]


def test_unhealthy_fault_is_replayed(begin):
    cloud = begin()
    cloud.admin("fault", {"kind": "unhealthy"})
    cloud.create(RESOURCES)
    before = cloud.everything()
    assert cloud.status() == "ROLLBACK_COMPLETE"
    again = begin()
    assert again.everything() == before
    again.admin("clear")
    again.create({**RESOURCES}, "t")
    assert again.status("t") == "CREATE_COMPLETE"
