"""boto3 against the emulator gets what it got from AWS: the recorded change sets and events."""

import json
import re
from pathlib import Path

import pytest

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator.server.server import Server
from stackwright.emulator.world.settings import EmulatorSettings
from tests.support.clients import Clients

RECORDED = Path(__file__).parents[1] / "cfn" / "recorded" / "change-sets.json"
CASES = json.loads(RECORDED.read_text(encoding="utf-8"))
ACCOUNT, REGION = "111111111111", "us-west-2"


@pytest.fixture
def client():
    with (
        Server(EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT)), mirror=False) as server,
        Clients(server.url, REGION) as clients,
    ):
        yield clients("cloudformation")


def parameters(side):
    return [
        {"ParameterKey": key, "ParameterValue": value} for key, value in side["parameters"].items()
    ]


def change_set(client, side, name, kind):
    """Create, describe and execute a change set; its changes."""
    id_ = client.create_change_set(
        StackName="stack",
        ChangeSetName=name,
        ChangeSetType=kind,
        TemplateBody=json.dumps(side["template"]),
        Parameters=parameters(side),
    )["Id"]
    client.get_waiter("change_set_create_complete").wait(ChangeSetName=id_)
    answer = client.describe_change_set(ChangeSetName=id_, IncludePropertyValues=True)
    client.execute_change_set(ChangeSetName=id_)
    client.get_waiter(f"stack_{kind.lower()}_complete").wait(StackName="stack")
    return [change["ResourceChange"] for change in answer["Changes"]]


def masked(value, stack_id):
    """Ids as the recording masks them; what was random in AWS is random here too."""
    text = json.dumps(value)
    text = text.replace(
        stack_id,
        "arn:<partition>:cloudformation:<region>:111111111111:stack/<stack-name:1>/<resource:2>",
    )
    text = text.replace("arn:aws:", "arn:<partition>:").replace(REGION, "<region>")
    text = re.sub(
        r"sns:<region>:111111111111:stack-[A-Za-z0-9]+-[A-Za-z0-9]{12}",
        "sns:<region>:111111111111:<resource:4>",
        text,
    )
    text = re.sub(r"CFN-([A-Za-z0-9]+)-[A-Za-z0-9]{12}", "CFN-\\1", text)
    text = text.replace('"amazonaws.com"', '"url_suffix"').replace('"stack"', '"<stack-name:1>"')
    text = text.replace(" is stack", " is <stack-name:1>")
    return json.loads(text)


def recorded(value):
    """The recording with what one case masks and another does not masked in all."""
    text = re.sub(r"CFN-([A-Za-z0-9]+)-[A-Za-z0-9]{12}", "CFN-\\1", json.dumps(value))
    return json.loads(text.replace('"<physical-resource-id:1>"', '"CFN-MyParameter"'))


def opened(change):
    return change | {
        key: json.loads(change[key]) for key in ("BeforeContext", "AfterContext") if key in change
    }


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_change_set_and_events_match_recording(client, case):
    change_set(client, case["before"], "one", "CREATE")
    changes = change_set(client, case["after"], "two", "UPDATE")
    stack_id = client.describe_stacks(StackName="stack")["Stacks"][0]["StackId"]
    assert masked([opened(change) for change in changes], stack_id) == recorded(case["changes"])

    short = "Stack" in case["events"]  # recorded shorter, and mostly after the stack was deleted
    if short and case["events"]["Stack"][-1]["ResourceStatus"] == "DELETE_COMPLETE":
        client.delete_stack(StackName=stack_id)
        client.get_waiter("stack_delete_complete").wait(StackName=stack_id)
    events = client.describe_stack_events(StackName=stack_id)["StackEvents"]
    for logical_id, expected in case["events"].items():
        own = logical_id in ("Stack", "<stack-name:1>")
        mine = [e for e in events if e["LogicalResourceId"] == ("stack" if own else logical_id)]
        assert shown(mine[::-1] if short else mine, short) == shown(expected, short)


def shown(events, short):
    """(status, reason) of the events; the short form has each status once, oldest first, and no
    clean-up."""
    if not short:
        return [(event["ResourceStatus"], event.get("ResourceStatusReason")) for event in events]
    statuses = [event["ResourceStatus"] for event in events]
    return [
        s
        for s, before in zip(statuses, [None, *statuses], strict=False)
        if s != before and "CLEANUP" not in s
    ]
