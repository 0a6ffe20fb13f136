"""Predictions are equal to what AWS answered, in every field."""

import json
from pathlib import Path

import pytest

from stackwright.cfn import template
from stackwright.cfn.changes import PhysicalResource, StackSide, predict_changes
from stackwright.cfn.intrinsics import Pseudo

CASES = json.loads(
    (Path(__file__).parent / "recorded" / "change-sets.json").read_text(encoding="utf-8")
)

MASKED = Pseudo(
    stack_name="<stack-name:1>",
    stack_id="arn:<partition>:cloudformation:<region>:111111111111:stack/<stack-name:1>/<resource:2>",
    region="<region>",
    account_id="111111111111",
    partition="aws",
    url_suffix="url_suffix",
)


def physical_ids(case):
    """Logical id -> the physical resource before the update, from the events and the masked
    change."""
    ids = {
        logical_id: next(
            (e["PhysicalResourceId"] for e in events if e["ResourceStatus"] == "CREATE_COMPLETE"),
            None,
        )
        for logical_id, events in case["events"].items()
    }
    ids |= {c["LogicalResourceId"]: c.get("PhysicalResourceId", "") for c in case["changes"]}
    return {logical_id: PhysicalResource(id_) for logical_id, id_ in ids.items() if id_}


def as_recorded(change):
    contexts = {
        key: json.loads(change[key]) for key in ("BeforeContext", "AfterContext") if key in change
    }
    return change | contexts


def test_there_are_as_many_cases_as_were_recorded():
    assert len(CASES) == 26


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_prediction_equals_the_recorded_change_set(case):
    before, after = (
        template.template_from_data(case[side]["template"]) for side in ("before", "after")
    )
    prediction = predict_changes(
        StackSide(before, case["before"]["parameters"], MASKED, physical_ids(case)),
        StackSide(after, case["after"]["parameters"], MASKED),
    )
    assert [as_recorded(change["ResourceChange"]) for change in prediction.to_api()] == case[
        "changes"
    ]


def test_change_that_aws_does_without_listing_is_predicted():
    """AWS's change set has only Topic1; its events show that Topic2 was updated too."""
    case = next(case for case in CASES if case["name"] == "fn-join-update-refence-argument")
    statuses = {event["ResourceStatus"] for event in case["events"]["Topic2"]}
    assert "UPDATE_COMPLETE" in statuses
    before, after = (
        StackSide(template.template_from_data(case[side]["template"]))
        for side in ("before", "after")
    )
    change = {change.logical_id: change for change in predict_changes(before, after).changes}[
        "Topic2"
    ]
    assert (change.real, change.listed) == (True, False)
    assert [(item.before, item.after) for item in change.properties] == [
        ("prefix-display-name-1", "prefix-display-name-2")
    ]
