"""The table of stack statuses: complete, consistent, and read by all that refuse or recover."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader

from stackwright.cfn.statuses import _STATUSES, Recovery, stack_status

NAMES = Loader().load_service_model("cloudformation", "service-2")["shapes"]["StackStatus"]["enum"]
EVERY = [stack_status(name) for name in NAMES]


def names(statuses):
    return {status.name for status in statuses}


def test_table_holds_every_status_of_the_service_model():
    assert set(_STATUSES) == set(NAMES)


def test_stable_statuses_are_those_of_the_api_reference():
    # docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackStack.html
    assert names(status for status in EVERY if status.stable) == {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }


@pytest.mark.parametrize("status", EVERY, ids=NAMES)
def test_status_does_not_contradict_itself(status):
    assert status.final == (not status.name.endswith("_IN_PROGRESS")) or (
        status.name == "REVIEW_IN_PROGRESS"
    )
    assert status.final or status.recovery is Recovery.WATCH
    assert status.stable >= status.good
    assert status.updatable >= status.stable
    assert bool(status.problem) == (status.recovery is not Recovery.NOTHING)
    assert status.stuck == (status.name.endswith("_FAILED") or status.name == "ROLLBACK_COMPLETE")


def test_rollbacks_continue_only_where_the_api_allows_it():
    def recovered_by(recovery):
        return names(status for status in EVERY if status.recovery is recovery)

    assert recovered_by(Recovery.CONTINUE) == {"UPDATE_ROLLBACK_FAILED"}
    assert recovered_by(Recovery.ROLL_BACK) <= {"CREATE_FAILED", "UPDATE_FAILED"}
    assert recovered_by(Recovery.SUPPORT) == {"IMPORT_ROLLBACK_FAILED"}


def test_explanation_names_the_problem_and_the_way_to_recover():
    assert stack_status("ROLLBACK_COMPLETE").explanation == (
        "its first creation failed; delete the stack, then create it again"
    )
    assert stack_status("UPDATE_COMPLETE").explanation == ""


def test_unknown_status_claims_no_more_than_its_name_says():
    assert not stack_status("MERGE_IN_PROGRESS").final
    merged = stack_status("MERGE_COMPLETE")
    assert (merged.final, merged.good, merged.updatable, merged.stuck) == (
        True,
        False,
        False,
        False,
    )
