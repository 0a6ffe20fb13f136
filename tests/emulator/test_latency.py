"""Operations take no time, unless realistic latencies are asked for."""

import json

import pytest

from stackwright.emulator.api.cloudformation import LocalCloudFormation
from stackwright.emulator.server.lifecycle import LifecycleError, RunningEmulator
from stackwright.emulator.server.server import Server
from stackwright.emulator.world.durations import typical_seconds
from stackwright.emulator.world.settings import EmulatorSettings
from tests.support.clock import Clock

BUCKET, SERVICE = "AWS::S3::Bucket", "AWS::ECS::Service"


@pytest.fixture
def time():
    return Clock()


def create(engine, resources):
    engine.call(
        "CreateStack", {"StackName": "s", "TemplateBody": json.dumps({"Resources": resources})}
    )


def status(engine):
    return engine.call("DescribeStacks", {"StackName": "s"})["Stacks"][0]["StackStatus"]


def test_operations_take_no_time_by_default(time):
    engine = LocalCloudFormation(EmulatorSettings(source=time))
    create(engine, {"B": {"Type": BUCKET}})
    assert status(engine) == "CREATE_COMPLETE"


@pytest.mark.parametrize("factor", [1.0, 0.1])
def test_realistic_latency_of_a_bucket(time, factor):
    engine = LocalCloudFormation(EmulatorSettings(source=time, realistic=factor))
    create(engine, {"B": {"Type": BUCKET}})
    time.now += typical_seconds(BUCKET, "create") * factor - 1
    assert status(engine) == "CREATE_IN_PROGRESS"
    time.now += 1
    assert status(engine) == "CREATE_COMPLETE"


def test_latency_of_a_running_emulator_can_be_set(time):
    with Server(EmulatorSettings(source=time)) as server:
        engine = server.engine
        admin = RunningEmulator(0, server.url).admin
        admin("latency", {"realistic": 1})
        create(engine, {"B": {"Type": BUCKET}})
        assert status(engine) == "CREATE_IN_PROGRESS"
        for wrong in ({"realistic": -1}, {"realistic": "x"}, {}):
            with pytest.raises(LifecycleError, match="realistic is 0"):
                admin("latency", wrong)
        admin("reset")
        create(engine, {"B": {"Type": BUCKET}})
        assert status(engine) == "CREATE_COMPLETE"


def test_service_latency_includes_its_tasks(time):
    task = {"Family": "f", "ContainerDefinitions": [{"Name": "c", "Image": "i:1", "Memory": 64}]}
    resources = {
        "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task},
        "Cluster": {"Type": "AWS::ECS::Cluster"},
        "Service": {
            "Type": SERVICE,
            "Properties": {
                "Cluster": {"Ref": "Cluster"},
                "TaskDefinition": {"Ref": "Task"},
                "DesiredCount": 2,
            },
        },
    }
    with Server(EmulatorSettings(source=time, realistic=1)) as server:
        engine = server.engine
        create(engine, resources)
        time.now += typical_seconds("AWS::ECS::Cluster", "create")
        assert status(engine) == "CREATE_IN_PROGRESS"
        time.now += typical_seconds(SERVICE, "create") - 1
        assert status(engine) == "CREATE_IN_PROGRESS"
        time.now += 1
        assert status(engine) == "CREATE_COMPLETE"
    assert typical_seconds(SERVICE, "stabilize") == 3 * 60 * 60
